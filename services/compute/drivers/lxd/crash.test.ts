import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { createReadStream } from "node:fs";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { silentLog } from "../../../../kernel/log.ts";
import { lxdMissing, type TestProject, testLxd, testProject } from "../../../../testing/lxd.ts";
import type { ComputeDriver, InstanceSpec } from "../../driver.ts";
import { openLxdDriver } from "./index.ts";

const MiB = 1024 ** 2;
const rounds = 2;

describe("the driver over LXD is killed in the middle of a call, and the call is repeated", {
  skip: lxdMissing() ?? false,
}, () => {
  let project: TestProject;
  let options: { endpoint: string; pool: string; engineProject: string };
  let driver: ComputeDriver;
  const volume = "kh-volume";
  const spec = (name: string): InstanceSpec => ({
    name,
    kind: "container",
    image: { name: "image" },
    size: { vcpus: 1, memoryBytes: 256 * MiB, diskBytes: 800 * MiB },
    hostName: name,
    cloudInit: { userData: "#cloud-config\n{}" },
    interfaces: [{ device: "eth0", bridge: "khtnone", macAddress: "02:00:00:00:00:01", hostDevice: "khtcrash" }],
    autoRestart: true,
    labels: { instance: name, project: "prj_1" },
  });
  const web = spec("kh-web");
  before(
    async () => {
      const lxd = await testLxd();
      project = await testProject(lxd, "khcrash", { ownImages: true });
      options = { endpoint: lxd.socket, pool: lxd.poolName, engineProject: project.name };
      driver = await openLxdDriver({ ...options, log: silentLog });
      await driver.imageImport("image", createReadStream(lxd.imageFile));
      await driver.instanceCreate(web);
      await driver.volumeCreate({ name: volume, sizeBytes: 64 * MiB, labels: {} });
      await driver.volumeAttach(volume, web.name, "/mnt/data");
    },
    { timeout: 300_000 },
  );
  after(async () => {
    await driver?.close();
    await project?.remove();
  });

  /** Begins the call in another process and kills that, each time a little later; then repeats it here. */
  async function killed(
    call: "instanceCreate" | "instanceClone" | "instanceRestore" | "instanceRebuild",
    round: number,
    ...words: unknown[]
  ) {
    const file = join(import.meta.dirname, "crash.child.ts");
    const child = spawn(process.execPath, [file, JSON.stringify({ options, call, words })], {
      stdio: ["ignore", "pipe", "inherit"],
    });
    const ended = once(child, "exit");
    await once(child.stdout, "data");
    await sleep(Math.random() * 150 + round * 400);
    child.kill("SIGKILL");
    await ended;
    await (driver[call] as (...all: unknown[]) => Promise<void>)(...words);
  }

  const read = async (name: string, path: string): Promise<string> => {
    const file = await driver.fileRead(name, path);
    assert.ok(file.kind === "file");
    return Buffer.concat(await file.content.toArray()).toString();
  };
  const isWhole = async (): Promise<void> => {
    const {
      createdAt: _,
      member: __,
      startedAt: ___,
      ...report
    } = (await driver.instanceGet(web.name)) ?? assert.fail("it is gone");
    assert.deepEqual(report, { name: web.name, kind: "container", state: "stopped", labels: web.labels, size: web.size });
    assert.deepEqual(
      (await driver.volumeList()).map(({ attachedTo }) => attachedTo),
      [[web.name]],
    );
    const { config, devices } = await project.client.get<{
      config: Record<string, string>;
      devices: Record<string, Record<string, string>>;
    }>(`/1.0/instances/${web.name}`);
    assert.deepEqual(Object.keys(devices).sort(), ["eth0", volume, "root"]);
    assert.equal(devices["eth0"]?.["hwaddr"], web.interfaces[0]?.macAddress);
    assert.equal(config["cloud-init.user-data"], web.cloudInit.userData);
    assert.deepEqual(
      Object.keys(config).filter((key) => key.startsWith("user.khmara-driver.")),
      [],
    );
    assert.deepEqual(
      (await driver.instanceList()).map(({ name }) => name),
      [web.name],
    );
    assert.equal((await project.client.get<string[]>("/1.0/instances")).length, 1, "nothing is left over");
    assert.equal((await project.client.get<string[]>("/1.0/profiles")).length, 1, "nothing is left over");
  };

  for (let round = 0; round < rounds; round++) {
    test(`round ${round + 1}: create`, async () => {
      const other = spec("kh-other");
      await killed("instanceCreate", round, other);
      assert.equal(await read(other.name, "/etc/debian_version").then((text) => text.length > 1), true);
      await driver.instanceDelete(other.name);
      await isWhole();
    });

    test(`round ${round + 1}: clone`, async () => {
      const { image: _, ...other } = spec("kh-clone");
      await driver.fileWrite(web.name, "/root/file", Buffer.from("cloned"));
      await killed("instanceClone", round, other, { instance: web.name });
      assert.equal(await read(other.name, "/root/file"), "cloned");
      assert.deepEqual((await driver.instanceGet(other.name))?.labels, other.labels);
      await driver.instanceDelete(other.name);
      await isWhole();
    });

    test(`round ${round + 1}: restore`, async () => {
      await driver.fileWrite(web.name, "/root/file", Buffer.from("then"));
      await driver.instanceConfigure(web.name, { labels: { old: "yes" } });
      await driver.volumeDetach(volume, web.name);
      await driver.instanceSnapshot(web.name, "s");
      await driver.volumeAttach(volume, web.name, "/mnt/data");
      await driver.instanceConfigure(web.name, { labels: web.labels });
      await driver.fileWrite(web.name, "/root/file", Buffer.from("now"));
      await killed("instanceRestore", round, web.name, "s");
      assert.equal(await read(web.name, "/root/file"), "then");
      await isWhole();
    });

    test(`round ${round + 1}: rebuild, with a snapshot and without`, async () => {
      await killed("instanceRebuild", round, web.name, web.image);
      await assert.rejects(read(web.name, "/root/file"));
      await isWhole();
      assert.equal((await driver.instanceSnapshotList(web.name)).length, 1);
      await driver.instanceSnapshotDelete(web.name, "s");
      await driver.fileWrite(web.name, "/root/file", Buffer.from("now"));
      await killed("instanceRebuild", round, web.name, web.image);
      await assert.rejects(read(web.name, "/root/file"));
      await isWhole();
    });
  }
});
