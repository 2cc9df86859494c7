/**
 * A fresh root disk. LXD has a call of its own for it only since 5.10, and it refuses instances with snapshots, so it is made of
 * steps here that any LXD and Incus has; after a crash at any of them, the same call again comes to the same end.
 *
 * Without snapshots a new instance is made beside the old one, which is deleted then, and whose name the new one takes.
 * With snapshots, which would be deleted along, the content of a new one is copied over the old one's disk: slower.
 */
import { CloudError } from "../../../../kernel/errors.ts";
import type { CallOptions, ImageReference } from "../../driver.ts";
import { at } from "./client.ts";
import {
  bytesOf,
  type Configuration,
  type Devices,
  type EngineInstance,
  isCard,
  isEngines,
  ownPrefix,
  powerStateOf,
  rootDevice,
  without,
} from "./configuration.ts";
import {
  changeInstance,
  deadlines,
  type Engine,
  findInstance,
  getInstance,
  noInstance,
  refused,
  settings,
  settled,
} from "./engine.ts";
import { deleteInstance } from "./instances.ts";
import type { Power } from "./power.ts";
import { withRoom } from "./room.ts";
import { deleteScratch, isMarked, isScratchMark, scratchMark, scratchName } from "./scratch.ts";
import { withOwnIds } from "./userIds.ts";

const devicesKey = `${ownPrefix}devices`;

export async function rebuild(
  engine: Engine,
  power: Power,
  name: string,
  image: ImageReference,
  options?: CallOptions,
): Promise<void> {
  const scratch = scratchName(name, "rebuild");
  await settled(engine, "instances", name, options);
  const instance = await findInstance(engine, name, options);
  if (instance === undefined) {
    // Deleted already, and a crash came before the new one took its name.
    const made = await findInstance(engine, scratch, options);
    if (made === undefined || !isMarked(made)) throw noInstance(name);
    return await takeName(engine, scratch, name, options);
  }
  // The new one, with its name and not yet with its cards.
  if (isMarked(instance)) return await finish(engine, name, options);
  if (powerStateOf(instance.status) !== "stopped")
    throw refused(`The instance ${name} has to be stopped before.`, "engine_power_state");
  const snapshots = await engine.client.get<string[] | null>(at`/1.0/instances/${name}/snapshots`, { signal: options?.signal });
  await deleteScratch(engine, name, "rebuild", options);
  if (snapshots === null || snapshots.length === 0) {
    // Two instances cannot have cards of the same address, so they wait.
    const devices = Object.fromEntries(Object.entries(instance.devices).filter(([, device]) => !isCard(device)));
    const config = {
      ...without(instance.config, isEngines),
      ...scratchMark(name),
      [devicesKey]: JSON.stringify(instance.devices),
    };
    await make(engine, instance, image, config, devices, options);
    await deleteInstance(engine, power, name, options);
    await takeName(engine, scratch, name, options);
  } else {
    const diskBytes = bytesOf(instance.devices["root"]?.["size"]) ?? 0;
    const config = { ...scratchMark(name), "boot.autostart": "false" };
    await make(engine, instance, image, config, { root: rootDevice(engine.pool, diskBytes) }, options);
    await copyOver(engine, scratch, name, options);
    await deleteScratch(engine, name, "rebuild", options);
  }
}

async function make(
  engine: Engine,
  { name, type, location }: EngineInstance,
  image: ImageReference,
  config: Configuration,
  devices: Devices,
  options?: CallOptions,
): Promise<void> {
  const source = { type: "image", alias: image.name };
  const body = { name: scratchName(name, "rebuild"), type, profiles: [], config, devices, source };
  const target = engine.server.environment.server_clustered === true ? location : undefined;
  const request = { ...settings(options, deadlines.create), query: { target } };
  await withOwnIds(engine, body.name, () => engine.client.post("/1.0/instances", body, request), options).catch((error) => {
    if (!CloudError.is(error, "not_found")) throw error;
    throw new CloudError("not_found", "The engine does not have this image. Fetch or import it again.", {
      cause: error,
      details: { resource: "image", reason: "image_missing" },
    });
  });
}

async function takeName(engine: Engine, scratch: string, name: string, options?: CallOptions): Promise<void> {
  await engine.client.post(at`/1.0/instances/${scratch}`, { name }, settings(options, deadlines.change));
  await finish(engine, name, options);
}

async function finish(engine: Engine, name: string, options?: CallOptions): Promise<void> {
  await changeInstance(
    engine,
    name,
    ({ config, devices }) => ({
      config: without(config, (key) => isScratchMark(key) || key === devicesKey),
      devices: config[devicesKey] === undefined ? devices : (JSON.parse(config[devicesKey]) as Devices),
    }),
    options,
  );
}

/** A disk that is nearly full has to hold some of both for a moment. */
async function copyOver(engine: Engine, scratch: string, name: string, options?: CallOptions): Promise<void> {
  const source = { type: "copy", source: scratch, refresh: true, instance_only: true, project: engine.client.project };
  const { type } = await getInstance(engine, name, options);
  await withRoom(
    engine,
    "instance",
    name,
    () => engine.client.post("/1.0/instances", { name, type, source }, settings(options, deadlines.copy)),
    options,
  );
  const fresh = await getInstance(engine, scratch, options);
  // Its files belong to the ids of the new one, and it is to be set up at its next start as a new one is.
  const volatile = { "volatile.last_state.idmap": "[]", "volatile.apply_template": "create" };
  const image = without(fresh.config, (key) => !key.startsWith("image.") && key !== "volatile.base_image");
  await changeInstance(
    engine,
    name,
    ({ config }) => ({ config: { ...without(config, (key) => key.startsWith("image.")), ...image, ...volatile } }),
    options,
  );
}
