import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import type { ObjectStore } from "../driver.ts";
import { openLocalStore } from "../drivers/local/index.ts";
import { type Answer, send } from "./testing/client.ts";
import { startDoor } from "./testing/door.ts";

let directory: string;
let store: ObjectStore;
let door: Awaited<ReturnType<typeof startDoor>>;
before(async () => {
  directory = await mkdtemp(join(tmpdir(), "khmara-details-"));
  store = await openLocalStore({ directory });
  door = await startDoor(store);
  assert.equal((await call("PUT", "/box")).status, 200);
});
after(async () => {
  await door?.stop();
  await store?.close();
  await rm(directory, { recursive: true, force: true });
});

type Headers = Record<string, string>;
const call = (method: string, path: string, headers: Headers = {}, body?: string, key: "main" | "none" = "main") =>
  send({ port: door.port, method, path, headers, key, ...(body === undefined ? {} : { body }) });
const codeOf = ({ text }: Answer) => /<Code>(\w+)<\/Code>/.exec(text)?.[1];
const md5 = (text: string) => createHash("md5").update(text).digest("base64");

/** An upload of one part, up to its completion. */
async function upload(
  key: string,
  headers: Headers = {},
  number = 1,
): Promise<{ begun: Answer; id: string; complete: () => Promise<Answer> }> {
  const begun = await call("POST", `/box/${key}?uploads`, headers);
  const id = /<UploadId>(\w+)/.exec(begun.text)?.[1] as string;
  const part = await call("PUT", `/box/${key}?partNumber=${number}&uploadId=${id}`, {}, "part");
  const document = `<CompleteMultipartUpload><Part><PartNumber>${number}</PartNumber><ETag>${part.headers.etag}</ETag></Part></CompleteMultipartUpload>`;
  return { begun, id, complete: () => call("POST", `/box/${key}?uploadId=${id}`, headers, document) };
}

test("an address in an answer begins as the one that was asked", async () => {
  const told = async (headers: Headers) =>
    /<Location>([^<]*)</.exec((await (await upload("whole", headers)).complete()).text)?.[1];
  assert.equal(await told({}), `http://127.0.0.1:${door.port}/box/whole`);
  assert.equal(await told({ "x-forwarded-proto": "https" }), `https://127.0.0.1:${door.port}/box/whole`);
});

test("parts are read by their place, whatever their numbers were", async () => {
  assert.equal((await (await upload("apart", {}, 7)).complete()).status, 200);
  const first = await call("GET", "/box/apart?partNumber=1");
  assert.deepEqual([first.status, first.headers["x-amz-mp-parts-count"], first.text], [206, "1", "part"]);
  assert.equal((await call("HEAD", "/box/apart?partNumber=1")).status, 206);
  for (const method of ["GET", "HEAD"]) assert.equal((await call(method, "/box/apart?partNumber=7")).status, 400);
});

test("who asks after a bucket is told its region, also with a refusal", async () => {
  const regionOf = async (method: string, path: string, key?: "none") => {
    const { status, headers } = await call(method, path, {}, undefined, key);
    return [status, headers["x-amz-bucket-region"]];
  };
  for (const [method, path] of [
    ["HEAD", "/box"],
    ["GET", "/box"],
    ["GET", "/box?list-type=2"],
  ] as const) {
    assert.deepEqual(await regionOf(method, path), [200, "us-east-1"]);
    assert.deepEqual(await regionOf(method, path, "none"), [403, "us-east-1"], "libraries look for it without a signature");
  }
  assert.deepEqual(await regionOf("HEAD", "/no-such-box"), [404, undefined]);
  assert.equal((await call("HEAD", "/box")).headers["x-amz-access-point-alias"], "false");
});

