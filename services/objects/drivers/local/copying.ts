import { loadXxhash } from "../../../../kernel/xxhash.ts";
import { checksumAlgorithms, type ObjectStore, type PutOptions, type StoredObject } from "../../driver.ts";
import { type Checksums, Summing } from "./checksums.ts";
import { contentIn, partsIn, share } from "./contents.ts";
import type { Database, Transaction } from "./database.ts";
import { isEncryptedSo } from "./encryption.ts";
import { checkPreconditions, newMarks, noObject, objectAt, recordAt, writeObject } from "./objects.ts";
import { type ObjectRecord, storedObject } from "./records.ts";
import { isVersioned } from "./versions.ts";

/** What a copy needs of its store. */
export interface Copying extends Pick<ObjectStore, "get" | "put"> {
  database: Database;
}
type Source = Parameters<ObjectStore["copy"]>[0];
type Target = Parameters<ObjectStore["copy"]>[1];
type CopyOptions = NonNullable<Parameters<ObjectStore["copy"]>[2]>;
type Summed = { content: string; checksums?: Checksums };

/** As `ObjectStore.copy` has it: shares the bytes, or reads and writes them where they are to be encrypted otherwise. */
export async function copyObject(store: Copying, source: Source, target: Target, options: CopyOptions): Promise<StoredObject> {
  const { checksum, encryption } = options;
  if (encryption !== undefined) {
    const record = store.database.read((index) => objectAt(index, source.bucketId, source.key, source.versionId));
    if (record !== undefined && !isEncryptedSo(record.encryption, encryption)) return copyBytes(store, source, target, options);
  }
  for (;;) {
    const summed = checksum === undefined ? undefined : await checksumOf(store, source, checksum);
    const copied = await store.database.write((transaction) => shareBytes(transaction, source, target, options, summed));
    if (copied !== undefined) return copied;
  }
}

/** Undefined: overwritten since it was read for its checksum. */
function shareBytes(
  transaction: Transaction,
  source: Source,
  target: Target,
  options: CopyOptions,
  summed: Summed | undefined,
): StoredObject | undefined {
  const from = objectAt(transaction, source.bucketId, source.key, source.versionId);
  if (from === undefined) throw noObject();
  if (options.sourceIfMatch !== undefined) checkPreconditions(from, { ifMatch: options.sourceIfMatch });
  if (summed !== undefined && summed.content !== from.content) return undefined;
  const previous = recordAt(transaction, target.bucketId, target.key);
  checkPreconditions(previous, options);
  const { uploadId: _, versionId: _id, order: _order, tags, retention: _until, legalHold: _hold, access: _acl, ...kept } = from;
  const record: ObjectRecord = {
    ...kept,
    modifiedAtMs: transaction.nowMs,
    headers: options.headers ?? from.headers,
    metadata: options.metadata ?? from.metadata,
    ...newMarks(transaction, target.bucketId, { ...(tags && { tags }), ...options }),
    ...(summed?.checksums && { checksums: summed.checksums, checksumType: "full_object" as const }),
  };
  // Shared before the previous one is let go: they may be the same.
  share(transaction, from.content);
  const written = writeObject(transaction, target.bucketId, target.key, record, { previous, meter: options.meter });
  const parts = partsIn(contentIn(transaction, from.content));
  return storedObject(target.key, written, parts, isVersioned(transaction, target.bucketId));
}

/** A copy that shares no bytes, as they are to be encrypted otherwise. */
async function copyBytes(store: Copying, source: Source, target: Target, options: CopyOptions): Promise<StoredObject> {
  const { versionId, customerKey } = source;
  const { object, body } = await store.get(source.bucketId, source.key, {
    ...(versionId !== undefined && { versionId }),
    ...(customerKey !== undefined && { customerKey }),
  });
  try {
    if (options.sourceIfMatch !== undefined) checkPreconditions(object, { ifMatch: options.sourceIfMatch });
    const { headers, metadata, tags, checksums, sizeBytes } = object;
    const algorithm = options.checksum ?? checksumAlgorithms.find((name) => checksums[name] !== undefined);
    return await store.put(
      target.bucketId,
      target.key,
      body as AsyncIterable<Uint8Array>,
      {
        headers,
        metadata,
        sizeBytes,
        ...(tags && { tags }),
        ...options,
        checksum: algorithm && { algorithm },
      } as PutOptions,
    );
  } finally {
    body.destroy();
  }
}

/** Checksums undefined: the object has this one already. */
async function checksumOf(
  { database, get }: Copying,
  source: Source,
  algorithm: NonNullable<CopyOptions["checksum"]>,
): Promise<Summed> {
  for (;;) {
    const record = database.read((index) => objectAt(index, source.bucketId, source.key, source.versionId));
    if (record === undefined) throw noObject();
    if (record.checksums[algorithm] !== undefined) return { content: record.content };
    const { bucketId, key, ...which } = source;
    const { body, object } = await get(bucketId, key, which);
    await loadXxhash([algorithm]);
    const summing = new Summing([algorithm], false);
    for await (const block of body) summing.update(block as Buffer);
    if (object.etag === record.etag) return { content: record.content, checksums: summing.finish().checksums };
  }
}
