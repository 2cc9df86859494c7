import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { after, before, test } from "node:test";
import { promisify } from "node:util";
import { type TestDeploying, testDeploying } from "../deploying/testing/fixture.ts";
import { openGitDoor } from "./door.ts";
import { repositoryFolder } from "./repository.ts";
import { HoldLastFlush, packet, progressPackets, SeeSideBand } from "./sideband.ts";

const run = promisify(execFile);
let cloud: TestDeploying;
let server: Server;
let folder: string;

before(async () => {
  folder = mkdtempSync(join(tmpdir(), "khmara-git-"));
  cloud = await testDeploying();
  const door = await openGitDoor(cloud.parts);
  server = createServer((request, response) => void door.handle(request, response, "192.0.2.7")).listen(0, "127.0.0.1");
  await new Promise((resolve) => server.once("listening", resolve));
});
after(async () => {
  server?.closeAllConnections();
  server?.close();
  await cloud?.stop();
  rmSync(folder, { recursive: true, force: true });
});

const address = (path: string, password = "editor"): string =>
  `http://git:${password}@127.0.0.1:${(server.address() as AddressInfo).port}/git/${path}.git`;

/** What git says on both of its outputs; it never asks anything. */
async function git(at: string, ...words: string[]): Promise<string> {
  const env = {
    PATH: process.env["PATH"],
    HOME: folder,
    GIT_TERMINAL_PROMPT: "0",
    GIT_CONFIG_NOSYSTEM: "1",
    GIT_AUTHOR_NAME: "Olena",
    GIT_AUTHOR_EMAIL: "olena@example.org",
    GIT_COMMITTER_NAME: "Olena",
    GIT_COMMITTER_EMAIL: "olena@example.org",
  };
  const { stdout, stderr } = await run("git", ["-C", at, ...words], { env, timeout: 120_000 });
  return stdout + stderr;
}

async function repository(name: string, files: Record<string, string>): Promise<string> {
  const at = join(folder, name);
  mkdirSync(at);
  await git(at, "init", "--quiet", "--initial-branch=main");
  await commit(at, files, `The beginning of ${name}`);
  return at;
}

async function commit(at: string, files: Record<string, string>, message: string): Promise<void> {
  for (const [file, content] of Object.entries(files)) {
    mkdirSync(dirname(join(at, file)), { recursive: true });
    writeFileSync(join(at, file), content);
  }
  await git(at, "add", "--all");
  await git(at, "commit", "--quiet", "--message", message);
}

const newest = async (app: { id: string }) => (await cloud.call("editor", "GET", `/apps/${app.id}/deployments`)).body.items[0];

test("a push is built while git shows how, and the next one changes what is live", async () => {
  const app = await cloud.app("website");
  const at = await repository("website", { "index.html": "<h1>One</h1>", "public-folder/only.txt": "kept" });
  const said = await git(at, "push", address("lessons/website"), "main");
  assert.match(said, /remote: .*static/i);
  assert.match(said, /main -> main/);
  const first = await newest(app);
  assert.deepEqual([first.state, first.source.kind, first.source.branch], ["succeeded", "git", "main"]);
  assert.equal(first.source.description, "The beginning of website");
  assert.equal(`${first.source.commit}\n`, await git(at, "rev-parse", "HEAD"));

  await commit(at, { "index.html": "<h1>Two</h1>" }, "Two");
  await git(at, "push", address(app.id), "main");
  assert.deepEqual([(await newest(app)).number, (await newest(app)).source.description], [2, "Two"]);
  assert.match(await git(at, "push", address("lessons/website"), "main"), /Everything up-to-date/);
  assert.equal((await newest(app)).number, 2);
});

test("the audit says who pushed, and from where", async () => {
  const rows = await cloud.database.sql<{ actor: string; address: string }[]>`
    select actor_name as actor, source_ip as address from kernel.audit_entries where action = 'apps.app.deploy' order by sequence limit 1`;
  assert.deepEqual({ ...rows[0] }, { actor: "editor", address: "192.0.2.7" });
});

test("a repository of one folder alone keeps that folder", async () => {
  const app = await cloud.app("nested");
  const at = await repository("nested", { "site/index.html": "x", "site/khmara.json": "{}" });
  const said = await git(at, "push", address("lessons/nested"), "main");
  assert.equal((await newest(app)).state, "succeeded", said);
  assert.match(said, /remote: .*\bsite is served/);
});

