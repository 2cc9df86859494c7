import { audit } from "../../../kernel/audit.ts";
import type { Actor } from "../../../kernel/contract.ts";
import type { Database } from "../../../kernel/db/database.ts";
import { CloudError } from "../../../kernel/errors.ts";
import type { Log } from "../../../kernel/log.ts";
import type { Worker } from "../../../kernel/service.ts";
import type { IdentityService } from "../../identity/contract.ts";
import { subjectOf } from "../buckets.ts";
import { bucketStore } from "../store.ts";
import { type BackupOperations, beginBackup, beginOnBackups } from "./operations.ts";
import { backupResource } from "./routes.ts";
import { nextBackupAt } from "./schedule.ts";
import { type BackupRow, backupStore, type TargetRow, targetStore } from "./store.ts";

const clockwork: Actor = { kind: "system", name: "Backups by the clock" };
const atOnce = 100;

/** Begins backups whose time has come, and the deletion of those that are kept no longer. */
export function backupWorker(parts: {
  database: Database;
  identity: Pick<IdentityService, "organisationActive">;
  log: Log;
  backups: BackupOperations;
  /** Milliseconds since 1970. */
  now: () => number;
}): Worker {
  const { database, identity, log, backups, now } = parts;

  /** One that cannot be begun now, as something else is done with the bucket, stays due. */
  const begin = ({ bucketId, organisationId }: Pick<TargetRow, "bucketId" | "organisationId">) =>
    database.transaction("system", async (tx) => {
      const bucket = await bucketStore.lock(tx, bucketId);
      const target = await targetStore.find(tx, bucketId);
      if (!bucket || target?.schedule == null || target.nextAt === null || target.nextAt.getTime() > now()) return;
      const active = await identity.organisationActive(tx, organisationId);
      if (active) {
        const { row } = await beginBackup(tx, backups, bucket, { actor: clockwork, automatic: true });
        audit(tx, { ...subjectOf(bucket), action: "objects.backup.create", actor: clockwork, after: { backup: row.id } });
      }
      await targetStore.setNext(tx, bucketId, nextBackupAt(target.schedule, new Date(now())));
    });

  const expire = (expired: BackupRow[]) =>
    database.transaction("system", async (tx) => {
      const bucket = await bucketStore.lock(tx, (expired[0] as BackupRow).bucketId);
      if (!bucket) return;
      const rows: BackupRow[] = [];
      for (const { id } of expired) {
        const row = await backupStore.find(tx, id, { lock: true });
        if (row?.state === "available") rows.push(row);
      }
      const [first] = rows;
      if (!first) return;
      await beginOnBackups(tx, backups.delete, rows, {
        input: { backupIds: rows.map(({ id }) => id), bucketId: bucket.id },
        actor: clockwork,
        resource: backupResource(first, bucket),
        change: { state: "deleting", stateReason: null },
      });
      for (const row of rows)
        audit(tx, {
          ...subjectOf(bucket),
          resource: backupResource(row, bucket),
          action: "objects.backup.delete",
          actor: clockwork,
        });
    });

  /** One that fails does not keep the others from their turn. */
  const each = async <T>(rows: readonly T[], signal: AbortSignal, what: string, work: (row: T) => Promise<void>) => {
    for (const row of rows) {
      if (signal.aborted) return;
      await work(row).catch((error) => {
        if (!CloudError.is(error, "failed_precondition")) log.warn({ err: error }, what);
      });
    }
  };

  return {
    name: "objects.backups",
    everySeconds: 30,
    async run(signal) {
      const due = await database.transaction("system", (tx) => targetStore.due(tx, atOnce));
      await each(due, signal, "a bucket cannot be backed up", begin);
      const expired = await database.transaction("system", (tx) => backupStore.expired(tx, atOnce));
      const byBucket = [...Map.groupBy(expired, ({ bucketId }) => bucketId).values()];
      await each(byBucket, signal, "old backups of a bucket cannot be deleted", expire);
    },
  };
}
