import { CloudError } from "../../../../kernel/errors.ts";
import type { AppEngine, LogOptions, LogRecord } from "../../driver.ts";
import { at } from "./client.ts";
import { idleMs } from "./connection.ts";
import { brokenOff } from "./engineError.ts";
import { FrameReader, type StreamName } from "./frames.ts";
import { needContainer } from "./lookup.ts";
import type { Engine } from "./ownership.ts";

export type Logs = Pick<AppEngine, "containerLogs">;

/** The engine itself cuts lines at 16 KiB; with a terminal it does not. */
const longestText = 64 * 1024;

export function createLogs(engine: Engine): Logs {
  return {
    async *containerLogs(name, options = {}) {
      const { Id, Config } = await needContainer(engine, name, options);
      const { signal, since, until, tail, follow = false } = options;
      const query = {
        stdout: true,
        stderr: true,
        timestamps: true,
        follow,
        since: since === undefined ? undefined : secondsOf(since),
        until: until === undefined ? undefined : secondsOf(until),
        tail: tail ?? "all",
      };
      // One that is followed may be silent for as long as it likes.
      const timeoutMs = follow ? 0 : idleMs;
      const response = await engine.client.download(at`/containers/${Id}/logs`, { query, signal, timeoutMs });
      try {
        yield* recordsOf(response, Config.Tty);
      } catch (error) {
        throw error instanceof CloudError ? error : brokenOff(error);
      } finally {
        response.destroy();
      }
    },
  };
}

/** Seconds with nine decimals, as the engine reads them without losing any. */
export function secondsOf(time: NonNullable<LogOptions["since"]>): string {
  const text = typeof time === "string" ? time : time.toISOString();
  const nanoseconds = /\.(\d{1,9})/.exec(text)?.[1] ?? "";
  const seconds = Math.floor(Date.parse(text) / 1000);
  if (Number.isNaN(seconds)) throw new CloudError("invalid_argument", `${text} is no time (RFC 3339).`);
  return `${seconds}.${nanoseconds.padEnd(9, "0")}`;
}

/** Each record begins with its time and a space; `\n` ends it unless it is partial, and then its frame does. */
export async function* recordsOf(stream: AsyncIterable<Buffer>, terminal: boolean): AsyncGenerator<LogRecord> {
  const frames = new FrameReader();
  const open: Record<StreamName, Buffer> = { stdout: Buffer.alloc(0), stderr: Buffer.alloc(0) };
  for await (const chunk of stream)
    for (const { stream: name, bytes, last } of terminal
      ? [{ stream: "stdout" as const, bytes: chunk, last: false }]
      : frames.read(chunk)) {
      let rest = open[name].length === 0 ? bytes : Buffer.concat([open[name], bytes]);
      for (let end = rest.indexOf(10); end !== -1; end = rest.indexOf(10)) {
        yield record(name, rest.subarray(0, end), false);
        rest = rest.subarray(end + 1);
      }
      if (last && rest.length > 0) {
        yield record(name, rest, true);
        rest = rest.subarray(rest.length);
      }
      // What is too long is cut; the time at its beginning stays, so that what follows is a record too.
      if (rest.length > longestText) {
        const time = rest.subarray(0, rest.indexOf(32) + 1);
        yield record(name, rest, true);
        rest = time;
      }
      // A copy: what is left of a large chunk would keep all of it.
      open[name] = Buffer.from(rest);
    }
  for (const name of ["stdout", "stderr"] as const) if (open[name].length > 0) yield record(name, open[name], true);
}

function record(stream: StreamName, bytes: Buffer, partial: boolean): LogRecord {
  const space = bytes.indexOf(32);
  const end = bytes.at(-1) === 13 ? bytes.length - 1 : bytes.length;
  return {
    stream,
    at: bytes.toString("utf8", 0, Math.max(space, 0)),
    text: bytes.toString("utf8", space + 1, Math.min(end, space + 1 + longestText)),
    partial,
  };
}
