import { createHash } from "node:crypto";
import { CloudError } from "../../../kernel/errors.ts";
import type { Id } from "../../../kernel/ids.ts";
import type { ObjectStore, StoredObject } from "../driver.ts";
import { everything, inParallel, walk } from "../walk.ts";
import { contentOf, entryOf, type Line, noContent } from "./manifest.ts";
import { partBytes } from "./partBytes.ts";
import type { RemoteBucket } from "./remote.ts";

/** So many objects are sent at the same time, each with one part in memory. */
const atTheSameTime = 4;
const changedWhileReading = 3;

export interface Sent {
  /** Looked at. */
  objects: number;
  sizeBytes: number;
  /** That the backup before did not have. */
  newObjects: number;
  /** Of contents that were not there. */
  sentBytes: number;
}

/**
 * The current objects of a bucket, by key, each once its content is there. What the backup before had as it still is, is taken from its list
 * without being read; of everything else the SHA-256 says whether it is there already.
 */
export async function* sendObjects(
  { store, remote }: { store: ObjectStore; remote: RemoteBucket },
  bucketId: Id<"bucket">,
  options: { before: AsyncIterable<Line>; sent: Sent; onProgress: () => void; signal: AbortSignal },
): AsyncGenerator<Line> {
  const { sent, signal, onProgress } = options;
  const sending = new Map<string, Promise<void>>();
  const known = cursorOf(options.before);
  const looked = ({ sizeBytes }: StoredObject) => {
    sent.objects++;
    sent.sizeBytes += sizeBytes;
    onProgress();
  };
  /** Once for each content, also when objects with the same bytes come at the same time. */
  async function once(content: string, send: () => Promise<number>): Promise<void> {
    const begun =
      sending.get(content) ??
      send()
        .then((bytes) => {
          sent.sentBytes += bytes;
        })
        .finally(() => sending.delete(content));
    sending.set(content, begun);
    await begun;
  }
  for await (const page of walk(store, bucketId, everything, { signal })) {
    const lines: (Line | undefined)[] = [];
    const work: { index: number; object: StoredObject }[] = [];
    for (const object of page) {
      const line = await known.at(object.key);
      const isKnown = line !== undefined && isSame(line, object);
      const index = lines.push(isKnown ? line : undefined) - 1;
      if (isKnown) looked(object);
      else work.push({ index, object });
    }
    await inParallel(
      work,
      async ({ index, object }) => {
        signal.throwIfAborted();
        lines[index] = await sendOne(store, remote, bucketId, object, once);
        sent.newObjects++;
        looked(object);
      },
      atTheSameTime,
    );
    for (const line of lines) if (line) yield line;
  }
}

/** The line of a key in a list that is read once, in the order in which the store has its keys. */
function cursorOf(lines: AsyncIterable<Line>): { at(key: string): Promise<Line | undefined> } {
  const iterator = lines[Symbol.asyncIterator]();
  let current: Line | undefined;
  let begun = false;
  const next = async () => {
    const { done, value } = await iterator.next();
    current = done ? undefined : value;
  };
  return {
    async at(key) {
      if (!begun) await next();
      begun = true;
      const wanted = Buffer.from(key);
      while (current && Buffer.compare(Buffer.from(current.entry.key), wanted) < 0) await next();
      return current?.entry.key === key ? current : undefined;
    },
  };
}

/** Nothing of it has changed, its marks included, so that its old line says all. One that was left out is tried again. */
function isSame({ entry }: Line, object: StoredObject): boolean {
  if (entry.leftOut !== undefined) return false;
  const { parts: _, ...was } = entry;
  const { parts: __, ...is } = entryOf(object);
  return JSON.stringify(was, sorted) === JSON.stringify(is, sorted);
}

const sorted = (_: string, value: unknown): unknown =>
  value !== null && typeof value === "object" && !Array.isArray(value)
    ? Object.fromEntries(Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1)))
    : value;

type Once = (content: string, send: () => Promise<number>) => Promise<void>;

/** Undefined: it was deleted meanwhile. */
async function sendOne(
  store: ObjectStore,
  remote: RemoteBucket,
  bucketId: Id<"bucket">,
  listed: StoredObject,
  once: Once,
): Promise<Line | undefined> {
  const { key, versionId } = listed;
  const which = versionId === undefined ? {} : { versionId };
  for (let attempt = 1; ; attempt++) {
    const object = await store.head(bucketId, key, which);
    if (!object) return undefined;
    if (object.encryption === "customer") return { content: noContent, entry: entryOf(object, "customer_key") };
    if (object.sizeBytes === 0) return { content: noContent, entry: entryOf(object) };
    try {
      return await sendContent(store, remote, bucketId, object, once);
    } catch (error) {
      if (CloudError.is(error, "not_found")) return undefined;
      if (CloudError.is(error, "internal") && error.details.reason === "damaged")
        return { content: noContent, entry: entryOf(object, "damaged") };
      if (!CloudError.is(error, "conflict") || attempt === changedWhileReading) throw error;
    }
  }
}

/** @throws CloudError conflict (it is another object by now), not_found (it is gone), internal with `damaged` */
async function sendContent(
  store: ObjectStore,
  remote: RemoteBucket,
  bucketId: Id<"bucket">,
  object: StoredObject,
  once: Once,
): Promise<Line> {
  const read = async (): Promise<AsyncIterable<Uint8Array>> => {
    const { key, versionId } = object;
    const found = await store.get(bucketId, key, versionId === undefined ? {} : { versionId });
    if (found.object.etag === object.etag && found.object.modifiedAtMs === object.modifiedAtMs) return found.body;
    found.body.destroy();
    throw changed(object.key);
  };
  const entry = entryOf(object);
  if (object.sizeBytes <= partBytes) {
    const pieces: Uint8Array[] = [];
    for await (const piece of await read()) pieces.push(piece);
    const bytes = Buffer.concat(pieces);
    const content = createHash("sha256").update(bytes).digest("hex");
    await once(content, async () => {
      if (await isThere(remote, content, bytes.length)) return 0;
      await remote.put(contentOf(content), bytes);
      return bytes.length;
    });
    return { content, entry };
  }
  const hash = createHash("sha256");
  for await (const piece of await read()) hash.update(piece);
  const content = hash.digest("hex");
  await once(content, async () => {
    if (await isThere(remote, content, object.sizeBytes)) return 0;
    const again = createHash("sha256");
    await remote.upload(contentOf(content), hashed(await read(), again), {
      sizeBytes: object.sizeBytes,
      check() {
        if (again.digest("hex") !== content) throw changed(object.key);
      },
    });
    return object.sizeBytes;
  });
  return { content, entry };
}

async function* hashed(
  body: AsyncIterable<Uint8Array>,
  hash: { update(piece: Uint8Array): unknown },
): AsyncGenerator<Uint8Array> {
  for await (const piece of body) {
    hash.update(piece);
    yield piece;
  }
}

const changed = (key: string): CloudError =>
  new CloudError("conflict", `${key} changes all the time, so that no whole copy could be made. Try again later.`, {
    details: { resource: "object", key },
  });

const isThere = async (remote: RemoteBucket, content: string, sizeBytes: number): Promise<boolean> =>
  (await remote.head(contentOf(content)))?.sizeBytes === sizeBytes;
