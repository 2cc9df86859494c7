import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdtempSync, statSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { after, before, test } from "node:test";
import type { AppEngine } from "../services/apps/driver.ts";
import { projectNetwork } from "../services/apps/running/contract.ts";
import { eventually } from "../testing/launcher.ts";
import { freePort } from "../testing/ports.ts";
import { EngineOf } from "./app-engine.ts";
import { type Client, exec, newCloud, repository } from "./cloud.ts";
import { hostileDockerfile, hostileProgram } from "./hostile.ts";
import { Visitors, visit } from "./visitors.ts";

/**
 * An app that is an enemy, and root in its image: in its build, while it runs, and as a command beside it. The cloud runs where its apps
 * do, as it does everywhere else: behind the same cards, listening on all of them.
 */
const cloud = await newCloud({ apps: true, besideApps: true });
const network = cloud.apps?.docker.network;
const skip = network === undefined ? "an engine that was given is on another machine" : false;
const httpPort = Number(cloud.apps?.httpPort);
const publishedPort = await freePort();
const metadata = "169.254.169.254";
const world = createServer((_, response) => response.end("world\n"));
let engine: EngineOf;
let driver: AppEngine;
let client: Client;
let token: string;
let projectId: string;
/** `name,address,port` of each place that it must not reach. */
let forbidden: [name: string, address: string, port: number][];
let victimAddress: string;

const khmara = (args: string[], input?: string) =>
  exec(join(repository, "khmara"), args, {
    timeoutMs: 300_000,
    ...(input === undefined ? {} : { input }),
    env: {
      KHMARA_NODE: process.execPath,
      KHMARA_CONFIG_HOME: join(cloud.folder, "profile"),
      HOME: cloud.folder,
      KHMARA_ENDPOINT: cloud.url,
      KHMARA_TOKEN: token,
      KHMARA_PROJECT: "default",
    },
  });
const inside = (...words: string[]) =>
  spawnSync("nsenter", [`--net=${network}`, ...words], { encoding: "utf8", timeout: 20_000 });
const look = (app: string, project: string) => visit(httpPort, `${app}.${project}.localhost`, { address: cloud.address });

function source(files: Record<string, string>): string {
  const folder = mkdtempSync(join(cloud.folder, "source-"));
  for (const [path, content] of Object.entries(files)) writeFileSync(join(folder, path), content);
  return folder;
}

/** What each attempt came to, by its name. */
const outcomes = (output: string): Map<string, string> =>
  new Map(
    output
      .split(/\r?\n/)
      .filter((line) => line.includes("\t"))
      .map((line) => {
        const [name = "", ...told] = line.split("\t");
        return [name, told.join(" ")];
      }),
  );
const networkWords = (places: typeof forbidden) => places.map((each) => `'${each.join(",")}'`).join(" ");

/** Nobody answered, not even with a refusal: no packet came through. */
function assertUnreached(told: Map<string, string>, places: typeof forbidden): void {
  for (const [name] of places)
    assert.match(String(told.get(name)), /^(EHOSTUNREACH|ENETUNREACH|ETIMEDOUT|EADDRNOTAVAIL|EAFNOSUPPORT)$/, name);
}

/** What a build may do besides, as package managers need it: it has a network of its own, and its root is nobody's outside. */
const ofBuilds = new Set(["raw socket", "packets of the bridge"]);

/** Its seccomp profile knows nothing of these before 23; there no filter of packets stands between a container and what is below the host. */
const vsock = "socket to the machine below";
let knowsVsock: boolean;

function assertKernel(told: Map<string, string>, building = false): void {
  assert.equal(told.get("calls are made"), "done");
  assert.ok(told.size > 35, `${told.size} attempts`);
  for (const [name, outcome] of told) {
    if (name === "calls are made" || name === "grant") continue;
    if (building && ofBuilds.has(name)) continue;
    if (name === vsock && !knowsVsock) continue;
    if (/^(sockets|processes) of/.test(name)) assert.equal(outcome, "none", name);
    // Nothing is read of what is hidden, and then there is no error either.
    else assert.match(outcome, /^(EPERM|EACCES|EROFS|ENOENT|ENOSYS|ENODEV|ENXIO|EAFNOSUPPORT|no error|refused)$/, name);
  }
  for (const name of ["mount", "unshare", "keyctl", "add_key", "bpf", "setns", "perf_event_open", "kexec_load", "clock_settime"])
    assert.match(String(told.get(name)), /^(EPERM|ENOSYS)$/, name);
}

