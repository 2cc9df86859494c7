import { CloudError } from "../../../../kernel/errors.ts";
import type { CallOptions, ComputeDriver, VolumeReport } from "../../driver.ts";
import { exportBackup } from "./backups.ts";
import { at } from "./client.ts";
import {
  bytesOf,
  type Configuration,
  type EngineVolume,
  isLabel,
  isVolume,
  labelConfiguration,
  labelsOf,
  sameLabels,
  usersOf,
  volumeConfiguration,
  volumeReportOf,
  without,
} from "./configuration.ts";
import { importFailure } from "./copies.ts";
import {
  changeInstance,
  deadlines,
  type Engine,
  isAbsent,
  noVolume,
  refused,
  settings,
  settled,
  whenFree,
  wordsOf,
} from "./engine.ts";
import { subvolumePath } from "./host.ts";
import type { Power } from "./power.ts";
import { type Quieting, snapshotNames, whileQuiet } from "./quiet.ts";
import { withRoom } from "./room.ts";
import { noSnapshot } from "./snapshots.ts";

export type Volumes = Pick<
  ComputeDriver,
  | "volumeCreate"
  | "volumeResize"
  | "volumeAttach"
  | "volumeDetach"
  | "volumeClone"
  | "volumeSnapshot"
  | "volumeRestore"
  | "volumeSnapshotDelete"
  | "volumeSnapshotList"
  | "volumeExport"
  | "volumeImport"
  | "volumeDelete"
  | "volumeList"
>;

/**
 * The owners of the files as the guest sees them, whichever container that is: without it, the engine rewrites the owner of every
 * file when another container gets the volume. Needs idmapped mounts in the kernel; LXD's own test for them fails on newer ones.
 */
const shiftKey = "security.shifted";
/** To whose ids the files of a volume that is not shifted belong now. */
const ownersKey = "volatile.idmap.last";

