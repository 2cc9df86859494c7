/** Databases that are made for apps of the catalogue, with the app's operation above theirs. */
import type { Actor } from "../../kernel/contract.ts";
import type { Tx } from "../../kernel/db/database.ts";
import { type BackupOperations, makeBackup } from "./backupOperations.ts";
import { beginOnDatabase, insertDatabase } from "./creation.ts";
import { checkNoHolders } from "./links/links.ts";
import type { DatabaseOperations } from "./operations.ts";
import type { DatabasesParts } from "./parts.ts";
import { checkDatabase } from "./states.ts";
import { type DatabaseRow, databaseStore } from "./store.ts";

export interface DatabasesForCatalogue {
  /** quota_exceeded, already_exists. */
  create(
    tx: Tx,
    wanted: {
      organisationId: string;
      projectId: string;
      name: string;
      memoryBytes: number;
      diskBytes: number;
      bucket?: { id: string; name: string };
      actor: Actor;
    },
  ): Promise<{ databaseId: DatabaseRow["id"] }>;
  /** Empty when it is gone. */
  look(tx: Tx, id: string): Promise<{ name?: string; state?: string; operationId?: string }>;
  /** Begins one; undefined when it has no bucket, or is gone. */
  backup(tx: Tx, id: string, actor: Actor): Promise<string | undefined>;
  /** Begins its deletion, or answers the one that has begun; undefined when it is gone. */
  remove(tx: Tx, id: string, actor: Actor): Promise<string | undefined>;
}

export function createDatabasesForCatalogue(
  parts: DatabasesParts,
  operations: DatabaseOperations,
  backups: BackupOperations,
): DatabasesForCatalogue {
  return {
    async create(tx, { actor, bucket, name, ...wanted }) {
      parts.driver();
      const inner = name.replaceAll("-", "_");
      const { row } = await insertDatabase(
        tx,
        operations.create,
        {
          ...wanted,
          name,
          version: "18",
          cpus: 1,
          databaseName: inner,
          ownerName: inner,
          bucket,
          backupHour: 2,
          keepDays: 7,
          protected: false,
        },
        actor,
        {},
      );
      return { databaseId: row.id };
    },

    async look(tx, id) {
      const row = await databaseStore.find(tx, id);
      if (!row) return {};
      return { name: row.name, state: row.state, ...(row.operationId === null ? {} : { operationId: row.operationId }) };
    },

    async backup(tx, id, actor) {
      const row = await databaseStore.find(tx, id, { lock: true });
      if (!row || row.bucketId === null) return undefined;
      checkDatabase(row, "backup");
      return (await makeBackup(tx, backups, row, actor, false)).operation.id;
    },

    async remove(tx, id, actor) {
      const row = await databaseStore.find(tx, id, { lock: true });
      if (!row) return undefined;
      if (row.state === "deleting") return row.operationId ?? undefined;
      checkDatabase(row, "delete");
      await checkNoHolders(tx, row);
      const change = { state: "deleting" as const };
      return (await beginOnDatabase(tx, operations.delete, row, { input: { databaseId: row.id }, actor, change })).id;
    },
  };
}
