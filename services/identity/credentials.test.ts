import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { CloudError } from "../../kernel/errors.ts";
import { scopeCovers } from "./apiTokens.ts";
import { type Fixture, openFixture } from "./testing/cloud.ts";

let cloud: Fixture;
before(async () => {
  cloud = await openFixture();
});
after(() => cloud.close());

const keyOf = (accessKeyId: string) => cloud.identity.identity.accessKey(accessKeyId);

test("what a scope covers", () => {
  for (const [held, wanted, covers] of [
    ["*", "*", true],
    ["*", "objects.*", true],
    ["objects.*", "objects.bucket.*", true],
    ["objects.*", "objects.bucket.create", true],
    ["objects.bucket.*", "objects.*", false],
    ["objects.*", "*", false],
    ["objects.*", "*.read", false],
    ["*.read", "*.read", true],
    ["*.read", "objects.bucket.list", true],
    ["*.read", "objects.bucket.*", false],
    ["objects.bucket.read", "objects.bucket.read", true],
    ["objects.bucket.read", "objects.bucket.list", false],
  ] as const)
    assert.equal(scopeCovers([held], wanted), covers, `${held} covers ${wanted}`);
});

test("a token works until it is revoked or expires, is kept hashed, and is shown once", async () => {
  const { organisation, boss } = await cloud.tenant("Tokens");
  const made = await cloud.call(boss, "POST /api-tokens", { name: "backup", expiresInDays: 1 });
  assert.equal(made.status, 201);
  const { token, id, prefix } = made.body;
  assert.match(token, /^khm_[\w-]{43}$/);
  assert.equal(prefix, token.slice(0, 12));
  assert.ok(!JSON.stringify(await cloud.database.sql`select * from identity.api_tokens`).includes(token.slice(12)));
  assert.equal((await cloud.call({ token }, `GET /organisations/${organisation}`)).status, 200);
  const [listed] = (await cloud.call(boss, "GET /api-tokens")).body.items;
  assert.equal(listed.token, undefined);
  // A program needs no proof that it is our own page.
  assert.equal((await cloud.call({ token }, "POST /projects", { organisation, name: "By token" })).status, 201);
  const ahead = cloud.clock.aheadMs;
  cloud.clock.aheadMs += 24 * 3600_000 + 1;
  assert.equal((await cloud.call({ token }, "GET /identity")).status, 401);
  cloud.clock.aheadMs = ahead;
  assert.equal((await cloud.call({ token }, "GET /identity")).status, 200);
  assert.equal((await cloud.call(boss, `DELETE /api-tokens/${id}`)).status, 204);
  const gone = await cloud.call({ token }, "GET /identity");
  assert.equal(gone.status, 401);
  assert.equal(gone.headers["www-authenticate"], 'Bearer realm="Khmara"');
  for (const authorization of ["Bearer khm_nonsense", "Bearer x", "Basic eDp5", "Bearer"])
    assert.equal((await cloud.call({}, "GET /identity", undefined, { authorization })).status, 401, authorization);
});

test("nobody sees or revokes another's token", async () => {
  const { organisation, boss } = await cloud.tenant("Private tokens");
  const ann = await cloud.person("viewer", { organisation }, boss);
  const { id } = (await cloud.call(ann, "POST /api-tokens", { name: "mine" })).body;
  assert.equal((await cloud.call(boss, "GET /api-tokens")).body.items.length, 0);
  assert.equal((await cloud.call(boss, `DELETE /api-tokens/${id}`)).status, 404);
});

test("a token does what its scopes say, and makes nothing that may do more", async () => {
  const { organisation, project, boss } = await cloud.tenant("Scopes");
  const make = async (scopes: string[], more: object = {}) =>
    (await cloud.call(boss, "POST /api-tokens", { name: "t", scopes, ...more })).body.token as string;
  const status = async (token: string, route: string, body?: unknown) => (await cloud.call({ token }, route, body)).status;

  const reading = await make(["*.read"]);
  assert.equal(await status(reading, `GET /projects/${project}`), 200);
  assert.equal(await status(reading, `GET /projects?organisation=${organisation}`), 200);
  const refused = await cloud.call({ token: reading }, "POST /projects", { organisation, name: "x" });
  assert.equal(refused.body.reason, "token_scope");
  assert.equal(await status(reading, "POST /api-tokens", { name: "wider" }), 403);
  assert.equal(await status(reading, "PATCH /profile", { name: "x" }), 403);
  assert.equal(await status(reading, "DELETE /sessions"), 403);

  const keys = await make(["identity.access_key.*"]);
  assert.equal(await status(keys, `GET /access-keys?project=${project}`), 200);
  assert.equal(await status(keys, `GET /projects/${project}`), 403);
  // A key would reach the objects that the token does not.
  const widening = await cloud.call({ token: keys }, "POST /access-keys", { project });
  assert.equal(widening.body.reason, "token_scope");
  assert.equal(await status(keys, "POST /access-keys", { project, readOnly: true }), 403);
  const both = await make(["identity.access_key.*", "objects.*"]);
  assert.equal(await status(both, "POST /access-keys", { project }), 201);
  const readingKeys = await make(["identity.access_key.*", "*.read"]);
  const key = await cloud.call({ token: readingKeys }, "POST /access-keys", { project, readOnly: true });
  assert.equal(key.status, 201);
  assert.equal(await status(readingKeys, `PATCH /access-keys/${key.body.id}`, { readOnly: false }), 403);
  assert.equal(await status(readingKeys, `PATCH /access-keys/${key.body.id}`, { name: "renamed" }), 200);

  const short = await make(["*"], { expiresInDays: 2 });
  assert.equal(await status(short, "POST /api-tokens", { name: "longer" }), 403);
  assert.equal(await status(short, "POST /api-tokens", { name: "longer", expiresInDays: 3 }), 403);
  assert.equal(await status(short, "POST /api-tokens", { name: "shorter", expiresInDays: 1 }), 201);
  assert.equal((await cloud.call(boss, "POST /api-tokens", { name: "t", scopes: ["nonsense"] })).status, 400);
});

