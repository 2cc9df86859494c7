import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { Secret, TOTP } from "otpauth";
import { verifyChain } from "../../kernel/audit.ts";
import { createHttpServer } from "../../kernel/http/server.ts";
import { silentLog } from "../../kernel/log.ts";
import { createIdentity } from "./index.ts";
import { type Fixture, openFixture, ownerEmail } from "./testing/cloud.ts";

let cloud: Fixture;
before(async () => {
  cloud = await openFixture();
});
after(() => cloud.close());

const newcomer = () => cloud.person("viewer", { organisation: cloud.home.organisation });
const auditOf = (action: string) =>
  cloud.database.sql<{ actorName: string; resourceId: string; resourceName: string; after: Record<string, unknown> }[]>`
    select actor_name as "actorName", resource_id as "resourceId", resource_name as "resourceName", after
    from kernel.audit_entries where action = ${action} order by sequence`;

test("signing in gives a cookie that no script reads, and says who one is", async () => {
  const ann = await newcomer();
  const answer = await cloud.call({}, "POST /sessions", { email: ` ${ann.email.toUpperCase()} `, password: ann.password });
  assert.equal(answer.status, 201);
  assert.equal(answer.body.user.email, ann.email);
  assert.equal(answer.body.organisations[0].projects[0].slug, "default");
  assert.match(String(answer.headers["set-cookie"]), /^khmara_session=[\w-]{43}; Path=\/; HttpOnly; SameSite=Lax; Max-Age=\d+$/);
  const [kept] = await cloud.database
    .sql`select token_hash from identity.sessions where user_id = ${ann.id} order by id desc limit 1`;
  assert.doesNotMatch(JSON.stringify(kept), new RegExp(cloud.cookieOf(answer) as string));
});

test("over HTTPS the cookie is of this host alone; who was signed in before it was called so stays signed in", async () => {
  const ann = await newcomer();
  const before = (await cloud.signIn(ann.email, ann.password)).cookie as string;
  cloud.clock.aheadMs += 1000;
  const identity = createIdentity({ ...cloud.options, publicUrl: "https://cloud.example.org" });
  const http = createHttpServer({
    services: [identity.service],
    database: cloud.database,
    secrets: cloud.secrets,
    log: silentLog,
    authenticate: identity.identity.authenticate,
    secure: true,
  });
  try {
    const shown = async (cookie: string) => (await http.inject({ url: "/api/v1/identity", headers: { cookie } })).statusCode;
    assert.equal(await shown(`khmara_session=${before}`), 200);
    cloud.clock.aheadMs += 1000;
    const answer = await http.inject({
      method: "POST",
      url: "/api/v1/sessions",
      payload: { email: ann.email, password: ann.password },
    });
    assert.equal(answer.statusCode, 201, answer.body);
    const header = String(answer.headers["set-cookie"]);
    assert.match(header, /^__Host-khmara_session=[\w-]{43}; Path=\/; HttpOnly; SameSite=Lax; Max-Age=\d+; Secure$/);
    const token = /=([\w-]{43});/.exec(header)?.[1];
    assert.equal(await shown(`__Host-khmara_session=${token}`), 200);
    // What an app beside the console could have set for both of them, by the name of before.
    assert.equal(await shown(`khmara_session=${token}`), 401);
    assert.equal(await shown(`khmara_session=${token}; __Host-khmara_session=${token}`), 200);
    const out = await http.inject({
      method: "DELETE",
      url: "/api/v1/sessions/current",
      headers: { cookie: `__Host-khmara_session=${token}`, "x-khmara-csrf": "1" },
    });
    assert.match(String(out.headers["set-cookie"]), /^__Host-khmara_session=; .*Max-Age=0/);
  } finally {
    await http.close();
    await identity.service.stop?.();
    cloud.clock.aheadMs -= 2000;
  }
});

test("an unknown address and a wrong password get the same answer, and both are in the audit log", async () => {
  const ann = await newcomer();
  const wrong = await cloud.call({}, "POST /sessions", { email: ann.email, password: "wrong" });
  const unknown = await cloud.call({}, "POST /sessions", { email: "nobody@example.org", password: "wrong" });
  const same = ({ requestId: _, ...rest }: Record<string, unknown>) => rest;
  assert.equal(wrong.status, 401);
  assert.deepEqual(same(unknown.body), same(wrong.body));
  assert.equal(wrong.body.reason, "wrong_credentials");
  const entries = await auditOf("identity.session.create");
  assert.ok(entries.some((entry) => entry.resourceId === ann.id && entry.after["outcome"] === "failed"));
  assert.ok(entries.some((entry) => entry.resourceName === "nobody@example.org" && entry.after["outcome"] === "failed"));
  assert.ok(entries.some((entry) => entry.resourceName === "owner" && entry.after["outcome"] === "signed_in"));
  assert.equal((await verifyChain(cloud.database.sql, "cloud")).firstInvalid, undefined);
});

