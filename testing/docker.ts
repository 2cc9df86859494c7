/**
 * A Docker of the tests: one daemon per machine with a folder of its own below /tmp, and a network namespace of its own, as Docker drops
 * what a host forwards as soon as it starts. A pair of virtual cards leads there, so that containers are reached from the host as they are
 * everywhere: they see who comes as the address of their own bridge. All test processes share it, and it stays when they end, so that the next run finds it warm;
 * `node testing/docker.ts stop` ends it and takes everything away. KHMARA_TEST_DOCKER_SOCKET names another engine.
 */
import { execFile, spawnSync } from "node:child_process";
import { randomBytes } from "node:crypto";
import { existsSync, readFileSync, rmSync } from "node:fs";
import { Readable } from "node:stream";
import { buffer } from "node:stream/consumers";
import { promisify } from "node:util";
import { pack } from "tar-stream";
import { dockerProgram, pidFileIn, startDocker } from "../server/engines/dockerDaemon.ts";
import { isAlive, signal, startTicks, waitForEnd } from "../server/processes.ts";
import { at, DockerClient } from "../services/apps/drivers/docker/client.ts";
import { containerTools, installTestTools } from "../tools/test-tools.ts";
import { oneAtATime } from "./oneAtATime.ts";

export interface TestDocker {
  /** The path of its Unix socket. */
  socket: string;
  /** The network namespace that its bridges are in; undefined of an engine that was given. */
  network: string | undefined;
  /** Where this machine reaches the ports that it publishes. */
  address: string;
}

const run = promisify(execFile);
const folder = "/tmp/khmara-test-docker";
const logFile = `${folder}.log`;
const namespace = "khtdocker";
const network = `/run/netns/${namespace}`;
/** Of benchmarks between networks (RFC 2544), which no machine has for something real. */
const addresses = "198.18.0.0/16";
const cards = {
  outer: "khtd0",
  inner: "khtd1",
  outerAddress: "198.19.255.1",
  innerAddress: "198.19.255.2",
  both: "198.19.255.0/30",
};
const place = { folder, network, addresses };

/** Why there can be none here: for `skip`. With CI=true there is no excuse, and the tests fail instead. */
export function dockerMissing(): string | undefined {
  if (process.env["CI"] === "true") return undefined;
  if (process.platform !== "linux" || process.getuid?.() !== 0) return "Docker needs root on Linux";
  if (!existsSync(dockerProgram) && !existsSync("/usr/bin/apt-get")) return "Docker is not installed, and this is no Debian";
  return undefined;
}

let shared: Promise<TestDocker> | undefined;

/** Installs and starts it when it has to; the first of several test processes does, and the others wait. */
export function testDocker(): Promise<TestDocker> {
  shared ??= locked(prepare);
  return shared;
}

/** Lets one process at a time work on the shared daemon. */
const locked = <T>(work: () => Promise<T>): Promise<T> =>
  oneAtATime(`${folder}.lock`, `The Docker of the tests is not ready; see ${logFile}.`, work);

async function prepare(): Promise<TestDocker> {
  const given = process.env["KHMARA_TEST_DOCKER_SOCKET"];
  if (given !== undefined) {
    await sweep(given);
    return { socket: given, network: undefined, address: "127.0.0.1" };
  }
  const missing = await installTestTools(containerTools);
  if (missing.length > 0) throw new Error(`Docker is missing for the tests: ${missing.join(", ")}.`);
  if (!existsSync(network)) {
    await run("ip", ["netns", "add", namespace]);
    await run("ip", ["-n", namespace, "link", "set", "lo", "up"]);
  }
  const socket = await startDocker({ place, logFile, timeoutMs: 120_000 });
  await leadThere();
  await sweep(socket);
  return { socket, network, address: cards.innerAddress };
}

/** Its rules drop what comes from outside, but for those that are put before them. Harmless to repeat. */
async function leadThere(): Promise<void> {
  const { outer, inner, outerAddress, innerAddress, both } = cards;
  if (!existsSync(`/sys/class/net/${outer}`)) {
    await run("ip", ["link", "add", outer, "type", "veth", "peer", "name", inner, "netns", namespace]);
    await run("ip", ["addr", "add", `${outerAddress}/30`, "dev", outer]);
    await run("ip", ["-n", namespace, "addr", "add", `${innerAddress}/30`, "dev", inner]);
  }
  await run("ip", ["link", "set", outer, "up"]);
  await run("ip", ["-n", namespace, "link", "set", inner, "up"]);
  await run("ip", ["route", "replace", addresses, "via", innerAddress]);
  const rules = [
    ["filter", "DOCKER-USER", "-i", inner, "-j", "ACCEPT"],
    ["filter", "DOCKER-USER", "-o", inner, "-m", "conntrack", "--ctstate", "RELATED,ESTABLISHED", "-j", "ACCEPT"],
    ["nat", "POSTROUTING", "-s", both, "!", "-o", inner, "-j", "MASQUERADE"],
  ];
  for (const [table = "", ...rule] of rules) {
    const change = (verb: string) => run("ip", ["netns", "exec", namespace, "iptables", "-w", "10", "-t", table, verb, ...rule]);
    await change("-C").catch(() => change("-I"));
  }
}

/** Of one test; what it leaves is taken away when its process is gone. */
export const testCloudId = (): string => `test-${process.pid}-${startTicks(process.pid)}-${randomBytes(4).toString("hex")}`;

const label = "khmara.cloud";

