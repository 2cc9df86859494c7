import { CloudError } from "../../kernel/errors.ts";
import type { Id } from "../../kernel/ids.ts";
import type { ObjectStore, StoredObject, Upload, VersionPosition } from "./driver.ts";

export interface Selection {
  keys: readonly string[];
  /** Folders, each with its slash. */
  prefixes: readonly string[];
}

const atOnce = 500;
const atTheSameTime = 16;

/** What a selection names without saying anything twice: what lies in a named folder comes with it. */
export function withoutNested({ keys, prefixes }: Selection): { keys: string[]; prefixes: string[] } {
  const inside = (key: string) => prefixes.some((prefix) => key !== prefix && key.startsWith(prefix));
  return {
    keys: [...new Set(keys)].filter((key) => !inside(key) && !prefixes.includes(key)),
    prefixes: [...new Set(prefixes)].filter((prefix) => !inside(prefix)),
  };
}

/**
 * The selected objects, page by page; they may be deleted while one walks. Objects that came after `asOfMs` are passed over: they
 * are none of those that somebody selected then, and a repeated walk must not take them for what it left.
 */
export async function* walk(
  store: ObjectStore,
  bucketId: Id<"bucket">,
  { keys, prefixes }: Selection,
  options: { signal?: AbortSignal; asOfMs?: number } = {},
): AsyncGenerator<StoredObject[]> {
  const { signal, asOfMs = Number.POSITIVE_INFINITY } = options;
  const then = (objects: readonly (StoredObject | undefined)[]) =>
    objects.filter((object): object is StoredObject => object !== undefined && object.modifiedAtMs <= asOfMs);
  for (let index = 0; index < keys.length; index += atOnce) {
    signal?.throwIfAborted();
    const page = keys.slice(index, index + atOnce);
    yield then(await Promise.all(page.map((key) => store.head(bucketId, key))));
  }
  for (const prefix of prefixes) {
    for (let after: string | undefined; ; ) {
      signal?.throwIfAborted();
      const list = await store.list(bucketId, { prefix, limit: atOnce, ...(after === undefined ? {} : { after }) });
      yield then(list.objects);
      if (list.next === undefined) break;
      after = list.next;
    }
  }
}

/** Everything in a bucket. */
export const everything: Selection = { keys: [], prefixes: [""] };

/** Several at a time, so that they share the commits of the store; the first failure ends it, once all begun have ended. */
export async function inParallel<T>(
  items: readonly T[],
  work: (item: T) => Promise<void>,
  atOnce = atTheSameTime,
): Promise<void> {
  const queue = items.values();
  let failed = false;
  const results = await Promise.allSettled(
    Array.from({ length: Math.min(atOnce, items.length) }, async () => {
      for (const item of queue) {
        if (failed) return;
        try {
          await work(item);
        } catch (error) {
          failed = true;
          throw error;
        }
      }
    }),
  );
  for (const result of results) if (result.status === "rejected") throw result.reason;
}

export async function tally(
  store: ObjectStore,
  bucketId: Id<"bucket">,
  selection: Selection,
  options: { signal?: AbortSignal; asOfMs?: number } = {},
): Promise<{ objects: number; sizeBytes: number }> {
  const sum = { objects: 0, sizeBytes: 0 };
  for await (const page of walk(store, bucketId, selection, options)) {
    sum.objects += page.length;
    for (const object of page) sum.sizeBytes += object.sizeBytes;
  }
  return sum;
}

/**
 * Deletes for good everything below a prefix, with all versions and delete markers; `onPage` learns how many went. What is locked
 * stays, and is told at the end: permission_denied.
 */
export async function purge(
  store: ObjectStore,
  bucketId: Id<"bucket">,
  prefix: string,
  options: { signal?: AbortSignal; onPage?: (versions: number) => void } = {},
): Promise<void> {
  let refused: CloudError | undefined;
  for (let after: VersionPosition | undefined; ; ) {
    options.signal?.throwIfAborted();
    const list = await store.versionList(bucketId, { prefix, limit: atOnce, ...(after !== undefined && { after }) });
    const names = list.versions.map((entry) => versionName(entry.object ?? entry.marker));
    const results = names.length === 0 ? [] : await store.deleteMany(bucketId, names);
    options.onPage?.(results.filter(({ deletion }) => deletion !== undefined).length);
    refused ??= results.find((result) => result.refused !== undefined)?.refused;
    if (list.next === undefined) break;
    after = list.next;
  }
  if (refused !== undefined) throw refused;
}

const versionName = ({ key, versionId }: VersionPosition): VersionPosition => ({
  key,
  ...(versionId !== undefined && { versionId }),
});

/** When an upload was begun, or its newest part came. */
async function lastWritten(store: ObjectStore, bucketId: Id<"bucket">, { uploadId, startedAtMs }: Upload): Promise<number> {
  let newestMs = startedAtMs;
  for (let after: number | undefined; ; ) {
    const list = await store.partList(bucketId, uploadId, { limit: atOnce, ...(after !== undefined && { after }) });
    for (const { modifiedAtMs } of list.parts) newestMs = Math.max(newestMs, modifiedAtMs);
    if (list.next === undefined) return newestMs;
    after = list.next;
  }
}

/** Gives up all uploads, or those into which nothing has come since `beforeMs`, but for those that are to be kept. */
export async function abortUploads(
  store: ObjectStore,
  bucketId: Id<"bucket">,
  options: { signal?: AbortSignal; beforeMs?: number; keep?: (upload: Upload) => boolean } = {},
): Promise<number> {
  const { signal, beforeMs = Number.POSITIVE_INFINITY, keep = () => false } = options;
  let aborted = 0;
  let at: { after?: string; afterUploadId?: string } = {};
  for (;;) {
    signal?.throwIfAborted();
    const list = await store.uploadList(bucketId, { limit: atOnce, ...at });
    for (const upload of list.uploads) {
      if (upload.startedAtMs > beforeMs || keep(upload)) continue;
      if (beforeMs < Number.POSITIVE_INFINITY) {
        const lastMs = await lastWritten(store, bucketId, upload).catch(ifGone);
        if (lastMs === undefined || lastMs > beforeMs) continue;
      }
      // Completed or given up in the meantime: just as well.
      await store.uploadAbort(bucketId, upload.uploadId).then(
        () => aborted++,
        () => {},
      );
    }
    if (!list.next) return aborted;
    at = list.next;
  }
}

function ifGone(error: unknown): undefined {
  if (!CloudError.is(error, "not_found")) throw error;
}
