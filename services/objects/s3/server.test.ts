import assert from "node:assert/strict";
import { createHash, randomBytes } from "node:crypto";
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { setTimeout as wait } from "node:timers/promises";
import type { Meter, ObjectStore } from "../driver.ts";
import { openLocalStore } from "../drivers/local/index.ts";
import { answerOf, type Call, open, send } from "./testing/client.ts";
import { startDoor } from "./testing/door.ts";

let directory: string;
let store: ObjectStore;
let door: Awaited<ReturnType<typeof startDoor>>;
const metered: Meter[] = [];
const aborted: unknown[] = [];

before(async () => {
  directory = await mkdtemp(join(tmpdir(), "khmara-s3-"));
  store = await openLocalStore({ directory });
  const meter = store.meter.bind(store);
  store.meter = (bucketId, fact) => {
    metered.push(fact);
    meter(bucketId, fact);
  };
  const put = store.put.bind(store);
  store.put = (...parameters) =>
    put(...parameters).catch((error: unknown) => {
      aborted.push(error);
      throw error;
    });
  door = await startDoor(store);
  await call({ method: "PUT", path: "/box-one" });
});

after(async () => {
  await door.stop();
  await store.close();
  await rm(directory, { recursive: true, force: true });
});

const call = (request: Omit<Call, "port">) => send({ ...request, port: door.port });
const put = (key: string, body: string | Uint8Array, headers: Record<string, string> = {}) =>
  call({ method: "PUT", path: `/box-one/${key}`, body, headers });
const codeOf = (text: string): string | undefined => /<Code>(\w+)<\/Code>/.exec(text)?.[1];

test("an object comes back as it was put, with what was said about it", async () => {
  const written = await put("greeting", "hello", {
    "Content-Type": "text/plain",
    "Content-Encoding": "aws-chunked,gzip",
    "x-amz-meta-colour": "blue",
  });
  assert.equal(written.status, 200);
  assert.equal(written.headers.etag, '"5d41402abc4b2a76b9719d911017c592"');
  const read = await call({ path: "/box-one/greeting" });
  assert.equal(read.text, "hello");
  assert.equal(read.headers["content-type"], "text/plain");
  assert.equal(read.headers["content-encoding"], "gzip");
  assert.equal(read.headers["x-amz-meta-colour"], "blue");
  assert.match(read.headers["last-modified"] ?? "", /^\w{3}, \d\d \w{3} \d{4} \d\d:\d\d:\d\d GMT$/);
  assert.match(String(read.headers["x-amz-request-id"]), /^[0-9A-F]{16}$/);
  const head = await call({ method: "HEAD", path: "/box-one/greeting" });
  assert.equal(head.headers["content-length"], "5");
  assert.equal(head.body.length, 0);
  const hosted = await call({ path: "/greeting", host: "box-one.s3.example.org" });
  assert.equal(hosted.text, "hello");
});

test("metadata that is not ASCII comes as text or in encoded words, and goes back in these", async () => {
  const metadataOf = async (value: string): Promise<string> => {
    assert.equal((await put("words", "", { "x-amz-meta-said": value })).status, 200);
    return String((await call({ method: "HEAD", path: "/box-one/words" })).headers["x-amz-meta-said"]);
  };
  const asBytes = (text: string): string => Buffer.from(text).toString("latin1");
  const base64 = (text: string): string => `=?UTF-8?B?${Buffer.from(text).toString("base64")}?=`;
  const quoted = (byte: number): string => `=${byte.toString(16).toUpperCase()}`;
  const word = (text: string): string =>
    `=?UTF-8?Q?${[...Buffer.from(text)]
      .map((byte) => (/[\w-]/.test(String.fromCharCode(byte)) ? String.fromCharCode(byte) : quoted(byte)))
      .join("")
      .replaceAll("=20", "_")}?=`;
  const table: [sent: string, back: string][] = [
    ["plain = text?", "plain = text?"],
    [asBytes("Хмара ☁"), word("Хмара ☁")],
    // What is no UTF-8 is Latin-1.
    ["ol\u00e9", word("olé")],
    [word("Хмара"), word("Хмара")],
    [base64("Хмара"), word("Хмара")],
    ["=?utf-8?q?caf=C3=A9_noir?= ok", word("café noir ok")],
    ["=?ISO-8859-1?Q?=E9?= =?ISO-8859-1?Q?t=E9?=", word("été")],
    ["=?us-ascii?q?plain?=", "plain"],
    ["=?x-none?q?kept?=", word("=?x-none?q?kept?=")],
    ["=?UTF-8?B?=GGG?=", word("=?UTF-8?B?=GGG?=")],
    // Nothing gets out of its header.
    [base64("a\r\nx-amz-meta-b: 1"), base64("a\r\nx-amz-meta-b: 1")],
  ];
  for (const [sent, back] of table) assert.equal(await metadataOf(sent), back, sent);
  const long = "ї".repeat(500);
  const words = (await metadataOf(asBytes(long))).split(" ");
  assert.ok(words.length > 10 && words.every((each) => each.length <= 75));
  assert.equal(await metadataOf(words.join(" ")), words.join(" "));
  assert.equal(codeOf((await put("words", "", { "x-amz-meta-said": asBytes("ї".repeat(1025)) })).text), "MetadataTooLarge");
});

