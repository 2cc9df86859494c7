import assert from "node:assert/strict";
import { execFile, spawn } from "node:child_process";
import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { chownSync, existsSync, globSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { after, before, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { promisify } from "node:util";
import { postgres } from "../kernel/db/postgres-client.ts";
import { dataPaths } from "../server/data-folder.ts";
import { databaseUser } from "../server/system-user.ts";
import { freePort } from "../testing/ports.ts";
import { clientEnvironment, exec, newCloud, owner, repository } from "./cloud.ts";
import { khmaraHere, type Launched, launch } from "./khmara-up.ts";

/** A PostgreSQL that is not ours, as Debian ships it: the cloud works on it, and the same tests pass on both. */
const programs = dirname(globSync("/usr/lib/postgresql/*/bin/initdb").sort().at(-1) ?? "/usr/lib/postgresql/bin/initdb");
// PostgreSQL refuses to run as root.
const user = databaseUser();
const folder = mkdtempSync(join(tmpdir(), "khmara-postgresql-"));
const data = join(folder, "data");
const password = randomBytes(12).toString("hex");
const cloud = await newCloud();
const port = await freePort();
const running = new Set<Launched>();

const url = (name: string, database: string, secret = password) => `postgres://${name}:${secret}@127.0.0.1:${port}/${database}`;

async function run(program: string, words: string[]): Promise<void> {
  await promisify(execFile)(join(programs, program), words, {
    cwd: folder,
    env: { PATH: process.env["PATH"], LC_ALL: "C" },
    ...(user && { uid: user.uid, gid: user.gid }),
  });
}

const control = (verb: string) =>
  run("pg_ctl", [
    verb,
    ...["--pgdata", data, "--log", join(folder, "log"), "--wait", "--mode", "fast"],
    ...(verb === "stop"
      ? []
      : ["--options", `-p ${port} -c listen_addresses=127.0.0.1 -c unix_socket_directories= -c fsync=off`]),
  ]);

async function asAdmin(...statements: string[]): Promise<void> {
  const sql = postgres(url("postgres", "postgres"), { max: 1 });
  for (const statement of statements) await sql.unsafe(statement);
  await sql.end();
}

before(async () => {
  const passwordFile = join(folder, "password");
  writeFileSync(passwordFile, password);
  for (const path of [folder, passwordFile]) if (user) chownSync(path, user.uid, user.gid);
  await run("initdb", [
    "--pgdata",
    data,
    "--username",
    "postgres",
    "--auth",
    "scram-sha-256",
    "--pwfile",
    passwordFile,
    "--no-sync",
  ]);
  await control("start");
  await asAdmin(
    `create role cloud login createrole password '${password}'`,
    "create database cloud owner cloud",
    `create role poor login password '${password}'`,
    "create database poor owner poor",
  );
});
after(async () => {
  for (const one of running) one.process.kill("SIGKILL");
  await control("stop").catch(() => {});
  rmSync(folder, { recursive: true, force: true });
  await cloud.remove();
});

function khmara(words: string[], databaseUrl: string): Launched {
  const started = launch(khmaraHere, words, {
    KHMARA_NODE: process.execPath,
    ...(process.env["KHMARA_CACHE"] && { KHMARA_CACHE: process.env["KHMARA_CACHE"] }),
    KHMARA_DATA: cloud.dataDirectory,
    KHMARA_PORT: String(cloud.port),
    KHMARA_S3_PORT: String(cloud.s3Port),
    KHMARA_DATABASE_URL: databaseUrl,
  });
  running.add(started);
  void started.ended.then(() => running.delete(started));
  return started;
}

async function refused(databaseUrl: string, message: RegExp): Promise<void> {
  const { code, output } = await khmara(["up"], databaseUrl).ended;
  assert.equal(code, 1, output);
  const said = output.split("\n").filter((line) => line.startsWith("khmara: "));
  assert.equal(said.length, 1, output);
  assert.match(said[0] as string, message);
  assert.doesNotMatch(output, new RegExp(password), "the password is not shown");
}

test("an address that does not lead to a database is told in one line", async (t) => {
  const nobody = await freePort();
  for (const [what, address, message] of [
    [
      "no server",
      `postgres://cloud:${password}@127.0.0.1:${nobody}/cloud`,
      /^khmara: The database at 127\.0\.0\.1:\d+ cannot be reached \(ECONNREFUSED\)/,
    ],
    ["a wrong password", url("cloud", "cloud", "wrong"), /^khmara: .*password authentication failed for user "cloud"/],
    ["no such database", url("cloud", "clod"), /^khmara: .*database "clod" does not exist/],
    [
      "a role that may not make roles",
      url("poor", "poor"),
      /^khmara: The database's user poor lacks a right\. Let the administrator .* run: alter role poor createrole;/,
    ],
  ] as const)
    await t.test(what, () => refused(address, message));
});

test("a cloud on it: sign in, an object, a restart", { timeout: 120_000 }, async () => {
  const address = url("cloud", "cloud");
  const passwordFile = join(folder, "owner");
  writeFileSync(passwordFile, owner.password);
  let up = khmara(["up", "--owner-email", owner.email, "--owner-password-file", passwordFile], address);
  await up.ready;
  assert.match(up.output(), /^Database: your own PostgreSQL/m);
  const { client, projectId } = await cloud.signIn();
  const key = await client.accessKeyCreate({ project: projectId as never, name: "external" });
  const aws = (...words: string[]) =>
    exec("/usr/bin/aws", ["--endpoint-url", cloud.s3Url, "s3", ...words], {
      env: {
        AWS_ACCESS_KEY_ID: key.accessKeyId,
        AWS_SECRET_ACCESS_KEY: key.secretAccessKey,
        AWS_DEFAULT_REGION: "us-east-1",
        AWS_CONFIG_FILE: "/nonexistent",
        AWS_EC2_METADATA_DISABLED: "true",
      },
    });
  await aws("mb", "s3://external");
  await aws("cp", "--only-show-errors", passwordFile, "s3://external/file");
  const assertStored = async () => assert.equal(await aws("cp", "--only-show-errors", "s3://external/file", "-"), owner.password);
  await assertStored();
  assert.equal(existsSync(dataPaths(cloud.dataDirectory).postgresql), false, "no PostgreSQL of ours was made");

  const link = await khmara(["password-reset-link", owner.email], address).ended;
  assert.match(link.output, new RegExp(`^${cloud.url}/password-reset#`));
  const without = await khmara(["password-reset-link", owner.email], "").ended;
  assert.match(without.output, /^khmara: .* set KHMARA_DATABASE_URL as for \.\/khmara up\.\n$/);

  // It is somebody else's to restart; the cloud comes back by itself.
  await control("restart");
  for (const end = Date.now() + 20_000; !(await fetch(`${cloud.url}/readyz`)).ok; await sleep(100))
    assert.ok(Date.now() < end, "the database is back");
  await client.bucketCreate({ project: projectId as never, name: "after-restart" });
  await assertStored();

  assert.deepEqual(await up.stop(), { code: 0, left: [] }, up.output());
  up = khmara(["up"], address);
  await up.ready;
  await assertStored();
  assert.equal((await client.auditVerify({})).valid, true);
  assert.equal((await client.bucketList({ project: projectId as never })).items.length, 2);
  assert.equal((await up.stop()).code, 0);
});

for (const part of ["kernel", "services/identity"]) {
  test(`the unit tests of ${part}/ pass on it`, { timeout: 300_000 }, async (t) => {
    await asAdmin("alter role cloud createdb");
    const environment = Object.entries(clientEnvironment()).filter(([name]) => !name.startsWith("NODE_"));
    const tests = spawn(
      process.execPath,
      ["--test", "--test-reporter=spec", "--test-concurrency=2", ...globSync(`${part}/**/*.test.ts`, { cwd: repository })],
      {
        cwd: repository,
        stdio: ["ignore", "pipe", "pipe"],
        env: { ...Object.fromEntries(environment), KHMARA_TEST_DATABASE_URL: url("cloud", "cloud") },
      },
    );
    let output = "";
    for (const stream of [tests.stdout, tests.stderr]) stream.on("data", (chunk) => (output += chunk));
    const [code] = await once(tests, "close");
    assert.equal(code, 0, output.slice(output.indexOf("failing tests:")));
    const passed = Number(/^ℹ pass (\d+)$/m.exec(output)?.[1]);
    assert.ok(passed > 20, output.slice(-2000));
    t.diagnostic(`${passed} passed`);
  });
}
