import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { randomBytes } from "node:crypto";
import { mkdirSync, readdirSync, readFileSync, rmSync, truncateSync, writeFileSync } from "node:fs";
import { connect } from "node:net";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { setTimeout as pause } from "node:timers/promises";
import { processTree, rssBytes } from "../testing/processes.ts";
import { type Client, exec, newCloud, owner, repository } from "./cloud.ts";
import { rcloneEnvironment } from "./rclone.ts";

/** Objects when the disk is full, when clients are slow, and when the disk damages them: real clients, a whole cloud with two processes for objects. */
process.env["KHMARA_OBJECT_PROCESSES"] = "2";
const cloud = await newCloud();
const disk = join(cloud.dataDirectory, "objects");
mkdirSync(disk, { recursive: true });
const mib = 2 ** 20;
const diskBytes = 96 * mib;
/** Needs root, and a kernel that lets it. */
const mounted = spawnSync("mount", ["-t", "tmpfs", "-o", `size=${diskBytes}`, "tmpfs", disk]).status === 0;
let client: Client;
let key: { accessKeyId: string; secretAccessKey: string };

before(async () => {
  await cloud.start();
  const signedIn = await cloud.signIn();
  client = signedIn.client;
  key = await client.accessKeyCreate({ project: signedIn.projectId as never, name: "hardship" });
});
after(async () => {
  await cloud.stop();
  if (mounted) spawnSync("umount", ["-l", disk]);
  await cloud.remove();
});

/** Far more than what a client takes that does not try again and again, on a busy machine too. */
const run = (command: string, args: string[], env: Record<string, string> = {}) =>
  exec(command, args, { env, timeoutMs: 180_000 });
const aws = (...args: string[]) =>
  run("/usr/bin/aws", ["--endpoint-url", cloud.s3Url, ...args], {
    AWS_ACCESS_KEY_ID: key.accessKeyId,
    AWS_SECRET_ACCESS_KEY: key.secretAccessKey,
    AWS_DEFAULT_REGION: "us-east-1",
    AWS_CONFIG_FILE: "/nonexistent",
    AWS_EC2_METADATA_DISABLED: "true",
    // An answer that clients try again after is an answer too.
    AWS_MAX_ATTEMPTS: "2",
  });
const rclone = (...args: string[]) => run("/usr/bin/rclone", args, rcloneEnvironment(cloud.s3Url, key));

function file(name: string, sizeBytes: number): string {
  const path = join(cloud.folder, name);
  writeFileSync(path, randomBytes(sizeBytes));
  return path;
}
const contents = (folder: string): string[] =>
  readdirSync(join(disk, folder), { recursive: true, withFileTypes: true })
    .filter((entry) => /^[0-9a-f]{32}$/.test(entry.name))
    .map((entry) => join(entry.parentPath, entry.name));

async function until(what: string, holds: () => Promise<boolean> | boolean): Promise<void> {
  for (const deadline = Date.now() + 60_000; !(await holds()); await pause(200))
    assert.ok(Date.now() < deadline, `not within a minute: ${what}`);
}

const isFull = /InsufficientStorage/;

test("a full disk", { skip: !mounted && "no mounts here" }, async (t) => {
  const kept = file("kept.bin", 40 * mib);
  const large = file("large.bin", 80 * mib);
  const back = join(cloud.folder, "back.bin");
  const many = join(cloud.folder, "many");
  mkdirSync(many);
  for (let i = 0; i < 100; i++) writeFileSync(join(many, `${i}`), randomBytes(i % 4 === 0 ? 10_000 : mib));
  await aws("s3", "mb", "s3://full");
  await aws("s3", "cp", "--only-show-errors", kept, "s3://full/kept.bin");

  await t.test("what does not fit is refused at once, and leaves nothing behind", async () => {
    const before = contents("data").length;
    await assert.rejects(aws("s3", "cp", "--only-show-errors", large, "s3://full/large.bin"), isFull);
    await assert.rejects(aws("s3api", "put-object", "--bucket", "full", "--key", "large.bin", "--body", large), isFull);
    await assert.rejects(rclone("copyto", large, "k:full/large.bin"), isFull);
    await assert.rejects(rclone("copyto", "--s3-upload-cutoff=200M", large, "k:full/large.bin"), isFull);
    assert.match(await aws("s3", "ls", "s3://full/"), /^[^\n]* kept\.bin\n$/);
    assert.equal(JSON.parse((await aws("s3api", "list-multipart-uploads", "--bucket", "full")) || "{}").Uploads, undefined);
    await until("parts of what was given up are gone", () => contents("data").length === before);
    assert.deepEqual(contents("tmp"), []);
  });
  await t.test("what came until it was full is whole, and can be read", async () => {
    await assert.rejects(rclone("copy", "--transfers=8", many, "k:full/many"), isFull);
    await rclone("check", "--download", "--one-way", "k:full/many", many);
    await aws("s3", "cp", "--only-show-errors", "s3://full/kept.bin", back);
    assert.ok(readFileSync(back).equals(readFileSync(kept)));
    assert.deepEqual(contents("tmp"), []);
  });
  await t.test("what is deleted makes room", async () => {
    await aws("s3", "rm", "--only-show-errors", "s3://full/kept.bin");
    await until("there is room again", () =>
      aws("s3", "cp", "--only-show-errors", join(many, "1"), "s3://full/again").then(
        () => true,
        (error: Error) => {
          assert.match(error.message, isFull);
          return false;
        },
      ),
    );
    await aws("s3", "cp", "--only-show-errors", "s3://full/again", back);
    assert.ok(readFileSync(back).equals(readFileSync(join(many, "1"))));
    await rclone("copy", "--transfers=4", "--max-size=20k", many, "k:full/many");
    await aws("s3", "rb", "--force", "s3://full");
    await until("all is gone", () => contents("data").length === 0);
  });
});

