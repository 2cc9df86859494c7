/** Instances made from others, and instances as one tarball. */
import type { Readable } from "node:stream";
import { CloudError } from "../../../../kernel/errors.ts";
import type { CallOptions, ComputeDriver, InstanceSpec } from "../../driver.ts";
import { exportBackup } from "./backups.ts";
import { at } from "./client.ts";
import {
  type Devices,
  type EngineInstance,
  engineKind,
  instanceConfiguration,
  isEngines,
  labelsOf,
  sameLabels,
  sizeOf,
  without,
} from "./configuration.ts";
import {
  changeInstance,
  deadlines,
  type Engine,
  findInstance,
  getInstance,
  machineOptions,
  noInstance,
  refused,
  settings,
  settled,
  whenFree,
} from "./engine.ts";
import { placeOf } from "./overlay.ts";
import type { Power } from "./power.ts";
import { whileQuiet } from "./quiet.ts";
import { withRoom } from "./room.ts";
import { deleteScratch, isMarked, scratchMark, scratchName } from "./scratch.ts";
import { noSnapshot } from "./snapshots.ts";
import { withOwnIds } from "./userIds.ts";

export type Copies = Pick<ComputeDriver, "instanceClone" | "instanceExport" | "instanceImport">;
type Spec = Omit<InstanceSpec, "image">;

