import assert from "node:assert/strict";
import { X509Certificate } from "node:crypto";
import { request } from "node:http";
import { request as requestTls } from "node:https";
import { after, before, describe, test } from "node:test";
import { CloudError } from "../../../kernel/errors.ts";
import { gatewayProcesses } from "../../../server/gateway-process.ts";
import { testAppDrivers } from "../../../testing/apps.ts";
import { gatewayMissing, type TestApplication, testApplication } from "../../../testing/gateway.ts";
import { eventually } from "../../../testing/launcher.ts";
import type { AppView } from "../parts.ts";
import type { GatewayDoor } from "./area.ts";
import { createCertificates } from "./certificates.ts";
import { type TestRouting, testRouting } from "./testing/fixture.ts";

interface Answer {
  status: number;
  headers: Record<string, unknown>;
  body: string;
  issuer?: string | undefined;
}

describe("names, access and requests of apps, with a real gateway", { skip: gatewayMissing() ?? false }, () => {
  let cloud: TestRouting;
  let drivers: Awaited<ReturnType<typeof testAppDrivers>>;
  let door: GatewayDoor;
  let application: TestApplication;
  let site: AppView;
  /** As a process that is killed between counting and saying so. */
  let deafTo = false;

  before(async () => {
    drivers = await testAppDrivers({ engine: false });
    const { gateway } = await drivers.appDrivers();
    assert.ok("driver" in gateway);
    door = {
      ...gateway.driver,
      async *requests(signal, from) {
        for await (const batch of gateway.driver.requests(signal, from))
          yield {
            ...batch,
            done: async () => {
              if (deafTo) throw new Error("killed");
              await batch.done();
            },
          };
      },
    };
    cloud = await testRouting({ driver: door });
    // No DNS knows the names of this test.
    await cloud.database.sql`update apps.gateway_settings set trust_domains = true`;
    application = await testApplication("site");
    site = cloud.app("site");
    serve(site, application);
    await cloud.part.apply();
  });
  after(async () => {
    await application?.close();
    await cloud?.stop();
    await drivers?.remove();
  });

  const serve = (app: AppView, { port }: { port: number }, container = "web-1") =>
    cloud.endpoints.push({ appId: app.id, releaseId: app.liveReleaseId ?? "", container, address: "127.0.0.1", port });

  function ask(
    host: string,
    path = "/",
    { headers = {}, tls = false }: { headers?: Record<string, string>; tls?: boolean } = {},
  ) {
    return new Promise<Answer>((resolve, reject) => {
      const options = { host: "127.0.0.1", path, agent: false as const, headers: { host, ...headers } };
      const sent = tls
        ? requestTls({ ...options, port: drivers.httpsPort, servername: host, rejectUnauthorized: false })
        : request({ ...options, port: drivers.httpPort });
      sent.on("error", reject);
      // A connection that nobody answers would wait for more than two minutes.
      sent.setTimeout(20_000, () => sent.destroy(new Error(`${host} does not answer.`)));
      sent.on("response", (response) => {
        let body = "";
        const socket = response.socket as { getPeerCertificate?: () => { raw: Buffer } };
        const issuer = socket.getPeerCertificate === undefined ? undefined : new X509Certificate(socket.getPeerCertificate().raw);
        response.on("data", (chunk) => {
          body += chunk;
        });
        response.on("end", () =>
          resolve({ status: response.statusCode ?? 0, headers: response.headers, body, issuer: issuer?.issuer }),
        );
      });
      sent.end();
    });
  }
  const statusOf = async (host: string, path?: string, more?: Parameters<typeof ask>[2]) => (await ask(host, path, more)).status;
  /** Changes come at once, and not in the answer of the API itself. */
  const becomes = (host: string, status: number, more?: Parameters<typeof ask>[2]) =>
    eventually(
      () => ask(host, "/", more),
      (answer) => answer.status === status,
      30_000,
    );
  const ok = async (method: string, path: string, body?: unknown, status = method === "POST" ? 201 : 200) => {
    const answer = await cloud.call("editor", method, path, body);
    assert.equal(answer.status, status, JSON.stringify(answer.body));
    return answer.body;
  };

  test("an app is at its own name; one that was never deployed is nowhere, one that is stopped says so", async () => {
    const fresh = cloud.app("fresh", { state: "new", liveReleaseId: undefined });
    const stopped = cloud.app("stopped", { state: "stopped" });
    await cloud.part.apply();
    const answer = await ask("site.shop.localhost");
    assert.equal(answer.status, 200);
    assert.equal(JSON.parse(answer.body).application, "site");
    assert.equal(await statusOf("fresh.shop.localhost"), 404);
    assert.equal(await statusOf("nobody.shop.localhost"), 404);
    const page = await ask("stopped.shop.localhost");
    assert.equal(page.status, 503);
    assert.match(page.body, /The application is not running/);
    const hosts = await cloud.database.transaction("system", (tx) => cloud.part.hosts(tx, [site, fresh, stopped]));
    assert.deepEqual(hosts.get(site.id), {
      url: `http://site.shop.localhost:${drivers.httpPort}`,
      hosts: ["site.shop.localhost"],
    });
    assert.equal(hosts.size, 3);
  });

  test("projects of two organisations with one slug have names of their own, which stay", async () => {
    const theirs = cloud.app("site", { projectId: cloud.strangersProject });
    const hostOf = async () =>
      (await cloud.database.transaction("system", (tx) => cloud.part.hosts(tx, [theirs]))).get(theirs.id)?.hosts[0];
    // However many ask for the first time at once.
    const hosts = new Set(await Promise.all(Array.from({ length: 8 }, hostOf)));
    const host = `site.shop-${cloud.strangersProject.slice(-4)}.localhost`;
    assert.deepEqual([...hosts], [host]);
    assert.equal(await hostOf(), host);
    serve(theirs, application);
    await cloud.part.apply();
    assert.equal(await statusOf(host), 200);
  });

  test("a domain is served at once, over HTTPS too, and belongs to one app", async () => {
    const path = `/apps/${site.id}/domains`;
    const domain = await ok("POST", path, { host: "www.example.com" });
    assert.deepEqual([domain.host, domain.certificate.state], ["www.example.com", "internal"]);
    await becomes("www.example.com", 200);
    assert.match((await ask("www.example.com", "/", { tls: true })).issuer ?? "", /CN=Khmara/);
    // By one of the cloud's own authority, that people may trust.
    const authority = new X509Certificate(await createCertificates(cloud.parts).authority());
    assert.ok(authority.ca && authority.checkIssued(authority));

    const moved = await ok("POST", path, { host: "example.com", redirectTo: "www.example.com" });
    const answer = await becomes("example.com", 308);
    assert.equal(answer.headers["location"], `http://www.example.com:${drivers.httpPort}/`);

    const other = cloud.app("other", { projectId: cloud.strangersProject, organisationId: "org_of_somebody" });
    assert.equal((await cloud.call("editor", "POST", `/apps/${other.id}/domains`, { host: "a.example.com" })).status, 404);
    const mine = cloud.app("second");
    const taken = await cloud.call("editor", "POST", `/apps/${mine.id}/domains`, { host: "www.example.com" });
    assert.equal(taken.status, 409);
    assert.equal(taken.body.code, "already_exists");
    assert.ok(!JSON.stringify(taken.body).includes(site.id));
    // Nor below a wildcard of somebody else, nor a wildcard over a name of theirs.
    const theirs = cloud.app("theirs", { projectId: cloud.strangersProject, organisationId: cloud.strangersOrganisation });
    const add = async (caller: "editor" | "stranger", app: AppView, host: string) =>
      (await cloud.call(caller, "POST", `/apps/${app.id}/domains`, { host })).status;
    assert.equal(await add("stranger", theirs, "*.example.com"), 409);
    assert.equal(await add("stranger", theirs, "*.bakery.example.org"), 201);
    assert.equal(await add("editor", mine, "www.bakery.example.org"), 409);
    assert.equal(await add("stranger", theirs, "www.bakery.example.org"), 201);
    assert.equal(await add("editor", mine, "a.www.bakery.example.org"), 201);
    for (const host of ["x.localhost", "a.b.localhost", "console.khmara.test", "*.khmara.test", "*.com"])
      assert.equal((await cloud.call("editor", "POST", path, { host })).status, 400, host);
    assert.equal((await cloud.call("editor", "POST", path, { host: "b.example.com", redirectTo: "example.com" })).status, 400);
    assert.equal((await cloud.call("viewer", "POST", path, { host: "b.example.com" })).status, 403);

    assert.equal((await cloud.call("editor", "DELETE", `/domains/${domain.id}`)).status, 409, "another one leads to it");
    assert.deepEqual(
      (await ok("GET", path)).items.map(({ host }: { host: string }) => host),
      ["www.example.com", "example.com"],
    );
    const first = await ok("GET", `${path}?limit=1`);
    assert.deepEqual(
      (await ok("GET", `${path}?limit=1&cursor=${first.nextCursor}`)).items.map(({ id }: { id: string }) => id),
      [moved.id],
    );
    for (const { id } of [moved, domain]) await ok("DELETE", `/domains/${id}`, undefined, 204);
    await becomes("www.example.com", 404);
    const audit = await cloud.database
      .sql`select action from kernel.audit_entries where resource_id = ${domain.id} order by sequence`;
    assert.deepEqual(
      audit.map(({ action }) => action),
      ["apps.domain.create", "apps.domain.delete"],
    );
  });

  test("whether a domain leads here is asked of the DNS, and said in words", async () => {
    const domain = await ok("POST", `/apps/${site.id}/domains`, { host: "nowhere.khmara.invalid" });
    assert.equal(domain.checkedAt, undefined);
    const checked = await ok("POST", `/domains/${domain.id}/check`, undefined, 200);
    // No such name will ever be (RFC 6761); a machine without a DNS says that.
    assert.match(checked.problem, /no address yet\. Add the record A|The DNS does not answer/);
    assert.ok(Math.abs(Date.parse(checked.checkedAt) - Date.now()) < 600_000);
    const [listed] = (await ok("GET", `/apps/${site.id}/domains`)).items;
    // Its certificate may have come meanwhile.
    assert.deepEqual({ ...listed, certificate: undefined }, { ...checked, certificate: undefined });
    assert.equal((await cloud.call("viewer", "POST", `/domains/${domain.id}/check`)).status, 403);
    assert.equal((await cloud.call("stranger", "POST", `/domains/${domain.id}/check`)).status, 404);
    await ok("DELETE", `/domains/${domain.id}`, undefined, 204);
  });

  test("who reaches an app: sign-in, addresses, rates, maintenance, HTTPS only", async () => {
    const host = "site.shop.localhost";
    const path = `/apps/${site.id}/access`;
    assert.deepEqual(await ok("GET", path), { httpsOnly: false, allow: [], deny: [], maintenance: false, revision: 0 });
    const signIn = (password: string) => ({
      headers: { authorization: `Basic ${Buffer.from(`ann:${password}`).toString("base64")}` },
    });
    const preview = cloud.app("branch--site", { parentId: site.id });
    serve(preview, application);
    const changed = await ok("PATCH", path, { basicAuth: [{ name: "ann", password: "long enough" }] });
    assert.deepEqual(changed.basicAuth, { users: ["ann"] });
    await becomes(host, 401);
    // A preview is behind the door of its app.
    const previewHost = "branch--site.shop.localhost";
    assert.equal((await becomes(previewHost, 401)).status, 401);
    assert.equal((await ask(previewHost, "/", signIn("long enough"))).status, 200);
    const noDomain = await cloud.call("editor", "POST", `/apps/${preview.id}/domains`, { host: "branch.example.com" });
    assert.deepEqual([noDomain.status, noDomain.body.reason], [409, "is_preview"]);
    assert.equal(await statusOf(host, "/", signIn("wrong password")), 401);
    const inside = await ask(host, "/", signIn("long enough"));
    assert.equal(inside.status, 200);
    assert.equal(JSON.parse(inside.body).headers["x-forwarded-user"], "ann");
    const kept =
      JSON.stringify(await cloud.database.sql`select * from apps.access`) +
      JSON.stringify(await cloud.database.sql`select * from kernel.audit_entries`);
    assert.ok(!kept.includes("long enough") && !kept.includes('"salt"'));

    await ok("PATCH", path, { basicAuth: null, maintenance: true });
    assert.match((await becomes(host, 503)).body, /Back soon/);
    await ok("PATCH", path, { maintenance: false, deny: ["127.0.0.0/8"] });
    await becomes(host, 403);
    await ok("PATCH", path, { deny: [], allow: ["127.0.0.1", "10.0.0.0/8"], httpsOnly: true });
    const answer = await becomes(host, 308);
    assert.equal(answer.headers["location"], `https://${host}:${drivers.httpsPort}/`);
    // While a gateway takes over from the one before, both answer.
    await eventually(
      () => ask(host, "/a?b=c"),
      ({ headers }) => headers["location"] === `https://${host}:${drivers.httpsPort}/a?b=c`,
      30_000,
    );
    assert.equal(await statusOf(host, "/", { tls: true }), 200);
    await ok("PATCH", path, { httpsOnly: false, rateLimit: { requests: 2, seconds: 60 }, maximumBodyBytes: 10 });
    await becomes(host, 429);
    const refused = await cloud.call("editor", "PATCH", path, { allow: ["10.0.0.0/8", "somewhere"] });
    assert.deepEqual([refused.status, refused.body.fields?.[0]?.path], [400, "body.allow.1"]);
    const { revision } = await ok("GET", path);
    assert.equal((await cloud.call("editor", "PATCH", path, { maintenance: true }, { "if-match": '"1"' })).status, 412);
    const end = await ok("PATCH", path, { allow: [], rateLimit: null, maximumBodyBytes: null });
    assert.deepEqual(end, { httpsOnly: false, allow: [], deny: [], maintenance: false, revision: revision + 1 });
    await becomes(host, 200);
  });

  test("each request is counted once, whoever is killed when", async () => {
    const counted = cloud.app("counted");
    serve(counted, application);
    await cloud.part.apply();
    const host = "counted.shop.localhost";
    const from = new Date(Date.now() - 3_600_000);
    const sum = async () => {
      const samples = await cloud.part.requests(counted.id, from, new Date(Date.now() + 120_000), 60);
      return samples.reduce((all, { requests, errors }) => ({ requests: all.requests + requests, errors: all.errors + errors }), {
        requests: 0,
        errors: 0,
      });
    };
    const count = (n: number) =>
      eventually(
        async () => {
          await cloud.work("apps.requests").catch(() => {});
          return sum();
        },
        ({ requests }) => requests >= n,
        30_000,
      );
    for (let i = 0; i < 5; i++) await ask(host, i === 0 ? "/echo?status=500" : "/echo");
    deafTo = true;
    assert.deepEqual(await count(5), { requests: 5, errors: 1 });
    deafTo = false;
    // The same lines come again.
    await cloud.work("apps.requests");
    await ask(host);
    assert.deepEqual(await count(6), { requests: 6, errors: 1 });
    const usage = await cloud.database.sql`select meter, sum(quantity)::int as quantity from kernel.usage_records
      where resource_id = ${counted.id} group by 1 order by 1`;
    assert.equal(usage[0]?.["meter"], "apps.requests");
    assert.equal(usage[0]?.["quantity"], 6);
    assert.ok(usage[1]?.["meter"] === "apps.sent" && usage[1]["quantity"] > 500);
    const [sample] = await cloud.part.requests(counted.id, from, new Date(Date.now() + 120_000), 86_400);
    assert.ok(sample && sample.p50 > 0 && sample.p50 <= sample.p99 && sample.sentBytes > 500);
    const { rows } = { rows: await cloud.database.sql`select position from apps.request_positions` };
    assert.equal(rows.length, 1);
  });

  test("a container is emptied before it goes, and its requests end where they began", async () => {
    const app = cloud.app("draining");
    const second = await testApplication("second");
    try {
      serve(app, application, "web-old");
      await cloud.part.apply();
      const slow = ask("draining.shop.localhost", "/slow?ms=1500");
      await eventually(
        () => application.underWay,
        (n) => n > 0,
        30_000,
      );
      serve(app, second, "web-new");
      await cloud.part.apply();
      const drained = cloud.part.drain(app.id, "web-old", { deadlineMs: 60_000 });
      // A change of something else meanwhile does not fill it again.
      await cloud.part.apply();
      await drained;
      assert.equal(JSON.parse((await slow).body).application, "site");
      cloud.endpoints.splice(
        cloud.endpoints.findIndex(({ container }) => container === "web-old"),
        1,
      );
      await cloud.part.apply();
      assert.equal(JSON.parse((await ask("draining.shop.localhost")).body).application, "second");
    } finally {
      await second.close();
    }
  });

  test("calls line up and are joined; a gateway that was killed is started again", async () => {
    let built = 0;
    const { apply } = door;
    Object.assign(door, {
      apply: (build: Parameters<GatewayDoor["apply"]>[0]) =>
        apply(async () => {
          built++;
          return build();
        }),
    });
    await Promise.all(Array.from({ length: 20 }, () => cloud.part.apply()));
    assert.equal(built, 2, "the one that ran, and one for all others");
    // Whoever does not want to wait any more is let go.
    const abort = new AbortController();
    const waiting = cloud.part.apply({ signal: abort.signal });
    abort.abort();
    await assert.rejects(waiting, (error) => CloudError.is(error, "cancelled"));
    await cloud.part.apply();
    const before = gatewayProcesses(drivers.gatewayFolder);
    assert.ok(before.length >= 2);
    for (const pid of before) process.kill(pid, "SIGKILL");
    await eventually(
      async () => {
        await cloud.work("apps.gateway");
        return statusOf("site.shop.localhost");
      },
      (status) => status === 200,
      60_000,
    );
    assert.ok(gatewayProcesses(drivers.gatewayFolder).every((pid) => !before.includes(pid)));
  });

  test("what apps run on: shown and changed by those who administer the cloud", async () => {
    const path = "/app-engine";
    assert.equal((await cloud.call("editor", "PATCH", path, { appsDomain: "apps.example.org" })).status, 403);
    const { body: shown } = await cloud.call("admin", "GET", path);
    assert.deepEqual(shown, {
      missing: "There is no engine in this test.",
      gateway: { httpPort: drivers.httpPort, httpsPort: drivers.httpsPort },
      appsDomain: "localhost",
      trustDomains: true,
      revision: 1,
    });
    for (const appsDomain of ["console.khmara.test", "khmara.test", "*.example.org"])
      assert.equal((await cloud.call("admin", "PATCH", path, { appsDomain })).status, 400, appsDomain);
    const acme = { directory: "https://acme.example.org/directory", email: "ann@example.org" };
    const changed = await cloud.call("admin", "PATCH", path, { appsDomain: "apps.example.org", acme });
    assert.deepEqual([changed.status, changed.body.appsDomain, changed.body.acme], [200, "apps.example.org", acme]);
    // Where apps are is for everybody; how certificates are got is not.
    const { body: seen } = await cloud.call("viewer", "GET", path);
    assert.deepEqual([seen.appsDomain, seen.acme], ["apps.example.org", undefined]);
    await becomes("site.shop.apps.example.org", 200);
    await becomes("site.shop.localhost", 404);
    const below = await cloud.call("editor", "POST", `/apps/${site.id}/domains`, { host: "x.apps.example.org" });
    assert.equal(below.status, 400);
    const back = await cloud.call("admin", "PATCH", path, { appsDomain: "localhost", acme: null });
    assert.deepEqual([back.body.appsDomain, back.body.acme, back.body.revision], ["localhost", undefined, 3]);
    await becomes("site.shop.localhost", 200);
  });
});