test("ranges", async () => {
  await put("digits", "0123456789");
  const range = async (value: string) => call({ path: "/box-one/digits", headers: { Range: value } });
  const part = await range("bytes=2-4");
  assert.deepEqual([part.status, part.text, part.headers["content-range"]], [206, "234", "bytes 2-4/10"]);
  assert.equal((await range("bytes=7-")).text, "789");
  assert.equal((await range("bytes=-2")).text, "89");
  assert.equal((await range("bytes=8-99")).headers["content-range"], "bytes 8-9/10");
  assert.deepEqual(
    [(await range("bytes=0-1,3-4")).status, (await range("bytes=4-2")).status, (await range("lines=1-2")).status],
    [200, 200, 200],
  );
  const outside = await range("bytes=10-");
  assert.deepEqual([outside.status, codeOf(outside.text), outside.headers["content-range"]], [416, "InvalidRange", "bytes */10"]);
  const head = await call({ method: "HEAD", path: "/box-one/digits", headers: { Range: "bytes=2-4" } });
  assert.deepEqual([head.status, head.headers["content-length"]], [206, "3"]);
  await put("nothing", "");
  assert.equal((await call({ path: "/box-one/nothing", headers: { Range: "bytes=0-0" } })).status, 416);
  assert.equal((await call({ path: "/box-one/nothing" })).status, 200);
});

test("conditions on reading and writing", async () => {
  const { headers } = await put("state", "one");
  const etag = headers.etag!;
  const read = async (conditions: Record<string, string>) => (await call({ path: "/box-one/state", headers: conditions })).status;
  const past = new Date(Date.now() - 3_600_000).toUTCString();
  const future = new Date(Date.now() + 3_600_000).toUTCString();
  assert.equal(await read({ "If-Match": etag }), 200);
  assert.equal(await read({ "If-Match": '"other"' }), 412);
  assert.equal(await read({ "If-Match": etag, "If-Unmodified-Since": past }), 200);
  assert.equal(await read({ "If-Unmodified-Since": past }), 412);
  assert.equal(await read({ "If-None-Match": etag }), 304);
  assert.equal(await read({ "If-None-Match": `"x", ${etag}` }), 304);
  assert.equal(await read({ "If-None-Match": '"x"', "If-Modified-Since": future }), 200);
  assert.equal(await read({ "If-Modified-Since": new Date().toUTCString() }), 304);
  assert.equal(await read({ "If-Match": '"other"', "If-None-Match": etag }), 412);
  assert.equal(await read({ "If-None-Match": etag, Range: "bytes=100-" }), 304);
  assert.equal((await put("state", "two", { "If-None-Match": "*" })).status, 412);
  assert.equal((await put("state", "two", { "If-Match": '"other"' })).status, 412);
  assert.equal((await put("state", "two", { "If-Match": etag })).status, 200);
  assert.equal(codeOf((await put("never", "x", { "If-Match": etag })).text), "NoSuchKey");
});

