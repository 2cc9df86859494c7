import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { mkdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { processTree } from "../testing/processes.ts";
import { clientEnvironment, exec, newCloud, owner } from "./cloud.ts";

/** The CLI as a person and a script use it: the real `./khmara`, no terminal, profiles in a folder of its own. */
const cloud = await newCloud();
const home = join(cloud.folder, "home");
const passwordFile = join(cloud.folder, "password");
const mib = 2 ** 20;

before(async () => {
  await cloud.start();
  mkdirSync(home);
  writeFileSync(passwordFile, `${owner.password}\n`, { mode: 0o600 });
});
after(() => cloud.remove());

interface Said {
  code: number | null;
  stdout: string;
  bytes: Buffer;
  stderr: string;
}

function start(words: string[], environment: Record<string, string> = {}) {
  return spawn(join(import.meta.dirname, "..", "khmara"), words, {
    env: {
      ...clientEnvironment(),
      KHMARA_NODE: process.execPath,
      HOME: home,
      KHMARA_CACHE: process.env["KHMARA_CACHE"] ?? join(cloud.folder, "cache"),
      XDG_CONFIG_HOME: join(home, "config"),
      ...environment,
    },
    stdio: "pipe",
  });
}

/** Runs a command to its end, whatever its exit code. */
async function khmara(words: string[], given: { input?: Buffer; env?: Record<string, string> } = {}): Promise<Said> {
  const child = start(words, given.env);
  const [out, err]: [Buffer[], Buffer[]] = [[], []];
  child.stdout.on("data", (chunk) => out.push(chunk));
  child.stderr.on("data", (chunk) => err.push(chunk));
  // A command that wants no input may end before it has read any.
  child.stdin.on("error", () => {});
  child.stdin.end(given.input);
  const [code] = await once(child, "close");
  const bytes = Buffer.concat(out);
  return { code, bytes, stdout: bytes.toString(), stderr: Buffer.concat(err).toString() };
}

/** What it printed, when all went well. */
async function done(...words: string[]): Promise<string> {
  const said = await khmara(words);
  assert.equal(said.code, 0, `khmara ${words.join(" ")}\n${said.stdout}\n${said.stderr}`);
  return said.stdout;
}

// biome-ignore lint/suspicious/noExplicitAny: what the API answers is compared field by field
const json = async (...words: string[]): Promise<any> => JSON.parse(await done(...words, "--json"));

async function refused(words: string[], code: number, message: RegExp): Promise<void> {
  const said = await khmara(words);
  assert.equal(said.code, code, `khmara ${words.join(" ")}\n${said.stdout}\n${said.stderr}`);
  assert.match(said.stderr, message);
  assert.equal(said.stdout, "");
  assert.doesNotMatch(said.stderr, /^ +at /m, "no stack trace");
}

const profileFile = () => join(home, "config", "khmara", "profiles.json");
const profile = () => JSON.parse(readFileSync(profileFile(), "utf8")).profiles.default;

test("help at all three levels, and without a cloud", async () => {
  const overview = await done("--help");
  for (const word of ["login", "bucket", "audit-entry", "operation", "password-reset-link"])
    assert.match(overview, new RegExp(`^ +${word}\\b`, "m"));
  assert.equal(await done("help"), overview);
  const bucket = await done("bucket", "--help");
  assert.match(bucket, /bucket create NAME +Make a bucket/);
  assert.equal(await done("help", "bucket"), bucket);
  const create = await done("bucket", "create", "--help");
  assert.match(create, /Usage: khmara bucket create NAME/);
  assert.match(create, /--project PROJECT/);
  assert.match(create, /Examples:\n {2}khmara bucket create photos/);
  assert.equal(await done("help", "bucket", "create"), create);
});

test("completion of bash knows resources and verbs", async () => {
  const script = join(cloud.folder, "completion.bash");
  writeFileSync(script, await done("completion", "bash"));
  const complete = (...words: string[]) =>
    exec("bash", [
      "-c",
      `source ${script}; COMP_WORDS=(khmara ${words.map((word) => `'${word}'`).join(" ")}); COMP_CWORD=${words.length}; _khmara; printf '%s ' "\${COMPREPLY[@]}"`,
    ]);
  assert.match(await complete("buck"), /^bucket( bucket-[a-z-]+)+ $/);
  assert.match(await complete("bucket", "cr"), /^create $/);
  assert.match(await complete("bucket", "create", "--proj"), /^--project $/);
});

test("nobody is signed in: exit code 3, and how to", async () => {
  await refused(["bucket", "list"], 3, /^khmara: You are not signed in to http.*\nSign in: khmara login\n$/);
  await refused(["bucket", "list", "--endpoint", cloud.url], 3, /not signed in/);
  const wrong = { KHMARA_TOKEN: "khm_wrong", KHMARA_ENDPOINT: cloud.url };
  const said = await khmara(["bucket", "list"], { env: wrong });
  assert.equal(said.code, 3);
  assert.match(said.stderr, /Sign in: khmara login/);
  const away = await khmara(["bucket", "list"], { env: { ...wrong, KHMARA_ENDPOINT: "http://127.0.0.1:1" } });
  assert.equal(away.code, 1);
  assert.match(away.stderr, /^khmara: The cloud at http:\/\/127\.0\.0\.1:1 cannot be reached\..*\n$/);
});

test("signing in without a terminal", async (t) => {
  await t.test("says what is missing, and what is wrong", async () => {
    await refused(["login", "--endpoint", cloud.url], 2, /Nobody is there to type an e-mail address/);
    await refused(["login", "--endpoint", cloud.url, "--email", owner.email], 2, /Nobody is there to type a password/);
    const wrong = join(cloud.folder, "wrong");
    writeFileSync(wrong, "wrong password");
    await refused(["login", "--endpoint", cloud.url, "--email", owner.email, "--password-file", wrong], 3, /password/);
  });
  await t.test("by the environment", async () => {
    const env = {
      XDG_CONFIG_HOME: join(home, "other"),
      KHMARA_ENDPOINT: cloud.url,
      KHMARA_OWNER_EMAIL: owner.email,
      KHMARA_OWNER_PASSWORD: owner.password,
    };
    const said = await khmara(["login"], { env });
    assert.equal(said.code, 0, said.stderr);
    assert.match(said.stdout, new RegExp(`^Signed in to ${cloud.url} as ${owner.email}`));
    assert.equal((await khmara(["logout"], { env })).code, 0);
  });
  await t.test("by flags; the token is kept for its owner alone", async () => {
    await done("login", "--endpoint", cloud.url, "--email", owner.email, "--password-file", passwordFile);
    assert.equal(statSync(profileFile()).mode & 0o777, 0o600);
    const { endpoint, email, token } = profile();
    assert.deepEqual([endpoint, email], [cloud.url, owner.email]);
    assert.match(token, /^khm_/);
    assert.match(await done("identity", "get"), new RegExp(owner.email));
    assert.equal((await json("identity", "get")).user.email, owner.email);
    assert.match(await done("profile", "show"), new RegExp(`endpoint +${cloud.url}\n`));
    assert.doesNotMatch(await done("profile", "show", "--json"), /khm_/);
  });
});

test("an access key for aws", async () => {
  const project = (await json("project", "create", "Pictures")).slug;
  assert.equal(project, "pictures");
  const key = await json("access-key", "create", "--project", project);
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
  await aws("mb", "s3://by-aws");
  await aws("cp", "--quiet", passwordFile, "s3://by-aws/file");
  assert.equal(await aws("cp", "--quiet", "s3://by-aws/file", "-"), `${owner.password}\n`);
  assert.match(await done("bucket", "list", "--project", project), /^by-aws +1 /m);
  // Made for people: the secret is shown once, with the note that says so.
  const shown = await khmara(["access-key", "create", "--project", project, "--name", "by hand"]);
  assert.match(shown.stdout, /^secret access key +\S{40}$/m);
  assert.match(shown.stderr, /not shown again/);
  assert.doesNotMatch(await done("access-key", "list", "--project", project, "--json"), /secretAccessKey/);
  await done("access-key", "update", key.id, "--enabled", "false");
  await assert.rejects(aws("ls"), /Invalid|AccessDenied|does not exist/);
  assert.match(await done("project", "list"), /^prj_\S+ +pictures +Pictures /m);
});

test("buckets, as tables and as JSON", async () => {
  const made = await json("bucket", "create", "photos", "--project", "default");
  assert.equal(made.name, "photos");
  assert.equal((await json("bucket", "list", "--project", "default")).items[0].id, made.id);
  const table = (await done("bucket", "list", "--project", "default")).split("\n");
  assert.match(table[0] as string, /^NAME +OBJECTS +SIZE +UPLOAD +TRASH +CREATED$/);
  assert.match(table[1] as string, /^photos +0 +0 B /);
  assert.match(await done("bucket", "get", "photos"), new RegExp(`^id +${made.id}$`, "m"));
  assert.equal((await json("bucket", "get", made.id)).name, "photos");
  assert.equal(await done("bucket", "list", "--project", "default", "--quiet"), `${made.id}\n`);
  await done("profile", "set", "--project", "default");
  assert.equal((await json("bucket", "list")).items.length, 1);
});

test("what is wrong is told, with the exit code of its kind", async () => {
  await refused(["buckte", "list"], 2, /^khmara: There is no resource "buckte"\.\nDid you mean "bucket"\?\n$/);
  await refused(["bucket", "lsit"], 2, /There is no verb "lsit" for bucket: .*\nDid you mean "list"\?/);
  await refused(["bucket", "list", "--jsno"], 2, /There is no flag --jsno here\.\nDid you mean "--json"\?/);
  await refused(["bucket", "create"], 2, /^khmara: NAME is missing\.\nUsage: khmara bucket create NAME/);
  await refused(["bucket", "create", "x", "y"], 2, /"y" is one word too many/);
  await refused(["bucket", "get", "nowhere"], 1, /^khmara: This bucket does not exist, or you have no access to it\.\nRequest /);
  await refused(["bucket", "list", "--project", "defualt"], 1, /no project "defualt".*Did you mean "default"\?/);
  await refused(["bucket", "create", "X"], 1, /name: (?!body)/);
  const problem = await khmara(["bucket", "get", "nowhere", "--json"]);
  assert.equal(problem.code, 1);
  assert.equal(JSON.parse(problem.stderr).code, "not_found");
  await done("bucket", "create", "kept");
  await refused(["bucket", "delete", "kept"], 2, /would delete bucket kept, and nobody is there.*\nAdd --yes if you mean it\./);
  await done("bucket", "get", "kept");
  await done("bucket", "delete", "kept", "--yes");
  await refused(["bucket", "get", "kept"], 1, /does not exist/);
});

test("objects go in and out with the same bytes", async (t) => {
  const at = (name: string) => join(cloud.folder, name);
  const files: [string, number, boolean][] = [
    // Name, size, and whether the CLI sends it in parts.
    ["40 MiB.bin", 40 * mib + 1, false],
    ["100 MiB.bin", 100 * mib + 1, true],
    ["nothing.txt", 0, false],
  ];
  for (const [name, sizeBytes, inParts] of files) {
    await t.test(name, async () => {
      const bytes = randomBytes(sizeBytes);
      writeFileSync(at(name), bytes);
      await done("object", "upload", "photos", at(name));
      const head = await json("object", "get", "photos", name);
      assert.equal(head.sizeBytes, sizeBytes);
      assert.equal(head.parts > 1, inParts, JSON.stringify(head));
      await done("object", "download", "photos", name, "--output", at("back"), "--force");
      assert.ok(readFileSync(at("back")).equals(bytes));
    });
  }
  await t.test("a file that is there already is not overwritten", () =>
    refused(["object", "download", "photos", "nothing.txt", "--output", at("back")], 2, /exists already\.\nAdd --force/),
  );
  await t.test("through pipes", async () => {
    // Longer than the block that the CLI holds, so that it goes in parts.
    const bytes = randomBytes(70 * mib);
    const sent = await khmara(["object", "upload", "photos", "-", "--key", "piped/bytes"], { input: bytes });
    assert.equal(sent.code, 0, sent.stderr);
    const back = await khmara(["object", "download", "photos", "piped/bytes", "--output", "-"]);
    assert.ok(back.bytes.equals(bytes));
  });
  await t.test("a folder, with its names", async () => {
    mkdirSync(at("album/нижче"), { recursive: true });
    const names = ["a+b&c.txt", "нижче/файл 1.txt"];
    for (const name of names) writeFileSync(at(join("album", name)), name);
    await done("object", "upload", "photos", at("album"), "--recursive", "--prefix", "2026");
    assert.equal(
      await done("object", "list", "photos", "--prefix", "2026/", "--recursive", "--quiet"),
      [...names.map((name) => `2026/album/${name}`), ""].join("\n"),
    );
    assert.match(await done("object", "list", "photos"), /^folder +2026\/ /m);
    await done("object", "download", "photos", "2026/album/", "--recursive", "--output", at("copy"));
    for (const name of names) assert.equal(readFileSync(at(join("copy", name)), "utf8"), name);
  });
});

test("what is deleted can be had back", async () => {
  await done("object", "trash", "photos", "--key", "40 MiB.bin");
  await refused(["object", "get", "photos", "40 MiB.bin"], 1, /does not exist/);
  const [trashed] = (await json("trash", "list", "photos")).items;
  assert.deepEqual([trashed.names, trashed.sizeBytes], [["40 MiB.bin"], 40 * mib + 1]);
  const begun = await json("trash", "restore", "photos", trashed.id, "--no-wait");
  assert.match(begun.id, /^opn_/);
  assert.equal(await done("operation", "wait", begun.id), "trash restore photos: done.\n");
  assert.equal((await json("operation", "wait", begun.id)).state, "succeeded");
  assert.equal((await json("object", "get", "photos", "40 MiB.bin")).sizeBytes, 40 * mib + 1);
  assert.match(
    await done("operation", "list"),
    new RegExp(`^${begun.id} +objects\\.trash\\.restore +photos \\(bucket\\) +succeeded`, "m"),
  );
});

test("quotas", async () => {
  assert.match(await done("quota", "list"), /^objects\.buckets +2 +100 +no +Buckets$/m);
  assert.equal((await json("quota", "update", "objects.buckets", "--limit", "2")).limit, 2);
  await refused(["bucket", "create", "too-many"], 1, /may have 2 buckets, and that is used up/);
  const back = await json("quota", "update", "objects.buckets", "--limit", "default");
  assert.deepEqual([back.limit, back.custom], [100, false]);
  await done("bucket", "create", "not-too-many");
});

test("events are seen as they happen", async () => {
  const watch = start(["event", "watch", "--json"]);
  let printed = "";
  let note = "";
  watch.stdout.on("data", (chunk) => (printed += chunk));
  watch.stderr.on("data", (chunk) => (note += chunk));
  const ended = once(watch, "close");
  try {
    while (!note.includes("Watching")) await once(watch.stderr, "data");
    // It says so before the stream is open: the first event that is seen is waited for.
    for (let i = 0; !printed.includes("\n") && i < 50; i++) {
      await done("bucket", "create", `seen-${i}`);
      await done("bucket", "delete", `seen-${i}`, "--yes");
    }
    const event = JSON.parse(printed.split("\n")[0] as string);
    assert.equal(event.type, "objects.bucket.changed");
    assert.match(event.payload.name, /^seen-\d+$/);
  } finally {
    // Ctrl-C reaches the whole group: the launcher has become Node by then.
    for (const { pid } of processTree(watch.pid as number)) process.kill(pid, "SIGINT");
  }
  assert.equal((await ended)[0], 0);
});

test("the audit log and the usage", async () => {
  assert.match(await done("audit", "verify"), /^The audit log is whole: \d+ entries in 2 chains\.\n/);
  assert.equal((await json("audit", "verify")).valid, true);
  const entries = await json("audit-entry", "list", "--action", "objects.bucket.create", "--limit", "1");
  assert.equal(entries.items[0].actor.name, "owner");
  assert.equal(entries.items[0].userAgent, "khmara-cli");
  assert.ok(entries.nextCursor);
  const all = await json("audit-entry", "list", "--action", "objects.bucket.create", "--all");
  assert.ok(all.items.length >= 4 && all.nextCursor === undefined);
  assert.match(await done("audit-entry", "list", "--from", "1h", "--limit", "3"), /^SEQUENCE +AT +ACTOR +ACTION/);

  // The journal is written every few seconds.
  let traffic = 0;
  for (const end = Date.now() + 30_000; traffic < 200 * mib && Date.now() < end; ) {
    const usage = await json("usage", "summarize", "--from", "1h", "--step", "hour");
    traffic = Number(usage.series.find(({ meter }: { meter: string }) => meter === "objects.traffic_in")?.total ?? 0);
  }
  assert.ok(traffic >= 210 * mib, `${traffic} bytes came in`);
  assert.match(await done("usage", "summarize"), /^objects\.storage +[\d.]+ [KMG]iB +0 B +byte_hours$/m);
  assert.match(
    await done("usage-record", "list", "--from", "1h", "--meter", "objects.traffic_in"),
    /photos \(bucket\) +\d+ MiB +bytes/,
  );
});

test("signing out revokes the token", async () => {
  const { token } = profile();
  const answer = async () =>
    (await fetch(`${cloud.url}/api/v1/identity`, { headers: { authorization: `Bearer ${token}` } })).status;
  assert.equal(await answer(), 200);
  assert.equal(await done("logout"), `Signed out of ${cloud.url}.\n`);
  assert.equal(await answer(), 401);
  assert.equal(profile().token, undefined);
  await refused(["bucket", "list"], 3, /Sign in: khmara login/);
});
