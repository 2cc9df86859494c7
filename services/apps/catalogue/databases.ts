import type { Actor } from "../../../kernel/contract.ts";
import type { Tx } from "../../../kernel/db/database.ts";
import { CloudError } from "../../../kernel/errors.ts";
import type { Id } from "../../../kernel/ids.ts";

/** Managed databases as the catalogue makes them for its apps; given where all services are put together. */
export interface CatalogueDatabases {
  /** quota_exceeded, already_exists. */
  create(
    tx: Tx,
    wanted: {
      organisationId: string;
      projectId: string;
      name: string;
      memoryBytes: number;
      diskBytes: number;
      /** For its backups. */
      bucket?: { id: string; name: string };
      actor: Actor;
    },
  ): Promise<{ databaseId: Id<"database"> }>;
  /** Without a name when it is gone. */
  look(tx: Tx, id: string): Promise<{ name?: string; state?: string; operationId?: string }>;
  /** Begins one; undefined when it has no bucket. */
  backup(tx: Tx, id: string, actor: Actor): Promise<string | undefined>;
  /** Begins its deletion, or answers the one that has begun; undefined when it is gone. */
  remove(tx: Tx, id: string, actor: Actor): Promise<string | undefined>;
}

const none = (): never => {
  throw new CloudError("failed_precondition", "There are no managed databases in this cloud.", {
    details: { reason: "databases_missing" },
  });
};

/** Where there are none: templates that need one cannot be installed. */
export const noDatabases: CatalogueDatabases = {
  create: async () => none(),
  look: async () => ({}),
  backup: async () => none(),
  remove: async () => undefined,
};
