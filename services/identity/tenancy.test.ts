import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { type Fixture, openFixture } from "./testing/cloud.ts";

let cloud: Fixture;
before(async () => {
  cloud = await openFixture();
});
after(() => cloud.close());

test("only the cloud's administrators make organisations; a short name is made out of the name", async () => {
  const boss = (await cloud.tenant("Перша школа")).boss;
  assert.equal((await cloud.call(boss, "POST /organisations", { name: "Mine" })).status, 403);
  assert.equal((await cloud.call({}, "POST /organisations", { name: "Mine" })).status, 401);
  const one = await cloud.call(cloud.owner, "POST /organisations", { name: "Школа" });
  assert.equal(one.status, 201);
  assert.equal(one.body.slug, "shkola");
  assert.equal((await cloud.call(cloud.owner, "POST /organisations", { name: "Школа" })).body.slug, "shkola-2");
  const taken = await cloud.call(cloud.owner, "POST /organisations", { name: "Other", slug: "shkola" });
  assert.equal(taken.status, 409);
  assert.equal(taken.body.reason, "slug_taken");
});

test("a change names the revision that it is based on", async () => {
  const { organisation, project, boss } = await cloud.tenant("Revisions");
  for (const path of [`/organisations/${organisation}`, `/projects/${project}`]) {
    const got = await cloud.call(boss, `GET ${path}`);
    const etag = got.headers["etag"] as string;
    assert.equal(etag, `"r${got.body.revision}"`);
    assert.equal((await cloud.call(boss, `GET ${path}`, undefined, { "if-none-match": etag })).status, 304);
    const changed = await cloud.call(boss, `PATCH ${path}`, { name: "New name" }, { "if-match": etag });
    assert.equal(changed.status, 200);
    assert.equal(changed.body.revision, got.body.revision + 1);
    const stale = await cloud.call(boss, `PATCH ${path}`, { name: "Newer name" }, { "if-match": etag });
    assert.equal(stale.status, 412);
    assert.equal((await cloud.call(boss, `GET ${path}`)).body.name, "New name");
  }
});

test("a repeated request with its key is done once and answered twice", async () => {
  const { organisation, boss } = await cloud.tenant("Repeats");
  const send = (name: string) => cloud.call(boss, "POST /projects", { organisation, name }, { "idempotency-key": "once" });
  const [one, two] = await Promise.all([send("Shop"), send("Shop")]);
  assert.equal(one.status, 201);
  assert.deepEqual(two.body, one.body);
  assert.equal((await send("Other")).body.reason, "idempotency_key_reused");
  assert.equal((await cloud.call(boss, `GET /projects?organisation=${organisation}`)).body.items.length, 2);
});

test("lists come in pages, sorted by name, and can be searched", async () => {
  const { organisation, boss } = await cloud.tenant("Pages");
  for (const name of ["delta", "Alpha", "charlie", "100% Bravo"])
    await cloud.call(boss, "POST /projects", { organisation, name });
  const names: string[] = [];
  let cursor = "";
  do {
    const { body } = await cloud.call(boss, `GET /projects?organisation=${organisation}&limit=2${cursor}`);
    names.push(...body.items.map((item: { name: string }) => item.name));
    cursor = body.nextCursor ? `&cursor=${body.nextCursor}` : "";
  } while (cursor);
  assert.deepEqual([...names].sort(), ["100% Bravo", "Alpha", "Default", "charlie", "delta"]);
  assert.deepEqual(
    names.filter((name) => !name.startsWith("1")),
    ["Alpha", "charlie", "Default", "delta"],
  );
  const found = await cloud.call(boss, `GET /projects?organisation=${organisation}&search=${encodeURIComponent("0% b")}`);
  assert.deepEqual(
    found.body.items.map((item: { name: string }) => item.name),
    ["100% Bravo"],
  );
  assert.equal(
    (await cloud.call(boss, `GET /projects?organisation=${organisation}&search=${encodeURIComponent("a%a")}`)).body.items.length,
    0,
  );
  assert.equal((await cloud.call(boss, `GET /projects?organisation=${organisation}&cursor=nonsense`)).status, 400);
});

