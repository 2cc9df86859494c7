/** One engine that others use too, and a process of ours that is killed in the middle of a call. */
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { Readable } from "node:stream";
import { after, before, describe, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { dockerMissing, removeCloud, testCloudId, testContext, testDocker, testRootfs } from "../../../../testing/docker.ts";
import type { AppEngine } from "../../driver.ts";
import { eventually, openSuite, refuses, type Suite } from "../conformance.suite.ts";
import { at, DockerClient } from "./client.ts";
import { openDockerEngine } from "./index.ts";

describe("Docker: shared with others", { skip: dockerMissing() ?? false, concurrency: false, timeout: 300_000 }, () => {
  const suite = {} as Suite;
  let socket: string;
  let cloudId: string;
  let otherId: string;
  let client: DockerClient;
  let other: AppEngine;
  before(
    async () => {
      ({ socket } = await testDocker());
      [cloudId, otherId] = [testCloudId(), testCloudId()];
      client = new DockerClient({ endpoint: socket });
      other = openDockerEngine({ address: { endpoint: socket }, cloudId: otherId });
      const engine = openDockerEngine({ address: { endpoint: socket }, cloudId });
      const close = async () => {
        for (const each of [cloudId, otherId]) await removeCloud(socket, each);
      };
      Object.assign(suite, await openSuite(async () => ({ engine, other, close })));
    },
    { timeout: 300_000 },
  );
  after(() => suite.close?.());

  test("two clouds with the same names never see each other", async () => {
    const { engine } = suite;
    const theirs = await other.imageImport(
      { name: "base:1", labels: {} },
      Readable.from([await testRootfs({ "etc/theirs": "" })]),
    );
    const network = { name: "front", labels: {}, internal: true };
    for (const each of [engine, other]) {
      await each.networkCreate(network);
      await each.volumeCreate({ name: "data", labels: {} });
    }
    const spec = { ...suite.spec("web"), networks: [{ name: "front", aliases: ["web"] }] };
    await suite.start(spec);
    await other.containerCreate({ ...spec, image: theirs.id });
    await other.containerStart("web");
    const [mine, foreign] = await Promise.all([engine.containerGet("web"), other.containerGet("web")]);
    assert.notEqual(mine?.id, foreign?.id);
    for (const list of ["containerList", "networkList", "volumeList", "imageList"] as const)
      assert.equal((await other[list]()).length, 1, list);
    assert.notEqual((await engine.networkGet("front"))?.id, (await other.networkGet("front"))?.id);
    // By what only the engine itself could tell them apart.
    assert.equal(await engine.imageGet(theirs.id), undefined);
    await engine.imageRemove(theirs.id);
    await refuses(engine.imageTag(theirs.id, "mine:1"), "not_found");
    await refuses(engine.imageSave(theirs.id), "not_found");
    await refuses(engine.containerCreate({ ...suite.spec("thief"), image: theirs.id }), "not_found");
    assert.equal((await other.imageGet(theirs.id))?.id, theirs.id);
    await engine.containerRemove("web");
    await engine.networkRemove("front");
    await engine.volumeRemove("data");
    assert.equal((await other.containerGet("web"))?.state, "running");
    assert.ok(await other.networkGet("front"));
    assert.ok(await other.volumeGet("data"));
    await removeCloud(socket, otherId);
  });

  test("what somebody else made under our name is neither taken nor touched", async () => {
    const { engine } = suite;
    await engine.volumeCreate({ name: "mine", labels: {} });
    await suite.start(suite.spec("mine"));
    const { Name } = await client.get<{ Name: string }>(at`/containers/${(await engine.containerGet("mine"))?.id ?? ""}/json`);
    const prefix = Name.slice(1, -"mine".length);
    const theirs = { container: `${prefix}theirs`, volume: `${prefix}theirs`, network: `${prefix}theirs` };
    await client.post(
      "/containers/create",
      { Image: suite.base, Cmd: ["true"], Labels: { "khmara.cloud": "somebody" } },
      { query: { name: theirs.container } },
    );
    await client.post("/volumes/create", { Name: theirs.volume });
    await client.post("/networks/create", { Name: theirs.network });
    try {
      assert.equal(await engine.containerGet("theirs"), undefined);
      assert.equal(await engine.volumeGet("theirs"), undefined);
      assert.equal(await engine.networkGet("theirs"), undefined);
      await engine.containerRemove("theirs");
      await engine.volumeRemove("theirs");
      await engine.networkRemove("theirs");
      await refuses(engine.containerStart("theirs"), "not_found");
      await refuses(engine.containerExec("theirs", { command: ["true"], maxOutputBytes: 10 }), "not_found");
      await refuses(engine.containerCreate(suite.spec("theirs")), "already_exists", "engine_foreign");
      await refuses(engine.volumeCreate({ name: "theirs", labels: {} }), "already_exists", "engine_foreign");
      await refuses(engine.networkCreate({ name: "theirs", labels: {}, internal: true }), "already_exists", "engine_foreign");
      assert.deepEqual(
        (await engine.containerList()).map(({ name }) => name),
        ["mine"],
      );
      for (const path of [
        at`/containers/${theirs.container}/json`,
        at`/volumes/${theirs.volume}`,
        at`/networks/${theirs.network}`,
      ])
        assert.ok(await client.find(path), path);
    } finally {
      await client.delete(at`/containers/${theirs.container}`, { query: { force: true } });
      await client.delete(at`/volumes/${theirs.volume}`);
      await client.delete(at`/networks/${theirs.network}`);
    }
    await engine.containerRemove("mine");
    await engine.volumeRemove("mine");
  });

  /** Begins the call in another process and kills that. */
  async function killed(call: string, words: unknown[], afterMs: number, context?: string): Promise<void> {
    const request = JSON.stringify({ socket, cloudId, call, words, context });
    const child = spawn(process.execPath, [join(import.meta.dirname, "crash.child.ts"), request], {
      stdio: ["ignore", "pipe", "inherit"],
    });
    const ended = once(child, "exit");
    await once(child.stdout, "data");
    await sleep(afterMs);
    child.kill("SIGKILL");
    await ended;
  }

  test("killed while it made a container, and again: there is one, and it is whole", async () => {
    const { engine } = suite;
    for (const each of ["one", "two", "three"]) await engine.networkCreate({ name: each, labels: {}, internal: true });
    for (const afterMs of [5, 25, 60]) {
      const networks = ["one", "two", "three"].map((name) => ({ name, aliases: ["crash"] }));
      const spec = suite.spec(suite.name("crash"), { networks });
      await killed("containerCreate", [spec], afterMs);
      await engine.containerCreate(spec);
      await engine.containerStart(spec.name);
      assert.deepEqual(Object.keys((await engine.containerGet(spec.name))?.addresses ?? {}).sort(), ["one", "three", "two"]);
      assert.equal((await engine.containerList()).length, 1);
      await killed("containerRemove", [spec.name], afterMs);
      await engine.containerRemove(spec.name);
      assert.deepEqual(await engine.containerList(), []);
    }
    for (const each of ["one", "two", "three"]) await engine.networkRemove(each);
  });

  test("killed in the middle of a build: the build ends, and the next one of the name is whole", async () => {
    const { engine } = suite;
    const spec = suite.build("crashed:1");
    const dockerfile = (script: string) => `FROM ${suite.reference}\nRUN ${script}`;
    await killed("imageBuild", [spec], 1500, dockerfile("sleep infinity"));
    const building = async () => {
      const all = await client.get<{ Command: string }[]>("/containers/json", { query: { all: true } });
      return all.filter(({ Command }) => Command.includes("sleep infinity")).length;
    };
    await eventually(building, (count) => count === 0);
    assert.equal(await engine.imageGet("crashed:1"), undefined);
    const { image } = await engine.imageBuild(spec, testContext({ Dockerfile: dockerfile("echo whole > /etc/whole") }), {
      onLine: () => {},
    });
    assert.deepEqual(image.names, ["crashed:1"]);
    await engine.imageRemove(image.id);
  });
});
