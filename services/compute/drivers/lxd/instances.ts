import { setTimeout as sleep } from "node:timers/promises";
import { CloudError } from "../../../../kernel/errors.ts";
import type { CallOptions, Capacity, ComputeDriver } from "../../driver.ts";
import { at } from "./client.ts";
import {
  type Configuration,
  cardDevices,
  type EngineInstance,
  engineKind,
  instanceConfiguration,
  isCard,
  isLabel,
  isMetaData,
  isSeed,
  labelConfiguration,
  labelsOf,
  limitConfiguration,
  metaDataConfiguration,
  metaDataOf,
  powerStateOf,
  reportOf,
  restartConfiguration,
  rootDevice,
  sameLabels,
  seedConfiguration,
  sizeOf,
  without,
} from "./configuration.ts";
import {
  changeInstance,
  deadlines,
  type Engine,
  filtersMac,
  findInstance,
  isAbsent,
  machineOptions,
  noInstance,
  refused,
  settings,
  settled,
  whenFree,
  wordsOf,
} from "./engine.ts";
import { deleteKept } from "./keep.ts";
import { needJoined, placeOf } from "./overlay.ts";
import type { Power } from "./power.ts";
import { diskOf, withRoom } from "./room.ts";
import { deleteAllScratch, findVisible, isMarked, visible } from "./scratch.ts";
import { withOwnIds } from "./userIds.ts";

export type Instances = Pick<
  ComputeDriver,
  "instanceCreate" | "instanceResize" | "instanceConfigure" | "instanceDelete" | "instanceGet" | "instanceList" | "instanceMove"
>;

/**
 * The engine shares out the processors when a number changes, and may do so before it has kept the new one: the old one then stays until
 * some other container starts or stops. The same number, written another way, makes it share them out once more.
 */
const shareProcessors = (engine: Engine, name: string, vcpus: number, options?: CallOptions) =>
  changeInstance(engine, name, ({ config }) => ({ config: { ...config, "limits.cpu": `0${vcpus}` } }), options);

/** How often a deletion is tried before the engine's own error is believed. */
const mostDeletions = 5;

export function createInstances(engine: Engine, power: Power): Instances {
  const { client } = engine;

  const instances: Instances = {
    async instanceCreate(spec, options) {
      if (spec.kind === "vm" && !String(engine.server.environment["driver"] ?? "").includes("qemu")) throw noKind(spec.kind);
      await createOnce(engine, spec, await placeOf(engine, spec, options), { type: "image", alias: spec.image.name }, options);
    },

    async instanceResize(name, size, options) {
      let before: Partial<Capacity> = {};
      const change = () =>
        changeInstance(
          engine,
          name,
          (instance) => {
            before = sizeOf(instance);
            if (before.diskBytes !== undefined && size.diskBytes < before.diskBytes)
              throw refused("A disk only grows: choose a size whose disk is at least as large as now.", "disk_shrinks");
            return {
              config: { ...instance.config, ...limitConfiguration(size) },
              devices: { ...instance.devices, root: rootDevice(engine.pool, size.diskBytes) },
            };
          },
          options,
        );
      try {
        const { type } = await withRoom(engine, "instance", name, change, options);
        if (type === "container" && before.vcpus !== size.vcpus) await shareProcessors(engine, name, size.vcpus, options);
      } catch (error) {
        throw resizeFailure(error, before, size);
      }
      return { restartNeeded: false };
    },

    async instanceConfigure(name, change, options) {
      const instance = await changeInstance(
        engine,
        name,
        ({ config, devices }) => ({
          config: {
            ...without(
              config,
              (key) =>
                isMetaData(key) ||
                (change.labels !== undefined && isLabel(key)) ||
                (change.cloudInit !== undefined && isSeed(key)),
            ),
            ...metaDataConfiguration({
              hostName: change.hostName ?? metaDataOf(config).hostName,
              sshKeys: change.cloudInit === undefined ? metaDataOf(config).sshKeys : (change.cloudInit.sshKeys ?? []),
            }),
            ...(change.labels === undefined ? {} : labelConfiguration(change.labels)),
            ...(change.autoRestart === undefined ? {} : restartConfiguration(change.autoRestart)),
            ...(change.cloudInit === undefined ? {} : seedConfiguration(change.cloudInit)),
          },
          devices:
            change.interfaces === undefined
              ? devices
              : {
                  ...Object.fromEntries(Object.entries(devices).filter(([, device]) => !isCard(device))),
                  ...cardDevices(change.interfaces, filtersMac(engine)),
                },
        }),
        options,
      );
      if (change.hostName !== undefined) await renameGuest(engine, instance, change.hostName, options);
    },

    async instanceDelete(name, options) {
      await deleteInstance(engine, power, name, options);
      await Promise.all([deleteAllScratch(engine, name, options), deleteKept(engine, name, options)]);
    },

    async instanceGet(name, options) {
      const instance = await findVisible(engine, name, options);
      return instance === undefined ? undefined : reportOf(instance);
    },

    async instanceList(options) {
      const all = await client.list<EngineInstance>("/1.0/instances", { signal: options?.signal });
      return visible(all).map(reportOf);
    },

    async instanceMove(name, member, options) {
      const instance = await findInstance(engine, name, options);
      if (instance === undefined) throw noInstance(name);
      if (instance.location === member) return;
      if (engine.server.environment.server_clustered !== true)
        throw refused("The engine is on one machine only: there is no other member to move to.", "engine_not_clustered");
      await needJoined(engine, instance, options);
      const running = powerStateOf(instance.status) === "running";
      const live = running && instance.config["migration.stateful"] === "true";
      if (running && !live) await power.instanceStop(name, { ...options, timeoutSeconds: 30 });
      try {
        await whenFree(
          () =>
            client.post(
              at`/1.0/instances/${name}`,
              { name, migration: true, live },
              { ...settings(options, deadlines.copy), query: { target: member } },
            ),
          options,
        );
      } finally {
        // Where it is now, or where it was: it ran, so it runs.
        if (running && !live) await power.instanceStart(name);
      }
    },
  };
  return instances;
}

