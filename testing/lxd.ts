/**
 * An LXD (or Incus, whichever the distribution has) of the tests: one daemon per machine with a folder of its own below /tmp, apart from
 * one that serves something real, and shared by all test processes. It stays when they end, so that the next run finds it warm;
 * `node testing/lxd.ts stop` ends it and takes everything away. The same tests run against an engine whose socket is in
 * KHMARA_TEST_ENGINE_SOCKET, such as an Incus.
 */
import { createHash } from "node:crypto";
import { createReadStream, existsSync, globSync, readFileSync } from "node:fs";
import { homedir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { CloudError } from "../kernel/errors.ts";
import { removeDaemon, startDaemon, startLxcfs } from "../server/engines/daemon.ts";
import { type EngineKind, programOf } from "../server/engines/kinds.ts";
import { ensurePool } from "../server/engines/pool.ts";
import { startTicks } from "../server/processes.ts";
import { at, type LxdClient, openLxdClient } from "../services/compute/drivers/lxd/client.ts";
import { buildImage, type ImageRecipe, recipes } from "../services/compute/drivers/lxd/imageBuild.ts";
import { aptPackages, aptScript, commonScript, guestFiles } from "../services/compute/drivers/lxd/imageGuest.ts";
import { templates } from "../services/compute/drivers/lxd/imageTemplates.ts";
import { engineTools, installTestTools } from "../tools/test-tools.ts";
import { oneAtATime } from "./oneAtATime.ts";

export interface TestLxd {
  kind: EngineKind;
  /** The path of its Unix socket. */
  socket: string;
  poolName: string;
  /** Debian 12 with systemd, cloud-init and sshd, in the project `default`. */
  imageAlias: string;
  /** The same as a tarball. */
  imageFile: string;
}

export interface TestProject {
  name: string;
  /** Of this project. */
  client: LxdClient;
  /** With everything in it. */
  remove(): Promise<void>;
}

const folder = "/tmp/khmara-test-lxd";
const logFile = `${folder}.log`;
const imageAlias = "khmara-debian-12";
const recipe = recipes.find(({ id }) => id === "debian-12") as ImageRecipe;

/** Why there can be none here: for `skip`. With CI=true there is no excuse, and the tests fail instead. */
export function lxdMissing(): string | undefined {
  if (process.env["CI"] === "true") return undefined;
  if (process.platform !== "linux" || process.getuid?.() !== 0) return "LXD needs root on Linux";
  if (installedKind() === undefined && !existsSync("/usr/bin/apt-get")) return "LXD is not installed, and this is no Debian";
  return undefined;
}

const installedKind = (): EngineKind | undefined => (["lxd", "incus"] as const).find((kind) => programOf(kind) !== undefined);

let shared: Promise<TestLxd> | undefined;

/** Installs, starts and fills it when it has to; the first of several test processes does, and the others wait. */
export function testLxd(): Promise<TestLxd> {
  shared ??= locked(prepare);
  return shared;
}

/** Lets one process at a time work on the shared daemon. */
const locked = <T>(work: () => Promise<T>): Promise<T> =>
  oneAtATime(`${folder}.lock`, `The LXD of the tests is not ready; see ${logFile}.`, work);

async function prepare(): Promise<TestLxd> {
  const given = process.env["KHMARA_TEST_ENGINE_SOCKET"];
  const { kind, socket } = given === undefined ? await start() : { kind: undefined, socket: given };
  const { name: poolName } = await ensurePool({ endpoint: socket }, undefined);
  const client = openLxdClient({ endpoint: socket });
  const imageFile = await ensureImage(client);
  await sweep(client);
  return { kind: kind ?? (await client.server()).kind, socket, poolName, imageAlias, imageFile };
}

async function start(): Promise<{ kind: EngineKind; socket: string }> {
  const missing = await installTestTools(engineTools);
  const kind = installedKind();
  if (kind === undefined || missing.length > 0) throw new Error(`LXD is missing for the tests: ${missing.join(", ")}.`);
  await startLxcfs(logFile);
  return { kind, socket: await startDaemon({ kind, folder, logFile }) };
}

/** Built once per machine, and again when what it is built by has changed. */
async function ensureImage(client: LxdClient): Promise<string> {
  const parts = [aptPackages(recipe), guestFiles(recipe, []), aptScript, commonScript, templates];
  const builder = readFileSync(join(import.meta.dirname, "..", "services", "compute", "drivers", "lxd", "imageBuild.ts"));
  const mark = createHash("sha256").update(JSON.stringify(parts)).update(builder).digest("hex").slice(0, 12);
  const cache = join(process.env["KHMARA_CACHE"] ?? join(homedir(), ".cache", "khmara"), "images", mark);
  const [cached] = globSync(`${recipe.id}-*.tar.gz`, { cwd: cache });
  const file = cached === undefined ? await build(cache) : join(cache, cached);
  const alias = await client.find<{ description: string; target: string }>(at`/1.0/images/aliases/${imageAlias}`);
  if (alias?.description === mark) return file;
  let fingerprint: string;
  try {
    const { metadata } = await client.upload("POST", "/1.0/images", createReadStream(file));
    fingerprint = (metadata as { fingerprint: string }).fingerprint;
  } catch (error) {
    if (!CloudError.is(error, "already_exists")) throw error;
    fingerprint = /fingerprint[^0-9a-f]*([0-9a-f]{64})/.exec((error.cause as Error).message)?.[1] ?? (await hashOf(file));
  }
  const target = { description: mark, target: fingerprint };
  if (alias === undefined) await client.post("/1.0/images/aliases", { name: imageAlias, ...target });
  else {
    await client.put(at`/1.0/images/aliases/${imageAlias}`, target);
    if (alias.target !== fingerprint) await client.delete(at`/1.0/images/${alias.target}`).catch(() => {});
  }
  return file;
}

async function build(cache: string): Promise<string> {
  process.stderr.write(`Building the image ${recipe.id} for the tests, once: about a minute\n`);
  return (await buildImage({ recipe: recipe.id, folder: cache })).file;
}

/** What the engine calls the fingerprint of a tarball in one piece. */
async function hashOf(file: string): Promise<string> {
  const hash = createHash("sha256");
  for await (const chunk of createReadStream(file)) hash.update(chunk as Buffer);
  return hash.digest("hex");
}

const ownerKey = "user.khmara-test";

/**
 * A project with a name of its own, whose instances get their disk from the shared pool; it sees the images of `default`, unless it is
 * to have images of its own.
 */
export async function testProject(lxd: TestLxd, prefix = "khtest", { ownImages = false } = {}): Promise<TestProject> {
  const client = openLxdClient({ endpoint: lxd.socket });
  const name = `${prefix}-${process.pid}-${Math.random().toString(36).slice(2, 8)}`;
  await client.post("/1.0/projects", {
    name,
    config: { "features.images": String(ownImages), [ownerKey]: `${process.pid}:${startTicks(process.pid)}` },
  });
  const inside = client.inProject(name);
  await inside.put("/1.0/profiles/default", { devices: { root: { type: "disk", path: "/", pool: lxd.poolName } } });
  return {
    name,
    client: inside,
    remove: async () => {
      await removeProject(client, name);
      client.close();
    },
  };
}

interface Named {
  name: string;
}

async function removeProject(client: LxdClient, name: string): Promise<void> {
  const inside = client.inProject(name);
  for (const instance of await inside.list<Named & { status: string }>("/1.0/instances")) {
    const path = at`/1.0/instances/${instance.name}`;
    // It may be stopping just now, by itself or because a test ended in the middle.
    for (let round = 0; ; round++) {
      try {
        await inside.put(`${path}/state`, { action: "stop", force: true }).catch(() => {});
        await inside.delete(path);
        break;
      } catch (error) {
        if (round === 10) throw error;
        await sleep(1000);
      }
    }
  }
  for (const pool of await client.list<Named>("/1.0/storage-pools")) {
    const volumes = await inside.list<Named & { type: string }>(at`/1.0/storage-pools/${pool.name}/volumes`);
    for (const volume of volumes.filter(({ type, name: each }) => type === "custom" && !each.includes("/")))
      await inside.delete(at`/1.0/storage-pools/${pool.name}/volumes/custom/${volume.name}`);
  }
  const { config } = await client.get<{ config: Record<string, string> }>(at`/1.0/projects/${name}`);
  if (config["features.images"] !== "false")
    for (const image of await inside.list<{ fingerprint: string }>("/1.0/images"))
      await inside.delete(at`/1.0/images/${image.fingerprint}`);
  await client.delete(at`/1.0/projects/${name}`);
}

/** Takes away what tests left that were killed. */
async function sweep(client: LxdClient): Promise<void> {
  for (const { name, config } of await client.list<Named & { config: Record<string, string> }>("/1.0/projects")) {
    const [pid, began] = config[ownerKey]?.split(":") ?? [];
    if (pid === undefined || startTicks(Number(pid)) === began) continue;
    await removeProject(client, name).catch(() => {});
  }
}

if (import.meta.main) {
  if (process.argv[2] === "stop") {
    for (const kind of ["lxd", "incus"] as const) if (programOf(kind) !== undefined) await removeDaemon(kind, folder);
  } else console.log(JSON.stringify(await testLxd(), undefined, 2));
}