test("a password typed into the wrong field is not written into the audit log", async () => {
  await cloud.call({}, "POST /sessions", { email: "my secret words", password: "x" });
  assert.ok(!JSON.stringify(await auditOf("identity.session.create")).includes("my secret words"));
});

test("guessing is slowed down per account, for the right password too, until the time is over", async () => {
  const ann = await newcomer();
  const attempt = (password: string) => cloud.call({}, "POST /sessions", { email: ann.email, password });
  for (let n = 0; n < 5; n++) assert.equal((await attempt("wrong")).status, 401);
  const blocked = await attempt(ann.password);
  assert.equal(blocked.status, 429);
  assert.equal(blocked.body.retryAfterSeconds, 1);
  assert.equal(blocked.headers["retry-after"], "1");
  let wait = 1;
  for (let n = 0; n < 3; n++) {
    cloud.clock.aheadMs += wait * 1000 + 10;
    assert.equal((await attempt("wrong")).status, 401);
    wait *= 2;
    assert.equal((await attempt("wrong")).body.retryAfterSeconds, wait);
  }
  cloud.clock.aheadMs += wait * 1000 + 10;
  assert.equal((await attempt(ann.password)).status, 201);
  // A success clears the account.
  for (let n = 0; n < 5; n++) assert.equal((await attempt("wrong")).status, 401);
});

test("guesses sent at the same moment are counted one by one", async () => {
  const ann = await newcomer();
  const answers = await Promise.all(
    Array.from({ length: 40 }, (_, n) => cloud.call({}, "POST /sessions", { email: ann.email, password: `guess ${n}` })),
  );
  assert.equal(answers.filter((answer) => answer.status === 401).length, 5);
  assert.equal(answers.filter((answer) => answer.status === 429).length, 35);
});

test("an unknown address is slowed down as a known one is", async () => {
  const attempt = () => cloud.call({}, "POST /sessions", { email: "ghost@example.org", password: "wrong" });
  for (let n = 0; n < 5; n++) assert.equal((await attempt()).status, 401);
  assert.equal((await attempt()).status, 429);
});

test("guessing across accounts is slowed down per address, a whole IPv6 network being one", async () => {
  const attempt = (n: number, address: string) =>
    cloud.call({ address }, "POST /sessions", { email: `spray${n}@example.org`, password: "wrong" });
  for (let n = 0; n < 50; n++) assert.equal((await attempt(n, `2001:db8:1:2::${n.toString(16)}`)).status, 401);
  assert.equal((await attempt(51, "2001:db8:1:2:ffff::1")).status, 429);
  assert.equal((await attempt(52, "2001:db8:1:3::1")).status, 401);
});

test("a session is renewed at sign-in, listed, ended one by one or all others at once", async () => {
  const ann = await newcomer();
  const again = await cloud.call({ cookie: ann.cookie }, "POST /sessions", { email: ann.email, password: ann.password });
  const cookie = cloud.cookieOf(again) as string;
  assert.equal((await cloud.call({ cookie: ann.cookie }, "GET /identity")).status, 401);
  const phone = await cloud.signIn(ann.email, ann.password);
  const desk = await cloud.signIn(ann.email, ann.password);
  const list = await cloud.call({ cookie }, "GET /sessions?limit=2");
  assert.equal(list.body.items.length, 2);
  const rest = await cloud.call({ cookie }, `GET /sessions?cursor=${list.body.nextCursor}`);
  assert.deepEqual(
    rest.body.items.map((item: { current: boolean }) => item.current),
    [true],
  );
  const [deskId] = list.body.items.map((item: { id: string }) => item.id);
  assert.equal((await cloud.call({ cookie }, `DELETE /sessions/${deskId}`)).status, 204);
  assert.equal((await cloud.call(desk, "GET /identity")).status, 401);
  assert.equal((await cloud.call(phone, "GET /identity")).status, 200);
  assert.deepEqual((await cloud.call({ cookie }, "DELETE /sessions")).body, { ended: 1 });
  assert.equal((await cloud.call(phone, "GET /identity")).status, 401);
  const out = await cloud.call({ cookie }, "DELETE /sessions/current");
  assert.match(String(out.headers["set-cookie"]), /khmara_session=; .*Max-Age=0/);
  assert.equal((await cloud.call({ cookie }, "GET /identity")).status, 401);
});

