import assert from "node:assert/strict";
import { createServer, type IncomingMessage } from "node:http";
import type { AddressInfo } from "node:net";
import { networkInterfaces } from "node:os";
import { after, test } from "node:test";
import { checkUrl, isAllowed, resolveAllowed } from "./addresses.ts";
import { callWebhook, signatureOf } from "./webhook.ts";

const seen: { headers: IncomingMessage["headers"]; body: string; url: string | undefined }[] = [];
const server = createServer(async (request, response) => {
  let body = "";
  for await (const piece of request) body += piece;
  seen.push({ headers: request.headers, body, url: request.url });
  if (request.url === "/redirect") response.writeHead(302, { location: "/ok" }).end();
  else if (request.url === "/broken") response.writeHead(500).end("something\nis wrong");
  else if (request.url === "/endless") {
    response.writeHead(400);
    const more = setInterval(() => response.write("x".repeat(10_000)), 1);
    response.on("close", () => clearInterval(more));
  } else response.writeHead(204).end();
});
await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
const { port } = server.address() as AddressInfo;
after(() => server.closeAllConnections());
after(() => void server.close());
const call = (path: string, allowedNetworks = ["127.0.0.0/8"], url = `http://127.0.0.1:${port}${path}`) =>
  callWebhook({ id: "whk_1", url, secret: "a secret of some length", body: '{"a":1}', allowedNetworks });

test("a call is signed, and any 2xx is a success", async () => {
  const result = await call("/ok");
  assert.deepEqual([result.delivered, result.status], [true, 204]);
  const last = seen.at(-1);
  assert.deepEqual(
    [last?.body, last?.headers["content-type"], last?.headers["khmara-delivery"]],
    ['{"a":1}', "application/json", "whk_1"],
  );
  const signature = String(last?.headers["khmara-signature"]);
  const seconds = Number(/^t=(\d+),v1=[0-9a-f]{64}$/.exec(signature)?.[1]);
  assert.ok(Math.abs(seconds - Date.now() / 1000) < 5);
  assert.equal(signature, signatureOf("a secret of some length", '{"a":1}', seconds * 1000));
  assert.notEqual(signature, signatureOf("another secret", '{"a":1}', seconds * 1000));
  assert.notEqual(signature, signatureOf("a secret of some length", '{"a":2}', seconds * 1000));
});

test("a redirect is not followed, an error is told with what was said, an endless answer is not read", async () => {
  const before = seen.length;
  const redirect = await call("/redirect");
  assert.deepEqual([redirect.delivered, redirect.status, redirect.final, seen.length], [false, 302, true, before + 1]);
  const broken = await call("/broken");
  assert.deepEqual(
    [broken.delivered, broken.status, broken.final, broken.message],
    [false, 500, false, "It answered 500: something is wrong."],
  );
  const endless = await call("/endless");
  assert.equal(endless.status, 400);
  assert.ok(endless.message.length < 300);
});

test("nobody there, no name, a private address: each says what it is", async () => {
  const refused = await call("/", ["127.0.0.0/8"], "http://127.0.0.1:9/");
  assert.match(refused.message, /refused/);
  const nameless = await call("/", [], "http://does-not-exist.invalid/");
  assert.ok(!nameless.delivered && !nameless.final);
  const before = seen.length;
  const inside = await call("/ok", []);
  assert.deepEqual([inside.delivered, inside.final], [false, true]);
  assert.match(inside.message, /inside of the cloud's own network/);
  assert.equal(seen.length, before, "not even a connection is made");
});

test("private, loopback, link-local and disguised addresses are refused", () => {
  for (const address of [
    "127.0.0.1",
    "127.8.9.1",
    "0.0.0.0",
    "10.1.2.3",
    "172.16.0.1",
    "172.31.255.255",
    "192.168.1.1",
    "169.254.169.254",
    "100.64.0.1",
    "224.0.0.1",
    "255.255.255.255",
    "::1",
    "::",
    "fe80::1",
    "fd00::1",
    "fc00::1",
    "ff02::1",
    "::ffff:127.0.0.1",
    "::ffff:10.0.0.1",
    "64:ff9b::a00:1",
    "2002:7f00:1::",
    "::7f00:1",
  ])
    assert.equal(isAllowed(address, []), false, address);
  for (const address of ["1.1.1.1", "93.184.215.14", "172.32.0.1", "2606:4700::1111"])
    assert.equal(isAllowed(address, []), true, address);
  for (const card of Object.values(networkInterfaces()).flat())
    assert.equal(isAllowed(String(card?.address.split("%")[0]), []), false, `${card?.address} is this host`);
  assert.equal(isAllowed("10.1.2.3", ["10.1.0.0/16"]), true);
  assert.equal(isAllowed("10.2.2.3", ["10.1.0.0/16"]), false);
  assert.equal(isAllowed("::1", ["::1/128"]), true);
});

test("an address that a URL spells in another way is the same address", () => {
  for (const url of [
    "http://127.0.0.1/",
    "http://2130706433/",
    "http://0x7f.1/",
    "http://0177.0.0.1/",
    "http://[::1]/",
    "http://[::ffff:7f00:1]/",
    "http://localhost:8080/",
    "http://api.localhost/",
    "https://10.0.0.1/x",
  ])
    assert.throws(() => checkUrl(url, [], "body.url"), { code: "failed_precondition" }, url);
  checkUrl("https://example.org/hook", [], "body.url");
  checkUrl("http://localhost:8080/", ["127.0.0.0/8"], "body.url");
});

test("a name with any private address is refused, and what was checked is what is connected to", async () => {
  const url = new URL("http://hook.example.org/");
  const both = async () => [
    { address: "93.184.215.14", family: 4 },
    { address: "127.0.0.1", family: 4 },
  ];
  await assert.rejects(resolveAllowed(url, [], both), { code: "failed_precondition" });
  assert.deepEqual(await resolveAllowed(url, ["127.0.0.0/8"], both), { address: "93.184.215.14", family: 4 });
  await assert.rejects(
    resolveAllowed(url, [], async () => []),
    { code: "unavailable" },
  );
});
