/** Who may see an app, and whose a domain is: through a real gateway, with a name server of the test's own. */
import assert from "node:assert/strict";
import { createHmac } from "node:crypto";
import { request } from "node:http";
import { after, before, describe, test } from "node:test";
import { testAppDrivers } from "../../../testing/apps.ts";
import { type TestDns, testDns } from "../../../testing/dns.ts";
import { gatewayMissing, type TestApplication, testApplication } from "../../../testing/gateway.ts";
import { eventually } from "../../../testing/launcher.ts";
import type { AppView } from "../parts.ts";
import { type Caller, type TestRouting, testRouting } from "./testing/fixture.ts";
import { pathAt, visitKey } from "./visits.ts";

interface Answer {
  status: number;
  headers: Record<string, string>;
  cookies: string[];
  body: string;
}

describe("visitors and owners", { skip: gatewayMissing() ?? false }, () => {
  let cloud: TestRouting;
  let drivers: Awaited<ReturnType<typeof testAppDrivers>>;
  let application: TestApplication;
  let dns: TestDns;
  let site: AppView;
  let origin = "";
  const host = "site.shop.localhost";

  before(async () => {
    drivers = await testAppDrivers({ engine: false });
    dns = await testDns();
    const { gateway } = await drivers.appDrivers();
    assert.ok("driver" in gateway);
    const door = {
      ...gateway.driver,
      nameServers: [dns.server],
      addresses: () => ["192.0.2.7"],
      challenges: { address: "127.0.0.1", port: 1 },
    };
    cloud = await testRouting({ driver: door });
    door.challenges.port = cloud.port;
    application = await testApplication("site");
    site = cloud.app("site");
    origin = `http://${host}:${drivers.httpPort}`;
    serve(site);
    await cloud.part.apply();
  });
  after(async () => {
    await application?.close();
    await cloud?.stop();
    await drivers?.remove();
    await dns?.close();
  });

  const serve = (app: AppView) =>
    cloud.endpoints.push({
      appId: app.id,
      releaseId: app.liveReleaseId ?? "",
      container: "web-1",
      address: "127.0.0.1",
      port: application.port,
    });
  const ask = (
    path: string,
    { cookie, page = false, at = host }: { cookie?: string | undefined; page?: boolean; at?: string } = {},
  ) =>
    new Promise<Answer>((resolve, reject) => {
      const headers = {
        host: `${at}:${drivers.httpPort}`,
        ...(cookie === undefined ? {} : { cookie }),
        ...(page ? { "sec-fetch-mode": "navigate" } : {}),
      };
      const sent = request({ host: "127.0.0.1", port: drivers.httpPort, path, headers, agent: false });
      sent.on("error", reject);
      sent.on("response", (response) => {
        let body = "";
        response.on("data", (chunk) => {
          body += chunk;
        });
        response.on("end", () =>
          resolve({
            status: response.statusCode ?? 0,
            headers: response.headers as Record<string, string>,
            cookies: response.headers["set-cookie"] ?? [],
            body,
          }),
        );
      });
      sent.end();
    });
  const becomes = (status: number, options: Parameters<typeof ask>[1] = {}) =>
    eventually(
      () => ask("/echo", options),
      (answer) => answer.status === status,
      30_000,
    );
  const ok = async (caller: Caller, method: string, path: string, body?: unknown, status = method === "POST" ? 201 : 200) => {
    const answer = await cloud.call(caller, method, path, body);
    assert.equal(answer.status, status, JSON.stringify(answer.body));
    return answer.body;
  };
  const signInFor = (signIn: object | null) => ok("editor", "PATCH", `/apps/${site.id}/access`, { signIn });
  const pair = (answer: Answer, name: string) => answer.cookies.find((each) => each.startsWith(`${name}=`))?.split(";")[0];

  /** As a browser goes: from the app to the console, and back. */
  async function begin(path = "/echo?a=b"): Promise<{ state: string; query: Record<string, string> }> {
    const first = await ask(path, { page: true });
    assert.equal(first.status, 302);
    const second = await ask(first.headers["location"] as string, { page: true });
    assert.equal(second.status, 302, second.body);
    const console = new URL(second.headers["location"] as string);
    assert.equal(console.origin + console.pathname, "http://console.khmara.test/visit");
    return { state: pair(second, "khmara-visit-state") as string, query: Object.fromEntries(console.searchParams) };
  }
  const visit = (caller: Caller, query: object) => cloud.call(caller, "POST", "/app-visits", query);
  const pathOf = (url: string) => url.slice(origin.length);

  test("visitors of the project come in through the console's session, and go on where they were", async () => {
    const view = await signInFor({ audience: "project" });
    assert.deepEqual(view.signIn, { audience: "project", users: [] });
    await becomes(401);
    const { state, query } = await begin();
    assert.deepEqual([query["origin"], query["to"]], [origin, "/echo?a=b"]);
    const { status, body } = await visit("viewer", query);
    assert.equal(status, 200, JSON.stringify(body));
    assert.deepEqual(body.app, { name: "site", host });
    assert.ok(body.url.startsWith(`${origin}/.khmara/signed-in?`));
    assert.equal((await ask(pathOf(body.url))).status, 400, "another browser");
    assert.equal((await ask(pathOf(body.url), { cookie: state })).status, 400, "a code is good once");

    const again = await visit("viewer", query);
    const back = await ask(pathOf(again.body.url), { cookie: state });
    assert.deepEqual([back.status, back.headers["location"]], [303, "/echo?a=b"]);
    const cookie = pair(back, "khmara-visit") as string;
    const attributes = back.cookies.find((each) => each.startsWith("khmara-visit="));
    assert.match(attributes ?? "", /; Path=\/; HttpOnly; SameSite=Lax; Max-Age=/);
    assert.doesNotMatch(attributes ?? "", /Domain/);
    const inside = await ask("/echo?a=b", { cookie });
    const { headers } = JSON.parse(inside.body);
    assert.deepEqual([headers["x-forwarded-email"], headers["x-forwarded-preferred-username"]], ["viewer@example.org", "viewer"]);
    assert.equal(headers.cookie, undefined);
    const [entry] = await cloud.database.sql`select action from kernel.audit_entries where action = 'apps.app.visit'`;
    assert.ok(entry);
    const kept = JSON.stringify(await cloud.database.sql`select * from apps.visit_codes`);
    assert.ok(!kept.includes(new URL(body.url).searchParams.get("code") as string));
  });

  test("who is none of them is told, and no link leads elsewhere", async () => {
    const { state, query } = await begin();
    const refused = await visit("stranger", query);
    assert.deepEqual([refused.status, refused.body.reason], [403, "not_admitted"]);
    for (const [name, value] of [
      ["origin", "http://evil.example"],
      ["origin", `http://${host}:1`],
      ["origin", `http://x@${host}:${drivers.httpPort}`],
      ["origin", `http://nobody.shop.localhost:${drivers.httpPort}`],
    ] as const)
      assert.equal((await visit("viewer", { ...query, [name]: value })).status, 404, value);
    for (const to of ["//evil.example", "/\\evil.example", "https://evil.example", "/.khmara/sign-out", "/a\r\nb", ""])
      assert.equal(pathAt(to), "/", to);
    const { body } = await visit("viewer", { ...query, to: "//evil.example/" });
    assert.equal((await ask(pathOf(body.url), { cookie: state })).headers["location"], "/");
    // A code for one browser is of no use to another one that has begun too.
    const other = await begin();
    const mine = await visit("viewer", query);
    assert.equal((await ask(pathOf(mine.body.url), { cookie: other.state })).status, 400);
  });

  test("a visit that is over is renewed while the session lives and its person may come", async () => {
    const key = visitKey(cloud.parts.secrets, site.id, "project");
    const { state, query } = await begin();
    const { body } = await visit("viewer", query);
    const cookie = pair(await ask(pathOf(body.url), { cookie: state }), "khmara-visit") as string;
    const [head, claims] = cookie.slice("khmara-visit=".length).split(".") as [string, string];
    const old = JSON.parse(Buffer.from(claims, "base64url").toString());
    const signed = `${head}.${Buffer.from(JSON.stringify({ ...old, exp: 1_000_000 })).toString("base64url")}`;
    const over = `khmara-visit=${signed}.${createHmac("sha256", key).update(signed).digest("base64url")}`;
    const away = await ask("/echo?x=1", { cookie: over });
    assert.equal(away.status, 307);
    const renewed = await ask(away.headers["location"] as string, { cookie: over });
    assert.deepEqual([renewed.status, renewed.headers["location"]], [307, "/echo?x=1"]);
    assert.equal((await ask("/echo", { cookie: pair(renewed, "khmara-visit") })).status, 200);

    cloud.sessions.delete("ses_viewer");
    assert.equal((await ask(away.headers["location"] as string, { cookie: over })).status, 401);
    const page = await ask(away.headers["location"] as string, { cookie: over, page: true });
    assert.match(page.headers["location"] ?? "", /^http:\/\/console\.khmara\.test\/visit\?/);
    cloud.sessions.add("ses_viewer");

    const out = await ask("/.khmara/sign-out", { cookie });
    assert.equal(out.status, 200);
    assert.match(out.cookies[0] ?? "", /^khmara-visit=; .*Max-Age=0/);
  });

  test("chosen people, the organisation, the whole cloud", async () => {
    const { query } = await begin();
    const statuses = async () =>
      Promise.all(
        (["viewer", "editor", "stranger", "admin"] as const).map(async (caller) => (await visit(caller, query)).status),
      );
    const refused = await cloud.call("editor", "PATCH", `/apps/${site.id}/access`, { signIn: { audience: "chosen" } });
    assert.deepEqual([refused.status, refused.body.fields?.[0]?.path], [400, "body.signIn.users"]);
    const [viewer] = await cloud.database
      .sql`select actor_id as id from kernel.audit_entries where action = 'apps.app.visit' limit 1`;
    await signInFor({ audience: "chosen", users: [viewer?.["id"]] });
    assert.deepEqual(await statuses(), [200, 403, 403, 200]);
    await signInFor({ audience: "organisation" });
    assert.deepEqual(await statuses(), [200, 200, 403, 200]);
    await signInFor({ audience: "cloud" });
    assert.deepEqual(await statuses(), [200, 200, 200, 200]);
    const asked = await visit("stranger", query);
    assert.equal(asked.body.url, undefined, "whoever is a stranger decides whether they want to be known");
    assert.ok((await visit("stranger", { ...query, confirmed: true })).body.url);
    assert.equal((await signInFor(null)).signIn, undefined);
    await becomes(200);
    assert.equal((await visit("viewer", query)).status, 404);
  });

  test("a domain leads to an app when it points here, or when its DNS says whose it is", async () => {
    const path = `/apps/${site.id}/domains`;
    const claim = await ok("editor", "POST", path, { host: "www.school.example" });
    assert.equal(claim.active, false);
    assert.equal(claim.challenge.name, "_khmara-challenge.www.school.example");
    await cloud.part.apply();
    assert.equal((await ask("/echo", { at: "www.school.example" })).status, 404);
    const look = () => ok("editor", "POST", `/domains/${claim.id}/check`, undefined, 200);
    const checked = await look();
    assert.equal(checked.active, false);
    assert.match(checked.problem, /www\.school\.example has no address yet\. Add the record A www\.school\.example 192\.0\.2\.7/);
    assert.ok(checked.problem.includes(`TXT ${claim.challenge.name} "${claim.challenge.value}"`));
    // Somebody else may say the same, and what they prove is theirs.
    const theirs = cloud.app("theirs", { projectId: cloud.strangersProject, organisationId: cloud.strangersOrganisation });
    const other = await ok("stranger", "POST", `/apps/${theirs.id}/domains`, { host: "www.school.example" });
    assert.notEqual(other.challenge.value, claim.challenge.value);
    dns.txt.set("_khmara-challenge.school.example", ["something else", claim.challenge.value]);
    assert.equal((await ok("stranger", "POST", `/domains/${other.id}/check`, undefined, 200)).active, false);
    // The cloud looks by itself.
    await cloud.database.sql`update apps.domains set checked_at = null`;
    await cloud.work("apps.domains");
    const [listed] = (await ok("editor", "GET", path)).items;
    assert.deepEqual([listed.active, listed.challenge], [true, undefined]);
    await becomes(200, { at: "www.school.example" });
    dns.txt.set("_khmara-challenge.www.school.example", [other.challenge.value]);
    const late = await ok("stranger", "POST", `/domains/${other.id}/check`, undefined, 200);
    assert.equal(late.active, false);
    assert.match(late.problem, /Another organisation/);
    const certificates = () => cloud.database.sql`select host from apps.certificates where host = 'www.school.example'`;
    assert.equal((await certificates()).length, 1);
    await ok("stranger", "DELETE", `/domains/${other.id}`, undefined, 204);
    assert.equal((await certificates()).length, 1, "who only claimed it takes nothing away");
    await becomes(200, { at: "www.school.example" });
  });

  test("pointing here proves it too, but not an alias of somebody else's app", async () => {
    await ok("admin", "PATCH", "/app-engine", { appsDomain: "apps.school.example" });
    dns.a.set("site.shop.apps.school.example", ["192.0.2.7"]);
    const claim = (name: string) => ok("editor", "POST", `/apps/${site.id}/domains`, { host: name });
    const look = (id: string) => ok("editor", "POST", `/domains/${id}/check`, undefined, 200);
    dns.a.set("a.example", ["192.0.2.7"]);
    assert.equal((await look((await claim("a.example")).id)).active, true);
    dns.a.set("b.example", ["192.0.2.7", "192.0.2.8"]);
    assert.equal((await look((await claim("b.example")).id)).active, false);
    dns.cname.set("c.example", "site.shop.apps.school.example");
    assert.equal((await look((await claim("c.example")).id)).active, true);
    const label = `shop-${cloud.strangersProject.slice(-4)}`;
    await cloud.database.transaction("system", (tx) => cloud.part.hosts(tx, cloud.apps));
    dns.cname.set("d.example", `theirs.${label}.apps.school.example`);
    dns.a.set(`theirs.${label}.apps.school.example`, ["192.0.2.7"]);
    const wrong = await look((await claim("d.example")).id);
    assert.equal(wrong.active, false);
    assert.match(wrong.problem, /points to an app of somebody else/);
    // A cloud without public DNS takes people at their word.
    await ok("admin", "PATCH", "/app-engine", { trustDomains: true });
    assert.equal((await claim("e.internal")).active, true);
    await cloud.database.sql`update apps.domains set checked_at = null`;
    await cloud.work("apps.domains");
    const { items } = await ok("editor", "GET", `/apps/${site.id}/domains`);
    assert.deepEqual(
      items.filter(({ active }: { active: boolean }) => !active),
      [],
    );
  });
});