test("digests that do not fit are refused, each in its own words, and nothing is stored", async () => {
  const refused = async (headers: Record<string, string>, payloadHash = "UNSIGNED-PAYLOAD") =>
    codeOf((await call({ method: "PUT", path: "/box-one/digest", body: "abc", headers, payloadHash })).text);
  assert.equal(await refused({ "Content-MD5": createHash("md5").update("abd").digest("base64") }), "BadDigest");
  assert.equal(await refused({ "Content-MD5": "short" }), "InvalidDigest");
  assert.equal(await refused({ "x-amz-checksum-crc32": "AAAAAA==" }), "BadDigest");
  const [right, other] = ["abc", "abd"].map((text) => createHash("sha256").update(text).digest("hex")) as [string, string];
  assert.equal(await refused({ "Content-MD5": "AAAAAAAAAAAAAAAAAAAAAA==" }, other), "XAmzContentSHA256Mismatch");
  const told = (await call({ method: "PUT", path: "/box-one/digest", body: "abc", payloadHash: other })).text;
  assert.match(told, new RegExp(`<ClientComputed\\w+>${other}<.*<S3Computed\\w+>${right}<`));
  assert.equal(await refused({ "x-amz-checksum-crc32": "AAAAAA==", "x-amz-checksum-sha1": "x" }), "InvalidRequest");
  assert.equal((await call({ path: "/box-one/digest" })).status, 404);
  const upper = await call({ method: "PUT", path: "/box-one/upper", body: "abc", payloadHash: right.toUpperCase() });
  assert.equal(upper.status, 200, upper.text);
  const stored = await call({
    method: "PUT",
    path: "/box-one/digest",
    body: "abc",
    headers: { "x-amz-checksum-crc32": "NSRBwg==" },
  });
  assert.equal(stored.headers["x-amz-checksum-crc32"], "NSRBwg==");
  assert.equal((await call({ method: "HEAD", path: "/box-one/digest" })).headers["x-amz-checksum-crc32"], undefined);
  const asked = await call({ method: "HEAD", path: "/box-one/digest", headers: { "x-amz-checksum-mode": "ENABLED" } });
  assert.equal(asked.headers["x-amz-checksum-crc32"], "NSRBwg==");
});

test("an error document names the object and the request, and HEAD has none", async () => {
  const missing = await call({ path: "/box-one/a%26b" });
  assert.equal(missing.status, 404);
  assert.equal(missing.headers["content-type"], "application/xml");
  assert.match(missing.text, /^<\?xml version="1.0" encoding="UTF-8"\?>\n<Error><Code>NoSuchKey<\/Code><Message>/);
  assert.match(missing.text, /<Key>a&amp;b<\/Key>/);
  assert.ok(missing.text.includes(`<RequestId>${missing.headers["x-amz-request-id"]}</RequestId>`));
  const head = await call({ method: "HEAD", path: "/box-one/missing" });
  assert.deepEqual([head.status, head.body.length], [404, 0]);
  assert.equal(codeOf((await call({ path: "/box-none" })).text), "NoSuchBucket");
  assert.equal(codeOf((await call({ path: "/box-one", key: "other" })).text), "AccessDenied");
  assert.equal((await call({ method: "PUT", path: "/box-one" })).status, 200);
  assert.equal(codeOf((await call({ method: "PUT", path: "/box-one", key: "other" })).text), "BucketAlreadyExists");
  assert.equal(codeOf((await call({ method: "PUT", path: "/Box_One" })).text), "InvalidBucketName");
  assert.equal(codeOf((await put("x".repeat(1025), "")).text), "KeyTooLongError");
  assert.equal(codeOf((await put("meta", "", { "x-amz-meta-a": "x".repeat(2050) })).text), "MetadataTooLarge");
  assert.equal(codeOf((await put("sse", "", { "x-amz-server-side-encryption": "aws:kms:dsse" })).text), "NotImplemented");
});

