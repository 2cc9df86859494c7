import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { type TestDeploying, testDeploying } from "../deploying/testing/fixture.ts";

let cloud: TestDeploying;
before(async () => {
  cloud = await testDeploying();
});
after(() => cloud?.stop());

const image = (content: string) => ({ "index.html": content });
// biome-ignore lint/suspicious/noExplicitAny: tests look into answers of all routes.
type Json = any;

const environment = async (app: { id: string }) => {
  const { releaseId } = await cloud.show(app);
  const release = await cloud.database.transaction("system", (tx) => cloud.parts.deploying.release(tx, releaseId));
  return { values: { ...release?.environment }, files: release?.files ?? [] };
};
/** As the part that runs apps writes it. */
const started = async (app: { id: string }) => {
  await cloud.database.sql`delete from apps.started_releases where app_id = ${app.id}`;
  for (const id of cloud.running.live.get(app.id) ?? [])
    await cloud.database.sql`insert into apps.started_releases (release_id, app_id, organisation_id, project_id, started_at)
      select id, app_id, organisation_id, project_id, now() from apps.releases where id = ${id}`;
};
const link = async (app: { id: string }, body: object): Promise<Json> => {
  const answer = await cloud.call("editor", "POST", `/apps/${app.id}/links`, body);
  assert.equal(answer.status, 201, JSON.stringify(answer.body));
  if (answer.body.operationId) await cloud.done(answer.body.operationId);
  return answer.body.link;
};
const links = async (app: { id: string }): Promise<Json[]> =>
  (await cloud.call("viewer", "GET", `/apps/${app.id}/links`)).body.items;

test("a database: its variables come with a release, sealed; without it, its user goes when no release has it any more", async () => {
  const { things } = cloud;
  const app = await cloud.app("shop-api");
  const made = await link(app, { database: things.database.id });
  assert.deepEqual([made.kind, made.resourceName, made.state], ["database", "books", "active"]);
  const [user = ""] = things.users.keys();
  assert.match(user, /^app_shop_api_[0-9a-f]{8}$/);
  assert.equal(things.users.get(user), "app shop-api");
  await cloud.deploy(app, image("one"));
  const { values, files } = await environment(app);
  const expected = {
    DATABASE_URL: `postgres://${user}:pw-of-${user}@books:5432/main?sslmode=verify-full`,
    PGHOST: "books",
    PGPORT: "5432",
    PGUSER: user,
    PGPASSWORD: `pw-of-${user}`,
    PGDATABASE: "main",
    PGSSLMODE: "verify-full",
    PGSSLROOTCERT: "/run/khmara/databases.crt",
    NODE_EXTRA_CA_CERTS: "/run/khmara/databases.crt",
    DATABASE_CA_CERT: "-----BEGIN CERTIFICATE-----\n",
  };
  for (const [name, value] of Object.entries(expected)) assert.equal(values[name], value, name);
  assert.deepEqual(files, [{ path: "/run/khmara/databases.crt", content: "-----BEGIN CERTIFICATE-----\n" }]);
  const settings = (await cloud.call("editor", "GET", `/apps/${app.id}/settings`)).body.items;
  const shown = settings.find(({ name }: Json) => name === "DATABASE_URL");
  assert.deepEqual([shown.origin, shown.isSecret, shown.value], ["link", true, undefined]);
  for (const body of [{ set: { PGHOST: "x" } }, { unset: ["DATABASE_URL"] }])
    assert.equal((await cloud.call("editor", "PATCH", `/apps/${app.id}/settings`, body)).status, 409, "they are the link's");
  const tables = await cloud.database.sql<{ name: string }[]>`select format('%I.%I', schemaname, tablename) as name from pg_tables
    where schemaname in ('apps', 'kernel')`;
  for (const { name } of tables)
    assert.equal(
      (await cloud.database.sql`select 1 from ${cloud.database.sql.unsafe(name)} t where t::text like '%pw-of-%'`).length,
      0,
      `a password is readable in ${name}`,
    );

  await started(app);
  const first = (await cloud.show(app)).releaseNumber;
  const removed = await cloud.call("editor", "DELETE", `/app-links/${made.id}`);
  assert.equal(removed.status, 200, JSON.stringify(removed.body));
  assert.equal((await links(app))[0].state, "deleting");
  await cloud.work("apps.links");
  assert.ok(things.users.has(user), "what runs still uses it");
  await cloud.done(removed.body.operationId);
  assert.equal((await environment(app)).values["DATABASE_URL"], undefined);
  await started(app);
  await cloud.work("apps.links");
  assert.deepEqual([things.users.size, await links(app)], [0, []]);

  const rollback = await cloud.call("editor", "POST", `/apps/${app.id}/rollback`, { release: first });
  await cloud.done(rollback.body.id);
  const after = await environment(app);
  assert.deepEqual([after.values["DATABASE_URL"], after.values["PGSSLROOTCERT"], after.files], [undefined, undefined, []]);
});

