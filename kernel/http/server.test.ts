import assert from "node:assert/strict";
import { test } from "node:test";
import { z } from "zod";
import { migratedDatabase, testServer } from "../../testing/kernel-fixture.ts";
import type { Principal } from "../auth/principal.ts";
import { contract, revision, route } from "../contract.ts";
import { CloudError, errorCodes } from "../errors.ts";
import { newId } from "../ids.ts";
import { reserveQuota } from "../quota.ts";
import { defineService } from "../service.ts";
import { httpErrors } from "./errors.ts";

const organisationId = newId("organisation");
const editor: Principal = { kind: "user", id: newId("user"), name: "Eva", bindings: [{ role: "editor", organisationId }] };
const viewer: Principal = { kind: "user", id: newId("user"), name: "Vik", bindings: [{ role: "viewer", organisationId }] };
const stranger: Principal = {
  kind: "user",
  id: newId("user"),
  name: "Stan",
  bindings: [{ role: "owner", organisationId: newId("organisation") }],
};

const things = contract({
  name: "things",
  title: "Things",
  routes: {
    thingCreate: route({
      method: "POST",
      path: "/v1/things",
      summary: "Make a thing",
      permission: "things.thing.create",
      roles: ["editor"],
      body: z.object({ name: z.string().min(1) }),
      response: z.object({ id: z.string(), name: z.string(), revision }),
      status: 201,
    }),
    thingGet: route({
      method: "GET",
      path: "/v1/things/{thing}",
      summary: "Show a thing",
      permission: "things.thing.read",
      roles: ["viewer"],
      params: z.object({ thing: z.string() }),
      response: z.object({ id: z.string(), ifMatch: z.number().optional(), revision }),
    }),
    thingForget: route({
      method: "POST",
      path: "/v1/forget",
      summary: "Forget to check",
      permission: "things.thing.forget",
      roles: ["editor"],
    }),
    thingBreak: route({
      method: "POST",
      path: "/v1/break",
      summary: "Break",
      permission: "public",
      body: z.object({ code: z.string() }),
    }),
  },
  quotas: { "things.things": { unit: "count", summary: "Things", default: 10 } },
});

let made = 0;
const service = defineService<typeof things>({
  contract: things,
  handlers: {
    async thingCreate(context, { body }) {
      context.authorize({ organisationId }, "organisation");
      await reserveQuota(context.tx, { organisationId }, "things.things", 1);
      made++;
      const thing = { id: `thing-${made}`, name: body.name, revision: 1 };
      context.audit({ organisationId, resource: { kind: "thing", id: thing.id }, after: { name: body.name } });
      return thing;
    },
    async thingGet(context, { params }) {
      context.authorize({ organisationId }, "thing");
      return { id: params.thing, revision: 3, ...(context.ifMatch === undefined ? {} : { ifMatch: context.ifMatch }) };
    },
    thingForget: async () => undefined,
    thingBreak: async (_context, { body }) => {
      if (body.code === "unforeseen") throw new TypeError("secret inside");
      throw new CloudError(body.code as never, "As you wished.", { details: { retryAfterSeconds: 3 } });
    },
  },
});

const { database } = await migratedDatabase();
const server = testServer(database, [service], { eva: editor, vik: viewer, stan: stranger });
const call = (
  method: "GET" | "POST",
  url: string,
  options: { as?: string; body?: object; headers?: Record<string, string> } = {},
) =>
  server.inject({
    method,
    url: `/api${url}`,
    headers: { ...(options.as ? { authorization: `Bearer ${options.as}` } : {}), ...options.headers },
    ...(options.body ? { payload: options.body } : {}),
  });

test("who may do what: 401, 404, 403, 201", async () => {
  assert.equal((await call("POST", "/v1/things", { body: { name: "a" } })).statusCode, 401);
  assert.equal((await call("POST", "/v1/things", { as: "stan", body: { name: "a" } })).statusCode, 404);
  assert.equal((await call("POST", "/v1/things", { as: "vik", body: { name: "a" } })).statusCode, 403);
  const created = await call("POST", "/v1/things", { as: "eva", body: { name: "a" } });
  assert.equal(created.statusCode, 201);
  assert.equal(created.headers["etag"], '"r1"');
  assert.equal((await call("GET", "/v1/things/x", { as: "nobody" })).statusCode, 401);
});

test("a handler that forgets to check its permission fails", async () => {
  assert.equal((await call("POST", "/v1/forget", { as: "eva" })).statusCode, 500);
});