test("listings", async () => {
  await call({ method: "PUT", path: "/box-list" });
  for (const key of ["a", "dir/1", "dir/2", "dir/sub/3", "e", "ключ", "with space+plus"]) {
    await call({ method: "PUT", path: `/box-list/${encodeURIComponent(key).replaceAll("%2F", "/")}`, body: "x" });
  }
  const list = async (query: string) => (await call({ path: `/box-list?${query}` })).text;
  const keys = (text: string) => [...text.matchAll(/<Key>([^<]*)<\/Key>/g)].map((match) => match[1]);
  const prefixes = (text: string) => [...text.matchAll(/<CommonPrefixes><Prefix>([^<]*)</g)].map((match) => match[1]);
  assert.deepEqual(keys(await list("list-type=2")), ["a", "dir/1", "dir/2", "dir/sub/3", "e", "with space+plus", "ключ"]);
  const rolled = await list("list-type=2&delimiter=/");
  assert.deepEqual([keys(rolled), prefixes(rolled)], [["a", "e", "with space+plus", "ключ"], ["dir/"]]);
  assert.match(await list("list-type=2&encoding-type=url"), /<Key>with%20space%2Bplus<\/Key>.*<Key>%D0%BA/);
  assert.match(await list("list-type=2&max-keys=0"), /<KeyCount>0<.*<IsTruncated>false</);
  assert.equal(codeOf(await list("max-keys=-1")), "InvalidArgument");
  assert.equal(codeOf(await list("max-keys=many")), "InvalidArgument");
  assert.equal(codeOf(await list("list-type=2&continuation-token=forged")), "InvalidArgument");
  // One entry at a time, with either version, tells everything once.
  const seen: (string | undefined)[] = [];
  for (let token = ""; ; ) {
    const page = await list(`list-type=2&delimiter=/&max-keys=1${token}`);
    seen.push(...keys(page), ...prefixes(page));
    const next = /<NextContinuationToken>([^<]*)</.exec(page)?.[1];
    if (next === undefined) break;
    token = `&continuation-token=${encodeURIComponent(next)}`;
  }
  assert.deepEqual(seen, ["a", "dir/", "e", "with space+plus", "ключ"]);
  const first: (string | undefined)[] = [];
  for (let marker = ""; ; ) {
    const page = await list(`delimiter=/&max-keys=1&marker=${encodeURIComponent(marker)}`);
    first.push(...keys(page), ...prefixes(page));
    const next = /<NextMarker>([^<]*)</.exec(page)?.[1];
    if (next === undefined) break;
    marker = next;
  }
  assert.deepEqual(first, seen);
});

test("a multipart upload, its parts and its listings", async () => {
  const started = await call({ method: "POST", path: "/box-one/large?uploads", headers: { "x-amz-meta-a": "b" } });
  const uploadId = /<UploadId>([^<]*)</.exec(started.text)![1]!;
  const parts = [randomBytes(5 * 1024 ** 2), randomBytes(1000)];
  const etags: string[] = [];
  for (const [index, body] of parts.entries()) {
    const answer = await call({ method: "PUT", path: `/box-one/large?partNumber=${index + 1}&uploadId=${uploadId}`, body });
    etags.push(answer.headers.etag!);
  }
  assert.match(
    (await call({ path: `/box-one/large?uploadId=${uploadId}` })).text,
    /<PartNumber>1<.*<Size>5242880<.*<PartNumber>2</,
  );
  assert.match((await call({ path: "/box-one?uploads" })).text, new RegExp(`<Key>large</Key><UploadId>${uploadId}<`));
  assert.equal(codeOf((await call({ path: `/box-one/other?uploadId=${uploadId}` })).text), "NoSuchUpload");
  const complete = (numbers: number[], tags = etags) =>
    call({
      method: "POST",
      path: `/box-one/large?uploadId=${uploadId}`,
      body: `<CompleteMultipartUpload xmlns="http://s3.amazonaws.com/doc/2006-03-01/">${numbers.map((number) => `<Part><PartNumber>${number}</PartNumber><ETag>${tags[number - 1]?.replaceAll('"', "&quot;")}</ETag></Part>`).join("")}</CompleteMultipartUpload>`,
    });
  assert.equal(codeOf((await complete([2, 1])).text), "InvalidPartOrder");
  assert.equal(codeOf((await complete([1, 2], [etags[1]!, etags[0]!])).text), "InvalidPart");
  assert.equal(codeOf((await complete([])).text), "MalformedXML");
  const done = await complete([1, 2]);
  assert.match(done.text, /<ETag>&quot;[0-9a-f]{32}-2&quot;<\/ETag>/);
  assert.match((await complete([1, 2])).text, /-2&quot;/, "asked again, it answers the same");
  const read = await call({ path: "/box-one/large" });
  assert.ok(read.body.equals(Buffer.concat(parts)));
  const second = await call({ path: "/box-one/large?partNumber=2" });
  assert.deepEqual([second.status, second.headers["x-amz-mp-parts-count"], second.body.length], [206, "2", 1000]);
  assert.equal((await call({ method: "DELETE", path: `/box-one/large?uploadId=upl_unknown` })).status, 404);
});

