import assert from "node:assert/strict";
import { execFile, spawn } from "node:child_process";
import { createHash, randomBytes } from "node:crypto";
import { once } from "node:events";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { promisify } from "node:util";
import { openSocket } from "../../../cli/socket.ts";
import { type Client, createClient } from "../../../client/client.ts";
import type { CloudSocket, SocketEnd } from "../../../client/socket.ts";
import { newId } from "../../../kernel/ids.ts";
import { silentLog } from "../../../kernel/log.ts";
import { lxdMissing, type TestProject, testLxd, testProject } from "../../../testing/lxd.ts";
import type { ComputeDriver } from "../driver.ts";
import { openLxdDriver } from "../drivers/lxd/index.ts";
import type { PortView } from "../parts.ts";
import { type TestCompute, testCompute } from "../testing/fixture.ts";
import type { InstanceFile } from "./contract.ts";

/** Terminals, commands, files and ssh into a real instance, by the command line that people use. */
const skip = lxdMissing() ?? false;
const run = promisify(execFile);
const folder = mkdtempSync(join(tmpdir(), "khmara-access-"));
const bridge = `kha${randomBytes(3).toString("hex")}`;
const subnet = `198.${18 + (process.pid % 2)}.${process.pid % 256}`;
const macAddress = "02:6b:68:00:00:02";
const closers: (() => unknown)[] = [];

let cloud: TestCompute;
let client: Client;
let instance: never;

if (!skip)
  before(async () => {
    closers.push(() => rmSync(folder, { recursive: true, force: true }));
    const lxd = await testLxd();
    const project: TestProject = await testProject(lxd, "khacc");
    closers.push(() => project.remove());
    await run("ip", ["link", "add", bridge, "type", "bridge"]);
    closers.push(() => run("ip", ["link", "delete", bridge]));
    await run("ip", ["address", "add", `${subnet}.1/24`, "dev", bridge]);
    await run("ip", ["link", "set", bridge, "up"]);
    const dhcp = spawn(
      "dnsmasq",
      [
        ..."--keep-in-foreground --conf-file=/dev/null --port=0 --bind-interfaces --except-interface=lo --leasefile-ro --pid-file=".split(
          " ",
        ),
        `--interface=${bridge}`,
        `--dhcp-range=${subnet}.10,${subnet}.200,1h`,
        `--dhcp-host=${macAddress},${subnet}.10`,
      ],
      { stdio: "ignore" },
    );
    closers.push(() => dhcp.kill());
    const driver: ComputeDriver = await openLxdDriver({
      endpoint: lxd.socket,
      pool: lxd.poolName,
      engineProject: project.name,
      log: silentLog,
    });
    cloud = await testCompute({ drivers: { engine: { driver } }, standIns: ["images", "networks", "volumes"] });
    closers.push(() => cloud.stop());
    Object.assign(cloud.compute.parts.networks, {
      async createPorts(_tx: unknown, { instanceId }: { instanceId: string }): Promise<PortView[]> {
        const port: PortView = {
          id: newId("port"),
          instanceId,
          networkId: newId("network"),
          networkName: "default",
          ipv4: `${subnet}.10`,
          macAddress,
          floatingAddress: undefined,
          securityGroupIds: [],
          interface: { device: "eth0", bridge, macAddress, hostDevice: `${bridge}0` },
        };
        cloud.standIns.networks.held.set(instanceId, [port]);
        return [port];
      },
      async connect(_instance: string, port: number) {
        const socket = connect({ host: `${subnet}.10`, port, allowHalfOpen: true });
        await once(socket, "connect");
        return socket;
      },
    });
    client = createClient({ baseUrl: cloud.url, openSocket, headers: () => ({ authorization: "Bearer editor" }) });
    await run("ssh-keygen", ["-q", "-t", "ed25519", "-N", "", "-f", join(folder, "key")]);
    const key = await client.sshKeyCreate({
      project: cloud.project as never,
      name: "key",
      publicKey: readFileSync(join(folder, "key.pub"), "utf8"),
    });
    const image = await cloud.image({ defaultUser: "debian" });
    Object.assign(image, { engineName: lxd.imageAlias });
    await cloud.database.sql`update compute.images set engine_name = ${lxd.imageAlias} where id = ${image.id}`;
    const size = await cloud.size({ memoryBytes: 1024 ** 3, diskBytes: 10 * 1024 ** 3 });
    const begun = await client.instanceCreate({
      project: cloud.project as never,
      name: "web",
      image: image.id,
      size,
      sshKeys: [key.id],
    });
    // On a busy machine the engine takes its time to unpack an image that it has not used yet.
    await until(async () => (await operation(begun.id))?.["finished_at"] !== null, "the instance is not made", 180);
    const { state, error, resource } = await operation(begun.id);
    assert.equal(state, "succeeded", JSON.stringify(error));
    instance = resource as never;
    // cloud-init makes the user and the host's keys.
    const waited = await client.instanceExec({ instance, command: ["cloud-init", "status", "--wait"], timeoutSeconds: 120 });
    assert.notEqual(waited.exitCode, 1, waited.stdout);
  });
