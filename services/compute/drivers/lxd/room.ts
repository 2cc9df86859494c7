import { CloudError } from "../../../../kernel/errors.ts";
import type { CallOptions } from "../../driver.ts";
import { at } from "./client.ts";
import { bytesOf, type EngineInstance, type EngineVolume } from "./configuration.ts";
import { type Engine, findInstance, wordsOf } from "./engine.ts";
import type { Subvolume } from "./host.ts";

const MiB = 1024 ** 2;
/** What the engine's own notes and a start take; and how much of it one disk gets at the most, however often it is filled. */
const roomBytes = 64 * MiB;
const mostRoomBytes = 1024 * MiB;

const isFull = (error: unknown): boolean => /quota exceeded|saving config file for the container failed/i.test(wordsOf(error));

export const diskOf = (instance: Pick<EngineInstance, "type" | "name">): Subvolume => ({
  kind: instance.type === "virtual-machine" ? "vm" : "instance",
  name: instance.name,
});

/**
 * Does it; and when the instance's (or volume's) own disk is full to the last byte, makes a little room there and does it once
 * more. A guest that fills its disk would otherwise never start again, nor could it be made larger.
 */
export async function withRoom<T>(
  engine: Engine,
  kind: "instance" | "volume",
  name: string,
  work: () => Promise<T>,
  options?: CallOptions,
): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (!isFull(error)) throw error;
    if (await makeRoom(engine, kind, name, options)) {
      return await work().catch((again) => {
        throw isFull(again) ? diskFull(kind, again) : again;
      });
    }
    throw diskFull(kind, error);
  }
}

async function makeRoom(engine: Engine, kind: "instance" | "volume", name: string, options?: CallOptions): Promise<boolean> {
  const { host } = engine;
  if (host === undefined) return false;
  const [disk, sizeBytes, member] = await look(engine, kind, name, options);
  if (disk === undefined || sizeBytes === undefined || !(member === host.member || member === "none" || member === ""))
    return false;
  return host.makeRoom(disk, roomBytes, sizeBytes + mostRoomBytes);
}

async function look(
  engine: Engine,
  kind: "instance" | "volume",
  name: string,
  options?: CallOptions,
): Promise<[disk?: Subvolume, sizeBytes?: number | undefined, member?: string]> {
  if (kind === "instance") {
    const instance = await findInstance(engine, name, options);
    return instance === undefined ? [] : [diskOf(instance), bytesOf(instance.devices["root"]?.["size"]), instance.location];
  }
  const volume = await engine.client.find<EngineVolume>(at`/1.0/storage-pools/${engine.pool}/volumes/custom/${name}`);
  return volume === undefined ? [] : [{ kind: "volume", name }, bytesOf(volume.config["size"]), volume.location];
}

const diskFull = (kind: "instance" | "volume", cause: unknown): CloudError =>
  new CloudError(
    "storage_full",
    kind === "instance"
      ? "The disk of the instance is full. Delete files in it, or resize it to a larger disk."
      : "The volume is full. Delete files in it, or make it larger.",
    { cause, details: { reason: "disk_full" } },
  );