test("copies, deletions of many, and what is not there", async () => {
  await put("from", "source", { "x-amz-meta-a": "1" });
  const copy = (headers: Record<string, string>) => call({ method: "PUT", path: "/box-one/to", headers });
  assert.match((await copy({ "x-amz-copy-source": "/box-one/from" })).text, /<CopyObjectResult xmlns=.*<ETag>&quot;/);
  assert.equal((await call({ path: "/box-one/to" })).headers["x-amz-meta-a"], "1");
  await copy({
    "x-amz-copy-source": "box-one%2Ffrom?versionId=null",
    "x-amz-metadata-directive": "REPLACE",
    "x-amz-meta-b": "2",
  });
  const replaced = await call({ path: "/box-one/to" });
  assert.deepEqual([replaced.headers["x-amz-meta-a"], replaced.headers["x-amz-meta-b"]], [undefined, "2"]);
  const byUrl = await copy({ "x-amz-copy-source": "https://s3.example.org/box-one/from?versionId=null" });
  assert.equal(byUrl.status, 200, byUrl.text);
  assert.equal(codeOf((await copy({ "x-amz-copy-source": "/box-one/to" })).text), "InvalidRequest");
  assert.equal(codeOf((await copy({ "x-amz-copy-source": "/box-one/none" })).text), "NoSuchKey");
  assert.equal(
    codeOf((await copy({ "x-amz-copy-source": "/box-one/from", "x-amz-copy-source-if-match": "x" })).text),
    "PreconditionFailed",
  );

  const remove = (body: string, digest = true) =>
    call({
      method: "POST",
      path: "/box-one?delete",
      body,
      headers: digest ? { "Content-MD5": createHash("md5").update(body).digest("base64") } : {},
    });
  const removed = await remove(
    "<Delete><Object><Key>from</Key></Object><Object><Key>a&amp;b</Key></Object><Object><Key>to</Key><VersionId>v1</VersionId></Object></Delete>",
  );
  assert.match(
    removed.text,
    /<Deleted><Key>from<\/Key><\/Deleted><Deleted><Key>a&amp;b<\/Key><\/Deleted><Error><Key>to<\/Key><VersionId>v1<\/VersionId><Code>NoSuchVersion</,
  );
  assert.match(
    (await remove("<Delete><Quiet>true</Quiet><Object><Key>to</Key></Object></Delete>")).text,
    /<DeleteResult xmlns="[^"]*"><\/DeleteResult>/,
  );
  assert.equal(codeOf((await remove("<Delete><Object><Key>to</Key></Object></Delete>", false)).text), "InvalidRequest");
  assert.equal(codeOf((await remove(`<Delete>${"<Object><Key>x</Key></Object>".repeat(1001)}</Delete>`)).text), "MalformedXML");
  assert.equal(
    codeOf((await remove("<!DOCTYPE x [<!ENTITY e 'x'>]><Delete><Object><Key>&e;</Key></Object></Delete>")).text),
    "MalformedXML",
  );
  assert.equal(codeOf((await call({ path: "/box-one?policy" })).text), "NoSuchBucketPolicy");
  assert.equal(codeOf((await call({ method: "PUT", path: "/box-one?policy", body: "{}" })).text), "MalformedPolicy");
  assert.equal(codeOf((await call({ method: "PATCH", path: "/box-one" })).text), "MethodNotAllowed");
  assert.equal(codeOf((await call({ method: "DELETE", path: "/box-one" })).text), "BucketNotEmpty");
});

