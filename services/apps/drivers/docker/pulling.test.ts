/** Pulling from a registry (OCI distribution): a small one, in the network of the engine of the tests. */
import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { after, before, describe, test } from "node:test";
import { CloudError } from "../../../../kernel/errors.ts";
import { dockerMissing, removeCloud, testCloudId, testDocker } from "../../../../testing/docker.ts";
import type { AppEngine } from "../../driver.ts";
import { openDockerEngine } from "./index.ts";

const missing = dockerMissing();
const cloudId = testCloudId();
let engine: AppEngine;
let socket: string;
let registry: ChildProcess | undefined;
let address = "";

describe("pulling", { skip: missing ?? false, timeout: 300_000 }, () => {
  before(async () => {
    const docker = await testDocker();
    socket = docker.socket;
    engine = openDockerEngine({ address: { endpoint: socket }, cloudId });
    const program = new URL("./registry.child.ts", import.meta.url).pathname;
    const words = [process.execPath, program];
    // The engine's 127.0.0.1 is that of its namespace; registries there may speak HTTP.
    const [command, ...rest] = docker.network === undefined ? words : ["nsenter", `--net=${docker.network}`, ...words];
    registry = spawn(command as string, rest, { stdio: ["pipe", "pipe", "inherit"] });
    const [line] = (await once(registry.stdout as NodeJS.ReadableStream, "data")) as [Buffer];
    address = `127.0.0.1:${Number(line.toString())}`;
  });
  after(async () => {
    registry?.stdin?.end();
    engine?.close();
    if (socket) await removeCloud(socket, cloudId);
  });
  const say = async (text: string) => {
    const done = once(registry?.stdout as NodeJS.ReadableStream, "data");
    registry?.stdin?.write(`${text}\n`);
    await done;
  };
  const names = async () => (await engine.imageList()).flatMap((image) => image.names);

  test("an image gets our name and our labels, keeps its id while the registry's stays, and moves with it", async () => {
    const spec = { name: "pulled/one", labels: { pulled: "one" } };
    const lines: string[] = [];
    const first = await engine.imagePull(spec, `${address}/things/app:1`, { onLine: (line) => lines.push(line) });
    assert.deepEqual([first.names, first.labels], [["pulled/one:latest"], { pulled: "one" }]);
    assert.deepEqual([first.defaults.command, first.exposedPorts], [["/bin/app", "one"], ["7000/tcp"]]);
    assert.ok(
      lines.some((line) => /Pulling from|Digest/.test(line)),
      lines.join("\n"),
    );
    const again = await engine.imagePull(spec, `${address}/things/app:1`);
    assert.equal(again.id, first.id);
    await say("two");
    const moved = await engine.imagePull(spec, `${address}/things/app:1`);
    assert.notEqual(moved.id, first.id);
    assert.deepEqual(moved.defaults.command, ["/bin/app", "two"]);
    assert.deepEqual(await names(), ["pulled/one:latest"]);
    assert.equal(await engine.imageGet(first.id), undefined, "what it was before is gone");
    await engine.imageRemove("pulled/one");
    assert.deepEqual(await names(), []);
  });

  test("what there is not, and a registry that does not answer, are told apart", async () => {
    const spec = { name: "pulled/none", labels: {} };
    const failure = (reference: string) =>
      engine.imagePull(spec, reference).then(
        () => assert.fail("it was pulled"),
        (error: unknown) => error,
      );
    const none = await failure(`${address}/things/none:1`);
    assert.ok(CloudError.is(none, "invalid_argument") && none.details.reason === "image_not_found", String(none));
    const silent = await failure("127.0.0.1:1/things/app:1");
    assert.ok(CloudError.is(silent, "failed_precondition") && silent.details.reason === "registry_unreachable", String(silent));
    assert.match(silent.message, /base\.khmara\.internal/);
    assert.deepEqual(await names(), []);
  });
});