test("a service account has the roles it is given, by its tokens", async () => {
  const { organisation, project, boss } = await cloud.tenant("Programs");
  const account = (await cloud.call(boss, "POST /service-accounts", { organisation, name: "deploy", description: "from CI" }))
    .body;
  assert.equal((await cloud.call(boss, "POST /service-accounts", { organisation, name: "deploy" })).status, 409);
  const { token } = (await cloud.call(boss, "POST /api-tokens", { name: "ci", serviceAccount: account.id })).body;
  assert.equal((await cloud.call({ token }, `GET /projects/${project}`)).status, 404);
  await cloud.call(boss, "POST /role-bindings", { project, principal: account.id, role: "editor" });
  assert.equal((await cloud.call({ token }, `GET /projects/${project}`)).status, 200);
  const self = (await cloud.call({ token }, "GET /identity")).body;
  assert.equal(self.principal.kind, "service_account");
  assert.equal(self.user, undefined);
  assert.equal(self.organisations[0].projects[0].id, project);
  assert.equal((await cloud.call({ token }, "PATCH /profile", { name: "x" })).body.reason, "person_needed");
  assert.equal((await cloud.call({ token }, "GET /sessions")).status, 409);
  assert.equal((await cloud.call(boss, `GET /api-tokens?serviceAccount=${account.id}`)).body.items[0].owner.name, "deploy");
  assert.equal((await cloud.call({ token }, "GET /api-tokens")).body.items.length, 1);

  const path = `/service-accounts/${account.id}`;
  const stale = await cloud.call(boss, `PATCH ${path}`, { name: "x" }, { "if-match": '"r7"' });
  assert.equal(stale.status, 412);
  const suspended = await cloud.call(boss, `PATCH ${path}`, { state: "suspended" }, { "if-match": '"r1"' });
  assert.equal(suspended.body.state, "suspended");
  assert.equal((await cloud.call({ token }, "GET /identity")).body.reason, "account_suspended");
  await cloud.call(boss, `PATCH ${path}`, { state: "active" });
  assert.equal((await cloud.call({ token }, "GET /identity")).status, 200);
  const { accessKeyId } = (await cloud.call(boss, "POST /access-keys", { project, serviceAccount: account.id })).body;
  assert.equal((await keyOf(accessKeyId))?.principal.kind, "service_account");
  assert.equal((await cloud.call(boss, `DELETE ${path}`)).status, 204);
  assert.equal((await cloud.call({ token }, "GET /identity")).status, 401);
  assert.equal(await keyOf(accessKeyId), undefined);
  const { items } = (await cloud.call(boss, `GET /quotas?organisation=${organisation}`)).body;
  assert.equal(items.find((item: { name: string }) => item.name === "identity.access_keys").used, 0);
});

test("an access key has the rights of its owner in its one project, and its secret is kept encrypted", async () => {
  const { organisation, project, boss } = await cloud.tenant("Keys");
  const made = await cloud.call(boss, "POST /access-keys", { project, name: "laptop", readOnly: true });
  assert.equal(made.status, 201);
  assert.match(made.body.accessKeyId, /^KHM[A-Z0-9]{17}$/);
  assert.match(made.body.secretAccessKey, /^[\w-]{40}$/);
  assert.equal(made.body.endpoint, "http://localhost:9000");
  const [kept] = await cloud.database.sql<{ id: string; secret: Buffer }[]>`
    select id, secret from identity.access_keys where access_key_id = ${made.body.accessKeyId}`;
  assert.ok(!kept?.secret.toString("latin1").includes(made.body.secretAccessKey));
  assert.throws(() => cloud.secrets.decrypt("identity.access_key:key_other", kept?.secret as Buffer));
  const key = await keyOf(made.body.accessKeyId);
  assert.deepEqual(key, {
    secretAccessKey: made.body.secretAccessKey,
    organisationId: organisation,
    projectId: project,
    principal: {
      kind: "user",
      id: boss.id,
      name: key?.principal.name,
      bindings: [{ role: "owner", organisationId: organisation, projectId: project }],
      projectId: project,
      readOnly: true,
    },
  });
  assert.equal((await cloud.call(boss, `GET /access-keys?project=${project}`)).body.items[0].secretAccessKey, undefined);
  const all = JSON.stringify(
    await cloud.database.sql`select before, after from kernel.audit_entries where chain = ${organisation}`,
  );
  assert.ok(all.includes(made.body.accessKeyId) && !all.includes(made.body.secretAccessKey));
  const repeated = () => cloud.call(boss, "POST /access-keys", { project }, { "idempotency-key": "a key" });
  assert.equal((await repeated()).body.secretAccessKey, (await repeated()).body.secretAccessKey);
});

