import { type ChildProcessByStdio, spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { createInterface } from "node:readline";
import type { Readable } from "node:stream";
import type { Id } from "../../../../kernel/ids.ts";

/** For tests: a process that works on a store at random (crash.child.ts), and what it said. */
export interface Worker {
  child: ChildProcessByStdio<null, Readable, null>;
  ready: Promise<unknown>;
  /** What each key may hold: what was acknowledged last, and what was asked for since. */
  keys: Map<string, Set<string | undefined>>;
  acknowledged: number;
  /** Every version that was acknowledged; without content, a delete marker. */
  versions: { key: string; versionId: string; content: string | undefined }[];
  ended: Promise<unknown>;
}

export function startWorker(directory: string, bucketId: Id<"bucket">, name: string, seed: number): Worker {
  const child = spawn(process.execPath, [join(import.meta.dirname, "crash.child.ts"), directory, bucketId, name, `${seed}`], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  const { promise: ready, resolve } = Promise.withResolvers<void>();
  const worker: Worker = { child, ready, keys: new Map(), acknowledged: 0, versions: [], ended: once(child, "close") };
  const open = new Map<number, { key: string; content?: string }>();
  createInterface(child.stdout).on("line", (text) => {
    const line = JSON.parse(text) as {
      ready?: true;
      worker: number;
      done?: true;
      versionId?: string;
      key: string;
      content?: string;
    };
    if (line.ready) return resolve();
    if (!line.done) {
      open.set(line.worker, line);
      worker.keys.set(line.key, (worker.keys.get(line.key) ?? new Set([undefined])).add(line.content));
      return;
    }
    const { key, content } = open.get(line.worker)!;
    worker.keys.set(key, new Set([content]));
    worker.acknowledged++;
    if (line.versionId !== undefined) worker.versions.push({ key, versionId: line.versionId, content });
  });
  return worker;
}
