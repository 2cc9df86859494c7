import assert from "node:assert/strict";
import { createHash, randomBytes } from "node:crypto";
import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { buffer, text } from "node:stream/consumers";
import { after, before, test } from "node:test";
import { dockerMissing, removeCloud, testCloudId, testDocker, testRootfs } from "../../../testing/docker.ts";
import type { buildBaseImage } from "../baseImages/build.ts";
import type { AppEngine } from "../driver.ts";
import { openDockerEngine } from "../drivers/docker/index.ts";
import { type TestDeploying, testDeploying } from "./testing/fixture.ts";

const skip = dockerMissing() ?? false;
let cloud: TestDeploying;
let engine: AppEngine;
let socket: string;
const cloudId = testCloudId();

/** Busybox instead of Debian: what is tested is the way to it, and from it. */
const rootfs: typeof buildBaseImage = async ({ runtime, version, folder }) => {
  await mkdir(folder, { recursive: true });
  const content = await testRootfs({ "etc/base": `${runtime} ${version}\n`, "app/.keep": "" });
  const file = join(folder, `${runtime}-${version}.tar`);
  await writeFile(file, content);
  const digest = createHash("sha256").update(content).digest("hex");
  return { file, sizeBytes: content.length, digest, reference: "", architecture: "amd64", labels: {}, changes: [] };
};

before(async () => {
  if (skip) return;
  ({ socket } = await testDocker());
  engine = openDockerEngine({ address: { endpoint: socket }, cloudId });
  cloud = await testDeploying({ engine, make: rootfs });
});
after(async () => {
  if (skip) return;
  await cloud?.stop();
  engine?.close();
  await removeCloud(socket, cloudId);
});

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
const imageOf = async (deployment: { releaseId: string }): Promise<string> =>
  (await cloud.database.transaction("system", (tx) => cloud.parts.deploying.release(tx, deployment.releaseId)))?.imageId ?? "";

test("a static site becomes an image of the real engine, and a second version another one", { skip }, async () => {
  const app = await cloud.app();
  const first = await cloud.deploy(app, { "public/index.html": "<h1>one</h1>", "public/logo.svg": "<svg/>" });
  assert.equal(first.runtime, "Static site");
  const image = await imageOf(first);
  assert.equal(await runIn(image, "cat /app/index.html; cat /etc/base; id -u"), "<h1>one</h1>static 12\n10001\n");
  const second = await cloud.deploy(app, { "public/index.html": "<h1>two</h1>", "public/logo.svg": "<svg/>" });
  assert.notEqual(await imageOf(second), image);
  assert.match(await cloud.log(second.id), /Using cache/);
  assert.match(await cloud.log(first.id), /making the base image/);
  assert.doesNotMatch(await cloud.log(second.id), /making the base image/);
});

test("a Dockerfile with stages on a base image; its port is what EXPOSE says, its settings are not in the image", {
  skip,
}, async () => {
  const app = await cloud.app();
  const secret = "never-in-the-image";
  await cloud.call("editor", "PATCH", `/apps/${app.id}/settings`, { setSecrets: { API_KEY: secret } });
  const deployed = await cloud.deploy(app, {
    Dockerfile: `ARG BASE=base:12
FROM base.khmara.internal/\${BASE} AS build
COPY greeting .
RUN tr a-z A-Z < greeting \\
  > /tmp/shouted
FROM base.khmara.internal/base:12
COPY --from=build /tmp/shouted /app/greeting
USER 10001
EXPOSE 7000
CMD ["cat", "/app/greeting"]
`,
    greeting: "hello\n",
  });
  const { items } = (await cloud.call("viewer", "GET", `/apps/${app.id}/releases`)).body;
  assert.equal(items[0].port, 7000);
  const image = await imageOf(deployed);
  assert.equal(await runIn(image, "cat /app/greeting"), "HELLO\n");
  const all = await buffer(await engine.imageSave(image));
  assert.equal(all.includes(secret), false);
  // The cache of the engine is not that of an app that is gone.
  const done = await cloud.call("editor", "DELETE", `/apps/${app.id}?confirm=${app.name}`);
  await cloud.done(done.body.id);
  assert.equal(await engine.imageGet(image), undefined);
});