/** An engine that became a cluster after instances were made: they may run on another member from now on. */
export async function guardCards(engine: Engine): Promise<void> {
  if (!filtersMac(engine)) return;
  const all = await engine.client.list<EngineInstance>("/1.0/instances");
  const filter = "security.mac_filtering";
  for (const { name, devices } of all) {
    if (Object.values(devices).every((device) => !isCard(device) || device[filter] === "true")) continue;
    const guarded = (device: Configuration) => (isCard(device) ? { ...device, [filter]: "true" } : device);
    await changeInstance(engine, name, ({ devices: now }) => ({
      devices: Object.fromEntries(Object.entries(now).map(([key, device]) => [key, guarded(device)])),
    }));
  }
}

/** Makes it, unless it is there already with the same labels; what an interrupted call left half made is made anew. */
export async function createOnce(
  engine: Engine,
  spec: Parameters<typeof instanceConfiguration>[0],
  member: string | undefined,
  source: Record<string, unknown>,
  options?: CallOptions,
): Promise<void> {
  const create = async (): Promise<void> => {
    const { config, devices } = instanceConfiguration(spec, machineOptions(engine));
    const body = { name: spec.name, type: engineKind(spec.kind), profiles: [], config, devices, source };
    const request = { ...settings(options, deadlines.create), query: { target: member } };
    await withOwnIds(engine, spec.name, () => engine.client.post("/1.0/instances", body, request), options);
  };
  for (let attempt = 1; ; attempt++) {
    try {
      return await create();
    } catch (error) {
      if (attempt === 4) throw error;
      // Made earlier, or just being made by a call that was cut off.
      if (CloudError.is(error, "already_exists") || CloudError.is(error, "conflict")) {
        if (await isMade(engine, spec.name, spec.labels, options)) return;
        await engine.client.delete(at`/1.0/instances/${spec.name}`, settings(options, deadlines.change));
      } else if (/not enough uid\/gid/i.test(wordsOf(error)) && engine.can.isolate) {
        engine.log.warn(
          { name: spec.name },
          "no range of user ids is left for a container of its own; it shares one. Enlarge root's ranges in /etc/subuid and /etc/subgid",
        );
        engine.can.isolate = false;
      } else throw createFailure(spec, error);
    }
  }
}

