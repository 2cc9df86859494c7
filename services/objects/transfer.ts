import { createHash } from "node:crypto";
import { CloudError } from "../../kernel/errors.ts";
import type { Id } from "../../kernel/ids.ts";
import type { ObjectStore, StoredObject } from "./driver.ts";

/**
 * One object from one place to another: a copy, which shares the bytes, and then the deletion. Each may be done again after a
 * crash, whatever of it was done before, and comes out the same; whoever writes to one of the places meanwhile loses nothing.
 */

interface Placed {
  bucketId: Id<"bucket">;
  key: string;
}

/** In the trash objects lie under the hash of their key: with the item's id before it the key itself might be too long. */
export const trashKeyOf = (trashId: string, key: string): string =>
  `${trashId}/${createHash("sha256").update(key).digest("hex")}`;
export const trashPrefixOf = (trashId: string): string => `${trashId}/`;

/** The name of the metadata that holds an object's key while it is in the trash; no header of S3 can have it. */
const keyName = "khmara: key";

export const originalKeyOf = (trashed: StoredObject): string => trashed.metadata[keyName] ?? trashed.key;

function withoutKey(metadata: Record<string, string>): Record<string, string> {
  const { [keyName]: _key, ...own } = metadata;
  return own;
}

const attempts = 5;
const isMissing = (error: unknown): boolean => CloudError.is(error, "not_found");
const isPrecondition = (error: unknown): boolean => CloudError.is(error, "precondition_failed");

/** Deletes what was copied, unless it is another object by now: that one was written meanwhile and stays. */
async function deleteCopied(store: ObjectStore, place: Placed, etag: string): Promise<void> {
  try {
    await store.delete(place.bucketId, place.key, { ifMatch: etag });
  } catch (error) {
    if (!isPrecondition(error) && !isMissing(error)) throw error;
  }
}

const bytesAreSame = (a: StoredObject, b: StoredObject): boolean => a.etag === b.etag && a.sizeBytes === b.sizeBytes;

/** Whether the copy is there already, from a run that was cut short. */
async function isCopied(store: ObjectStore, source: StoredObject, target: Placed, sinceMs: number): Promise<boolean> {
  const there = await store.head(target.bucketId, target.key);
  return there !== undefined && there.modifiedAtMs >= sinceMs && bytesAreSame(there, source);
}

/**
 * False when there is nothing to move any more, or only what came after `notAfterMs`. What is at the target since `beganMs` with
 * the same bytes is the copy of a run that was cut short.
 */
export async function moveObject(
  store: ObjectStore,
  source: Placed,
  target: Placed,
  options: { overwrite: boolean; notAfterMs?: number; beganMs: number },
): Promise<boolean> {
  const { overwrite, notAfterMs = Number.POSITIVE_INFINITY, beganMs } = options;
  for (let attempt = 1; ; attempt++) {
    const object = await store.head(source.bucketId, source.key);
    if (!object || object.modifiedAtMs > notAfterMs) return false;
    try {
      await store.copy(source, target, { sourceIfMatch: object.etag, ...(overwrite ? {} : { ifNoneMatch: "*" }) });
    } catch (error) {
      if (isMissing(error)) return false;
      if (!isPrecondition(error)) throw error;
      if (!(await isCopied(store, object, target, beganMs))) {
        const there = await store.head(target.bucketId, target.key);
        if (there && !overwrite) throw taken(target.key);
        // The source changed at this moment: once more with what it is now.
        if (attempt >= attempts) throw error;
        continue;
      }
    }
    await deleteCopied(store, source, object.etag);
    return true;
  }
}

export const taken = (key: string): CloudError =>
  new CloudError("already_exists", `There is ${key} already. Nothing is overwritten unless you ask for it.`, {
    details: { resource: "object", key },
  });

export async function trashObject(
  store: ObjectStore,
  source: Placed,
  trash: { bucketId: Id<"bucket">; id: string },
  asOfMs: number,
): Promise<void> {
  for (let attempt = 1; ; attempt++) {
    const object = await store.head(source.bucketId, source.key);
    if (!object || object.modifiedAtMs > asOfMs) return;
    try {
      await store.copy(
        source,
        { bucketId: trash.bucketId, key: trashKeyOf(trash.id, source.key) },
        { sourceIfMatch: object.etag, metadata: { ...object.metadata, [keyName]: source.key } },
      );
    } catch (error) {
      if (isMissing(error)) return;
      if (!isPrecondition(error) || attempt >= attempts) throw error;
      continue;
    }
    await deleteCopied(store, source, object.etag);
    return;
  }
}

/** Back to where it was, or beside what is there now: "name (2).txt". Answers the key it got. */
export async function restoreObject(
  store: ObjectStore,
  trashed: StoredObject,
  place: { trashBucketId: Id<"bucket">; bucketId: Id<"bucket">; beganMs: number },
): Promise<string> {
  const original = originalKeyOf(trashed);
  const source = { bucketId: place.trashBucketId, key: trashed.key };
  for (let number = 1; ; number++) {
    const target = { bucketId: place.bucketId, key: number === 1 ? original : numbered(original, number) };
    try {
      await store.copy(source, target, { ifNoneMatch: "*", metadata: withoutKey(trashed.metadata) });
    } catch (error) {
      // An earlier run has restored it and was cut off.
      if (isMissing(error)) return original;
      if (!isPrecondition(error)) throw error;
      // The mark of a folder is no more than that: one is enough.
      const isFolderMark = original.endsWith("/") && trashed.sizeBytes === 0;
      if (!isFolderMark && !(await isCopied(store, trashed, target, place.beganMs))) continue;
    }
    await deleteCopied(store, source, trashed.etag);
    return target.key;
  }
}

/** "a/name (2).txt" of "a/name.txt"; shortened where the key would pass 1024 bytes. */
export function numbered(key: string, number: number): string {
  const slash = key.endsWith("/") ? "/" : "";
  const path = slash ? key.slice(0, -1) : key;
  const nameAt = path.lastIndexOf("/") + 1;
  const dot = path.lastIndexOf(".");
  const cut = dot > nameAt ? dot : path.length;
  const mark = ` (${number})`;
  let stem = path.slice(0, cut);
  const rest = `${mark}${path.slice(cut)}${slash}`;
  while (stem.length > nameAt && Buffer.byteLength(stem + rest) > 1024) stem = [...stem].slice(0, -1).join("");
  return stem + rest;
}