test("another tenant's resources do not exist, whatever one does to them", async () => {
  const mine = await cloud.tenant("Mine");
  const theirs = await cloud.tenant("Theirs");
  const key = (await cloud.call(theirs.boss, "POST /access-keys", { project: theirs.project })).body;
  const account = (await cloud.call(theirs.boss, "POST /service-accounts", { organisation: theirs.organisation, name: "bot" }))
    .body;
  const invitation = (
    await cloud.call(theirs.boss, "POST /invitations", {
      organisation: theirs.organisation,
      email: "x@example.org",
      role: "viewer",
    })
  ).body;
  const bindings = (await cloud.call(theirs.boss, `GET /role-bindings?organisation=${theirs.organisation}`)).body.items;
  const token = (await cloud.call(theirs.boss, "POST /api-tokens", { name: "t", serviceAccount: account.id })).body;
  const { organisation, project, boss } = theirs;
  const attempts: [string, unknown?][] = [
    [`GET /organisations/${organisation}`],
    [`PATCH /organisations/${organisation}`, { name: "x" }],
    [`DELETE /organisations/${organisation}`],
    [`POST /organisations/${organisation}/suspend`, { reason: "x" }],
    [`POST /organisations/${organisation}/resume`, {}],
    [`GET /organisations/${organisation}/members`],
    [`DELETE /organisations/${organisation}/members/${boss.id}`],
    [`GET /projects?organisation=${organisation}`],
    ["POST /projects", { organisation, name: "x" }],
    [`GET /projects/${project}`],
    [`PATCH /projects/${project}`, { name: "x" }],
    [`DELETE /projects/${project}`],
    [`GET /role-bindings?organisation=${organisation}`],
    ["POST /role-bindings", { organisation, principal: mine.boss.id, role: "viewer" }],
    ["POST /role-bindings", { organisation: mine.organisation, project, principal: mine.boss.id, role: "viewer" }],
    // Nor can a stranger be pulled in.
    ["POST /role-bindings", { organisation: mine.organisation, principal: boss.id, role: "viewer" }],
    ["POST /role-bindings", { organisation: mine.organisation, principal: account.id, role: "viewer" }],
    [`DELETE /role-bindings/${bindings[0].id}`],
    [`GET /invitations?organisation=${organisation}`],
    ["POST /invitations", { organisation, email: "y@example.org", role: "viewer" }],
    ["POST /invitations", { organisation: mine.organisation, project, email: "y@example.org", role: "viewer" }],
    [`DELETE /invitations/${invitation.id}`],
    [`GET /service-accounts?organisation=${organisation}`],
    ["POST /service-accounts", { organisation, name: "x" }],
    [`PATCH /service-accounts/${account.id}`, { name: "x" }],
    [`DELETE /service-accounts/${account.id}`],
    [`GET /api-tokens?serviceAccount=${account.id}`],
    ["POST /api-tokens", { name: "x", serviceAccount: account.id }],
    [`DELETE /api-tokens/${token.id}`],
    [`GET /access-keys?project=${project}`],
    ["POST /access-keys", { project }],
    ["POST /access-keys", { project: mine.project, serviceAccount: account.id }],
    [`PATCH /access-keys/${key.id}`, { enabled: false }],
    [`DELETE /access-keys/${key.id}`],
    [`GET /quotas?organisation=${organisation}`],
    [`GET /quotas?organisation=${organisation}&project=${project}`],
    [`GET /quotas?organisation=${mine.organisation}&project=${project}`],
    ["PUT /quotas", { organisation, name: "identity.projects", limit: 1 }],
    ["PUT /quotas", { organisation, project, name: "identity.projects", limit: 1 }],
    [`GET /users/${boss.id}`],
    [`POST /users/${boss.id}/suspend`, { reason: "x" }],
    [`POST /users/${boss.id}/resume`, {}],
    [`POST /users/${boss.id}/password-resets`, {}],
  ];
  for (const [route, body] of attempts) {
    const answer = await cloud.call(mine.boss, route, body);
    assert.equal(answer.status, 404, `${route} → ${JSON.stringify(answer.body)}`);
  }
  const mineOnly = (await cloud.call(mine.boss, "GET /organisations")).body.items;
  assert.deepEqual(
    mineOnly.map((each: { id: string }) => each.id),
    [mine.organisation],
  );
});

