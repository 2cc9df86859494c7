import assert from "node:assert/strict";
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { request } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { openLocalStore } from "../drivers/local/index.ts";
import { readCors } from "./corsDocument.ts";
import { S3Error } from "./errors.ts";
import { type Call, send } from "./testing/client.ts";
import { startDoor } from "./testing/door.ts";

let directory: string;
let door: Awaited<ReturnType<typeof startDoor>>;
let stopStore: () => Promise<void>;

before(async () => {
  directory = await mkdtemp(join(tmpdir(), "khmara-cors-"));
  const store = await openLocalStore({ directory });
  stopStore = () => store.close();
  door = await startDoor(store);
  await call({ method: "PUT", path: "/box-one" });
});
after(async () => {
  await door.stop();
  await stopStore();
  await rm(directory, { recursive: true, force: true });
});

const call = (given: Omit<Call, "port">) => send({ ...given, port: door.port });
const configuration = (...rules: string[]) =>
  `<CORSConfiguration xmlns="http://s3.amazonaws.com/doc/2006-03-01/">${rules.map((rule) => `<CORSRule>${rule}</CORSRule>`).join("")}</CORSConfiguration>`;
const put = (...rules: string[]) => call({ method: "PUT", path: "/box-one?cors", body: configuration(...rules) });
const rule = (origin: string, method: string, rest = "") =>
  `<AllowedOrigin>${origin}</AllowedOrigin><AllowedMethod>${method}</AllowedMethod>${rest}`;

/** As a browser does it: without a signature. */
async function anonymous(method: string, path: string, headers: Record<string, string> = {}) {
  const outgoing = request({ host: "127.0.0.1", port: door.port, method, path, headers, agent: false });
  outgoing.end();
  const [incoming] = await once(outgoing, "response");
  const text = Buffer.concat(await incoming.toArray()).toString();
  return { status: incoming.statusCode as number, headers: incoming.headers as Record<string, string>, text };
}
const ask = (origin: string, method: string, headers?: string, path = "/box-one/k") =>
  anonymous("OPTIONS", path, {
    Origin: origin,
    "Access-Control-Request-Method": method,
    ...(headers === undefined ? {} : { "Access-Control-Request-Headers": headers }),
  });

test("a configuration is put, shown as it was put, and taken away", async () => {
  const none = await call({ path: "/box-one?cors" });
  assert.deepEqual([none.status, /<Code>(\w+)/.exec(none.text)?.[1]], [404, "NoSuchCORSConfiguration"]);
  const rules = [
    `<ID>a&amp;b</ID>${rule("https://*.example.org", "GET")}<AllowedMethod>PUT</AllowedMethod><AllowedHeader>x-*</AllowedHeader><ExposeHeader>ETag</ExposeHeader><MaxAgeSeconds>3000</MaxAgeSeconds>`,
    rule("*", "HEAD"),
  ];
  assert.equal((await put(...rules)).status, 200);
  const shown = await call({ path: "/box-one?cors" });
  assert.equal(shown.text, `<?xml version="1.0" encoding="UTF-8"?>\n${configuration(...rules)}`);
  assert.equal((await call({ method: "DELETE", path: "/box-one?cors" })).status, 204);
  assert.equal(
    (await call({ method: "DELETE", path: "/box-one?cors" })).status,
    204,
    "taking away what is not there is no error",
  );
  assert.equal((await call({ path: "/box-one?cors" })).status, 404);
});

test("what a bucket cannot have is told as S3 tells that there is none", async () => {
  for (const [kind, root] of [
    ["analytics", "ListBucketAnalyticsConfigurationResult"],
    ["intelligent-tiering", "ListBucketIntelligentTieringConfigurationsOutput"],
    ["inventory", "ListInventoryConfigurationsResult"],
    ["metrics", "ListMetricsConfigurationsResult"],
  ]) {
    const all = await call({ path: `/box-one?${kind}` });
    assert.equal(all.status, 200);
    assert.match(all.text, new RegExp(`<${root} xmlns=[^>]*><IsTruncated>false</IsTruncated></${root}>`));
    for (const method of ["GET", "DELETE"]) {
      const one = await call({ method, path: `/box-one?${kind}&id=x` });
      assert.deepEqual([one.status, /<Code>(\w+)/.exec(one.text)?.[1]], [404, "NoSuchConfiguration"], `${method} ${kind}`);
    }
    const put = await call({ method: "PUT", path: `/box-one?${kind}&id=x`, body: "<x/>" });
    assert.deepEqual([put.status, /<Code>(\w+)/.exec(put.text)?.[1]], [501, "NotImplemented"]);
  }
  assert.match(
    (await call({ path: "/box-one?accelerate" })).text,
    /<AccelerateConfiguration xmlns=[^>]*><\/AccelerateConfiguration>/,
  );
});

test("what S3 refuses is refused", () => {
  const code = (document: string): string => {
    try {
      readCors(document);
      return "taken";
    } catch (error) {
      assert.ok(error instanceof S3Error);
      return error.code;
    }
  };
  assert.equal(code(configuration(rule("*", "GET"))), "taken");
  assert.equal(code(configuration()), "MalformedXML");
  assert.equal(code(configuration(...Array.from({ length: 101 }, () => rule("*", "GET")))), "InvalidRequest");
  assert.equal(code(configuration("<AllowedMethod>GET</AllowedMethod>")), "MalformedXML");
  assert.equal(code(configuration("<AllowedOrigin>*</AllowedOrigin>")), "MalformedXML");
  assert.equal(code(configuration(rule("*", "OPTIONS"))), "InvalidRequest");
  assert.equal(code(configuration(rule("*", "get"))), "InvalidRequest");
  assert.equal(code(configuration(rule("http://*.*", "GET"))), "InvalidRequest");
  assert.equal(code(configuration(rule("*", "GET", "<AllowedHeader>*-*</AllowedHeader>"))), "InvalidRequest");
  assert.equal(code(configuration(rule("*", "GET", "<ExposeHeader>x-*</ExposeHeader>"))), "InvalidRequest");
  assert.equal(code(configuration(rule("*", "GET", "<MaxAgeSeconds>soon</MaxAgeSeconds>"))), "MalformedXML");
  // A header of an answer is made of it.
  assert.equal(code(configuration(rule("http://a&#13;&#10;Set-Cookie: x", "GET"))), "MalformedXML");
});

