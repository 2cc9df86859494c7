import assert from "node:assert/strict";
import { before, describe, test } from "node:test";
import { createAuthority, issueCertificate } from "../../../gateway/certificates/authority.ts";
import { checkSpecification } from "../../../gateway/specification.ts";
import { addDuration, percentile, stepOf } from "./durations.ts";
import { isBelow, isPrivateName, urlOf } from "./names.ts";
import { figuresOf } from "./requests.ts";
import { buildSpecification, type RoutedApp, type Routing } from "./specification.ts";

const open: RoutedApp["access"] = { httpsOnly: false, users: [], allow: [], deny: [], maintenance: false };
const app = (id: string, more: Partial<RoutedApp> = {}): RoutedApp => ({
  id,
  hosts: [`${id.replace("_", "-")}.shop.localhost`],
  redirects: [],
  servers: [{ name: "web-1", address: "10.0.0.2", port: 8080, drain: false }],
  access: open,
  ...more,
});

describe("what the gateway is told", () => {
  let pair: { certificate: string; key: string };
  before(async () => {
    pair = await issueCertificate(await createAuthority({ name: "Tests" }), ["x.test"]);
  });
  const routing = (apps: RoutedApp[], more: Partial<Routing> = {}): Routing => ({
    listeners: [
      { protocol: "http", address: "127.0.0.1", port: 8000 },
      { protocol: "https", address: "127.0.0.1", port: 8001 },
    ],
    challenges: { address: "127.0.0.1", port: 8080 },
    doors: [],
    visits: { address: "127.0.0.1", port: 8080 },
    ports: { http: 8000, https: 8001 },
    apps,
    certificates: [],
    defaultCertificate: { name: "fallback", hosts: [], ...pair },
    trusted: new Set(),
    ...more,
  });
  const routes = (apps: RoutedApp[], more: Partial<Routing> = {}) =>
    checkSpecification(buildSpecification(routing(apps, more))).routes;

  test("one route for each app, with what was said about who reaches it", () => {
    const user = { name: "ann", salt: `${"A".repeat(22)}==`, hash: "0".repeat(64) };
    const [route] = routes([
      app("app_1", {
        hosts: ["a.shop.localhost", "www.example.com"],
        access: {
          httpsOnly: true,
          users: [user],
          allow: ["10.0.0.0/8"],
          deny: ["10.1.0.0/16"],
          rateLimit: { requests: 5, seconds: 10 },
          maintenance: true,
          maximumBodyBytes: 1000,
        },
      }),
    ]);
    assert.deepEqual(route?.hosts, ["a.shop.localhost", "www.example.com"]);
    assert.deepEqual(route?.basicAuth?.users, [user]);
    assert.deepEqual(route?.addresses, { allow: ["10.0.0.0/8"], deny: ["10.1.0.0/16"] });
    assert.deepEqual(route?.rateLimit, { requests: 5, seconds: 10 });
    assert.equal(route?.maintenance?.on, true);
    assert.equal(route?.maxBodyBytes, 1000);
    assert.equal(route?.httpsOnly, true);
    // Without HTTPS there is nothing that they could be sent to.
    const without = buildSpecification(
      routing([app("app_1", { access: { ...open, httpsOnly: true } })], { ports: { http: 8000 }, defaultCertificate: undefined }),
    );
    assert.equal(without.routes?.[0]?.httpsOnly, false);
    assert.deepEqual(
      without.listeners.map(({ protocol }) => protocol),
      ["http"],
    );
    checkSpecification(without);
  });

  test("a name that two have goes to the first one; a stopped app has a route and no servers", () => {
    const [one, two] = routes([
      app("app_1", { hosts: ["a.localhost", "both.localhost"] }),
      app("app_2", { hosts: ["both.localhost", "b.localhost"], servers: [] }),
    ]);
    assert.deepEqual(one?.hosts, ["a.localhost", "both.localhost"]);
    assert.deepEqual(two?.hosts, ["b.localhost"]);
    assert.ok(two?.target.kind === "servers" && two.target.servers.length === 0);
  });

  test("names that lead elsewhere: to HTTPS when browsers know its certificate", () => {
    const redirects = [{ id: "dom_1", host: "example.com", to: "www.example.com" }];
    const target = (more: Partial<Routing>) => {
      const [, route] = routes([app("app_1", { hosts: ["www.example.com"], redirects })], more);
      assert.ok(route?.target.kind === "redirect");
      return [route.id, route.hosts[0], route.target.to, route.target.code];
    };
    assert.deepEqual(target({}), ["dom_1", "example.com", "http://www.example.com:8000", 308]);
    assert.deepEqual(target({ trusted: new Set(["www.example.com"]) }), [
      "dom_1",
      "example.com",
      "https://www.example.com:8001",
      308,
    ]);
    assert.deepEqual(target({ ports: { http: 80, https: 443 } })[2], "http://www.example.com");
  });
});

test("addresses and names", () => {
  assert.equal(urlOf("a.test", false, { http: 80 }), "http://a.test");
  assert.equal(urlOf("a.test", true, { http: 80 }), "http://a.test");
  assert.equal(urlOf("a.test", true, { http: 80, https: 443 }), "https://a.test");
  assert.equal(urlOf("a.test", true, { http: 80, https: 8001 }), "https://a.test:8001");
  assert.ok(isBelow("a.b.localhost", "localhost") && isBelow("*.localhost", "localhost") && !isBelow("mylocalhost", "localhost"));
  assert.ok(isPrivateName("localhost") && isPrivateName("apps.lan") && !isPrivateName("apps.example.com"));
});

test("percentiles are at most a tenth off", () => {
  const counts: number[] = [];
  for (let ms = 1; ms <= 1000; ms++) addDuration(counts, ms);
  for (const share of [0.5, 0.95, 0.99]) {
    const value = percentile(counts, share);
    assert.ok(Math.abs(value - share * 1000) <= share * 1000 * 0.1, `${share}: ${value}`);
  }
  assert.equal(percentile([], 0.5), 0);
  assert.ok(stepOf(0.2) === 0 && stepOf(24 * 3_600_000) < 110);
});

test("requests are counted by app and minute; those of no app are not", () => {
  const time = new Date("2026-01-01T10:00:59.500Z");
  const record = (more: object) => ({
    id: "x",
    time,
    route: "app_1",
    method: "GET",
    host: "",
    path: "/",
    status: 200,
    bytesIn: 1,
    bytesOut: 10,
    durationMs: 100,
    clientAddress: "",
    userAgent: "",
    protocol: "HTTP/1.1",
    ...more,
  });
  const figures = figuresOf([
    record({}),
    record({ status: 503 }),
    record({ durationMs: 600 }),
    record({ status: 101, durationMs: 600 }),
    record({ route: "dom_1" }),
    record({ route: undefined }),
  ]);
  assert.deepEqual([...figures.keys()], ["app_1"]);
  const minute = (at: string) => {
    const { durations, ...rest } = figures.get("app_1")?.get(Date.parse(at)) ?? { durations: [] };
    return { ...rest, timed: durations.reduce((sum, count) => sum + count, 0) };
  };
  assert.deepEqual(minute("2026-01-01T10:00:00Z"), { requests: 2, errors: 1, sentBytes: 20, timed: 2 });
  // By when they ended; how long a WebSocket was open is not counted.
  assert.deepEqual(minute("2026-01-01T10:01:00Z"), { requests: 2, errors: 0, sentBytes: 20, timed: 1 });
});
