import assert from "node:assert/strict";
import { type ChildProcessByStdio, spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { createInterface } from "node:readline";
import type { Readable } from "node:stream";
import type { Id } from "../../../../../kernel/ids.ts";
import type { ObjectStore } from "../../../driver.ts";
import { bytesOf, pattern } from "../../conformance.bodies.ts";

/** For tests: what a process that works on a store at random (crash.child.ts) has said, and whether the store is so. */
export interface Said {
  /** What each key may hold: what was acknowledged last, and what was asked for since. */
  keys: Map<string, Set<string | undefined>>;
  acknowledged: number;
  /** Every version that was acknowledged; without content, a delete marker. */
  versions: { key: string; versionId: string; content: string | undefined }[];
  isReady: boolean;
}

export interface Worker extends Said {
  child: ChildProcessByStdio<null, Readable, null>;
  ready: Promise<unknown>;
  ended: Promise<unknown>;
}

export function listenTo(said: Said): (text: string) => void {
  const open = new Map<number, { key: string; content?: string }>();
  return (text) => {
    const line = JSON.parse(text) as {
      ready?: true;
      worker: number;
      done?: true;
      versionId?: string;
      key: string;
      content?: string;
    };
    if (line.ready) {
      said.isReady = true;
      return;
    }
    if (!line.done) {
      open.set(line.worker, line);
      said.keys.set(line.key, (said.keys.get(line.key) ?? new Set([undefined])).add(line.content));
      return;
    }
    const { key, content } = open.get(line.worker)!;
    said.keys.set(key, new Set([content]));
    said.acknowledged++;
    if (line.versionId !== undefined) said.versions.push({ key, versionId: line.versionId, content });
  };
}

export const nothingSaid = (): Said => ({ keys: new Map(), acknowledged: 0, versions: [], isReady: false });

export const crashProgram = join(import.meta.dirname, "..", "crash.child.ts");

export function startWorker(directory: string, bucketId: Id<"bucket">, name: string, seed: number): Worker {
  const child = spawn(process.execPath, [crashProgram, directory, bucketId, name, `${seed}`], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  const { promise: ready, resolve } = Promise.withResolvers<void>();
  const worker: Worker = { ...nothingSaid(), child, ready, ended: once(child, "close") };
  const hear = listenTo(worker);
  createInterface(child.stdout).on("line", (text) => {
    hear(text);
    if (worker.isReady) resolve();
  });
  return worker;
}

/** Where versions are kept, each that was acknowledged is still there. */
export async function verifyVersions(
  store: ObjectStore,
  bucketId: Id<"bucket">,
  { versions }: Pick<Said, "versions">,
): Promise<void> {
  for (const { key, versionId, content } of versions) {
    const [seed, sizeBytes] = (content ?? "").split(":").map(Number) as [number, number];
    if (content === undefined) {
      assert.ok(await store.marker(bucketId, key, { versionId }), `the delete marker ${versionId} of ${key}`);
      continue;
    }
    const { body } = await store.get(bucketId, key, { versionId });
    assert.ok(pattern(sizeBytes, seed).equals(await bytesOf(body)), `the version ${versionId} of ${key}`);
  }
}

export async function verify(store: ObjectStore, bucketId: Id<"bucket">, { keys }: Pick<Said, "keys">): Promise<void> {
  for (const [key, possible] of keys) {
    const found = await store.head(bucketId, key);
    if (found === undefined) {
      assert.ok(possible.has(undefined), `${key} was acknowledged and is gone`);
      continue;
    }
    const bytes = await bytesOf((await store.get(bucketId, key)).body);
    const matches = [...possible].some((content) => {
      const [seed, sizeBytes] = (content ?? "").split(":").map(Number);
      return content !== undefined && sizeBytes === bytes.length && pattern(sizeBytes, seed).equals(bytes);
    });
    assert.ok(matches, `${key} holds one of ${[...possible]}`);
  }
}
