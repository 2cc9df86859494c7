import { open } from "node:fs/promises";
import { setTimeout as sleep } from "node:timers/promises";
import { CloudError } from "../../../../kernel/errors.ts";
import type { Id } from "../../../../kernel/ids.ts";
import type { ScrubOptions, ScrubReport } from "../../driver.ts";
import type { ClusterContents } from "../cluster/contents.ts";
import { StoredCheck } from "./checksums.ts";
import { contentIn, isGarbage, isKept, partsIn } from "./contents.ts";
import type { Database, ReadView } from "./database.ts";
import { isMissing } from "./failures.ts";
import { contentName } from "./files.ts";
import { after, unescapeZeros, versionTrailerBytes } from "./keys.ts";
import type { Placing } from "./placing.ts";
import { type Content, decode, type ObjectRecord, type PartRecord, type VersionRecord } from "./records.ts";

const recordsAtOnce = 100;
const blockBytes = 1024 * 1024;
const firstKey = Buffer.alloc(1);
const lastKey = Buffer.from([0xff]);

interface Named {
  bucketId: Id<"bucket">;
  key: string;
  versionId?: string | undefined;
  content: string;
  sizeBytes: number;
  isObject: boolean;
  stillThere(): boolean;
  /** Where to go on behind it. */
  next: string;
}

/** Reads every stored byte once and compares it with its sums; removes files that no record names. */
export async function scrub(
  database: Database,
  places: Placing,
  { signal, onProgress, from, forMs = Number.POSITIVE_INFINITY, bytesPerSecond, quarantine = false }: ScrubOptions,
): Promise<ScrubReport> {
  const began = performance.now();
  const total = database.read(countObjects);
  const report: ScrubReport = { objects: 0, sizeBytes: 0, totalObjects: total, orphanFilesRemoved: 0, damaged: [] };
  if (from === undefined) await removeOrphans(database, places, report, signal);
  let readBytes = 0;
  for await (const named of everything(database, from)) {
    signal?.throwIfAborted();
    const { bucketId, key, versionId, content, sizeBytes } = named;
    const problem = await problemOf(database, places, content, quarantine);
    // What was deleted while it was read is no damage.
    if (problem !== undefined && database.read(() => named.stillThere()))
      report.damaged.push({ bucketId, key, ...(versionId !== undefined && { versionId }), problem });
    readBytes += sizeBytes;
    if (named.isObject) {
      report.objects++;
      report.sizeBytes += sizeBytes;
      onProgress?.(report.objects, Math.max(total, report.objects));
    }
    const aheadMs = bytesPerSecond === undefined ? 0 : (1000 * readBytes) / bytesPerSecond - (performance.now() - began);
    // Timers are not that exact, and small objects many.
    if (aheadMs > 20) await sleep(aheadMs, undefined, signal && { signal });
    if (performance.now() - began > forMs) return { ...report, next: named.next };
  }
  return report;
}

/** Longer than any put is under way. */
const inFlightMs = 24 * 3_600_000;

async function removeOrphans(
  database: Database,
  { files, cluster }: Placing,
  report: ScrubReport,
  signal: AbortSignal | undefined,
) {
  for await (const { contentId, inFlight } of files.all()) {
    signal?.throwIfAborted();
    // In this order: once the second name is gone, the index has the content or never will.
    if (inFlight || !contentName.test(contentId)) continue;
    if (database.read((index) => contentIn(index, contentId)?.kind === "file" || isGarbage(index, contentId))) continue;
    await files.remove(contentId);
    await files.syncFoldersOf([contentId]);
    report.orphanFilesRemoved++;
  }
  if (cluster === undefined) return;
  const before = Date.now() - inFlightMs;
  for await (const { contentId, modifiedAtMs } of cluster.all()) {
    signal?.throwIfAborted();
    if (modifiedAtMs > before || database.read((index) => isKept(index, contentId))) continue;
    await cluster.remove([contentId]);
    report.orphanFilesRemoved++;
  }
}

const countObjects = (index: ReadView): number => {
  let objects = 0;
  for (const { value } of index.walk("accounts", firstKey, lastKey)) {
    const held = decode<{ objects: number; versions?: number }>(value);
    objects += held.objects + (held.versions ?? 0);
  }
  return objects;
};

