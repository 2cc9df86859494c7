import { actorOf, type Principal } from "../../kernel/auth/principal.ts";
import type { Actor } from "../../kernel/contract.ts";
import type { Database, Tx } from "../../kernel/db/database.ts";
import { notFound } from "../../kernel/errors.ts";
import type { Log } from "../../kernel/log.ts";
import type { Secrets } from "../../kernel/secrets.ts";
import type { RequestContext, StreamContext } from "../../kernel/service.ts";
import type { IdentityService } from "../identity/contract.ts";
import type { BackupOperations } from "./backup/operations.ts";
import { placeOf } from "./buckets.ts";
import type { Changes } from "./changes.ts";
import type { ObjectStore } from "./driver.ts";
import type { ObjectOperations } from "./operations.ts";
import type { StorageQuota } from "./storageQuota.ts";
import { type BucketRow, bucketStore } from "./store.ts";

/** What the routes of this service work with. */
export interface ObjectsParts {
  database: Database;
  identity: IdentityService;
  secrets: Secrets;
  region: string;
  store: ObjectStore;
  quota: StorageQuota;
  changes: Changes;
  operations: ObjectOperations;
  backups: BackupOperations;
  /** Where the website of a bucket is; undefined when nothing serves it. */
  websites: { url(tx: Tx, bucket: { name: string; projectId: string }): Promise<string | undefined> };
  publicUrl: string;
  log: Log;
  /** Milliseconds since 1970. */
  now: () => number;
}

/** The bucket of a route, once it is sure that the caller may do there what the route does. */
export async function openBucket(context: Pick<RequestContext, "authorize">, tx: Tx, idOrName: string): Promise<BucketRow> {
  const bucket = await bucketStore.find(tx, idOrName);
  if (!bucket) throw notFound("bucket");
  context.authorize(placeOf(bucket), "bucket");
  return bucket;
}

/** The same for a route whose bytes flow outside any transaction. */
export const openBucketShortly = (context: StreamContext, idOrName: string): Promise<BucketRow> =>
  context.transaction((tx) => openBucket(context, tx, idOrName));

export const actorIn = (context: { principal: Principal }): Actor => actorOf(context.principal);