test("nobody ends the session of another", async () => {
  const [ann, ben] = [await newcomer(), await newcomer()];
  const [session] = (await cloud.call(ben, "GET /sessions")).body.items;
  assert.equal((await cloud.call(ann, `DELETE /sessions/${session.id}`)).status, 404);
  assert.equal((await cloud.call(ben, "GET /identity")).status, 200);
});

test("a page of another site cannot use the session, nor sign anybody in", async () => {
  const ann = await newcomer();
  const cookie = { cookie: `khmara_session=${ann.cookie}` };
  const foreign = { "sec-fetch-site": "cross-site" };
  assert.equal((await cloud.call({}, "DELETE /sessions", undefined, cookie)).body.reason, "csrf");
  assert.equal((await cloud.call(ann, "DELETE /sessions", undefined, foreign)).body.reason, "csrf");
  assert.equal((await cloud.call(ann, "DELETE /sessions", undefined, { origin: "https://evil.example" })).body.reason, "csrf");
  const signIn = await cloud.call({}, "POST /sessions", { email: ann.email, password: ann.password }, foreign);
  assert.equal(signIn.body.reason, "csrf");
  assert.equal((await cloud.call(ann, "DELETE /sessions")).status, 200);
});

test("a new password needs the old one and ends the other sessions", async () => {
  const ann = await newcomer();
  const other = await cloud.signIn(ann.email, ann.password);
  const change = (currentPassword: string) =>
    cloud.call(ann, "PUT /profile/password", { currentPassword, newPassword: "another long password" });
  const refused = await change("not my password");
  assert.equal(refused.status, 400);
  assert.equal(refused.body.fields[0].path, "body.currentPassword");
  assert.equal((await change(ann.password)).status, 204);
  assert.equal((await cloud.call(other, "GET /identity")).status, 401);
  assert.equal((await cloud.call(ann, "GET /identity")).status, 200);
  assert.equal((await cloud.signIn(ann.email, ann.password)).answer.status, 401);
  assert.equal((await cloud.signIn(ann.email, "another long password")).answer.status, 201);
  assert.equal((await cloud.call(ann, "PUT /profile/password", { currentPassword: "x", newPassword: "short" })).status, 400);
  // Guessing the password from within a session is slowed down as well.
  for (let n = 0; n < 5; n++) await change("wrong");
  assert.equal((await change("wrong")).status, 429);
});

const codeAt = (secret: string, ms: number) => new TOTP({ secret: Secret.fromBase32(secret) }).generate({ timestamp: ms });

async function withTotp() {
  const ann = await newcomer();
  const begun = await cloud.call(ann, "POST /profile/totp", { currentPassword: ann.password });
  assert.equal(begun.status, 201);
  const { secret } = begun.body;
  const confirmed = await cloud.call(ann, "POST /profile/totp/confirm", { code: codeAt(secret, cloud.clock.nowMs()) });
  assert.equal(confirmed.status, 200);
  const next = () => {
    cloud.clock.aheadMs += 30_000;
    return codeAt(secret, cloud.clock.nowMs());
  };
  return { ...ann, secret: secret as string, recoveryCodes: confirmed.body.recoveryCodes as string[], next };
}

test("an authenticator app: the code is asked for only after the right password, and taken once", async () => {
  const ann = await withTotp();
  const signIn = (more: object) => cloud.call({}, "POST /sessions", { email: ann.email, password: ann.password, ...more });
  assert.equal((await signIn({ password: "wrong" })).body.reason, "wrong_credentials");
  const half = await signIn({});
  assert.equal(half.status, 401);
  assert.equal(half.body.reason, "second_factor_required");
  assert.deepEqual(half.body.factors, ["code", "recoveryCode"]);
  assert.equal(half.headers["set-cookie"], undefined);
  // The code that confirmed it was used up by that.
  assert.equal((await signIn({ code: codeAt(ann.secret, cloud.clock.nowMs()) })).body.reason, "wrong_code");
  const code = ann.next();
  const done = await signIn({ code });
  assert.equal(done.status, 201);
  assert.equal(done.body.user.totpEnabled, true);
  assert.equal((await signIn({ code })).body.reason, "wrong_code");
  const [session] = (await cloud.call({ cookie: cloud.cookieOf(done) as string }, "GET /sessions")).body.items;
  assert.equal(session.method, "password_totp");
  const [kept] = await cloud.database.sql<{ secret: Buffer }[]>`select secret from identity.totp where user_id = ${ann.id}`;
  assert.ok(!kept?.secret.toString("latin1").includes(ann.secret));
});

test("the same code sent twice at once signs in once", async () => {
  const ann = await withTotp();
  const code = ann.next();
  const answers = await Promise.all(
    [1, 2, 3].map(() => cloud.call({}, "POST /sessions", { email: ann.email, password: ann.password, code })),
  );
  assert.equal(answers.filter((answer) => answer.status === 201).length, 1);
});

