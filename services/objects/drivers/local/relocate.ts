import { createReadStream } from "node:fs";
import { crc32 } from "node:zlib";
import { CloudError } from "../../../../kernel/errors.ts";
import type { Id } from "../../../../kernel/ids.ts";
import type { ObjectStore } from "../../driver.ts";
import type { ClusterContents } from "../cluster/contents.ts";
import { totalsOf } from "./accounts.ts";
import { clusterGarbageKey, contentIn, partsIn, replaceContent } from "./contents.ts";
import type { Database } from "./database.ts";
import { isMissing } from "./failures.ts";
import type { Files } from "./files.ts";
import { after, afterPrefix, bucketKey } from "./keys.ts";
import { damaged, noCluster } from "./reading.ts";
import { type Content, decode, type PartRecord, type VersionRecord } from "./records.ts";

const recordsAtOnce = 100;
const movesAtOnce = 8;
const nothing = Buffer.alloc(0);

interface Stores {
  database: Database;
  files: Files;
  /** Undefined when this cloud has none. */
  cluster: ClusterContents | undefined;
}

type RelocateOptions = NonNullable<Parameters<ObjectStore["relocate"]>[1]>;

/** See ObjectStore.relocate. A content keeps its id; where it lies changes in one transaction, after its bytes are there. */
export async function relocate(
  stores: Stores,
  bucketId: Id<"bucket">,
  toCluster: boolean,
  { signal, onProgress }: RelocateOptions,
): Promise<{ contents: number; sizeBytes: number }> {
  const totals = totalsOf(stores.database.read((index) => index.get("accounts", Buffer.from(bucketId))));
  const totalBytes = totals.sizeBytes + totals.versionBytes + totals.uploadBytes;
  const moved = { contents: 0, sizeBytes: 0 };
  let doneBytes = 0;
  const contents = contentsOf(stores.database, bucketId);
  // Copies share contents: two of them may come at once.
  const moving = new Set<string>();
  const work = async (): Promise<void> => {
    for (let next = await contents.next(); !next.done; next = await contents.next()) {
      signal?.throwIfAborted();
      const { contentId, sizeBytes } = next.value;
      if (moving.has(contentId)) continue;
      moving.add(contentId);
      if (await moveContent(stores, contentId, toCluster)) {
        moved.contents++;
        moved.sizeBytes += sizeBytes;
      }
      moving.delete(contentId);
      doneBytes += sizeBytes;
      onProgress?.(doneBytes, Math.max(totalBytes, doneBytes));
    }
  };
  const lanes = await Promise.allSettled(
    Array.from({ length: movesAtOnce }, () =>
      work().catch(async (error) => {
        await contents.return(undefined);
        throw error;
      }),
    ),
  );
  for (const lane of lanes) if (lane.status === "rejected") throw lane.reason;
  // What was deleted meanwhile never came.
  onProgress?.(doneBytes || 1, doneBytes || 1);
  return moved;
}

/** What lies somewhere: of an object in parts each part. Some records at a time, as they are when their turn comes. */
async function* contentsOf(database: Database, bucketId: Id<"bucket">): AsyncGenerator<{ contentId: string; sizeBytes: number }> {
  const start = bucketKey(bucketId);
  for (const table of ["objects", "versions", "parts"] as const)
    for (let from = start; ; ) {
      const page = database.read((index) => index.range(table, from, afterPrefix(start), recordsAtOnce));
      for (const { value } of page) {
        const record = decode<VersionRecord | PartRecord>(value);
        if ("marker" in record) continue;
        const parts = database.read((index) => partsIn(contentIn(index, record.content)));
        if (parts.length === 0) yield { contentId: record.content, sizeBytes: record.sizeBytes };
        for (const part of parts) yield { contentId: part.content, sizeBytes: part.sizeBytes };
      }
      const last = page.at(-1);
      if (last === undefined) break;
      from = after(last.key);
    }
}

/** False when there was nothing to do: it is there, or it is gone. */
async function moveContent(stores: Stores, contentId: string, toCluster: boolean): Promise<boolean> {
  const content = stores.database.read((index) => contentIn(index, contentId));
  if (content === undefined || content.kind === "list" || content.sizeBytes === 0) return false;
  if ((content.kind === "cluster") === toCluster) return false;
  return toCluster ? moveOut(stores, contentId, content) : moveIn(stores, contentId, content);
}

async function moveOut({ database, files, cluster }: Stores, contentId: string, content: Content): Promise<boolean> {
  if (cluster === undefined) throw noCluster();
  const path = files.pathOf(contentId);
  try {
    await checkBytes(content, content.kind === "inline" ? [content.payload] : createReadStream(path));
    await cluster.put(
      contentId,
      content.kind === "inline" ? Buffer.from(content.payload) : { path, sizeBytes: content.sizeBytes },
    );
  } catch (error) {
    // Deleted or moved meanwhile; if not, the bytes are lost.
    if (!isMissing(error)) throw error;
    if (database.read((index) => contentIn(index, contentId))?.kind === content.kind) throw damaged("missing");
    return false;
  }
  return database.write((transaction) => {
    const changed = replaceContent(transaction, contentId, content.kind, {
      kind: "cluster",
      // The sums of its blocks stay for when it comes back; bytes do not.
      ...(content.kind === "inline" && { payload: nothing }),
    });
    if (!changed && contentIn(transaction, contentId)?.kind !== "cluster")
      transaction.put("clusterGarbage", clusterGarbageKey(transaction.nowMs, contentId), nothing);
    return changed;
  });
}

async function moveIn({ database, files, cluster }: Stores, contentId: string, content: Content): Promise<boolean> {
  if (cluster === undefined) throw noCluster();
  // What a process left that died at just this.
  await files.remove(contentId);
  const file = await files.create(contentId);
  try {
    await checkBytes(content, await cluster.read(contentId, 0, content.sizeBytes), (block) => file.appendFile(block));
    await file.datasync();
  } catch (error) {
    await file.close();
    await files.discard(contentId);
    if (!CloudError.is(error, "not_found")) throw error;
    if (database.read((index) => contentIn(index, contentId))?.kind === "cluster") throw damaged("missing from the cluster");
    return false;
  }
  await file.close();
  await files.place(contentId);
  const changed = await database.write((transaction) => replaceContent(transaction, contentId, "cluster", { kind: "file" }));
  if (changed) await files.settle(contentId);
  else await files.discard(contentId);
  return changed;
}

/** Damaged bytes stay where they are, where the scrub reports them. */
async function checkBytes(
  { crc32: expected, sizeBytes }: Content,
  blocks: AsyncIterable<Uint8Array> | Iterable<Uint8Array>,
  keep?: (block: Uint8Array) => Promise<unknown>,
): Promise<void> {
  let sum = 0;
  let bytes = 0;
  for await (const block of blocks) {
    sum = crc32(block, sum);
    bytes += block.length;
    await keep?.(block);
  }
  if (sum !== expected || bytes !== sizeBytes) throw damaged("not what was stored");
}
