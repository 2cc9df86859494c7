import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { copyLauncher, eventually, gone, type LauncherCopy, type RunningKhmara } from "../testing/launcher.ts";
import { freePort } from "../testing/ports.ts";
import { commandName, isAlive } from "./processes.ts";

const get = async (port: number, path = "/"): Promise<string> =>
  (await fetch(`http://127.0.0.1:${port}${path}`, { signal: AbortSignal.timeout(3000) })).text();
const postmaster = (copy: LauncherCopy): number =>
  Number(readFileSync(join(copy.dataDirectory, "postgresql", "postmaster.pid"), "utf8").split("\n")[0]);

describe("the cloud starts, is watched and stops", () => {
  let copy: LauncherCopy;
  before(() => {
    copy = copyLauncher();
  });
  after(() => copy.remove());

  test("the first start says what it does and ends with the address and how to sign in", async () => {
    const khmara = await copy.start().ready();
    const lines = khmara.output().trim().split("\n");
    assert.deepEqual(lines.slice(-2), [`Khmara is ready: http://127.0.0.1:${khmara.port}`, "Sign in as owner@example.org."]);
    for (const step of ["Runtime", "Console", "Database", "Control plane", "Objects"])
      assert.match(khmara.output(), new RegExp(`^${step}: `, "m"));
    assert.equal(await get(khmara.port, "/sql"), "1");
    const config = JSON.parse(await get(khmara.port, "/config"));
    assert.equal(config.dataDirectory, copy.dataDirectory);
    assert.equal(statSync(config.masterKeyFile).size, 32);
    assert.equal(statSync(config.masterKeyFile).mode & 0o777, 0o600);
    assert.equal(statSync(join(copy.dataDirectory, "secrets")).mode & 0o777, 0o700);

    const pids = [khmara.pid("control"), khmara.pid("objects"), postmaster(copy)];
    const { code, output } = await khmara.stop();
    assert.equal(code, 0);
    assert.match(output, /Khmara has stopped\.\n$/);
    for (const pid of pids) assert.equal(isAlive(pid), false);
    assert.equal(existsSync(join(copy.dataDirectory, "postgresql", "postmaster.pid")), false);
  });

  test("a later start finds the same data and key", async (t) => {
    const key = () =>
      createHash("sha256")
        .update(readFileSync(join(copy.dataDirectory, "secrets", "master.key")))
        .digest("hex");
    const before = key();
    const began = performance.now();
    const khmara = await copy.start().ready();
    // How quick it is the benchmark says: a busy machine is no fault.
    t.diagnostic(`started in ${Math.round(performance.now() - began)} ms`);
    assert.equal(await get(khmara.port, "/sql"), "2");
    await khmara.stop("SIGINT");
    assert.equal(key(), before);
  });

  test("stopping waits for what is being served; asking twice does not", async () => {
    const first = await copy.start().ready();
    const slow = get(first.port, "/slow");
    await sleep(100);
    assert.equal((await first.stop()).code, 0);
    assert.match(await slow, /^\d+$/);

    const second = await copy.start().ready();
    const cut = get(second.s3Port, "/slow").then(
      () => "served",
      () => "cut",
    );
    await sleep(100);
    second.process.kill("SIGINT");
    await sleep(100);
    assert.equal((await second.stop("SIGINT")).code, 0);
    assert.equal(await cut, "cut");
  });

  test("kill -9 of each process", async (t) => {
    let khmara: RunningKhmara = await copy.start().ready();
    t.after(() => khmara.stop());

    await t.test("the control plane comes back, the objects are not disturbed", async () => {
      const [control, objects] = [khmara.pid("control"), khmara.pid("objects")];
      process.kill(control, "SIGKILL");
      await eventually(
        () => get(khmara.port),
        (pid) => Number(pid) !== control,
      );
      assert.equal(await get(khmara.s3Port), String(objects));
      assert.match(khmara.output(), /control ended \(SIGKILL\); starting it again/);
    });

    await t.test("the object door comes back, the control plane is not disturbed", async () => {
      const [control, objects] = [khmara.pid("control"), khmara.pid("objects")];
      process.kill(objects, "SIGKILL");
      await eventually(
        () => get(khmara.s3Port),
        (pid) => Number(pid) !== objects,
      );
      assert.equal(await get(khmara.port), String(control));
    });

    await t.test("PostgreSQL comes back on the same socket, nobody else is started again", async () => {
      const count = Number(await get(khmara.port, "/sql"));
      const [control, server] = [khmara.pid("control"), postmaster(copy)];
      process.kill(server, "SIGKILL");
      await gone(server);
      await eventually(
        () => get(khmara.port, "/sql"),
        (rows) => Number(rows) > count,
      );
      assert.notEqual(postmaster(copy), server);
      assert.equal(await get(khmara.port), String(control));
    });

    await t.test("a part of PostgreSQL: it recovers by itself", async () => {
      const server = postmaster(copy);
      const count = Number(await get(khmara.port, "/sql"));
      const parts = readdirSync("/proc").filter((name) => /^\d+$/.test(name) && statusOf(name).includes(`PPid:\t${server}\n`));
      process.kill(Number(parts[0]), "SIGKILL");
      await eventually(
        () => get(khmara.port, "/sql"),
        (rows) => Number(rows) > count,
      );
      assert.equal(postmaster(copy), server);
    });

    await t.test("the supervisor: its children end, and the next start finds everything", async () => {
      const count = Number(await get(khmara.port, "/sql"));
      const pids = [khmara.pid("control"), khmara.pid("objects")];
      const server = postmaster(copy);
      khmara.process.kill("SIGKILL");
      await khmara.ended;
      for (const pid of pids) await gone(pid);
      assert.equal(commandName(server), "postgres");
      const { port, s3Port } = khmara;
      khmara = await copy.start([], { KHMARA_PORT: String(port), KHMARA_S3_PORT: String(s3Port) }).ready();
      assert.equal(isAlive(server), false);
      assert.equal(await get(khmara.port, "/sql"), String(count + 1));
    });

    await t.test("all of them at once", async () => {
      const count = Number(await get(khmara.port, "/sql"));
      khmara.process.kill("SIGKILL");
      for (const pid of [khmara.pid("control"), khmara.pid("objects"), postmaster(copy)]) process.kill(pid, "SIGKILL");
      await khmara.ended;
      khmara = await copy.start().ready();
      assert.equal(await get(khmara.port, "/sql"), String(count + 1));
    });
  });

  test("one data folder serves one Khmara at a time", async (t) => {
    const khmara = await copy.start().ready();
    t.after(() => khmara.stop());
    await refused(
      copy.start(),
      new RegExp(`is in use by a running Khmara \\(process ${khmara.process.pid}, http://127.0.0.1:${khmara.port}\\)`),
    );
    assert.match(await get(khmara.port), /^\d+$/);
  });

  test("a control plane that cannot start is told in its own words", async () => {
    await refused(
      copy.start([], { STAND_IN_FATAL: "The database is of a newer Khmara. Update this one." }),
      /^khmara: The database is of a newer Khmara\. Update this one\.$/m,
    );
    await refused(
      copy.start([], { STAND_IN_CRASH: "no such thing" }),
      /control ended \(exit code 1\): TypeError: no such thing\. See .*control\.log\./,
    );
    assert.equal(existsSync(join(copy.dataDirectory, "postgresql", "postmaster.pid")), false);
  });

  test("a database of another PostgreSQL is left as it is", async () => {
    const file = join(copy.dataDirectory, "postgresql", "PG_VERSION");
    writeFileSync(file, "17\n");
    await refused(copy.start(), /was written by PostgreSQL 17, and this Khmara brings PostgreSQL 18/);
    assert.equal(readFileSync(file, "utf8"), "17\n");
    writeFileSync(file, "18\n");
  });

  test("a lost or damaged master key is never replaced", async () => {
    const file = join(copy.dataDirectory, "secrets", "master.key");
    renameSync(file, `${file}.kept`);
    await refused(copy.start(), /The master key .* is missing, .* Restore it from your backup\./);
    assert.equal(existsSync(file), false);
    writeFileSync(file, "short");
    await refused(copy.start(), /is damaged \(5 bytes instead of 32\)/);
    renameSync(`${file}.kept`, file);
  });
});

