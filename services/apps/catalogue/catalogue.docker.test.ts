/** The catalogue on a real Docker behind a real gateway: installed, opened, updated after a backup, put back, removed. */
import assert from "node:assert/strict";
import { createReadStream } from "node:fs";
import { cp, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { request } from "node:http";
import { homedir, tmpdir } from "node:os";
import { join } from "node:path";
import { Readable } from "node:stream";
import { after, test } from "node:test";
import { gunzipSync } from "node:zlib";
import { type TestAppDrivers, testAppDrivers } from "../../../testing/apps.ts";
import { baseImagesMissing, testBaseImage } from "../../../testing/baseImages.ts";
import { startCloud, testOwner } from "../../../testing/cloud.ts";
import { dockerMissing, testDocker, testRootfs } from "../../../testing/docker.ts";
import { baseImageRecipe, recipeDigest } from "../baseImages/build.ts";
import { appFolder, appUser, type Runtime } from "../baseImages/recipes.ts";
import type { AppEngine } from "../driver.ts";
import { openDockerEngine } from "../drivers/docker/index.ts";
import { ownTemplates } from "./template.ts";

const missing = dockerMissing() ?? baseImagesMissing();
// biome-ignore lint/suspicious/noExplicitAny: tests look into answers of all routes.
type Json = any;

/** Listens where it is told to, says its environment, and is well at the path that it is asked at. */
const pulledCommand =
  "mkdir -p /tmp/www/api; env > /tmp/www/index.html; echo ok > /tmp/www/api/health; cp /tmp/www/api/health /tmp/www/healthcheck; exec busybox httpd -f -p $PORT -h /tmp/www";

const options = { skip: missing || false, timeout: 600_000 };
let drivers: TestAppDrivers;
let url: string;
let token: string;
let project: string;
let bucket: { id: string; name: string };
let engine: AppEngine;
let folder: string;
let cloud: Awaited<ReturnType<typeof startCloud>>["cloud"];
const pulled: string[] = [];

async function call(method: string, path: string, body?: object, status?: number): Promise<Json> {
  // On a busy machine the pool of the test's database may be empty for a while: nothing has happened then.
  for (let again = 0; ; again++) {
    const response = await fetch(`${url}/api/v1${path}`, {
      method,
      headers: { authorization: `Bearer ${token}`, ...(body ? { "content-type": "application/json" } : {}) },
      ...(body ? { body: JSON.stringify(body) } : {}),
      signal: AbortSignal.timeout(60_000),
    });
    const text = await response.text();
    if (response.status === 503 && again < 5) continue;
    const expected = status ?? (response.status < 300 ? response.status : 200);
    assert.equal(response.status, expected, `${method} ${path}: ${text}`);
    return text === "" ? undefined : JSON.parse(text);
  }
}
async function ended(operation: Json): Promise<Json> {
  for (const until = Date.now() + 420_000; Date.now() < until; await new Promise((resolve) => setTimeout(resolve, 200))) {
    const now = await call("GET", `/operations/${operation.id}`);
    if (now.finishedAt) return now;
  }
  return assert.fail(`${operation.kind} does not end`);
}
async function done(operation: Json): Promise<Json> {
  const now = await ended(operation);
  assert.equal(now.state, "succeeded", JSON.stringify(now.error));
  return now;
}
const install = (body: object) => call("POST", "/installations", { project, ...body }, 202);
const show = (operation: Json) => call("GET", `/installations/${operation.resource.id}`);
const visit = (name: string, path = "/", form?: Record<string, string>, headers: Record<string, string> = {}) =>
  new Promise<{ status: number; text: string; headers: Json }>((resolve, reject) => {
    const body = form && new URLSearchParams(form).toString();
    const sent = request({
      host: "127.0.0.1",
      port: drivers.httpPort,
      // A kept connection may be closed by the gateway just as it is used again.
      agent: false,
      path,
      method: form ? "POST" : "GET",
      headers: {
        host: `${name}.default.localhost`,
        ...(body ? { "content-type": "application/x-www-form-urlencoded", "content-length": Buffer.byteLength(body) } : {}),
        ...headers,
      },
    });
    sent.setTimeout(60_000, () => sent.destroy(new Error("no answer")));
    sent.once("error", reject);
    sent.once("response", (response) => {
      let text = "";
      response.setEncoding("utf8");
      response.on("data", (piece) => (text += piece));
      response.once("end", () => resolve({ status: response.statusCode ?? 0, text, headers: response.headers }));
      response.once("error", reject);
    });
    sent.end(body);
  });
/** Another version of a template, with its files changed. */
async function publish(id: string, version: string, change: (server: string) => string): Promise<void> {
  const file = join(folder, id, "template.json");
  const template = JSON.parse(await readFile(file, "utf8"));
  const notes = { en: `What is new in ${version}.`, fr: "-", uk: "-" };
  await writeFile(
    join(folder, id, "source", "server.js"),
    change(await readFile(join(ownTemplates, id, "source", "server.js"), "utf8")),
  );
  await writeFile(file, JSON.stringify({ ...template, version, updateNotes: notes }));
}
async function giveBase(cloudEngine: AppEngine, runtime: Runtime, version: string): Promise<void> {
  const recipe = baseImageRecipe(runtime, version);
  const digest = recipeDigest(recipe);
  await cloudEngine.imageImport(
    {
      name: `base/${runtime}:${version}-${digest.slice(0, 8)}-test`,
      labels: { base: `${runtime}-${version}`, recipe: digest },
      defaults: { environment: recipe.environment, workingDirectory: appFolder, user: `${appUser.uid}:${appUser.gid}` },
    },
    createReadStream(await testBaseImage(runtime, version)),
  );
}
const ours = async () => ({
  containers: (await engine.containerList()).map(({ labels }) => labels["kind"]),
  volumes: (await engine.volumeList()).map(({ name }) => name),
});

if (!missing) {
  folder = await mkdtemp(join(tmpdir(), "khmara-catalogue-"));
  await cp(ownTemplates, folder, { recursive: true });
  drivers = await testAppDrivers();
  after(async () => {
    await drivers.remove();
    engine.close();
    await rm(folder, { recursive: true, force: true });
  });
  engine = openDockerEngine({ address: { endpoint: (await testDocker()).socket }, cloudId: drivers.cloudId });
  await Promise.all([giveBase(engine, "node", "24"), giveBase(engine, "static", "12")]);
  const started = await startCloud({
    appDrivers: async () => {
      const { engine: given, gateway } = await drivers.appDrivers();
      assert.ok("driver" in given);
      const { driver } = given;
      // No registry is reachable from here: what comes from one is an image of the test's own.
      const imagePull: AppEngine["imagePull"] = async (spec, reference, options) => {
        pulled.push(reference);
        const defaults = { command: ["/bin/sh", "-c", pulledCommand], environment: { PATH: "/bin" } };
        return driver.imageImport({ ...spec, defaults }, Readable.from([await testRootfs()]), options);
      };
      return { engine: { driver: { ...driver, imagePull } }, gateway, templates: folder };
    },
  });
  ({ url, cloud } = started);
  // Making an image of PostgreSQL takes minutes.
  const images = join(started.dataDirectory, "databases", "images");
  await cp(join(process.env["KHMARA_CACHE"] ?? join(homedir(), ".cache", "khmara"), "databases"), images, {
    recursive: true,
  }).catch(() => {});
  const session = await fetch(`${url}/api/v1/sessions`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify(testOwner),
  });
  const cookie = String(session.headers.get("set-cookie")).split(";")[0] as string;
  const made = await fetch(`${url}/api/v1/api-tokens`, {
    method: "POST",
    headers: { cookie, "x-khmara-csrf": "1", "content-type": "application/json" },
    body: JSON.stringify({ name: "catalogue" }),
  });
  ({ token } = (await made.json()) as { token: string });
  const organisation = (await call("GET", "/organisations")).items[0].id;
  project = (await call("GET", `/projects?organisation=${organisation}`)).items[0].id;
  bucket = await call("POST", "/buckets", { project, name: "backups" });
}

