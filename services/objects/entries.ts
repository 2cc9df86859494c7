import { isoTime } from "../../kernel/clock.ts";
import { encodeCursor } from "../../kernel/http/cursor.ts";
import type { Id } from "../../kernel/ids.ts";
import type { ObjectEntry } from "./contract.ts";
import type { ObjectStore, StoredObject } from "./driver.ts";

/** How many keys one page of a search looks at; the next page goes on behind them. */
export const searchedAtOnce = 20_000;
const listedAtOnce = 1000;

export interface EntryQuery {
  prefix: string;
  recursive: boolean;
  search?: string | undefined;
  after?: string | undefined;
  limit: number;
}

export interface EntryList {
  items: ObjectEntry[];
  nextCursor?: string;
  searchedKeys?: number;
}

/** The last name of a path, without the slash of a folder. */
export const nameOf = (key: string): string => {
  const path = key.endsWith("/") ? key.slice(0, -1) : key;
  return path.slice(path.lastIndexOf("/") + 1);
};

const viewEntry = (object: StoredObject): ObjectEntry => ({
  kind: "object",
  key: object.key,
  name: nameOf(object.key),
  sizeBytes: object.sizeBytes,
  contentType: object.headers.contentType,
  modifiedAt: isoTime(object.modifiedAtMs),
});

/** One page of a folder, of everything below it, or of a search in it; in the byte order of the keys. */
export function listEntries(store: ObjectStore, bucketId: Id<"bucket">, query: EntryQuery): Promise<EntryList> {
  if (query.search !== undefined && query.search !== "") return searchEntries(store, bucketId, query, query.search);
  return listFolder(store, bucketId, query);
}

async function listFolder(store: ObjectStore, bucketId: Id<"bucket">, query: EntryQuery): Promise<EntryList> {
  const { prefix, recursive, after, limit } = query;
  const list = await store.list(bucketId, {
    prefix,
    ...(recursive ? {} : { delimiter: "/" }),
    ...(after === undefined ? {} : { after }),
    limit,
  });
  const folders: ObjectEntry[] = list.commonPrefixes.map((key) => ({ kind: "folder", key, name: nameOf(key) }));
  // An object that ends where the prefix does is the folder itself, as S3 consoles mark empty ones.
  const objects = list.objects.filter((object) => recursive || object.key !== prefix).map(viewEntry);
  const items = [...folders, ...objects].sort((a, b) => Buffer.compare(Buffer.from(a.key), Buffer.from(b.key)));
  return { items, ...(list.next === undefined ? {} : { nextCursor: encodeCursor([list.next]) }) };
}

/** The same letters however they are composed (é as one sign or two), in any case. */
const folded = (text: string): string => text.normalize("NFC").toLowerCase();

async function searchEntries(
  store: ObjectStore,
  bucketId: Id<"bucket">,
  { prefix, after, limit }: EntryQuery,
  search: string,
): Promise<EntryList> {
  const wanted = folded(search);
  const items: ObjectEntry[] = [];
  let searchedKeys = 0;
  let at = after;
  while (searchedKeys < searchedAtOnce) {
    const list = await store.list(bucketId, { prefix, ...(at === undefined ? {} : { after: at }), limit: listedAtOnce });
    for (const object of list.objects) {
      searchedKeys++;
      at = object.key;
      if (!folded(object.key.slice(prefix.length)).includes(wanted)) continue;
      items.push(viewEntry(object));
      if (items.length === limit) return { items, searchedKeys, nextCursor: encodeCursor([at]) };
    }
    if (list.next === undefined) return { items, searchedKeys };
    at = list.next;
  }
  return { items, searchedKeys, nextCursor: encodeCursor([at ?? ""]) };
}
