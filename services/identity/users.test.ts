import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { CloudError } from "../../kernel/errors.ts";
import { type Fixture, openFixture, ownerEmail, ownerPassword } from "./testing/cloud.ts";

let cloud: Fixture;
before(async () => {
  cloud = await openFixture();
});
after(() => cloud.close());

const tokenOf = (link: string): string => link.split("#")[1] as string;

test("the first owner is made once, with the link that the start printed, or unattended", async () => {
  const other = await openFixture();
  try {
    assert.equal(await other.identity.ensureOwner({ email: "second@example.org", password: "a few unrelated words" }), false);
    assert.deepEqual(await other.identity.firstStart(), []);
    await other.database.sql`delete from identity.role_bindings where organisation_id is null`;
    assert.equal((await other.call({}, "GET /cloud")).body.setupNeeded, true);
    const [first] = await other.identity.firstStart();
    const [second] = await other.identity.firstStart({ email: "only@example.org" });
    assert.match(second as string, /http:\/\/localhost:8080\/setup#[\w-]{43}$/);
    const body = { email: "root@example.org", name: "Root", password: "a few unrelated words", organisationName: "Town hall" };
    const setUp = (link: string) => other.call({}, "POST /setup", { ...body, token: tokenOf(link) });
    assert.equal((await setUp(first as string)).body.reason, "link_invalid", "each start makes a new one");
    const answers = await Promise.all([setUp(second as string), setUp(second as string)]);
    const [done] = answers.filter((answer) => answer.status === 201);
    assert.equal(answers.filter((answer) => answer.status === 201).length, 1);
    assert.deepEqual(
      done?.body.bindings.map((each: { role: string; organisationId?: string }) => [
        each.role,
        each.organisationId !== undefined,
      ]),
      [
        ["owner", true],
        ["owner", false],
      ],
    );
    assert.equal(done?.body.organisations.length, 2);
    assert.equal((await other.call({ cookie: other.cookieOf(done as never) as string }, "GET /users")).status, 200);
    assert.equal((await setUp(second as string)).body.reason, "setup_done");
    assert.equal((await other.call({}, "GET /cloud")).body.setupNeeded, false);
  } finally {
    await other.close();
  }
});

test("an unattended owner needs a real address and a good password", async () => {
  const { ensureOwner } = cloud.identity;
  await assert.rejects(ensureOwner({ email: "nobody", password: ownerPassword }), (error) =>
    CloudError.is(error, "invalid_argument"),
  );
  const home = (await cloud.call(cloud.owner, "GET /identity")).body.organisations[0];
  assert.deepEqual([home.name, home.slug, home.projects[0].name, home.projects[0].slug], ["Home", "home", "Default", "default"]);
});

test("anybody may sign up only where the cloud lets them", async () => {
  const signUp = (email: string, address?: string) =>
    cloud.call(address ? { address } : {}, "POST /sign-ups", {
      email,
      name: "Newcomer",
      password: "a few unrelated words",
      organisationName: "Startup",
    });
  assert.equal((await signUp("one@startup.example")).body.reason, "sign_up_closed");
  const changed = await cloud.call(cloud.owner, "PATCH /cloud", { signUpOpen: true, name: "Town cloud" });
  assert.equal(changed.body.signUpOpen, true);
  assert.equal((await cloud.call({}, "GET /cloud")).body.name, "Town cloud");
  const made = await signUp("one@startup.example");
  assert.equal(made.status, 201);
  assert.equal(made.body.organisations[0].projects.length, 1);
  const caller = { cookie: cloud.cookieOf(made) as string };
  assert.equal(
    (await cloud.call(caller, "POST /projects", { organisation: made.body.organisations[0].id, name: "Shop" })).status,
    201,
  );
  assert.equal((await cloud.call(caller, "GET /users")).status, 403);
  assert.equal((await signUp("one@startup.example")).status, 409);
  const address = "198.51.100.20";
  const answers: number[] = [];
  for (let n = 0; n < 12; n++) answers.push((await signUp(`flood${n}@startup.example`, address)).status);
  assert.ok(answers.slice(0, 10).every((status) => status === 201));
  assert.ok(answers.slice(10).includes(429), String(answers));
  await cloud.call(cloud.owner, "PATCH /cloud", { signUpOpen: false });
});

test("a suspended person's sessions, tokens and keys stop at once; a session does not come back", async () => {
  const { organisation, project, boss } = await cloud.tenant("Suspending");
  const ann = await cloud.person("admin", { organisation }, boss);
  const { token } = (await cloud.call(ann, "POST /api-tokens", { name: "t" })).body;
  const { accessKeyId } = (await cloud.call(ann, "POST /access-keys", { project })).body;
  const invitation = (await cloud.call(ann, "POST /invitations", { organisation, email: "friend@example.org", role: "admin" }))
    .body;
  const suspended = await cloud.call(cloud.owner, `POST /users/${ann.id}/suspend`, { reason: "under inquiry" });
  assert.equal(suspended.status, 200);
  assert.equal(suspended.body.state, "suspended");
  assert.equal((await cloud.call(ann, "GET /identity")).status, 401);
  const refused = await cloud.call({ token }, "GET /identity");
  assert.equal(refused.status, 401);
  assert.match(refused.body.detail, /under inquiry/);
  assert.equal(await cloud.identity.identity.accessKey(accessKeyId), undefined);
  assert.equal((await cloud.call({}, "POST /invitations/inspect", { token: tokenOf(invitation.link) })).status, 404);
  // Why is told to those who know the password.
  assert.match((await cloud.signIn(ann.email, ann.password)).answer.body.detail, /under inquiry/);
  assert.equal((await cloud.signIn(ann.email, "wrong")).answer.body.reason, "wrong_credentials");
  assert.equal(
    (await cloud.call(cloud.owner, `POST /users/${ann.id}/suspend`, { reason: "x" })).body.reason,
    "already_suspended",
  );
  const found = await cloud.call(cloud.owner, `GET /users?state=suspended&search=${ann.email}`);
  assert.equal(found.body.items.length, 1);

  assert.equal((await cloud.call(cloud.owner, `POST /users/${ann.id}/resume`, {})).body.state, "active");
  assert.equal((await cloud.call(cloud.owner, `POST /users/${ann.id}/resume`, {})).status, 409);
  assert.equal((await cloud.call(ann, "GET /identity")).status, 401);
  assert.equal((await cloud.call({ token }, "GET /identity")).status, 200);
  assert.equal((await cloud.signIn(ann.email, ann.password)).answer.status, 201);
});

test("nobody suspends themselves, and the last owner of the cloud stays", async () => {
  assert.equal(
    (await cloud.call(cloud.owner, `POST /users/${cloud.owner.id}/suspend`, { reason: "x" })).body.reason,
    "own_account",
  );
  const second = await cloud.person("viewer", { organisation: cloud.home.organisation });
  await cloud.call(cloud.owner, "POST /role-bindings", { principal: second.id, role: "owner" });
  assert.equal((await cloud.call(second, `POST /users/${cloud.owner.id}/suspend`, { reason: "coup" })).status, 200);
  assert.equal((await cloud.call(second, `POST /users/${cloud.owner.id}/resume`, {})).status, 200);
  const again = await cloud.signIn(ownerEmail, ownerPassword);
  assert.equal(again.answer.status, 201);
  Object.assign(cloud.owner, { cookie: again.cookie });
});

test("a reset link sets a new password once and ends all sessions; the second factor stays", async () => {
  const ann = await cloud.person("viewer", { organisation: cloud.home.organisation });
  const made = await cloud.call(cloud.owner, `POST /users/${ann.id}/password-resets`, {});
  assert.equal(made.status, 201);
  assert.match(made.body.link, /^http:\/\/localhost:8080\/password-reset#[\w-]{43}$/);
  const second = await cloud.call(cloud.owner, `POST /users/${ann.id}/password-resets`, {});
  const reset = (link: string, password = "a brand new password") =>
    cloud.call({}, "POST /password-resets", { token: tokenOf(link), password });
  assert.equal((await reset(made.body.link, "short")).status, 400);
  assert.equal((await reset(made.body.link)).status, 204);
  assert.equal((await reset(made.body.link)).body.reason, "link_invalid");
  assert.equal((await reset(second.body.link)).body.reason, "link_invalid", "other links go with it");
  assert.equal((await cloud.call(ann, "GET /identity")).status, 401);
  assert.equal((await cloud.signIn(ann.email, ann.password)).answer.status, 401);
  assert.equal((await cloud.signIn(ann.email, "a brand new password")).answer.status, 201);
  const late = await cloud.call(cloud.owner, `POST /users/${ann.id}/password-resets`, {});
  const ahead = cloud.clock.aheadMs;
  cloud.clock.aheadMs += 24 * 3600_000 + 1;
  assert.equal((await reset(late.body.link)).body.reason, "link_invalid");
  cloud.clock.aheadMs = ahead;
  assert.equal((await cloud.call(cloud.owner, `POST /users/${cloud.owner.id}/password-resets`, {})).body.reason, "own_account");
  assert.equal(
    (await cloud.call(cloud.owner, "POST /users/usr_00000000000000000000000000000000/password-resets", {})).status,
    404,
  );
});

test("whoever holds the server finds the way back in, past a lost second factor, too", async () => {
  const ann = await cloud.person("viewer", { organisation: cloud.home.organisation });
  const begun = await cloud.call(ann, "POST /profile/totp", { currentPassword: ann.password });
  const { Secret, TOTP } = await import("otpauth");
  const code = new TOTP({ secret: Secret.fromBase32(begun.body.secret) }).generate({ timestamp: cloud.clock.nowMs() });
  await cloud.call(ann, "POST /profile/totp/confirm", { code });
  const password = "a brand new password";
  const reset = async (how?: { removeSecondFactor: boolean }) => {
    const { link } = await cloud.identity.passwordResetLinkFor(ann.email.toUpperCase(), how);
    assert.equal((await cloud.call({}, "POST /password-resets", { token: tokenOf(link), password })).status, 204);
    return (await cloud.signIn(ann.email, password)).answer;
  };
  assert.equal((await reset()).body.reason, "second_factor_required");
  const back = await reset({ removeSecondFactor: true });
  assert.equal(back.status, 201);
  assert.equal(back.body.user.totpEnabled, false);
  await assert.rejects(cloud.identity.passwordResetLinkFor("nobody@example.org"), (error) => CloudError.is(error, "not_found"));
});

test("the metrics are for this machine, and for tokens of those who see the whole cloud", async () => {
  const { admitToMetrics } = cloud.identity;
  await admitToMetrics("127.0.0.1", undefined);
  await assert.rejects(admitToMetrics("203.0.113.7", undefined), (error) => CloudError.is(error, "unauthenticated"));
  const { boss } = await cloud.tenant("Curious");
  const theirs = (await cloud.call(boss, "POST /api-tokens", { name: "t" })).body.token;
  await assert.rejects(admitToMetrics("203.0.113.7", `Bearer ${theirs}`), (error) => CloudError.is(error, "permission_denied"));
  const ours = (await cloud.call(cloud.owner, "POST /api-tokens", { name: "t", scopes: ["*.read"] })).body.token;
  await admitToMetrics("203.0.113.7", `Bearer ${ours}`);
});

test("every route is served, and none to a stranger that is not public", async () => {
  const { contract, handlers } = cloud.identity.service;
  for (const [name, route] of Object.entries(contract.routes)) {
    assert.equal(typeof handlers[name as keyof typeof handlers], "function", name);
    if (route.permission === "public") continue;
    const path = route.path.replace(/^\/v1/, "").replace(/\{(\w+)\}/g, "x");
    assert.equal((await cloud.call({}, `${route.method} ${path}`, route.method === "GET" ? undefined : {})).status, 401, name);
  }
});

test("the cleanup removes only what has run out", async () => {
  const ann = await cloud.person("viewer", { organisation: cloud.home.organisation });
  await cloud.call({}, "POST /passkey-challenges", {});
  await cloud.signIn(ann.email, "wrong");
  const count = async () => {
    const [row] = await cloud.database.sql`select
      (select count(*) from identity.webauthn_challenges) as challenges, (select count(*) from identity.sign_in_attempts) as attempts,
      (select count(*) from identity.sessions where user_id = ${ann.id}) as sessions`;
    return row;
  };
  const [worker] = cloud.identity.service.workers ?? [];
  await worker?.run(AbortSignal.timeout(5000));
  const before = await count();
  assert.ok(before?.["challenges"] && before["attempts"] && before["sessions"]);
  cloud.clock.aheadMs += 2 * 3600_000;
  await worker?.run(AbortSignal.timeout(5000));
  assert.deepEqual({ ...(await count()) }, { challenges: 0, attempts: 0, sessions: before["sessions"] });
});
