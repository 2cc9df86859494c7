import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { chmodSync, existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import type { ComputeEngineConfig } from "../../kernel/config.ts";
import { openLxdClient } from "../../services/compute/drivers/lxd/client.ts";
import { copyLauncher, eventually, gone, type LauncherCopy, type RunningKhmara } from "../../testing/launcher.ts";
import { lxdMissing, testLxd } from "../../testing/lxd.ts";
import { isAlive, processIds } from "../processes.ts";
import { askEngine } from "./ask.ts";
import { removeDaemon, startDaemon } from "./daemon.ts";
import { type EngineKind, engineKinds, programOf, systemdRuns } from "./kinds.ts";

/** An engine of this test's own, apart from the shared one of the others: it is started, killed and found again. */
describe("./khmara up with an engine", {
  skip: lxdMissing() ?? (systemdRuns() && "systemd would start the engine itself"),
}, () => {
  let copy: LauncherCopy;
  let kind: EngineKind;
  let place: string;
  let folder: string;
  let environment: NodeJS.ProcessEnv;
  let instance: number;
  before(async () => {
    // What is missing is installed with the shared one.
    ({ kind } = await testLxd());
    copy = copyLauncher();
    // Short: the path of a socket holds 107 bytes.
    place = mkdtempSync("/tmp/khe-");
    // Users of instances are others than root, and pass through.
    chmodSync(place, 0o711);
    folder = join(place, "engine");
    environment = { KHMARA_ENGINE_SOCKET: "", [engineKinds[kind].folderVariable]: folder };
  });
  after(async () => {
    if (copy === undefined) return;
    copy.remove();
    await startDaemon({ kind, folder, logFile: join(place, "engine.log") });
    const client = openLxdClient({ endpoint: socket() });
    await client.put("/1.0/instances/kept/state", { action: "stop", force: true }).catch(() => {});
    await removeDaemon(kind, folder);
    rmSync(place, { recursive: true, force: true });
  });

  const up = (words: string[] = [], more: NodeJS.ProcessEnv = {}) => copy.start(words, { ...environment, ...more }).ready();
  const engineOf = async (khmara: RunningKhmara): Promise<ComputeEngineConfig> =>
    ((await (await fetch(`http://127.0.0.1:${khmara.port}/config`)).json()) as { computeEngine: ComputeEngineConfig })
      .computeEngine;
  const socket = () => join(folder, "unix.socket");
  const daemons = () =>
    processIds().filter((pid) => {
      try {
        return (
          readFileSync(`/proc/${pid}/environ`, "utf8").split("\0").includes(`${engineKinds[kind].folderVariable}=${folder}`) &&
          readFileSync(`/proc/${pid}/cmdline`, "utf8").split("\0")[0] === programOf(kind)
        );
      } catch {
        return false;
      }
    });
  const answers = () => askEngine<{ config: object }>({ endpoint: socket() }, "GET", "/1.0");

  /** The process that an instance began with, as the host sees it. */
  const startInstance = async (): Promise<number> => {
    const root = join(place, "image");
    const script = `set -eu
      mkdir -p rootfs/sbin rootfs/bin rootfs/dev rootfs/proc rootfs/sys rootfs/run rootfs/tmp rootfs/etc rootfs/root
      printf '#!/bin/sh\nexec sleep infinity\n' >rootfs/sbin/init
      chmod 755 rootfs/sbin/init
      for program in sh sleep; do
        cp "$(readlink -f "$(command -v $program)")" rootfs/bin/$program
        for library in $(ldd rootfs/bin/$program | grep -o '/[^ )]*'); do cp -L --parents "$library" rootfs; done
      done
      printf '{"architecture":"%s","creation_date":1}' "$(uname -m)" >metadata.yaml
      tar -czf image.tar.gz metadata.yaml rootfs`;
    const made = spawnSync("sh", ["-c", `mkdir ${root}; cd ${root}; ${script}`], { encoding: "utf8" });
    assert.equal(made.status, 0, made.stderr);
    const client = openLxdClient({ endpoint: socket() });
    const { metadata } = await client.upload("POST", "/1.0/images", readFileSync(join(root, "image.tar.gz")));
    await client.post("/1.0/instances", {
      name: "kept",
      source: { type: "image", fingerprint: metadata?.["fingerprint"] },
      devices: { root: { type: "disk", path: "/", pool: "khmara" } },
    });
    await client.put("/1.0/instances/kept/state", { action: "start" });
    return (await client.get<{ pid: number }>("/1.0/instances/kept/state")).pid;
  };

  test("without leave nothing is started, and what to do is said", async () => {
    const khmara = await up();
    const { title } = engineKinds[kind];
    assert.match(
      khmara.output(),
      new RegExp(`Engine: ${title} is installed and does not run\\. Start it: \\./khmara up --install-engines`),
    );
    assert.deepEqual(await engineOf(khmara), {
      missing: "not_running",
      hint: `${title} is installed and does not run. Start it: ./khmara up --install-engines`,
    });
    await khmara.stop();
    assert.equal(existsSync(folder), false);
  });

  test("with leave it runs, with a pool of ours", async () => {
    const khmara = await up(["--install-engines"]);
    assert.deepEqual(await engineOf(khmara), { kind, endpoint: socket(), pool: "khmara" });
    assert.match(
      khmara.output(),
      /Engine: starting (LXD|Incus)\n[\s\S]*pool khmara; storage pool khmara made: (btrfs|zfs|dir), /,
    );
    const pool = await askEngine<{ driver: string; status: string }>({ endpoint: socket() }, "GET", "/1.0/storage-pools/khmara");
    assert.equal(pool.status, "Created");
    await khmara.stop();
    await answers();
  });

  test("a clean end and kill -9 leave it running, and the next start finds it at once", async () => {
    const [daemon] = daemons();
    assert.ok(daemon !== undefined);
    instance = await startInstance();
    // Remembered: nobody has to say it again.
    const first = await up();
    assert.match(first.output(), /Engine: (LXD|Incus) [\d.]+, pool khmara/);
    const control = first.pid("control");
    first.process.kill("SIGKILL");
    await gone(control);
    assert.ok(isAlive(daemon) && isAlive(instance));
    const second = await up();
    assert.deepEqual(await engineOf(second), { kind, endpoint: socket(), pool: "khmara" });
    await second.stop();
    assert.deepEqual(daemons(), [daemon]);
    assert.ok(isAlive(instance));
    await answers();
  });

  test("one that ended is started again: by a start, and while the cloud runs", async () => {
    for (const pid of daemons()) process.kill(pid, "SIGKILL");
    await eventually(daemons, (pids) => pids.length === 0);
    const khmara = await up();
    assert.deepEqual(await engineOf(khmara), { kind, endpoint: socket(), pool: "khmara" });
    for (const pid of daemons()) process.kill(pid, "SIGKILL");
    await eventually(answers, () => true, 60_000);
    assert.match(khmara.output(), /(LXD|Incus) has ended; starting it again\./);
    await khmara.stop();
    assert.ok(isAlive(instance), "servers run on without their engine");
    const { pid, status } = await openLxdClient({ endpoint: socket() }).get<{ pid: number; status: string }>(
      "/1.0/instances/kept/state",
    );
    assert.deepEqual([pid, status], [instance, "Running"]);
  });

  test("two that start it at once get the same one", async () => {
    for (const pid of daemons()) process.kill(pid, "SIGKILL");
    await eventually(daemons, (pids) => pids.length === 0);
    const start = () => startDaemon({ kind, folder, logFile: join(place, "engine.log") });
    assert.deepEqual(await Promise.all([start(), start()]), [socket(), socket()]);
    await eventually(daemons, (pids) => pids.length === 1, 30_000);
    await answers();
  });

  test("one that cannot start says why, and the cloud starts", async (t) => {
    const broken = join(place, "broken");
    spawnSync("mkdir", [broken]);
    spawnSync("touch", [join(broken, "database")]);
    t.after(() => removeDaemon(kind, broken));
    const khmara = await up(["--install-engines"], { [engineKinds[kind].folderVariable]: broken });
    const config = await engineOf(khmara);
    assert.ok("missing" in config);
    assert.equal(config.missing, "start_failed");
    assert.match(config.hint, /(LXD|Incus) could not be started: .+ See .*(lxd|incus)\.log\.$/);
    await khmara.stop();
  });

  test("leave is taken back", async () => {
    for (const pid of daemons()) process.kill(pid, "SIGKILL");
    await eventually(daemons, (pids) => pids.length === 0);
    const khmara = await up(["--install-engines=no"]);
    assert.equal(((await engineOf(khmara)) as { missing?: string }).missing, "not_running");
    await khmara.stop();
    assert.deepEqual(daemons(), []);
  });
});
