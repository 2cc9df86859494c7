import type { Id } from "../../../../kernel/ids.ts";
import type { ObjectStore, VersionEntry, VersionList, VersionPosition } from "../../driver.ts";
import type { ReadView } from "./database.ts";
import {
  after,
  afterPrefix,
  bucketKey,
  escapeZeros,
  unescapeZeros,
  versionKey,
  versionsOf,
  versionTrailerBytes,
} from "./keys.ts";
import { walk } from "./listing.ts";
import { decode, isMarker, type ObjectRecord, storedObject, type VersionRecord } from "./records.ts";
import { currentRecord, isVersioned, markerOf, nullOrder, orderIn, orderOf } from "./versions.ts";

type Found = { name: Buffer } & ({ commonPrefix: string } | { key: string; record: VersionRecord; isCurrent: boolean });

/** One page of all versions: two tables in one order, a key's object in the listing before its other versions. */
export function listVersions(
  index: ReadView,
  bucketId: Id<"bucket">,
  { prefix = "", delimiter = "", after: position, limit }: Parameters<ObjectStore["versionList"]>[1],
): VersionList {
  const versioned = isVersioned(index, bucketId);
  const current = walk(index, {
    table: "objects",
    bucketId,
    prefix: Buffer.from(prefix),
    delimiter: Buffer.from(delimiter),
    limit,
    trailerBytes: 0,
    ...(position !== undefined && { after: Buffer.from(position.key) }),
  });
  const aside = walk(index, {
    table: "versions",
    bucketId,
    prefix: escapeZeros(prefix),
    delimiter: escapeZeros(delimiter),
    limit,
    trailerBytes: versionTrailerBytes,
    ...(position !== undefined && { after: escapeZeros(position.key), start: startOf(index, bucketId, position) }),
  });
  const merged = inOrder(
    [...promoted(index, bucketId, { prefix, delimiter, position })].concat(
      current.entries.map((entry): Found => {
        const name = "commonPrefix" in entry ? entry.commonPrefix : entry.name;
        const text = name.toString();
        if ("commonPrefix" in entry) return { name: escapeZeros(text), commonPrefix: text };
        return { name: escapeZeros(text), key: text, record: decode<ObjectRecord>(entry.value), isCurrent: true };
      }),
    ),
    aside.entries.map((entry): Found => {
      if ("commonPrefix" in entry) return { name: entry.commonPrefix, commonPrefix: unescapeZeros(entry.commonPrefix) };
      const name = entry.name.subarray(0, entry.name.length - versionTrailerBytes);
      return { name, key: unescapeZeros(name), record: decode<VersionRecord>(entry.value), isCurrent: false };
    }),
  );
  const page = merged.slice(0, limit);
  const list: VersionList = { versions: [], commonPrefixes: [] };
  // The version of a key that comes first is its latest, unless the page begins in the middle of the key.
  let key = position?.versionId === undefined ? undefined : position.key;
  for (const found of page) {
    if ("commonPrefix" in found) {
      list.commonPrefixes.push(found.commonPrefix);
      continue;
    }
    list.versions.push(entryOf(found, found.isCurrent || found.key !== key, versioned));
    key = found.key;
  }
  // In the middle of a key whose page before is gone by now: whether this is the latest says only the index.
  const first = list.versions[0];
  if (first && page[0] && "key" in page[0] && position?.key === page[0].key)
    first.isLatest = page[0].isCurrent || isNewest(index, bucketId, page[0].key, page[0].record);
  const last = page.at(-1);
  if (last && (merged.length > limit || current.more || aside.more)) list.next = positionOf(last);
  return list;
}

/** In the middle of a key whose page before was deleted meanwhile, what comes next is the current object now. */
function promoted(
  index: ReadView,
  bucketId: Id<"bucket">,
  { prefix, delimiter, position }: { prefix: string; delimiter: string; position: VersionPosition | undefined },
): Found[] {
  if (position?.versionId === undefined) return [];
  const { key, versionId } = position;
  const isListed = key.startsWith(prefix) && (delimiter === "" || !key.slice(prefix.length).includes(delimiter));
  const record = isListed ? currentRecord(index, bucketId, key) : undefined;
  const order = versionId === "null" ? nullOrder(index, bucketId, key) : orderIn(versionId);
  if (record === undefined || (order !== undefined && orderOf(record) >= order)) return [];
  // The position is this very object: it was listed.
  if ((record.versionId ?? "null") === versionId) return [];
  return [{ name: escapeZeros(key), key, record, isCurrent: true }];
}

function entryOf({ key, record }: Extract<Found, { key: string }>, isLatest: boolean, versioned: boolean): VersionEntry {
  return isMarker(record)
    ? { isLatest, marker: markerOf(key, record) }
    : { isLatest, object: storedObject(key, record, [], versioned) };
}

const positionOf = (last: Found): VersionPosition =>
  "commonPrefix" in last ? { key: last.commonPrefix } : { key: last.key, versionId: last.record.versionId ?? "null" };

function isNewest(index: ReadView, bucketId: Id<"bucket">, key: string, record: VersionRecord): boolean {
  if (currentRecord(index, bucketId, key) !== undefined) return false;
  const start = versionsOf(bucketId, key);
  const [newest] = index.range("versions", start, afterPrefix(start), 1);
  return newest !== undefined && decode<VersionRecord>(newest.value).order === record.order;
}

/** Behind the version of the position in the table of versions, without the bucket. */
function startOf(index: ReadView, bucketId: Id<"bucket">, { key, versionId }: VersionPosition): Buffer {
  const bucketBytes = bucketKey(bucketId).length;
  const escaped = escapeZeros(key);
  if (versionId === undefined) return Buffer.concat([escaped, Buffer.from("\0\x01")]);
  const order = versionId === "null" ? nullOrder(index, bucketId, key) : orderIn(versionId);
  // "null" that is gone since: rather the key's versions again than none of them.
  if (order === undefined) return Buffer.concat([escaped, Buffer.alloc(2)]);
  return after(versionKey(bucketId, key, order)).subarray(bucketBytes);
}

/** Both are in order, and a common prefix may be in both; of one name the current object comes first. */
function inOrder(current: Found[], aside: Found[]): Found[] {
  const merged: Found[] = [];
  let at = 0;
  for (const version of aside) {
    for (; at < current.length && Buffer.compare(current[at]!.name, version.name) <= 0; at++) merged.push(current[at]!);
    const before = merged.at(-1);
    const isTold =
      before && "commonPrefix" in before && "commonPrefix" in version && before.commonPrefix === version.commonPrefix;
    if (!isTold) merged.push(version);
  }
  return merged.concat(current.slice(at));
}
