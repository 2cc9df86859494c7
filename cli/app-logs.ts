import { setTimeout as sleep } from "node:timers/promises";
import { messages } from "../client/events.ts";
import { CloudError } from "../kernel/errors.ts";
import type { LogLine } from "../services/apps/running/contract.ts";
import type { Run } from "./run.ts";
import { plain, plainLine } from "./table.ts";

/** As many as the cloud gives again after a break. */
const replayedLines = 1000;
const longestPauseMs = 15_000;
const pageLines = 200;

interface Wanted {
  app: never;
  process?: string;
  search?: string;
  since?: string;
  until?: string;
}

/** `khmara app logs`: the last lines, oldest first, and those that come with `--follow`. */
export async function runLogs(run: Run): Promise<number> {
  const { terminal, values, options, extra } = run;
  const { lines, ...wanted } = values as unknown as Wanted & { lines: number | undefined };
  const printed = new Printed();
  const print = (line: LogLine) => {
    printed.add(line);
    if (options.json) terminal.out(`${JSON.stringify(line)}\n`);
    else terminal.out(shown(line));
  };
  // Whoever says from when wants all of it.
  const most = lines ?? (wanted.since === undefined ? 100 : Number.POSITIVE_INFINITY);
  const stop = new AbortController();
  const endInterrupt = terminal.onInterrupt(() => stop.abort());
  try {
    const before = await lastLines(run, wanted, most, stop.signal);
    for (const line of before) print(line);
    if (extra["follow"]) await follow(run, { ...wanted, lines }, printed, print, stop.signal);
    else if (before.length === 0 && !options.json && !options.quiet) terminal.note("There is nothing in its log.\n");
    return 0;
  } catch (error) {
    if (stop.signal.aborted) return 0;
    throw error;
  } finally {
    endInterrupt();
  }
}

async function lastLines({ cloud }: Run, wanted: Wanted, most: number, signal: AbortSignal): Promise<LogLine[]> {
  const found: LogLine[] = [];
  if (most === 0) return found;
  for await (const line of cloud.client.all("appLogList", { ...wanted, limit: Math.min(most, pageLines) }, { signal })) {
    found.push(line);
    if (found.length >= most) break;
  }
  return found.reverse();
}

async function follow(
  { cloud }: Run,
  { app, process, search, since, lines }: Wanted & { lines: number | undefined },
  printed: Printed,
  print: (line: LogLine) => void,
  signal: AbortSignal,
): Promise<void> {
  const filter = { app, ...(process !== undefined && { process }), ...(search !== undefined && { search }) };
  for (let pauseMs = 1000; !signal.aborted; pauseMs = Math.min(pauseMs * 2, longestPauseMs)) {
    // What was printed comes again: the first time what was listed, later what came before the break.
    const isNew = printed.filter(since);
    const tail = lines === 0 && printed.isEmpty ? 0 : replayedLines;
    try {
      const response = await cloud.client.appLogFollow({ ...filter, tail }, { signal, headers: { accept: "text/event-stream" } });
      for await (const { data } of messages(response.body as ReadableStream<Uint8Array>)) {
        pauseMs = 500;
        if (data === "") continue;
        const line = JSON.parse(data) as LogLine;
        if (typeof line.text === "string" && isNew(line)) print(line);
      }
    } catch (error) {
      if (signal.aborted) return;
      const passing = ["unavailable", "internal", "rate_limited", "deadline_exceeded"];
      if (CloudError.is(error) && !passing.includes(error.code)) throw error;
    }
    await sleep(pauseMs, undefined, { signal });
  }
}

/** Up to where each container's lines were printed: those of one come in order, those of several do not. */
class Printed {
  readonly #last = new Map<string, string>();
  #oldest: string | undefined;

  get isEmpty(): boolean {
    return this.#oldest === undefined;
  }

  add({ container, at }: LogLine): void {
    const time = comparable(at);
    if (this.#oldest === undefined || time < this.#oldest) this.#oldest = time;
    if (time > (this.#last.get(container) ?? "")) this.#last.set(container, time);
  }

  /** Whether a line came after those printed by now; `since` where there are none. */
  filter(since: string | undefined): (line: LogLine) => boolean {
    const last = new Map(this.#last);
    // The last lines of all were listed: of a container that is not among them, what is older was not wanted.
    const floor = this.#oldest ?? (since === undefined ? "" : comparable(since));
    return ({ container, at }) => comparable(at) > (last.get(container) ?? floor);
  }
}

/** RFC 3339 with nanoseconds, whose zeros at the end may be left out: in a form that sorts. */
const comparable = (at: string): string => {
  const [, seconds = at, fraction = ""] = /^(.+?)(?:\.(\d+))?Z$/.exec(at) ?? [];
  return `${seconds}.${fraction.padEnd(9, "0")}`;
};

function shown({ at, container, text }: LogLine): string {
  const time = /^\d{4}-\d\d-\d\dT[\d:]+(\.\d{1,3})?/.exec(at)?.[0] ?? plain(at);
  return `${time}Z  ${plain(container).padEnd(8)}  ${plainLine(text)}\n`;
}