test("a rollback has the links of now, whatever they were then", async () => {
  const { things } = cloud;
  const app = await cloud.app();
  await cloud.call("editor", "PATCH", `/apps/${app.id}/settings`, { set: { COLOUR: "red" } });
  await cloud.deploy(app, image("plain"));
  await link(app, { bucket: things.bucket.id, prefix: "MEDIA" });
  const first = await cloud.show(app);
  const rollback = await cloud.call("editor", "POST", `/apps/${app.id}/rollback`, { release: 1 });
  await cloud.done(rollback.body.id);
  const { values } = await environment(app);
  assert.deepEqual([values["COLOUR"], values["MEDIA_S3_BUCKET"]], ["red", "shop-media"]);
  assert.equal((await cloud.show(app)).releaseNumber, first.releaseNumber + 1);
});

test("a bucket: a key of its own, held as long as it is linked; a second one needs a prefix", async () => {
  const { things } = cloud;
  things.holds.clear();
  things.keys.clear();
  const app = await cloud.app();
  const made = await link(app, { bucket: things.bucket.id, access: "read_only" });
  const [[keyId = "", key] = []] = things.keys;
  assert.deepEqual([key?.bucketId, key?.readOnly, [...things.holds]], [things.bucket.id, true, [made.id]]);
  const again = await cloud.call("editor", "POST", `/apps/${app.id}/links`, { bucket: things.bucket.id });
  assert.equal(again.status, 409);
  assert.match(again.body.detail, /Give this one a prefix/);
  await link(app, { bucket: things.bucket.id, prefix: "SECOND" });
  await cloud.deploy(app, image("two"));
  const { values } = await environment(app);
  for (const [name, value] of Object.entries({
    S3_ENDPOINT: "https://s3.example.org",
    AWS_ENDPOINT_URL_S3: "https://s3.example.org",
    S3_BUCKET: "shop-media",
    AWS_REGION: "us-east-1",
    AWS_ACCESS_KEY_ID: `AK${keyId}`,
    AWS_SECRET_ACCESS_KEY: `secret-of-${keyId}`,
    SECOND_S3_BUCKET: "shop-media",
  }))
    assert.equal(values[name], value, name);
  // Of an app that nothing runs of, they go at once.
  for (const { id } of await links(app)) await cloud.call("editor", "DELETE", `/app-links/${id}?deploy=false`);
  await cloud.database.sql`delete from apps.started_releases where app_id = ${app.id}`;
  await cloud.work("apps.links");
  assert.deepEqual([things.keys.size, things.holds.size], [0, 0]);
  const left = (await environment(app)).values;
  assert.equal(left["AWS_ACCESS_KEY_ID"], undefined, "a release of before has no keys that let nobody in");
});

test("what a database is called now is what its apps get", async () => {
  const { things } = cloud;
  const app = await cloud.app();
  await link(app, { database: things.database.id });
  await cloud.deploy(app, image("three"));
  things.database.host = "library";
  await cloud.work("apps.links");
  const { deployment } = await cloud.show(app);
  if (deployment) await cloud.done((await cloud.deployment(deployment.id)).operationId);
  assert.equal((await environment(app)).values["PGHOST"], "library");
  await cloud.work("apps.links");
  assert.equal((await cloud.show(app)).deployment, undefined, "once");
});

test("refused: what the app has itself, what is elsewhere, what a manifest asks for and is not there", async () => {
  const { things } = cloud;
  const app = await cloud.app();
  await cloud.call("editor", "PATCH", `/apps/${app.id}/settings`, { set: { PGHOST: "mine" } });
  const taken = await cloud.call("editor", "POST", `/apps/${app.id}/links`, { database: things.database.id });
  assert.equal(taken.status, 409);
  assert.match(taken.body.detail, /values of its own for PGHOST/);
  assert.deepEqual(await links(app), []);
  const before = things.users.size;
  things.refuses = true;
  const failed = await cloud.call("editor", "POST", `/apps/${app.id}/links`, { database: things.database.id, prefix: "A" });
  things.refuses = false;
  assert.equal(failed.status, 500);
  assert.deepEqual([await links(app), things.users.size], [[], before], "nothing is left of it");
  const elsewhere = { database: `dbs_${"0".repeat(32)}` };
  assert.equal((await cloud.call("editor", "POST", `/apps/${app.id}/links`, elsewhere)).status, 404);
  for (const body of [
    {},
    { database: things.database.id, bucket: things.bucket.id },
    { database: things.database.id, prefix: "a b" },
  ])
    assert.equal((await cloud.call("editor", "POST", `/apps/${app.id}/links`, body)).status, 400);
  assert.equal((await cloud.call("viewer", "POST", `/apps/${app.id}/links`, { database: things.database.id })).status, 403);
  assert.equal((await cloud.call("stranger", "GET", `/apps/${app.id}/links`)).status, 404);

  await cloud.call("editor", "PATCH", `/apps/${app.id}/settings`, { unset: ["PGHOST"] });
  const files = { ...image("x"), "khmara.json": JSON.stringify({ links: [{ kind: "database" }] }) };
  const refused = await cloud.ended((await cloud.begin(app, files)).id);
  assert.match(refused.error.message, /The app needs a database\. Link it/);
  await link(app, { database: things.database.id });
  await cloud.deploy(app, files);
  const gone = await cloud.call("editor", "DELETE", `/apps/${app.id}?confirm=${app.name}`);
  await cloud.done(gone.body.id);
  assert.equal(things.users.size, before, "what was made for an app goes with it");
});