test("row-level security hides other tenants even from a query that forgot to ask", async () => {
  const one = await cloud.tenant("Row one");
  const two = await cloud.tenant("Row two");
  for (const { organisation, project, boss } of [one, two]) {
    await cloud.call(boss, "POST /access-keys", { project });
    const account = (await cloud.call(boss, "POST /service-accounts", { organisation, name: "bot" })).body;
    await cloud.call(boss, "POST /api-tokens", { name: "t", serviceAccount: account.id });
    await cloud.call(boss, "POST /invitations", { organisation, email: "row@example.org", role: "viewer" });
  }
  const tables = ["organisations", "projects", "role_bindings", "service_accounts", "invitations", "access_keys", "api_tokens"];
  await cloud.database.transaction({ organisationIds: [one.organisation] }, async ({ sql }) => {
    for (const table of tables) {
      const column = table === "organisations" ? "id" : "organisation_id";
      const rows = await sql`select distinct ${sql(column)} as at from identity.${sql(table)} where ${sql(column)} is not null`;
      assert.deepEqual(
        rows.map((row) => row["at"]),
        [one.organisation],
        table,
      );
      const touched = await sql`update identity.${sql(table)} set id = id where ${sql(column)} = ${two.organisation}`;
      assert.equal(touched.count, 0, table);
    }
  });
  await assert.rejects(
    cloud.database.transaction(
      { organisationIds: [one.organisation] },
      ({ sql }) => sql`insert into identity.projects (id, organisation_id, name, slug, created_at)
        values ('prj_x', ${two.organisation}, 'x', 'xxx', now())`,
    ),
    /row-level security/,
  );
  await cloud.database.transaction({ organisationIds: [] }, async ({ sql }) => {
    for (const table of tables.filter((each) => each !== "api_tokens"))
      assert.equal((await sql`select 1 from identity.${sql(table)}`).length, 0, table);
  });
});

test("too low a role is refused", async () => {
  const { organisation, project, boss } = await cloud.tenant("Ranks");
  const viewer = await cloud.person("viewer", { organisation }, boss);
  const billing = await cloud.person("billing", { organisation }, boss);
  const editor = await cloud.person("editor", { organisation }, boss);
  const admin = await cloud.person("admin", { organisation }, boss);
  const status = async (who: { cookie: string }, route: string, body?: unknown) => (await cloud.call(who, route, body)).status;
  assert.equal(await status(viewer, `GET /organisations/${organisation}/members`), 200);
  assert.equal(await status(billing, `GET /organisations/${organisation}/members`), 403);
  assert.equal(await status(billing, `GET /projects/${project}`), 200);
  assert.equal(await status(viewer, "POST /access-keys", { project }), 403);
  assert.equal(await status(editor, "POST /access-keys", { project }), 201);
  assert.equal(await status(editor, "POST /projects", { organisation, name: "x" }), 403);
  assert.equal(await status(admin, "POST /projects", { organisation, name: "x" }), 201);
  assert.equal(await status(admin, `DELETE /organisations/${organisation}`), 403);
  assert.equal(await status(boss, `POST /organisations/${organisation}/suspend`, { reason: "x" }), 403);
  assert.equal(await status(boss, `POST /users/${viewer.id}/suspend`, { reason: "x" }), 403);
  assert.equal(await status(boss, `GET /users/${viewer.id}`), 403);
  assert.equal(await status(boss, "GET /users"), 403);
  assert.equal(await status(boss, "PATCH /cloud", { name: "x" }), 403);
  assert.equal(await status(boss, "PUT /quotas", { organisation, name: "identity.projects", limit: 1000 }), 403);
});

