import type { Database } from "../../../kernel/db/database.ts";
import type { Log } from "../../../kernel/log.ts";
import { accessLogStore } from "./store.ts";

const everyMs = 1000;
/** More than that is not kept while the database is away: the oldest go. S3's access logs are best effort as well. */
const mostLines = 100_000;
const linesAtOnce = 1000;

export interface AccessLogs {
  /** A line without its end. */
  note(bucket: { id: string; organisationId: string }, line: string): void;
  flush(): Promise<void>;
  stop(): Promise<void>;
}

/** Lines are written down together, once a second: a request does not wait for its own. */
export function collectAccessLogs(database: Database, log: Log): AccessLogs {
  let noted: { bucketId: string; organisationId: string; line: string }[] = [];
  let timer: NodeJS.Timeout | undefined;
  let flushing: Promise<void> | undefined;

  function later(): void {
    timer ??= setTimeout(() => {
      timer = undefined;
      flush().catch((error) => {
        log.debug({ err: error }, "lines of access logs could not be written down yet");
        later();
      });
    }, everyMs).unref();
  }

  async function flush(): Promise<void> {
    await flushing?.catch(() => {});
    while (noted.length > 0) {
      const taken = noted.splice(0, linesAtOnce);
      const rows = Map.groupBy(taken, ({ bucketId }) => bucketId);
      flushing = database.transaction("system", (tx) =>
        accessLogStore.insert(
          tx,
          [...rows].map(([bucketId, lines]) => ({
            bucketId,
            organisationId: String(lines[0]?.organisationId),
            lines: lines.map(({ line }) => `${line}\n`).join(""),
          })),
        ),
      );
      try {
        await flushing;
      } catch (error) {
        noted = [...taken, ...noted];
        throw error;
      } finally {
        flushing = undefined;
      }
    }
  }

  return {
    note({ id, organisationId }, line) {
      noted.push({ bucketId: id, organisationId, line });
      if (noted.length > mostLines) {
        log.warn({ lines: linesAtOnce }, "lines of access logs are given up: the database does not take them");
        noted.splice(0, linesAtOnce);
      }
      later();
    },
    flush,
    async stop() {
      clearTimeout(timer);
      await flush().catch(() => {});
      clearTimeout(timer);
    },
  };
}
