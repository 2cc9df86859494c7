import assert from "node:assert/strict";
import { test } from "node:test";
import { gunzipSync } from "node:zlib";
import Fastify from "fastify";
import { errorCodes } from "../errors.ts";
import { openApiDocument } from "./openapi.ts";
import { registerReference } from "./reference.ts";

test("the reference is served from here alone, and only when it is asked for", async () => {
  const fastify = Fastify();
  let made = 0;
  await registerReference(fastify, () => {
    made++;
    return openApiDocument([], { version: "1.2.3" });
  });
  assert.equal(made, 0);

  const document = await fastify.inject("/api/openapi.json");
  assert.equal(document.json().info.version, "1.2.3");
  const again = await fastify.inject({ url: "/api/openapi.json", headers: { "if-none-match": String(document.headers.etag) } });
  assert.equal(again.statusCode, 304);
  assert.equal(made, 1);

  const page = await fastify.inject("/api/docs");
  assert.match(String(page.headers["content-type"]), /^text\/html/);
  const policy = String(page.headers["content-security-policy"]);
  assert.ok(policy.includes("default-src 'none'") && !policy.includes("unsafe"), policy);
  assert.ok(!/<script>|<style|style=|onclick|https?:/.test(page.body), "nothing inline, nothing from elsewhere");
  for (const code of errorCodes) assert.ok(page.body.includes(`id="error-${code}"`), code);

  const linked = [...page.body.matchAll(/(?:src|href)="(\/api\/docs\/[^"]+)"/g)].map((match) => match[1] as string);
  assert.equal(linked.length, 4);
  for (const path of linked) {
    const asset = await fastify.inject({ url: path, headers: { "accept-encoding": "gzip, br" } });
    assert.equal(asset.statusCode, 200, path);
    assert.ok(gunzipSync(asset.rawPayload).length > 100, path);
    assert.match(String(asset.headers["content-type"]), path.endsWith(".css") ? /^text\/css/ : /^text\/javascript/);
  }
  await fastify.close();
});