test("a member of one project sees that project, and that its organisation exists", async () => {
  const { organisation, project, boss } = await cloud.tenant("Partial");
  const other = (await cloud.call(boss, "POST /projects", { organisation, name: "Other" })).body;
  const ann = await cloud.person("editor", { organisation, project }, boss);
  assert.equal((await cloud.call(ann, `GET /projects/${project}`)).status, 200);
  assert.equal((await cloud.call(ann, `GET /projects/${other.id}`)).status, 404);
  assert.equal((await cloud.call(ann, `GET /organisations/${organisation}`)).status, 403);
  assert.equal((await cloud.call(ann, "POST /projects", { organisation, name: "x" })).status, 403);
  assert.deepEqual(
    (await cloud.call(ann, `GET /projects?organisation=${organisation}`)).body.items.map((each: { id: string }) => each.id),
    [project],
  );
  const { organisations } = (await cloud.call(ann, "GET /identity")).body;
  assert.deepEqual(
    organisations[0].projects.map((each: { id: string }) => each.id),
    [project],
  );
});

test("nothing of a suspended organisation can be used until it is resumed", async () => {
  const { organisation, project, boss } = await cloud.tenant("Late payer");
  const { accessKeyId } = (await cloud.call(boss, "POST /access-keys", { project })).body;
  const root = (await cloud.call(cloud.owner, "POST /access-keys", { project })).body.accessKeyId;
  const suspended = await cloud.call(cloud.owner, `POST /organisations/${organisation}/suspend`, { reason: "unpaid since May" });
  assert.equal(suspended.body.suspendedReason, "unpaid since May");
  assert.equal((await cloud.call(cloud.owner, `POST /organisations/${organisation}/suspend`, { reason: "x" })).status, 409);
  const refused = await cloud.call(boss, `GET /projects/${project}`);
  assert.equal(refused.status, 403);
  assert.equal(refused.body.reason, "organisation_suspended");
  assert.match(refused.body.detail, /unpaid since May/);
  assert.equal((await cloud.call(boss, `GET /organisations/${organisation}`)).body.state, "suspended");
  // Whoever's key it is: it belongs to a project of the organisation.
  for (const key of [accessKeyId, root])
    assert.equal((await cloud.identity.identity.accessKey(key))?.principal.bindings[0]?.suspendedReason, "unpaid since May");
  assert.equal((await cloud.call(cloud.owner, `GET /projects/${project}`)).status, 200);
  assert.equal((await cloud.call(cloud.owner, `POST /organisations/${organisation}/resume`, {})).body.state, "active");
  assert.equal((await cloud.call(cloud.owner, `POST /organisations/${organisation}/resume`, {})).status, 409);
  assert.equal((await cloud.call(boss, `GET /projects/${project}`)).status, 200);
  assert.equal((await cloud.identity.identity.accessKey(accessKeyId))?.principal.bindings[0]?.suspendedReason, undefined);
});

