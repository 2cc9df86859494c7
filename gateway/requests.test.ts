/** What a client meets: each test has a route of its own on one gateway. */
import assert from "node:assert/strict";
import { connect as connectHttp2 } from "node:http2";
import { request as httpsRequest } from "node:https";
import { after, before, describe, test } from "node:test";
import { connect as connectTls } from "node:tls";
import { gunzipSync } from "node:zlib";
import { WebSocket } from "ws";
import { gatewayMissing, raw, type TestApplication, type TestGateway, testApplication, testGateway } from "../testing/gateway.ts";
import { eventually } from "../testing/launcher.ts";
import { basicAuthUser } from "./basicAuth.ts";
import type { GatewaySpecification } from "./gateway.ts";

type Route = NonNullable<GatewaySpecification["routes"]>[number];

interface Answer {
  status: number;
  headers: Record<string, string>;
  body: string;
}

describe("requests through the gateway", { skip: gatewayMissing() ?? false }, () => {
  let gateway: TestGateway;
  let application: TestApplication;
  let other: TestApplication;
  let h2c: { port: number; close(): void };

  before(async () => {
    gateway = await testGateway();
    application = await testApplication("first");
    other = await testApplication("second");
    h2c = await http2Application();
    const to = (...applications: { name: string; port: number }[]) => ({
      kind: "servers" as const,
      servers: applications.map(({ name, port }) => ({ name, address: "127.0.0.1", port })),
    });
    const route = (id: string, more: Partial<Route> = {}): Route => ({
      id,
      hosts: [`${id}.test`],
      target: to(application),
      ...more,
    });
    const routes: Route[] = [
      route("plain", { hosts: ["plain.test", "*.plain.test"] }),
      route("named", { hosts: ["named.plain.test"], target: to(other) }),
      route("api", { hosts: ["plain.test"], paths: ["/api"], target: to(other) }),
      route("secure", { httpsOnly: true, hsts: { includeSubdomains: true } }),
      route("www", { target: { kind: "redirect", to: "https://plain.test", code: 301 } }),
      route("moved", { target: { kind: "redirect", to: "https://plain.test/new?a=100%25", code: 302, keepPath: false } }),
      route("locked", { basicAuth: { realm: "Staff only", users: [basicAuthUser("ann", "a'b:c%d \\é")] } }),
      route("closed", { addresses: { deny: ["127.0.0.0/8"] } }),
      route("elsewhere", { addresses: { allow: ["10.0.0.0/8", "2001:db8::/32"] } }),
      route("near", { addresses: { allow: ["127.0.0.1"] } }),
      route("limited", { rateLimit: { requests: 3, seconds: 60 } }),
      route("down", {
        maintenance: { on: true, page: "<p>We paint the walls, 100% done at {{requestId}}</p>", retryAfterSeconds: 77 },
      }),
      route("inside", { maintenance: { on: true, allow: ["127.0.0.1"] } }),
      route("empty", { target: { kind: "servers", servers: [] }, errorPages: { 503: '<p>Ours, "quoted" {{requestId}}</p>' } }),
      route("small", { maxBodyBytes: 1000 }),
      route("uncompressed", { compress: false }),
      route("grpc", { target: { ...to({ name: "h2c", port: h2c.port }), protocol: "h2c" } }),
      route("impatient", {
        target: { ...to(application), timeouts: { responseSeconds: 1 } },
      }),
    ];
    await gateway.gateway.apply(
      gateway.specification(routes, {
        certificates: [await gateway.certificate("plain", ["plain.test"]), await gateway.certificate("wild", ["*.plain.test"])],
        acme: { address: "127.0.0.1", port: other.port },
        trustedProxies: ["127.0.0.9"],
        requestHeadSeconds: 1,
      }),
    );
  });
  after(async () => {
    await gateway?.remove();
    await application?.close();
    await other?.close();
    h2c?.close();
  });

  const send = async (
    host: string,
    path = "/echo",
    headers: Record<string, string> = {},
    method = "GET",
    body = "",
  ): Promise<Answer> => {
    const lines = Object.entries({ host, connection: "close", ...headers }).map(([name, value]) => `${name}: ${value}\r\n`);
    return parse(await raw(gateway.httpPort, `${method} ${path} HTTP/1.1\r\n${lines.join("")}\r\n${body}`));
  };
  const echoed = (answer: Answer) => {
    assert.equal(answer.status, 200, answer.body);
    return JSON.parse(answer.body) as { application: string; url: string; headers: Record<string, string>; bytes: number };
  };
  const overTls = (servername: string, headers: Record<string, string> = {}, path = "/echo") =>
    new Promise<{ status: number; headers: Record<string, unknown>; body: string }>((resolve, reject) => {
      const options = { host: "127.0.0.1", port: gateway.httpsPort, servername, path, ca: gateway.authority.certificate };
      const request = httpsRequest({ ...options, headers: { host: servername, ...headers }, agent: false }, (response) => {
        let body = "";
        response.on("data", (chunk) => {
          body += chunk;
        });
        response.on("end", () => resolve({ status: response.statusCode ?? 0, headers: response.headers, body }));
      });
      request.on("error", reject).end();
    });

  test("names, wildcards and paths find their route, whatever way they are written", async () => {
    assert.equal(echoed(await send("plain.test")).application, "first");
    assert.equal(echoed(await send("PLAIN.test.:80")).application, "first");
    assert.equal(echoed(await send("any.plain.test")).application, "first");
    assert.equal(echoed(await send("named.plain.test")).application, "second");
    for (const path of ["/api", "/api/", "/api/x?y=/", "//api/x", "/%61pi/x"])
      assert.equal(echoed(await send("plain.test", path)).application, "second", path);
    for (const path of ["/apis", "/ap", "/x/api"])
      assert.equal(echoed(await send("plain.test", path)).application, "first", path);
    // A wildcard is one label.
    assert.equal((await send("a.b.plain.test")).status, 404);
    assert.equal((await send("nobody.test")).status, 404);
    // The path goes on as it came.
    assert.equal(echoed(await send("plain.test", "/api//%61?b=%2F")).url, "/api//%61?b=%2F");
  });

  test("paths that climb are refused: rules of a path cannot be gone around", async () => {
    for (const path of ["/x/../api", "/%2e%2e/api", "/./api", "/..;/api", "/x/..", "/..\\api"])
      assert.equal((await send("plain.test", path)).status, 400, path);
    assert.equal(echoed(await send("plain.test", "/.well-known/x..y/...")).application, "first");
  });

  test("what nobody answers for is a page with the id of the request", async () => {
    const { status, headers, body } = await send("nobody.test");
    assert.equal(status, 404);
    assert.match(headers["content-type"] ?? "", /text\/html/);
    assert.match(headers["x-request-id"] ?? "", /^[0-9a-f-]{36}$/);
    assert.ok(body.includes(`request ${headers["x-request-id"]}`), body);
    const empty = await send("empty.test");
    assert.equal(empty.status, 503);
    assert.equal(empty.body, `<p>Ours, "quoted" ${empty.headers["x-request-id"]}</p>`);
    const broken = await send("plain.test", "/broken", {}, "POST");
    assert.equal(broken.status, 502);
    assert.match(broken.body, /does not answer properly/);
    const late = await send("impatient.test", "/never");
    assert.equal(late.status, 504);
    assert.match(late.body, /takes too long/);
    // The application's own errors are its own.
    assert.match((await send("plain.test", "/echo?status=503")).body, /"application":"first"/);
  });

  test("only we say who the client is", async () => {
    const { headers } = echoed(
      await send("plain.test", "/echo", {
        "X-Forwarded-For": "6.6.6.6",
        "X-Forwarded-Proto": "https",
        "X-Forwarded-Anything": "x",
        Forwarded: "for=6.6.6.6",
        "X-Real-IP": "6.6.6.6",
        "X-Request-Id": "mine",
        Proxy: "http://6.6.6.6",
      }),
    );
    assert.equal(headers["x-forwarded-for"], "127.0.0.1");
    assert.equal(headers["x-real-ip"], "127.0.0.1");
    assert.equal(headers["x-forwarded-proto"], "http");
    assert.equal(headers["x-forwarded-host"], "plain.test");
    assert.equal(headers["x-forwarded-port"], String(gateway.httpPort));
    assert.equal(headers["forwarded"], 'for=127.0.0.1;host="plain.test";proto=http');
    assert.match(headers["x-request-id"] ?? "", /^[0-9a-f-]{36}$/);
    assert.deepEqual([headers["x-forwarded-anything"], headers["proxy"]], [undefined, undefined]);
  });

  test("a trusted proxy says it for others, one step at a time", async () => {
    const from = async (forwarded: string) => {
      const bytes = `GET /echo HTTP/1.1\r\nhost: plain.test\r\nconnection: close\r\nx-forwarded-proto: https\r\nx-forwarded-for: ${forwarded}\r\n\r\n`;
      return echoed(parse(await raw(gateway.httpPort, bytes, { localAddress: "127.0.0.9" }))).headers;
    };
    const one = await from("6.6.6.6, 192.0.2.7");
    assert.equal(one["x-forwarded-for"], "192.0.2.7");
    assert.equal(one["x-forwarded-proto"], "https");
    assert.equal((await from("6.6.6.6, 192.0.2.7, 127.0.0.9"))["x-forwarded-for"], "192.0.2.7");
    const six = await from("2001:db8::7");
    assert.equal(six["forwarded"], 'for="[2001:db8::7]";host="plain.test";proto=https');
  });

  test("HTTPS: the certificate of the name, also by a wildcard, and one for nobody", async () => {
    const subject = (servername: string) =>
      new Promise<string>((resolve, reject) => {
        const socket = connectTls({ host: "127.0.0.1", port: gateway.httpsPort, servername, rejectUnauthorized: false }, () => {
          resolve(socket.getPeerCertificate().subjectaltname ?? "");
          socket.destroy();
        });
        socket.on("error", reject);
      });
    assert.equal(await subject("plain.test"), "DNS:plain.test");
    assert.equal(await subject("x.plain.test"), "DNS:*.plain.test");
    assert.equal(await subject("nobody.test"), "DNS:nobody.invalid");
    // Verified by Node against the authority.
    const { body, headers } = await overTls("plain.test");
    assert.equal((JSON.parse(body) as { headers: Record<string, string> }).headers["x-forwarded-proto"], "https");
    assert.equal(headers["strict-transport-security"], undefined);
  });

  test("plain HTTP is sent to HTTPS, with HSTS there, and ACME's challenges are answered all the same", async () => {
    const { status, headers } = await send("secure.test", "/a?b=%20c");
    assert.equal(status, 308);
    assert.equal(headers["location"], "https://secure.test/a?b=%20c");
    assert.equal(headers["strict-transport-security"], undefined);
    const request = await overTlsTo("secure.test");
    assert.equal(request, "max-age=31536000; includeSubDomains");
    assert.equal(echoed(await send("secure.test", "/.well-known/acme-challenge/abc")).application, "second");
  });

  const overTlsTo = (host: string) =>
    new Promise<unknown>((resolve, reject) => {
      const session = connectHttp2(`https://127.0.0.1:${gateway.httpsPort}`, { rejectUnauthorized: false, servername: host });
      session.on("error", reject);
      const stream = session.request({ ":path": "/echo", ":authority": host });
      stream.on("response", (headers) => resolve(headers["strict-transport-security"]));
      stream.on("error", reject);
      stream.on("close", () => session.close());
      stream.resume();
    });

  test("redirects keep the path, or not", async () => {
    const www = await send("www.test", "/a/b?c=d");
    assert.deepEqual([www.status, www.headers["location"]], [301, "https://plain.test/a/b?c=d"]);
    const moved = await send("moved.test", "/a/b?c=d");
    assert.deepEqual([moved.status, moved.headers["location"]], [302, "https://plain.test/new?a=100%25"]);
  });

  test("basic auth: the right password, which the application does not get", async () => {
    const credentials = (text: string) => ({ authorization: `Basic ${Buffer.from(text).toString("base64")}` });
    const refused = await send("locked.test");
    assert.equal(refused.status, 401);
    assert.equal(refused.headers["www-authenticate"], 'Basic realm="Staff only"');
    for (const text of ["ann:wrong", "bob:a'b:c%d \\é", "ann:", "ann", ":a'b:c%d \\é"])
      assert.equal((await send("locked.test", "/echo", credentials(text))).status, 401, text);
    const { headers } = echoed(
      await send("locked.test", "/echo", { ...credentials("ann:a'b:c%d \\é"), "X-Forwarded-User": "root" }),
    );
    assert.equal(headers["authorization"], undefined);
    assert.equal(headers["x-forwarded-user"], "ann");
  });

  test("addresses that are denied, or not among those allowed", async () => {
    assert.equal((await send("closed.test")).status, 403);
    assert.equal((await send("elsewhere.test")).status, 403);
    assert.equal((await send("near.test")).status, 200);
    // What the client says of itself does not count.
    assert.equal((await send("elsewhere.test", "/", { "x-forwarded-for": "10.0.0.1" })).status, 403);
  });

  test("a rate limit counts each client for itself", async () => {
    const statuses: number[] = [];
    for (let i = 0; i < 5; i++) statuses.push((await send("limited.test")).status);
    assert.deepEqual(statuses, [200, 200, 200, 429, 429]);
    const refused = await send("limited.test");
    assert.equal(refused.headers["retry-after"], "10");
    const bytes = "GET /echo HTTP/1.1\r\nhost: limited.test\r\nconnection: close\r\nx-forwarded-for: 192.0.2.9\r\n\r\n";
    assert.equal(parse(await raw(gateway.httpPort, bytes, { localAddress: "127.0.0.9" })).status, 200);
  });

  test("maintenance has a page, and a way in", async () => {
    const { status, headers, body } = await send("down.test");
    assert.deepEqual([status, headers["retry-after"]], [503, "77"]);
    assert.equal(body, `<p>We paint the walls, 100% done at ${headers["x-request-id"]}</p>`);
    assert.equal((await send("inside.test")).status, 200);
  });

  test("text is compressed for those who take it, and nothing else", async () => {
    const fetched = async (host: string, path: string, encoding: string) => {
      const bytes = `GET ${path} HTTP/1.1\r\nhost: ${host}\r\nconnection: close\r\naccept-encoding: ${encoding}\r\n\r\n`;
      return parse(await raw(gateway.httpPort, bytes));
    };
    const compressed = await fetched("plain.test", "/text", "br, gzip");
    assert.equal(compressed.headers["content-encoding"], "gzip");
    assert.match(compressed.headers["vary"] ?? "", /accept-encoding/i);
    const text = gunzipSync(Buffer.from(compressed.body, "latin1")).toString();
    assert.equal(text, "All work and no play makes a dull page. ".repeat(2000));
    assert.ok(compressed.body.length < text.length / 10);
    assert.equal((await fetched("plain.test", "/text", "identity")).headers["content-encoding"], undefined);
    assert.equal((await fetched("uncompressed.test", "/text", "gzip")).headers["content-encoding"], undefined);
  });

  test("a body that is too large, or does not say, is refused where there is a limit", async () => {
    const size = (bytes: number) => ({ "content-length": String(bytes) });
    assert.equal(echoed(await send("small.test", "/echo", size(1000), "POST", "x".repeat(1000))).bytes, 1000);
    assert.equal((await send("small.test", "/echo", size(1001), "POST", "x".repeat(1001))).status, 413);
    const chunked = { "transfer-encoding": "chunked" };
    assert.equal((await send("small.test", "/echo", chunked, "POST", "1\r\nx\r\n0\r\n\r\n")).status, 411);
    assert.equal(echoed(await send("plain.test", "/echo", chunked, "POST", "1\r\nx\r\n0\r\n\r\n")).bytes, 1);
  });

  test("requests of which two readers could read different things are refused", async () => {
    const attempts: Record<string, string> = {
      "two lengths": "POST /echo HTTP/1.1\r\nhost: plain.test\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\nab",
      "a length that is none": "POST /echo HTTP/1.1\r\nhost: plain.test\r\ncontent-length: +1\r\n\r\na",
      "an unknown encoding": "POST /echo HTTP/1.1\r\nhost: plain.test\r\ntransfer-encoding: xchunked\r\n\r\n0\r\n\r\n",
      "a space before the colon": "GET /echo HTTP/1.1\r\nhost: plain.test\r\ntransfer-encoding : chunked\r\n\r\n0\r\n\r\n",
      "two hosts": "GET /echo HTTP/1.1\r\nhost: plain.test\r\nhost: api.test\r\n\r\n",
      "a bad chunk": "POST /echo HTTP/1.1\r\nhost: plain.test\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n",
    };
    for (const [what, bytes] of Object.entries(attempts)) {
      const text = await raw(gateway.httpPort, bytes, { until: /\r\n\r\n/ });
      assert.match(text, /^HTTP\/1\.[01] (400|422|501) /, `${what}: ${text.slice(0, 200)}`);
    }
  });

  test("a request with both lengths is read by the one that counts, passed on with that one alone, and nothing follows it", async () => {
    const before = application.requests;
    const hidden = "GET /echo?hidden HTTP/1.1\r\nhost: plain.test\r\n\r\n";
    const bytes = `POST /echo HTTP/1.1\r\nhost: plain.test\r\ncontent-length: ${5 + hidden.length}\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n${hidden}`;
    const text = await raw(gateway.httpPort, bytes);
    const { headers } = echoed(parse(text));
    assert.deepEqual([headers["content-length"], headers["transfer-encoding"]], [undefined, "chunked"]);
    assert.equal(text.split("HTTP/1.1 ").length, 2, text);
    assert.equal(application.requests, before + 1);
  });

  test("large heads and slow clients are told so", async () => {
    assert.equal((await send("plain.test", "/echo", { "x-large": "x".repeat(6_000) })).status, 200);
    const huge = await raw(gateway.httpPort, `GET /echo HTTP/1.1\r\nhost: plain.test\r\nx-large: ${"x".repeat(40_000)}\r\n\r\n`);
    assert.match(huge, /^HTTP\/1\.[01] (400|431) /);
    assert.match(await raw(gateway.httpPort, "GET /echo HTTP/1.1\r\nhost: pl"), /^HTTP\/1\.[01] 408 /);
  });

  test("HTTP/2: many at once on one connection, to an application that speaks HTTP/1.1 or HTTP/2", async () => {
    const session = connectHttp2(`https://127.0.0.1:${gateway.httpsPort}`, {
      ca: gateway.authority.certificate,
      servername: "plain.test",
    });
    const get = (authority: string, path: string) =>
      new Promise<string>((resolve, reject) => {
        const stream = session.request({ ":path": path, ":authority": authority });
        let body = "";
        stream.setEncoding("utf8");
        stream.on("data", (chunk) => {
          body += chunk;
        });
        stream.on("end", () => resolve(body));
        stream.on("error", reject);
      });
    try {
      const bodies = await Promise.all(Array.from({ length: 50 }, (_, i) => get("plain.test", `/echo?${i}`)));
      assert.deepEqual(
        bodies.map((body) => (JSON.parse(body) as { url: string }).url),
        Array.from({ length: 50 }, (_, i) => `/echo?${i}`),
      );
      assert.equal(await get("grpc.test", "/"), "over HTTP/2.0");
    } finally {
      session.close();
    }
  });

  test("WebSockets, over HTTP and over TLS", async () => {
    for (const url of [`ws://127.0.0.1:${gateway.httpPort}/`, `wss://127.0.0.1:${gateway.httpsPort}/`]) {
      const tls = { servername: "plain.test", ca: gateway.authority.certificate };
      const socket = new WebSocket(url, { headers: { host: "plain.test" }, ...tls });
      const answers: string[] = [];
      socket.on("message", (data) => answers.push(String(data)));
      await new Promise((resolve, reject) => socket.on("open", resolve).on("error", reject));
      socket.send("hello");
      await eventually(
        () => answers,
        ([first]) => first === "first: hello",
        30_000,
      );
      socket.close();
    }
  });

  test("a stream arrives as it is written", async () => {
    const events: string[] = [];
    const abort = new AbortController();
    const response = await new Promise<string>((resolve, reject) => {
      const read = raw(gateway.httpPort, "GET /stream HTTP/1.1\r\nhost: plain.test\r\naccept-encoding: gzip\r\n\r\n", {
        onText: (text) => {
          events.push(text);
          if (text.includes("\r\n\r\n")) resolve(text);
        },
        signal: abort.signal,
      });
      read.catch(reject);
    });
    assert.match(response, /^HTTP\/1\.1 200/);
    const stream = application.streams.at(-1);
    assert.ok(stream !== undefined);
    for (const word of ["one", "two"]) {
      stream.write(`data: ${word}\n\n`);
      // The stream is open all the time: it is there without an end.
      await eventually(
        () => events.at(-1) ?? "",
        (text) => text.includes(`data: ${word}`),
        30_000,
      );
    }
    abort.abort();
    // The application hears that nobody listens any more.
    await eventually(() => stream.destroyed, Boolean, 60_000);
  });
});

