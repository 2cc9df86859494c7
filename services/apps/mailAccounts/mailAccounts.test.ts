import assert from "node:assert/strict";
import { createServer } from "node:net";
import { after, before, test } from "node:test";
import { getCACertificates, setDefaultCACertificates } from "node:tls";
import { startMailServer, type TestMailServer } from "../../../testing/mailServer.ts";
import { type TestDeploying, testDeploying } from "../deploying/testing/fixture.ts";

let cloud: TestDeploying;
let server: TestMailServer;
before(async () => {
  server = await startMailServer({ refuses: "nobody@example.org" });
  cloud = await testDeploying();
  await allow(loopback);
  trust(server);
});
after(async () => {
  await server?.close();
  await cloud?.stop();
});
const trust = ({ authority }: TestMailServer) => setDefaultCACertificates([...getCACertificates(), authority]);

// biome-ignore lint/suspicious/noExplicitAny: tests look into answers of all routes.
type Json = any;
let count = 0;
const body = (more: object = {}) => ({
  project: cloud.project,
  name: `mail-${++count}`,
  host: "localhost",
  port: server.port,
  userName: server.user,
  password: server.password,
  sender: "shop@example.org",
  ...more,
});
const loopback = ["127.0.0.0/8", "::1/128"];
const allow = (networks: string[]) => cloud.database.sql`update kernel.outbound_settings set allowed_networks = ${networks}`;
async function make(more: object = {}): Promise<Json> {
  const answer = await cloud.call("editor", "POST", "/mail-accounts", body(more));
  assert.equal(answer.status, 201, JSON.stringify(answer.body));
  return answer.body;
}
/** The result, and its last step. */
async function tried(account: Json, to?: string): Promise<Json> {
  const answer = await cloud.call("editor", "POST", `/mail-accounts/${account.id}/test`, to === undefined ? {} : { to });
  assert.equal(answer.status, 200, JSON.stringify(answer.body));
  return { ...answer.body, last: answer.body.steps.at(-1) };
}
const environment = async (app: { id: string }): Promise<Record<string, string>> => {
  const { releaseId } = await cloud.show(app);
  return { ...(await cloud.database.transaction("system", (tx) => cloud.parts.deploying.release(tx, releaseId)))?.environment };
};

test("made, listed, changed, deleted; its password is nowhere to be read", async () => {
  const account = await make({ name: "post-office", description: "For orders" });
  assert.deepEqual(
    [account.security, account.linkedApps, account.password, account.userName],
    ["starttls", 0, undefined, server.user],
  );
  assert.equal(await cloud.quota("apps.mail_accounts"), 1);
  const list = await cloud.call("viewer", "GET", `/mail-accounts?project=${cloud.project}&limit=1`);
  assert.deepEqual([list.body.items.map(({ name }: Json) => name), list.body.nextCursor], [["post-office"], undefined]);
  assert.equal((await cloud.call("editor", "POST", "/mail-accounts", body({ name: "post-office" }))).status, 409);
  const change = { description: "For bills", userName: "" };
  const changed = await cloud.call("editor", "PATCH", `/mail-accounts/${account.id}`, change);
  assert.deepEqual([changed.body.description, changed.body.userName, changed.body.revision], ["For bills", "", 2]);
  const nameAlone = await cloud.call("editor", "PATCH", `/mail-accounts/${account.id}`, { userName: "anna" });
  assert.equal(nameAlone.status, 400, "its password was forgotten with the user");
  assert.equal((await cloud.call("editor", "POST", "/mail-accounts", body({ userName: "" }))).status, 400);
  assert.equal((await cloud.call("editor", "POST", "/mail-accounts", body({ host: "not a host" }))).status, 400);
  const back = { userName: server.user, password: "another-secret" };
  assert.equal((await cloud.call("editor", "PATCH", `/mail-accounts/${account.id}`, back)).status, 200);
  for (const secret of [server.password, back.password])
    for (const table of ["apps.mail_accounts", "kernel.audit_entries", "kernel.events"])
      assert.equal(
        (await cloud.database.sql`select 1 from ${cloud.database.sql.unsafe(table)} t where strpos(t::text, ${secret}) > 0`)
          .length,
        0,
        table,
      );
  assert.equal((await cloud.call("viewer", "POST", "/mail-accounts", body())).status, 403);
  assert.equal((await cloud.call("stranger", "GET", `/mail-accounts/${account.id}`)).status, 404);
  await assert.rejects(
    cloud.database.sql`delete from identity.projects where id = ${cloud.project}`,
    /mail_accounts/,
    "so it is not empty",
  );
  assert.equal((await cloud.call("editor", "DELETE", `/mail-accounts/${account.id}`)).status, 204);
  assert.equal(await cloud.quota("apps.mail_accounts"), 0);
});

