import { randomFillSync } from "node:crypto";
import { closeSync, existsSync, openSync, rmSync, statfsSync, writeSync } from "node:fs";
import { dirname } from "node:path";

/** The pages of an index that a few deletions write. */
const reserveBytes = 4 * 2 ** 20;
const leastFreeBytes = 4 * reserveBytes;
const triedEveryMs = 1000;

/**
 * Room that is kept for deletions: they write to the index too, and on a full disk nothing could be deleted otherwise. Once it was used, only what
 * makes room is let in, until there is enough for it again.
 */
export class Reserve {
  readonly #path: string;
  #triedAt = Number.NEGATIVE_INFINITY;
  #isUsed = false;

  constructor(path: string) {
    this.#path = path;
    if (!existsSync(path)) this.#isUsed = !this.#make();
  }

  /** Whether there is room for what does not make room itself. */
  isWhole(): boolean {
    if (this.#isUsed && performance.now() - this.#triedAt > triedEveryMs)
      this.#isUsed = !(existsSync(this.#path) || this.#make());
    return !this.#isUsed;
  }

  isScarce(): boolean {
    const { bavail, bsize } = statfsSync(dirname(this.#path));
    return bavail * bsize < leastFreeBytes;
  }

  /** False when it was gone already. */
  use(): boolean {
    const was = existsSync(this.#path);
    this.#isUsed = true;
    this.#triedAt = performance.now();
    rmSync(this.#path, { force: true });
    return was;
  }

  #make(): boolean {
    this.#triedAt = performance.now();
    try {
      if (this.isScarce()) return false;
      const fd = openSync(this.#path, "w", 0o600);
      try {
        // Random, as zeros take no room on disks that compress.
        const bytes = randomFillSync(Buffer.allocUnsafeSlow(reserveBytes));
        for (let at = 0; at < bytes.length; ) at += writeSync(fd, bytes, at);
      } finally {
        closeSync(fd);
      }
      return true;
    } catch {
      rmSync(this.#path, { force: true });
      return false;
    }
  }
}
