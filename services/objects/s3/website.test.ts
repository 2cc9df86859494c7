import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import type { ConfigurationChange } from "../configuration.ts";
import type { ObjectStore } from "../driver.ts";
import { openLocalStore } from "../drivers/local/index.ts";
import type { WebsiteConfiguration } from "../websites/contract.ts";
import type { S3Backend, S3Bucket } from "./backend.ts";
import { memoryCaller, startDoor } from "./testing/door.ts";

const folder = mkdtempSync(join(tmpdir(), "khmara-website-"));
let store: ObjectStore;
let door: { port: number; backend: S3Backend; stop(): Promise<void> };
let bucket: S3Bucket;
const caller = await memoryCaller("main");
const files: Record<string, string> = {
  "index.html": "<h1>Home</h1>",
  "404.html": "<h1>Lost</h1>",
  "docs/index.html": "<h1>Docs</h1>",
  "docs/file with ü.txt": "a file",
  "old/page.html": "was here",
};

before(async () => {
  store = await openLocalStore({ directory: folder });
  door = await startDoor(store);
  bucket = await door.backend.bucketCreate(caller, "site");
  for (const [key, text] of Object.entries(files))
    await store.put(bucket.bucketId, key, [Buffer.from(text)] as never, { headers: { contentType: "text/html" } });
});
after(async () => {
  await door?.stop();
  await store?.close();
  rmSync(folder, { recursive: true, force: true });
});

const be = (configuration: WebsiteConfiguration | undefined) => door.backend.websiteUpdate(caller, bucket, configuration);
const ask = (path: string, headers: Record<string, string> = {}, method = "GET") =>
  fetch(`http://127.0.0.1:${door.port}${path}`, {
    method,
    redirect: "manual",
    headers: { "x-khmara-website": "site", ...headers },
  });
const shown = async (path: string, headers?: Record<string, string>) => {
  const answer = await ask(path, headers);
  return [answer.status, await answer.text()];
};

const policyOf = (...statements: object[]) => ({ text: JSON.stringify({ Version: "2012-10-17", Statement: statements }) });
const everybodyReads = { Effect: "Allow", Principal: "*", Action: "s3:GetObject", Resource: "arn:aws:s3:::site/*" };
const blocked = { blockPublicAcls: true, ignorePublicAcls: true, blockPublicPolicy: true, restrictPublicBuckets: true };

test("a site opens nothing by itself: its policy, its lists and the blocks say who reads", async () => {
  const configure = (change: ConfigurationChange) => door.backend.configurationUpdate(caller, bucket, change);
  const status = async (path: string) => (await ask(path)).status;
  await be({ indexDocument: "index.html", errorDocument: "404.html" });
  assert.equal(await status("/"), 403);
  assert.equal(await status("/nothing"), 403);
  assert.equal((await ask("/", {}, "HEAD")).status, 403);

  const { canonicalId, displayName } = bucket.owner;
  const open = { owner: { canonicalId, displayName }, grants: [{ group: "everyone", permission: "READ" } as const] };
  await store.mark(bucket.bucketId, "docs/index.html", { access: open });
  assert.deepEqual([await status("/docs/"), await status("/docs"), await status("/")], [200, 302, 403]);
  await configure({ publicAccessBlock: { ...blocked, restrictPublicBuckets: false } });
  assert.equal(await status("/docs/"), 403);
  await configure({ publicAccessBlock: null, ownership: "BucketOwnerEnforced" });
  assert.equal(await status("/docs/"), 403);

  await configure({
    policy: policyOf(everybodyReads, { ...everybodyReads, Effect: "Deny", Resource: "arn:aws:s3:::site/old/*" }),
  });
  assert.deepEqual([await status("/"), await status("/old/page.html")], [200, 403]);
  await configure({ publicAccessBlock: blocked });
  assert.equal(await status("/"), 403);
  // For the tests below: everybody reads all of it.
  await store.mark(bucket.bucketId, "docs/index.html", { access: null });
  await configure({ publicAccessBlock: null, ownership: null, policy: policyOf(everybodyReads) });
  await be(undefined);
});

