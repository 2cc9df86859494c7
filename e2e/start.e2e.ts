import assert from "node:assert/strict";
import { execFileSync, spawnSync } from "node:child_process";
import { createHash, randomBytes } from "node:crypto";
import {
  accessSync,
  constants,
  cpSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statfsSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { delimiter, join, relative, sep } from "node:path";
import { after, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { Secret, TOTP } from "otpauth";
import { databaseHost } from "../kernel/config.ts";
import { postgres } from "../kernel/db/postgres-client.ts";
import { dataPaths } from "../server/data-folder.ts";
import { startPostgres } from "../server/postgres.ts";
import { processesIn } from "../server/processes.ts";
import { exec, newCloud, owner, repository } from "./cloud.ts";
import { type Launched, launch } from "./khmara-up.ts";

/**
 * The first start on a machine that has nothing but an old Node and npm, and what goes wrong around it: a copy of the repository
 * without its node_modules, an empty cache, the real processes. What the supervisor alone refuses is in server/supervisor.test.ts.
 */
const cloud = await newCloud();
const home = join(cloud.folder, "repository");
const cache = join(cloud.folder, "cache");
const bin = join(cloud.folder, "bin");
const running = new Set<Launched>();
after(async () => {
  for (const one of running) one.process.kill("SIGKILL");
  // Children of a supervisor that was killed end by themselves; PostgreSQL is ended by its own next start, which there is none of.
  for (const pid of processesIn(dataPaths(cloud.dataDirectory).postgresql)) process.kill(pid, "SIGKILL");
  await cloud.remove();
});

const left = new Set(["node_modules", "dist", ".git", ".cache", "data", ".artifacts"]);

function copyRepository(): void {
  cpSync(repository, home, {
    recursive: true,
    filter: (source) =>
      !relative(repository, source)
        .split(sep)
        .some((name) => left.has(name)),
  });
}

/** npm, and a Node below 24: this machine's own old one, or else a new one that says so. */
function makeOldMachine(): void {
  mkdirSync(bin);
  const folders = [...(process.env["PATH"] ?? "").split(delimiter), "/usr/local/bin", "/usr/bin"];
  const find = (name: string, fits: (file: string) => boolean = () => true) =>
    folders
      .map((folder) => join(folder, name))
      .find((file) => {
        try {
          accessSync(file, constants.X_OK);
          return fits(file);
        } catch {
          return false;
        }
      });
  const npm = find("npm");
  assert.ok(npm, "npm is on this machine");
  symlinkSync(npm, join(bin, "npm"));
  const major = (file: string) => Number(/^v(\d+)/.exec(execFileSync(file, ["--version"], { encoding: "utf8" }))?.[1]);
  const old = find("node", (file) => major(file) < 24);
  if (old !== undefined) symlinkSync(old, join(bin, "node"));
  else
    writeFileSync(
      join(bin, "node"),
      `#!/bin/sh\n[ "$*" != --version ] || { echo v20.20.2; exit; }\nexec '${process.execPath}' "$@"\n`,
      { mode: 0o755 },
    );
}

function khmara(words: string[], environment: NodeJS.ProcessEnv = {}): Launched {
  const started = launch(join(home, "khmara"), words, {
    PATH: [bin, "/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin", "/sbin", "/bin"].join(delimiter),
    KHMARA_CACHE: cache,
    KHMARA_DATA: cloud.dataDirectory,
    KHMARA_PORT: String(cloud.port),
    KHMARA_S3_PORT: String(cloud.s3Port),
    ...environment,
  });
  running.add(started);
  void started.ended.then(() => running.delete(started));
  return started;
}

/** It ends with one line that says what to do, and leaves no process behind. */
async function refused(started: Launched, message: RegExp): Promise<void> {
  const { code, output } = await started.ended;
  assert.equal(code, 1, output);
  const said = output.split("\n").filter((line) => line.startsWith("khmara: "));
  assert.equal(said.length, 1, output);
  assert.match(said[0] as string, message);
  assert.doesNotMatch(output, /^ +at /m, "no stack trace");
}

const key = { accessKeyId: "", secretAccessKey: "" };
const aws = (...words: string[]) =>
  exec("/usr/bin/aws", ["--endpoint-url", cloud.s3Url, ...words], {
    env: {
      AWS_ACCESS_KEY_ID: key.accessKeyId,
      AWS_SECRET_ACCESS_KEY: key.secretAccessKey,
      AWS_DEFAULT_REGION: "us-east-1",
      AWS_CONFIG_FILE: "/nonexistent",
      AWS_EC2_METADATA_DISABLED: "true",
      AWS_MAX_ATTEMPTS: "1",
    },
  });
const hash = (path: string) => createHash("sha256").update(readFileSync(path)).digest("hex");
const file = join(cloud.folder, "file");
const back = join(cloud.folder, "back");

/** The object of the first start is still there, with its bytes. */
async function assertStored(): Promise<void> {
  await aws("s3", "cp", "--only-show-errors", "s3://first/file", back);
  assert.equal(hash(back), hash(file));
}

let up: Launched;
const seconds = (ms: number) => `${(ms / 1000).toFixed(1)} s`;

test("the first start, with an old Node and nothing installed", { timeout: 300_000 }, async (t) => {
  copyRepository();
  assert.equal(existsSync(join(home, "node_modules")), false);
  makeOldMachine();
  writeFileSync(file, randomBytes(10 * 2 ** 20));
  up = khmara(["up"], { KHMARA_OWNER_EMAIL: owner.email, KHMARA_OWNER_PASSWORD: owner.password });
  t.diagnostic(`first start: ${seconds(await up.ready)}`);
  const { client, projectId } = await cloud.signIn();
  Object.assign(key, await client.accessKeyCreate({ project: projectId as never, name: "start" }));
  await aws("s3", "mb", "s3://first");
  await aws("s3", "cp", "--only-show-errors", file, "s3://first/file");
  await assertStored();

  const said = up.output();
  for (const step of ["Runtime", "Dependencies", "Console", "Database", "Control plane", "Objects"])
    assert.match(said, new RegExp(`^${step}: `, "m"));
  assert.match(said, new RegExp(`Khmara is ready: ${cloud.url}\nSign in as the owner, ${owner.email}\\.\n$`));
});

test("what watches it is answered", async () => {
  const get = async (path: string) => {
    const response = await fetch(cloud.url + path);
    return { status: response.status, type: response.headers.get("content-type") ?? "", text: await response.text() };
  };
  assert.deepEqual(JSON.parse((await get("/healthz")).text), { status: "ok" });
  assert.deepEqual(JSON.parse((await get("/readyz")).text), { status: "ready" });
  const metrics = await get("/metrics");
  assert.match(metrics.type, /^text\/plain; version=0\.0\.4/);
  assert.match(metrics.text, /^khmara_http_requests_total\{.*\} \d+$/m);
  const docs = await get("/api/docs");
  assert.equal(docs.status, 200);
  assert.match(docs.type, /^text\/html/);
  const scripts = [...docs.text.matchAll(/(?:src|href)="(\/api\/docs\/[^"#]+)"/g)].map(([, path]) => path as string);
  assert.ok(scripts.length >= 3, docs.text.slice(0, 500));
  for (const path of scripts) assert.equal((await get(path)).status, 200, path);
  assert.match(JSON.parse((await get("/api/openapi.json")).text).openapi, /^3\.1\./);
  assert.match((await get("/")).text, /<div id="root">|<!doctype html>/i);
});

test("beside a running one", async (t) => {
  const other = await newCloud();
  t.after(() => other.remove());
  const elsewhere = { KHMARA_DATA: other.dataDirectory, KHMARA_PORT: String(other.port), KHMARA_S3_PORT: String(other.s3Port) };
  await t.test("a second one on the same data", () =>
    refused(
      khmara(["up"], { ...elsewhere, KHMARA_DATA: cloud.dataDirectory }),
      new RegExp(
        `${cloud.dataDirectory} is in use by a running Khmara \\(process ${up.process.pid}, ${cloud.url}\\)\\. Stop that one`,
      ),
    ),
  );
  await t.test("its ports are taken", async () => {
    await refused(
      khmara(["up", "--port", String(cloud.port)], elsewhere),
      /Port \d+ is taken by \S+ \(process \d+\)\. .* --port PORT/,
    );
    await refused(khmara(["up", "--s3-port", String(cloud.s3Port)], elsewhere), /Port \d+ is taken by .* --s3-port PORT/);
    assert.equal(existsSync(join(other.dataDirectory, "postgresql")), false);
  });
  await t.test("wrong words", async () => {
    await refused(khmara(["up", "--prot", "1"], elsewhere), /^khmara: Unknown option --prot\. Did you mean --port\?/);
    await refused(khmara(["up", "--port", "http"], elsewhere), /^khmara: --port is http, which is not a port/);
    await refused(khmara(["up"], { ...elsewhere, KHMARA_DATA: file }), /is not a folder/);
  });
  await assertStored();
});

test("the way back in for a locked-out owner", async (t) => {
  const link = (...words: string[]) => khmara(["password-reset-link", ...words], { KHMARA_PORT: "", KHMARA_S3_PORT: "" });
  const resetWith = async (started: Launched, password: string): Promise<number> => {
    const { code, output } = await started.ended;
    assert.equal(code, 0, output);
    const token = new RegExp(`^${cloud.url}/password-reset#([\\w-]{43})$`, "m").exec(output)?.[1];
    assert.ok(token, output);
    const reset = async () =>
      (
        await fetch(`${cloud.url}/api/v1/password-resets`, {
          method: "POST",
          headers: { "content-type": "application/json" },
          body: JSON.stringify({ token, password }),
        })
      ).status;
    const status = await reset();
    assert.equal(await reset(), 409, "a link works once");
    return status;
  };
  const signIn = async (password: string) => {
    const response = await fetch(`${cloud.url}/api/v1/sessions`, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify({ email: owner.email, password }),
    });
    return { status: response.status, ...((await response.json()) as { reason?: string }) };
  };
  const { client } = await cloud.signIn();
  const { secret } = await client.totpCreate({ currentPassword: owner.password });
  await client.totpConfirm({ code: new TOTP({ secret: Secret.fromBase32(secret) }).generate() });

  await t.test("a new password", async () => {
    assert.equal(await resetWith(link(owner.email), "another password altogether"), 204);
    assert.equal((await signIn(owner.password)).status, 401);
    assert.equal((await signIn("another password altogether")).reason, "second_factor_required");
  });
  await t.test("and without the second factor", async () => {
    assert.equal(await resetWith(link(owner.email, "--remove-second-factor"), owner.password), 204);
    assert.equal((await signIn(owner.password)).status, 201);
  });
  await t.test("it is in the audit log", async () => {
    // Of the cloud's own chain: no organisation's.
    const { heads } = await (await cloud.signIn()).client.auditVerify({});
    assert.ok(heads.some(({ chain }) => chain === "cloud"));
  });
  await t.test("what is wrong is said in one line", async () => {
    await refused(link("nobody@example.org"), /^khmara: Nobody here has the e-mail address nobody@example\.org\.$/);
    await refused(link(), /^khmara: Whose password\?/);
    await refused(link(owner.email, "--force"), /^khmara: Unknown option --force\./);
    await refused(link(owner.email, "--data", home), /^khmara: No Khmara runs on .*repository\. Start it with \.\/khmara up/);
  });
});

test("stopping leaves nothing behind; a later start finds everything", { timeout: 120_000 }, async (t) => {
  const stopped = await up.stop();
  assert.deepEqual(stopped, { code: 0, left: [] }, up.output());
  assert.match(up.output(), /Stopping\.\nKhmara has stopped\.\n$/);
  await refused(khmara(["password-reset-link", owner.email]), /^khmara: No Khmara runs on /);
  up = khmara(["up"]);
  t.diagnostic(`later start: ${seconds(await up.ready)}`);
  assert.doesNotMatch(up.output(), /Dependencies:|Become its owner/);
  await assertStored();
  assert.equal((await up.stop()).code, 0);
});

/** A word with the database while no Khmara runs. */
async function inDatabase(statement: string): Promise<void> {
  const { postgresql, databasePassword } = dataPaths(cloud.dataDirectory);
  const server = await startPostgres({ folder: postgresql, passwordFile: databasePassword, cacheFolder: cache });
  const sql = postgres(server.url(), { ...databaseHost(server.url()), max: 1 });
  await sql.unsafe(statement);
  await sql.end();
  await server.stop();
}

test("data that does not fit is refused and left as it is", { timeout: 180_000 }, async (t) => {
  const { masterKey, postgresql } = dataPaths(cloud.dataDirectory);
  const untouched = () => assert.deepEqual(processesIn(postgresql), [], "PostgreSQL has stopped");
  await t.test("a database of a newer version", async () => {
    await inDatabase(
      "insert into kernel.migrations (service, number, name, checksum) values ('objects', 9000, 'from_the_future', '')",
    );
    await refused(
      khmara(["up"]),
      /^khmara: This database was made by a newer version of Khmara \(it has objects 9000_from_the_future\)\. Start that version, or restore/,
    );
    untouched();
    await inDatabase("delete from kernel.migrations where number = 9000");
  });
  await t.test("the master key of another cloud", async () => {
    renameSync(masterKey, `${masterKey}.kept`);
    writeFileSync(masterKey, randomBytes(32), { mode: 0o600 });
    await refused(
      khmara(["up"]),
      /^khmara: The secrets in this database were made with another master key\. Put the secrets\/master\.key/,
    );
    untouched();
  });
  await t.test("no master key", async () => {
    rmSync(masterKey);
    await refused(khmara(["up"]), /^khmara: The master key .* is missing, .* Restore it from your backup\.$/);
    assert.equal(existsSync(masterKey), false);
    renameSync(`${masterKey}.kept`, masterKey);
  });
  up = khmara(["up"]);
  await up.ready;
  await assertStored();
  assert.equal((await (await cloud.signIn()).client.auditVerify({})).valid, true);
  assert.equal((await up.stop()).code, 0);
});

test("a disk that gets full, and has room again", { timeout: 180_000 }, async (t) => {
  const disk = join(cloud.folder, "disk");
  mkdirSync(disk);
  if (spawnSync("mount", ["-t", "tmpfs", "-o", "size=400m,mode=755", "none", disk]).status !== 0) {
    assert.ok(!process.env["CI"], "CI may mount a file system");
    return t.skip("no file system can be mounted here");
  }
  t.after(() => spawnSync("umount", ["-l", disk]));
  const data = join(disk, "data");
  const start = async () => {
    up = khmara(["up", "--data", data, "--owner-email", owner.email], { KHMARA_OWNER_PASSWORD: owner.password });
    await up.ready;
  };
  await start();
  const { client, projectId } = await cloud.signIn();
  Object.assign(key, await client.accessKeyCreate({ project: projectId as never, name: "disk" }));
  await aws("s3", "mb", "s3://first");
  await aws("s3", "cp", "--only-show-errors", file, "s3://first/file");
  const filler = join(disk, "filler");
  const fill = (leaveBytes: number) => {
    const { bavail, bsize } = statfsSync(disk);
    spawnSync("dd", ["if=/dev/zero", `of=${filler}`, "bs=64k", `count=${Math.floor((bavail * bsize - leaveBytes) / 65_536)}`]);
  };

  await t.test("an object that has no room is refused, and nothing is left of it", async () => {
    fill(5 * 2 ** 20);
    await assert.rejects(aws("s3api", "put-object", "--bucket", "first", "--key", "big", "--body", file), /InsufficientStorage/);
    await assertStored();
    const listed = await aws("s3api", "list-objects-v2", "--bucket", "first", "--query", "Contents[].Key", "--output", "text");
    assert.equal(listed.trim(), "file");
    const temporary = readdirSync(join(data, "objects", "tmp"), { recursive: true, withFileTypes: true });
    assert.deepEqual(
      temporary.filter((entry) => entry.isFile()).map((entry) => entry.name),
      [],
    );
    rmSync(filler);
  });
  await t.test("with no room at all what is stored can be read, and it stops cleanly and does not start", async () => {
    fill(0);
    for (let i = 0; i < 20; i++) await client.bucketCreate({ project: projectId as never, name: `full-${i}` }).catch(() => {});
    await assertStored();
    assert.equal((await up.stop()).code, 0, up.output());
    await refused(
      khmara(["up", "--data", data]),
      /^khmara: The disk that holds .* is full: \d+ MB are free, and at least \d+ MB are needed/,
    );
    rmSync(filler);
    await start();
    await assertStored();
    assert.equal((await client.auditVerify({})).valid, true);
  });
  await t.test("it goes on by itself once there is room", async () => {
    fill(0);
    for (let i = 0; i < 5; i++) await aws("s3", "cp", "--only-show-errors", file, "s3://first/more").catch(() => {});
    for (let i = 0; i < 20; i++) await client.bucketCreate({ project: projectId as never, name: `more-${i}` }).catch(() => {});
    rmSync(filler);
    for (const end = Date.now() + 30_000; ; await sleep(500)) {
      try {
        await aws("s3", "cp", "--only-show-errors", file, "s3://first/more");
        await client.bucketCreate({ project: projectId as never, name: "room-again" });
        break;
      } catch (error) {
        if (Date.now() > end) throw error;
      }
    }
    assert.equal((await client.auditVerify({})).valid, true);
  });
  assert.equal((await up.stop()).code, 0, up.output());
});
