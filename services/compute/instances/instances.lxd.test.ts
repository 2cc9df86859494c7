import assert from "node:assert/strict";
import { execFile, spawn } from "node:child_process";
import { randomBytes } from "node:crypto";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { promisify } from "node:util";
import { newId } from "../../../kernel/ids.ts";
import { silentLog } from "../../../kernel/log.ts";
import { lxdMissing, type TestProject, testLxd, testProject } from "../../../testing/lxd.ts";
import type { ComputeDriver } from "../driver.ts";
import { openLxdDriver } from "../drivers/lxd/index.ts";
import { type TestCompute, testCompute } from "../testing/fixture.ts";

const run = promisify(execFile);
const skip = lxdMissing();
const gib = 1024 ** 3;

let cloud: TestCompute;
let driver: ComputeDriver;
let project: TestProject;
let image: string;
let keyFile: string;
let publicKey: string;
const ends: (() => Promise<unknown>)[] = [];

before(async () => {
  if (skip !== undefined) return;
  const lxd = await testLxd();
  project = await testProject(lxd, "khins");
  ends.push(() => project.remove());
  const bridge = `khi${randomBytes(3).toString("hex")}`;
  const subnet = `198.${18 + (process.pid % 2)}.${process.pid % 256}`;
  await run("ip", ["link", "add", bridge, "type", "bridge"]);
  ends.push(() => run("ip", ["link", "delete", bridge]));
  await run("ip", ["address", "add", `${subnet}.1/24`, "dev", bridge]);
  await run("ip", ["link", "set", bridge, "up"]);
  const dhcp = spawn(
    "dnsmasq",
    [
      "--keep-in-foreground",
      "--conf-file=/dev/null",
      "--port=0",
      `--interface=${bridge}`,
      "--bind-interfaces",
      "--except-interface=lo",
    ].concat(["--leasefile-ro", `--dhcp-range=${subnet}.10,${subnet}.200,1h`, "--pid-file="]),
    { stdio: "ignore" },
  );
  ends.push(async () => dhcp.kill());
  driver = await openLxdDriver({ endpoint: lxd.socket, pool: lxd.poolName, engineProject: project.name, log: silentLog });
  cloud = await testCompute({ standIns: ["networks", "volumes", "images"], drivers: { engine: { driver } } });
  ends.push(() => cloud.stop());
  cloud.standIns.networks.bridge = bridge;
  const id = newId("image");
  cloud.standIns.images.add({
    id,
    name: "debian-12",
    engineName: lxd.imageAlias,
    kind: "container",
    minimumDiskBytes: 2 * gib,
    defaultUser: "debian",
  });
  image = id;
  const folder = await mkdtemp(join(tmpdir(), "khmara-key-"));
  ends.push(() => rm(folder, { recursive: true }));
  keyFile = join(folder, "key");
  await run("ssh-keygen", ["-q", "-t", "ed25519", "-N", "", "-C", "test", "-f", keyFile]);
  publicKey = (await readFile(`${keyFile}.pub`, "utf8")).trim();
  await cloud.work("compute.instances.watch");
});
after(async () => {
  for (const end of ends.reverse()) await end();
});

const show = async (id: string) => (await cloud.call("viewer", "GET", `/instances/${id}`)).body;
const vcpus = async (id: string) => (await cloud.usage(id)).filter(({ meter }) => meter === "compute.vcpus");
const engineName = (id: string) => `kh-${id.slice(-12)}`;
async function act(id: string, action: string, body: unknown = {}): Promise<{ from: number; to: number }> {
  const from = Date.now();
  const answer = await cloud.call("editor", "POST", `/instances/${id}/${action}`, body);
  assert.equal(answer.status, 202, JSON.stringify(answer.body));
  await cloud.done(answer.body.id);
  return { from, to: Date.now() };
}
async function sh(id: string, command: string): Promise<string> {
  const { exitCode, stdout, stderr } = await driver.instanceExec(engineName(id), {
    command: ["sh", "-c", command],
    maxOutputBytes: 65_536,
  });
  assert.equal(exitCode, 0, `${command}: ${Buffer.from(stderr)}`);
  return Buffer.from(stdout).toString().trim();
}
async function until<T>(what: string, look: () => Promise<T | undefined | false>, withinMs = 120_000): Promise<T> {
  for (const end = Date.now() + withinMs; Date.now() < end; await sleep(200)) {
    const found = await look().catch(() => undefined);
    if (found) return found;
  }
  throw new Error(`${what}: not within ${withinMs / 1000} seconds`);
}
const isReady = (id: string) =>
  until("cloud-init is done", async () => (await sh(id, "cloud-init status --wait || true")).includes("done"), 120_000);