test("pages, folders and what is not there", async () => {
  const refusalOf = async (site: string) =>
    /<li>Code: (\w+)</.exec(await (await ask("/", { "x-khmara-website": site })).text())?.[1];
  assert.equal(await refusalOf("site"), "NoSuchWebsiteConfiguration");
  assert.equal(await refusalOf("nobody-has-it"), "NoSuchBucket");
  await be({ indexDocument: "index.html", errorDocument: "404.html" });
  assert.deepEqual(await shown("/"), [200, "<h1>Home</h1>"]);
  assert.deepEqual(await shown("/?x=1"), [200, "<h1>Home</h1>"]);
  assert.deepEqual(await shown("/docs/"), [200, "<h1>Docs</h1>"]);
  assert.deepEqual(await shown("/docs/file%20with%20%C3%BC.txt"), [200, "a file"]);
  const moved = await ask("/docs");
  assert.deepEqual(
    [moved.status, moved.headers.get("location"), moved.headers.get("x-amz-error-code")],
    [302, "/docs/", "Found"],
  );
  assert.deepEqual(await shown("/nothing"), [404, "<h1>Lost</h1>"]);
  assert.deepEqual(await shown("/nothing/"), [404, "<h1>Lost</h1>"]);
  assert.equal((await ask("/docs", {}, "HEAD")).status, 302);
  assert.deepEqual([(await ask("/", {}, "HEAD")).status, (await ask("/nothing", {}, "HEAD")).status], [200, 404]);
  await be({ indexDocument: "index.html" });
  const plain = await ask("/nothing");
  assert.deepEqual([plain.status, plain.headers.get("content-type")], [404, "text/html; charset=utf-8"]);
});

test("conditions, ranges, and nothing but reading", async () => {
  await be({ indexDocument: "index.html", errorDocument: "404.html" });
  const first = await ask("/index.html");
  assert.equal(first.headers.get("content-type"), "text/html");
  const etag = first.headers.get("etag") as string;
  assert.equal((await ask("/index.html", { "if-none-match": etag })).status, 304);
  assert.deepEqual(await shown("/index.html", { range: "bytes=4-7" }), [206, "Home"]);
  assert.deepEqual(await shown("/lost", { range: "bytes=4-7", "if-none-match": "*" }), [404, "<h1>Lost</h1>"]);
  for (const method of ["PUT", "POST", "DELETE"]) assert.equal((await ask("/index.html", {}, method)).status, 405);
  // What a signed request may ask for, a stranger may not.
  const asked = await ask("/index.html?response-content-type=text/plain&uploads&versionId=null");
  assert.deepEqual([asked.status, asked.headers.get("content-type")], [200, "text/html"]);
  assert.equal((await ask("/", { "x-khmara-website": "other" })).status, 404);
});