after(async () => {
  for (const close of closers.reverse()) await close();
});

// biome-ignore lint/suspicious/noExplicitAny: a row of another part's table.
const operation = async (id: string): Promise<any> => {
  const [row] = await cloud.database.sql`select state, error, steps, resource_id as resource, finished_at
    from kernel.operations where id = ${id}`;
  return row;
};
async function until(condition: () => Promise<boolean>, what: string, seconds = 15): Promise<void> {
  for (const deadline = Date.now() + seconds * 1000; !(await condition()); ) {
    assert.ok(Date.now() < deadline, what);
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
}

interface Shown {
  socket: CloudSocket;
  text: () => string;
  /** Waits for what the terminal is to show. */
  shows(pattern: RegExp): Promise<void>;
  exitCode: () => number | undefined;
  ended(): Promise<SocketEnd>;
}
async function terminal(args: Record<string, unknown> = {}): Promise<Shown> {
  let text = "";
  let exitCode: number | undefined;
  const socket = await client.instanceTerminal({ instance, ...args } as never, {
    onBytes: (bytes) => {
      text += Buffer.from(bytes).toString();
    },
    onControl: (message) => {
      exitCode = (message["exit"] as { code: number }).code;
    },
  });
  return {
    socket,
    text: () => text,
    exitCode: () => exitCode,
    ended: () =>
      Promise.race([
        socket.closed,
        new Promise<never>((_, reject) =>
          setTimeout(() => reject(new Error(`It does not end: ${JSON.stringify(text.slice(-1000))}`)), 20_000).unref(),
        ),
      ]),
    async shows(pattern) {
      for (const deadline = Date.now() + 60_000; !pattern.test(text.slice(-5000)); ) {
        assert.ok(Date.now() < deadline, `${pattern} was not shown: ${JSON.stringify(text.slice(-1000))}`);
        await new Promise((resolve) => setTimeout(resolve, 20));
      }
    },
  };
}
const type = (shown: Shown, text: string) => shown.socket.send(Buffer.from(text));

const khmara = (words: string[], options: { input?: Buffer | string } = {}) =>
  new Promise<{ code: number; out: Buffer; notes: string }>((resolve) => {
    const child = spawn(process.execPath, [join(import.meta.dirname, "../../../cli/main.ts"), ...words], {
      env: {
        ...process.env,
        HOME: folder,
        XDG_CONFIG_HOME: join(folder, "config"),
        KHMARA_ENDPOINT: cloud.url,
        KHMARA_TOKEN: "editor",
      },
    });
    const [out, notes]: [Buffer[], Buffer[]] = [[], []];
    child.stdout.on("data", (piece) => out.push(piece));
    child.stderr.on("data", (piece) => notes.push(piece));
    child.stdin.on("error", () => {});
    child.stdin.end(options.input ?? "");
    child.once("close", (code) => resolve({ code: code ?? -1, out: Buffer.concat(out), notes: Buffer.concat(notes).toString() }));
  });
const hash = (bytes: Buffer) => createHash("sha256").update(bytes).digest("hex");

test("a terminal is a login shell with a window, job control and an exit code", { skip }, async () => {
  const shown = await terminal({ columns: 111, rows: 37 });
  await shown.shows(/root@web:~# $/);
  await type(shown, "stty size; tty; shopt -q login_shell && echo a login shell; echo $TERM\r");
  await shown.shows(/37 111\r\n\/dev\/pts\/\d+\r\na login shell\r\nxterm-256color/);
  shown.socket.control({ resize: { columns: 66, rows: 22 } });
  await new Promise((resolve) => setTimeout(resolve, 300));
  await type(shown, "stty size\r");
  await shown.shows(/22 66/);
  // Ctrl-C ends what runs, Ctrl-Z stops it.
  await type(shown, "sleep 1000\r");
  await new Promise((resolve) => setTimeout(resolve, 300));
  await type(shown, "\u0003");
  await shown.shows(/\^C\r\n/);
  await type(shown, "sleep 1000\r");
  await new Promise((resolve) => setTimeout(resolve, 300));
  await type(shown, "\u001a");
  await shown.shows(/Stopped/);
  await type(shown, "fg\r");
  await new Promise((resolve) => setTimeout(resolve, 300));
  await type(shown, "\u0003");
  await new Promise((resolve) => setTimeout(resolve, 300));
  await type(shown, "exit 42\r");
  assert.equal((await shown.ended()).code, 1000);
  assert.equal(shown.exitCode(), 42);
});

test("a terminal as another user, with a command that keeps the terminal; one that is not there", { skip }, async () => {
  const shown = await terminal({ user: "debian", command: "id -un; pwd; tty; sleep 1000" });
  await shown.shows(/debian\r\n\/home\/debian\r\n\/dev\/pts/);
  await type(shown, "\u0003");
  await shown.ended();
  assert.equal(shown.exitCode(), 130);
  const nobody = await terminal({ user: "nobody-at-all" });
  await nobody.ended();
  assert.equal(nobody.exitCode(), 1);
  // The engine sometimes loses the end of what is said in the moment of ending.
  assert.match(nobody.text(), /^su: /);
});

test("many terminals, a flood, and who closes the window leaves nothing running", { skip }, async () => {
  const all = await Promise.all(Array.from({ length: 8 }, () => terminal()));
  for (const shown of all) await shown.shows(/# $/);
  const [flood, ...rest] = all as [Shown, ...Shown[]];
  await type(flood, "yes khmara | head -c 5000000; echo; echo over\r");
  for (const [i, shown] of rest.entries()) {
    await type(shown, `echo I am ${i}; sleep 12345\r`);
    await shown.shows(new RegExp(`I am ${i}\r\n`));
  }
  await flood.shows(/\r\nover\r\n/);
  assert.ok(flood.text().length > 5_000_000);
  for (const shown of all) shown.socket.close();
  const sleeping = async () => (await client.instanceExec({ instance, command: ["pgrep", "-fc", "^sleep 12345"] })).stdout.trim();
  for (const deadline = Date.now() + 30_000; (await sleeping()) !== "0"; ) assert.ok(Date.now() < deadline, "they still run");
});

test("exec: exit codes, users, folders, environment, what is not there, a limit of time", { skip }, async () => {
  const exec = (args: object) => client.instanceExec({ instance, ...args } as never);
  // The default user is cloud-init's to make.
  await exec({ command: ["cloud-init", "status", "--wait"] });
  const plain = await exec({
    command: ["sh", "-c", 'echo "$A"; pwd; echo err >&2; exit 9'],
    environment: { A: "a b" },
    workingDirectory: "/srv",
  });
  assert.deepEqual([plain.exitCode, plain.stdout, plain.stderr], [9, "a b\n/srv\n", "err\n"]);
  const debian = await exec({ command: ["sh", "-c", "id -un; id -Gn; pwd; echo $HOME"], user: "debian" });
  assert.match(debian.stdout, /^debian\ndebian .*\n\/home\/debian\n\/home\/debian\n$/);
  assert.equal((await exec({ command: ["cat"], stdin: "größe" })).stdout, "größe");
  assert.equal((await exec({ command: ["head", "-c", "3000000", "/dev/zero"] })).truncated, true);
  const missing = await exec({ command: ["no-such-program"] });
  assert.notEqual(missing.exitCode, 0);
  await assert.rejects(exec({ command: ["sleep", "777"], timeoutSeconds: 1 }), /longer than 1 seconds/);
  const left = await exec({ command: ["pgrep", "-fc", "^sleep 777"] });
  assert.equal(left.stdout.trim(), "0");
});

test("khmara instance exec: streams of any length, both ways, and the exit code", { skip }, async () => {
  const bytes = randomBytes(30_000_000);
  const summed = await khmara(["instance", "exec", instance, "--", "sha256sum"], { input: bytes });
  assert.equal(summed.code, 0, summed.notes);
  assert.equal(summed.out.toString(), `${hash(bytes)}  -\n`);
  const back = await khmara(["instance", "exec", instance, "--", "tee", "/dev/stderr"], { input: bytes.subarray(0, 5_000_000) });
  assert.equal(hash(back.out), hash(bytes.subarray(0, 5_000_000)));
  assert.equal((await khmara(["instance", "exec", instance, "--", "sh", "-c", "exit 77"])).code, 77);
});

test("files: listed, up, down, whole folders", { skip }, async () => {
  const listed: InstanceFile[] = [];
  for await (const file of client.all("instanceFileList", { instance, path: "/etc", limit: 50 })) listed.push(file);
  assert.ok(listed.length > 50);
  const find = (name: string) => listed.find((file) => file.name === name);
  assert.deepEqual([find("passwd")?.kind, find("passwd")?.mode, find("passwd")?.user], ["file", "0644", "root"]);
  assert.equal(find("ssh")?.kind, "directory");
  assert.deepEqual([find("mtab")?.kind, find("mtab")?.target], ["link", "../proc/self/mounts"]);

  const bytes = randomBytes(20_000_000);
  writeFileSync(join(folder, "large file"), bytes, { mode: 0o640 });
  const up = await khmara(["instance", "cp", join(folder, "large file"), `${instance}:/srv/`, "--user", "debian"]);
  assert.equal(up.code, 0, up.notes);
  const about = await client.instanceExec({ instance, command: ["stat", "-c", "%a %U %G %s", "/srv/large file"] });
  assert.equal(about.stdout, "640 debian debian 20000000\n");
  const down = await khmara(["instance", "cp", `${instance}:/srv/large file`, join(folder, "back")]);
  assert.equal(down.code, 0, down.notes);
  assert.equal(hash(readFileSync(join(folder, "back"))), hash(bytes));

  const out = await khmara(["instance", "cp", `${instance}:/etc/ssh`, folder]);
  assert.equal(out.code, 0, out.notes);
  const config = await client.instanceExec({ instance, command: ["cat", "/etc/ssh/sshd_config"] });
  assert.equal(readFileSync(join(folder, "ssh", "sshd_config"), "utf8"), config.stdout);
  const into = await khmara(["instance", "cp", join(folder, "ssh"), `${instance}:/srv/copy`]);
  assert.equal(into.code, 0, into.notes);
  const same = await client.instanceExec({ instance, command: ["diff", "-r", "/etc/ssh", "/srv/copy"] });
  assert.deepEqual([same.exitCode, same.stdout], [0, ""]);

  await assert.rejects(
    client.instanceFileUpload({ instance, path: "/no/such/x" }, { rawBody: new Blob(["x"]) }),
    /There is no folder \/no\/such/,
  );
  await client.instanceFileUpload({ instance, path: "/new/one/x", makeParents: true }, { rawBody: new Blob(["x"]) });
  await assert.rejects(client.instanceFileUpload({ instance, path: "/srv" }, { rawBody: new Blob(["x"]) }), /is a folder/);
  await assert.rejects(client.instanceFileDownload({ instance, path: "/nothing" }), /There is no \/nothing/);
  await assert.rejects(client.instanceFileDownload({ instance, path: "/srv" }), /is a folder/);
  const srv = await client.instanceExec({ instance, command: ["ls", "-A", "/srv", "/"] });
  assert.ok(!/^\.srv\./m.test(srv.stdout), srv.stdout);
});

test("khmara ssh: the system's ssh, through the cloud, with nothing to confirm", { skip }, async () => {
  const told = await client.instanceSshGet({ instance });
  assert.equal(told.user, "debian");
  assert.ok(told.hostKeys.some((key) => key.startsWith("ssh-ed25519 ")));
  const key = ["-i", join(folder, "key"), "-o", "BatchMode=yes"];
  const hello = await khmara(["ssh", ...key, instance, "id -un; hostname; cat"], { input: "through it all\n" });
  assert.deepEqual([hello.code, hello.out.toString()], [0, "debian\nweb\nthrough it all\n"], hello.notes);
  assert.equal((await khmara(["ssh", ...key, instance, "--", "exit", "33"])).code, 33);
  const bytes = randomBytes(10_000_000);
  const summed = await khmara(["ssh", ...key, instance, "sha256sum"], { input: bytes });
  assert.equal(summed.out.toString(), `${hash(bytes)}  -\n`);
  // Another machine in its place is found out.
  await client.instanceExec({ instance, command: ["sh", "-c", "rm /etc/ssh/ssh_host_*; ssh-keygen -A; systemctl restart ssh"] });
  const fresh = await khmara(["ssh", ...key, instance, "true"]);
  assert.equal(fresh.code, 0, fresh.notes);
  const closed = await khmara(["instance", "tunnel", instance, "--port", "81"]);
  assert.equal(closed.code, 1);
  assert.match(closed.notes, /Nothing listens on port 81 of web/);
});

test("the serial console shows a login, and its log what was said before", { skip }, async () => {
  let text = "";
  const socket = await client.instanceConsole(
    { instance },
    {
      onBytes: (bytes) => {
        text += Buffer.from(bytes).toString();
      },
    },
  );
  for (const deadline = Date.now() + 15_000; !/login: /.test(text); ) {
    assert.ok(Date.now() < deadline, `no login: ${JSON.stringify(text.slice(-500))}`);
    await socket.send(Buffer.from("\r"));
    await new Promise((resolve) => setTimeout(resolve, 500));
  }
  socket.close();
  await socket.closed;
  const { text: log } = await client.instanceLog({ instance });
  assert.match(log, /login:/);
});

test("an instance that stops ends its terminals", { skip }, async () => {
  const shown = await terminal();
  await shown.shows(/# $/);
  const operation = await client.instanceStop({ instance, timeoutSeconds: 0 });
  await shown.ended();
  await cloud.done(operation.id);
  await assert.rejects(client.instanceTerminal({ instance } as never, {}), /stopped/);
});