test("only what is empty can be deleted, and what it held is given back", async () => {
  const { organisation, project, boss } = await cloud.tenant("Endings");
  await cloud.database.sql`create schema if not exists other`;
  await cloud.database.sql`create table if not exists other.things (project_id text references identity.projects)`;
  await cloud.database.sql`insert into other.things values (${project})`;
  await cloud.call(boss, "POST /access-keys", { project });
  const full = await cloud.call(boss, `DELETE /projects/${project}`);
  assert.equal(full.status, 409);
  assert.equal(full.body.reason, "project_not_empty");
  assert.equal(
    (await cloud.call(boss, `GET /access-keys?project=${project}`)).body.items.length,
    1,
    "nothing was done by halves",
  );
  assert.equal((await cloud.call(boss, `DELETE /organisations/${organisation}`)).body.reason, "organisation_not_empty");
  await cloud.database.sql`delete from other.things`;
  assert.equal((await cloud.call(boss, `DELETE /projects/${project}`)).status, 204);
  const { items } = (await cloud.call(boss, `GET /quotas?organisation=${organisation}`)).body;
  assert.deepEqual(
    items.map((item: { used: number }) => item.used),
    [0, 0],
  );
  assert.equal((await cloud.call(boss, `DELETE /organisations/${organisation}`)).status, 204);
  assert.equal((await cloud.call(boss, `GET /organisations/${organisation}`)).status, 404);
  assert.equal((await cloud.call(cloud.owner, `GET /organisations/${organisation}`)).status, 404);
  const [kept] = await cloud.database
    .sql`select count(*)::int as n from kernel.audit_entries where organisation_id = ${organisation}`;
  assert.ok((kept?.["n"] as number) >= 5, "its audit entries stay");
});

test("every change emits an event and an audit entry at its place", async () => {
  const { organisation, project } = await cloud.tenant("Heard");
  const events = await cloud.database.sql`select type from kernel.events where organisation_id = ${organisation} order by id`;
  const types = new Set(events.map((event) => event["type"]));
  for (const type of ["organisation", "member", "project"]) assert.ok(types.has(`identity.${type}.changed`), type);
  const entries = await cloud.database.sql`
    select action, actor_name, project_id, source_ip from kernel.audit_entries where chain = ${organisation} order by sequence`;
  assert.deepEqual(
    entries.map((entry) => entry["action"]),
    ["identity.organisation.create", "identity.invitation.create", "identity.invitation.accept", "identity.project.create"],
  );
  assert.equal(entries[3]?.["project_id"], project);
  assert.equal(entries[3]?.["source_ip"], "203.0.113.7");
});

test("a project's limit stays within its organisation's", async () => {
  const { organisation, project, boss } = await cloud.tenant("Limits");
  const set = (who: object, body: object) =>
    cloud.call(who, "PUT /quotas", { organisation, name: "identity.access_keys", ...body });
  assert.equal((await set(cloud.owner, { limit: 5 })).body.limit, 5);
  assert.equal((await set(boss, { project, limit: 6 })).status, 400);
  assert.equal((await set(boss, { project, limit: 1 })).body.custom, true);
  assert.equal((await cloud.call(boss, "POST /access-keys", { project })).status, 201);
  const over = await cloud.call(boss, "POST /access-keys", { project });
  assert.equal(over.status, 403);
  assert.equal(over.body.code, "quota_exceeded");
  assert.equal((await set(boss, { project, limit: null })).body.limit, 5);
  assert.equal((await set(cloud.owner, { limit: null })).body.limit, 200);
  assert.equal((await cloud.call(cloud.owner, "PUT /quotas", { organisation, name: "no.such", limit: 1 })).status, 400);
});

test("1,000 creates at the same time at quota 10 give exactly 10", async () => {
  const { organisation, project, boss } = await cloud.tenant("Crowd");
  await cloud.call(cloud.owner, "PUT /quotas", { organisation, name: "identity.access_keys", limit: 10 });
  const answers = await Promise.all(
    Array.from({ length: 1000 }, (_, n) => cloud.call(boss, "POST /access-keys", { project, name: `key ${n}` })),
  );
  assert.equal(answers.filter((answer) => answer.status === 201).length, 10);
  assert.equal(answers.filter((answer) => answer.body.code === "quota_exceeded").length, 990);
  const [kept] = await cloud.database.sql`select count(*)::int as n from identity.access_keys where project_id = ${project}`;
  assert.equal(kept?.["n"], 10);
  const { items } = (await cloud.call(boss, `GET /quotas?organisation=${organisation}`)).body;
  assert.equal(items.find((item: { name: string }) => item.name === "identity.access_keys").used, 10);
});