test("a lifecycle rule is told with all that it will end", async () => {
  const rule = (id: string, what: string) =>
    `<Rule><ID>${id}</ID><Status>Enabled</Status><Filter><Prefix>short/</Prefix></Filter>${what}</Rule>`;
  const document = `<LifecycleConfiguration>${rule("ends", "<Expiration><Days>3</Days></Expiration>")}${[9, 2, 5]
    .map((days) =>
      rule(
        `stop-${days}`,
        `<AbortIncompleteMultipartUpload><DaysAfterInitiation>${days}</DaysAfterInitiation></AbortIncompleteMultipartUpload>`,
      ),
    )
    .join("")}</LifecycleConfiguration>`;
  assert.equal((await call("PUT", "/box?lifecycle", { "Content-MD5": md5(document) }, document)).status, 200);
  const { begun, id, complete } = await upload("short/parts");
  const listed = await call("GET", `/box/short/parts?uploadId=${id}`);
  for (const { headers } of [begun, listed]) {
    assert.equal(headers["x-amz-abort-rule-id"], "stop-2", "the first of them");
    assert.match(String(headers["x-amz-abort-date"]), / 00:00:00 GMT$/);
  }
  const expiration = /^expiry-date="\w{3}, .* 00:00:00 GMT", rule-id="ends"$/;
  assert.match(String((await complete()).headers["x-amz-expiration"]), expiration);
  const copied = await call("PUT", "/box/short/copy", { "x-amz-copy-source": "/box/short/parts" });
  assert.match(String(copied.headers["x-amz-expiration"]), expiration);
  const elsewhere = await upload("long/parts");
  assert.equal(elsewhere.begun.headers["x-amz-abort-date"], undefined);
  assert.equal((await elsewhere.complete()).headers["x-amz-expiration"], undefined);
});

test("what is put with a lock comes with what it is checked by", async () => {
  assert.equal((await call("PUT", "/locked", { "x-amz-bucket-object-lock-enabled": "true" })).status, 200);
  const lock = {
    "x-amz-object-lock-mode": "GOVERNANCE",
    "x-amz-object-lock-retain-until-date": new Date(Date.now() + 60_000).toISOString(),
  };
  const hold = { "x-amz-object-lock-legal-hold": "ON" };
  for (const headers of [lock, hold]) {
    const refused = await call("PUT", "/locked/a", headers, "abc");
    assert.deepEqual([refused.status, codeOf(refused)], [400, "InvalidRequest"]);
    assert.match(refused.text, /Content-MD5 OR x-amz-checksum- HTTP header is required for Put Object requests with Object Lock/);
    assert.equal((await call("PUT", "/locked/a", { ...headers, "Content-MD5": md5("abc") }, "abc")).status, 200);
    const payloadHash = createHash("sha256").update("abc").digest("hex");
    const signed = { port: door.port, method: "PUT", path: "/locked/a", headers, body: "abc", payloadHash };
    assert.equal((await send(signed)).status, 200, "a signed body");
    assert.equal((await call("PUT", "/locked/a", { ...headers, "x-amz-checksum-crc32": "NSRBwg==" }, "abc")).status, 200);
  }
  assert.equal(
    (await call("PUT", "/locked/b", { ...lock, "x-amz-copy-source": "/locked/a" })).status,
    200,
    "a copy has no bytes",
  );
  assert.equal((await call("POST", "/locked/c?uploads", lock)).status, 200);
  assert.equal((await call("PUT", "/locked/d", {}, "abc")).status, 200);
});

test("an encoding of the content comes back as it was sent", async () => {
  for (const [sent, kept] of [
    ["gzip,br", "gzip,br"],
    ["gzip,  br", "gzip,  br"],
    ["aws-chunked,gzip,br", "gzip,br"],
    ["gzip, aws-chunked", "gzip"],
    ["AWS-Chunked", undefined],
  ] as const) {
    await call("PUT", "/box/coded", { "Content-Encoding": sent }, "x");
    assert.equal((await call("HEAD", "/box/coded")).headers["content-encoding"], kept, sent);
  }
});

test("attributes that have not changed are told of by their tag", async () => {
  const { headers } = await call("PUT", "/box/same", {}, "x");
  const asked = { "x-amz-object-attributes": "ETag", "If-None-Match": String(headers.etag) };
  const same = await call("GET", "/box/same?attributes", asked);
  assert.deepEqual([same.status, same.headers.etag], [304, headers.etag]);
});