test("problems follow RFC 9457 and tell nothing of the inside", async () => {
  for (const code of errorCodes) {
    const answer = await call("POST", "/v1/break", { body: { code } });
    assert.equal(answer.statusCode, httpErrors[code].status, code);
    assert.match(String(answer.headers["content-type"]), /^application\/problem\+json/);
    assert.equal(answer.headers["retry-after"], "3");
    const problem = answer.json();
    assert.deepEqual([problem.code, problem.status, problem.detail], [code, httpErrors[code].status, "As you wished."]);
    assert.equal(problem.requestId, answer.headers["x-request-id"]);
  }
  const unforeseen = await call("POST", "/v1/break", { body: { code: "unforeseen" } });
  assert.equal(unforeseen.statusCode, 500);
  assert.ok(!unforeseen.body.includes("secret inside"));
});

test("bad input names the field", async () => {
  const unknown = await call("POST", "/v1/things", { as: "eva", body: { name: "a", nmae: "b" } });
  assert.equal(unknown.statusCode, 400);
  assert.deepEqual(unknown.json().fields, [{ path: "body.nmae", message: "There is no such field." }]);
  const missing = await call("POST", "/v1/things", { as: "eva", body: {} });
  assert.deepEqual(missing.json().fields, [{ path: "body.name", message: "This field is needed." }]);
  const nul = await call("POST", "/v1/things", { as: "eva", body: { name: "a\0b" } });
  assert.deepEqual([nul.statusCode, nul.json().fields[0].path], [400, "body.name"]);
  const broken = await server.inject({
    method: "POST",
    url: "/api/v1/things",
    headers: { authorization: "Bearer eva", "content-type": "application/json" },
    payload: "{",
  });
  assert.equal(broken.statusCode, 400);
  assert.equal((await call("POST", "/v1/things", { as: "eva", body: { name: "x".repeat(2_000_000) } })).statusCode, 413);
  assert.equal((await call("GET", "/v1/nothing", { as: "eva" })).statusCode, 404);
});

test("an Idempotency-Key does the work once, however often and however parallel it comes", async () => {
  const before = made;
  const headers = { "idempotency-key": "key-1" };
  const answers = await Promise.all(
    Array.from({ length: 20 }, () => call("POST", "/v1/things", { as: "eva", body: { name: "once" }, headers })),
  );
  assert.deepEqual(new Set(answers.map((answer) => answer.statusCode)), new Set([201]));
  assert.equal(new Set(answers.map((answer) => answer.json().id)).size, 1);
  assert.equal(made, before + 1);
  assert.equal(answers.filter((answer) => answer.headers["idempotency-replayed"] === "true").length, 19);
  const other = await call("POST", "/v1/things", { as: "eva", body: { name: "other" }, headers });
  assert.equal(other.statusCode, 409);
  assert.equal(other.json().reason, "idempotency_key_reused");
});

test("conditional requests: 304 on the same revision, If-Match is handed on", async () => {
  assert.equal((await call("GET", "/v1/things/x", { as: "vik", headers: { "if-none-match": '"r3"' } })).statusCode, 304);
  assert.equal((await call("GET", "/v1/things/x", { as: "vik", headers: { "if-match": '"r3"' } })).json().ifMatch, 3);
});

test("a session needs our own pages: no foreign origin, and a header that only scripts of ours set", async () => {
  const session = (headers: Record<string, string>) =>
    server.inject({
      method: "POST",
      url: "/api/v1/things",
      headers: { cookie: "khmara_session=eva", host: "cloud.test", ...headers },
      payload: { name: "csrf" },
    });
  assert.equal((await session({})).statusCode, 403);
  assert.equal((await session({ "x-khmara-csrf": "1", origin: "http://evil.test" })).statusCode, 403);
  assert.equal((await session({ "x-khmara-csrf": "1", "sec-fetch-site": "cross-site" })).statusCode, 403);
  assert.equal((await session({ "x-khmara-csrf": "1", origin: "http://cloud.test" })).statusCode, 201);
});

test("1,000 parallel creates at a quota of 10 give exactly 10, and each has its audit row", async () => {
  await database.sql`delete from kernel.quota_usage`;
  const before = await database.sql`select count(*)::int as n from kernel.audit_entries`;
  const answers = await Promise.all(
    Array.from({ length: 1000 }, (_, i) => call("POST", "/v1/things", { as: "eva", body: { name: `n${i}` } })),
  );
  const count = (status: number) => answers.filter((answer) => answer.statusCode === status).length;
  assert.deepEqual([count(201), count(403)], [10, 990]);
  const [usage] = await database.sql`select used from kernel.quota_usage where scope_id = ${organisationId}`;
  assert.equal(usage?.["used"], 10);
  const afterwards = await database.sql`select count(*)::int as n from kernel.audit_entries`;
  assert.equal(afterwards[0]?.["n"] - before[0]?.["n"], 10);
});
