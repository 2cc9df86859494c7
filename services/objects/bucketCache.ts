import type { Database } from "../../kernel/db/database.ts";
import { CloudError } from "../../kernel/errors.ts";
import type { Log } from "../../kernel/log.ts";
import { type BucketRow, bucketStore, bucketsChannel } from "./store.ts";

const freshMs = 5000;
/** Nobody waits longer for a word that gets lost. */
const hearingMs = 1000;
const maxEntries = 20_000;

/**
 * Buckets by name for the data plane: a put must not ask the database each time, nor stop while it restarts. What changes is told
 * by a notification; an entry that could not be looked at again is used as it is.
 */
export interface BucketCache {
  find(idOrName: string): Promise<BucketRow | undefined>;
  /** Only what was looked up here before; never asks. */
  known(name: string): BucketRow | undefined;
  byId(id: string): BucketRow | undefined;
  /**
   * Does what changes the bucket of this name and tells so, and resolves once this process has heard of it, as by then the others have, too.
   */
  changing<T>(name: string, work: () => Promise<T>): Promise<T>;
  close(): Promise<void>;
}

export function openBucketCache(database: Database, log: Log): BucketCache {
  const entries = new Map<string, { bucket: BucketRow; readAt: number }>();
  const byId = new Map<string, BucketRow>();
  const reading = new Map<string, Promise<BucketRow | undefined>>();
  // Counts what was told, so that an answer that was read before is not kept after.
  let told = 0;
  const waiting = new Set<{ name: string; heard: () => void }>();
  let listener: Promise<{ close(): Promise<void> } | undefined> | undefined;

  function forget(name: string): void {
    const entry = entries.get(name);
    if (entry) entry.readAt = 0;
    told++;
    reading.delete(name);
    for (const each of waiting) if (each.name === name) each.heard();
  }

  function listen(): void {
    listener ??= database
      .listen(bucketsChannel, forget, () => {
        // Whatever was told while nobody listened.
        for (const name of entries.keys()) forget(name);
      })
      .catch((error) => {
        log.warn({ err: error }, "cannot listen for changes of buckets; asking more often instead");
        listener = undefined;
        return undefined;
      });
  }

  async function read(name: string): Promise<BucketRow | undefined> {
    const before = told;
    const bucket = await database.transaction("system", (tx) => bucketStore.find(tx, name));
    if (!bucket) {
      const old = entries.get(name);
      if (old) byId.delete(old.bucket.id);
      entries.delete(name);
      return undefined;
    }
    if (entries.size >= maxEntries) {
      entries.clear();
      byId.clear();
    }
    entries.set(bucket.name, { bucket, readAt: told === before ? Date.now() : 0 });
    byId.set(bucket.id, bucket);
    return bucket;
  }

  return {
    async find(idOrName) {
      listen();
      const name = byId.get(idOrName)?.name ?? idOrName;
      const entry = entries.get(name);
      if (entry && Date.now() - entry.readAt < freshMs) return entry.bucket;
      let promise = reading.get(name);
      if (!promise) {
        const own = read(name).finally(() => {
          if (reading.get(name) === own) reading.delete(name);
        });
        promise = own;
        reading.set(name, own);
      }
      try {
        return await promise;
      } catch (error) {
        if (entry && CloudError.is(error, "unavailable")) return entry.bucket;
        throw error;
      }
    },
    async changing(name, work) {
      listen();
      const isListening = (await listener) !== undefined;
      const { promise, resolve } = Promise.withResolvers<void>();
      const own = { name, heard: resolve };
      waiting.add(own);
      let timer: NodeJS.Timeout | undefined;
      try {
        const result = await work();
        if (isListening) {
          timer = setTimeout(resolve, hearingMs);
          await promise;
        }
        return result;
      } finally {
        clearTimeout(timer);
        waiting.delete(own);
        forget(name);
      }
    },
    known: (name) => entries.get(name)?.bucket,
    byId: (id) => byId.get(id),
    async close() {
      await (await listener)?.close().catch(() => {});
    },
  };
}