/** Until what was remembered is gone, for at most a second: the notification comes after the answer. */
async function soon(check: () => Promise<boolean>): Promise<void> {
  for (let n = 0; n < 50; n++) {
    if (await check()) return;
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  assert.fail("It did not come to be.");
}

test("a remembered key stops at once when it is disabled, or its owner loses the role or is suspended", async () => {
  const { organisation, project, boss } = await cloud.tenant("Stopping");
  const ann = await cloud.person("editor", { organisation }, boss);
  const key = (await cloud.call(ann, "POST /access-keys", { project })).body;
  const works = async () => (await keyOf(key.accessKeyId)) !== undefined;
  await soon(works);
  const change = (enabled: boolean, revision: number) =>
    cloud.call(boss, `PATCH /access-keys/${key.id}`, { enabled }, { "if-match": `"r${revision}"` });
  assert.equal((await change(false, 1)).body.enabled, false);
  await soon(async () => !(await works()));
  assert.equal((await change(true, 1)).status, 412);
  assert.equal((await change(true, 2)).status, 200);
  await soon(works);

  const bindings = (await cloud.call(boss, `GET /role-bindings?organisation=${organisation}`)).body.items;
  const binding = bindings.find((each: { principal: { id: string } }) => each.principal.id === ann.id);
  await cloud.call(boss, `DELETE /role-bindings/${binding.id}`);
  await soon(async () => !(await works()));
  await cloud.call(boss, "POST /role-bindings", { organisation, principal: ann.id, role: "editor" });
  assert.equal(await works(), false, "a stranger by now, they must be invited");
  await cloud.call(cloud.owner, "POST /role-bindings", { project, principal: ann.id, role: "viewer" });
  await soon(works);
  assert.deepEqual((await keyOf(key.accessKeyId))?.principal.bindings, [
    { role: "viewer", organisationId: organisation, projectId: project },
  ]);

  await cloud.call(cloud.owner, `POST /users/${ann.id}/suspend`, { reason: "lost laptop" });
  await soon(async () => !(await works()));
  await cloud.call(cloud.owner, `POST /users/${ann.id}/resume`, {});
  await soon(works);
  assert.equal((await cloud.call(boss, `DELETE /access-keys/${key.id}`)).status, 204);
  await soon(async () => !(await works()));
  assert.equal(await keyOf("KHMNOSUCHKEY12345678"), undefined);
});

test("remembered keys go on while the database is away, and changes are heard again after it is back", async () => {
  const { project, boss } = await cloud.tenant("Outage");
  const key = (await cloud.call(boss, "POST /access-keys", { project })).body;
  // Its making has been heard by then.
  await new Promise((resolve) => setTimeout(resolve, 200));
  assert.ok(await keyOf(key.accessKeyId));
  const { sql, statement } = cloud.database;
  let refused = 0;
  // Stands for a server that refuses connections.
  cloud.database.statement = async () => {
    refused += 1;
    throw new CloudError("unavailable", "The database cannot be reached.");
  };
  cloud.clock.aheadMs += 60_000;
  assert.equal((await keyOf(key.accessKeyId))?.secretAccessKey, key.secretAccessKey);
  assert.ok(refused > 0);
  assert.equal((await cloud.call(boss, "GET /identity")).status, 503);
  cloud.clock.aheadMs += 11 * 60_000;
  await assert.rejects(keyOf(key.accessKeyId), (error) => CloudError.is(error, "unavailable"));
  cloud.database.statement = statement;
  assert.ok(await keyOf(key.accessKeyId));
  await sql`select pg_terminate_backend(pid) from pg_stat_activity where query ilike 'listen%' and datname = current_database()`;
  await new Promise((resolve) => setTimeout(resolve, 500));
  assert.ok(await keyOf(key.accessKeyId));
  await cloud.call(boss, `PATCH /access-keys/${key.id}`, { enabled: false });
  await soon(async () => (await keyOf(key.accessKeyId)) === undefined);
});

test("a project's place is told to other services, as far as the transaction sees", async () => {
  const { organisation, project } = await cloud.tenant("Places");
  const place = (visibility: Parameters<typeof cloud.database.transaction>[0]) =>
    cloud.database.transaction(visibility, (tx) => cloud.identity.identity.projectPlace(tx, project));
  assert.deepEqual(await place({ all: true }), {
    organisationId: organisation,
    projectId: project,
    name: "Default",
    slug: "default",
  });
  assert.equal(await place({ organisationIds: ["org_other"] }), undefined);
});