test("two hundred slow clients hold connections, and nobody minds", async () => {
  const large = file("slow.bin", 16 * mib);
  await aws("s3", "mb", "s3://slow");
  await aws("s3", "cp", "--only-show-errors", large, "s3://slow/large.bin");
  const url = new URL((await aws("s3", "presign", "s3://slow/large.bin")).trim());
  const get = `GET ${url.pathname}${url.search} HTTP/1.1\r\nHost: ${url.host}\r\n\r\n`;
  const upload = `POST /slow HTTP/1.1\r\nHost: ${url.host}\r\nContent-Type: multipart/form-data; boundary=b\r\nContent-Length: 1000000\r\n\r\n`;
  const head = `GET /slow HTTP/1.1\r\nHost: ${url.host}\r\nX-Slow: `;
  const held = Array.from({ length: 200 }, (_, i) => {
    const socket = connect({ port: cloud.s3Port, host: "127.0.0.1" });
    socket.on("error", () => {});
    socket.write([get, upload, head][i % 3] as string);
    const isReader = i % 3 === 0;
    if (isReader) socket.pause();
    const more = setInterval(() => (isReader ? socket.read(1024) : socket.writable && socket.write("x")), 1000);
    socket.once("close", () => clearInterval(more));
    return socket;
  });
  try {
    for (let i = 0; i < 2; i++) {
      const back = join(cloud.folder, "beside.bin");
      await aws("s3", "cp", "--only-show-errors", large, "s3://slow/beside.bin");
      await aws("s3", "cp", "--only-show-errors", "s3://slow/beside.bin", back);
      assert.ok(readFileSync(back).equals(readFileSync(large)));
      if (i === 0) assert.ok(held.filter(({ destroyed }) => !destroyed).length >= 60, "the readers at least are still there");
    }
    const doors = processTree(cloud.pid).filter(({ command }) => /server\/objects\.[jt]s/.test(command));
    for (const { pid } of doors) assert.ok(rssBytes(pid) < 250 * mib, `${rssBytes(pid) / mib} MiB`);
  } finally {
    for (const socket of held) socket.destroy();
  }
  await aws("s3", "rb", "--force", "s3://slow");
});

test("damage on the disk is found from the shell, and told", async () => {
  await aws("s3", "mb", "s3://damage");
  await aws("s3", "cp", "--only-show-errors", file("whole.bin", mib), "s3://damage/whole.bin");
  const before = contents("data");
  await aws("s3", "cp", "--only-show-errors", file("damaged.bin", mib), "s3://damage/damaged.bin");
  const [damaged] = contents("data").filter((path) => !before.includes(path));
  truncateSync(damaged as string, 1000);

  const home = join(cloud.folder, "home");
  const password = join(cloud.folder, "password");
  writeFileSync(password, owner.password, { mode: 0o600 });
  const khmara = (...words: string[]) =>
    run(join(repository, "khmara"), words, {
      KHMARA_NODE: process.execPath,
      HOME: home,
      XDG_CONFIG_HOME: join(home, "config"),
      KHMARA_CACHE: process.env["KHMARA_CACHE"] ?? join(cloud.folder, "cache"),
    });
  await khmara("login", "--endpoint", cloud.url, "--email", owner.email, "--password-file", password);
  const said = await khmara("objects", "verify");
  assert.match(said, /waiting|running/);
  await until("it has read everything", async () => {
    const { state, finishedAt } = await client.objectVerificationGet({});
    return state === "idle" && finishedAt !== undefined;
  });
  assert.match(await khmara("object-verification", "get"), /1/);
  assert.equal((await client.bucketSafetyGet({ bucket: "damage" })).damagedObjects, 1);
  assert.match(await khmara("damaged-object", "list", "--bucket", "damage"), /damaged\.bin/);
  await assert.rejects(
    aws("s3", "cp", "--only-show-errors", "s3://damage/damaged.bin", join(cloud.folder, "x")),
    /InternalError|500/,
  );
  await aws("s3", "cp", "--only-show-errors", "s3://damage/whole.bin", join(cloud.folder, "x"));
  rmSync(join(cloud.folder, "x"));
});

test("what both processes have measured is one sum", async () => {
  const asked = 12;
  for (let i = 0; i < asked; i++) await fetch(`${cloud.s3Url}/damage?location`, { headers: { connection: "close" } });
  let text = "";
  const value = (name: string) =>
    text
      .split("\n")
      .find((line) => line.startsWith(`${name} `))
      ?.slice(name.length + 1);
  await until("both have told", async () => {
    text = await (await fetch(`${cloud.url}/metrics`)).text();
    return value('khmara_http_requests_total{route="GetBucketLocation",status="403",process="objects"}') === String(asked);
  });
  assert.equal(value('khmara_object_processes{process="objects"}'), "2");
  assert.ok(Number(value('khmara_process_resident_memory_bytes{process="objects"}')) > 100 * mib, "both together");
});
