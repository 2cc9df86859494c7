/**
 * LXD snapshots a btrfs disk, and then walks through all of it for nested ones; a file that vanishes meanwhile makes it fail, and
 * leaves half a snapshot behind. So on a busy server it is tried again, at last with the server frozen for the moment.
 */
import { CloudError } from "../../../../kernel/errors.ts";
import type { CallOptions } from "../../driver.ts";
import { at } from "./client.ts";
import { type EngineInstance, ownPrefix, powerStateOf, without } from "./configuration.ts";
import { changeInstance, type Engine, findInstance, wordsOf } from "./engine.ts";
import type { Power } from "./power.ts";

const attempts = 3;
/** Whom a crash would otherwise leave frozen. */
const frozenKey = `${ownPrefix}frozen`;

const isVanished = (error: unknown): boolean =>
  CloudError.is(error) && /readdirent|lstat |no such file or directory|not a directory|stale file handle/i.test(wordsOf(error));

export interface Quieting {
  /** Instances that write to the disk while they run. */
  writers: () => Promise<string[]>;
  /** After a failure, before the next attempt. */
  cleanUp: () => Promise<unknown>;
}

export async function whileQuiet<T>(
  engine: Engine,
  power: Power,
  { writers, cleanUp }: Quieting,
  work: () => Promise<T>,
  options?: CallOptions,
): Promise<T> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await work();
    } catch (error) {
      await cleanUp().catch((failure) => engine.log.warn({ error: failure }, "after a failed snapshot"));
      if (!isVanished(error)) throw error;
      if (attempt === attempts) break;
    }
  }
  const frozen: string[] = [];
  try {
    for (const name of await writers()) {
      const instance = await findInstance(engine, name, options);
      if (instance === undefined || powerStateOf(instance.status) !== "running") continue;
      frozen.push(name);
      await changeInstance(engine, name, ({ config }) => ({ config: { ...config, [frozenKey]: "true" } }), options);
      await power.instanceFreeze(name, options);
    }
    engine.log.info({ frozen }, "frozen for the moment of a snapshot");
    return await work();
  } finally {
    for (const name of frozen) await thaw(engine, power, name);
  }
}

async function thaw(engine: Engine, power: Power, name: string): Promise<void> {
  await power.instanceUnfreeze(name);
  await changeInstance(engine, name, ({ config }) => ({ config: without(config, (key) => key === frozenKey) }));
}

/** Of a process that was killed in that moment. */
export async function thawLeftovers(engine: Engine, power: Power): Promise<void> {
  for (const { name, config, status } of await engine.client.list<EngineInstance>("/1.0/instances"))
    if (config[frozenKey] !== undefined && powerStateOf(status) === "frozen") await thaw(engine, power, name);
}

/** The snapshots of an instance or a volume, by the path of either. */
export async function snapshotNames(engine: Engine, owner: string, options?: CallOptions): Promise<string[]> {
  const addresses = await engine.client.get<string[] | null>(`${owner}/snapshots`, { signal: options?.signal });
  return (addresses ?? []).map((address) => decodeURIComponent((address.split("?")[0] as string).split("/").at(-1) as string));
}

export const instancePath = (name: string): string => at`/1.0/instances/${name}`;