before(async () => {
  if (skip) return;
  await new Promise<void>((resolve) => world.listen(0, "0.0.0.0", resolve));
  await cloud.start();
  const signedIn = await cloud.signIn();
  ({ client, token, projectId } = signedIn);
  engine = await EngineOf.open(cloud);
  driver = engine.driver();
  knowsVsock = Number.parseInt((await driver.info()).version, 10) >= 23;
  await engine.giveBase("static", "12");
  // Where clouds tell machines who they are.
  inside("ip", "addr", "replace", `${metadata}/32`, "dev", "lo");
  const victims = await client.projectCreate({
    organisation: signedIn.organisationId as never,
    name: "Victims",
    slug: "victims",
  });
  await khmara(["app", "deploy", "victim", source({ "index.html": "untouched" }), "--create", "--project", victims.id]);
  const [victim] = (await driver.containerList()).filter(({ labels }) => labels["project"] === victims.id);
  assert.ok(victim);
  victimAddress = victim.addresses[projectNetwork(victims.id).name] as string;
  // As the databases of a project are.
  const { name } = projectNetwork(victims.id);
  await driver.containerCreate({
    name: "published",
    image: victim.image,
    labels: {},
    entrypoint: ["perl", "-MIO::Socket::INET", "-e"],
    command: ["$s = IO::Socket::INET->new(LocalPort => 9999, Listen => 9, ReuseAddr => 1); while ($c = $s->accept) { close $c }"],
    networks: [{ name, aliases: [] }],
    ports: [{ address: "0.0.0.0", port: publishedPort, containerPort: 9999 }],
    mounts: [],
    temporaryFolders: [],
    readOnlyRoot: true,
    limits: { memoryBytes: 64 * 1024 ** 2, cpus: 1, processes: 32 },
    capabilities: [],
    restart: { policy: "never" },
    stop: { signal: "SIGKILL", timeoutSeconds: 1 },
    log: { fileBytes: 1024 ** 2, files: 1 },
    init: true,
  });
  await driver.containerStart("published");
  const bridge = String((await driver.networkGet(name))?.gateway);
  const card = cloud.address;
  forbidden = [
    ["console", card, cloud.port],
    ["S3", card, cloud.s3Port],
    ["gateway", card, httpPort],
    ["console at the bridge of another project", bridge, cloud.port],
    ["who tells machines who they are", metadata, cloud.port],
    ["container of another project", victimAddress, 8080],
    ["port of a database of another project", card, publishedPort],
    ["the same at the bridge", bridge, publishedPort],
  ].map(([word, address, port]) => [String(word).replaceAll(" ", "-"), String(address), Number(port)]);
});
after(async () => {
  world.close();
  if (skip) return;
  inside("ip", "addr", "del", `${metadata}/32`, "dev", "lo");
  driver?.close();
  await cloud.remove();
  await engine?.remove();
});

test("each place that it will try is there, for others", { skip }, async () => {
  for (const [name, address, port] of forbidden)
    await eventually(
      () => inside("timeout", "5", "bash", "-c", `exec 3<>/dev/tcp/${address}/${port}`).status,
      (status) => status === 0,
      30_000,
    ).catch((error) => assert.fail(`${name}: ${error.message}`));
});

