import { CloudError } from "../../../kernel/errors.ts";
import type { Id } from "../../../kernel/ids.ts";
import type { ChecksumAlgorithm, ObjectStore, PutOptions, StoredObject } from "../driver.ts";
import type { StorageRoom } from "../storageQuota.ts";
import { inParallel } from "../walk.ts";
import { contentOf, type Entry, type Line } from "./manifest.ts";
import type { RemoteBucket } from "./remote.ts";

const atOnce = 200;
const atTheSameTime = 4;
const attempts = 4;
const firstPauseMs = 500;
const namesShown = 100;

export interface Restored {
  /** Written. */
  restored: number;
  restoredBytes: number;
  /** There already, in the same form. */
  same: number;
  /** There in another form, and not to be replaced. */
  kept: number;
  /** In the backup's list, and not to be had: gone or damaged there. */
  missing: number;
  /** That the backup itself could not read. */
  leftOut: number;
  /** Keys of those that are missing; the first ones. */
  missingKeys: string[];
}

export const nothingRestored = (): Restored => ({
  restored: 0,
  restoredBytes: 0,
  same: 0,
  kept: 0,
  missing: 0,
  leftOut: 0,
  missingKeys: [],
});

export interface Destination {
  bucketId: Id<"bucket">;
  overwrite: boolean;
  /** Its versions can be locked, so that retention and holds come back too. */
  locks: boolean;
  /** Of the project that the backup was made in: lists of who may read an object mean the same there. */
  sameProject: boolean;
}

/** Writes what a list says into a bucket, as it was; each object may be done again after a crash. */
export async function restoreObjects(
  { store, remote, room }: { store: ObjectStore; remote: RemoteBucket; room: StorageRoom },
  lines: AsyncIterable<Line>,
  to: Destination,
  options: { prefix: string; counts: Restored; onPage: (looked: number) => Promise<void>; signal: AbortSignal },
): Promise<void> {
  const { counts, signal } = options;
  let page: Line[] = [];
  let looked = 0;
  const flush = async () => {
    await inParallel(
      page,
      async (line) => {
        signal.throwIfAborted();
        await restoreOne(store, remote, room, line, to, counts, signal);
      },
      atTheSameTime,
    );
    page = [];
    await options.onPage(looked);
  };
  for await (const line of lines) {
    looked++;
    if (line.entry.key.startsWith(options.prefix)) page.push(line);
    if (page.length === atOnce) await flush();
  }
  await flush();
}

async function restoreOne(
  store: ObjectStore,
  remote: RemoteBucket,
  room: StorageRoom,
  line: Line,
  to: Destination,
  counts: Restored,
  signal: AbortSignal,
): Promise<void> {
  const { entry } = line;
  if (entry.leftOut !== undefined) return void counts.leftOut++;
  const there = await store.head(to.bucketId, entry.key);
  if (there && isAsItWas(there, entry)) return void counts.same++;
  if (there && !to.overwrite) return void counts.kept++;
  await room.take(entry.sizeBytes);
  for (let attempt = 1; ; attempt++) {
    try {
      await (entry.parts.length > 0 ? writeParts : writeWhole)(store, remote, line, to);
      counts.restored++;
      counts.restoredBytes += entry.sizeBytes;
      return;
    } catch (error) {
      signal.throwIfAborted();
      // Written by somebody a moment ago.
      if (CloudError.is(error, "precondition_failed")) return void counts.kept++;
      const isLost = CloudError.is(error, "not_found") || isDamaged(error);
      if (CloudError.is(error, "not_found") || (isLost && attempt >= attempts)) {
        counts.missing++;
        if (counts.missingKeys.length < namesShown) counts.missingKeys.push(entry.key);
        return;
      }
      if ((!isLost && !CloudError.is(error, "unavailable")) || attempt >= attempts) throw error;
      await new Promise((resolve) => setTimeout(resolve, firstPauseMs * 2 ** attempt));
    }
  }
}

/** Its bytes are not those that were backed up; or they were cut short, which another attempt shows. */
const isDamaged = (error: unknown): boolean =>
  CloudError.is(error, "invalid_argument") &&
  ["bad_digest", "incomplete_body", "checksum_mismatch"].includes(error.details.reason ?? "");