test("an image of docker save is deployed with our labels and not its own", { skip }, async () => {
  const app = await cloud.app();
  const { imageId } = await (async () => {
    const deployed = await cloud.deploy(await cloud.app(), {
      Dockerfile: "FROM base.khmara.internal/base:12\nUSER 10001\nEXPOSE 6000\nLABEL khmara.cloud=other\nCOPY a /a\n",
      a: "saved",
    });
    return { imageId: await imageOf(deployed) };
  })();
  const bytes = await buffer(await engine.imageSave(imageId));
  const sent = await cloud.send("editor", `/apps/${app.id}/image-uploads`, bytes);
  assert.equal(sent.status, 202, JSON.stringify(sent.body));
  await cloud.done(sent.body.id);
  const deployed = await cloud.deployment(sent.body.resource.id);
  const image = await engine.imageGet(await imageOf(deployed));
  assert.equal(image?.labels["app"], app.id);
  assert.equal(await runIn(image?.id ?? "", "cat /a"), "saved");
  const broken = await cloud.send("editor", `/apps/${app.id}/image-uploads`, Buffer.from("no image at all, but long enough"));
  assert.equal((await cloud.ended(broken.body.id)).error.code, "invalid_argument");
});

test("what fails is told with the words of the step, and leaves nothing behind", { skip }, async () => {
  const app = await cloud.app();
  const operation = await cloud.begin(app, {
    Dockerfile: "FROM base.khmara.internal/base:12\nRUN echo before; ls /nowhere; exit 7\n",
  });
  const ended = await cloud.ended(operation.id);
  assert.deepEqual([ended.state, ended.error.code], ["failed", "failed_precondition"]);
  assert.match(ended.error.message, /exit code 7/);
  assert.match(await cloud.log(operation.resource.id), /\/nowhere: No such file or directory/);
  const left = (await engine.imageList()).filter(({ labels }) => labels["app"] === app.id);
  assert.deepEqual(left, []);
  assert.equal((await cloud.show(app)).state, "new");
});

test("hostile Dockerfiles: other people's images and the host's network are out of reach", { skip }, async () => {
  const victim = await cloud.app();
  const secret = await cloud.deploy(victim, {
    Dockerfile: "FROM base.khmara.internal/base:12\nUSER 10001\nCOPY key /key\n",
    key: "the key",
  });
  const report = await engine.imageGet(await imageOf(secret));
  const attacker = await cloud.app();
  for (const [dockerfile, words] of [
    [`FROM ${report?.reference}\nRUN cat /key\n`, /cannot be reached|no image/],
    [`FROM ${report?.id}\nRUN cat /key\n`, /no name|sha256/],
    [`FROM base.khmara.internal/base:12\nCOPY --from=${report?.reference} /key /key\n`, /cannot be reached|no image/],
    [`FROM base.khmara.internal/base:12\nCOPY --from=${report?.id} /key /key\n`, /no name|sha256/],
    ["FROM base.khmara.internal/base:12\nADD http://127.0.0.1:1/x /x\n", /is not in the source/],
    ["FROM base.khmara.internal/other:1\n", /There is no base image/],
    ["FROM node:22\nRUN npm ci\n", /registry docker\.io cannot be reached.*base\.khmara\.internal\/node/],
  ] as const) {
    const operation = await cloud.begin(attacker, { Dockerfile: dockerfile });
    const ended = await cloud.ended(operation.id);
    assert.equal(ended.state, "failed", dockerfile);
    assert.match(ended.error.message, words, dockerfile);
    assert.doesNotMatch(await cloud.log(operation.resource.id), /the key/);
  }
});

test("a build that is cancelled ends at once, and with it all that it started", { skip }, async () => {
  const app = await cloud.app();
  const operation = await cloud.begin(app, { Dockerfile: "FROM base.khmara.internal/base:12\nRUN echo begun; sleep 1000\n" });
  for (let offset = 0, said = ""; !said.includes("begun\n"); ) {
    const part = (await cloud.call("viewer", "GET", `/deployments/${operation.resource.id}/log?offset=${offset}&waitSeconds=5`))
      .body;
    assert.equal(part.finished, false, said);
    said += part.text;
    offset = part.nextOffset;
  }
  await cloud.call("editor", "POST", `/deployments/${operation.resource.id}/cancel`);
  assert.equal((await cloud.ended(operation.id)).state, "cancelled");
  const { body } = await cloud.call("viewer", "GET", `/deployments/${operation.resource.id}/log`);
  assert.deepEqual([body.finished, /Cancelled\.\n$/.test(body.text)], [true, true]);
});
