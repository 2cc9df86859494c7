import assert from "node:assert/strict";
import { Readable } from "node:stream";
import { setTimeout as sleep } from "node:timers/promises";
import { CloudError, type ErrorCode } from "../../../kernel/errors.ts";
import { testRootfs } from "../../../testing/docker.ts";
import type { AppEngine, BuildSpec, ContainerSpec } from "../driver.ts";

export const MiB = 1024 ** 2;

export interface ConformanceWorld {
  /** An engine with nothing of its cloud in it. */
  engine: AppEngine;
  /** The same engine for another cloud. */
  other: AppEngine;
  /** From the engine's own machine, where that is this one: whether its port answers HTTP with these words. */
  reachesHost?(port: number, words: string): Promise<void>;
  /** Takes everything away that is left. */
  close(): Promise<void>;
}

export interface Suite extends ConformanceWorld {
  /** The id of an image with busybox in it. */
  base: string;
  /** For FROM. */
  reference: string;
  name(word: string): string;
  spec(name: string, change?: Partial<ContainerSpec>): ContainerSpec;
  build(name: string, change?: Partial<BuildSpec>): BuildSpec;
  /** Made and started. */
  start(spec: ContainerSpec): Promise<void>;
  sh(name: string, script: string): Promise<string>;
}

export async function openSuite(open: () => Promise<ConformanceWorld>): Promise<Suite> {
  const world = await open();
  const { engine } = world;
  const { id, reference } = await engine.imageImport(
    { name: "base:1", labels: { kind: "base" }, defaults: { command: ["/bin/sh"], environment: { PATH: "/bin" } } },
    Readable.from([await testRootfs()]),
  );
  let count = 0;
  return {
    ...world,
    base: id,
    reference: reference as string,
    name: (word) => `${word}-${++count}`,
    spec: (name, change = {}) => ({
      name,
      image: id,
      labels: { app: "app_1" },
      command: ["/bin/sh", "-c", "trap 'exit 0' TERM; while :; do sleep 1 & wait $!; done"],
      networks: [],
      mounts: [],
      temporaryFolders: [],
      readOnlyRoot: true,
      limits: { memoryBytes: 64 * MiB, cpus: 1, processes: 64 },
      capabilities: [],
      restart: { policy: "never" },
      stop: { signal: "SIGTERM", timeoutSeconds: 10 },
      log: { fileBytes: MiB, files: 2 },
      init: false,
      ...change,
    }),
    build: (name, change = {}) => ({
      name,
      labels: { app: "app_1" },
      dockerfile: "Dockerfile",
      arguments: {},
      cache: true,
      limits: { memoryBytes: 256 * MiB, cpus: 1, processes: 64, seconds: 60, diskBytes: 200 * MiB },
      ...change,
    }),
    async start(spec) {
      await engine.containerCreate(spec);
      await engine.containerStart(spec.name);
    },
    async sh(name, script) {
      const { exitCode, stdout, stderr } = await engine.containerExec(name, {
        command: ["sh", "-c", script],
        maxOutputBytes: MiB,
      });
      assert.equal(exitCode, 0, `${script}: ${Buffer.from(stderr)}`);
      return Buffer.from(stdout).toString().trim();
    },
  };
}

/** Rejects with this code, and with words for people. */
export async function refuses(work: Promise<unknown>, code: ErrorCode, reason?: string): Promise<CloudError> {
  let refusal: unknown;
  await assert.rejects(work, (error) => {
    refusal = error;
    assert.ok(CloudError.is(error), `a CloudError, not ${String(error)}`);
    assert.equal(error.code, code, `${error.message} ${String(error.cause)}`);
    assert.match(error.message, /^\S.*[.)]$/s);
    if (reason !== undefined) assert.equal(error.details.reason, reason);
    return true;
  });
  return refusal as CloudError;
}

export async function eventually<T>(read: () => Promise<T> | T, isRight: (value: T) => boolean, withinMs = 30_000): Promise<T> {
  const deadline = Date.now() + withinMs;
  for (;;) {
    const value = await read();
    if (isRight(value)) return value;
    if (Date.now() > deadline) assert.fail(`after ${withinMs} ms it is still ${JSON.stringify(value)}`);
    await sleep(50);
  }
}
