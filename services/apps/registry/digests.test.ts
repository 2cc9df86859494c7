/** Content whose digests are SHA-512, as some clients push it; the other tests have SHA-256. */
import assert from "node:assert/strict";
import { createHash, randomBytes } from "node:crypto";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { after, before, test } from "node:test";
import { extract } from "tar-stream";
import { type TestDeploying, tarball, testDeploying } from "../deploying/testing/fixture.ts";
import { sweepRegistry } from "./area.ts";
import { openBlobs } from "./blobs.ts";
import { findImage, imageTarball } from "./images.ts";
import { imageOf, ociManifest, type TestRegistry, testRegistry } from "./testing/fixture.ts";

let cloud: TestDeploying;
let registry: TestRegistry;

before(async () => {
  cloud = await testDeploying();
  registry = await testRegistry(cloud);
});
after(async () => {
  registry?.stop();
  await cloud?.stop();
});

const sha512 = (bytes: Uint8Array | string): string => `sha512:${createHash("sha512").update(bytes).digest("hex")}`;
const contentFile = (digest: string) =>
  join(cloud.directory, "apps", "registry", "blobs", "sha512", digest.slice(7, 9), digest.slice(7));

/** In two pieces; a new process may answer the second one. */
async function push(name: string, bytes: Uint8Array, { query = "", restart = false } = {}): Promise<Response> {
  const begun = await registry.ask(`/v2/${name}/blobs/uploads/${query}`, { method: "POST" });
  const location = begun.headers.get("location") as string;
  const half = bytes.length >> 1;
  assert.equal((await registry.ask(location, { method: "PATCH", body: bytes.subarray(0, half) })).status, 202);
  if (restart) registry.restart();
  return registry.ask(`${location}?digest=${sha512(bytes)}`, { method: "PUT", body: bytes.subarray(half) });
}

test("a blob is found by its SHA-512, whether the client said so at the beginning or not", async () => {
  const name = `lessons/${(await cloud.app()).name}`;
  for (const options of [{}, { query: "?digest-algorithm=sha512" }, { query: "?digest-algorithm=sha512", restart: true }]) {
    const bytes = randomBytes(50_000);
    const digest = sha512(bytes);
    const answer = await push(name, bytes, options);
    assert.deepEqual([answer.status, answer.headers.get("docker-content-digest")], [201, digest]);
    const got = await registry.ask(`/v2/${name}/blobs/${digest}`);
    assert.deepEqual(Buffer.from(await got.arrayBuffer()), bytes);
    assert.ok(existsSync(contentFile(digest)));
  }
  const whole = randomBytes(1000);
  const once = (digest: string) => registry.ask(`/v2/${name}/blobs/uploads/?digest=${digest}`, { method: "POST", body: whole });
  const wrong = await once(`sha512:${"0".repeat(128)}`);
  assert.match(await wrong.text(), /DIGEST_INVALID/);
  assert.equal((await once(sha512(whole))).status, 201);
});

test("an image of such content is deployed like any other, and goes when nobody has it", async () => {
  const app = await cloud.app();
  const name = `lessons/${app.name}`;
  const { config, layer, manifest } = imageOf(await tarball({ "bin/app": "#!/bin/sh\n" }), { Cmd: ["/bin/app"] });
  for (const bytes of [config, layer]) assert.equal((await push(name, bytes)).status, 201);
  const described = (bytes: Buffer, of: object) => ({ ...of, digest: sha512(bytes) });
  const { config: configOf, layers } = manifest as { config: object; layers: object[] };
  const content = JSON.stringify({
    ...manifest,
    config: described(config, configOf),
    layers: [described(layer, layers[0] as object)],
  });
  const digest = sha512(content);
  const put = (reference: string) =>
    registry.ask(`/v2/${name}/manifests/${reference}`, {
      method: "PUT",
      headers: { "content-type": ociManifest },
      body: content,
    });
  const refused = await put(`sha512:${"0".repeat(128)}`);
  assert.match(await refused.text(), /DIGEST_INVALID/);
  const answer = await put(`${digest}?tag=one`);
  assert.deepEqual([answer.status, answer.headers.get("docker-content-digest")], [201, digest]);
  assert.equal(await (await registry.ask(`/v2/${name}/manifests/${digest}`)).text(), content);
  assert.equal(await (await registry.ask(`/v2/${name}/manifests/one`)).text(), content);

  const asked = { authorization: "Bearer editor", cookies: {}, sourceIp: "192.0.2.7", userAgent: "" };
  const principal = (await cloud.parts.identity.authenticate(asked))?.principal;
  assert.ok(principal);
  const found = await cloud.database.transaction("system", (tx) =>
    findImage(tx, cloud.parts, { principal, app, image: `${app.name}@${digest}` }),
  );
  assert.deepEqual(found, { appId: app.id, digest });
  const architecture = process.arch === "arm64" ? "arm64" : "amd64";
  const packed = await imageTarball(cloud.parts, found, { architecture, signal: AbortSignal.timeout(30_000) });
  const files = new Map<string, string>();
  for await (const entry of packed.pipe(extract())) files.set(entry.header.name, await text(entry));
  const [{ Config, Layers }] = JSON.parse(files.get("manifest.json") as string);
  assert.equal(files.get(Config), config.toString());
  assert.deepEqual(
    Layers.map((each: string) => files.has(each)),
    [true],
  );

  assert.equal((await registry.ask(`/v2/${name}/manifests/${digest}`, { method: "DELETE" })).status, 202);
  for (const bytes of [config, layer])
    assert.equal((await registry.ask(`/v2/${name}/blobs/${sha512(bytes)}`, { method: "DELETE" })).status, 202);
  await sweepRegistry(cloud.parts, openBlobs(cloud.directory), new Date(Date.now() + 1000), AbortSignal.timeout(30_000));
  assert.ok(!existsSync(contentFile(sha512(layer))));
});
