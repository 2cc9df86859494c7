import assert from "node:assert/strict";
import { X509Certificate } from "node:crypto";
import { createServer, type Server } from "node:http";
import { request } from "node:https";
import type { AddressInfo } from "node:net";
import { after, before, describe, test } from "node:test";
import { testAppDrivers } from "../../../../testing/apps.ts";
import { gatewayMissing, type TestApplication, testApplication } from "../../../../testing/gateway.ts";
import { eventually } from "../../../../testing/launcher.ts";
import { pebbleMissing, startPebble, type TestPebble } from "../../../../testing/pebble.ts";
import type { AppView } from "../../parts.ts";
import type { GatewayDoor } from "../area.ts";
import { type TestRouting, testRouting } from "../testing/fixture.ts";
import { AcmeClient, AcmeError, newAccountKey } from "./client.ts";

const signal = AbortSignal.timeout(300_000);

describe("certificates by ACME", { skip: gatewayMissing() ?? pebbleMissing() ?? false }, () => {
  let pebble: TestPebble;
  let cloud: TestRouting;
  let drivers: Awaited<ReturnType<typeof testAppDrivers>>;
  let application: TestApplication;
  let app: AppView;
  /** In the place of the control plane. */
  let control: Server;
  /** Challenges are answered, or not. */
  let answering = true;
  const asked: string[] = [];

  before(async () => {
    control = createServer(async (message, response) => {
      const token = message.url?.split("/").at(-1) ?? "";
      asked.push(message.headers.host ?? "");
      const answer = answering ? await cloud.part.challenge(token) : undefined;
      response.writeHead(answer === undefined ? 404 : 200).end(answer);
    });
    await new Promise<void>((resolve) => control.listen(0, "127.0.0.1", resolve));
    drivers = await testAppDrivers({ engine: false, port: (control.address() as AddressInfo).port });
    pebble = await startPebble(drivers.httpPort);
    const { gateway } = await drivers.appDrivers();
    assert.ok("driver" in gateway);
    const door: GatewayDoor = { ...gateway.driver, trust: pebble.trust };
    cloud = await testRouting({ driver: door });
    await cloud.database.sql`update apps.gateway_settings set trust_domains = true`;
    application = await testApplication("site");
    app = cloud.app("site");
    cloud.endpoints.push({
      appId: app.id,
      releaseId: app.liveReleaseId ?? "",
      container: "web-1",
      address: "127.0.0.1",
      port: application.port,
    });
    await cloud.part.apply();
    const acme = { directory: pebble.directory, email: "ann@example.org" };
    const changed = await cloud.call("admin", "PATCH", "/app-engine", { acme });
    assert.equal(changed.status, 200, JSON.stringify(changed.body));
  });
  after(async () => {
    await application?.close();
    await cloud?.stop();
    await drivers?.remove();
    await pebble?.stop();
    control?.closeAllConnections();
    control?.close();
  });

  const add = async (host: string) => {
    const { status, body } = await cloud.call("editor", "POST", `/apps/${app.id}/domains`, { host });
    assert.equal(status, 201, JSON.stringify(body));
    return body;
  };
  const domainOf = async (host: string) =>
    (await cloud.call("viewer", "GET", `/apps/${app.id}/domains`)).body.items.find(
      (each: { host: string }) => each.host === host,
    );
  const served = (host: string) =>
    new Promise<X509Certificate>((resolve, reject) => {
      const options = { host: "127.0.0.1", port: drivers.httpsPort, servername: host, headers: { host }, agent: false as const };
      const sent = request({ ...options, rejectUnauthorized: false }, (response) => {
        response.resume();
        resolve(
          new X509Certificate((response.socket as unknown as { getPeerCertificate(): { raw: Buffer } }).getPeerCertificate().raw),
        );
      });
      sent.on("error", reject);
      sent.end();
    });

  test("a domain gets one, proven through the gateway, and it is served; a due one is renewed", async () => {
    const host = "www.shop.example.com";
    assert.equal((await add(host)).certificate.state, "waiting");
    await eventually(
      () => served(host),
      ({ issuer }) => issuer.includes("CN=Khmara"),
      30_000,
    );
    await cloud.work("apps.certificates");
    const { certificate } = await domainOf(host);
    assert.equal(certificate.state, "issued", JSON.stringify(certificate) + pebble.output().slice(-2000));
    assert.match(certificate.issuer, /Pebble/);
    assert.ok(asked.some((each) => each.startsWith(host)));
    const first = await served(host);
    assert.match(first.issuer, /Pebble/);
    assert.match(first.subjectAltName ?? "", /DNS:www\.shop\.example\.com/);

    // Not before its time.
    await cloud.work("apps.certificates");
    assert.equal((await served(host)).serialNumber, first.serialNumber);
    await cloud.database.sql`update apps.certificates set renew_at = now() where host = ${host} and issued_by = 'acme'`;
    await cloud.database.sql`update apps.acme_requests set next_at = now() where host = ${host}`;
    await cloud.work("apps.certificates");
    assert.notEqual((await served(host)).serialNumber, first.serialNumber);

    const accounts = await cloud.database.sql`select directory, key from apps.acme_accounts`;
    assert.equal(accounts.length, 1);
    assert.ok(accounts.every(({ key }) => !(key as Buffer).toString("latin1").includes("PRIVATE KEY")));
    assert.equal((await cloud.database.sql`select 1 from apps.acme_challenges`).length, 0, "answers are taken away");
  });

  test("one that cannot be proven is told, waited for longer and longer, and tried at once when a person says so", async () => {
    const host = "broken.example.com";
    answering = false;
    await add(host);
    await cloud.work("apps.certificates");
    const { certificate } = await domainOf(host);
    assert.equal(certificate.state, "failed");
    assert.match(certificate.problem, /404/);
    assert.match(certificate.problem, /--http-port 80/);
    const waits = async () => {
      const [row] = await cloud.database.sql`select extract(epoch from next_at - now())::float as seconds, failures
        from apps.acme_requests where host = ${host}`;
      return row as unknown as { seconds: number; failures: number };
    };
    const once = await waits();
    assert.ok(once.failures === 1 && once.seconds > 800 && once.seconds <= 900, JSON.stringify(once));
    const before = asked.length;
    await cloud.work("apps.certificates");
    assert.equal(asked.length, before, "nothing is asked before its time");
    await cloud.database.sql`update apps.acme_requests set next_at = now() where host = ${host}`;
    await cloud.work("apps.certificates");
    const twice = await waits();
    assert.ok(twice.failures === 2 && twice.seconds > 1700, JSON.stringify(twice));
    answering = true;
    await cloud.database.sql`update apps.acme_requests set next_at = now() where host = ${host}`;
    await cloud.work("apps.certificates");
    assert.equal((await domainOf(host)).certificate.state, "issued");
  });

  test("a wildcard keeps the certificate of the cloud's own authority, and says why", async () => {
    await add("*.wild.example.com");
    await cloud.work("apps.certificates");
    const { certificate } = await domainOf("*.wild.example.com");
    assert.equal(certificate.state, "internal");
    assert.match(certificate.problem, /wildcard/);
    await eventually(
      () => served("any.wild.example.com"),
      ({ subjectAltName }) => subjectAltName === "DNS:*.wild.example.com",
      30_000,
    );
  });

  test("the account is found again by its key; what is no ACME server, or does not answer, is said", async () => {
    const accountKey = newAccountKey();
    const make = (directory: string, trust: string | undefined = pebble.trust) =>
      new AcmeClient({ directory, accountKey, trust });
    const url = await make(pebble.directory).register("ann@example.org", signal);
    assert.equal(await make(pebble.directory).register("ann@example.org", signal), url);
    const fails = async (client: AcmeClient, type: string) =>
      assert.rejects(
        () => client.register("ann@example.org", signal),
        (error) => error instanceof AcmeError && error.type === type,
      );
    await fails(make(pebble.directory.replace("/dir", "/nothing")), "protocol");
    await fails(make("https://127.0.0.1:1/dir"), "unreachable");
    // A stranger's certificate is no server of ours.
    const stranger = new AcmeClient({ directory: pebble.directory, accountKey });
    await fails(stranger, "unreachable");
  });
});
