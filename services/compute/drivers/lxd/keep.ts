/**
 * What an instance was configured as, kept in the engine while a restore replaces it: the engine's restore brings back the old
 * cards, volumes and size along with the old disk. A profile is nothing but a record in the engine's database.
 */
import type { CallOptions } from "../../driver.ts";
import { at } from "./client.ts";
import { type Configuration, type Devices, ownPrefix } from "./configuration.ts";
import type { Engine } from "./engine.ts";

export interface Kept {
  config: Configuration;
  devices: Devices;
  atMs: number;
}

/** Whatever is older belongs to a restore that was given up. */
const oldestMs = 2 * 3_600_000;
const key = `${ownPrefix}kept`;
const profile = (name: string): string => at`/1.0/profiles/${`${name}-kept`}`;

export async function findKept(engine: Engine, name: string, options?: CallOptions): Promise<Kept | undefined> {
  const found = await engine.client.find<{ config: Configuration }>(profile(name), { signal: options?.signal });
  if (found === undefined) return undefined;
  const kept = JSON.parse(found.config[key] ?? "{}") as Partial<Kept>;
  if (kept.atMs !== undefined && kept.atMs > Date.now() - oldestMs) return kept as Kept;
  await deleteKept(engine, name, options);
  return undefined;
}

export async function keep(engine: Engine, name: string, kept: Kept, options?: CallOptions): Promise<void> {
  const body = {
    name: `${name}-kept`,
    description: `${name} while it is restored`,
    config: { [key]: JSON.stringify(kept) },
    devices: {},
  };
  await engine.client.post("/1.0/profiles", body, { signal: options?.signal });
}

export async function deleteKept(engine: Engine, name: string, options?: CallOptions): Promise<void> {
  await engine.client.delete(profile(name), { signal: options?.signal });
}