/** Whether it is there and whole. One that somebody else made is not taken for ours. */
async function isMade(engine: Engine, name: string, labels: Record<string, string>, options?: CallOptions): Promise<boolean> {
  await settled(engine, "instances", name, options);
  const instance = await findInstance(engine, name, options);
  if (instance === undefined || isMarked(instance)) return false;
  if (!sameLabels(labelsOf(instance.config), labels))
    throw new CloudError("already_exists", `The engine has another instance called ${name}.`, {
      details: { resource: "instance" },
    });
  return isWhole(instance);
}

/** The last thing that the engine writes when it makes one; until its first start. */
const isWhole = ({ config }: EngineInstance): boolean =>
  config["volatile.apply_template"] !== undefined || config["volatile.last_state.power"] !== undefined;

export async function deleteInstance(engine: Engine, power: Power, name: string, options?: CallOptions): Promise<void> {
  // Asked to delete one that runs, the engine refuses, and takes its time for it.
  const now = await findInstance(engine, name, options);
  if (now !== undefined && powerStateOf(now.status) === "running") await tryStop();
  for (let attempt = 1; ; attempt++) {
    try {
      await whenFree(() => engine.client.delete(at`/1.0/instances/${name}`, settings(options, deadlines.start)), options);
      return;
    } catch (error) {
      if (attempt === mostDeletions || CloudError.is(error, "cancelled") || CloudError.is(error, "unavailable")) throw error;
      engine.log.debug({ name, error }, "not deleted yet");
      if (/volume that has snapshots/i.test(wordsOf(error))) {
        const instance = await findInstance(engine, name, options);
        if (instance !== undefined && (await engine.host?.removeSnapshotRemains(diskOf(instance), []))) continue;
      }
      await tryStop();
      if (attempt > 1) await sleep(attempt * 250);
    }
  }

  function tryStop(): Promise<void> {
    return power.instanceStop(name, { ...options, timeoutSeconds: 0 }).catch((failure) => {
      if (CloudError.is(failure, "cancelled") || CloudError.is(failure, "unavailable")) throw failure;
    });
  }
}

/** The guest's own file: it is read at its next start. cloud-init leaves alone what differs from what it wrote itself. */
async function renameGuest(engine: Engine, instance: EngineInstance, hostName: string, options?: CallOptions): Promise<void> {
  const neverStarted = instance.config["volatile.last_state.power"] === undefined;
  if (neverStarted || instance.type !== "container") return;
  const headers = { "x-lxd-type": "file", "x-lxd-write": "overwrite", "x-incus-type": "file", "x-incus-write": "overwrite" };
  await engine.client.upload("POST", at`/1.0/instances/${instance.name}/files`, Buffer.from(`${hostName}\n`), {
    ...settings(options, deadlines.change),
    query: { path: "/etc/hostname" },
    headers,
  });
}

const noKind = (kind: string, cause?: unknown): CloudError =>
  refused(`This host cannot run instances of the kind ${kind}.`, "kind_unavailable", cause);

function createFailure(spec: Parameters<typeof instanceConfiguration>[0], error: unknown): unknown {
  const words = wordsOf(error);
  if (/image|alias/i.test(words) && CloudError.is(error, "not_found"))
    return new CloudError("not_found", "The engine does not have this image. Fetch or import it again.", {
      cause: error,
      details: { resource: "image", reason: "image_missing" },
    });
  if (/image's type .* doesn't match/i.test(words))
    return refused(`This image is not one of the kind ${spec.kind}. Choose another image.`, "image_kind", error);
  if (/type .*(not supported|not operational)|KVM/i.test(words)) return noKind(spec.kind, error);
  if (isAbsent(error))
    return refused("The engine lacks something that the instance needs, such as its pool or the member.", "create_failed", error);
  return error;
}

/** The kernel refuses to take memory that is in use; of a virtual machine, the engine may refuse to give more while it runs. */
function resizeFailure(error: unknown, before: Partial<Capacity>, size: Capacity): unknown {
  const sameMemory = before.memoryBytes === size.memoryBytes;
  if (!CloudError.is(error, "internal") || !(/memory/i.test(wordsOf(error)) || (/cgroup/i.test(wordsOf(error)) && !sameMemory)))
    return error;
  return refused(
    "The instance cannot take this size while it runs: it uses more memory than that. Stop it, resize it, then start it.",
    "memory_in_use",
    error,
  );
}