test("codes cannot be guessed, and asking for one in between does not clear the count", async () => {
  const ann = await withTotp();
  const signIn = (more: object) => cloud.call({}, "POST /sessions", { email: ann.email, password: ann.password, ...more });
  const wrong = codeAt(ann.secret, 0) === "000000" ? "111111" : "000000";
  for (let n = 0; n < 5; n++) {
    assert.equal((await signIn({ code: wrong })).body.reason, "wrong_code");
    if (n < 4) assert.equal((await signIn({})).body.reason, "second_factor_required");
  }
  assert.equal((await signIn({ code: ann.next() })).status, 201, "the wait of one second is over");
});

test("recovery codes work once each, are kept hashed, and can be made anew", async () => {
  const ann = await withTotp();
  const signIn = (recoveryCode: string) =>
    cloud.call({}, "POST /sessions", { email: ann.email, password: ann.password, recoveryCode });
  const [first = "", second = ""] = ann.recoveryCodes;
  const done = await signIn(first.toUpperCase().replace("-", " "));
  assert.equal(done.status, 201);
  assert.equal(done.body.recoveryCodesLeft, 9);
  assert.equal((await signIn(first)).body.reason, "wrong_recovery_code");
  const kept = JSON.stringify(await cloud.database.sql`select code_hash from identity.recovery_codes`);
  assert.ok(!kept.includes(second) && !kept.includes(second.replace("-", "")));
  const made = await cloud.call(ann, "POST /profile/recovery-codes", { currentPassword: ann.password });
  assert.equal(made.status, 201);
  assert.equal((await signIn(second)).body.reason, "wrong_recovery_code");
  assert.equal((await signIn(made.body.recoveryCodes[0])).status, 201);
});

test("removing the authenticator app needs the password and takes the recovery codes along", async () => {
  const ann = await withTotp();
  assert.equal((await cloud.call(ann, "POST /profile/totp", { currentPassword: ann.password })).body.reason, "totp_enabled");
  assert.equal((await cloud.call(ann, "POST /profile/totp/delete", { currentPassword: "wrong" })).body.reason, "wrong_password");
  assert.equal((await cloud.call(ann, "POST /profile/totp/delete", { currentPassword: ann.password })).status, 204);
  const again = await cloud.signIn(ann.email, ann.password);
  assert.equal(again.answer.status, 201);
  assert.equal(again.answer.body.recoveryCodesLeft, 0);
  const bare = await cloud.call(ann, "POST /profile/recovery-codes", { currentPassword: ann.password });
  assert.equal(bare.body.reason, "no_second_factor");
  assert.equal((await cloud.call(ann, "POST /profile/totp/confirm", { code: "123456" })).body.reason, "totp_not_begun");
});

test("the profile is changed by its person alone, and each change is audited without secrets", async () => {
  const ann = await newcomer();
  const changed = await cloud.call(ann, "PATCH /profile", { name: "Ann", locale: "uk" });
  assert.equal(changed.body.name, "Ann");
  assert.equal(changed.body.locale, "uk");
  assert.equal((await cloud.call(ann, "GET /identity")).body.principal.name, "Ann");
  const [entry] = (await auditOf("identity.profile.update")).slice(-1);
  assert.deepEqual(entry?.after, { name: "Ann", locale: "uk" });
  const all = JSON.stringify(await cloud.database.sql`select * from kernel.audit_entries`);
  for (const secret of [ann.password, ann.cookie, "argon2id", "another long password"]) assert.ok(!all.includes(secret));
  assert.ok(all.includes(ownerEmail));
});

// The last one: the clock goes on by a month.
test("a session ends when it is not used, and in any case after its lifetime", async () => {
  const day = 24 * 3600_000;
  const ahead = cloud.clock.aheadMs;
  const idle = await newcomer();
  const busy = await cloud.signIn(idle.email, idle.password);
  for (let n = 1; n < 15; n++) {
    cloud.clock.aheadMs = ahead + n * 2 * day;
    assert.equal((await cloud.call(busy, "GET /identity")).status, 200, `day ${n * 2}`);
    if (n === 2) assert.equal((await cloud.call(idle, "GET /identity")).status, 401);
  }
  cloud.clock.aheadMs = ahead + 30 * day;
  assert.equal((await cloud.call(busy, "GET /identity")).status, 401);
  await cloud.identity.service.workers?.[0]?.run(AbortSignal.timeout(5000));
  const [left] = await cloud.database.sql`select count(*)::int as n from identity.sessions where user_id = ${idle.id}`;
  assert.equal(left?.["n"], 0);
});
