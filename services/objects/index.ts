import type { Database } from "../../kernel/db/database.ts";
import type { Log } from "../../kernel/log.ts";
import { registerQuotas } from "../../kernel/quota.ts";
import type { Secrets } from "../../kernel/secrets.ts";
import type { ServiceDefinition } from "../../kernel/service.ts";
import type { IdentityService } from "../identity/contract.ts";
import { collectAccessLogs } from "./accessLogs/collect.ts";
import { defineBackupOperations } from "./backup/operations.ts";
import { openBucketCache } from "./bucketCache.ts";
import { collectChanges } from "./changes.ts";
import type { ObjectsService } from "./contract.ts";
import contract from "./contract.ts";
import type { BucketTotals, ObjectStore } from "./driver.ts";
import type { ClusterContents, ClusterOptions } from "./drivers/cluster/contents.ts";
import { fetchIndex } from "./drivers/cluster/indexCopy.ts";
import { createObjectsService } from "./inProcess.ts";
import { createNotifier, tellingStore } from "./notifications/telling.ts";
import { defineObjectOperations } from "./operations.ts";
import type { ObjectsParts } from "./parts.ts";
import type { S3Backend, S3Credentials } from "./s3/backend.ts";
import { createS3Backend } from "./s3Backend.ts";
import { createS3Credentials } from "./s3Credentials.ts";
import { objectsService } from "./service.ts";
import { createStorageQuota } from "./storageQuota.ts";
import { bucketStore } from "./store.ts";
import { flushUsage } from "./usage.ts";
import { objectWorkers } from "./workers.ts";

export { openLocalStore } from "./drivers/local/index.ts";
export { rebuildIndex } from "./drivers/local/rebuild.ts";
export { s3Server } from "./s3/server.ts";

/** Brings the copy of the index back from the cluster; returns the number of its files. */
export async function fetchIndexCopy(options: ClusterOptions, directory: string): Promise<number> {
  const cluster = await openClusterContents(options);
  try {
    return await fetchIndex(cluster, directory);
  } finally {
    cluster.close();
  }
}

/** Loaded where there is a cluster only: the S3 client takes memory. */
export const openClusterContents = async (options: ClusterOptions): Promise<ClusterContents> =>
  new (await import("./drivers/cluster/contents.ts")).ClusterContents(options);

export interface ObjectsOptions {
  database: Database;
  secrets: Secrets;
  log: Log;
  identity: IdentityService;
  store: ObjectStore;
  publicUrl: string;
  s3Url: string;
  region: string;
  /** Milliseconds since 1970; for tests. */
  now?: () => number;
}

export interface Objects {
  service: ServiceDefinition<typeof contract>;
  /** For other services of this process. */
  objects: ObjectsService;
  s3Backend: S3Backend;
  s3Credentials: S3Credentials;
}

/**
 * The objects service over one database and one store. Two processes make one each over the same: the control plane serves
 * `service`, the data plane serves S3 with the other two.
 */
export function createObjects({
  database,
  log,
  secrets,
  identity,
  store: plainStore,
  publicUrl,
  region,
  now = Date.now,
}: ObjectsOptions): Objects {
  // The data plane serves no API and would otherwise not know its own quotas.
  registerQuotas(contract.quotas);
  const changes = collectChanges(database, log);
  const accessLogs = collectAccessLogs(database, log);
  const buckets = openBucketCache(database, log);
  const notifier = createNotifier({ database, log, region });
  const store = tellingStore(plainStore, { tell: notifier.tell, bucketOf: buckets.find });
  const quota = createStorageQuota({ database, store });
  const operations = defineObjectOperations({ store, changes });
  const backups = defineBackupOperations({ database, secrets, store, quota, changes });
  const websites: ObjectsParts["websites"] = { url: async () => undefined };
  return {
    service: objectsService(
      { database, identity, secrets, region, store, quota, changes, operations, backups, publicUrl, log, websites, now },
      {
        workers: objectWorkers({ database, secrets, identity, backups, store, quota, changes, log, region, now }),
        async metrics() {
          const rows = await database.transaction("system", bucketStore.all);
          const totals = await Promise.all(rows.flatMap((row) => [store.totals(row.id), store.totals(row.trashBucketId)]));
          const sum = (of: keyof BucketTotals) => totals.reduce((total, each) => total + each[of], 0);
          return [
            { name: "khmara_objects_buckets", help: "Buckets.", value: rows.length },
            { name: "khmara_objects_objects", help: "Objects, trash included.", value: sum("objects") },
            { name: "khmara_objects_stored_bytes", help: "Bytes of objects, trash included.", value: sum("sizeBytes") },
            { name: "khmara_objects_version_bytes", help: "Bytes of noncurrent versions.", value: sum("versionBytes") },
            { name: "khmara_objects_upload_bytes", help: "Bytes of unfinished uploads.", value: sum("uploadBytes") },
          ];
        },
        async stop() {
          await changes.stop();
          await accessLogs.stop();
          await notifier.stop();
          await flushUsage({ database, store, log }).catch((error) =>
            log.warn({ err: error }, "usage was not written down at the end; the next start does it"),
          );
          await buckets.close();
        },
      },
    ),
    objects: createObjectsService({ database, store, quota, changes, websites }),
    s3Backend: createS3Backend({ database, store, buckets, quota, changes, accessLogs, notifier, identity, region }),
    s3Credentials: createS3Credentials(identity, secrets, now),
  };
}