async function http2Application(): Promise<{ port: number; close(): void }> {
  const { createServer } = await import("node:http2");
  const server = createServer((request, response) => response.end(`over HTTP/${request.httpVersion}`));
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return { port: (server.address() as { port: number }).port, close: () => void server.close() };
}

/** A whole answer whose connection was closed after it. */
function parse(text: string): Answer {
  const end = text.indexOf("\r\n\r\n");
  const [first = "", ...lines] = text.slice(0, end).split("\r\n");
  const headers: Record<string, string> = {};
  for (const line of lines) headers[line.slice(0, line.indexOf(":")).toLowerCase()] = line.slice(line.indexOf(":") + 1).trim();
  let body = text.slice(end + 4);
  if (headers["transfer-encoding"] === "chunked") {
    let whole = "";
    for (let rest = body; ; ) {
      const line = rest.indexOf("\r\n");
      const size = Number.parseInt(rest.slice(0, line), 16);
      if (!(size > 0)) break;
      whole += rest.slice(line + 2, line + 2 + size);
      rest = rest.slice(line + 4 + size);
    }
    body = whole;
  }
  const isText = headers["content-encoding"] === undefined;
  return { status: Number(first.split(" ")[1]), headers, body: isText ? Buffer.from(body, "latin1").toString() : body };
}
