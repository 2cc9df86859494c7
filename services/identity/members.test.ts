import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { type Caller, type Fixture, openFixture } from "./testing/cloud.ts";

let cloud: Fixture;
before(async () => {
  cloud = await openFixture();
});
after(() => cloud.close());

const bindingsOf = async (caller: Caller, organisation: string) =>
  (await cloud.call(caller, `GET /role-bindings?organisation=${organisation}&limit=1000`)).body.items as {
    id: string;
    role: string;
    principal: { id: string };
    projectId?: string;
  }[];

test("an invitation link shows what it is for, makes an account, and works once", async () => {
  const { organisation, boss } = await cloud.tenant("Inviting");
  const made = await cloud.call(boss, "POST /invitations", { organisation, email: "New.One@Example.org", role: "editor" });
  assert.equal(made.status, 201);
  assert.match(made.body.link, /^http:\/\/localhost:8080\/invitation#[\w-]{43}$/);
  const token = made.body.link.split("#")[1];
  const kept = JSON.stringify(await cloud.database.sql`select * from identity.invitations`);
  assert.ok(!kept.includes(token));
  const shown = await cloud.call({}, "POST /invitations/inspect", { token });
  assert.deepEqual(shown.body, {
    organisationName: "Inviting",
    email: "new.one@example.org",
    role: "editor",
    invitedBy: "Person 1",
    accountExists: false,
  });
  const again = await cloud.call(boss, "POST /invitations", { organisation, email: "new.one@example.org", role: "editor" });
  assert.equal(again.body.reason, "invitation_pending");
  const bare = await cloud.call({}, "POST /invitations/accept", { token });
  assert.equal(bare.body.fields[0].path, "body.name");
  const accept = () =>
    cloud.call({}, "POST /invitations/accept", { token, name: "New One", password: "a few unrelated words", locale: "fr" });
  const answers = await Promise.all([accept(), accept(), accept()]);
  const accepted = answers.filter((answer) => answer.status === 201);
  assert.equal(accepted.length, 1);
  assert.equal(accepted[0]?.body.user.locale, "fr");
  assert.equal(accepted[0]?.body.bindings[0].role, "editor");
  assert.equal((await cloud.call({ cookie: cloud.cookieOf(accepted[0] as never) as string }, "GET /identity")).status, 200);
  assert.equal((await accept()).status, 404);
  assert.equal((await cloud.call({}, "POST /invitations/inspect", { token })).body.reason, "link_used_up");
  assert.equal((await cloud.call(boss, `GET /invitations?organisation=${organisation}`)).body.items[0].state, "accepted");
  assert.equal((await cloud.call(boss, `DELETE /invitations/${made.body.id}`)).status, 409);
});

test("whoever has an account accepts as themselves, and nobody in their place", async () => {
  const one = await cloud.tenant("First employer");
  const two = await cloud.tenant("Second employer");
  const ann = await cloud.person("viewer", { organisation: one.organisation }, one.boss);
  const made = await cloud.call(two.boss, "POST /invitations", {
    organisation: two.organisation,
    email: ann.email,
    role: "admin",
  });
  const token = made.body.link.split("#")[1];
  assert.equal((await cloud.call({}, "POST /invitations/inspect", { token })).body.accountExists, true);
  const stranger = await cloud.call({}, "POST /invitations/accept", { token, name: "Thief", password: "a few unrelated words" });
  assert.equal(stranger.status, 409);
  assert.equal(stranger.body.reason, "sign_in_first");
  assert.equal((await cloud.call(one.boss, "POST /invitations/accept", { token })).body.reason, "other_account");
  const accepted = await cloud.call(ann, "POST /invitations/accept", { token });
  assert.equal(accepted.status, 201);
  assert.equal(accepted.body.organisations.length, 2);
  const held = await cloud.call(two.boss, "POST /invitations", {
    organisation: two.organisation,
    email: ann.email,
    role: "admin",
  });
  assert.equal(held.body.reason, "role_held");
});

test("an invitation ends by itself, or when it is revoked, or with the place of who made it", async () => {
  const { organisation, boss } = await cloud.tenant("Endings");
  const admin = await cloud.person("admin", { organisation }, boss);
  const invite = async (by: Caller, email: string) =>
    (await cloud.call(by, "POST /invitations", { organisation, email, role: "viewer" })).body;
  const accept = (link: string) =>
    cloud.call({}, "POST /invitations/accept", { token: link.split("#")[1], name: "X", password: "a few unrelated words" });
  const revoked = await invite(boss, "revoked@example.org");
  assert.equal((await cloud.call(boss, `DELETE /invitations/${revoked.id}`)).status, 204);
  assert.equal((await accept(revoked.link)).status, 404);
  const comeback = await invite(admin, "second.address@example.org");
  assert.equal((await cloud.call(boss, `DELETE /organisations/${organisation}/members/${admin.id}`)).status, 204);
  assert.equal((await accept(comeback.link)).status, 404);
  const late = await invite(boss, "late@example.org");
  const ahead = cloud.clock.aheadMs;
  cloud.clock.aheadMs += 7 * 24 * 3600_000 + 1000;
  assert.equal((await accept(late.link)).status, 404);
  const states = (await cloud.database.sql`select state from identity.invitations where id = ${late.id}`).map(
    (row) => row["state"],
  );
  assert.deepEqual(states, ["pending"]);
  cloud.clock.aheadMs = ahead;
  assert.equal((await cloud.call({}, "POST /invitations/inspect", { token: "x".repeat(43) })).body.reason, "link_invalid");
});

test("link tokens cannot be guessed", async () => {
  const address = "198.51.100.1";
  for (let n = 0; n < 20; n++)
    assert.equal((await cloud.call({ address }, "POST /invitations/inspect", { token: "x".repeat(40) })).status, 404);
  assert.equal((await cloud.call({ address }, "POST /invitations/inspect", { token: "x".repeat(40) })).status, 429);
  assert.equal(
    (await cloud.call({ address }, "POST /password-resets", { token: "x".repeat(40), password: "a few unrelated words" })).status,
    429,
  );
});

test("nobody gives, takes away or comes to use a higher role than their own", async () => {
  const { organisation, project, boss } = await cloud.tenant("Climbing");
  const admin = await cloud.person("admin", { organisation }, boss);
  const projectAdmin = await cloud.person("admin", { organisation, project }, boss);
  const editor = await cloud.person("editor", { organisation }, boss);
  const bindings = await bindingsOf(boss, organisation);
  const bossBinding = bindings.find((each) => each.principal.id === boss.id);
  const give = (who: Caller, principal: string, role: string, where: object = { organisation }) =>
    cloud.call(who, "POST /role-bindings", { principal, role, ...where });

  const raised = await give(admin, admin.id, "owner");
  assert.equal(raised.status, 403);
  assert.equal(raised.body.reason, "role_too_high");
  assert.equal(
    (await cloud.call(admin, "POST /invitations", { organisation, email: "me@example.org", role: "owner" })).body.reason,
    "role_too_high",
  );
  assert.equal((await cloud.call(admin, `DELETE /role-bindings/${bossBinding?.id}`)).body.reason, "role_too_high");
  assert.equal(
    (await cloud.call(admin, `DELETE /organisations/${organisation}/members/${boss.id}`)).body.reason,
    "role_too_high",
  );
  assert.equal((await give(editor, editor.id, "viewer")).status, 403);
  // An administrator of a project is one there only.
  assert.equal((await give(projectAdmin, projectAdmin.id, "admin")).status, 403);
  assert.equal((await give(projectAdmin, editor.id, "owner", { project })).body.reason, "role_too_high");
  assert.equal((await give(projectAdmin, editor.id, "admin", { project })).status, 201);
  // Not at the cloud, not for themselves, not by an organisation's owner.
  for (const who of [boss, admin]) assert.equal((await give(who, who.id, "viewer", {})).status, 403);
  assert.equal((await cloud.call(boss, "GET /role-bindings")).status, 403);

  // By way of a service account: its credential is worth its roles.
  const account = (await cloud.call(boss, "POST /service-accounts", { organisation, name: "root-bot" })).body;
  assert.equal((await give(boss, account.id, "owner")).status, 201);
  assert.equal(
    (await cloud.call(admin, "POST /api-tokens", { name: "x", serviceAccount: account.id })).body.reason,
    "role_too_high",
  );
  assert.equal((await cloud.call(editor, "POST /api-tokens", { name: "x", serviceAccount: account.id })).status, 403);
  assert.equal(
    (await cloud.call(admin, "POST /access-keys", { project, serviceAccount: account.id })).body.reason,
    "role_too_high",
  );
  assert.equal(
    (await cloud.call(admin, `PATCH /service-accounts/${account.id}`, { state: "suspended" })).body.reason,
    "role_too_high",
  );
  assert.equal((await cloud.call(admin, `DELETE /service-accounts/${account.id}`)).body.reason, "role_too_high");
  assert.equal((await cloud.call(boss, "POST /api-tokens", { name: "x", serviceAccount: account.id })).status, 201);
  // What they hold themselves they do give.
  assert.equal((await give(admin, editor.id, "admin")).status, 201);
  assert.equal((await give(admin, editor.id, "admin")).body.reason, "role_held");
  assert.equal((await give(admin, editor.id, "billing")).status, 201);
});

test("the cloud's administrator does not become its owner", async () => {
  const admin = await cloud.person("viewer", { organisation: cloud.home.organisation });
  assert.equal((await cloud.call(cloud.owner, "POST /role-bindings", { principal: admin.id, role: "admin" })).status, 201);
  assert.equal((await cloud.call(admin, "GET /users")).status, 200);
  assert.equal(
    (await cloud.call(admin, "POST /role-bindings", { principal: admin.id, role: "owner" })).body.reason,
    "role_too_high",
  );
  assert.equal((await cloud.call(admin, `POST /users/${cloud.owner.id}/password-resets`, {})).body.reason, "role_too_high");
  assert.equal((await cloud.call(admin, `POST /users/${cloud.owner.id}/suspend`, { reason: "x" })).body.reason, "role_too_high");
  const atCloud = (await cloud.call(admin, "GET /role-bindings")).body.items;
  const root = atCloud.find((each: { role: string }) => each.role === "owner");
  assert.equal((await cloud.call(admin, `DELETE /role-bindings/${root.id}`)).body.reason, "role_too_high");
  const account = (
    await cloud.call(admin, "POST /service-accounts", { organisation: cloud.home.organisation, name: "cloud-bot" })
  ).body;
  assert.equal(
    (await cloud.call(admin, "POST /role-bindings", { principal: account.id, role: "viewer" })).body.reason,
    "service_account_at_cloud",
  );
});

test("the last owner stays, of an organisation and of the cloud", async () => {
  const { organisation, boss } = await cloud.tenant("Lasting");
  const own = async () => (await bindingsOf(boss, organisation)).filter((each) => each.role === "owner");
  // The one who made the organisation owns it as well; they leave first.
  assert.equal((await cloud.call(boss, `DELETE /organisations/${organisation}/members/${cloud.owner.id}`)).status, 204);
  const [last] = await own();
  assert.equal((await cloud.call(boss, `DELETE /role-bindings/${last?.id}`)).body.reason, "last_owner");
  assert.equal((await cloud.call(boss, `DELETE /organisations/${organisation}/members/${boss.id}`)).body.reason, "last_owner");
  // A program cannot be the one who is left, nor a suspended person.
  const account = (await cloud.call(boss, "POST /service-accounts", { organisation, name: "bot" })).body;
  await cloud.call(boss, "POST /role-bindings", { organisation, principal: account.id, role: "owner" });
  const second = await cloud.person("owner", { organisation }, boss);
  await cloud.call(cloud.owner, `POST /users/${second.id}/suspend`, { reason: "away" });
  assert.equal((await cloud.call(boss, `DELETE /role-bindings/${last?.id}`)).body.reason, "last_owner");
  await cloud.call(cloud.owner, `POST /users/${second.id}/resume`, {});

  // Two who remove each other at the same moment: one stays.
  const { cookie } = await cloud.signIn(second.email, second.password);
  const secondBinding = (await own()).find((each) => each.principal.id === second.id);
  const answers = await Promise.all([
    cloud.call({ cookie: cookie as string }, `DELETE /role-bindings/${last?.id}`),
    cloud.call(boss, `DELETE /role-bindings/${secondBinding?.id}`),
  ]);
  assert.equal(answers.filter((answer) => answer.status === 204).length, 1, JSON.stringify(answers.map((answer) => answer.body)));

  const atCloud = (await cloud.call(cloud.owner, "GET /role-bindings")).body.items;
  const root = atCloud.find((each: { role: string }) => each.role === "owner");
  assert.equal((await cloud.call(cloud.owner, `DELETE /role-bindings/${root.id}`)).body.reason, "last_owner");
});

test("a removed member loses roles, keys and the quota that the keys held", async () => {
  const { organisation, project, boss } = await cloud.tenant("Leaving");
  const ann = await cloud.person("editor", { organisation }, boss);
  await cloud.call(boss, "POST /role-bindings", { project, principal: ann.id, role: "admin" });
  const { accessKeyId } = (await cloud.call(ann, "POST /access-keys", { project })).body;
  assert.ok(await cloud.identity.identity.accessKey(accessKeyId));
  const list = await cloud.call(boss, `GET /organisations/${organisation}/members?search=${ann.email}`);
  assert.equal(list.body.items.length, 1);
  assert.equal(list.body.items[0].bindings.length, 2);
  assert.equal(list.body.items[0].secondFactor, false);
  assert.equal((await cloud.call(boss, `DELETE /organisations/${organisation}/members/${ann.id}`)).status, 204);
  assert.equal((await cloud.call(boss, `DELETE /organisations/${organisation}/members/${ann.id}`)).status, 404);
  assert.equal(await cloud.identity.identity.accessKey(accessKeyId), undefined);
  assert.equal((await cloud.call(ann, `GET /projects/${project}`)).status, 404);
  const { items } = (await cloud.call(boss, `GET /quotas?organisation=${organisation}&project=${project}`)).body;
  assert.equal(items.find((item: { name: string }) => item.name === "identity.access_keys").used, 0);
});

test("members come in pages", async () => {
  const { organisation, boss } = await cloud.tenant("Many");
  for (let n = 0; n < 3; n++) await cloud.person("viewer", { organisation }, boss);
  const seen = new Set<string>();
  let cursor = "";
  do {
    const { body } = await cloud.call(boss, `GET /organisations/${organisation}/members?limit=2${cursor}`);
    for (const item of body.items) seen.add(item.principal.id);
    cursor = body.nextCursor ? `&cursor=${body.nextCursor}` : "";
  } while (cursor);
  assert.equal(seen.size, 5);
});