test("its build reaches nothing and gets past nothing", { skip }, async () => {
  const { dev } = statSync(cloud.dataDirectory);
  const program = hostileProgram({ major: Number((BigInt(dev) >> 8n) & 0xfffn), minor: Number(BigInt(dev) & 0xffn) });
  const open = `'world,198.19.255.1,${(world.address() as AddressInfo).port}'`;
  const folder = source({ "hostile.pl": program, Dockerfile: hostileDockerfile(`${networkWords(forbidden)} ${open}`) });
  await khmara(["app", "deploy", "hostile", folder, "--create"]);
  const [app] = (await client.appList({ project: projectId as never, search: "hostile" })).items;
  const [deployment] = (await client.deploymentList({ app: app?.id as never })).items;
  const log = await khmara(["deployment", "log", String(deployment?.id)]);
  const told = outcomes(log);
  assert.equal(told.get("world"), "done", log);
  assert.equal(told.get("grant"), "done");
  assertUnreached(told, forbidden);
  const kernel = new Map([...told].filter(([name]) => name !== "world" && !forbidden.some(([place]) => place === name)));
  assertKernel(kernel, true);
  assert.equal((await look("hostile", "default")).text, "hostile");
});

test("while it runs it reaches its own network and the world, and nothing of the host or of other projects", {
  skip,
}, async () => {
  const own = String((await driver.networkGet(projectNetwork(projectId).name))?.gateway);
  const link = /fe80:[0-9a-f:]+/.exec(inside("ip", "-6", "addr", "show", "to", "fe80::/10").stdout)?.[0];
  const places: typeof forbidden = [
    ...forbidden,
    ["console-at-its-own-bridge", own, cloud.port],
    ["database-of-the-cloud", own, 5432],
    ["the-engine", own, 2375],
    ...(link === undefined ? [] : [["the-host-by-IPv6", link, cloud.port] as [string, string, number]]),
  ];
  const worldPort = (world.address() as AddressInfo).port;
  const words = [
    networkWords(places),
    `'world,198.19.255.1,${worldPort}'`,
    "'its-own-name,hostile,0'",
    "'its-own-app,hostile,8080'",
  ];
  const script = `perl /opt/hostile.pl network ${words.join(" ")} 'name-of-another-project,victim,0'`;
  const told = outcomes(await khmara(["app", "terminal", "hostile"], `${script}; exit\n`));
  for (const name of ["world", "its-own-name", "its-own-app"]) assert.equal(told.get(name), "done", name);
  assert.notEqual(told.get("name-of-another-project"), "done");
  assert.ok(told.has("name-of-another-project"));
  assertUnreached(told, places);
});

test("as root it gets past nothing of the kernel, and neither does a command beside it or somebody else in it", {
  skip,
}, async () => {
  const script = "perl /opt/hostile.pl kernel";
  assertKernel(outcomes(await khmara(["app", "terminal", "hostile"], `${script}; exit\n`)));
  assertKernel(outcomes(await khmara(["app", "run", "hostile", "--", "perl", "/opt/hostile.pl", "kernel"])));
  const [live] = (await driver.containerList()).filter(
    ({ labels }) => labels["container"] === "web-1" && labels["project"] === projectId,
  );
  // What its build prepared: a program that begins as root, and one that begins with a capability.
  const { stdout } = await driver.containerExec(String(live?.name), {
    command: ["perl", "/opt/hostile.pl", "user"],
    user: "nobody",
    maxOutputBytes: 10_000,
  });
  assert.deepEqual(
    [...outcomes(Buffer.from(stdout).toString())],
    [
      ["setuid", "refused"],
      ["file capability", "refused"],
    ],
  );
});

test("bombs end alone: of processes, of memory, of shared memory", { skip }, async () => {
  const visitors = new Visitors(httpPort, "victim.victims.localhost", { people: 2, address: cloud.address });
  const bomb = (mode: string) => khmara(["app", "run", "hostile", "--", "perl", "/opt/hostile.pl", mode]);
  const forks = outcomes(await bomb("forks")).get("processes");
  const [count, reason] = String(forks).split(" ");
  assert.ok(Number(count) < 520 && /^(EAGAIN|EWOULDBLOCK)$/.test(String(reason)), `forks: ${forks}`);
  await assert.rejects(bomb("memory"), /exit code 137|memory/);
  assert.match(String(outcomes(await bomb("shared memory")).get("shared memory")), /^(ENOSPC|ENOMEM)$/);
  await visitors.stop();
  assert.deepEqual(visitors.failures, []);
  assert.ok(visitors.answers > 10);
  assert.equal((await look("victim", "victims")).text, "untouched");
});