export function createVolumes(engine: Engine, power: Power): Volumes {
  const { client, pool } = engine;
  const collection = at`/1.0/storage-pools/${pool}/volumes/custom`;
  const address = (name: string): string => at`/1.0/storage-pools/${pool}/volumes/custom/${name}`;

  const find = (name: string, options?: CallOptions): Promise<EngineVolume | undefined> =>
    client.find<EngineVolume>(address(name), { signal: options?.signal });
  const get = async (name: string, options?: CallOptions): Promise<EngineVolume> => {
    const volume = await find(name, options);
    if (volume === undefined) throw noVolume(name);
    return volume;
  };
  const getSnapshot = async (name: string, snapshot: string, options?: CallOptions): Promise<EngineVolume> => {
    const found = await client.find<EngineVolume>(`${address(name)}/snapshots/${encodeURIComponent(snapshot)}`, {
      signal: options?.signal,
    });
    if (found !== undefined) return found;
    await get(name, options);
    throw noSnapshot(snapshot);
  };

  /** Reads, changes, writes; again when somebody else wrote in between. */
  async function change(name: string, next: (config: Configuration) => Configuration, options?: CallOptions): Promise<void> {
    for (let attempt = 1; ; attempt++) {
      const { value: volume, etag } = await client
        .getWithEtag<EngineVolume>(address(name), { signal: options?.signal })
        .catch((error) => {
          throw isAbsent(error) ? noVolume(name, error) : error;
        });
      const config = next(volume.config);
      try {
        const body = { config, description: volume.description };
        await whenFree(() => client.put(address(name), body, { ...settings(options, deadlines.change), etag }), options);
        return;
      } catch (error) {
        if (!CloudError.is(error, "precondition_failed") || attempt === 8) throw error;
      }
    }
  }

  /** True when it is there with these labels already. */
  async function isMade(name: string, labels: Record<string, string>, options?: CallOptions): Promise<boolean> {
    await settled(engine, "storage_volumes", name, options);
    const volume = await find(name, options);
    if (volume === undefined) return false;
    if (sameLabels(labelsOf(volume.config), labels)) return true;
    throw new CloudError("already_exists", `The engine has another volume called ${name}.`, { details: { resource: "volume" } });
  }

  async function create(
    name: string,
    body: Record<string, unknown>,
    labels: Record<string, string>,
    member: string | undefined,
    options?: CallOptions,
  ) {
    const request = { name, type: "custom", content_type: "filesystem", ...body };
    try {
      await client.post(collection, request, { ...settings(options, deadlines.copy), query: { target: member } });
    } catch (error) {
      if (!CloudError.is(error, "already_exists") || !(await isMade(name, labels, options))) throw error;
    }
  }

  const quieting = (name: string, options?: CallOptions): Quieting => ({
    writers: async () => usersOf(await get(name, options)),
    cleanUp: async () => {
      if ((await find(name, options)) === undefined) return;
      await engine.host?.removeSnapshotRemains({ kind: "volume", name }, await snapshotNames(engine, address(name), options));
    },
  });

  const shifting = (): Configuration => (engine.can.shiftVolumes ? { [shiftKey]: "true" } : {});

  return {
    async volumeCreate({ name, sizeBytes, labels, member }, options) {
      const config = { ...volumeConfiguration(sizeBytes, labels), ...shifting() };
      await create(name, { config }, labels, member, options);
    },

    async volumeResize(name, sizeBytes, options) {
      const resize = () =>
        change(
          name,
          (config) => {
            const now = bytesOf(config["size"]);
            if (now !== undefined && sizeBytes < now)
              throw refused(`The volume has ${now} bytes already; a volume only grows.`, "volume_shrinks");
            return { ...config, size: `${sizeBytes}B` };
          },
          options,
        );
      await withRoom(engine, "volume", name, resize, options);
    },

    async volumeAttach(name, instance, path, options) {
      await get(name, options);
      const attach = () =>
        changeInstance(
          engine,
          instance,
          ({ devices }) => ({ devices: { ...devices, [name]: { type: "disk", pool, source: name, path } } }),
          options,
        );
      try {
        await attach();
      } catch (error) {
        if (!/idmapp?(ed|ing)? (abilities|mounts?|storage)/i.test(wordsOf(error))) throw attachFailure(error);
        engine.log.info(
          { name },
          "this kernel cannot show a volume with other owners; its files are given to the container instead",
        );
        engine.can.shiftVolumes = false;
        await change(name, (config) => without(config, (key) => key === shiftKey), options);
        await attach().catch((again) => {
          throw attachFailure(again);
        });
      }
    },

    async volumeDetach(name, instance, options) {
      try {
        await changeInstance(
          engine,
          instance,
          ({ devices }) => ({
            devices: Object.fromEntries(
              Object.entries(devices).filter(([, device]) => !(isVolume(device) && device["source"] === name)),
            ),
          }),
          options,
        );
      } catch (error) {
        // Of an instance that is gone it is detached.
        if (CloudError.is(error, "not_found")) return;
        if (/busy/i.test(wordsOf(error)))
          throw refused(
            "A program in the instance is using the volume. Close its files there, or stop the instance.",
            "volume_busy",
            error,
          );
        throw error;
      }
    },

    async volumeClone(name, from, labels, options) {
      const volume = await get(from.volume, options);
      const { config } = from.snapshot === undefined ? volume : await getSnapshot(from.volume, from.snapshot, options);
      const source = from.snapshot === undefined ? from.volume : `${from.volume}/${from.snapshot}`;
      const body = {
        config: { ...without(config, isLabel), size: volume.config["size"] ?? "", ...labelConfiguration(labels) },
        source: { type: "copy", pool, name: source, volume_only: true, project: client.project },
      };
      const member = engine.server.environment.server_clustered === true ? volume.location : undefined;
      const clone = () => whenFree(() => create(name, body, labels, member, options), options);
      await withRoom(
        engine,
        "volume",
        from.volume,
        () => whileQuiet(engine, power, quieting(from.volume, options), clone, options),
        options,
      );
    },

    async volumeSnapshot(name, snapshot, options) {
      const take = () =>
        whenFree(
          () => client.post(`${address(name)}/snapshots`, { name: snapshot }, settings(options, deadlines.create)),
          options,
        );
      try {
        await withRoom(engine, "volume", name, () => whileQuiet(engine, power, quieting(name, options), take, options), options);
      } catch (error) {
        if (CloudError.is(error, "already_exists") || /snapshot .* already in use/i.test(wordsOf(error))) return;
        throw isAbsent(error) ? noVolume(name, error) : error;
      }
    },

    async volumeRestore(name, snapshot, options) {
      const then = await getSnapshot(name, snapshot, options);
      const size = (await get(name, options)).config["size"];
      try {
        await whenFree(() => client.put(address(name), { restore: snapshot }, settings(options, deadlines.copy)), options);
      } catch (error) {
        if (/running instances/i.test(wordsOf(error)))
          throw refused(
            "A running instance has this volume. Stop the instance, or detach the volume, then restore it.",
            "volume_in_use",
            error,
          );
        throw error;
      }
      // The engine forgets that the files belong to other ids again, and that the volume may have been smaller.
      const owners = then.config[ownersKey];
      if (size !== then.config["size"])
        await change(name, (config) => ({ ...config, size: then.config["size"] ?? size ?? "" }), options);
      await change(
        name,
        (config) => ({
          ...without(config, (key) => key === ownersKey),
          ...(owners === undefined ? {} : { [ownersKey]: owners }),
          ...(size === undefined ? {} : { size }),
        }),
        options,
      );
    },

    async volumeSnapshotDelete(name, snapshot, options) {
      await whenFree(
        () => client.delete(`${address(name)}/snapshots/${encodeURIComponent(snapshot)}`, settings(options, deadlines.create)),
        options,
      );
    },

    async volumeSnapshotList(name, options) {
      // For a volume that is not there the engine has an empty list.
      const [, snapshots, use] = await Promise.all([
        get(name, options),
        snapshotNames(engine, address(name), options),
        engine.host?.diskUse(),
      ]);
      return snapshots.map((snapshot) => {
        const path = subvolumePath(client.project ?? "default", { kind: "volume", name }, snapshot);
        const sizeBytes = use?.get(path)?.ownBytes;
        return { name: snapshot, ...(sizeBytes === undefined ? {} : { sizeBytes }) };
      });
    },

    async volumeExport(name, options) {
      await get(name, options);
      return await withRoom(engine, "volume", name, () => exportBackup(engine, address(name), async () => {}, options), options);
    },

    async volumeImport({ name, sizeBytes, labels, member }, content, options) {
      const finish = () =>
        withRoom(
          engine,
          "volume",
          name,
          () =>
            change(
              name,
              (config) => {
                const now = bytesOf(config["size"]);
                if (now !== undefined && sizeBytes < now)
                  throw refused(`The exported volume has ${now} bytes: give at least as many.`, "volume_shrinks");
                return { ...without(config, isLabel), ...volumeConfiguration(sizeBytes, labels) };
              },
              options,
            ),
          options,
        );
      await settled(engine, "storage_volumes", name, options);
      const before = await find(name, options);
      if (before !== undefined) {
        if (sameLabels(labelsOf(before.config), labels)) {
          content.destroy();
          return await finish();
        }
        // It has the labels of the exported one still: an earlier call was cut off. One that is in use is no such thing.
        if ((before.used_by ?? []).length > 0)
          throw new CloudError("already_exists", `The engine has another volume called ${name}.`, {
            details: { resource: "volume" },
          });
        await client.delete(address(name), settings(options, deadlines.change));
      }
      const headers = { "x-lxd-name": name, "x-lxd-type": "backup", "x-incus-name": name, "x-incus-type": "backup" };
      await client
        .upload("POST", collection, content, { ...settings(options, deadlines.copy), headers, query: { target: member } })
        .catch((error) => {
          throw importFailure("volume", error);
        });
      try {
        await finish();
      } catch (error) {
        await client.delete(address(name), { operationTimeoutMs: deadlines.change }).catch(() => false);
        throw error;
      }
    },

    async volumeDelete(name, options) {
      try {
        await whenFree(() => client.delete(address(name), settings(options, deadlines.create)), options);
      } catch (error) {
        if (!CloudError.is(error, "failed_precondition")) throw error;
        throw refused("The volume is attached to an instance. Detach it first.", "volume_in_use", error);
      }
    },

    async volumeList(options) {
      const [all, use] = await Promise.all([
        client.list<EngineVolume>(collection, { signal: options?.signal }),
        engine.host?.diskUse(),
      ]);
      const snapshots = new Map<string, string[]>();
      const volumes: EngineVolume[] = [];
      for (const volume of all) {
        const [name = "", snapshot] = volume.name.split("/");
        if (volume.type !== "custom" || volume.content_type !== "filesystem") continue;
        if (snapshot === undefined) volumes.push(volume);
        else snapshots.set(name, [...(snapshots.get(name) ?? []), snapshot]);
      }
      return volumes.map((volume): VolumeReport => {
        const path = subvolumePath(client.project ?? "default", { kind: "volume", name: volume.name });
        return volumeReportOf(volume, snapshots.get(volume.name) ?? [], use?.get(path)?.usedBytes);
      });
    },
  };
}

