import type { Id } from "../../../../kernel/ids.ts";
import type { ListOptions, ObjectList, StoredObject } from "../../driver.ts";
import type { ReadView, TableName } from "./database.ts";
import { after, afterPrefix, bucketKey } from "./keys.ts";
import { decode, type ObjectRecord, storedObject } from "./records.ts";
import { isVersioned } from "./versions.ts";

export interface WalkOptions {
  table: TableName;
  bucketId: Id<"bucket">;
  /** As it stands in the index. */
  prefix: Buffer;
  delimiter: Buffer;
  /** Names are taken that are greater, and common prefixes. */
  after?: Buffer;
  /** Where to begin instead, for what `after` cannot say. */
  start?: Buffer;
  limit: number;
  /** Bytes at the end of each index key that are no part of the name. */
  trailerBytes: number;
}

export type WalkEntry = { name: Buffer; value: Uint8Array } | { commonPrefix: Buffer };

/** The bytes up to and with the first delimiter behind the prefix. */
function commonPrefixOf(name: Buffer, prefix: Buffer, delimiter: Buffer): Buffer | undefined {
  if (delimiter.length === 0) return undefined;
  const at = name.indexOf(delimiter, prefix.length);
  return at < 0 ? undefined : name.subarray(0, at + delimiter.length);
}

/**
 * One page of names in the order of their bytes. A common prefix is counted once and then stepped over with one seek,
 * however many names it has. `more` tells that something follows the last entry.
 */
export const walk = (index: ReadView, options: WalkOptions): { entries: WalkEntry[]; more: boolean } =>
  walkAs(index, options, (name, value) => ({ name, value }));

/** As `walk`, but what is read of each name is made of its bytes at once: those of a page add up to more than what is made of them. */
export function walkAs<Entry>(
  index: ReadView,
  options: WalkOptions,
  read: (name: Buffer, value: Uint8Array) => Entry,
): { entries: (Entry | { commonPrefix: Buffer })[]; more: boolean } {
  const { table, prefix, delimiter, limit, trailerBytes } = options;
  const bucket = bucketKey(options.bucketId);
  const end = afterPrefix(Buffer.concat([bucket, prefix]));
  const entries: (Entry | { commonPrefix: Buffer })[] = [];
  let start: Buffer = Buffer.concat([bucket, prefix]);
  if (options.after !== undefined && options.after.compare(prefix) >= 0) {
    // Inside a common prefix: that one was already told, or comes before `after` itself.
    const inside = options.after.indexOf(prefix) === 0 ? commonPrefixOf(options.after, prefix, delimiter) : undefined;
    if (inside !== undefined) start = afterPrefix(Buffer.concat([bucket, inside]));
    else start = Buffer.concat([bucket, options.start ?? after(options.after)]);
  }
  for (;;) {
    let commonPrefix: Buffer | undefined;
    if (start.compare(end) >= 0) return { entries, more: false };
    for (const { key, value } of index.walk(table, start, end)) {
      if (entries.length === limit) return { entries, more: true };
      const name = Buffer.from(key.buffer, key.byteOffset + bucket.length, key.length - bucket.length);
      commonPrefix = commonPrefixOf(name.subarray(0, name.length - trailerBytes), prefix, delimiter);
      if (commonPrefix !== undefined) break;
      entries.push(read(name, value));
    }
    if (commonPrefix === undefined) return { entries, more: false };
    entries.push({ commonPrefix });
    start = afterPrefix(Buffer.concat([bucket, commonPrefix]));
  }
}

/** One page of objects. */
export function listObjects(
  index: ReadView,
  bucketId: Id<"bucket">,
  { prefix = "", delimiter = "", after: last, limit }: ListOptions,
): ObjectList {
  const versioned = isVersioned(index, bucketId);
  const asked: WalkOptions = {
    table: "objects",
    bucketId,
    prefix: Buffer.from(prefix),
    delimiter: Buffer.from(delimiter),
    limit,
    trailerBytes: 0,
    ...(last !== undefined && { after: Buffer.from(last) }),
  };
  const { entries, more } = walkAs(index, asked, (name, value) =>
    storedObject(name.toString(), decode<ObjectRecord>(value), [], versioned),
  );
  const objects: StoredObject[] = [];
  const commonPrefixes: string[] = [];
  let next = "";
  for (const entry of entries) {
    next = "commonPrefix" in entry ? entry.commonPrefix.toString() : entry.key;
    if ("commonPrefix" in entry) commonPrefixes.push(next);
    else objects.push(entry);
  }
  return { objects, commonPrefixes, ...(more && { next }) };
}