/** All objects, their other versions and the parts of open uploads, some at a time: no long read keeps pages of the index from being used again. */
async function* everything(database: Database, from: string | undefined): AsyncGenerator<Named> {
  const [fromTable = "objects", fromKey = ""] = from?.split(":") ?? [];
  const tables = ["objects", "versions", "parts"] as const;
  for (const table of tables.slice(Math.max(tables.indexOf(fromTable as (typeof tables)[number]), 0))) {
    for (let start: Buffer = table === fromTable && fromKey !== "" ? after(Buffer.from(fromKey, "hex")) : firstKey; ; ) {
      const page = database.read((index) => index.range(table, start, lastKey, recordsAtOnce));
      for (const { key, value } of page) {
        const record = decode<VersionRecord | PartRecord>(value);
        if ("marker" in record) continue;
        const { content, sizeBytes } = record;
        const split = key.indexOf(0);
        const bucketId = key.subarray(0, split).toString() as Id<"bucket">;
        const rest = key.subarray(split + 1);
        const name = nameOf(database, table, bucketId, rest);
        if (name === undefined) continue;
        const stillThere = (): boolean =>
          database.read((index) => {
            const now = index.get(table, key);
            return now !== undefined && decode<ObjectRecord | PartRecord>(now).content === content;
          });
        const { versionId } = record as ObjectRecord;
        const next = `${table}:${key.toString("hex")}`;
        yield { bucketId, key: name, versionId, content, sizeBytes, isObject: table !== "parts", stillThere, next };
      }
      const last = page.at(-1);
      if (last === undefined) break;
      start = after(last.key);
    }
  }
}

function nameOf(database: Database, table: "objects" | "versions" | "parts", bucketId: Id<"bucket">, rest: Buffer) {
  if (table === "objects") return rest.toString();
  if (table === "versions") return unescapeZeros(rest.subarray(0, -versionTrailerBytes));
  return keyOfUpload(database, bucketId, rest);
}

/** `rest` is the upload's id, a zero byte and the number of the part. */
function keyOfUpload(database: Database, bucketId: Id<"bucket">, rest: Buffer): string | undefined {
  const upload = database.read((index) => index.get("uploads", Buffer.from(`${bucketId}\0${rest.subarray(0, -3).toString()}`)));
  return upload && decode<{ key: string }>(upload).key;
}

async function problemOf(
  database: Database,
  places: Placing,
  contentId: string,
  quarantine: boolean,
): Promise<string | undefined> {
  const content = database.read((index) => contentIn(index, contentId));
  if (content === undefined) return "The index has lost the content of the record.";
  if (content.kind === "inline")
    return new StoredCheck(content).update(content.payload).holds()
      ? undefined
      : "The bytes in the index do not match their checksum.";
  if (content.kind === "file") {
    const problem = await problemOfFile(places.files.pathOf(contentId), content);
    if (problem !== undefined && problem !== missingFile && quarantine) await places.files.quarantine(contentId);
    return problem;
  }
  if (content.kind === "cluster") return problemInCluster(places.cluster, contentId, content);
  for (const part of partsIn(content)) {
    const problem = await problemOf(database, places, part.content, quarantine);
    if (problem !== undefined) return `Part ${part.number}: ${problem}`;
  }
  return undefined;
}

/** A cluster that does not answer is no damage: the scrub ends, and is tried again later. */
async function problemInCluster(
  cluster: ClusterContents | undefined,
  contentId: string,
  content: Content,
): Promise<string | undefined> {
  if (cluster === undefined) return undefined;
  try {
    const check = new StoredCheck(content);
    for await (const block of await cluster.read(contentId, 0, content.sizeBytes)) check.update(block as Buffer);
    return check.holds() ? undefined : "The bytes in the cluster do not match their checksum.";
  } catch (error) {
    if (CloudError.is(error, "not_found")) return "The cluster has lost the bytes.";
    throw error;
  }
}

const missingFile = "The file is missing.";

async function problemOfFile(path: string, content: Content): Promise<string | undefined> {
  try {
    const file = await open(path, "r");
    try {
      const check = new StoredCheck(content);
      const block = Buffer.allocUnsafeSlow(blockBytes);
      let sizeBytes = 0;
      for (;;) {
        const { bytesRead } = await file.read(block, 0, blockBytes, sizeBytes);
        if (bytesRead === 0) break;
        check.update(block.subarray(0, bytesRead));
        sizeBytes += bytesRead;
      }
      if (sizeBytes !== content.sizeBytes) return `The file has ${sizeBytes} bytes instead of ${content.sizeBytes}.`;
      return check.holds() ? undefined : "The bytes of the file do not match their checksum.";
    } finally {
      await file.close();
    }
  } catch (error) {
    return isMissing(error) ? missingFile : `The file cannot be read: ${(error as Error).message}`;
  }
}
