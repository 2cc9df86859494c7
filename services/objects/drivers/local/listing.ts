import type { Id } from "../../../../kernel/ids.ts";
import type { ReadView, TableName } from "./database.ts";
import { after, afterPrefix, bucketKey } from "./keys.ts";

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
export function walk(index: ReadView, options: WalkOptions): { entries: WalkEntry[]; more: boolean } {
  const { table, prefix, delimiter, limit, trailerBytes } = options;
  const bucket = bucketKey(options.bucketId);
  const end = afterPrefix(Buffer.concat([bucket, prefix]));
  const entries: WalkEntry[] = [];
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
      entries.push({ name, value });
    }
    if (commonPrefix === undefined) return { entries, more: false };
    entries.push({ commonPrefix });
    start = afterPrefix(Buffer.concat([bucket, commonPrefix]));
  }
}