test("a try goes through STARTTLS, signs in and sends", async () => {
  const account = await make();
  const without = await tried(account);
  assert.deepEqual(
    [without.succeeded, without.steps.map(({ step }: Json) => step)],
    [true, ["address", "connect", "greeting", "tls", "login"]],
    JSON.stringify(without.steps),
  );
  assert.equal(server.mails.length, 0);
  const sent = await tried(account, "anna@example.org");
  assert.ok(sent.succeeded, JSON.stringify(sent.steps));
  const [mail] = server.mails;
  assert.deepEqual(
    [mail?.from, mail?.to, mail?.secure, mail?.user],
    ["shop@example.org", ["anna@example.org"], true, server.user],
  );
  assert.match(String(mail?.content), new RegExp(`Subject: Test of the mail account ${account.name}\r\n`));
});

test("what goes wrong is told by step", async (t) => {
  const step = async (more: object, to?: string) => (await tried(await make(more), to)).last;
  const wrong = await step({ password: "wrong" });
  assert.deepEqual([wrong.step, wrong.succeeded], ["login", false]);
  assert.match(wrong.message, /refuses this user name and password: 535/);
  const refused = await step({}, "nobody@example.org");
  assert.deepEqual([refused.step, refused.succeeded], ["send", false]);
  assert.match(refused.message, /550 No such mailbox/);
  const closed = createServer().listen(0, "127.0.0.1");
  await new Promise((resolve) => closed.once("listening", resolve));
  const { port } = closed.address() as { port: number };
  await new Promise((resolve) => closed.close(resolve));
  const nobody = await step({ host: "127.0.0.1", port });
  assert.deepEqual([nobody.step, nobody.succeeded], ["connect", false]);
  assert.match(nobody.message, /Nobody listens at port/);
  const nameless = await step({ host: "does-not-exist.invalid" });
  assert.deepEqual([nameless.step, nameless.succeeded], ["address", false]);
  const early = await step({ security: "tls" });
  assert.deepEqual([early.step, early.succeeded], ["tls", false]);
  assert.match(early.message, /Choose starttls/);

  const plain = await startMailServer({ security: "none" });
  t.after(() => plain.close());
  const unencrypted = await step({ port: plain.port });
  assert.deepEqual([unencrypted.step, unencrypted.succeeded], ["tls", false], unencrypted.message);
  assert.equal((await step({ port: plain.port, security: "none" })).step, "login");
  const strange = await startMailServer({ security: "tls" });
  t.after(() => strange.close());
  const unknown = await step({ port: strange.port, security: "tls" });
  assert.deepEqual([unknown.step, unknown.succeeded], ["tls", false]);
  assert.match(unknown.message, /certificate is not valid/);
  trust(strange);
  const encrypted = await tried(await make({ port: strange.port, security: "tls" }));
  assert.deepEqual(
    encrypted.steps.map(({ step: name }: Json) => name),
    ["address", "connect", "tls", "greeting", "login"],
  );
  assert.ok(encrypted.succeeded);
});

test("a server that goes away or talks nonsense ends the try, and nothing else", async (t) => {
  for (const answer of ["", "HTTP/1.1 400 Bad Request\r\n\r\n"]) {
    const strange = createServer((socket) => {
      socket.on("error", () => {});
      socket.end(answer);
    }).listen(0, "127.0.0.1");
    t.after(() => void strange.close());
    await new Promise((resolve) => strange.once("listening", resolve));
    const { port } = strange.address() as { port: number };
    for (const security of ["none", "starttls", "tls"]) {
      const { last } = await tried(await make({ port, host: "127.0.0.1", security }));
      assert.deepEqual(
        [last.step, last.succeeded],
        [security === "tls" ? "tls" : "greeting", false],
        `${security}: ${last.message}`,
      );
    }
  }
});

