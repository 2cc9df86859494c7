import assert from "node:assert/strict";
import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { type TestDeploying, testDeploying } from "../deploying/testing/fixture.ts";
import { openGitDoor } from "../git/door.ts";
import { openGit } from "../git/git.ts";
import { type GitClient, gitClient } from "../git/testing/client.ts";

let cloud: TestDeploying;
let server: Server;
let folder: string;
let client: GitClient;

before(async () => {
  folder = mkdtempSync(join(tmpdir(), "khmara-previews-"));
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

const address = (path: string): string => `http://git:editor@127.0.0.1:${(server.address() as AddressInfo).port}/git/${path}.git`;
const ok = async (method: string, path: string, body?: unknown) => {
  const answer = await cloud.call("editor", method, path, body);
  assert.ok(answer.status < 300, `${method} ${path}: ${answer.status} ${JSON.stringify(answer.body)}`);
  return answer.body;
};
const previewsOf = async (app: { id: string }) => (await ok("GET", `/apps/${app.id}/previews`)).items;
const until = async (what: () => Promise<boolean>) => {
  for (const end = Date.now() + 60_000; !(await what()); await new Promise((resolve) => setTimeout(resolve, 30)))
    assert.ok(Date.now() < end, "it does not come to that");
};
/** An app with previews, and a repository that was pushed to it. */
async function appWith(name: string, settings: object = {}) {
  const app = await cloud.app(name);
  const changed = await ok("PATCH", `/apps/${app.id}/preview-settings`, { enabled: true, ...settings });
  const at = await client.repository(name, { "index.html": "main" });
  await client.git(at, "push", "--quiet", address(`lessons/${name}`), "main");
  const push = (...words: string[]) => client.git(at, "push", address(`lessons/${name}`), ...words);
  return { app, at, push, settings: changed };
}
async function branch(at: string, name: string, files: Record<string, string>) {
  await client.git(at, "switch", "--quiet", "--create", name, "main");
  await client.commit(at, files, `Work on ${name}`);
}

test("a branch that is pushed has a preview at a name of its own, which the answer tells; another push deploys it again", async () => {
  const { app, at, push } = await appWith("shop", { lifeDays: 3 });
  await branch(at, "feature/login", { "index.html": "login" });
  const said = await push("feature/login");
  assert.match(said, /remote: Preview of feature\/login, until \d{4}-\d\d-\d\d: http:\/\/feature-login--shop\b/);
  assert.match(said, /remote: .*static/i);
  const [preview, ...others] = await previewsOf(app);
  assert.equal(others.length, 0);
  assert.deepEqual(
    [preview.branch, preview.name, preview.state, preview.appId],
    ["feature/login", "feature-login--shop", "running", app.id],
  );
  assert.equal(`${preview.commit}\n`, await client.git(at, "rev-parse", "HEAD"));
  const days = (Date.parse(preview.expiresAt) - Date.now()) / 86_400_000;
  assert.ok(days > 2.9 && days <= 3, String(days));
  assert.equal((await cloud.show(app)).releaseNumber, 1, "the app itself is as it was");

  const shown = await cloud.show(preview);
  assert.deepEqual(shown.preview, { appId: app.id, branch: "feature/login", expiresAt: preview.expiresAt });
  const listed = async (query: string) =>
    (await ok("GET", `/apps?project=${cloud.project}${query}`)).items.map(({ id }: { id: string }) => id);
  assert.ok(!(await listed("")).includes(preview.id));
  assert.ok((await listed("&previews=true")).includes(preview.id));

  await client.commit(at, { "index.html": "login 2" }, "Again");
  await push("feature/login");
  const [again] = await previewsOf(app);
  assert.equal(again.id, preview.id);
  assert.ok(again.expiresAt > preview.expiresAt);
  assert.equal((await cloud.show(preview)).releaseNumber, 2);
  const actions = await cloud.database.sql<{ action: string }[]>`
    select action from kernel.audit_entries where resource_id = ${preview.id} order by sequence`;
  assert.deepEqual(
    actions.map(({ action }) => action),
    ["apps.preview.create", "apps.app.deploy", "apps.app.deploy"],
  );
});

test("a preview has the app's variables, with those of previews over them, and those of its own branch", async () => {
  const { app, at, push } = await appWith("vars");
  await ok("PATCH", `/apps/${app.id}/settings`, {
    set: { MODE: "live", KEPT: "1" },
    setSecrets: { KEY: "secret" },
    deploy: false,
  });
  const settings = await ok("PATCH", `/apps/${app.id}/preview-settings`, {
    set: { MODE: "preview" },
    setSecrets: { TOKEN: "only here" },
  });
  assert.deepEqual(settings.variables, [
    { name: "MODE", value: "preview", isSecret: false },
    { name: "TOKEN", isSecret: true },
  ]);
  await branch(at, "vars", { "khmara.json": JSON.stringify({ settings: { GREETING: "hello" } }) });
  await push("vars");
  const [preview] = await previewsOf(app);
  const environment = async () => {
    const { releaseId } = await cloud.show(preview);
    const release = await cloud.parts.database.transaction("system", (tx) => cloud.parts.deploying.release(tx, releaseId));
    const { PORT, ...rest } = release?.environment ?? {};
    return rest;
  };
  assert.deepEqual(await environment(), { GREETING: "hello", KEPT: "1", KEY: "secret", MODE: "preview", TOKEN: "only here" });
  const raw = await cloud.database.sql<{ value: Buffer }[]>`select value from apps.preview_variables where name = 'TOKEN'`;
  assert.ok(!raw[0]?.value.toString("latin1").includes("only here"));

  await ok("PATCH", `/apps/${app.id}/settings`, { unset: ["KEPT"], deploy: false });
  await ok("PATCH", `/apps/${app.id}/preview-settings`, { unset: ["MODE", "TOKEN"] });
  await client.commit(at, { "index.html": "2" }, "Again");
  await push("vars");
  assert.deepEqual(await environment(), { GREETING: "hello", KEY: "secret", MODE: "live" });
});

test("a branch that is deleted takes its preview with it; so does the end of its time, and a person", async () => {
  const { app, at, push } = await appWith("gone");
  await branch(at, "one", { "index.html": "1" });
  await branch(at, "two", { "index.html": "2" });
  await branch(at, "three", { "index.html": "3" });
  await push("one", "two", "three");
  const apps = await cloud.quota("apps.apps");
  const [one, three, two] = await previewsOf(app);
  assert.match(await push(":one"), /remote: The preview of one is being deleted/);
  await until(async () => (await cloud.call("viewer", "GET", `/apps/${one.id}`)).status === 404);

  await cloud.work("apps.previews");
  assert.deepEqual(
    (await previewsOf(app)).map(({ branch }: { branch: string }) => branch),
    ["three", "two"],
  );
  await cloud.database.sql`update apps.previews set expires_at = now() where app_id = ${two.id}`;
  const extended = await ok("POST", `/previews/${two.id}/extend`);
  assert.ok(Date.parse(extended.expiresAt) > Date.now() + 6 * 86_400_000);
  await cloud.work("apps.previews");
  assert.equal((await previewsOf(app)).length, 2);
  await cloud.database.sql`update apps.previews set expires_at = now() where app_id = ${two.id}`;
  // One that is still being deployed goes with a later round.
  await until(async () => {
    await cloud.work("apps.previews");
    return (await previewsOf(app)).length === 1;
  });

  await cloud.done((await ok("DELETE", `/previews/${three.id}`)).id);
  assert.deepEqual(await previewsOf(app), []);
  assert.equal(await cloud.quota("apps.apps"), apps - 3);
  // Its branch is still there: another push makes it anew.
  await client.commit(at, { "index.html": "4" }, "Again");
  await push("three");
  assert.equal((await previewsOf(app)).length, 1);
});

test("an app that is deleted takes its previews with it", async () => {
  const { app, at, push } = await appWith("family");
  await branch(at, "child", { "index.html": "1" });
  await push("child");
  const [preview] = await previewsOf(app);
  const asked = await ok("DELETE", `/apps/${app.id}?confirm=family`);
  await cloud.done(asked.id);
  for (const { id } of [app, preview]) assert.equal((await cloud.call("viewer", "GET", `/apps/${id}`)).status, 404);
  assert.ok(!existsSync(join(cloud.directory, "apps", "git", `${app.id}.git`)));
});

test("only what the patterns name has a preview, only so many, and none while they are off", async () => {
  const { app, at, push } = await appWith("few", { branches: ["feature/*"], most: 1 });
  await branch(at, "draft", { "index.html": "1" });
  assert.match(await push("draft"), /remote: Nothing is deployed of draft: push to main, or turn on previews/);
  await branch(at, "feature/a", { "index.html": "a" });
  await branch(at, "feature/b", { "index.html": "b" });
  assert.match(await push("feature/a", "feature/b"), /Not deployed: There is no preview of feature\/b: few has 1 already/);
  assert.equal((await previewsOf(app)).length, 1);
  await ok("PATCH", `/apps/${app.id}/preview-settings`, { enabled: false });
  await client.commit(at, { "index.html": "c" }, "Again");
  assert.match(await push("feature/b"), /Nothing is deployed of feature\/b/);
  const refused = await cloud.call("editor", "PATCH", `/apps/${app.id}/preview-settings`, { branches: ["a b"] });
  assert.equal(refused.status, 400);
  assert.equal((await cloud.call("viewer", "PATCH", `/apps/${app.id}/preview-settings`, { enabled: true })).status, 403);
});

test("a preview whose build fails says so, and is there all the same; its own address is no repository", async () => {
  const { app, at, push } = await appWith("sick");
  await branch(at, "broken", { "khmara.json": "{ no" });
  assert.match(await push("broken"), /remote: .*khmara\.json/);
  const [preview] = await previewsOf(app);
  assert.deepEqual([preview.state, preview.branch], ["new", "broken"]);
  await assert.rejects(client.git(at, "push", address("lessons/broken--sick"), "main"), /This is a preview/);
  const refused = await cloud.call("editor", "PATCH", `/apps/${preview.id}/preview-settings`, { enabled: true });
  assert.deepEqual([refused.status, refused.body.reason], [409, "is_preview"]);
});

test("an app that has the name already keeps it", async () => {
  const { app, at, push } = await appWith("twin");
  await cloud.app("same--twin");
  await branch(at, "same", { "index.html": "1" });
  await push("same");
  assert.match((await previewsOf(app))[0].name, /^same-[0-9a-f]{6}--twin$/);
});