const statusOf = (pid: string): string => {
  try {
    return readFileSync(`/proc/${pid}/status`, "utf8");
  } catch {
    return "";
  }
};

/** It ends with an error, and the error is one line, without a stack trace. */
async function refused(khmara: RunningKhmara, message: RegExp): Promise<void> {
  const { code, output } = await khmara.ended;
  assert.equal(code, 1, output);
  assert.match(output, message);
  assert.equal(output.split("\n").filter((line) => line.startsWith("khmara: ")).length, 1, output);
  assert.doesNotMatch(output, /^ +at /m);
}

describe("what is wrong is said in one line", () => {
  let copy: LauncherCopy;
  before(() => {
    copy = copyLauncher();
  });
  after(() => copy.remove());

  test("a wrong option", () => refused(copy.start(["--prot", "1"]), /Unknown option --prot\. Did you mean --port\?/));

  test("a port that is taken, and by whom; for both ports", async (t) => {
    const port = await freePort();
    const server = createServer().listen(port, "127.0.0.1");
    t.after(() => server.close());
    const who = new RegExp(
      `Port ${port} is taken by \\S+ \\(process ${process.pid}\\)\\. Stop it, or choose another with --port PORT\\.`,
    );
    await refused(copy.start([], { KHMARA_PORT: String(port) }), who);
    await refused(copy.start([], { KHMARA_S3_PORT: String(port) }), /choose another with --s3-port PORT/);
    assert.equal(existsSync(join(copy.dataDirectory, "postgresql")), false);
  });

  test("an address of another machine", () =>
    refused(copy.start(["--listen", "192.0.2.1"]), /192\.0\.2\.1 is not an address of this machine/));

  test("a data folder that cannot be", async () => {
    const file = join(copy.folder, "file");
    writeFileSync(file, "");
    await refused(copy.start(["--data", file]), /file is not a folder/);
    await refused(copy.start(["--data", join(file, "below")]), /is not a folder/);
    await refused(copy.start(["--data", "/proc/khmara"]), /\/proc\/khmara is not writable/);
  });

  test("a data folder of another user", { skip: process.getuid?.() === 0 }, async () => {
    const closed = join(copy.folder, "closed");
    mkdirSync(closed, { mode: 0o500 });
    await refused(copy.start(["--data", join(closed, "data")]), /is not writable for this user/);
  });

  test("a database that is not there", async () => {
    const port = await freePort();
    const khmara = copy.start([], { KHMARA_DATABASE_URL: `postgres://u:p@127.0.0.1:${port}/khmara` });
    await refused(khmara, new RegExp(`The database at 127.0.0.1:${port} cannot be reached \\(ECONNREFUSED\\)`));
  });

  test("a full disk", async (t) => {
    const disk = join(copy.folder, "disk");
    mkdirSync(disk);
    if (spawnSync("mount", ["-t", "tmpfs", "-o", "size=20m", "none", disk]).status !== 0)
      return t.skip("no file system can be mounted here");
    t.after(() => spawnSync("umount", ["-l", disk]));
    await refused(copy.start(["--data", join(disk, "data")]), /The disk that holds .* is full: \d+ MB are free/);
  });

  test("a disk that gets full while the database is made", async (t) => {
    const disk = join(copy.folder, "small");
    mkdirSync(disk);
    if (spawnSync("mount", ["-t", "tmpfs", "-o", "size=280m,mode=755", "none", disk]).status !== 0)
      return t.skip("no file system can be mounted here");
    t.after(() => spawnSync("umount", ["-l", disk]));
    const data = join(disk, "data");
    const khmara = copy.start(["--data", data]);
    await eventually(khmara.output, (text) => text.includes("Making the database"));
    // Most of it at once: the database is made in a second.
    spawnSync("fallocate", ["--length", "200M", join(disk, "filler")]);
    spawnSync("dd", ["if=/dev/zero", `of=${join(disk, "rest")}`, "bs=1M"]);
    await refused(khmara, /[Dd]isk.* is full/);
    assert.equal(existsSync(join(data, "postgresql")), false);
    for (const name of ["filler", "rest"]) rmSync(join(disk, name));
    assert.equal((await (await copy.start(["--data", data]).ready()).stop()).code, 0);
  });

  test("the making of the database is killed: the next start begins again", async () => {
    const data = join(copy.folder, "interrupted");
    const khmara = copy.start(["--data", data]);
    await eventually(khmara.output, (text) => text.includes("Making the database"));
    await sleep(300);
    khmara.process.kill("SIGKILL");
    await khmara.ended;
    assert.equal(existsSync(join(data, "postgresql")), false);
    const again = await copy.start(["--data", data]).ready();
    assert.equal(await get(again.port, "/sql"), "1");
    assert.equal((await again.stop()).code, 0);
    assert.deepEqual(
      readdirSync(data).filter((name) => name.includes(".new")),
      [],
    );
  });

  test("stopped while it starts: nothing is left", async () => {
    const data = join(copy.folder, "stopped");
    const khmara = copy.start(["--data", data]);
    await eventually(khmara.output, (text) => text.includes("Making the database"));
    assert.equal((await khmara.stop("SIGINT")).code, 0);
    assert.equal(existsSync(join(data, "postgresql", "postmaster.pid")), false);
  });
});