test("redirects: by prefix, by what is missing, and all of it; never by a key to another host", async () => {
  await be({
    indexDocument: "index.html",
    rules: [
      { condition: { keyPrefix: "old/" }, redirect: { replaceKeyPrefix: "docs/" } },
      { condition: { keyPrefix: "shop/" }, redirect: { host: "shop.example.org", protocol: "https", code: 302 } },
      { condition: { httpErrorCode: 404, keyPrefix: "gone/" }, redirect: { replaceKey: "index.html" } },
    ],
  });
  const to = async (path: string, headers: Record<string, string> = {}) => {
    const answer = await ask(path, headers);
    return [answer.status, answer.headers.get("location")];
  };
  const here = `127.0.0.1:${door.port}`;
  assert.deepEqual(await to("/old/page.html"), [301, `http://${here}/docs/page.html`]);
  assert.deepEqual(await to("/old/page.html", { "x-forwarded-proto": "https" }), [301, `https://${here}/docs/page.html`]);
  assert.deepEqual(await to("/shop/a%20b"), [302, "https://shop.example.org/shop/a%20b"]);
  assert.deepEqual(await to("/gone/x"), [301, `http://${here}/index.html`]);
  assert.equal((await ask("/lost")).status, 404);
  await store.put(bucket.bucketId, "moved", [Buffer.from("not here")] as never, {
    headers: { websiteRedirectLocation: "https://elsewhere.example.org/" },
  });
  for (const method of ["GET", "HEAD"]) {
    const elsewhere = await ask("/moved", {}, method);
    assert.deepEqual([elsewhere.status, elsewhere.headers.get("location")], [301, "https://elsewhere.example.org/"]);
    assert.equal(await elsewhere.text(), "");
  }
  await be({ indexDocument: "index.html", errorDocument: "moved" });
  assert.deepEqual(await to("/lost"), [301, "https://elsewhere.example.org/"], "the error page itself may lead elsewhere");
  await be({ redirectAllTo: { host: "www.example.org" } });
  assert.deepEqual(await to("/a/b?c"), [301, "http://www.example.org/a/b"]);
  assert.deepEqual(await to("//evil.example/x"), [301, "http://www.example.org/evil.example/x"]);
});

test("what fails is told as S3 tells it, on the site's own page where there is one", async () => {
  await be({ indexDocument: "index.html" });
  const plain = await ask("/a<b>");
  assert.deepEqual(
    [plain.status, plain.headers.get("x-amz-error-code"), plain.headers.get("x-amz-error-message")],
    [404, "NoSuchKey", "The specified key does not exist."],
  );
  const html = await plain.text();
  assert.match(html, /<title>404 Not Found<\/title>/);
  for (const line of ["Code: NoSuchKey", "Message: The specified key does not exist.", "Key: a&lt;b&gt;"])
    assert.ok(html.includes(`<li>${line}</li>`), html);
  assert.ok(html.includes(`<li>RequestId: ${plain.headers.get("x-amz-request-id")}</li>`));
  assert.ok(html.includes(`<li>HostId: ${plain.headers.get("x-amz-id-2")}</li>`));

  const shut = { Effect: "Deny", Principal: "*", Action: "s3:GetObject", Resource: "arn:aws:s3:::site/docs/*" };
  await door.backend.configurationUpdate(caller, bucket, { policy: policyOf(everybodyReads, shut) });
  for (const path of ["/docs/", "/docs"])
    assert.equal((await ask(path)).headers.get("x-amz-error-code"), "AccessDenied", "a folder whose index is shut is none");
  await be({ indexDocument: "index.html", errorDocument: "404.html" });
  const own = await ask("/docs/");
  assert.deepEqual(
    [own.status, own.headers.get("x-amz-error-code"), await own.text()],
    [403, "AccessDenied", "<h1>Lost</h1>"],
    "the page is for every 4xx",
  );
  assert.equal((await ask("/lost")).headers.get("x-amz-error-code"), "NoSuchKey");
  await be({ indexDocument: "index.html", errorDocument: "docs/index.html" });
  const nested = await (await ask("/lost")).text();
  assert.match(
    nested,
    /Code: NoSuchKey.*An Error Occurred While Attempting to Retrieve a Custom Error Document.*Code: AccessDenied/s,
  );
  await be({
    indexDocument: "index.html",
    rules: [{ condition: { httpErrorCode: 403 }, redirect: { replaceKey: "index.html" } }],
  });
  assert.equal((await ask("/docs/")).headers.get("location"), `http://127.0.0.1:${door.port}/index.html`);
  assert.equal((await ask("/lost")).status, 404);
  await door.backend.configurationUpdate(caller, bucket, { policy: policyOf(everybodyReads) });
});

test("a stranger is told nothing of an object's marks", async () => {
  await be({ indexDocument: "index.html" });
  await store.mark(bucket.bucketId, "index.html", { tags: { a: "1" } });
  assert.equal((await ask("/")).headers.get("x-amz-tagging-count"), null);
});
