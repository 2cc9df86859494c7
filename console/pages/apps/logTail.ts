import { messages } from "../../../client/events.ts";
import type { LogLine } from "../../../services/apps/running/contract.ts";
import { client } from "../../api/api.ts";
import { errorText, isCloudError } from "../../api/errors.ts";
import { plainText } from "./useDeploymentLog.ts";

export interface ShownLine extends LogLine {
  /** Counts up: lines can be the same. */
  key: number;
}
export interface TailState {
  lines: readonly ShownLine[];
  phase: "connecting" | "live" | "lost" | "refused";
  problem?: string;
}

/** As many as a page draws without being slow; the rest is a search or a download away. */
export const keptLines = 2000;
const tail = 300;
const gatherMs = 100;
const againMs = 2000;

/** `2026-11-22T07:00:00.1Z` comes before `…00.12Z`: without the Z the order of letters is that of time. */
const moment = ({ at }: LogLine) => at.replace(/Z$/, "");

/**
 * Follows the log of an app and tells of it at most ten times a second. After a break the last lines come again: those that were
 * seen already are not shown twice.
 */
export class LogTail {
  private readonly stop = new AbortController();
  private lines: ShownLine[] = [];
  private coming: ShownLine[] = [];
  private next = 0;
  private timer: ReturnType<typeof setTimeout> | undefined;
  private readonly changed: (state: TailState) => void;
  private state: Omit<TailState, "lines"> = { phase: "connecting" };
  private readonly seen = new Map<string, string>();

  constructor(args: { app: string; process?: string; search?: string }, changed: (state: TailState) => void) {
    this.changed = changed;
    void this.follow(args);
  }

  close(): void {
    this.stop.abort();
    clearTimeout(this.timer);
  }

  /** For the tests: a line as it comes. */
  take(line: LogLine, known: ReadonlyMap<string, string>): void {
    const before = known.get(line.container);
    if (before !== undefined && moment(line) <= before) return;
    this.seen.set(line.container, moment(line));
    this.coming.push({ ...line, text: plainText(line.text), key: this.next++ });
    this.timer ??= setTimeout(() => this.tell(), gatherMs);
  }

  private tell(): void {
    this.timer = undefined;
    this.lines = [...this.lines, ...this.coming].slice(-keptLines);
    this.coming = [];
    if (!this.stop.signal.aborted) this.changed({ ...this.state, lines: this.lines });
  }

  private become(state: Omit<TailState, "lines">): void {
    this.state = state;
    this.timer ??= setTimeout(() => this.tell(), 0);
  }

  private async follow(args: { app: string; process?: string; search?: string }): Promise<void> {
    const { signal } = this.stop;
    while (!signal.aborted) {
      try {
        const response = await client.appLogFollow({ ...args, tail } as never, { signal });
        this.become({ phase: "live" });
        // Only what was seen before this connection can come twice.
        const known = new Map(this.seen);
        if (response.body)
          for await (const { data } of messages(response.body)) if (data !== "") this.take(JSON.parse(data) as LogLine, known);
      } catch (error) {
        if (signal.aborted) return;
        const passes =
          !isCloudError(error) || ["unavailable", "internal", "deadline_exceeded", "rate_limited"].includes(error.code);
        this.become({ phase: passes ? "lost" : "refused", problem: errorText(error) });
        if (!passes) return;
      }
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, againMs);
        signal.addEventListener("abort", () => {
          clearTimeout(timer);
          resolve();
        });
      });
    }
  }
}
