import assert from "node:assert/strict";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { type TestDeploying, testDeploying } from "../deploying/testing/fixture.ts";
import { ReadCommands } from "./commands.ts";
import { openGitDoor } from "./door.ts";
import { openGit } from "./git.ts";
import { repositoryFolder } from "./repository.ts";
import { flush, HoldLastFlush, packet, progressPackets } from "./sideband.ts";
import { type GitClient, gitClient } from "./testing/client.ts";

let cloud: TestDeploying;
let server: Server;
let folder: string;
let client: GitClient;

before(async () => {
  folder = mkdtempSync(join(tmpdir(), "khmara-git-"));
  client = gitClient(folder);
  cloud = await testDeploying();
  const door = openGitDoor(cloud.parts, await openGit(cloud.parts, cloud.previews));
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

const git: GitClient["git"] = (...words) => client.git(...words);
const repository: GitClient["repository"] = (...words) => client.repository(...words);
const commit: GitClient["commit"] = (...words) => client.commit(...words);
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
  assert.match(
    await git(at, "push", address("lessons/branches"), "main:draft"),
    /remote: Nothing is deployed of draft: push to main/,
  );
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
  const [none, one, two] = ["0", "1", "2"].map((digit) => digit.repeat(40)) as [string, string, string];
  for (const [lines, sideBand, refs] of [
    [[`${none} ${one} refs/heads/main\0 report-status side-band-64k agent=git/2`], true, ["refs/heads/main"]],
    [
      [`${one} ${two} refs/heads/main\0 report-status\n`, `${one} ${none} refs/heads/x\n`],
      false,
      ["refs/heads/main", "refs/heads/x"],
    ],
    [[`shallow ${one}\n`, `${one} ${two} refs/heads/a\0side-band-64k`], true, ["refs/heads/a"]],
    [[`${none} ${one} refs/heads/side-band-64k`], false, ["refs/heads/side-band-64k"]],
    [["no such thing"], false, []],
  ] as const)
    for (const size of [1, 7, 10_000]) {
      const read = new ReadCommands();
      read.resume();
      const bytes = Buffer.concat([...lines.map((line) => packet(line)), flush, Buffer.from("PACK0032 is not read")]);
      for (let at = 0; at < bytes.length; at += size) read.write(bytes.subarray(at, at + size));
      assert.equal(read.sideBand, sideBand, lines[0]);
      assert.deepEqual(
        read.commands.map(({ ref }) => ref),
        refs,
      );
    }
});

test("what is advertised goes through with its end; only the last flush of all is kept back", () => {
  const advertised = Buffer.concat([packet("1 refs/heads/main\0 caps\n"), packet("2 refs/heads/0000\n"), flush]);
  for (const size of [1, 4, 5, 10_000]) {
    const hold = new HoldLastFlush({ advertised: true });
    const out: Buffer[] = [];
    hold.on("data", (bytes: Buffer) => out.push(bytes));
    for (let at = 0; at < advertised.length; at += size) hold.write(advertised.subarray(at, at + size));
    assert.deepEqual(Buffer.concat(out), advertised);
    const report = Buffer.concat([packet("unpack ok\n"), flush]);
    for (let at = 0; at < report.length; at += size) hold.write(report.subarray(at, at + size));
    assert.ok(hold.held);
    assert.deepEqual(Buffer.concat(out), Buffer.concat([advertised, report.subarray(0, -4)]));
  }
});
