import type { Readable } from "node:stream";
import type { Database } from "../../kernel/db/database.ts";
import { notFound } from "../../kernel/errors.ts";
import type { Id } from "../../kernel/ids.ts";
import { checkWritable } from "./buckets.ts";
import { type Changes, watchStore } from "./changes.ts";
import type { ObjectsService } from "./contract.ts";
import { metered } from "./download.ts";
import type { Meter, ObjectStore } from "./driver.ts";
import type { ObjectsParts } from "./parts.ts";
import type { StorageQuota, StorageRoom } from "./storageQuota.ts";
import { type BucketRow, bucketStore, holdStore, websiteStore } from "./store.ts";

/** Content of unknown length is let into the quota in pieces of this size. */
const admittedAtOnce = 16 * 2 ** 20;

/**
 * Buckets for the other services of this process. What they do is counted, limited and told as if a person had done it through the
 * API; whether that person may is for the service that asks, and so is the audit entry, which says what it was done for.
 */
export function createObjectsService(parts: {
  database: Database;
  store: ObjectStore;
  quota: StorageQuota;
  changes: Changes;
  websites: ObjectsParts["websites"];
}): ObjectsService {
  const { database, quota } = parts;

  const findBucket = (id: string): Promise<BucketRow | undefined> =>
    database.transaction("system", (tx) => bucketStore.find(tx, id));

  async function openBucket(id: string): Promise<BucketRow> {
    const bucket = await findBucket(id);
    if (!bucket || bucket.state === "deleting") throw notFound("bucket");
    return bucket;
  }

  const storeOf = (bucket: BucketRow): ObjectStore =>
    watchStore(parts.store, (_, keys) => {
      for (const key of keys) parts.changes.note(bucket, key);
    });

  return {
    async findBucket(tx, projectId, idOrName) {
      const bucket = await bucketStore.find(tx, idOrName);
      if (bucket?.projectId !== projectId || bucket.state === "deleting") return undefined;
      return { id: bucket.id, name: bucket.name };
    },

    async hold(tx, bucketId, holder) {
      const bucket = await bucketStore.lock(tx, bucketId);
      if (!bucket || bucket.state === "deleting") throw notFound("bucket");
      await holdStore.insert(tx, bucket, holder);
    },

    websites: (tx, page) => websiteStore.all(tx, page),
    addressWebsites: (url) => {
      parts.websites.url = url;
    },

    letGo: (tx, holderId) => holdStore.remove(tx, holderId),

    async write({ bucketId, key, content, contentType, metadata, signal }) {
      try {
        const bucket = await openBucket(bucketId);
        checkWritable(bucket);
        const meter: Meter = { requestClass: "write", receivedBytes: 0 };
        const object = await quota.room(bucket, (room) =>
          storeOf(bucket).put(bucket.id, key, admitted(content, room, meter, signal), {
            headers: contentType === undefined ? {} : { contentType },
            metadata: metadata ?? {},
            meter,
          }),
        );
        // A bucket that was deleted meanwhile takes with it what was put there.
        if (!(await findBucket(bucketId))) throw notFound("bucket");
        return { sizeBytes: object.sizeBytes, etag: object.etag };
      } finally {
        content.destroy();
      }
    },

    async read({ bucketId, key, signal }) {
      signal?.throwIfAborted();
      const bucket = await openBucket(bucketId);
      const { object, body } = await parts.store.get(bucket.id, key);
      const content = metered(body, (sentBytes) => parts.store.meter(bucket.id, { requestClass: "read", sentBytes }));
      const stop = () => content.destroy(signal?.reason as Error);
      signal?.addEventListener("abort", stop, { once: true });
      content.once("close", () => signal?.removeEventListener("abort", stop));
      return { sizeBytes: object.sizeBytes, contentType: object.headers.contentType, metadata: object.metadata, content };
    },

    async list({ bucketId, prefix, after, limit }) {
      const bucket = await openBucket(bucketId);
      const { objects } = await parts.store.list(bucket.id, { prefix, limit, ...(after === undefined ? {} : { after }) });
      parts.store.meter(bucket.id, { requestClass: "write" });
      return objects.map(({ key, sizeBytes }) => ({ key, sizeBytes }));
    },

    async delete({ bucketId, key }) {
      const bucket = await findBucket(bucketId);
      // With a bucket all of its objects are deleted.
      if (!bucket || bucket.state === "deleting") return;
      checkWritable(bucket);
      await storeOf(bucket).delete(bucket.id as Id<"bucket">, key, { meter: { requestClass: "delete" } });
    },
  };

  async function* admitted(
    content: Readable,
    room: StorageRoom,
    meter: Meter,
    signal: AbortSignal | undefined,
  ): AsyncGenerator<Uint8Array> {
    let received = 0;
    let taken = 0;
    const stop = () => content.destroy(signal?.reason as Error);
    if (signal?.aborted) stop();
    signal?.addEventListener("abort", stop, { once: true });
    try {
      for await (const piece of content as AsyncIterable<Uint8Array>) {
        received += piece.length;
        meter.receivedBytes = received;
        for (; taken < received; taken += admittedAtOnce) await room.take(admittedAtOnce);
        yield piece;
      }
    } finally {
      signal?.removeEventListener("abort", stop);
    }
  }
}