test("a real instance: key, name, password, power, resize, rebuild, and usage to the second", {
  skip,
  timeout: 600_000,
}, async () => {
  const key = (await cloud.call("editor", "POST", "/ssh-keys", { project: cloud.project, name: "mine", publicKey })).body;
  const [small, large] = [
    await cloud.size({ vcpus: 1, memoryBytes: gib, diskBytes: 4 * gib }),
    await cloud.size({ vcpus: 2, memoryBytes: 2 * gib, diskBytes: 5 * gib }),
  ];
  const began = Date.now();
  const userData =
    "#cloud-config\nusers:\n  - default\n  - name: anna\nwrite_files:\n  - path: /etc/greeting\n    content: |\n      hello\n";
  const instance = await cloud.instance({ name: "web", size: small, image, sshKeys: [key.id], userData });
  const created = Date.now() - began;
  const { id } = instance;
  assert.equal(instance.state, "running");
  await isReady(id);
  assert.equal(await sh(id, "hostname"), "web");
  assert.equal(await sh(id, "cat /etc/greeting; id -un anna"), "hello\nanna");
  const address = await until("an address", async () => /inet (198\.[\d.]+)/.exec(await sh(id, "ip -4 address show eth0"))?.[1]);
  for (const user of ["debian", "root"]) {
    const { stdout } = await until(`ssh as ${user}`, () =>
      run("ssh", [
        "-i",
        keyFile,
        "-o",
        "StrictHostKeyChecking=no",
        "-o",
        "UserKnownHostsFile=/dev/null",
        "-o",
        "BatchMode=yes",
        `${user}@${address}`,
        user === "root" ? "id -un" : "sudo id -un; id -un",
      ]),
    );
    assert.equal(stdout.trim(), user === "root" ? "root" : "root\ndebian");
  }
  assert.match(await sh(id, "sshd -T | grep -i ^passwordauthentication"), /no/);

  const before = await sh(id, "getent shadow debian");
  const reset = await cloud.call("editor", "POST", `/instances/${id}/password-reset`, { user: "debian" });
  assert.equal(reset.status, 200, JSON.stringify(reset.body));
  assert.notEqual(await sh(id, "getent shadow debian"), before);
  const nobody = await cloud.call("editor", "POST", `/instances/${id}/password-reset`, { user: "nobody-here" });
  assert.deepEqual([nobody.status, nobody.body.reason], [409, "no_such_user"]);

  await act(id, "resize", { size: large });
  const report = await driver.instanceGet(engineName(id));
  assert.deepEqual([report?.state, report?.size.vcpus, report?.size.diskBytes], ["running", 2, 5 * gib]);
  await act(id, "freeze");
  assert.equal((await driver.instanceGet(engineName(id)))?.state, "frozen");
  await act(id, "unfreeze");
  await cloud.call("editor", "PATCH", `/instances/${id}`, { name: "shop" });
  await until("the new name", async () =>
    (await cloud.database.sql`select 1 from kernel.operations where finished_at is null`).length === 0 ? true : undefined,
  );
  await sh(id, "echo mine > /root/file");
  await act(id, "restart", { timeoutSeconds: 20 });
  assert.equal(await until("the new name", async () => ((await sh(id, "hostname")) === "shop" ? "shop" : undefined)), "shop");
  assert.equal(await sh(id, "cat /root/file"), "mine");
  const stopped = await act(id, "stop", { timeoutSeconds: 20 });
  const started = await act(id, "start");
  const rebuilt = await act(id, "rebuild", { confirm: "shop" });
  assert.equal((await show(id)).state, "running");
  await isReady(id);
  assert.equal(await sh(id, "hostname; test -e /root/file || echo gone"), "shop\ngone");
  const deletion = await cloud.call("editor", "DELETE", `/instances/${id}`);
  const deleting = Date.now();
  await cloud.done(deletion.body.id);
  assert.equal(await driver.instanceGet(engineName(id)), undefined);

  const spans = await vcpus(id);
  const near = (at: Date | null | undefined, { from, to }: { from: number; to: number }) =>
    assert.ok(
      at && at.getTime() >= from && at.getTime() <= to,
      `${at?.toISOString()} in ${new Date(from).toISOString()}…${new Date(to).toISOString()}`,
    );
  assert.deepEqual(
    spans.map(({ quantity }) => quantity),
    ["1", "2", "2", "2"],
  );
  near(spans[0]?.from, { from: began, to: began + created });
  near(spans[1]?.to, stopped);
  near(spans[2]?.from, started);
  near(spans[2]?.to, rebuilt);
  near(spans[3]?.from, rebuilt);
  near(spans[3]?.to, { from: deleting - 50, to: Date.now() });
});

test("a real instance that shuts down, dies, or is deleted by hand", { skip, timeout: 600_000 }, async () => {
  const instance = await cloud.instance({ image, size: await cloud.size({ diskBytes: 4 * gib }) });
  const { id } = instance;
  const name = engineName(id);
  await until("systemd", async () => /running|degraded/.test(await sh(id, "systemctl is-system-running || true")), 120_000);
  await sh(id, "systemctl poweroff");
  await until("stopped", async () => (await show(id)).state === "stopped");
  const [span] = await vcpus(id);
  assert.ok(span?.to);
  await cloud.work("compute.instances.restart");
  assert.equal((await show(id)).state, "stopped");

  await act(id, "start");
  await until("systemd", async () => /running|degraded/.test(await sh(id, "systemctl is-system-running || true")), 120_000);
  const { pid } = await project.client.get<{ pid: number }>(`/1.0/instances/${name}/state`);
  process.kill(pid, "SIGKILL");
  await until("stopped", async () => (await vcpus(id))[1]?.to ?? undefined);
  await until("started again", async () => {
    await cloud.work("compute.instances.restart");
    return (await show(id)).state === "running";
  });
  assert.equal((await vcpus(id)).length, 3);

  await driver.instanceDelete(name);
  await until("missing", async () => (await show(id)).state === "missing");
  assert.ok((await cloud.usage(id)).every(({ to }) => to !== null));
  await cloud.done((await cloud.call("editor", "DELETE", `/instances/${id}`)).body.id);
});
