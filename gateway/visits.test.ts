/** Visitors who have signed in elsewhere: the gateway looks at their cookie itself. */
import assert from "node:assert/strict";
import { createHmac, randomBytes } from "node:crypto";
import { request } from "node:http";
import { request as tlsRequest } from "node:https";
import { after, before, describe, test } from "node:test";
import { WebSocket } from "ws";
import { gatewayMissing, type TestApplication, type TestGateway, testApplication, testGateway } from "../testing/gateway.ts";
import { eventually } from "../testing/launcher.ts";
import { basicAuthUser } from "./basicAuth.ts";

describe("visitors of a route with a sign-in", { skip: gatewayMissing() ?? false }, () => {
  let gateway: TestGateway;
  let application: TestApplication;
  let door: TestApplication;
  const [key, otherKey] = [randomBytes(32).toString("hex"), randomBytes(32).toString("hex")];

  before(async () => {
    gateway = await testGateway();
    application = await testApplication("application");
    door = await testApplication("door");
    const target = { kind: "servers" as const, servers: [{ name: "web", address: "127.0.0.1", port: application.port }] };
    await gateway.gateway.apply(
      gateway.specification(
        [
          { id: "walled", hosts: ["walled.test"], target, signIn: { audience: "app_walled", key } },
          { id: "other", hosts: ["other.test"], target, signIn: { audience: "app_other", key } },
          {
            id: "either",
            hosts: ["either.test"],
            target,
            signIn: { audience: "app_either", key },
            basicAuth: { realm: "Machines", users: [basicAuthUser("robot", "long enough")] },
          },
          { id: "open", hosts: ["open.test"], target },
        ],
        { visits: { address: "127.0.0.1", port: door.port } },
      ),
    );
  });
  after(async () => {
    await gateway?.remove();
    await application?.close();
    await door?.close();
  });

  const base64 = (value: object) => Buffer.from(JSON.stringify(value)).toString("base64url");
  const token = (more: object = {}, { by = key, alg = "HS256" } = {}) => {
    const claims = { aud: "app_walled", sub: "user_1", email: "ann@example.org", name: "Ann%20B", exp: soon(1800), ...more };
    const signed = `${base64({ alg, typ: "JWT" })}.${base64(claims)}`;
    return `${signed}.${createHmac("sha256", by).update(signed).digest("base64url")}`;
  };
  const soon = (seconds: number) => Math.floor(Date.now() / 1000) + seconds;
  const asPage = { "sec-fetch-mode": "navigate" };

  function ask(
    path: string,
    {
      host = "walled.test",
      cookie,
      method = "GET",
      tls = false,
      headers = {},
    }: {
      host?: string;
      cookie?: string;
      method?: string;
      tls?: boolean;
      headers?: Record<string, string>;
    } = {},
  ) {
    return new Promise<{ status: number; headers: Record<string, string>; body: string }>((resolve, reject) => {
      const options = { host: "127.0.0.1", path, method, agent: false as const };
      const all = { host, ...(cookie === undefined ? {} : { cookie }), ...headers };
      const sent = tls
        ? tlsRequest({ ...options, port: gateway.httpsPort, headers: all, rejectUnauthorized: false, servername: host })
        : request({ ...options, port: gateway.httpPort, headers: all });
      sent.on("error", reject);
      sent.on("response", (response) => {
        let body = "";
        response.on("data", (chunk) => {
          body += chunk;
        });
        response.on("end", () =>
          resolve({ status: response.statusCode ?? 0, headers: response.headers as Record<string, string>, body }),
        );
      });
      sent.end();
    });
  }

  test("without a visit a page is sent to the sign-in, and a program is told", async () => {
    const page = await ask("/a%20b?c=d&e=f", { headers: asPage });
    assert.equal(page.status, 302);
    assert.equal(page.headers["location"], "/.khmara/sign-in?to=%2Fa%2520b%3Fc%3Dd%26e%3Df");
    assert.equal(page.headers["cache-control"], "no-store");
    assert.equal((await ask("/", { headers: { accept: "text/html,*/*" } })).status, 302, "a browser without Fetch Metadata");
    const before = application.requests;
    for (const more of [{}, { headers: { "sec-fetch-mode": "cors", accept: "text/html" } }, { method: "POST", headers: asPage }])
      assert.equal((await ask("/echo", more)).status, 401);
    assert.equal(application.requests, before);
  });

  test("whoever has one is let in, and the application learns who it is from us alone", async () => {
    const lies = { "x-forwarded-user": "root", "x-forwarded-email": "root@example.org" };
    const { status, body } = await ask("/echo", { cookie: `a=1; khmara-visit=${token()}; b=2`, headers: lies });
    assert.equal(status, 200);
    const { headers } = JSON.parse(body);
    assert.deepEqual(
      [headers["x-forwarded-user"], headers["x-forwarded-email"], headers["x-forwarded-preferred-username"]],
      ["user_1", "ann@example.org", "Ann%20B"],
    );
    assert.equal(headers.cookie, "a=1; b=2", "the visit itself is not the application's");
    assert.equal(JSON.parse((await ask("/echo", { cookie: `khmara-visit=${token()}` })).body).headers.cookie, undefined);
    const open = JSON.parse((await ask("/echo", { host: "open.test", headers: lies })).body).headers;
    assert.deepEqual([open["x-forwarded-user"], open["x-forwarded-email"]], [undefined, undefined]);
  });

  test("no cache in between keeps what is behind it, and the browser asks before it shows it again", async () => {
    const cached = async (says: string | undefined, host = "walled.test") => {
      const path = `/header?${new URLSearchParams(says === undefined ? {} : { "cache-control": says })}`;
      return (await ask(path, { host, cookie: `khmara-visit=${token()}` })).headers["cache-control"];
    };
    assert.equal(await cached(undefined), "private, no-cache");
    assert.equal(await cached("public, max-age=60"), "private, max-age=60");
    assert.equal(await cached("max-age=60, Public"), "max-age=60, private");
    assert.equal(await cached("no-store"), "no-store");
    assert.equal(await cached("max-age=60"), "max-age=60, private");
    assert.equal(await cached(undefined, "open.test"), undefined);
    assert.equal(await cached("public", "open.test"), "public");
  });

  test("over TLS only the cookie counts that no other host can set", async () => {
    assert.equal((await ask("/echo", { tls: true, cookie: `__Host-khmara-visit=${token()}` })).status, 200);
    assert.equal((await ask("/echo", { tls: true, cookie: `khmara-visit=${token()}` })).status, 401);
    assert.equal((await ask("/echo", { cookie: `__Host-khmara-visit=${token()}` })).status, 401);
  });

  test("what is forged, of another application or damaged lets nobody in", async () => {
    const [head, claims, signature] = token().split(".") as [string, string, string];
    const forged = [
      token({}, { by: otherKey }),
      token({ aud: "app_other" }),
      token({ aud: undefined }),
      token({ exp: undefined }),
      `${head}.${base64({ aud: "app_walled", exp: soon(9e6), sub: "root" })}.${signature}`,
      `${base64({ alg: "none" })}.${claims}.`,
      `${head}.${claims}`,
      "",
      "x",
      "..",
      "a.b.c.d",
    ];
    for (const each of forged) {
      assert.equal((await ask("/echo", { cookie: `khmara-visit=${each}` })).status, 401, each);
      assert.match(
        (await ask("/", { cookie: `khmara-visit=${each}`, headers: asPage })).headers["location"] ?? "",
        /sign-in/,
        each,
      );
    }
    assert.equal((await ask("/echo", { host: "other.test", cookie: `khmara-visit=${token({ aud: "app_other" })}` })).status, 200);
  });

  test("one that is over is renewed on the way, one that soon will be with the next page", async () => {
    const over = `khmara-visit=${token({ exp: soon(-5) })}`;
    for (const more of [{ headers: asPage }, { method: "POST" }, {}]) {
      const { status, headers } = await ask("/echo?x=1", { cookie: over, ...more });
      assert.deepEqual([status, headers["location"]], [307, "/.khmara/sign-in?to=%2Fecho%3Fx%3D1"]);
    }
    const late = `khmara-visit=${token({ exp: soon(300) })}`;
    assert.equal((await ask("/echo", { cookie: late, headers: asPage })).status, 302);
    assert.equal((await ask("/echo", { cookie: late })).status, 200);
    assert.equal((await ask("/echo", { cookie: late, method: "POST", headers: asPage })).status, 200);
  });

  test("the sign-in's own addresses are the door's, of these hosts alone, however they are written", async () => {
    for (const path of ["/.khmara/sign-in", "/%2ekhmara/x", "//.khmara/x"]) {
      const { application: who, headers } = JSON.parse((await ask(path)).body);
      assert.deepEqual([who, headers["x-forwarded-host"]], ["door", "walled.test"], path);
    }
    assert.equal(JSON.parse((await ask("/.khmara/sign-in", { host: "open.test" })).body).application, "application");
  });

  test("a WebSocket needs a visit too, and takes no redirect", async () => {
    const open = (cookie: string) =>
      new Promise<number>((resolve, reject) => {
        const socket = new WebSocket(`ws://127.0.0.1:${gateway.httpPort}/`, { headers: { host: "walled.test", cookie } });
        socket.on("unexpected-response", (_, response) => {
          socket.terminate();
          resolve(response.statusCode ?? 0);
        });
        socket.on("error", () => {});
        socket.on("close", () => reject(new Error("closed")));
        socket.on("open", () => socket.send("hello"));
        socket.on("message", (data) => {
          assert.equal(String(data), "application: hello");
          resolve(101);
          socket.terminate();
        });
      });
    assert.equal(await open(`khmara-visit=${token()}`), 101);
    assert.equal(await open("a=b"), 401);
    assert.equal(await open(`khmara-visit=${token({ exp: soon(-5) })}`), 401);
  });

  test("a password lets a program in where both are asked for", async () => {
    const authorization = (password: string) => `Basic ${Buffer.from(`robot:${password}`).toString("base64")}`;
    const host = "either.test";
    const inside = await ask("/echo", { host, headers: { authorization: authorization("long enough") } });
    assert.equal(inside.status, 200);
    const { headers } = JSON.parse(inside.body);
    assert.deepEqual([headers["x-forwarded-user"], headers.authorization], ["robot", undefined]);
    assert.equal((await ask("/echo", { host, headers: { authorization: authorization("wrong") } })).status, 401);
    const visitor = await ask("/echo", { host, cookie: `khmara-visit=${token({ aud: "app_either" })}` });
    assert.equal(JSON.parse(visitor.body).headers["x-forwarded-user"], "user_1");
    assert.equal((await ask("/", { host, headers: asPage })).status, 302);
  });

  test("while nobody is there to renew it, a visit goes on a little; a new one waits for a page that says so", async () => {
    const over = `khmara-visit=${token({ exp: soon(-5) })}`;
    await door.close();
    await eventually(
      () => ask("/echo", { cookie: over }),
      ({ status }) => status === 200,
      30_000,
    );
    assert.equal((await ask("/echo", { cookie: `khmara-visit=${token({ exp: soon(300) })}`, headers: asPage })).status, 200);
    assert.equal((await ask("/echo", { cookie: `khmara-visit=${token({ exp: soon(-100_000) })}` })).status, 307);
    const page = await ask("/.khmara/sign-in");
    assert.equal(page.status, 503);
    assert.equal(page.headers["retry-after"], "3");
    assert.match(page.body, /http-equiv="refresh"/);
  });
});
