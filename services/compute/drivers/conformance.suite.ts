import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { createReadStream } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import { CloudError, type ErrorCode } from "../../../kernel/errors.ts";
import type { ComputeDriver, InstanceSpec } from "../driver.ts";

/** What a driver is tested in. */
export interface ConformanceWorld {
  /** The engine, empty; again, for a second process that works with it. */
  open(): Promise<ComputeDriver>;
  /** A tarball for imageImport: a Linux with systemd and cloud-init, of this machine's architecture. */
  imageFile: string;
  /** Of the host, with DHCP. */
  bridge: string;
  close(): Promise<void>;
}

/** What the parts of the suite share. Instances are slow, so each is used by as many tests as can be. */
export interface Suite {
  driver: ComputeDriver;
  world: ConformanceWorld;
  image: { name: string };
  /** Other names than those of any run beside this one. */
  name(word: string): string;
  spec(name: string, change?: Partial<InstanceSpec>): InstanceSpec;
  /** One that runs, which several parts use. */
  guest(): Promise<string>;
  read(content: AsyncIterable<Uint8Array>): Promise<string>;
  /** Standard output of a command that has to succeed. */
  sh(name: string, command: string): Promise<string>;
}

export const MiB = 1024 ** 2;

export async function openSuite(openWorld: () => Promise<ConformanceWorld>): Promise<Suite> {
  const world = await openWorld();
  const driver = await world.open();
  const run = randomBytes(3).toString("hex");
  const image = { name: `img-${run}` };
  await driver.imageImport(image.name, createReadStream(world.imageFile), { labels: { image: "img_1" } });
  let cards = 0;
  let guest: Promise<string> | undefined;
  const suite: Suite = {
    world,
    driver,
    image,
    name: (word) => `kh-${run}-${word}`,
    spec: (name, change) => {
      const card = cards++;
      return {
        name,
        kind: "container",
        image,
        size: { vcpus: 1, memoryBytes: 256 * MiB, diskBytes: 700 * MiB },
        hostName: name.split("-").at(-1) as string,
        cloudInit: {},
        interfaces: [
          {
            device: "eth0",
            bridge: world.bridge,
            macAddress: `02:${run.match(/../g)?.join(":")}:00:${card.toString(16).padStart(2, "0")}`,
            hostDevice: `kht${run}${card}`,
          },
        ],
        autoRestart: false,
        labels: { instance: `ins_${name}` },
        ...change,
      };
    },
    guest: () => {
      guest ??= (async () => {
        const spec = suite.spec(suite.name("guest"));
        await driver.instanceCreate(spec);
        await driver.instanceStart(spec.name);
        return spec.name;
      })();
      return guest;
    },
    async read(content) {
      const chunks: Uint8Array[] = [];
      for await (const chunk of content) chunks.push(chunk);
      return Buffer.concat(chunks).toString();
    },
    async sh(name, command) {
      const { exitCode, stdout, stderr } = await driver.instanceExec(name, {
        command: ["sh", "-c", command],
        maxOutputBytes: MiB,
      });
      assert.equal(exitCode, 0, `${command}: ${Buffer.from(stderr).toString()}`);
      return Buffer.from(stdout).toString();
    },
  };
  return suite;
}

/** Rejects with this code, and with words for people. */
export async function refuses(work: Promise<unknown>, code: ErrorCode, reason?: string): Promise<void> {
  await assert.rejects(work, (error) => {
    assert.ok(CloudError.is(error), `a CloudError, not ${String(error)}`);
    assert.equal(error.code, code, `${error.message} ${String(error.cause)}`);
    assert.match(error.message, /^[A-Z/].*\.$/s);
    if (reason !== undefined) assert.equal(error.details.reason, reason);
    return true;
  });
}

export async function eventually<T>(read: () => Promise<T> | T, isRight: (value: T) => boolean, withinMs = 20_000): Promise<T> {
  const deadline = Date.now() + withinMs;
  for (;;) {
    const value = await read();
    if (isRight(value)) return value;
    if (Date.now() > deadline) assert.fail(`after ${withinMs} ms it is still ${JSON.stringify(value)}`);
    await sleep(50);
  }
}
