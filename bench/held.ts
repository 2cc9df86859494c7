import { anonymousBytes, pssBytes, rssBytes } from "../testing/processes.ts";
import { mebibytes, table } from "./report.ts";

/** Bytes. The index (LMDB) is a map of a file: what was read of it counts in `rss` of each process and in `pss` once, and is page cache all the same. */
interface Memory {
  rss: number;
  pss: number;
  anonymous: number;
}

/** Looking takes the processor a few milliseconds. */
const everyMs = 1000;

/** What some processes hold at most, each by itself and added up, while something runs. */
export class Held {
  readonly #pids: () => number[];
  readonly #most = new Map<string, Memory & { processes: number }>();

  constructor(pids: () => number[]) {
    this.#pids = pids;
  }

  async during<T>(names: string[], work: () => Promise<T>): Promise<T> {
    const look = (): void => this.look(...names);
    const timer = setInterval(look, everyMs);
    try {
      return await work();
    } finally {
      clearInterval(timer);
      look();
    }
  }

  look(...names: string[]): void {
    const pids = this.#pids();
    const sum = (of: (pid: number) => number): number => pids.reduce((total, pid) => total + of(pid), 0);
    const now = { rss: sum(rssBytes), pss: sum(pssBytes), anonymous: sum(anonymousBytes), processes: pids.length };
    for (const name of names) {
      const before = this.#most.get(name) ?? now;
      this.#most.set(name, {
        rss: Math.max(before.rss, now.rss),
        pss: Math.max(before.pss, now.pss),
        anonymous: Math.max(before.anonymous, now.anonymous),
        processes: Math.max(before.processes, now.processes),
      });
    }
  }

  table(): string {
    const rows = [...this.#most].map(([name, { rss, pss, anonymous, processes }]) => [
      name,
      String(processes),
      mebibytes(rss),
      mebibytes(pss),
      mebibytes(anonymous),
    ]);
    return table(["memory of the object door, at most", "processes", "RSS, added up", "PSS", "of it anonymous"], rows);
  }
}
