import assert from "node:assert/strict";
import { chmodSync, mkdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import type { Page } from "playwright-core";
import { CloudError } from "../kernel/errors.ts";
import { eventually } from "../testing/launcher.ts";
import { shown, TestBrowser } from "./browser.ts";
import { type Client, exec, finished, newCloud, repository, uploadDebian } from "./cloud.ts";

/**
 * A person's day with virtual servers, on a real LXD: made in Chromium, used through its terminal, reached from outside, kept safe,
 * deleted and billed. The tests follow each other.
 */
const cloud = await newCloud({ engine: true });
const socket = String(cloud.lxd?.socket);
const browser = await TestBrowser.start({ story: true });
const mib = 2 ** 20;
let page: Page;
let client: Client;
let token: string;
let organisationId: string;
let projectId: string;
/** Of the server that the story is about. */
let web = "";
let address = "";

const khmara = (args: string[], options: Parameters<typeof exec>[2] = {}) =>
  exec(join(repository, "khmara"), args, {
    ...options,
    env: {
      KHMARA_NODE: process.execPath,
      KHMARA_CONFIG_HOME: join(cloud.folder, "profile"),
      HOME: cloud.folder,
      KHMARA_ENDPOINT: cloud.url,
      KHMARA_TOKEN: token,
      ...options.env,
    },
  });
const done = async (operation: { id: string }): Promise<Record<string, unknown>> =>
  (await finished(client, operation)).result ?? {};
const get = (instance = web) => client.instanceGet({ instance: instance as never });
/** A command in a server; its output, or an error with what it said. */
async function inside(instance: string, script: string): Promise<string> {
  const result = await client.instanceExec({
    instance: instance as never,
    command: ["sh", "-c", script],
    timeoutSeconds: 120,
  } as never);
  assert.equal(result.exitCode, 0, `${script}\n${result.stdout}${result.stderr}`);
  return result.stdout;
}
async function create(name: string, more: object = {}): Promise<string> {
  const operation = await client.instanceCreate({
    project: projectId as never,
    name,
    size: "nano",
    image: "debian-12",
    ...more,
  } as never);
  await done(operation);
  return operation.resource?.id as string;
}
const refused = (work: Promise<unknown>, words: RegExp) =>
  assert.rejects(work, (error) => {
    assert.ok(CloudError.is(error), String(error));
    assert.ok(error.code !== "internal" && error.code !== "unavailable", error.code);
    assert.match(error.message, words);
    return true;
  });

before(async () => {
  await cloud.start();
  ({ client, token, organisationId, projectId } = await cloud.signIn());
  await uploadDebian(cloud, token);
  page = await browser.visitAsOwner(cloud);
});
after(async () => {
  await browser.close();
  // Whatever is left of it in the engine and on the host goes with it.
  for (const id of (await client.instanceList({ project: projectId as never, limit: 200 }).catch(() => ({ items: [] }))).items)
    await client
      .instanceDelete({ instance: id.id, force: true })
      .then(done)
      .catch(() => {});
  await cloud.remove();
});

test("a server is made in the browser, and runs", async () => {
  await page.goto("/o/home/p/default");
  await shown(page);
  await page.getByRole("navigation", { name: "Main navigation" }).getByRole("link", { name: "Instances" }).click();
  await shown(page);
  await page.getByRole("link", { name: "New instance" }).first().click();
  await page.getByLabel("Name", { exact: true }).fill("web-1");
  await page.getByRole("radio", { name: /debian-12/ }).waitFor();
  await page.getByRole("radio", { name: /^small,/ }).click();
  await page.getByRole("button", { name: "Create instance" }).click();
  await page.getByRole("heading", { name: /web-1/ }).waitFor();
  await page.locator("h1").getByText("Running", { exact: true }).waitFor();
  web = new URL(page.url()).pathname.split("/").at(-1) as string;
  assert.equal((await get()).state, "running");
});

test("its terminal installs a package and serves a page", async () => {
  await page.getByRole("link", { name: "Terminal", exact: true }).first().click();
  const terminal = page.locator(".xterm");
  await terminal.waitFor();
  const screen = async () => (await page.locator(".xterm-rows").textContent()) ?? "";
  await eventually(screen, (text) => /web-1/.test(text));
  await terminal.click();
  const type = async (line: string) => {
    await page.keyboard.type(line);
    await page.keyboard.press("Enter");
  };
  // A fresh package list needs the network of the server: names, routes and masquerading.
  await type(
    "apt-get -qq update && DEBIAN_FRONTEND=noninteractive apt-get -qq install -y --no-install-recommends nginx-light >/dev/null 2>&1 && clear && echo installed-$?",
  );
  await eventually(screen, (text) => text.includes("installed-0"), 180_000);
  await type("clear; echo hello from $(hostname) > /var/www/html/index.html; rm -f /var/www/html/index.nginx-debian.html");
  await type("curl -s http://127.0.0.1/");
  await eventually(screen, (text) => text.includes("hello from web-1"));
});

test("a firewall rule and a floating address let the world see it", async () => {
  await page.goto(`/o/home/p/default/instances/${web}/network`);
  await shown(page);
  await page.getByRole("button", { name: "New address" }).click();
  await page.getByRole("dialog").getByRole("button", { name: "New address" }).click();
  await page.getByRole("dialog").waitFor({ state: "detached" });
  address = (await eventually(
    async () => (await get()).ports[0]?.floatingAddress,
    (value) => value !== undefined,
  )) as string;
  const look = () => exec("curl", ["-s", "--max-time", "3", `http://${address}/`]).catch(() => "closed");
  // The default group lets in SSH and ping, and nothing else.
  assert.equal(await look(), "closed");
  await eventually(
    () => exec("ping", ["-c", "1", "-W", "3", address]),
    (text) => text.includes("1 received"),
    30_000,
  );
  await page.getByRole("link", { name: "default", exact: true }).last().click();
  await page.getByRole("button", { name: "Add a rule" }).first().click();
  const dialog = page.getByRole("dialog");
  await dialog.getByRole("combobox", { name: "What" }).click();
  await page.getByRole("option", { name: /^HTTP \(TCP 80\)/ }).click();
  await dialog.getByRole("button", { name: "Add a rule" }).click();
  await dialog.waitFor({ state: "detached" });
  await eventually(look, (text) => text === "hello from web-1\n");
});

test("a port of the host, too, and it is told by name", async () => {
  const operation = await client.portForwardCreate({ instance: web as never, targetPort: 80 } as never);
  await done(operation);
  const { items } = await client.portForwardList({ project: projectId as never });
  assert.equal(await exec("curl", ["-s", "--max-time", "5", `http://127.0.0.1:${items[0]?.listenPort}/`]), "hello from web-1\n");
});

test("ssh with the project's key, without a public address", async () => {
  const folder = join(cloud.folder, "ssh");
  mkdirSync(folder);
  await exec("ssh-keygen", ["-q", "-t", "ed25519", "-N", "", "-C", "anna@laptop", "-f", join(folder, "id")]);
  chmodSync(join(folder, "id"), 0o600);
  const key = await client.sshKeyCreate({
    project: projectId as never,
    name: "laptop",
    publicKey: readFileSync(join(folder, "id.pub"), "utf8"),
  });
  const keyed = await create("keyed", { sshKeys: [key.id] });
  const said = await eventually(
    () =>
      khmara(["ssh", "-i", join(folder, "id"), "-o", "BatchMode=yes", "keyed", "echo $USER on $(hostname)"]).catch(
        (error: Error) => error.message,
      ),
    (text) => /debian on keyed/.test(text),
    90_000,
  );
  assert.match(said, /debian on keyed/);
  // And nobody without the key.
  await exec("ssh-keygen", ["-q", "-t", "ed25519", "-N", "", "-f", join(folder, "other")]);
  await assert.rejects(
    khmara(["ssh", "-i", join(folder, "other"), "-o", "IdentitiesOnly=yes", "-o", "BatchMode=yes", "keyed", "true"]),
    /Permission denied/,
  );
  await done(await client.instanceDelete({ instance: keyed as never }));
});

test("files go in and come out by the command line, and commands run", async () => {
  const there = join(cloud.folder, "notes.txt");
  await exec("sh", ["-c", `seq 1 100000 > ${there}`]);
  await khmara(["instance", "cp", there, "web-1:/root/notes.txt"]);
  assert.equal(
    (await khmara(["instance", "exec", "web-1", "--", "wc", "-l", "/root/notes.txt"])).trim(),
    "100000 /root/notes.txt",
  );
  await khmara(["instance", "cp", "web-1:/root/notes.txt", `${there}.back`]);
  assert.ok(readFileSync(there).equals(readFileSync(`${there}.back`)));
});

test("a volume with data survives rebuild, snapshot and restore", async () => {
  const made = await client.volumeCreate({ project: projectId as never, name: "data", sizeBytes: 1024 * mib } as never);
  await done(made);
  const volume = made.resource?.id as never;
  await done(await client.volumeAttach({ volume, instance: web as never, path: "/mnt/data" }));
  await inside(web, "echo precious > /mnt/data/file && touch /root/on-root-disk && sync");
  const snapshot = await client.snapshotCreate({ volume, name: "before" } as never);
  await done(snapshot);

  await done(await client.instanceRebuild({ instance: web as never, confirm: "web-1" } as never));
  assert.equal((await get()).state, "running");
  assert.equal(await inside(web, "cat /mnt/data/file; ls /root/on-root-disk 2>/dev/null || echo fresh"), "precious\nfresh\n");

  await inside(web, "echo spoilt > /mnt/data/file && sync");
  const { items } = await client.snapshotList({ project: projectId as never, volume });
  await done(await client.snapshotRestore({ snapshot: items[0]?.id as never, confirm: "data", stopFirst: true } as never));
  await eventually(
    () => get().then(({ state }) => state),
    (state) => state === "running",
  );
  assert.equal(await inside(web, "cat /mnt/data/file"), "precious\n");
});

test("a backup is proven by a drill that boots the copy, and restored", async () => {
  await client.bucketCreate({ project: projectId as never, name: "server-backups" });
  const made = await client.backupCreate({ instance: web as never, bucket: "server-backups" } as never);
  await done(made);
  const { items } = await client.backupList({ project: projectId as never, instance: web as never } as never);
  const backup = items[0]?.id as never;
  await done(await client.backupVerify({ backup, command: "test -f /etc/debian_version" } as never));
  const proven = await client.backupGet({ backup });
  assert.equal(proven.verification, "passed", proven.verificationMessage ?? "");
  // What the drill made is gone again.
  assert.deepEqual(
    (await client.instanceList({ project: projectId as never })).items.map(({ name }) => name),
    ["web-1"],
  );
});

test("two projects cannot reach each other, whatever addresses they pick", async () => {
  const other = await client.projectCreate({ organisation: organisationId as never, name: "Other", slug: "other" } as never);
  const cidr = "10.77.0.0/24";
  const here = await client.networkCreate({ project: projectId as never, name: "same", cidr } as never);
  const there = await client.networkCreate({ project: other.id, name: "same", cidr } as never);
  const a = await create("a", { networks: [here.id] });
  const b = await create("b", { project: other.id, networks: [there.id] });
  const addressOf = async (id: string) => (await get(id)).ports[0]?.ipv4 as string;
  const [first, second] = [await addressOf(a), await addressOf(b)];
  // Each listens, and allows everything that reaches it.
  for (const id of [a, b]) {
    const { items } = await client.portList({ project: (id === a ? projectId : other.id) as never, instance: id as never });
    await done(await client.portUpdate({ port: items[0]?.id as never, securityGroups: [] }));
    await inside(
      id,
      `nohup sh -c 'while true; do echo I am ${id === a ? "a" : "b"} | nc -l -p 7000 -q 0; done' >/dev/null 2>&1 &`,
    );
  }
  // Again, when the listener went just then: each of them says its word to one caller only.
  const reach = async (from: string, to: string) =>
    (
      await inside(
        from,
        `for i in 1 2 3 4 5; do said=$(nc -w 2 ${to} 7000 </dev/null 2>/dev/null || echo nobody); [ "$said" ] && break; sleep 0.5; done; echo "$said"`,
      )
    ).trim();
  // The same address is another machine in each project: its own, or nobody.
  if (first !== second) {
    assert.equal(await reach(a, second), "nobody");
    assert.equal(await reach(b, first), "nobody");
  }
  assert.equal(await reach(web, second), first === second ? await reach(web, first) : "nobody");
  // Nor the cloud itself and what else the host has.
  const gateway = (await client.networkGet({ network: here.id })).gateway;
  for (const target of [gateway, "127.0.0.1"]) {
    assert.equal(
      (await inside(a, `nc -w 2 ${target} ${cloud.port} </dev/null >/dev/null 2>&1 && echo open || echo closed`)).trim(),
      "closed",
    );
  }
  await done(await client.instanceDelete({ instance: a as never }));
  await done(await client.instanceDelete({ instance: b as never }));
});

test("bad input gets a clear error and changes nothing", async () => {
  const request = { project: projectId as never, name: "bad", size: "nano", image: "debian-12" };
  const before = (await client.instanceList({ project: projectId as never })).items.length;
  await refused(client.instanceCreate({ ...request, size: "gigantic" } as never), /size/i);
  await refused(client.instanceCreate({ ...request, image: "windows-95" } as never), /image/i);
  await refused(client.instanceCreate({ ...request, name: "web-1" } as never), /web-1/);
  await refused(client.instanceCreate({ ...request, name: "Bad Name!" } as never), /letters/i);
  await refused(client.instanceCreate({ ...request, kind: "vm" } as never), /virtual machines/);
  await refused(
    client.networkCreate({ project: projectId as never, name: "overlap", cidr: "10.77.0.128/25" } as never),
    /10\.77\.0\.0\/24/,
  );
  await refused(client.volumeCreate({ project: projectId as never, name: "v", sizeBytes: 1 } as never), /1 GiB/);
  assert.equal((await client.instanceList({ project: projectId as never })).items.length, before);
});

test("what goes wrong in the engine is seen and put right", async () => {
  const lost = await create("lost");
  const { stdout } = await lxc("list", "--all-projects", "--format", "csv", "-c", "n");
  const engineName = `kh-${lost.slice(-12)}`;
  const name = stdout.split("\n").find((line) => line.includes(lost.slice(-8))) ?? engineName;
  // Before its systemd is up there is nobody to hear it.
  await inside(lost, "until [ -S /run/systemd/private ] && systemctl is-active -q multi-user.target; do sleep 0.2; done");
  await inside(lost, "poweroff").catch(() => {});
  // Its own shutdown is no crash: it stays off.
  await eventually(
    () => get(lost).then(({ state }) => state),
    (state) => state === "stopped",
    90_000,
  );
  await lxc("delete", "--force", ...(await projectFlag(name)), name);
  await client.engineReconcile({} as never);
  await eventually(
    () => get(lost).then(({ state }) => state),
    (state) => state === "missing",
    60_000,
  );
  await done(await client.instanceDelete({ instance: lost as never }));
});

test("usage equals the life of a server to the second", async () => {
  const began = Date.now();
  const metered = await create("metered");
  const { startedAt } = await get(metered);
  await sleep(5000);
  await done(await client.instanceStop({ instance: metered as never, timeoutSeconds: 0 }));
  await sleep(2000);
  await done(await client.instanceDelete({ instance: metered as never }));
  const ended = Date.now();
  const { items } = await client.usageRecordList({
    organisation: organisationId as never,
    from: new Date(began - 60_000).toISOString(),
    to: new Date(ended + 60_000).toISOString(),
    limit: 500,
  } as never);
  const own = items.filter(({ resource }) => resource.id === metered);
  const span = (meter: string) => {
    const [record, ...more] = own.filter((one) => one.meter === meter);
    assert.ok(record?.to, `${meter} was not closed`);
    assert.deepEqual(more, []);
    return { from: Date.parse(record.from), to: Date.parse(record.to), quantity: Number(record.quantity) };
  };
  const [vcpus, memory, disk] = [span("compute.vcpus"), span("compute.memory"), span("compute.disk")];
  // The engine's own record of when it ran is what the log says; a second is the grain.
  assert.ok(Math.abs(vcpus.from - Date.parse(startedAt as string)) < 1000, `${vcpus.from} ${startedAt}`);
  assert.ok(vcpus.to - vcpus.from >= 5000 && vcpus.to - vcpus.from < ended - began - 2000);
  assert.deepEqual([memory.from, memory.to], [vcpus.from, vcpus.to]);
  assert.ok(disk.from >= began - 1000 && disk.from <= vcpus.from && disk.to >= vcpus.to && disk.to <= ended + 1000);
});

test("everything is told to the person: activity, usage and audit", async () => {
  await page.goto(`/o/home/p/default/instances/${web}/activity`);
  await shown(page);
  await page.getByText("Rebuild an instance").first().waitFor();
  const verified = await client.auditVerify({} as never);
  assert.equal(verified.valid, true);
});

test("the server is deleted in the browser; its volume and address stay", async () => {
  await page.goto(`/o/home/p/default/instances/${web}/settings`);
  await shown(page);
  await page.getByRole("button", { name: "Delete instance" }).click();
  const dialog = page.getByRole("dialog");
  await dialog.getByText("Volumes are detached and kept").waitFor();
  await dialog.getByRole("textbox").fill("web-1");
  await dialog.getByRole("button", { name: "Delete instance" }).click();
  await dialog.waitFor({ state: "detached" });
  await eventually(
    async () => (await client.instanceList({ project: projectId as never })).items.length,
    (count) => count === 0,
    60_000,
  );
  const [volume] = (await client.volumeList({ project: projectId as never })).items;
  assert.deepEqual([volume?.name, volume?.state], ["data", "available"]);
  const [kept] = (await client.addressList({ project: projectId as never })).items;
  assert.deepEqual([kept?.address, kept?.instanceId], [address, undefined]);
});

/** The engine's own command line: what somebody does behind our back. */
async function lxc(...args: string[]): Promise<{ stdout: string }> {
  const folder = socket.replace(/\/unix\.socket$/, "");
  return { stdout: await exec("lxc", args, { env: { LXD_DIR: folder, HOME: cloud.folder } }) };
}
async function projectFlag(name: string): Promise<string[]> {
  const { stdout } = await lxc("list", "--all-projects", "--format", "json");
  const project = (JSON.parse(stdout) as { name: string; project: string }[]).find((one) => one.name === name)?.project;
  return project ? ["--project", project] : [];
}
