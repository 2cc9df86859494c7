import type { Database } from "../../kernel/db/database.ts";
import type { Log } from "../../kernel/log.ts";
import type { Secrets } from "../../kernel/secrets.ts";
import type { Worker } from "../../kernel/service.ts";
import type { IdentityService } from "../identity/contract.ts";
import { deliverAccessLogs } from "./accessLogs/deliver.ts";
import type { BackupOperations } from "./backup/operations.ts";
import { backupWorker } from "./backup/worker.ts";
import { type Changes, watchStore } from "./changes.ts";
import type { ObjectStore, Upload } from "./driver.ts";
import { carryOut } from "./lifecycle/carryOut.ts";
import { abortOf } from "./lifecycle/rules.ts";
import { createDeliveries } from "./notifications/deliveries.ts";
import { origins } from "./notifications/origin.ts";
import { scrubWorker } from "./scrub/worker.ts";
import type { StorageQuota } from "./storageQuota.ts";
import { bucketStore, configurationStore, trashStore, uploadStore } from "./store.ts";
import { trashPrefixOf } from "./transfer.ts";
import { flushUsage } from "./usage.ts";
import { abortUploads, purge } from "./walk.ts";

const unfinishedDays = 7;
const dayMs = 24 * 3_600_000;
const itemsAtOnce = 20;
const bucketsAtOnce = 100;

/** What comes round by itself. Each may be cut short at any point and begins anew the next time. */
export function objectWorkers(parts: {
  database: Database;
  secrets: Secrets;
  identity: Pick<IdentityService, "organisationActive">;
  backups: BackupOperations;
  store: ObjectStore;
  quota: StorageQuota;
  changes: Changes;
  log: Log;
  region: string;
  /** Milliseconds since 1970. */
  now: () => number;
}): Worker[] {
  const { database, store, quota, changes, log, now } = parts;
  const deliveries = createDeliveries(parts);
  return [
    {
      name: "objects.usage",
      everySeconds: 10,
      async run() {
        await flushUsage(parts);
        await quota.report();
      },
    },
    {
      name: "objects.trash",
      everySeconds: 60,
      async run(signal) {
        for (;;) {
          const items = await database.transaction("system", (tx) => trashStore.takeExpired(tx, itemsAtOnce));
          for (const { id, trashBucketId } of items) {
            await purge(store, trashBucketId, trashPrefixOf(id), { signal });
            await database.transaction("system", (tx) => trashStore.delete(tx, id));
          }
          if (items.length < itemsAtOnce) return;
        }
      },
    },
    {
      name: "objects.uploads",
      everySeconds: 3600,
      async run(signal) {
        const beforeMs = now() - unfinishedDays * dayMs;
        for (const bucket of await database.transaction("system", bucketStore.all)) {
          // Where a rule of the bucket says when, that is when (objects.lifecycle).
          const rules = bucket.configuration?.lifecycle ?? [];
          const keep = (upload: Upload) => abortOf(rules, upload) !== undefined;
          const aborted = await abortUploads(store, bucket.id, { signal, beforeMs, keep });
          if (aborted > 0) log.info({ bucket: bucket.name, uploads: aborted }, "gave up uploads that nobody finished");
        }
        await database.transaction("system", uploadStore.forgetOld);
      },
    },
    {
      name: "objects.webhooks",
      everySeconds: 1,
      run: (signal) => deliveries.round(signal),
    },
    {
      name: "objects.webhook_deliveries",
      everySeconds: 3600,
      run: () => deliveries.forget(),
    },
    {
      name: "objects.access_logs",
      everySeconds: 60,
      run: (signal) => deliverAccessLogs(parts, { signal, nowMs: now() }),
    },
    {
      name: "objects.index_copy",
      everySeconds: 60,
      run: () => store.copyIndex(),
    },
    scrubWorker(parts),
    backupWorker(parts),
    {
      name: "objects.lifecycle",
      everySeconds: 3600,
      async run(signal) {
        for (let after = ""; ; ) {
          const page = await database.transaction("system", (tx) =>
            configurationStore.withLifecycle(tx, { after, limit: bucketsAtOnce }),
          );
          for (const bucket of page) {
            const watched = watchStore(store, (_, keys) => {
              for (const key of keys) changes.note(bucket, key);
            });
            const rules = bucket.configuration?.lifecycle ?? [];
            const counts = await origins.run({ lifecycle: true }, () =>
              carryOut(watched, bucket.id, rules, { nowMs: now(), signal }),
            );
            const { objects, versions, markers, uploads, transitions } = counts;
            if (objects + versions + markers + uploads + transitions > 0)
              log.info({ bucket: bucket.name, ...counts }, "lifecycle rules were carried out");
          }
          const last = page.at(-1);
          if (last === undefined) return;
          after = last.id;
        }
      },
    },
    {
      // A put that was under way while its bucket was deleted ends after it: these bytes belong to nobody.
      name: "objects.leftovers",
      everySeconds: 60,
      async run(signal) {
        for (const { id, bucketName } of await database.transaction("system", bucketStore.droppedLately)) {
          const { objects, versions, uploadBytes } = await store.totals(id);
          if (objects + versions + uploadBytes === 0) continue;
          log.warn(
            { bucketId: id, bucket: bucketName, objects, versions, uploadBytes },
            "removing what was left of a deleted bucket",
          );
          await purge(store, id, "", { signal });
          await store.bucketDrop(id);
        }
      },
    },
  ];
}
