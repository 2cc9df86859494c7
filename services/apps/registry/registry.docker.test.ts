/** Docker itself against the registry, and what was pushed deployed. */
import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { request } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Readable } from "node:stream";
import { text } from "node:stream/consumers";
import { after, before, describe, test } from "node:test";
import { dockerMissing, removeCloud, testCloudId, testDocker, testRootfs } from "../../../testing/docker.ts";
import { type TestDeploying, testDeploying } from "../deploying/testing/fixture.ts";
import type { AppEngine } from "../driver.ts";
import { openDockerEngine } from "../drivers/docker/index.ts";
import { descriptor, imageOf, ociIndex, ociManifest, pushImage, type TestRegistry, testRegistry } from "./testing/fixture.ts";

const missing = dockerMissing();
const cloudId = testCloudId();
let cloud: TestDeploying;
let engine: AppEngine;
let registry: TestRegistry;
let forward: ChildProcess | undefined;
let socket: string;
let folder: string;
/** As the engine reaches it: 127.0.0.1, where it speaks HTTP. */
let address: string;

/** Asks the engine itself; the name of the caller is the password. */
async function docker(method: string, path: string, as?: string): Promise<{ status: number; said: string }> {
  const auth = as === undefined ? {} : { username: "anybody", password: as, serveraddress: address };
  // The engine wants the alphabet of URLs, with padding.
  const sealed = Buffer.from(JSON.stringify(auth)).toString("base64").replaceAll("+", "-").replaceAll("/", "_");
  const headers = { "x-registry-auth": sealed };
  const asked = request({ socketPath: socket, method, path: `/v1.41${path}`, headers, timeout: 120_000 });
  asked.end();
  const [response] = await once(asked, "response");
  return { status: response.statusCode, said: await text(response) };
}

/** What a command in a container of the image says. */
async function runIn(image: string, command: string): Promise<string> {
  const session = await engine.containerRun({
    name: `look-${randomBytes(4).toString("hex")}`,
    image,
    labels: {},
    networks: [],
    mounts: [],
    temporaryFolders: [],
    readOnlyRoot: true,
    limits: { memoryBytes: 64 * 1024 ** 2, cpus: 1, processes: 32 },
    capabilities: [],
    restart: { policy: "never" },
    stop: { signal: "SIGKILL", timeoutSeconds: 1 },
    log: { fileBytes: 1024 ** 2, files: 1 },
    init: false,
    entrypoint: ["/bin/sh", "-c", command],
  });
  session.stdin.end();
  const [said, errors] = await Promise.all([text(session.stdout), text(session.stderr)]);
  assert.equal(await session.exited, 0, errors);
  return said;
}

const deploy = (app: { id: string }, image: string) =>
  cloud.call("editor", "POST", `/apps/${app.id}/image-deployments`, { image });

async function liveImage(app: { id: string }): Promise<string> {
  const { releaseId } = await cloud.show(app);
  return (await cloud.database.transaction("system", (tx) => cloud.parts.deploying.release(tx, releaseId)))?.imageId ?? "";
}

