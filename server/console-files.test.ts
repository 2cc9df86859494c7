import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import fastify from "fastify";
import { serveConsole } from "./console-files.ts";

const folder = mkdtempSync(join(tmpdir(), "khmara-console-files-"));
const http = fastify();
after(async () => {
  await http.close();
  rmSync(folder, { recursive: true, force: true });
});

test("every address of the browser's is the console, but what is a file's: one of another version is not there", async () => {
  mkdirSync(join(folder, "assets"));
  writeFileSync(join(folder, "index.html"), "<title>Khmara</title>");
  writeFileSync(join(folder, "assets", "AppLinks-B2.js"), "export default 1;");
  await serveConsole(http, folder);
  const get = async (url: string) => {
    const { statusCode, headers, body } = await http.inject({ url });
    return [statusCode, headers["cache-control"], body.slice(0, 7)];
  };
  for (const url of ["/", "/o/home/p/default/apps", "/assets"])
    assert.deepEqual(await get(url), [200, "no-cache", "<title>"], url);
  assert.deepEqual(await get("/assets/AppLinks-B2.js"), [200, "public, max-age=31536000, immutable", "export "]);
  assert.equal((await get("/assets/AppLinks-A1.js"))[0], 404);
  assert.equal((await get("/api/v1/nothing"))[0], 404);
});