/** Everything of a cloud of the tests. */
export async function removeCloud(socket: string, cloudId: string): Promise<void> {
  const client = new DockerClient({ endpoint: socket });
  const query = { all: true, filters: JSON.stringify({ label: [`${label}=${cloudId}`] }) };
  const quiet = () => {};
  for (const { Id } of await client.get<{ Id: string }[]>("/containers/json", { query }))
    await client.delete(at`/containers/${Id}`, { query: { force: true, v: true } }).catch(quiet);
  for (const { Id } of await client.get<{ Id: string }[]>("/networks", { query }))
    await client.delete(at`/networks/${Id}`).catch(quiet);
  const { Volumes } = await client.get<{ Volumes: { Name: string }[] | null }>("/volumes", { query });
  for (const { Name } of Volumes ?? []) await client.delete(at`/volumes/${Name}`).catch(quiet);
  for (const { Id } of await client.get<{ Id: string }[]>("/images/json", { query }))
    await client.delete(at`/images/${Id}`, { query: { force: true } }).catch(quiet);
  client.close();
}

/** Takes away what tests left that were killed. */
async function sweep(socket: string): Promise<void> {
  const client = new DockerClient({ endpoint: socket });
  const query = { all: true, filters: JSON.stringify({ label: [label] }) };
  type Labelled = { Labels: Record<string, string> | null };
  const found = [
    ...(await client.get<Labelled[]>("/containers/json", { query })),
    ...(await client.get<Labelled[]>("/networks", { query })),
    ...((await client.get<{ Volumes: Labelled[] | null }>("/volumes", { query })).Volumes ?? []),
    ...(await client.get<Labelled[]>("/images/json", { query })),
  ];
  client.close();
  for (const cloudId of new Set(found.map(({ Labels }) => Labels?.[label] ?? ""))) {
    const [, pid, began] = /^test-(\d+)-(\d+)-/.exec(cloudId) ?? [];
    if (pid !== undefined && startTicks(Number(pid)) !== began) await removeCloud(socket, cloudId);
  }
}

/** A root file system with busybox and its libraries in it, as a tarball: there is no registry to get one from. */
export async function testRootfs(files: Record<string, string> = {}): Promise<Buffer> {
  const busybox = ["/bin/busybox", "/usr/bin/busybox"].find((file) => existsSync(file));
  if (busybox === undefined) throw new Error("busybox is missing.");
  // A busybox that is linked statically cannot ask for names.
  const programs = [busybox, "/usr/bin/getent"];
  const libraries = new Set(
    programs.flatMap((each) =>
      [...spawnSync("ldd", [each], { encoding: "utf8" }).stdout.matchAll(/\/[^ )]+/g)].map(([file]) => file.trim()),
    ),
  );
  const { stdout } = await run(busybox, ["--list"]);
  const tar = pack();
  const made = new Set<string>();
  const folderOf = (path: string): void => {
    const parent = path.slice(0, Math.max(0, path.lastIndexOf("/")));
    if (parent === "" || made.has(parent)) return;
    folderOf(parent);
    made.add(parent);
    tar.entry({ name: parent, type: "directory", mode: 0o755 });
  };
  const file = (path: string, content: Buffer | string, mode: number) => {
    folderOf(path);
    tar.entry({ name: path, mode }, content);
  };
  for (const name of ["proc", "sys", "dev", "run", "etc", "root", "data"]) {
    made.add(name);
    tar.entry({ name, type: "directory", mode: 0o755 });
  }
  tar.entry({ name: "tmp", type: "directory", mode: 0o1777 });
  file("bin/busybox", readFileSync(busybox), 0o755);
  file("bin/getent", readFileSync("/usr/bin/getent"), 0o755);
  for (const library of libraries) file(library.slice(1), readFileSync(library), 0o755);
  for (const name of stdout.trim().split("\n"))
    if (name !== "busybox" && name !== "getent") tar.entry({ name: `bin/${name}`, type: "symlink", linkname: "/bin/busybox" });
  file("etc/passwd", "root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/:/bin/sh\n", 0o644);
  file("etc/group", "root:x:0:\nnobody:x:65534:\n", 0o644);
  for (const [path, content] of Object.entries(files)) file(path, content, 0o755);
  tar.finalize();
  return buffer(tar);
}

/** A context of a build. */
export function testContext(files: Record<string, string | Buffer>): Readable {
  const tar = pack();
  for (const [name, content] of Object.entries(files)) tar.entry({ name, mode: 0o644 }, content);
  tar.finalize();
  return Readable.from(tar);
}

/** Ends the daemon and takes away everything that it had. */
async function stop(): Promise<void> {
  const pid = existsSync(pidFileIn(place)) ? Number(readFileSync(pidFileIn(place), "utf8")) : 0;
  if (pid > 1 && isAlive(pid)) {
    signal(pid, "SIGTERM");
    if (!(await waitForEnd([pid], 60_000))) signal(pid, "SIGKILL");
  }
  const mounts = readFileSync("/proc/self/mounts", "utf8")
    .split("\n")
    .map((line) => line.split(" ")[1] ?? "")
    .filter((each) => each.startsWith(`${folder}/`));
  for (const each of mounts.reverse()) spawnSync("umount", ["-l", each], { stdio: "ignore" });
  rmSync(folder, { recursive: true, force: true });
  if (existsSync(network)) spawnSync("ip", ["netns", "del", namespace], { stdio: "ignore" });
}

if (import.meta.main) {
  if (process.argv[2] === "stop") await locked(stop);
  else console.log(JSON.stringify(await testDocker(), undefined, 2));
}