test("a browser that asks first is told what the first fitting rule allows", async () => {
  await put(
    `${rule("https://shop.example.org", "PUT")}<AllowedHeader>Content-Type</AllowedHeader><AllowedHeader>x-amz-*</AllowedHeader><ExposeHeader>ETag</ExposeHeader><ExposeHeader>x-amz-version-id</ExposeHeader><MaxAgeSeconds>600</MaxAgeSeconds>`,
    rule("*", "GET"),
    rule("http://*.inside", "DELETE"),
  );
  const yes = await ask("https://shop.example.org", "PUT", "content-type, X-Amz-Meta-A");
  assert.equal(yes.status, 200);
  assert.equal(yes.text, "");
  const { headers } = yes;
  assert.deepEqual(
    Object.fromEntries(Object.entries(headers).filter(([name]) => name.startsWith("access-control-") || name === "vary")),
    {
      "access-control-allow-origin": "https://shop.example.org",
      "access-control-allow-methods": "PUT",
      "access-control-allow-headers": "content-type, x-amz-meta-a",
      "access-control-expose-headers": "ETag, x-amz-version-id",
      "access-control-max-age": "600",
      "access-control-allow-credentials": "true",
      vary: "Origin, Access-Control-Request-Headers, Access-Control-Request-Method",
    },
  );
  const everybody = await ask("https://elsewhere.example", "GET");
  assert.equal(everybody.headers["access-control-allow-origin"], "*");
  assert.equal(everybody.headers["access-control-allow-credentials"], undefined);

  assert.equal((await ask("http://a.inside", "DELETE")).status, 200);
  for (const [origin, method, names] of [
    ["https://shop.example.org", "PUT", "authorization"],
    ["https://SHOP.example.org", "PUT", undefined],
    ["https://shop.example.org.evil", "PUT", undefined],
    ["https://shop.example.org", "DELETE", undefined],
    ["http://.insid", "DELETE", undefined],
  ] as const) {
    const no = await ask(origin, method, names);
    assert.equal(no.status, 403, origin);
    assert.match(no.text, /<Code>AccessForbidden<\/Code>.*<Method>\w+<\/Method><ResourceType>OBJECT</s);
    assert.equal(no.headers["access-control-allow-origin"], undefined);
  }
  assert.match((await ask("http://a", "PUT", undefined, "/box-one")).text, /<ResourceType>BUCKET</);
  assert.equal((await ask("http://a", "GET", undefined, "/nobodys-box/k")).status, 403);
  const noOrigin = await anonymous("OPTIONS", "/box-one/k");
  assert.deepEqual([noOrigin.status, /<Code>(\w+)/.exec(noOrigin.text)?.[1]], [400, "BadRequest"]);
  const noMethod = await anonymous("OPTIONS", "/box-one/k", { Origin: "http://a" });
  assert.deepEqual([noMethod.status, /<Code>(\w+)/.exec(noMethod.text)?.[1]], [400, "BadRequest"]);
  assert.match((await ask("http://a", "PUT", "content-type, a/b")).text, /"a\/b" contains invalid character/);
});

test("answers say who may read them, refusals too", async () => {
  await put(`${rule("https://shop.example.org", "GET")}<ExposeHeader>ETag</ExposeHeader>`, rule("*", "PUT"));
  const shop = { Origin: "https://shop.example.org" };
  const written = await call({ method: "PUT", path: "/box-one/k", body: "text", headers: shop });
  assert.equal(written.status, 200);
  assert.equal(written.headers["access-control-allow-origin"], "*");
  const read = await call({ path: "/box-one/k", headers: shop });
  assert.equal(read.text, "text");
  assert.equal(read.headers["access-control-allow-origin"], shop.Origin);
  assert.equal(read.headers["access-control-expose-headers"], "ETag");
  assert.match(String(read.headers.vary), /^Origin, /);
  const missing = await call({ path: "/box-one/nothing", headers: shop });
  assert.deepEqual([missing.status, missing.headers["access-control-allow-origin"]], [404, shop.Origin]);
  const stranger = await anonymous("GET", "/box-one/k", shop);
  assert.deepEqual([stranger.status, stranger.headers["access-control-allow-origin"]], [403, shop.Origin]);
  const other = await call({ path: "/box-one/k", headers: { Origin: "https://elsewhere.example" } });
  assert.equal(other.headers["access-control-allow-origin"], undefined);
  assert.match(String(other.headers.vary), /^Origin, /, "a cache must not give this answer to the shop");
  const unasked = await call({ path: "/box-one/k", headers: { ...shop, "Access-Control-Request-Headers": "x-amz-meta-a" } });
  assert.equal(unasked.headers["access-control-allow-origin"], undefined, "no rule lets that header in");
  const program = await call({ path: "/box-one/k" });
  assert.equal(program.headers["access-control-allow-origin"], undefined);
  await put(rule("*", "DELETE"));
  const removed = await call({ method: "DELETE", path: "/box-one?cors", headers: shop });
  assert.deepEqual([removed.status, removed.headers["access-control-allow-origin"]], [204, "*"], "by what held until then");
});