test("other branches are kept and not deployed; master is, where there is no main", async () => {
  const app = await cloud.app("branches");
  const at = await repository("branches", { "index.html": "x" });
  assert.match(await git(at, "push", address("lessons/branches"), "main:draft"), /remote: Nothing is deployed: push to main/);
  assert.equal(await newest(app), undefined);
  await git(at, "push", address("lessons/branches"), "main:master");
  assert.equal((await newest(app)).source.branch, "master");
});

test("what is pushed comes back by a clone; who may read may not push", async () => {
  const copy = join(folder, "copy");
  await git(folder, "clone", "--quiet", address("lessons/website", "viewer"), copy);
  assert.equal(readFileSync(join(copy, "index.html"), "utf8"), "<h1>Two</h1>");
  await commit(copy, { "index.html": "<h1>Mine</h1>" }, "Mine");
  await assert.rejects(git(copy, "push", "origin", "main"), /403|You may not do this/);
});

test("strangers, wrong tokens and wrong addresses are refused, and no repository is made", async () => {
  await assert.rejects(git(folder, "ls-remote", address("lessons/website", "stranger")), /not found|404/i);
  const none = address("lessons/website").replace("git:editor@", "");
  await assert.rejects(
    git(folder, "ls-remote", none),
    /could not read Username|Authentication failed|terminal prompts disabled/i,
  );
  await assert.rejects(git(folder, "ls-remote", address("lessons/nobody")), /not found|404/i);
  await assert.rejects(git(folder, "ls-remote", address("other/website")), /not found|404/i);
  const port = (server.address() as AddressInfo).port;
  const authorization = `Basic ${Buffer.from("git:editor").toString("base64")}`;
  for (const path of [
    "lessons/website.git/HEAD",
    "lessons/website.git/info/refs",
    "../../etc/passwd",
    "lessons/website.git/objects/info/packs",
  ]) {
    const answer = await fetch(`http://127.0.0.1:${port}/git/${path}`, { headers: { authorization } });
    assert.ok(answer.status >= 400 && answer.status < 500, `${path}: ${answer.status}`);
  }
});

test("a broken push leaves all as it was", async () => {
  const app = await cloud.app("broken");
  const at = await repository("broken", { "index.html": "x" });
  await git(at, "push", address("lessons/broken"), "main");
  const head = await git(repositoryFolder(cloud.directory, app.id), "rev-parse", "main");
  const port = (server.address() as AddressInfo).port;
  const answer = await fetch(`http://127.0.0.1:${port}/git/lessons/broken.git/git-receive-pack`, {
    method: "POST",
    headers: { authorization: `Basic ${Buffer.from("git:editor").toString("base64")}` },
    body: "00a50000000000000000000000000000000000000000 is no push",
  }).catch(() => undefined);
  await answer?.arrayBuffer().catch(() => {});
  assert.equal(await git(repositoryFolder(cloud.directory, app.id), "rev-parse", "main"), head);
  assert.equal((await newest(app)).number, 1);
});

test("deleting the app deletes its repository", async () => {
  const app = await cloud.app("gone");
  const at = await repository("gone", { "index.html": "x" });
  await git(at, "push", address("lessons/gone"), "main");
  const answer = await cloud.call("editor", "DELETE", `/apps/${app.id}?confirm=gone`);
  await cloud.done(answer.body.id);
  assert.throws(() => readFileSync(join(repositoryFolder(cloud.directory, app.id), "HEAD")), /ENOENT/);
});

test("packets: a flush at the end is kept back however it comes, and the side band is seen however the request comes", async () => {
  const all = Buffer.concat([packet("hello"), ...progressPackets("x".repeat(70_000)), Buffer.from("0000")]);
  for (const size of [1, 3, 4, 70_050]) {
    const hold = new HoldLastFlush();
    const out: Buffer[] = [];
    hold.on("data", (bytes: Buffer) => out.push(bytes));
    for (let at = 0; at < all.length; at += size) hold.write(all.subarray(at, at + size));
    hold.end();
    await new Promise((resolve) => hold.once("end", resolve));
    assert.ok(hold.held);
    assert.deepEqual(Buffer.concat(out), all.subarray(0, -4));
  }
  for (const [line, expected] of [
    ["0 1 refs/heads/main\0 report-status side-band-64k agent=git/2", true],
    ["0 1 refs/heads/main\0 report-status", false],
    ["0 1 refs/heads/side-band-64k", false],
  ] as const) {
    const band = new SeeSideBand();
    band.resume();
    for (const byte of packet(line)) band.write(Buffer.from([byte]));
    assert.equal(band.sideBand, expected, line);
  }
});