describe("docker and the registry", { skip: missing ?? false, timeout: 300_000 }, () => {
  before(async () => {
    const given = await testDocker();
    socket = given.socket;
    engine = openDockerEngine({ address: { endpoint: socket }, cloudId });
    folder = mkdtempSync(join(tmpdir(), "khmara-registry-"));
    cloud = await testDeploying({ engine });
    const door = join(folder, "door");
    registry = await testRegistry(cloud, door);
    const words = [process.execPath, new URL("./testing/forward.child.ts", import.meta.url).pathname, door];
    const [command, ...rest] = given.network === undefined ? words : ["nsenter", `--net=${given.network}`, ...words];
    forward = spawn(command as string, rest, { stdio: ["pipe", "pipe", "inherit"] });
    const [line] = (await once(forward.stdout as NodeJS.ReadableStream, "data")) as [Buffer];
    address = `127.0.0.1:${Number(line.toString())}`;
  });
  after(async () => {
    forward?.stdin?.end();
    registry?.stop();
    await cloud?.stop();
    engine?.close();
    if (socket) await removeCloud(socket, cloudId);
    if (folder) rmSync(folder, { recursive: true, force: true });
  });

  test("docker pushes and pulls; what it pushed is deployed by tag, by digest, and to another app", async () => {
    const app = await cloud.app();
    const rootfs = await testRootfs({ "etc/pushed": "by docker\n" });
    const made = await engine.imageImport(
      { name: "mine/one", labels: {}, defaults: { command: ["/bin/sh"] } },
      Readable.from([rootfs]),
    );
    const name = `${address}/lessons/${app.name}`;
    assert.equal((await docker("POST", `/images/${made.id}/tag?repo=${encodeURIComponent(name)}&tag=1.2`)).status, 201);
    const push = (as?: string) => docker("POST", `/images/${name}/push?tag=1.2`, as);
    assert.match((await push("viewer")).said, /denied|may not do this/i);
    const pushed = await push("editor");
    const digest = /1\.2: digest: (sha256:[0-9a-f]{64})/.exec(pushed.said)?.[1] as string;
    assert.ok(digest, pushed.said);

    assert.equal((await docker("DELETE", `/images/${name}:1.2`)).status, 200);
    await engine.imageRemove(made.id);
    const pulled = await docker("POST", `/images/create?fromImage=${encodeURIComponent(name)}&tag=1.2`, "viewer");
    assert.match(pulled.said, new RegExp(`Digest: ${digest}`));
    assert.equal((await docker("DELETE", `/images/${name}:1.2`)).status, 200);

    await cloud.done((await deploy(app, `${app.name}:1.2`)).body.id);
    assert.equal(await runIn(await liveImage(app), "cat /etc/pushed"), "by docker\n");
    const other = await cloud.app();
    for (const image of [`lessons/${app.name}:1.2`, `${app.name}@${digest}`, `${app.id}:1.2`])
      await cloud.done((await deploy(other, image)).body.id);
    assert.equal(await runIn(await liveImage(other), "cat /etc/pushed"), "by docker\n");
    for (const image of [`${app.name}:1.3`, `${other.name}:1.2`, "nobody:1.2", `other/${app.name}:1.2`, `${app.name}`]) {
      const answer = await deploy(other, image);
      assert.deepEqual([answer.status, answer.body.reason], [409, "image_not_found"], JSON.stringify(answer.body));
    }
  });

  test("a Dockerfile builds on an image of the registry that its deployer may see; a name may have the cloud's address before it", async () => {
    cloud.parts.registryHost = address;
    const source = await cloud.app();
    const digest = await pushImage(
      registry,
      `lessons/${source.name}`,
      "base",
      imageOf(await testRootfs({ "etc/base": "ours\n" })),
    );
    const image = `${address}/lessons/${source.name}:base`;
    const app = await cloud.app();
    const files = { Dockerfile: `FROM ${image}\nRUN cat /etc/base > /copied\nCMD ["/bin/sh"]\n` };
    const { id } = await cloud.deploy(app, files);
    assert.match(await cloud.log(id), new RegExp(`loading ${image.replaceAll(".", "\\.")} of the cloud's registry`));
    assert.equal(await runIn(await liveImage(app), "cat /copied"), "ours\n");
    await cloud.done((await deploy(app, image)).body.id);
    await cloud.done((await deploy(app, `${address}/${source.id}@${digest}`)).body.id);
    assert.equal(await runIn(await liveImage(app), "cat /etc/base"), "ours\n");

    for (const name of [`${address}/lessons/${source.name}:none`, `${address}/other/${source.name}:base`]) {
      const ended = await cloud.ended((await cloud.begin(app, { Dockerfile: `FROM ${name}\n` })).id);
      assert.match(ended.error.message, /The cloud's registry has no image/, name);
    }
    const { principalOf } = cloud.parts.identity;
    // Roles may go between the push and the build.
    cloud.parts.identity.principalOf = async (actor) => ({ ...(await principalOf(actor)), bindings: [] });
    const ended = await cloud.ended((await cloud.begin(app, files)).id);
    cloud.parts.identity.principalOf = principalOf;
    assert.match(ended.error.message, /The cloud's registry has no image/);
  });

  test("of an index the image for the engine is taken; one for other machines is refused with words", async () => {
    const app = await cloud.app();
    const name = `lessons/${app.name}`;
    const { architecture } = await engine.info();
    const foreign = architecture === "amd64" ? "arm64" : "amd64";
    const images = [
      { architecture: foreign, image: imageOf(await testRootfs({ "etc/for": foreign }), {}, foreign) },
      { architecture, image: imageOf(await testRootfs({ "etc/for": architecture }), {}, architecture) },
    ];
    for (const each of images) await pushImage(registry, name, each.architecture, each.image);
    const manifests = images.map((each) => ({
      ...descriptor(JSON.stringify(each.image.manifest), ociManifest),
      platform: { os: "linux", architecture: each.architecture },
    }));
    for (const [tag, of] of [
      ["all", manifests],
      ["elsewhere", manifests.slice(0, 1)],
    ] as const)
      assert.equal((await registry.putManifest(name, tag, { schemaVersion: 2, mediaType: ociIndex, manifests: of })).status, 201);
    await cloud.done((await deploy(app, `${app.name}:all`)).body.id);
    assert.equal(await runIn(await liveImage(app), "cat /etc/for"), architecture);
    for (const tag of [foreign, "elsewhere"]) {
      const ended = await cloud.ended((await deploy(app, `${app.name}:${tag}`)).body.id);
      assert.match(ended.error.message, new RegExp(`--platform linux/${architecture}`));
    }
  });

  test("one layer twice, an artifact that is no image, and an image that is gone by then", async () => {
    const app = await cloud.app();
    const name = `lessons/${app.name}`;
    const note = Buffer.from("no tarball");
    await registry.push(name, note);
    const config = Buffer.from(JSON.stringify({ os: "linux", architecture: (await engine.info()).architecture }));
    await registry.push(name, config);
    const artifact = {
      schemaVersion: 2,
      mediaType: ociManifest,
      config: descriptor(config, "application/x.config"),
      layers: [descriptor(note, "text/plain")],
    };
    assert.equal((await registry.putManifest(name, "note", artifact)).status, 201);
    const ended = await cloud.ended((await deploy(app, `${app.name}:note`)).body.id);
    assert.match(ended.error.message, /no image of a container/);

    const twice = imageOf(await testRootfs({ "etc/twice": "yes" }));
    const content = JSON.parse(twice.config.toString());
    content.rootfs.diff_ids.push(content.rootfs.diff_ids[0]);
    content.history.push(content.history[0]);
    twice.config = Buffer.from(JSON.stringify(content));
    const layer = descriptor(twice.layer, "application/vnd.oci.image.layer.v1.tar+gzip");
    twice.manifest = {
      ...twice.manifest,
      config: descriptor(twice.config, "application/vnd.oci.image.config.v1+json"),
      layers: [layer, layer],
    };
    const digest = await pushImage(registry, name, "twice", twice);
    await cloud.done((await deploy(app, `${app.name}:twice`)).body.id);
    assert.equal(await runIn(await liveImage(app), "cat /etc/twice"), "yes");

    await cloud.stopRunner();
    const begun = await deploy(app, `${app.name}:twice`);
    assert.equal((await registry.ask(`/v2/${name}/manifests/${digest}`, { method: "DELETE" })).status, 202);
    await cloud.startRunner();
    assert.match((await cloud.ended(begun.body.id)).error.message, /deleted from the registry/);
  });
});