test("private addresses are not called unless their network is allowed, by name or number", async (t) => {
  t.after(() => allow(loopback));
  const account = await make();
  const numbered = await make({ host: "127.0.0.1" });
  await allow([]);
  const heard = server.mails.length;
  for (const host of ["127.0.0.1", "localhost", "10.0.0.1", "169.254.169.254", "::1"]) {
    const refused = await cloud.call("editor", "POST", "/mail-accounts", body({ host }));
    assert.deepEqual([refused.status, refused.body.reason], [409, "private_address"], host);
  }
  const moved = await cloud.call("editor", "PATCH", `/mail-accounts/${account.id}`, { host: "192.168.1.1" });
  assert.equal(moved.status, 409);
  for (const each of [account, numbered]) {
    const { last } = await tried(each, "anna@example.org");
    assert.deepEqual([last.step, last.succeeded], ["address", false]);
    assert.match(last.message, /an address inside of/);
  }
  assert.equal(server.mails.length, heard);
});

test("a link gives an app its variables; a new password brings a release; a linked account is not deleted", async () => {
  const account = await make({ host: "smtp.example.org", port: 465, security: "tls" });
  const app = await cloud.app();
  await cloud.deploy(app, { "index.html": "one" });
  const linked = await cloud.call("editor", "POST", `/apps/${app.id}/links`, { mailAccount: account.id, prefix: "NEWS" });
  assert.equal(linked.status, 201, JSON.stringify(linked.body));
  await cloud.done(linked.body.operationId);
  assert.deepEqual([linked.body.link.kind, linked.body.link.resourceName], ["mail_account", account.name]);
  const expected = (password: string) => ({
    NEWS_SMTP_HOST: "smtp.example.org",
    NEWS_SMTP_PORT: "465",
    NEWS_SMTP_USER: server.user,
    NEWS_SMTP_PASSWORD: password,
    NEWS_SMTP_SECURITY: "tls",
    NEWS_SMTP_FROM: "shop@example.org",
    NEWS_SMTP_URL: `smtps://shop%40example.org:${encodeURIComponent(password)}@smtp.example.org:465`,
  });
  const has = async (wanted: Record<string, string>) => {
    const values = await environment(app);
    for (const [name, value] of Object.entries(wanted)) assert.equal(values[name], value, name);
  };
  await has(expected(server.password));
  const shown = (await cloud.call("editor", "GET", `/apps/${app.id}/settings`)).body.items;
  for (const name of ["NEWS_SMTP_PASSWORD", "NEWS_SMTP_URL"])
    assert.deepEqual([shown.find((each: Json) => each.name === name).isSecret], [true], name);

  const before = (await cloud.show(app)).releaseNumber;
  const change = { password: "newer: %/secret" };
  assert.equal((await cloud.call("editor", "PATCH", `/mail-accounts/${account.id}`, change)).status, 200);
  await cloud.work("apps.links");
  const { deployment } = await cloud.show(app);
  await cloud.done((await cloud.deployment(deployment.id)).operationId);
  assert.equal((await cloud.show(app)).releaseNumber, before + 1);
  await has(expected(change.password));
  await cloud.work("apps.links");
  assert.equal((await cloud.show(app)).deployment, undefined, "once");

  const refused = await cloud.call("editor", "DELETE", `/mail-accounts/${account.id}`);
  assert.equal(refused.status, 409);
  assert.match(refused.body.detail, new RegExp(`is linked to ${app.name}\\.`));
  const gone = await cloud.call("editor", "DELETE", `/app-links/${linked.body.link.id}`);
  await cloud.done(gone.body.operationId);
  assert.equal((await environment(app))["NEWS_SMTP_HOST"], undefined);
  await cloud.work("apps.links");
  assert.equal((await cloud.call("editor", "DELETE", `/mail-accounts/${account.id}`)).status, 204);
});

test("without signing in the variables are empty; of another project it is not found; khmara.json may ask for one", async () => {
  const account = await make({ userName: "", password: undefined });
  const app = await cloud.app();
  const link = (wanted: object) => cloud.call("editor", "POST", `/apps/${app.id}/links`, wanted);
  assert.equal((await link({ mailAccount: `mac_${"0".repeat(32)}` })).status, 404);
  assert.equal((await link({ mailAccount: account.id, bucket: cloud.things.bucket.id })).status, 400);
  const files = { "index.html": "x", "khmara.json": JSON.stringify({ links: [{ kind: "mail_account" }] }) };
  const refused = await cloud.ended((await cloud.begin(app, files)).id);
  assert.match(refused.error.message, /The app needs a mail account\. Link it/);
  assert.equal((await link({ mailAccount: account.id })).status, 201);
  await cloud.deploy(app, files);
  const values = await environment(app);
  assert.deepEqual(
    [values["SMTP_USER"], values["SMTP_PASSWORD"], values["SMTP_URL"]],
    ["", "", `smtp://localhost:${server.port}`],
  );
});
