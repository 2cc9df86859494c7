import assert from "node:assert/strict";
import { test } from "node:test";
import { z } from "zod";
import { contract, page, pageQuery, revision, route } from "../contract.ts";
import { openApiDocument } from "./openapi.ts";

const thing = z.object({ id: z.string(), size: z.number().describe("How large.").default(1), revision });
const things = contract({
  name: "things",
  title: "Things",
  routes: {
    thingList: route({
      method: "GET",
      path: "/v1/things",
      summary: "List things",
      permission: "things.thing.list",
      roles: ["viewer"],
      query: pageQuery.extend({ old: z.stringbool().optional().describe("Only old ones.") }),
      response: page(thing),
    }),
    thingCreate: route({
      method: "POST",
      path: "/v1/things",
      summary: "Make a thing",
      permission: "things.thing.create",
      roles: ["editor"],
      body: z.object({ thing, email: z.email().transform((one) => one.toLowerCase()) }),
      response: thing,
      status: 201,
      errors: ["already_exists", "quota_exceeded"],
    }),
    thingUpdate: route({
      method: "PATCH",
      path: "/v1/things/{thing}",
      summary: "Change a thing",
      permission: "things.thing.update",
      roles: ["editor"],
      params: z.object({ thing: z.string() }),
      body: z.object({ name: z.string().optional() }),
      response: thing,
      errors: ["not_found", "precondition_failed"],
    }),
    thingUpload: route({
      method: "PUT",
      path: "/v1/things/{thing}/content",
      summary: "Send a thing",
      permission: "public",
      params: z.object({ thing: z.string() }),
      stream: { request: "bytes" },
    }),
    thingWatch: route({
      method: "GET",
      path: "/v1/events",
      summary: "Watch",
      permission: "self",
      stream: { response: "events" },
    }),
  },
});
const document = openApiDocument([things], { version: "1.2.3", schemas: { thing } });

const deep = (value: unknown, ...keys: string[]): unknown =>
  keys.reduce<unknown>((inner, key) => (inner as Record<string, unknown> | undefined)?.[key], value);
const at = (path: string, method: string, ...keys: string[]): unknown => deep(document.paths[`/api${path}`]?.[method], ...keys);
const parameters = (path: string, method: string) => at(path, method, "parameters") as Record<string, unknown>[];
const component = (name: string, ...keys: string[]): unknown => deep(document.components["schemas"]?.[name], ...keys);
const schemaOf = ["content", "application/json", "schema"];

test("what a route says stands in the document", () => {
  assert.equal(document.openapi, "3.1.1");
  assert.equal(at("/v1/things", "post", "operationId"), "thingCreate");
  assert.equal(at("/v1/things", "post", "x-khmara-permission"), "things.thing.create");
  assert.deepEqual(at("/v1/things", "post", "x-khmara-roles"), ["editor"]);
  assert.deepEqual(parameters("/v1/things", "post"), [{ $ref: "#/components/parameters/IdempotencyKey" }]);
  const answers = at("/v1/things", "post", "responses") as object;
  assert.deepEqual(Object.keys(answers), ["201", "400", "401", "403", "409", "500", "503"]);
  assert.deepEqual(deep(answers, "201", "headers"), { ETag: { $ref: "#/components/headers/ETag" } });
  assert.deepEqual(
    parameters("/v1/things/{thing}", "patch").map((one) => one["name"] ?? one["$ref"]),
    ["thing", "#/components/parameters/IfMatch"],
  );
  assert.deepEqual(at("/v1/things/{thing}/content", "put", "security"), []);
  assert.ok(at("/v1/events", "get", "responses", "200", "content", "text/event-stream"));
  assert.ok(at("/v1/things/{thing}/content", "put", "requestBody", "content", "application/octet-stream"));
});

test("text that means a boolean is a boolean, and a query keeps its descriptions", () => {
  assert.deepEqual(
    parameters("/v1/things", "get").find((one) => one["name"] === "old"),
    { name: "old", in: "query", required: false, description: "Only old ones.", schema: { type: "boolean" } },
  );
});

test("a named schema is one component, or one for each direction where they differ", () => {
  const list = at("/v1/things", "get", "responses", "200", ...schemaOf);
  assert.deepEqual(deep(list, "properties", "items", "items"), { $ref: "#/components/schemas/Thing" });
  const body = at("/v1/things", "post", "requestBody", ...schemaOf);
  assert.deepEqual(deep(body, "properties", "thing"), { $ref: "#/components/schemas/ThingInput" });
  assert.deepEqual(component("Thing", "required"), ["id", "size", "revision"]);
  assert.deepEqual(component("ThingInput", "required"), ["id", "revision"]);
  assert.equal(component("Thing", "additionalProperties"), undefined);
  assert.equal(component("Thing", "properties", "size", "description"), "How large.");
});
