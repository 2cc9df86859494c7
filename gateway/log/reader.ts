import { open } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { parseRecord, type RequestRecord } from "./record.ts";
import { logIdentity, readPosition, releaseLog } from "./space.ts";

export interface LogBatch {
  records: RequestRecord[];
  /** Where they end, in bytes, in the log of this name: with it, whoever counts them knows what is counted already. */
  log: string;
  until: number;
  /** Call it when they are where they should be: until then the same lines come again after a restart. */
  done(): Promise<void>;
}

const chunkBytes = 1 << 20;
const pauseMs = 100;

/**
 * Every request from where the last `done` left off, or from where `after` says for the log of that name if that is further, as long as the signal lets it: at least once, about in the order in which they ended. What nobody
 * reads waits in the file, up to its limit; beyond that HAProxy leaves lines out.
 */
export async function* followRequests(
  { folder, writers }: { folder: string; writers: () => Promise<number[]> },
  signal: AbortSignal,
  after?: (log: string) => Promise<number | undefined>,
): AsyncGenerator<LogBatch> {
  const buffer = Buffer.alloc(chunkBytes);
  const begin = async () => Math.max(readPosition(folder), (await after?.(logIdentity(folder))) ?? 0);
  let position = await begin();
  while (!signal.aborted) {
    const length = await readAt(join(folder, "requests.log"), buffer, position);
    if (length === undefined) {
      // A new proxy has begun the file anew.
      position = await begin();
      continue;
    }
    const end = buffer.subarray(0, length).lastIndexOf(10) + 1;
    // A line without an end is still being written; one that fills everything is none of ours.
    const used = end > 0 ? end : length === chunkBytes ? length : 0;
    if (used === 0) {
      await sleep(pauseMs, undefined, { signal }).catch(() => {});
      continue;
    }
    position += used;
    const records = buffer
      .toString("utf8", 0, end)
      .split("\n")
      .map(parseRecord)
      .filter((record) => record !== undefined);
    const until = position;
    yield {
      records,
      log: logIdentity(folder),
      until,
      done: async () => releaseLog(folder, until, await writers()),
    };
  }
}

/** How many bytes are there from that place; undefined when the file is shorter. */
async function readAt(path: string, buffer: Buffer, position: number): Promise<number | undefined> {
  const file = await open(path, "r").catch((error: NodeJS.ErrnoException) => {
    if (error.code === "ENOENT") return undefined;
    throw error;
  });
  if (file === undefined) return 0;
  try {
    if ((await file.stat()).size < position) return undefined;
    return (await file.read(buffer, 0, buffer.length, position)).bytesRead;
  } finally {
    await file.close();
  }
}
