import type { Readable } from "node:stream";
import { CloudError } from "../../../../kernel/errors.ts";
import type { AppEngine, CallOptions, ContainerSpec, VolumeReport } from "../../driver.ts";
import { at } from "./client.ts";
import { makeContainer, removeContainer } from "./containers.ts";
import { findContainer } from "./lookup.ts";
import { absent, different, type Engine, type EngineLabels, foreign, labelsIn, nameIn, sameLabels } from "./ownership.ts";

export type Volumes = Pick<
  AppEngine,
  "volumeCreate" | "volumeGet" | "volumeList" | "volumeRemove" | "volumeRead" | "volumeWrite"
>;

interface EngineVolume {
  Name: string;
  CreatedAt?: string;
  Labels: EngineLabels;
  Mountpoint: string;
}

const report = ({ Labels, CreatedAt, Mountpoint }: EngineVolume): VolumeReport => ({
  name: nameIn(Labels),
  labels: labelsIn(Labels),
  createdAt: new Date(CreatedAt ?? 0),
  folder: Mountpoint,
});

/** Where a volume is in the container that is made to look into it. */
const folder = "volume";
/** Between two pieces: a disk that is written to from outside may be slow. */
const pieceMs = 5 * 60_000;

/** Never started: the engine reads and writes files of containers that do not run. */
const glassOf = (name: string, image: string): ContainerSpec => ({
  name: `${name}-glass`,
  image,
  labels: { kind: "volume-glass" },
  // An image may have none.
  command: ["/"],
  networks: [],
  mounts: [{ volume: name, path: `/${folder}`, readOnly: false }],
  temporaryFolders: [],
  // The engine writes nothing into one that may not.
  readOnlyRoot: false,
  limits: { memoryBytes: 32 * 1024 ** 2, cpus: 0.1, processes: 16 },
  capabilities: [],
  restart: { policy: "never" },
  stop: { signal: "SIGKILL", timeoutSeconds: 1 },
  log: { fileBytes: 1024 ** 2, files: 1 },
  init: false,
});

export function createVolumes(engine: Engine): Volumes {
  const { client, ownership } = engine;

  async function need(name: string, options?: CallOptions): Promise<void> {
    if ((await find(name, options)) === undefined) throw absent("volume", name);
  }

  /** One that a killed process left is made anew: it may be of another image. */
  async function makeGlass(name: string, image: string, options?: CallOptions): Promise<string> {
    await removeGlass(name, options);
    return makeContainer(engine, glassOf(name, image), { attached: false, terminal: false }, options);
  }

  async function removeGlass(name: string, options?: CallOptions): Promise<void> {
    const left = await findContainer(engine, ownership.engineName(`${name}-glass`), options);
    if (left !== undefined) await removeContainer(engine, left.Id, options);
  }

  async function find(name: string, options?: CallOptions): Promise<EngineVolume | undefined> {
    const volume = await client.find<EngineVolume>(at`/volumes/${ownership.engineName(name)}`, { signal: options?.signal });
    return volume !== undefined && ownership.isOurs(volume.Labels) ? volume : undefined;
  }

  return {
    async volumeCreate({ name, labels }, options) {
      // One of this name is given back as it is.
      const made = await client.post<EngineVolume>(
        "/volumes/create",
        { Name: ownership.engineName(name), Driver: "local", Labels: ownership.labelsFor(name, labels) },
        { signal: options?.signal },
      );
      if (!ownership.isOurs(made.Labels)) throw foreign("volume", made.Name);
      if (!sameLabels(labelsIn(made.Labels), labels)) throw different("volume", name);
    },

    async volumeGet(name, options) {
      const volume = await find(name, options);
      return volume === undefined ? undefined : report(volume);
    },

    async volumeList(options) {
      const query = { filters: ownership.filter() };
      const { Volumes } = await client.get<{ Volumes: EngineVolume[] | null }>("/volumes", { query, signal: options?.signal });
      return (Volumes ?? []).map(report);
    },

    async volumeRemove(name, options) {
      if ((await find(name, options)) === undefined) return;
      await removeGlass(name, options);
      try {
        await client.delete(at`/volumes/${ownership.engineName(name)}`, { signal: options?.signal });
      } catch (error) {
        if (!CloudError.is(error, "conflict") && !CloudError.is(error, "failed_precondition")) throw error;
        throw new CloudError("failed_precondition", `Containers use the volume ${name}. Remove them first.`, {
          cause: error,
          details: { reason: "engine_in_use" },
        });
      }
    },

    async volumeRead(name, image, options) {
      await need(name, options);
      const id = await makeGlass(name, image, options);
      let content: Readable;
      try {
        content = await client.download(at`/containers/${id}/archive`, {
          query: { path: `/${folder}` },
          signal: options?.signal,
          timeoutMs: pieceMs,
        });
      } catch (error) {
        await removeContainer(engine, id).catch(() => {});
        throw error;
      }
      // What cannot go now goes with the next look, or with the volume.
      content.once("close", () => void removeContainer(engine, id).catch(() => {}));
      return content;
    },

    async volumeWrite(name, image, content, options) {
      await need(name, options);
      const id = await makeGlass(name, image, options);
      try {
        await client.put(at`/containers/${id}/archive`, content, {
          query: { path: "/" },
          signal: options?.signal,
          timeoutMs: pieceMs,
        });
      } finally {
        await removeContainer(engine, id).catch(() => {});
      }
    },
  };
}
