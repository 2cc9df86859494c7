import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { contracts } from "../services/contracts.ts";
import { drift } from "./generate.ts";

type Json = Record<string, unknown>;
const document = JSON.parse(readFileSync(new URL("../openapi.json", import.meta.url), "utf8")) as Json & {
  paths: Record<string, Record<string, Json>>;
};

/** Every object inside, with where it is. */
function* walk(value: unknown, path = "#"): Generator<[string, Json]> {
  if (typeof value !== "object" || value === null) return;
  if (!Array.isArray(value)) yield [path, value as Json];
  for (const [key, inner] of Object.entries(value))
    yield* walk(inner, `${path}/${key.replaceAll("~", "~0").replaceAll("/", "~1")}`);
}

const pointedTo = (reference: string): unknown =>
  reference
    .slice(2)
    .split("/")
    .reduce<unknown>((value, key) => (value as Json | undefined)?.[key.replaceAll("~1", "/").replaceAll("~0", "~")], document);

test("what is committed is what the contracts say", () => {
  assert.deepEqual(drift(), [], "run `npm run generate`");
});

test("every route is an operation of its own, with the parameters of its path", () => {
  const operations = Object.entries(document.paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, one]) => ({ path, method, ...one }) as Json & { path: string }),
  );
  const keys = contracts.flatMap((contract) => Object.keys(contract.routes));
  assert.deepEqual(operations.map((one) => one["operationId"]).sort(), [...keys].sort());
  assert.equal(new Set(keys).size, keys.length);
  for (const one of operations) {
    const declared = ((one["parameters"] ?? []) as Json[]).filter((parameter) => parameter["in"] === "path");
    assert.deepEqual(
      declared.map((parameter) => parameter["name"]).sort(),
      [...one.path.matchAll(/\{(\w+)\}/g)].map((match) => match[1]).sort(),
      one.path,
    );
    assert.ok(declared.every((parameter) => parameter["required"] === true));
    assert.ok(one["summary"] && one["responses"] && one["x-khmara-permission"], one.path);
  }
});

test("references resolve, and no component is there for nothing", () => {
  const used = new Set<string>();
  for (const [path, value] of walk(document)) {
    const reference = value["$ref"];
    if (typeof reference !== "string") continue;
    assert.ok(reference.startsWith("#/") && pointedTo(reference) !== undefined, `${path} → ${reference}`);
    used.add(reference);
  }
  for (const kind of ["schemas", "responses", "parameters", "headers"]) {
    for (const name of Object.keys((document["components"] as Record<string, Json>)[kind] ?? {})) {
      assert.ok(used.has(`#/components/${kind}/${name}`), `${kind}/${name}`);
    }
  }
});

test("no private key of zod's is left in the document", () => {
  for (const [path, value] of walk(document))
    for (const key of ["$defs", "$schema", "~standard"]) assert.ok(!(key in value), `${path}/${key}`);
});