export function createCopies(engine: Engine, power: Power): Copies {
  const { client } = engine;
  const exporting = new Set<string>();

  return {
    async instanceClone(spec, from, options) {
      if (await isMade(spec, options)) return;
      const source = await getInstance(engine, from.instance, options);
      refuseSmaller(spec, sizeOf(source).diskBytes);
      if (from.snapshot !== undefined) await needSnapshot(from.instance, from.snapshot, options);
      const { config, devices } = configurationOf(spec);
      const body = {
        name: spec.name,
        type: engineKind(spec.kind),
        profiles: [],
        // Whatever else the source is configured as comes along, and goes when it is finished.
        config: { ...config, ...scratchMark(from.instance) },
        devices: { ...masked(source), ...devices },
        source: copySource(from.instance, from.snapshot),
      };
      const request = { ...settings(options, deadlines.copy), query: { target: spec.member } };
      const clone = () => client.post("/1.0/instances", body, request);
      for (let attempt = 1; ; attempt++) {
        try {
          await copy(from.instance, () => withOwnIds(engine, spec.name, clone, options), options);
          break;
        } catch (error) {
          // A call that was cut off just before begins it a moment later than we looked.
          if (!CloudError.is(error, "already_exists") || attempt === 4) throw error;
          if (await isMade(spec, options)) return;
        }
      }
      await finish(spec, options);
    },

    async instanceExport(name, options) {
      if (exporting.has(name))
        throw new CloudError("conflict", `The instance ${name} is being exported already. Wait for it to end.`, {
          details: { reason: "engine_busy", retryAfterSeconds: 30 },
        });
      exporting.add(name);
      const cleanUp = async (): Promise<void> => {
        try {
          await deleteScratch(engine, name, "export");
        } finally {
          exporting.delete(name);
        }
      };
      try {
        // Of a copy, which takes no space: all from one moment, and without cards and volumes that are not there where it is imported.
        const scratch = await copyForExport(name, options);
        return await exportBackup(engine, at`/1.0/instances/${scratch}`, cleanUp, options);
      } catch (error) {
        await cleanUp().catch(() => {});
        throw error;
      }
    },

    async instanceImport(spec, content, options) {
      if (await isMade(spec, options)) {
        content.destroy();
        return;
      }
      await upload(spec, content, options);
      const { devices } = await getInstance(engine, spec.name, options);
      try {
        refuseSmaller(spec, sizeOf({ config: {}, devices }).diskBytes);
        await finish(spec, options);
      } catch (error) {
        await client.delete(at`/1.0/instances/${spec.name}`, { operationTimeoutMs: deadlines.change }).catch(() => false);
        throw error;
      }
    },
  };

  function configurationOf(spec: Spec): ReturnType<typeof instanceConfiguration> {
    return instanceConfiguration(spec, machineOptions(engine));
  }

  /** Of an instance that may be running. */
  async function copy(instance: string, work: () => Promise<unknown>, options?: CallOptions): Promise<void> {
    const quieting = { writers: async () => [instance], cleanUp: async () => {} };
    const quietly = () => whileQuiet(engine, power, quieting, () => whenFree(work, options), options);
    await withRoom(engine, "instance", instance, quietly, options);
  }

  function copySource(instance: string, snapshot: string | undefined): Record<string, unknown> {
    const source = snapshot === undefined ? instance : `${instance}/${snapshot}`;
    return { type: "copy", source, instance_only: true, project: client.project };
  }

  async function needSnapshot(instance: string, snapshot: string, options?: CallOptions): Promise<void> {
    const found = await client.find(at`/1.0/instances/${instance}/snapshots/${snapshot}`, { signal: options?.signal });
    if (found === undefined) throw noSnapshot(snapshot);
  }

  /** True when an earlier call finished it; what one left unfinished is deleted. */
  async function isMade(spec: Spec, options?: CallOptions): Promise<boolean> {
    if ((await findInstance(engine, spec.name, options)) === undefined) return false;
    await settled(engine, "instances", spec.name, options);
    const instance = await findInstance(engine, spec.name, options);
    if (instance === undefined) return false;
    if (!isMarked(instance)) {
      if (sameLabels(labelsOf(instance.config), spec.labels)) return true;
      throw new CloudError("already_exists", `The engine has another instance called ${spec.name}.`, {
        details: { resource: "instance" },
      });
    }
    await client.delete(at`/1.0/instances/${spec.name}`, settings(options, deadlines.change));
    return false;
  }

  /** Exactly as it is to be, and no longer marked. */
  async function finish(spec: Spec, options?: CallOptions): Promise<void> {
    const wanted = configurationOf(spec);
    const change = () =>
      changeInstance(
        engine,
        spec.name,
        ({ config }) => ({ config: { ...without(config, (key) => !isEngines(key)), ...wanted.config }, devices: wanted.devices }),
        options,
      );
    await withRoom(engine, "instance", spec.name, change, options);
  }

  async function copyForExport(name: string, options?: CallOptions): Promise<string> {
    const instance = await findInstance(engine, name, options);
    if (instance === undefined) throw noInstance(name);
    await deleteScratch(engine, name, "export", options);
    const scratch = scratchName(name, "export");
    const root = instance.devices["root"];
    const devices = {
      ...masked(instance),
      ...(root === undefined ? {} : { root }),
    };
    const body = { name: scratch, profiles: [], config: scratchMark(name), devices, source: copySource(name, undefined) };
    const make = () => client.post("/1.0/instances", body, settings(options, deadlines.copy));
    await copy(name, () => withOwnIds(engine, scratch, make, options), options);
    // No labels, no user data: these are given anew where it is imported.
    const kept = (key: string): boolean => isEngines(key) || /^(security|limits)\./.test(key);
    await changeInstance(
      engine,
      scratch,
      ({ config }) => ({
        config: { ...without(config, (key) => !kept(key)), ...scratchMark(name) },
        devices: root === undefined ? {} : { root },
      }),
      options,
    );
    return scratch;
  }

  async function upload(spec: Spec, content: Readable, options?: CallOptions): Promise<void> {
    const headers = {
      "x-lxd-name": spec.name,
      "x-lxd-pool": engine.pool,
      "x-incus-name": spec.name,
      "x-incus-pool": engine.pool,
    };
    await client
      .upload("POST", "/1.0/instances", content, {
        ...settings(options, deadlines.copy),
        headers,
        query: { target: await placeOf(engine, spec, options) },
      })
      .catch((error) => {
        throw importFailure("instance", error);
      });
  }
}

/** Cards and volumes of the source would be copied too, and two instances cannot have the same. */
const masked = ({ devices }: EngineInstance): Devices =>
  Object.fromEntries(Object.keys(devices).map((device) => [device, { type: "none" }]));

function refuseSmaller(spec: Spec, diskBytes: number | undefined): void {
  if (diskBytes !== undefined && spec.size.diskBytes < diskBytes)
    throw refused(
      `The disk that it is made from has ${diskBytes} bytes: choose a size whose disk is at least as large.`,
      "disk_shrinks",
    );
}

export function importFailure(what: "instance" | "volume", error: unknown): unknown {
  if (!CloudError.is(error, "internal") && !CloudError.is(error, "failed_precondition") && !CloudError.is(error, "not_found"))
    return error;
  return new CloudError("invalid_argument", `This is not the export of ${what === "instance" ? "an instance" : "a volume"}.`, {
    cause: error,
    details: { reason: "not_an_export" },
  });
}
