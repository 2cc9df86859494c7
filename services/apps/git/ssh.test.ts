import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import ssh2 from "ssh2";
import type { Principal } from "../../../kernel/auth/principal.ts";
import { parsePublicKey } from "../../../kernel/auth/sshPublicKey.ts";
import { type TestDeploying, testDeploying } from "../deploying/testing/fixture.ts";
import { openGit } from "./git.ts";
import { openSshDoor, readCommand, type SshDoor } from "./sshDoor.ts";
import { type GitClient, gitClient } from "./testing/client.ts";

let cloud: TestDeploying;
let door: SshDoor;
let port: number;
let folder: string;
const hostKey = ssh2.utils.generateKeyPairSync("ed25519");
const people = new Map<string, { principal: Principal; publicKey: string }>();

before(async () => {
  folder = mkdtempSync(join(tmpdir(), "khmara-ssh-"));
  cloud = await testDeploying();
  cloud.parts.identity.sshKey = async (fingerprint) => people.get(fingerprint);
  door = await openSshDoor(cloud.parts, await openGit(cloud.parts, cloud.previews), { hostKey: hostKey.private });
  port = await door.listen("127.0.0.1", 0);
});
after(async () => {
  await door?.close(0);
  await cloud?.stop();
  rmSync(folder, { recursive: true, force: true });
});

interface Ran {
  code: number;
  out: string;
  err: string;
}
const run = (program: string, words: string[]): Promise<Ran> =>
  new Promise((resolve) =>
    execFile(program, words, { timeout: 60_000, env: { PATH: process.env["PATH"], HOME: folder } }, (error, out, err) =>
      resolve({ code: error === null ? 0 : Number(error.code ?? 1), out, err }),
    ).stdin?.end(),
  );

/** A key pair that OpenSSH makes; with `whose` it is that one's. */
async function newKey(name: string, whose: string | undefined, ...kind: string[]): Promise<string> {
  const file = join(folder, name);
  const made = await run("ssh-keygen", ["-q", "-N", "", "-f", file, "-t", ...(kind.length > 0 ? kind : ["ed25519"])]);
  assert.equal(made.code, 0, made.err);
  if (whose !== undefined) {
    const asked = { cookies: {}, authorization: `Bearer ${whose}`, sourceIp: "", userAgent: "" };
    const found = await cloud.parts.identity.authenticate(asked);
    const { fingerprint, line } = parsePublicKey(readFileSync(`${file}.pub`, "utf8"), "key");
    people.set(fingerprint, { principal: found?.principal as Principal, publicKey: line });
  }
  return file;
}
const options = (key: string): string[] => [
  ...["-F", "none", "-i", key, "-o", "IdentitiesOnly=yes", "-o", "BatchMode=yes"],
  ...["-o", "StrictHostKeyChecking=no", "-o", `UserKnownHostsFile=${folder}/known`, "-o", "LogLevel=ERROR"],
];
const withKey = (key: string): GitClient => gitClient(folder, { GIT_SSH_COMMAND: `ssh ${options(key).join(" ")}` });
const ssh = (key: string, ...words: string[]) => run("ssh", [...options(key), "-p", String(port), ...words]);
const address = (path: string): string => `ssh://git@127.0.0.1:${port}/${path}.git`;
const newest = async (app: { id: string }) => (await cloud.call("editor", "GET", `/apps/${app.id}/deployments`)).body.items[0];

test("a push is built while git shows how; a build that fails is told, and the code is kept", async () => {
  const app = await cloud.app("website");
  const client = withKey(await newKey("editor", "editor"));
  const at = await client.repository("website", { "index.html": "<h1>One</h1>" });
  const said = await client.git(at, "push", address("lessons/website"), "main");
  assert.match(said, /remote: .*static/i);
  const first = await newest(app);
  assert.deepEqual([first.state, first.source.branch, first.createdBy.name], ["succeeded", "main", "editor"]);
  const [row] = await cloud.database.sql<{ address: string }[]>`
    select source_ip as address from kernel.audit_entries where action = 'apps.app.deploy'`;
  assert.equal(row?.address, "127.0.0.1");

  await client.commit(at, { "khmara.json": "{ this is no JSON" }, "Broken");
  assert.match(await client.git(at, "push", address(app.id), "main"), /remote: .*khmara\.json/);
  assert.equal((await newest(app)).state, "failed");
  assert.equal((await cloud.show(app)).releaseNumber, 1);
  assert.match(await client.git(at, "push", address("lessons/website"), "main"), /Everything up-to-date/);
  assert.equal((await newest(app)).number, 2);
});

