import type { Id } from "../../../kernel/ids.ts";
import type { ObjectStore, StoredObject, VersionList, VersionPosition } from "../driver.ts";

/** One page of a folder, of everything below it, or of one key. */
export async function versionPage(
  store: ObjectStore,
  bucketId: Id<"bucket">,
  query: { prefix: string; key?: string | undefined; recursive: boolean; after: VersionPosition | undefined; limit: number },
): Promise<VersionList> {
  const { prefix, key, recursive, after, limit } = query;
  const list = await store.versionList(bucketId, {
    prefix: key ?? prefix,
    ...(!recursive && key === undefined && { delimiter: "/" }),
    ...(after && { after }),
    limit,
  });
  if (key === undefined) return list;
  // Of all keys that begin with it, the key itself comes first.
  const versions = list.versions.filter(({ object, marker }) => (object ?? marker).key === key);
  const { next, ...rest } = list;
  return { ...rest, versions, ...(next && versions.length === list.versions.length && { next }) };
}

const readAtOnce = 100;
/** Deleting what is deleted adds a marker each time; beyond so many somebody plays. */
const mostMarkers = 10_000;

/** The markers that hide a key, the newest first, and the object behind them. */
export async function markersBefore(
  store: ObjectStore,
  bucketId: Id<"bucket">,
  key: string,
): Promise<{ markers: string[]; object?: StoredObject }> {
  const markers: string[] = [];
  for (let after: VersionPosition | undefined; markers.length < mostMarkers; ) {
    const page = await versionPage(store, bucketId, { prefix: "", key, recursive: true, after, limit: readAtOnce });
    for (const { object, marker } of page.versions) {
      if (object) return { markers, object };
      markers.push(marker.versionId);
    }
    after = page.next;
    if (after === undefined) break;
  }
  return { markers };
}
