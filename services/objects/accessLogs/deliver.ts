import { randomBytes } from "node:crypto";
import type { Database } from "../../../kernel/db/database.ts";
import type { Log } from "../../../kernel/log.ts";
import type { ObjectMarks, ObjectStore } from "../driver.ts";
import { accountIdOf, canonicalIdOf, displayNameOf } from "../s3/access/identity.ts";
import type { StorageQuota } from "../storageQuota.ts";
import { type BucketRow, bucketStore } from "../store.ts";
import type { LoggingConfiguration } from "./configuration.ts";
import { accessLogStore } from "./store.ts";

const bucketsAtOnce = 100;
/** Each has a second's lines, of one process. */
const rowsAtOnce = 600;
/** What cannot be delivered for so long is given up. */
const keptDays = 3;

/**
 * Writes what was collected into the buckets that it is for, an object for each bucket that was asked. The lines go with the commit, after the
 * object is there: killed in between, they are delivered twice, as S3's may be.
 */
export async function deliverAccessLogs(
  {
    database,
    store,
    quota,
    log,
    region,
  }: { database: Database; store: ObjectStore; quota: StorageQuota; log: Log; region: string },
  { signal, nowMs }: { signal: AbortSignal; nowMs: number },
): Promise<void> {
  for (let after = ""; !signal.aborted; ) {
    const ids = await database.transaction("system", (tx) => accessLogStore.buckets(tx, { after, limit: bucketsAtOnce }));
    for (const id of ids) {
      try {
        while (!signal.aborted && (await deliverOf(id)));
      } catch (error) {
        // One that is full or away does not hold the others back.
        log.info({ bucketId: id, err: error }, "an access log could not be delivered yet");
      }
    }
    const last = ids.at(-1);
    if (last === undefined) break;
    after = last;
  }
  await database.transaction("system", (tx) => accessLogStore.forget(tx, keptDays));

  /** Whether there may be more. */
  async function deliverOf(bucketId: string): Promise<boolean> {
    return database.transaction("system", async (tx) => {
      const rows = await accessLogStore.take(tx, bucketId, rowsAtOnce);
      const bucket = await bucketStore.find(tx, bucketId);
      const logging = bucket?.configuration?.logging;
      const target = logging && (await bucketStore.find(tx, logging.targetBucket));
      // Nobody wants them any more; or another project has a bucket of that name now.
      if (rows.length === 0 || !bucket || !target || target.state !== "active" || target.projectId !== bucket.projectId)
        return false;
      const body = Buffer.from(rows.map(({ lines }) => lines).join(""));
      const key = keyOf(logging, bucket, { deliveryMs: nowMs, eventMs: rows[0]?.writtenAt.getTime() ?? nowMs, region });
      await quota.room(target, async (room) => {
        await room.take(body.length);
        await store.put(target.id, key, [body] as unknown as AsyncIterable<Uint8Array>, {
          sizeBytes: body.length,
          headers: { contentType: "text/plain" },
          ...grantedIn(logging, target),
        });
      });
      return rows.length === rowsAtOnce;
    });
  }
}

/** The target's owner has what its other objects give him; the grants come on top of it. */
function grantedIn({ targetGrants }: LoggingConfiguration, { projectId, configuration }: BucketRow): Pick<ObjectMarks, "access"> {
  if (targetGrants === undefined || configuration?.ownership === "BucketOwnerEnforced") return {};
  const canonicalId = canonicalIdOf(projectId);
  const owner = { canonicalId, displayName: displayNameOf(canonicalId) };
  return { access: { owner, grants: [...targetGrants, { ...owner, permission: "FULL_CONTROL" }] } };
}

/** "Log object key format", S3 User Guide. */
function keyOf(
  { targetPrefix, keyFormat }: LoggingConfiguration,
  bucket: BucketRow,
  { deliveryMs, eventMs, region }: { deliveryMs: number; eventMs: number; region: string },
): string {
  const unique = randomBytes(8).toString("hex").toUpperCase();
  const time = new Date(keyFormat === "event_time" ? eventMs : deliveryMs).toISOString();
  const [day, second] = [time.slice(0, 10), time.slice(11, 19).replaceAll(":", "-")];
  if (keyFormat === "simple") return `${targetPrefix}${day}-${second}-${unique}`;
  const folder = `${accountIdOf(bucket.projectId)}/${region}/${bucket.name}/${day.replaceAll("-", "/")}`;
  // By the time of the requests, the name says the day alone.
  return `${targetPrefix}${folder}/${day}-${keyFormat === "event_time" ? "00-00-00" : second}-${unique}`;
}
