import { CloudError } from "../../../../kernel/errors.ts";
import type { AppEngine, CallOptions, VolumeReport } from "../../driver.ts";
import { at } from "./client.ts";
import { different, type Engine, type EngineLabels, foreign, labelsIn, nameIn, sameLabels } from "./ownership.ts";

export type Volumes = Pick<AppEngine, "volumeCreate" | "volumeGet" | "volumeList" | "volumeRemove">;

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

export function createVolumes({ client, ownership }: Engine): Volumes {
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
  };
}