test("three that are built here are installed and opened, and one that is a public image", options, async () => {
  const operations = await Promise.all([
    install({ template: "guest-book", name: "book", settings: { LANGUAGE: "uk", TITLE: "Дім <на> горі" }, bucket: "backups" }),
    install({ template: "short-links", name: "links", settings: { ADMIN_PASSWORD: "open the door" } }),
    install({ template: "site-starter", name: "site" }),
    install({ template: "grafana", name: "graphs", settings: { GF_SECURITY_ADMIN_PASSWORD: "a long enough one" } }),
  ]);
  for (const operation of operations) await done(operation);
  const installation = await show(operations[0]);
  assert.deepEqual([installation.state, installation.version, installation.template.name], ["installed", "1.0.0", "Guest book"]);
  assert.deepEqual(installation.allowedActions, ["remove"]);
  assert.match(installation.firstSteps[0].fr, /^Ouvrez http:\/\/book\.default\.localhost/);
  const page = await visit("book");
  assert.equal(page.status, 200);
  assert.match(page.text, /Дім &#60;на&#62; горі/);
  assert.match(page.text, /Ще ніхто нічого не написав/);
  assert.equal((await visit("book", "/", { name: "Оля", message: "Гарний <b>сад</b>" })).status, 303);
  assert.match((await visit("book")).text, /Гарний &#60;b&#62;сад/);

  assert.match((await visit("site")).text, /Your site is here/);
  assert.equal((await visit("site", "/nothing")).status, 404);

  assert.equal((await visit("links", "/-/sign-in", { password: "wrong" })).status, 403);
  const signedIn = await visit("links", "/-/sign-in", { password: "open the door" });
  const cookie = String(signedIn.headers["set-cookie"][0]).split(";")[0] as string;
  assert.equal((await visit("links", "/-/links", { target: "https://example.org/long", word: "go" })).status, 403);
  assert.equal((await visit("links", "/-/links", { target: "https://example.org/long", word: "go" }, { cookie })).status, 303);
  const gone = await visit("links", "/go");
  assert.deepEqual([gone.status, gone.headers.location], [302, "https://example.org/long"]);

  assert.deepEqual(pulled, [JSON.parse(await readFile(join(folder, "grafana", "template.json"), "utf8")).image.reference]);
  const environment = (await visit("graphs")).text;
  assert.match(environment, /^GF_SERVER_ROOT_URL=http:\/\/graphs\.default\.localhost/m);
  assert.match(environment, /^GF_SECURITY_ADMIN_PASSWORD=a long enough one$/m);
  assert.match(environment, /^PORT=3000$/m);
  const graphs = await show(operations[3]);
  const { items } = await call("GET", `/apps/${graphs.appId}/processes`);
  assert.equal(items[0].memoryBytes, 512 * 1024 ** 2);
  // What was chosen as a secret is nowhere in the clear.
  const [row] = await cloud.database
    .sql`select count(*)::int as rows from kernel.operations where input::text like '%open the door%'`;
  assert.equal(row?.["rows"], 0);
  assert.deepEqual((await ours()).volumes.length, 3);
  for (const each of [operations[2], operations[3]])
    await done(await call("DELETE", `/installations/${each.resource.id}?confirm=${each.resource.name}`, undefined, 202));
  assert.equal((await visit("site")).status, 404);
  assert.equal((await ours()).volumes.length, 2);
});

test("an update copies the disk first; one that does not come up leaves release and data as they were", options, async () => {
  const { items } = await call("GET", `/installations?project=${project}`);
  const book = items.find((each: Json) => each.name === "book");
  // It spoils what it finds, and ends.
  await publish("guest-book", "2.0.0", (text) =>
    text.replace(
      "server.listen(",
      'database.exec("delete from entries"); console.error("I give up"); process.exit(3);\nserver.listen(',
    ),
  );
  const offered = await call("GET", `/installations/${book.id}`);
  assert.deepEqual(offered.update, { version: "2.0.0", notes: { en: "What is new in 2.0.0.", fr: "-", uk: "-" } });
  assert.deepEqual(offered.allowedActions, ["update", "remove"]);
  const bad = await ended(await call("POST", `/installations/${book.id}/update`, {}, 202));
  assert.equal(bad.state, "failed");
  assert.match(bad.error.message, /I give up|exit code 3/);
  const stayed = await call("GET", `/installations/${book.id}`);
  assert.deepEqual([stayed.state, stayed.version], ["installed", "1.0.0"]);
  assert.match(stayed.stateReason, /^The update failed: /);
  assert.match((await visit("book")).text, /Гарний &#60;b&#62;сад/);

  await publish("guest-book", "1.1.0", (text) => text.replace("<h2>", "<h2>nova "));
  const good = await done(await call("POST", `/installations/${book.id}/update`, {}, 202));
  const updated = await call("GET", `/installations/${book.id}`);
  assert.deepEqual([updated.version, updated.stateReason, updated.update], ["1.1.0", undefined, undefined]);
  assert.match((await visit("book")).text, /<h2>nova [\s\S]*Гарний/);
  assert.equal(updated.lastBackupId, good.result.appBackupId);
  const backup = await call("GET", `/app-backups/${updated.lastBackupId}`);
  assert.deepEqual([backup.state, backup.reason, backup.releaseNumber, backup.disks[0].name], ["available", "update", 1, "data"]);
  await call("POST", `/installations/${book.id}/update`, {}, 409);

  // What the copy holds is what was there: a tarball with the database of that moment.
  const { content } = await cloud.objects.objects.read({ bucketId: bucket.id, key: backup.disks[0].key });
  const bytes = gunzipSync(Buffer.concat(await content.toArray()));
  assert.ok(bytes.includes("volume/guest-book.db") && bytes.includes("Гарний"));
});

test("a backup by hand is put back on the disk, and a changed one is refused before anything is touched", options, async () => {
  const { items } = await call("GET", `/installations?project=${project}`);
  const links = items.find((each: Json) => each.name === "links");
  const made = await done(await call("POST", `/apps/${links.appId}/backups`, { bucket: "backups" }, 202));
  const backup = await call("GET", `/app-backups/${made.result.appBackupId}`);
  assert.ok(backup.sizeBytes > 0);
  const signedIn = await visit("links", "/-/sign-in", { password: "open the door" });
  const cookie = String(signedIn.headers["set-cookie"][0]).split(";")[0] as string;
  assert.equal((await visit("links", "/-/links", { target: "https://example.org/late", word: "late" }, { cookie })).status, 303);
  assert.equal((await visit("links", "/late")).status, 302);
  await call("POST", `/app-backups/${backup.id}/restore`, { confirm: "other" }, 400);
  await done(await call("POST", `/app-backups/${backup.id}/restore`, { confirm: "links" }, 202));
  assert.equal((await visit("links", "/late")).status, 404);
  assert.equal((await visit("links", "/go")).status, 302);
  // As the app's own user, it goes on writing.
  assert.equal((await visit("links", "/-/links", { target: "https://example.org/new", word: "new" }, { cookie })).status, 303);

  await cloud.objects.objects.write({
    bucketId: bucket.id,
    key: backup.disks[0].key,
    content: Readable.from([Buffer.from("something else")]),
  });
  const refused = await ended(await call("POST", `/app-backups/${backup.id}/restore`, { confirm: "links" }, 202));
  assert.match(refused.error.message, /is not what was written/);
  assert.equal((await visit("links", "/new")).status, 302);
  await call("DELETE", `/app-backups/${backup.id}`, undefined, 204);
  assert.deepEqual(await cloud.objects.objects.list({ bucketId: bucket.id, prefix: `apps/${links.appId}/`, limit: 10 }), []);
});

test("an installation that fails is undone as a whole, and its last words are told", options, async () => {
  await publish("guest-book", "3.0.0", () => 'console.error("no luck"); process.exit(5);');
  const failed = await ended(await install({ template: "guest-book", name: "unlucky" }));
  assert.equal(failed.state, "failed");
  assert.match(failed.error.message, /Guest book could not be deployed: [\s\S]*(no luck|exit code 5)/);
  const { items } = await call("GET", `/apps?project=${project}`);
  assert.deepEqual(items.map(({ name }: Json) => name).sort(), ["book", "links"]);
  assert.equal((await call("GET", `/installations?project=${project}`)).items.length, 2);
  assert.equal((await ours()).volumes.length, 2);
  // The name is free again, and bad answers make nothing.
  await call("POST", "/installations", { project, template: "short-links", name: "unlucky" }, 400);
  await call(
    "POST",
    "/installations",
    { project, template: "short-links", name: "book", settings: { ADMIN_PASSWORD: "open the door" } },
    409,
  );
});

test("removing takes what it made and only that; the last copy stays, and another app takes it", options, async () => {
  const { items } = await call("GET", `/installations?project=${project}`);
  const [book, links] = ["book", "links"].map((name) => items.find((each: Json) => each.name === name));
  await call("DELETE", `/installations/${book.id}?confirm=other`, undefined, 400);
  await done(await call("DELETE", `/installations/${book.id}?confirm=book&backup=true`, undefined, 202));
  const { items: backups } = await call("GET", `/app-backups?project=${project}&app=${book.appId}`);
  assert.deepEqual(backups.map(({ reason, state }: Json) => [reason, state]).slice(0, 1), [["removal", "available"]]);
  await publish("guest-book", "1.1.0", (text) => text);
  const again = await install({ template: "guest-book", name: "garden" });
  await done(again);
  const { appId } = await show(again);
  assert.doesNotMatch((await visit("garden")).text, /Гарний/);
  await done(await call("POST", `/app-backups/${backups[0].id}/restore`, { app: appId, confirm: "garden" }, 202));
  assert.match((await visit("garden")).text, /Гарний/);
  for (const [id, name] of [
    [again.resource.id, "garden"],
    [links.id, "links"],
  ])
    await done(await call("DELETE", `/installations/${id}?confirm=${name}`, undefined, 202));
  assert.deepEqual(await ours(), { containers: [], volumes: [] });
  const [quota] = await cloud.database
    .sql`select used from kernel.quota_usage where scope_id = ${project} and name = 'apps.apps'`;
  assert.equal(Number(quota?.["used"]), 0);
});

test("an app with a database of its own: made, linked, and taken away with it when that is said", options, async () => {
  const operation = await install({ template: "miniflux", name: "news", settings: { ADMIN_PASSWORD: "a long enough one" } });
  await done(operation);
  const installation = await show(operation);
  assert.equal(installation.database.name, "news");
  assert.match((await visit("news")).text, /^DATABASE_URL=postgres(ql)?:\/\/app_news_\w+:[^@]+@news:5432\/news/m);
  assert.equal((await call("GET", `/databases/${installation.database.id}`)).state, "running");
  // It stays, unless that is said.
  const path = `/installations/${installation.id}?confirm=news&deleteDatabase=true`;
  await done(await call("DELETE", path, undefined, 202));
  assert.deepEqual((await call("GET", `/databases?project=${project}`)).items, []);
  assert.deepEqual(await ours(), { containers: [], volumes: [] });
});
