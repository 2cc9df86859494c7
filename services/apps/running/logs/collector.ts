import { rm } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { CloudError } from "../../../../kernel/errors.ts";
import type { AppsParts } from "../../parts.ts";
import { AppLog, defaultLimits, type LogBook, type LogLimits, longestText, type StoredLine } from "./book.ts";

interface Followed {
  engineName: string;
  appId: string;
  process: string;
  number: number;
}

const batchLines = 200;
const batchMs = 150;
/** Who writes more than this in a second is read no faster: the engine forgets its oldest lines then. */
const bytesPerSecond = 4 * 1024 ** 2;
const finishMs = 8000;
const firstPauseMs = 200;
const longestPauseMs = 5000;

export interface Collector extends LogBook {
  /** This process writes from now on: it is the one that the others leave it to. */
  lead(signal: AbortSignal): void;
  /** Ends what is followed and not in this list any more; begins the others. */
  keep(rows: readonly Followed[]): void;
  stop(): Promise<void>;
}

export const logFolder = (dataDirectory: string, appId: string): string => join(dataDirectory, "apps", "logs", appId);

export function createCollector(
  parts: Pick<AppsParts, "dataDirectory" | "engine" | "log">,
  limits: LogLimits = defaultLimits,
): Collector {
  const books = new Map<string, AppLog>();
  const following = new Map<
    string,
    { end: AbortController; read: Promise<void>; appId: string; caughtUp: () => Promise<void> }
  >();
  let leading: AbortSignal | undefined;
  const isLeading = () => leading !== undefined && !leading.aborted;

  function bookOf(appId: string): AppLog {
    const there = books.get(appId);
    if (there) return there;
    const book = new AppLog(logFolder(parts.dataDirectory, appId), limits);
    books.set(appId, book);
    return book;
  }

  function begin(row: Followed): void {
    if (!isLeading() || following.has(row.engineName)) return;
    const end = new AbortController();
    const signal = AbortSignal.any([end.signal, leading as AbortSignal]);
    const reader = followContainer(parts, bookOf(row.appId), row, signal);
    following.set(row.engineName, { end, appId: row.appId, ...reader });
  }

  async function finish(engineName: string): Promise<void> {
    const followed = following.get(engineName);
    if (!followed) return;
    await Promise.race([followed.caughtUp(), sleep(finishMs, undefined, { ref: false })]);
    followed.end.abort();
    await followed.read;
    following.delete(engineName);
    books.get(followed.appId)?.forget(engineName);
  }

  async function close(): Promise<void> {
    for (const { end } of following.values()) end.abort();
    await Promise.all([...following.values()].map(({ read }) => read));
    following.clear();
    await Promise.all([...books.values()].map((book) => book.close()));
    books.clear();
  }

  return {
    lead(signal) {
      leading = signal;
    },
    follow(rows) {
      for (const row of rows) begin(row);
    },
    keep(rows) {
      const wanted = new Set(rows.map(({ engineName }) => engineName));
      for (const row of rows) begin(row);
      for (const [engineName, { end, appId }] of following) {
        if (wanted.has(engineName)) continue;
        end.abort();
        following.delete(engineName);
        books.get(appId)?.forget(engineName);
      }
    },
    finish,
    async remove(appId) {
      for (const [engineName, followed] of following)
        if (followed.appId === appId) {
          followed.end.abort();
          await followed.read;
          following.delete(engineName);
        }
      await books.get(appId)?.close();
      books.delete(appId);
      await rm(logFolder(parts.dataDirectory, appId), { recursive: true, force: true });
    },
    stop: close,
  };
}

/** Reads a container until the signal, over its restarts and those of the engine. */
function followContainer(
  parts: Pick<AppsParts, "engine" | "log">,
  book: AppLog,
  row: Followed,
  signal: AbortSignal,
): { read: Promise<void>; caughtUp: () => Promise<void> } {
  const container = `${row.process}-${row.number}`;
  let batch: StoredLine[] = [];
  let batchBytes = 0;
  const ended = Promise.withResolvers<void>();
  /** Asked to read to the end, and to say when. */
  let asked = false;
  const wake = new AbortController();

  async function flush(): Promise<void> {
    const lines = batch;
    batch = [];
    batchBytes = 0;
    await book.append(lines);
  }

  /** All that there is now, and what comes until the container ends. */
  async function readOnce(follow: boolean): Promise<void> {
    const position = await book.position(row.engineName);
    // Time has the same value for several records: those that are written already are passed over.
    let skip = position?.records ?? 0;
    const partial = { stdout: { text: "", of: 0 }, stderr: { text: "", of: 0 } };
    let second = Date.now();
    let inSecond = 0;
    const timer = setInterval(() => void flush().catch(() => {}), batchMs);
    try {
      for await (const record of parts.engine().containerLogs(row.engineName, { since: position?.at, follow, signal })) {
        if (position && record.at === position.at && skip > 0) {
          skip--;
          continue;
        }
        const open = partial[record.stream];
        open.text = (open.text + record.text).slice(0, longestText);
        open.of++;
        if (record.partial && open.of < 64) continue;
        batch.push({
          at: record.at,
          process: row.process,
          container,
          stream: record.stream,
          text: open.text,
          by: row.engineName,
          ...(open.of > 1 && { of: open.of }),
        });
        batchBytes += open.text.length;
        inSecond += open.text.length + 100;
        partial[record.stream] = { text: "", of: 0 };
        if (batch.length >= batchLines || batchBytes > 256 * 1024) await flush();
        if (inSecond > bytesPerSecond) {
          await sleep(Math.max(0, second + 1000 - Date.now()), undefined, { signal });
          inSecond = 0;
        }
        if (Date.now() - second > 1000) {
          second = Date.now();
          inSecond = 0;
        }
      }
    } finally {
      clearInterval(timer);
      await flush();
    }
  }

  async function read(): Promise<void> {
    for (let pauseMs = firstPauseMs; !signal.aborted; ) {
      const begun = Date.now();
      try {
        await readOnce(!asked);
        // A reading along ends with the container: nothing can be missing.
        if (asked) {
          ended.resolve();
          break;
        }
      } catch (error) {
        if (signal.aborted) break;
        if (CloudError.is(error, "not_found") || CloudError.is(error, "conflict")) {
          // It is just being made or taken away, or is gone for good, and then whoever knows ends this.
          if (asked) break;
        } else if (!CloudError.is(error, "unavailable"))
          parts.log.warn({ err: error, container: row.engineName }, "logs could not be read; it is tried again");
      }
      if (Date.now() - begun > 2000) pauseMs = firstPauseMs;
      if (!asked) await sleep(pauseMs, undefined, { signal: AbortSignal.any([signal, wake.signal]) }).catch(() => {});
      pauseMs = Math.min(pauseMs * 2, longestPauseMs);
    }
    ended.resolve();
  }

  const reading = read();
  return {
    read: reading,
    caughtUp() {
      asked = true;
      const { promise } = ended;
      wake.abort();
      return promise;
    },
  };
}