function attachFailure(error: unknown): unknown {
  const words = wordsOf(error);
  if (/idmaps? .*not identical|in use by|already attached/i.test(words))
    return refused("Another instance has this volume. Detach it there first.", "volume_in_use", error);
  if (/path.*(exists|used)|same path|more than one|multiple.*path/i.test(words))
    return refused("Another volume of the instance is at this path already. Choose another path.", "path_taken", error);
  if (CloudError.is(error, "not_found") && words !== "" && !isAbsent(error))
    return refused("The volume cannot be attached.", "attach_failed", error);
  return error;
}

/** Exports of volumes that a crash left behind: LXD 5.0 deletes only those of instances by itself when their time is over. */
export async function sweepBackups({ client, pool, log }: Engine): Promise<void> {
  const collection = at`/1.0/storage-pools/${pool}/volumes/custom`;
  for (const { name } of await client.list<EngineVolume>(collection)) {
    if (name.includes("/")) continue;
    const owner = at`/1.0/storage-pools/${pool}/volumes/custom/${name}`;
    for (const backup of await client.list<{ name: string; expires_at: string }>(`${owner}/backups`)) {
      const expiresMs = new Date(backup.expires_at).getTime();
      if (!(expiresMs > 0 && expiresMs < Date.now())) continue;
      log.info({ volume: name }, "an export that was left behind is deleted");
      await client.delete(`${owner}/backups/${encodeURIComponent(backup.name)}`);
    }
  }
}