test("keys of all usual kinds are taken; who may see may clone and not push", async () => {
  for (const kind of [
    ["ecdsa", "-b", "256"],
    ["ecdsa", "-b", "384"],
    ["ecdsa", "-b", "521"],
    ["rsa", "-b", "2048"],
    ["ed25519"],
  ]) {
    const client = withKey(await newKey(kind.join(""), "viewer", ...kind));
    assert.match(await client.git(folder, "ls-remote", address("lessons/website")), /refs\/heads\/main/, kind.join(" "));
  }
  const viewer = withKey(join(folder, "ed25519"));
  await viewer.git(folder, "clone", "--quiet", address("lessons/website"), "copy");
  const copy = join(folder, "copy");
  assert.equal(readFileSync(join(copy, "index.html"), "utf8"), "<h1>One</h1>");
  await viewer.commit(copy, { "index.html": "<h1>Mine</h1>" }, "Mine");
  await assert.rejects(viewer.git(copy, "push", "origin", "main"), /Khmara: You may not do this/);
});

test("signatures of RSA keys with SHA-1 are worth nothing", async () => {
  const refused = await ssh(join(folder, "rsa-b2048"), "-o", "PubkeyAcceptedAlgorithms=ssh-rsa", "git@127.0.0.1");
  assert.match(refused.err, /Permission denied|no mutual signature/);
});

test("strangers, keys of nobody and keys that were taken away do not get in", async () => {
  const stranger = withKey(await newKey("stranger", "stranger"));
  await assert.rejects(stranger.git(folder, "ls-remote", address("lessons/website")), /Khmara: This app does not exist/);
  const nobody = await newKey("nobody", undefined);
  await assert.rejects(withKey(nobody).git(folder, "ls-remote", address("lessons/website")), /Permission denied \(publickey\)/);
  assert.match(
    (await ssh(nobody, "-o", "PreferredAuthentications=password", "git@127.0.0.1")).err,
    /Permission denied \(publickey\)/,
  );
  const gone = await newKey("gone", "editor");
  const { fingerprint } = parsePublicKey(readFileSync(`${gone}.pub`, "utf8"), "key");
  assert.equal((await ssh(gone, "git@127.0.0.1")).code, 1);
  people.delete(fingerprint);
  assert.match((await ssh(gone, "git@127.0.0.1")).err, /Permission denied \(publickey\)/);
});

test("whoever comes without git is greeted by name, and gets no shell, no files and no way through", async () => {
  const key = join(folder, "editor");
  for (const words of [["-T"], ["-tt"]]) {
    const greeted = await ssh(key, ...words, "git@127.0.0.1");
    assert.deepEqual([greeted.code, greeted.err.replace(/^Connection to .* closed\.\s*/, "")], [1, ""]);
    assert.match(greeted.out, /^Hi editor! .*no shell/);
  }
  for (const command of [
    "id",
    "git-upload-archive 'x'",
    "git-upload-pack 'lessons/website.git'; id",
    "git-receive-pack '../../etc'",
  ]) {
    const refused = await ssh(key, "git@127.0.0.1", command);
    assert.deepEqual([refused.code, refused.out], [128, ""], command);
    assert.match(refused.err, /^Khmara: (Only git is spoken here|There is no repository here)/);
  }
  assert.notEqual((await ssh(key, "-s", "git@127.0.0.1", "sftp")).code, 0);
  assert.notEqual((await ssh(key, "-o", "ExitOnForwardFailure=yes", "-N", "-R", "0:127.0.0.1:1", "git@127.0.0.1")).code, 0);
  assert.match(
    (await ssh(key, "-W", "127.0.0.1:22", "git@127.0.0.1")).err,
    /forwarding failed|administratively prohibited|open failed/,
  );
});

