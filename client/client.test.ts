import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { test } from "node:test";
import { CloudError } from "../kernel/errors.ts";
import { contracts } from "../services/contracts.ts";
import { type Client, type ClientOptions, createClient, requestParts } from "./client.ts";
import { messages } from "./events.ts";
import { routes } from "./routes.ts";

type Handler = (request: IncomingMessage, response: ServerResponse, body: string) => void;

async function withServer(
  handler: Handler,
  work: (client: Client, requests: IncomingMessage[]) => Promise<void>,
  options: Partial<ClientOptions> = {},
) {
  const requests: IncomingMessage[] = [];
  const server = createServer(async (request, response) => {
    requests.push(request);
    let body = "";
    for await (const chunk of request) body += chunk;
    handler(request, response, body);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const baseUrl = `http://127.0.0.1:${(server.address() as AddressInfo).port}/`;
  try {
    await work(createClient({ baseUrl, retryDelayMs: 1, ...options }), requests);
  } finally {
    server.closeAllConnections();
    server.close();
  }
}

const json = (response: ServerResponse, value: unknown, status = 200, headers: Record<string, string> = {}) =>
  response.writeHead(status, { "content-type": "application/json", ...headers }).end(JSON.stringify(value));
const problem = (
  response: ServerResponse,
  status: number,
  code: string,
  more: object = {},
  headers: Record<string, string> = {},
) =>
  json(
    response,
    { type: "about:blank", title: "T", status, detail: "It is so.", code, requestId: "r1", ...more },
    status,
    headers,
  );

test("every route of the contracts is a method", () => {
  const client = createClient({ baseUrl: "" }) as unknown as Record<string, unknown>;
  for (const contract of contracts)
    for (const key of Object.keys(contract.routes)) assert.equal(typeof client[key], "function", key);
  assert.equal(
    Object.keys(routes).length,
    contracts.reduce((sum, one) => sum + Object.keys(one.routes).length, 0),
  );
});

test("no name stands for two things in one route", () => {
  for (const contract of contracts) {
    for (const [key, route] of Object.entries(contract.routes) as [
      string,
      { params?: { shape: object }; query?: { shape: object }; body?: { shape: object } },
    ][]) {
      const names = [route.params, route.query, route.body].flatMap((one) => Object.keys(one?.shape ?? {}));
      assert.equal(new Set(names).size, names.length, key);
    }
  }
});

test("arguments become path, query and body", () => {
  assert.deepEqual(requestParts(routes.objectGet, { bucket: "a/b", key: "x y/ü&z" }), {
    path: "/api/v1/buckets/a%2Fb/object?key=x+y%2F%C3%BC%26z",
    body: undefined,
  });
  assert.deepEqual(requestParts(routes.accessKeyUpdate, { accessKey: "key_1", enabled: false }), {
    path: "/api/v1/access-keys/key_1",
    body: { enabled: false },
  });
  assert.deepEqual(
    requestParts(routes.operationList, { organisation: "org_1", active: true, state: undefined }).path,
    "/api/v1/operations?active=true&organisation=org_1",
  );
  assert.throws(
    () => requestParts(routes.bucketGet, { bucket: "" }),
    (error) => CloudError.is(error, "invalid_argument"),
  );
  assert.equal(
    createClient({ baseUrl: "http://c/" }).url("objectDownload", { bucket: "b", key: "k", disposition: "inline" }),
    "http://c/api/v1/buckets/b/object/content?disposition=inline&key=k",
  );
});

test("headers: the token, protection against foreign pages, idempotency, If-Match", async () => {
  await withServer(
    (_, response) => json(response, { id: "x" }),
    async (client, requests) => {
      await client.bucketCreate({ project: "prj_1", name: "photos" });
      await client.bucketCreate({ project: "prj_1", name: "photos" }, { idempotencyKey: "mine" });
      await client.projectUpdate({ project: "prj_1", name: "Shop" }, { ifMatch: 4 });
      await client.cloudGet();
      const [first, second, third, fourth] = requests.map((one) => one.headers);
      assert.equal(first?.authorization, "Bearer t");
      assert.equal(first?.["x-khmara-csrf"], "1");
      assert.match(String(first?.["idempotency-key"]), /^[0-9a-f-]{36}$/);
      assert.equal(second?.["idempotency-key"], "mine");
      assert.equal(third?.["if-match"], '"r4"');
      assert.equal(third?.["idempotency-key"], undefined);
      assert.equal(fourth?.["x-khmara-csrf"], undefined);
      assert.equal(fourth?.["content-type"], undefined);
    },
    { headers: () => ({ authorization: "Bearer t" }) },
  );
});

test("a problem document becomes the error it was", async () => {
  await withServer(
    (_, response) =>
      problem(response, 400, "invalid_argument", { fields: [{ path: "body.name", message: "Too short." }], reason: "why" }),
    async (client, requests) => {
      await assert.rejects(client.bucketCreate({ project: "p", name: "n" }), (error) => {
        assert.ok(CloudError.is(error, "invalid_argument"));
        assert.equal(error.message, "It is so.");
        assert.deepEqual(error.details.fields, [{ path: "body.name", message: "Too short." }]);
        assert.equal(error.details.reason, "why");
        assert.equal(error.details["requestId"], "r1");
        return true;
      });
      assert.equal(requests.length, 1);
    },
  );
  await withServer(
    (_, response) => response.writeHead(404, { "content-type": "text/html" }).end("<h1>Not here</h1>"),
    async (client) => assert.rejects(client.cloudGet(), (error) => CloudError.is(error, "not_found")),
  );
});

test("what may be repeated is repeated, with the same key, and not for ever", async () => {
  let failures = 2;
  await withServer(
    (_, response) => (failures-- > 0 ? problem(response, 503, "unavailable") : json(response, { id: "bkt" }, 201)),
    async (client, requests) => {
      assert.equal((await client.bucketCreate({ project: "p", name: "n" })).id, "bkt");
      assert.equal(requests.length, 3);
      assert.equal(new Set(requests.map((one) => one.headers["idempotency-key"])).size, 1);
      failures = 99;
      await assert.rejects(client.cloudGet(), (error) => CloudError.is(error, "unavailable"));
      assert.equal(requests.length, 7);
      await assert.rejects(client.bucketDelete({ bucket: "photos" }), (error) => CloudError.is(error, "unavailable"));
      assert.equal(requests.length, 8);
    },
  );
  const nowhere = createClient({ baseUrl: "http://127.0.0.1:9", retries: 1, retryDelayMs: 1 });
  await assert.rejects(nowhere.cloudGet(), (error) => CloudError.is(error, "unavailable"));
});

test("who waits no longer gets the reason, at once", async () => {
  await withServer(
    () => {},
    async (client) => {
      const stop = new AbortController();
      const waiting = client.cloudGet({}, { signal: stop.signal });
      setTimeout(() => stop.abort(new Error("enough")), 20);
      await assert.rejects(waiting, /enough/);
    },
  );
});

test("pages and all their items", async () => {
  await withServer(
    (request, response) => {
      const cursor = new URL(request.url ?? "", "http://x").searchParams.get("cursor");
      json(response, cursor === null ? { items: [{ name: "a" }, { name: "b" }], nextCursor: "2" } : { items: [{ name: "c" }] });
    },
    async (client) => {
      const names: string[] = [];
      for await (const bucket of client.all("bucketList", { project: "p" })) names.push(bucket.name);
      assert.deepEqual(names, ["a", "b", "c"]);
      const sizes: number[] = [];
      for await (const page of client.pages("bucketList", { project: "p" })) sizes.push(page.items.length);
      assert.deepEqual(sizes, [2, 1]);
    },
  );
});

test("bytes go and come, and their progress is told", async () => {
  await withServer(
    (request, response, body) => {
      if (request.method === "PUT") json(response, { key: "k", sizeBytes: body.length }, 201);
      else response.writeHead(200, { "content-type": "text/plain" }).end("hello");
    },
    async (client, requests) => {
      const sent: number[] = [];
      const stored = await client.objectUpload(
        { bucket: "b", key: "k" },
        { rawBody: new Blob(["x".repeat(100_000)], { type: "text/plain" }), onProgress: (bytes) => sent.push(bytes) },
      );
      assert.equal(stored.sizeBytes, 100_000);
      assert.equal(sent.at(-1), 100_000);
      assert.equal(requests[0]?.headers["content-length"], "100000");
      assert.equal(requests[0]?.headers["content-type"], "text/plain");
      const response = await client.objectDownload({ bucket: "b", key: "k" });
      assert.equal(await response.text(), "hello");
    },
  );
});

test("an event stream is cut into messages, wherever it is broken", async () => {
  const text = `: comment\r\nid: 1\r\ndata: {"a":\r\ndata: 1}\r\n\r\nretry: 5\n\nid:2\ndata:x\n\ndata: unfinished`;
  for (const size of [1, 3, 7, 1000]) {
    const encoder = new TextEncoder();
    const stream = new ReadableStream<Uint8Array>({
      start(controller) {
        for (let at = 0; at < text.length; at += size) controller.enqueue(encoder.encode(text.slice(at, at + size)));
        controller.close();
      },
    });
    const seen: unknown[] = [];
    for await (const message of messages(stream)) seen.push(message);
    assert.deepEqual(seen, [
      { id: "1", data: '{"a":\n1}', retryMs: undefined },
      { id: "1", data: "", retryMs: 5 },
      { id: "2", data: "x", retryMs: undefined },
    ]);
  }
});

test("events go on after the connection broke, from the last one; a refusal ends them", async () => {
  let connection = 0;
  await withServer(
    (request, response) => {
      connection++;
      if (connection === 3) return problem(response, 403, "permission_denied");
      const event = { id: `evt_${connection}`, type: "objects.bucket.changed", payload: { id: "b" }, at: "2026-01-01T00:00:00Z" };
      response.writeHead(200, { "content-type": "text/event-stream" });
      response.end(
        `retry: 1\nid: ${event.id}\ndata: ${JSON.stringify({ ...event, seen: request.headers["last-event-id"] })}\n\n`,
      );
      return undefined;
    },
    async (client) => {
      const ids: string[] = [];
      const after: unknown[] = [];
      let opened = 0;
      await assert.rejects(
        async () => {
          for await (const event of client.events({ organisation: "o" }, { onOpen: () => opened++ })) {
            ids.push(event.id);
            after.push((event as unknown as { seen?: string }).seen);
          }
        },
        (error) => CloudError.is(error, "permission_denied"),
      );
      assert.deepEqual(ids, ["evt_1", "evt_2"]);
      assert.deepEqual(after, [undefined, "evt_1"]);
      assert.equal(opened, 2);
    },
  );
});

test("events end when they are told to", async () => {
  await withServer(
    (_, response) => void response.writeHead(200, { "content-type": "text/event-stream" }).write(": here\n\n"),
    async (client) => {
      const stop = new AbortController();
      setTimeout(() => stop.abort(), 50);
      for await (const _ of client.events({ organisation: "o" }, { signal: stop.signal })) assert.fail("nothing was told");
    },
  );
});

test("neither the client nor the CLI loads zod: one has to be small, the other quick", () => {
  const hook = `import { registerHooks } from "node:module";
    registerHooks({ load(url, context, next) { if (url.includes("/node_modules/")) throw new Error("loads " + url); return next(url, context); } });`;
  for (const module of [
    "client.ts",
    "../cli/main.ts",
    "../cli/run.ts",
    "../cli/login.ts",
    "../cli/completion.ts",
    "../cli/upload.ts",
  ]) {
    const url = new URL(module, import.meta.url).href;
    execFileSync(process.execPath, [
      "--import",
      `data:text/javascript,${encodeURIComponent(hook)}`,
      "--input-type=module",
      "-e",
      `await import(${JSON.stringify(url)})`,
    ]);
  }
});
