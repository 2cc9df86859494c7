/** What a build puts on the disk: the engine has no limit for it, so it is looked at while it grows. */
import { statfs } from "node:fs/promises";
import { setTimeout as sleep } from "node:timers/promises";
import { at } from "./client.ts";
import type { Engine } from "./ownership.ts";

const lookEveryMs = 250;
/** Of the engine's disk, for everything else on it. */
const leastFree = { share: 0.05, bytes: 2 * 1024 ** 3 };

/** What the classic builder says of its steps; its identifiers are the first 12 digits. */
export class BuildSteps {
  /** Made by this build, in their order; what came from its cache is not. */
  readonly made: string[] = [];
  /** Of the step that runs. */
  container: string | undefined;
  readonly containers: string[] = [];
  /** Sizes are compared with the image before: it, and the one after it. */
  readonly grown: { from: string; to: string }[] = [];
  #previous: string | undefined;
  #base = false;
  #cached = false;

  take(line: string): void {
    if (/^Step \d+\/\d+ : /.test(line)) {
      this.#base = /^Step \d+\/\d+ : FROM\b/i.test(line);
      this.#cached = false;
      return;
    }
    const running = /^ ---> Running in ([0-9a-f]{12})$/.exec(line)?.[1];
    if (running !== undefined) {
      this.container = running;
      this.containers.push(running);
      return;
    }
    if (line === " ---> Using cache") this.#cached = true;
    const image = /^ ---> ([0-9a-f]{12})$/.exec(line)?.[1];
    if (image === undefined) return;
    this.container = undefined;
    if (!this.#base && !this.#cached) {
      this.made.push(image);
      if (this.#previous !== undefined) this.grown.push({ from: this.#previous, to: image });
    }
    this.#previous = image;
  }
}

/** Calls `onFull` once when the build has put too much on the disk, or too little is left of it; ends with the signal. */
export async function watchDisk(
  { client }: Engine,
  options: { steps: BuildSteps; mostBytes: number; dataFolder: string; signal: AbortSignal },
  onFull: () => void,
): Promise<void> {
  const { steps, mostBytes, dataFolder, signal } = options;
  let layers = 0;
  let counted = 0;
  const sizeOf = async (image: string) => (await client.find<{ Size: number }>(at`/images/${image}/json`, { signal }))?.Size ?? 0;
  while (!signal.aborted) {
    try {
      for (const { from, to } of steps.grown.slice(counted)) {
        layers += Math.max(0, (await sizeOf(to)) - (await sizeOf(from)));
        counted += 1;
      }
      const { container } = steps;
      const open =
        container === undefined
          ? 0
          : ((await client.find<{ SizeRw?: number }>(at`/containers/${container}/json`, { query: { size: true }, signal }))
              ?.SizeRw ?? 0);
      if (layers + open > mostBytes || (await nearlyFull(dataFolder))) return onFull();
    } catch {
      // Whether the engine lives is the build's own question.
    }
    await sleep(lookEveryMs, undefined, { signal }).catch(() => {});
  }
}

async function nearlyFull(folder: string): Promise<boolean> {
  try {
    const { bavail, blocks, bsize } = await statfs(folder);
    return bavail * bsize < Math.min(leastFree.bytes, blocks * bsize * leastFree.share);
  } catch {
    return false;
  }
}
