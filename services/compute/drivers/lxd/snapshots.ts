import { CloudError } from "../../../../kernel/errors.ts";
import type { CallOptions, ComputeDriver } from "../../driver.ts";
import { at } from "./client.ts";
import { type Configuration, isEngines, powerStateOf, without } from "./configuration.ts";
import {
  changeInstance,
  deadlines,
  type Engine,
  findInstance,
  getInstance,
  isAbsent,
  noInstance,
  refused,
  settings,
  whenFree,
  wordsOf,
} from "./engine.ts";
import { deleteKept, findKept, type Kept, keep } from "./keep.ts";
import type { Power } from "./power.ts";
import { instancePath, snapshotNames, whileQuiet } from "./quiet.ts";
import { diskOf, withRoom } from "./room.ts";

export type Snapshots = Pick<
  ComputeDriver,
  "instanceSnapshot" | "instanceRestore" | "instanceSnapshotDelete" | "instanceSnapshotList"
>;

interface EngineSnapshot {
  name: string;
  created_at: string;
  size?: number;
}

export const noSnapshot = (name: string, cause?: unknown): CloudError =>
  new CloudError("not_found", `The engine has no snapshot ${name}.`, { cause, details: { resource: "snapshot" } });

export function createSnapshots(engine: Engine, power: Power): Snapshots {
  const { client } = engine;

  return {
    async instanceSnapshot(name, snapshot, options) {
      const take = () =>
        whenFree(
          () =>
            client.post(
              `${instancePath(name)}/snapshots`,
              { name: snapshot, stateful: false },
              settings(options, deadlines.create),
            ),
          options,
        );
      const quieting = {
        writers: async () => [name],
        cleanUp: async () => {
          const instance = await findInstance(engine, name, options);
          if (instance !== undefined)
            await engine.host?.removeSnapshotRemains(diskOf(instance), await snapshotNames(engine, instancePath(name), options));
        },
      };
      try {
        await withRoom(engine, "instance", name, () => whileQuiet(engine, power, quieting, take, options), options);
      } catch (error) {
        if (CloudError.is(error, "already_exists") || /snapshot .* already in use/i.test(wordsOf(error))) return;
        throw isAbsent(error) ? noInstance(name, error) : error;
      }
    },

    async instanceRestore(name, snapshot, options) {
      const there = await client.find(at`/1.0/instances/${name}/snapshots/${snapshot}`, { signal: options?.signal });
      const { status } = await getInstance(engine, name, options);
      if (there === undefined) throw noSnapshot(snapshot);
      if (powerStateOf(status) !== "stopped")
        throw refused(`The instance ${name} has to be stopped before.`, "engine_power_state");
      const kept = await keepNow(engine, name, options);
      const restore = () =>
        client.put(at`/1.0/instances/${name}`, { restore: snapshot, stateful: false }, settings(options, deadlines.copy));
      try {
        await withRoom(engine, "instance", name, () => whenFree(restore, options), options);
      } catch (error) {
        // As it was before, as far as that goes; what went wrong is what counts.
        await putBack(engine, name, kept).catch((failure) => engine.log.warn({ error: failure, name }, "after a failed restore"));
        throw error;
      }
      await putBack(engine, name, kept, options);
    },

    async instanceSnapshotDelete(name, snapshot, options) {
      // The engine writes down on the instance's own disk that it is gone.
      const remove = () => client.delete(at`/1.0/instances/${name}/snapshots/${snapshot}`, settings(options, deadlines.create));
      await withRoom(engine, "instance", name, () => whenFree(remove, options), options);
    },

    async instanceSnapshotList(name, options) {
      const found = await client
        .list<EngineSnapshot>(at`/1.0/instances/${name}/snapshots`, { signal: options?.signal })
        .catch((error) => {
          throw isAbsent(error) ? noInstance(name, error) : error;
        });
      return found.map(({ name: full, created_at, size }) => ({
        name: full.slice(full.lastIndexOf("/") + 1),
        createdAt: new Date(created_at),
        ...(size !== undefined && size > 0 ? { sizeBytes: size } : {}),
      }));
    },
  };
}

const ours = (config: Configuration): Configuration => without(config, isEngines);

/** Of an interrupted restore, what was kept then: the instance itself may be the old one by now. */
async function keepNow(engine: Engine, name: string, options?: CallOptions): Promise<Kept> {
  const before = await findKept(engine, name, options);
  if (before !== undefined) return before;
  const { config, devices } = await getInstance(engine, name, options);
  const kept = { config: ours(config), devices, atMs: Date.now() };
  await keep(engine, name, kept, options);
  return kept;
}

async function putBack(engine: Engine, name: string, kept: Kept, options?: CallOptions): Promise<void> {
  await withRoom(
    engine,
    "instance",
    name,
    () =>
      changeInstance(
        engine,
        name,
        ({ config }) => ({ config: { ...without(config, (key) => !isEngines(key)), ...kept.config }, devices: kept.devices }),
        options,
      ),
    options,
  );
  await deleteKept(engine, name, options);
}