test("a client that waits for 100 Continue is told to send only when its request is fine", async () => {
  const ask = async (path: string, key: "main" | "other") => {
    const outgoing = open({
      port: door.port,
      method: "PUT",
      path,
      key,
      headers: { Expect: "100-continue", "Content-Length": "5" },
    });
    let continued = false;
    outgoing.on("continue", () => {
      continued = true;
      outgoing.end("hello");
    });
    outgoing.flushHeaders();
    const { status } = await answerOf(outgoing);
    return { status, continued };
  };
  assert.deepEqual(await ask("/box-one/waited", "main"), { status: 200, continued: true });
  assert.deepEqual(await ask("/box-one/waited", "other"), { status: 403, continued: false });
});

test("a refusal reaches a client that is still sending", async () => {
  const body = Buffer.alloc(8 * 1024 ** 2, 1);
  const answer = await call({ method: "PUT", path: "/box-none/large", body });
  assert.equal(codeOf(answer.text), "NoSuchBucket");
});

test("a body of unknown length is stored, one that is too short is not", async () => {
  const outgoing = open({ port: door.port, method: "PUT", path: "/box-one/stream", headers: { "Transfer-Encoding": "chunked" } });
  outgoing.write("one ");
  outgoing.end("two");
  assert.equal((await answerOf(outgoing)).status, 200);
  assert.equal((await call({ path: "/box-one/stream" })).text, "one two");

  const before = aborted.length;
  const broken = open({ port: door.port, method: "PUT", path: "/box-one/broken", headers: { "Content-Length": "1000000" } });
  broken.on("error", () => {});
  broken.write(Buffer.alloc(300_000));
  await wait(100);
  broken.destroy();
  for (let i = 0; i < 100 && aborted.length === before; i++) await wait(20);
  assert.equal(aborted.length, before + 1, "the put ended");
  assert.equal((await call({ method: "HEAD", path: "/box-one/broken" })).status, 404);
});

test("what is read is metered as it was sent, also when the client leaves", async () => {
  const size = 64 * 1024 ** 2;
  await put("weight", Buffer.alloc(size, 7));
  metered.length = 0;
  await call({ path: "/box-one/weight", headers: { Range: "bytes=0-99" } });
  assert.deepEqual(metered, [{ requestClass: "read", sentBytes: 100 }]);
  const outgoing = open({ port: door.port, path: "/box-one/weight" });
  outgoing.on("error", () => {});
  outgoing.end();
  const [incoming] = await once(outgoing, "response");
  await once(incoming, "data");
  incoming.destroy();
  for (let i = 0; i < 100 && metered.length === 1; i++) await wait(20);
  const { sentBytes = 0 } = metered[1]!;
  assert.ok(sentBytes > 0 && sentBytes < size, String(sentBytes));
});

test("strangers, preflights and noise", async () => {
  const bare = (text: string) =>
    new Promise<string>((resolve, reject) => {
      const socket = connect(door.port, "127.0.0.1", () => socket.write(text));
      let answer = "";
      socket.on("data", (piece) => (answer += piece));
      socket.on("error", reject);
      socket.on("close", () => resolve(answer));
    });
  assert.match(
    await bare("GET /box-one HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"),
    /^HTTP\/1.1 403 .*<Code>AccessDenied</s,
  );
  const preflight = "OPTIONS /box-one/x HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n";
  assert.match(
    await bare(`${preflight}Origin: http://a\r\nAccess-Control-Request-Method: GET\r\n\r\n`),
    /^HTTP\/1.1 403 .*<Code>AccessForbidden</s,
  );
  assert.match(await bare(`${preflight}\r\n`), /^HTTP\/1.1 400 /);
  assert.match(
    await bare("PUT /box-one/x HTTP/1.1\r\nHost: localhost\r\nContent-Length: -1\r\n\r\n"),
    /^HTTP\/1.1 400 .*<Code>InvalidRequest</s,
  );
  assert.match(
    await bare(`GET / HTTP/1.1\r\nHost: localhost\r\nX: ${"x".repeat(40_000)}\r\n\r\n`),
    /<Code>RequestHeaderSectionTooLarge</,
  );
  assert.match(await bare("GET /box-one/%ff HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"), /<Code>InvalidURI</);
});
