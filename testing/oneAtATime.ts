import { setTimeout as sleep } from "node:timers/promises";
import { lockFile } from "../server/file-lock.ts";

/** Lets one process of this machine at a time do the work, such as starting a daemon that all share. Rejects with `late` after twenty minutes. */
export async function oneAtATime<T>(path: string, late: string, work: () => T | Promise<T>): Promise<T> {
  const deadline = Date.now() + 20 * 60_000;
  for (;;) {
    const lock = lockFile(path);
    if (lock !== undefined) {
      try {
        return await work();
      } finally {
        lock.release();
      }
    }
    if (Date.now() > deadline) throw new Error(late);
    await sleep(200);
  }
}