test("the server shows one key, which ssh-keyscan finds, and offers nothing that is weak", async () => {
  const scanned = await run("ssh-keyscan", ["-p", String(port), "127.0.0.1"]);
  const keys = scanned.out.split("\n").filter((line) => line !== "" && !line.startsWith("#"));
  assert.deepEqual(keys, [`[127.0.0.1]:${port} ${hostKey.public.split(" ", 2).join(" ")}`]);
  const key = join(folder, "editor");
  const ask = (...words: string[]) => ssh(key, ...words.flatMap((word) => ["-o", word]), "git@127.0.0.1");
  for (const sound of [["KexAlgorithms=curve25519-sha256"], ["Ciphers=aes256-ctr", "MACs=hmac-sha2-512"]])
    assert.equal((await ask(...sound)).code, 1, sound.join());
  for (const weak of [
    ["KexAlgorithms=diffie-hellman-group1-sha1"],
    ["Ciphers=aes128-cbc"],
    ["Ciphers=aes128-ctr", "MACs=hmac-md5"],
  ])
    assert.equal((await ask(...weak)).code, 255, weak.join());
});

test("pushes at the same moment are all kept, and what is on main in the end is what serves", async () => {
  const app = await cloud.app("busy");
  const client = withKey(join(folder, "editor"));
  const first = await client.repository("busy", { "index.html": "0" });
  await client.git(first, "push", "--quiet", address("lessons/busy"), "main");
  await Promise.all(
    [1, 2, 3].map(async (i) => {
      const at = join(folder, `busy-${i}`);
      await client.git(folder, "clone", "--quiet", address("lessons/busy"), at);
      await client.commit(at, { "index.html": String(i) }, `Change ${i}`);
      await client.git(at, "push", "--quiet", "origin", `main:branch-${i}`);
      // git refuses whom another one was quicker than; each of them comes through in the end.
      for (let tries = 1; ; tries++)
        try {
          await client.git(at, "push", "--quiet", "--force", "origin", "main");
          return;
        } catch (error) {
          if (tries === 10 || !/cannot lock ref|failed to update ref/.test(String(error))) throw error;
        }
    }),
  );
  const heads = (await client.git(first, "ls-remote", address("lessons/busy"))).trim().split("\n");
  const main = heads.find((line) => line.endsWith("refs/heads/main"))?.slice(0, 40);
  assert.deepEqual(
    heads.flatMap((line) => /branch-\d$/.exec(line)?.[0] ?? []),
    ["branch-1", "branch-2", "branch-3"],
  );
  for (const until = Date.now() + 60_000; (await newest(app)).state !== "succeeded" && Date.now() < until; )
    await new Promise((resolve) => setTimeout(resolve, 50));
  assert.deepEqual([(await newest(app)).state, (await newest(app)).source.commit], ["succeeded", main]);
});

test("what is no SSH, or stops half-way, harms nobody; one address has so many connections", async () => {
  const bytes = (content: Buffer | string) =>
    new Promise<void>((resolve) => {
      const socket = connect(port, "127.0.0.1", () => socket.end(content));
      socket.on("error", () => {}).on("close", () => resolve());
      socket.resume();
    });
  await Promise.all([
    bytes("GET / HTTP/1.1\r\n\r\n"),
    bytes(Buffer.alloc(400_000, 1)),
    bytes("SSH-2.0-x\r\n\0\0\0\xff"),
    bytes("SSH-1.5-old\r\n"),
  ]);
  const sockets = Array.from({ length: 30 }, () => connect(port, "127.0.0.1").on("error", () => {}));
  const open = () => sockets.filter(({ destroyed }) => !destroyed).length;
  for (const until = Date.now() + 30_000; open() > 20 && Date.now() < until; ) {
    for (const socket of sockets) socket.resume();
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  assert.ok(open() <= 20, `${open()} are open`);
  for (const socket of sockets) socket.destroy();
  const key = join(folder, "editor");
  for (const until = Date.now() + 30_000; (await ssh(key, "git@127.0.0.1")).code !== 1; )
    assert.ok(Date.now() < until, "nobody gets in");
});

test("commands are read as git writes them, and nothing else is", () => {
  const name = { project: "shop", app: "web" };
  for (const command of ["git-receive-pack '/shop/web.git'", "git receive-pack 'shop/web'", "git-receive-pack shop/web.git"])
    assert.deepEqual(readCommand(command), { service: "git-receive-pack", name }, command);
  assert.deepEqual(readCommand(`git-upload-pack '/app_${"0".repeat(32)}.git'`).name, {
    project: undefined,
    app: `app_${"0".repeat(32)}`,
  });
  for (const command of [
    "",
    "git-upload-pack",
    "git-upload-pack '--upload-pack=id'",
    "git-upload-pack '/a/b/c.git'",
    "git-upload-pack '/shop/web.git' x",
  ])
    assert.throws(() => readCommand(command), /Only git|no repository/, command);
});