const text = (value: unknown): string =>
  JSON.stringify(value ?? {}, (_, each) =>
    each !== null && typeof each === "object" && !Array.isArray(each)
      ? Object.fromEntries(Object.entries(each).sort(([a], [b]) => (a < b ? -1 : 1)))
      : each,
  );

const isAsItWas = (there: StoredObject, entry: Entry): boolean =>
  there.encryption !== "customer" &&
  there.etag === entry.etag &&
  there.sizeBytes === entry.sizeBytes &&
  text(there.headers) === text(entry.headers) &&
  text(there.metadata) === text(entry.metadata) &&
  text(there.tags) === text(entry.tags);

/** What is written with the bytes. */
function asItWas(entry: Entry, to: Destination): Omit<PutOptions, "checksum"> {
  return {
    headers: entry.headers,
    metadata: entry.metadata,
    ...(entry.tags && { tags: entry.tags }),
    ...(to.locks && entry.retention && { retention: entry.retention }),
    ...(to.locks && entry.legalHold !== undefined && { legalHold: entry.legalHold }),
    ...(to.sameProject && entry.access && { access: entry.access }),
    ...(entry.encryption === "server" && {
      encryption: { kind: "server", ...(entry.managedKey && { managed: true }) } as const,
    }),
  };
}

type Checksums = Entry["checksums"];
const firstOf = (checksums: Checksums): [ChecksumAlgorithm, string] | undefined =>
  Object.entries(checksums)[0] as [ChecksumAlgorithm, string] | undefined;

function checksumOf(checksums: Checksums): Pick<PutOptions, "checksum"> {
  const [algorithm, value] = firstOf(checksums) ?? [];
  return algorithm === undefined ? {} : { checksum: { algorithm, expected: () => value } };
}

const unlessThere = ({ overwrite }: Destination) => (overwrite ? {} : { ifNoneMatch: "*" });

/** An object that was put in one piece; the store compares SHA-256 and length. */
async function writeWhole(store: ObjectStore, remote: RemoteBucket, { content, entry }: Line, to: Destination): Promise<void> {
  const body = entry.sizeBytes === 0 ? [] : await remote.read(contentOf(content));
  await store.put(to.bucketId, entry.key, bytesOf(body), {
    ...asItWas(entry, to),
    ...checksumOf(entry.checksums),
    ...unlessThere(to),
    sizeBytes: entry.sizeBytes,
    ...(entry.sizeBytes > 0 && { sha256Hex: content }),
  });
}

/** An object of parts gets the same parts, so that its ETag is what it was; the store compares the MD5 of each. */
async function writeParts(store: ObjectStore, remote: RemoteBucket, { content, entry }: Line, to: Destination): Promise<void> {
  const [algorithm] = firstOf(entry.checksums) ?? [];
  const upload = await store.uploadCreate(to.bucketId, entry.key, {
    ...asItWas(entry, to),
    ...(algorithm !== undefined && { checksumAlgorithm: algorithm, checksumType: entry.checksumType }),
  });
  try {
    let from = 0;
    for (const [index, part] of entry.parts.entries()) {
      const body = part.sizeBytes === 0 ? [] : await remote.read(contentOf(content), { from, to: from + part.sizeBytes - 1 });
      await store.partPut(to.bucketId, upload.uploadId, index + 1, bytesOf(body), {
        sizeBytes: part.sizeBytes,
        md5: part.etag,
        ...checksumOf(part.checksums),
      });
      from += part.sizeBytes;
    }
    const parts = entry.parts.map(({ etag, checksums }, index) => ({ number: index + 1, etag, checksums }));
    await store.uploadComplete(to.bucketId, upload.uploadId, parts, { ...unlessThere(to), sizeBytes: entry.sizeBytes });
  } catch (error) {
    await store.uploadAbort(to.bucketId, upload.uploadId).catch(() => {});
    throw error;
  }
}

async function* bytesOf(body: AsyncIterable<Uint8Array> | Uint8Array[]): AsyncGenerator<Uint8Array> {
  yield* body;
}
