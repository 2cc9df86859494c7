import assert from "node:assert/strict";
import { createHash, createHmac } from "node:crypto";
import { after, before, test } from "node:test";
import { accessLine } from "../s3/accessLine.ts";
import { readLogging, writeLogging } from "../s3/loggingDocument.ts";
import { parseRequest } from "../s3/request.ts";
import { type TestCloud, testCloud } from "../testing/fixture.ts";
import { openS3Door, type S3Door } from "../testing/s3Door.ts";

let cloud: TestCloud;
let door: S3Door;
before(async () => {
  cloud = await testCloud({ runner: false });
  door = await openS3Door(cloud);
  for (const name of ["asked-box", "log-box"]) assert.equal((await door.call({ method: "PUT", path: `/${name}` })).status, 200);
});
after(async () => {
  await door.stop();
  await cloud.stop();
});

const status = (targetBucket: string, rest = "", prefix = "logs/") =>
  `<BucketLoggingStatus><LoggingEnabled><TargetBucket>${targetBucket}</TargetBucket><TargetPrefix>${prefix}</TargetPrefix>${rest}</LoggingEnabled></BucketLoggingStatus>`;
const put = (body: string, key?: string) =>
  door.call({ method: "PUT", path: "/asked-box?logging", body, ...(key === undefined ? {} : { key }) });
const codeOf = (text: string): string | undefined => /<Code>(\w+)/.exec(text)?.[1];
const deliver = async () => {
  const worker = cloud.objects.service.workers?.find(({ name }) => name === "objects.access_logs");
  await worker?.run(new AbortController().signal);
};
/** All lines that lie in the bucket of logs, but for those of its setting; waits until there are so many. */
async function delivered(least: number): Promise<{ keys: string[]; lines: string[] }> {
  const { bucketId } = await cloud.objects.s3Backend.bucketByName("log-box");
  for (const end = Date.now() + 60_000; ; ) {
    await deliver();
    const keys = await cloud.keys(bucketId);
    const lines = (await Promise.all(keys.map((key) => cloud.text(bucketId, key))))
      .join("")
      .trimEnd()
      .split("\n")
      .filter((line) => line !== "" && !line.includes(".LOGGING_STATUS "));
    if (lines.length >= least || Date.now() > end) return { keys, lines };
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

test("where a log goes is put, shown and taken away", async () => {
  assert.doesNotMatch((await door.call({ path: "/asked-box?logging" })).text, /LoggingEnabled/);
  for (const format of [
    "<TargetObjectKeyFormat><SimplePrefix></SimplePrefix></TargetObjectKeyFormat>",
    "<TargetObjectKeyFormat><PartitionedPrefix><PartitionDateSource>EventTime</PartitionDateSource></PartitionedPrefix></TargetObjectKeyFormat>",
    "<TargetObjectKeyFormat><PartitionedPrefix><PartitionDateSource>DeliveryTime</PartitionDateSource></PartitionedPrefix></TargetObjectKeyFormat>",
  ]) {
    assert.equal((await put(status("log-box", format))).status, 200);
    const shown = (await door.call({ path: "/asked-box?logging" })).text;
    assert.equal(shown.slice(shown.indexOf("<LoggingEnabled>")), status("log-box", format).slice("<BucketLoggingStatus>".length));
  }
  assert.match(writeLogging(readLogging(status("log-box"))), /<SimplePrefix>/);
  assert.equal((await put("<BucketLoggingStatus/>")).status, 200);
  assert.doesNotMatch((await door.call({ path: "/asked-box?logging" })).text, /LoggingEnabled/);
});

const forEveryone =
  '<TargetGrants><Grant><Grantee xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" xsi:type="Group"><URI>http://acs.amazonaws.com/groups/global/AllUsers</URI></Grantee><Permission>READ</Permission></Grant></TargetGrants>';
const lockDocument =
  "<ObjectLockConfiguration><ObjectLockEnabled>Enabled</ObjectLockEnabled><Rule><DefaultRetention><Mode>GOVERNANCE</Mode><Days>1</Days></DefaultRetention></Rule></ObjectLockConfiguration>";
const ownershipDocument =
  "<OwnershipControls><Rule><ObjectOwnership>BucketOwnerEnforced</ObjectOwnership></Rule></OwnershipControls>";
const blockDocument = "<PublicAccessBlockConfiguration><BlockPublicAcls>true</BlockPublicAcls></PublicAccessBlockConfiguration>";

async function made(name: string, document: string, body: string, headers = {}): Promise<void> {
  assert.equal((await door.call({ method: "PUT", path: `/${name}`, headers })).status, 200);
  assert.equal((await door.call({ method: "PUT", path: `/${name}?${document}`, body })).status, 200);
}

test("what S3 refuses is refused", async () => {
  await door.call({ method: "PUT", path: "/bread-box", key: "KEYSTRANGER" });
  await made("paid-box", "requestPayment", "<RequestPaymentConfiguration><Payer>Requester</Payer></RequestPaymentConfiguration>");
  await made("kept-box", "object-lock", lockDocument, { "x-amz-bucket-object-lock-enabled": "true" });
  await made("owned-box", "ownershipControls", ownershipDocument);
  await made("blocked-box", "publicAccessBlock", blockDocument);
  for (const [body, code] of [
    [status("no-such-box"), "InvalidTargetBucketForLogging"],
    [status("bread-box"), "InvalidTargetBucketForLogging"],
    [
      "<BucketLoggingStatus><LoggingEnabled><TargetBucket>log-box</TargetBucket></LoggingEnabled></BucketLoggingStatus>",
      "MalformedXML",
    ],
    [status("log-box", "<TargetObjectKeyFormat></TargetObjectKeyFormat>"), "MalformedXML"],
    [
      status(
        "log-box",
        "<TargetObjectKeyFormat><PartitionedPrefix><PartitionDateSource>x</PartitionDateSource></PartitionedPrefix></TargetObjectKeyFormat>",
      ),
      "MalformedXML",
    ],
    [status("log-box", "<TargetGrants><Grant><Permission>READ</Permission></Grant></TargetGrants>"), "MalformedXML"],
    [status("log-box", forEveryone.replace("READ", "READ_ACP")), "MalformedXML"],
    [status("paid-box"), "InvalidTargetBucketForLogging"],
    [status("kept-box"), "InvalidTargetBucketForLogging"],
    [status("owned-box", forEveryone), "AccessControlListNotSupported"],
    [status("blocked-box", forEveryone), "AccessDenied"],
    [status("log-box", "", "x".repeat(801)), "InvalidArgument"],
    ["", "MissingRequestBodyError"],
  ] as const)
    assert.equal(codeOf((await put(body)).text), code, body);
  assert.equal(codeOf((await put(status("log-box"), "KEYVIEWER")).text), "AccessDenied");
  assert.equal(codeOf((await put(status("log-box"), "KEYSTRANGER")).text), "AccessDenied");
});

test("the API has the same document, makes the target when asked, and says why nothing arrives", async () => {
  const path = "/buckets/asked-box/logging";
  assert.deepEqual((await cloud.call("viewer", "GET", path)).body, {});
  const none = await cloud.call("editor", "PUT", path, { targetBucket: "fresh-logs" });
  assert.equal(none.body.fields[0].path, "body.targetBucket", JSON.stringify(none.body));
  const foreign = await cloud.call("editor", "PUT", path, { targetBucket: "bread-box", createTarget: true });
  assert.equal(foreign.body.reason, "bucket_name_taken");
  for (const [targetBucket, reason] of [
    ["paid-box", "log_target_pays"],
    ["kept-box", "log_target_retains"],
  ])
    assert.equal((await cloud.call("editor", "PUT", path, { targetBucket })).body.reason, reason);
  const wanted = { targetBucket: "fresh-logs", targetPrefix: "web/", createTarget: true };
  assert.equal((await cloud.call("viewer", "PUT", path, wanted)).status, 403);
  const made = await cloud.call("editor", "PUT", path, wanted);
  // Lines of before may wait for their minute.
  const { waitingSince: _, ...logging } = made.body.logging;
  assert.deepEqual(logging, { targetBucket: "fresh-logs", targetPrefix: "web/", keyFormat: "simple" });
  const asked = async () => (await door.call({ path: "/asked-box?logging" })).text;
  for (const end = Date.now() + 60_000; !(await asked()).includes("fresh-logs") && Date.now() < end; )
    await new Promise((resolve) => setTimeout(resolve, 10));
  assert.match(await asked(), /<TargetBucket>fresh-logs<.*<TargetPrefix>web\/</);

  assert.equal((await cloud.call("owner", "PUT", "/buckets/fresh-logs/quota", { bytes: 10 })).status, 200);
  await cloud.put("fresh-logs", "filler", "0123456789");
  await door.call({ path: "/asked-box/while-full" });
  const full = async () => (await cloud.call("viewer", "GET", path)).body.logging;
  for (const end = Date.now() + 60_000; (await full()).waitingSince === undefined && Date.now() < end; )
    await new Promise((resolve) => setTimeout(resolve, 50));
  await deliver();
  assert.equal((await full()).problem, "target_full");
  assert.match((await full()).waitingSince, /^\d{4}-/, "kept until there is room");
  await cloud.call("owner", "PUT", "/buckets/fresh-logs/quota", {});
  const { bucketId } = await cloud.objects.s3Backend.bucketByName("fresh-logs");
  const logged = async () => {
    await deliver();
    const keys = (await cloud.keys(bucketId)).filter((key) => key.startsWith("web/"));
    return (await Promise.all(keys.map((key) => cloud.text(bucketId, key)))).join("");
  };
  for (const end = Date.now() + 60_000; !(await logged()).includes("while-full") && Date.now() < end; )
    await new Promise((resolve) => setTimeout(resolve, 50));
  assert.match(await logged(), /while-full/);
  assert.equal("problem" in (await full()), false);

  for (const each of await cloud.keys(bucketId)) await door.call({ method: "DELETE", path: `/fresh-logs/${each}` });
  assert.equal((await door.call({ method: "DELETE", path: "/fresh-logs" })).status, 204);
  assert.equal((await full()).problem, "target_missing");
  assert.equal((await cloud.call("editor", "DELETE", path)).status, 204);
  assert.deepEqual((await cloud.call("viewer", "GET", path)).body, {});
  for (const end = Date.now() + 60_000; (await asked()).includes("fresh-logs") && Date.now() < end; )
    await new Promise((resolve) => setTimeout(resolve, 10));
});

async function postForm(): Promise<void> {
  const limits = { expiration: new Date(Date.now() + 3_600_000), conditions: [{ bucket: "asked-box" }, { key: "form" }] };
  const policy = Buffer.from(JSON.stringify(limits)).toString("base64");
  const signature = createHmac("sha1", "secret").update(policy).digest("base64");
  const form = new FormData();
  for (const [name, value] of Object.entries({ key: "form", AWSAccessKeyId: "KEYOWNER", policy, signature, file: "text" }))
    form.set(name, value);
  const answer = await fetch(`http://127.0.0.1:${door.port}/asked-box`, { method: "POST", body: form });
  assert.equal(answer.status, 204, await answer.text());
}

/** A copy is read from its source, many objects go one by one, and pages are asked for by nobody in particular. */
async function logsWhatIsDoneBeside(before: number): Promise<void> {
  const site = "<WebsiteConfiguration><IndexDocument><Suffix>index.html</Suffix></IndexDocument></WebsiteConfiguration>";
  assert.equal((await door.call({ method: "PUT", path: "/asked-box?website", body: site })).status, 200);
  assert.equal((await door.call({ method: "PUT", path: "/copy-box" })).status, 200);
  const copy = (source: string, path = "/copy-box/to", key = "KEYOWNER") =>
    door.call({ method: "PUT", path, key, headers: { "x-amz-copy-source": source } });
  assert.equal((await copy("asked-box/a%20b.txt?versionId=null")).status, 200);
  assert.equal((await copy("asked-box/gone", "/copy-box/to2")).status, 404);
  assert.equal((await copy("asked-box/a%20b.txt", "/bread-box/to", "KEYSTRANGER")).status, 403);
  const open = { "x-amz-acl": "public-read" };
  assert.equal((await door.call({ method: "PUT", path: "/asked-box/a%20b.txt?acl", headers: open })).status, 200);
  assert.equal((await door.call({ path: "/asked-box/a%20b.txt", key: "none" })).status, 200);
  assert.equal((await copy("asked-box/a%20b.txt", "/bread-box/to", "KEYSTRANGER")).status, 200);
  const page = (path: string) =>
    fetch(`http://127.0.0.1:${door.port}${path}`, { headers: { "x-khmara-website": "asked-box" } }).then((answer) =>
      answer.text(),
    );
  assert.equal(await page("/a%20b.txt?x=1"), "0123456789");
  const names = ["a b.txt", "x".repeat(1025)];
  const many = `<Delete>${names.map((name) => `<Object><Key>${name}</Key></Object>`).join("")}</Delete>`;
  const digest = createHash("md5").update(many).digest("base64");
  const deleted = { method: "POST", path: "/asked-box?delete", body: many, headers: { "Content-MD5": digest } };
  assert.equal((await door.call(deleted)).status, 200);
  await postForm();
  const { lines } = await delivered(before + 12);
  const about = lines.slice(before).map((line) => line.split(/ (?=(?:[^"]*"[^"]*")*[^"]*$)/));
  // Operation, key, status, error, bytes of the object, version, and whether a list was needed.
  assert.deepEqual(
    about.map((fields) => [7, 8, 10, 11, 13, 18, 26].map((at) => fields[at])),
    [
      ["REST.PUT.WEBSITE", "-", "200", "-", "-", "-", "-"],
      ["REST.COPY.OBJECT_GET", "a%20b.txt", "200", "-", "10", "null", "-"],
      ["REST.COPY.OBJECT_GET", "gone", "404", "NoSuchKey", "-", "-", "-"],
      ["REST.COPY.OBJECT_GET", "a%20b.txt", "403", "AccessDenied", "-", "-", "-"],
      ["REST.PUT.ACL", "a%20b.txt", "200", "-", about[4]?.[13], "-", "-"],
      ["REST.GET.OBJECT", "a%20b.txt", "200", "-", "10", "-", "Yes"],
      ["REST.COPY.OBJECT_GET", "a%20b.txt", "200", "-", "10", "-", "Yes"],
      ["WEBSITE.GET.OBJECT", "a%20b.txt", "200", "-", "10", "-", "-"],
      ["REST.POST.MULTI_OBJECT_DELETE", "-", "200", "-", "-", "-", "-"],
      ["BATCH.DELETE.OBJECT", "a%20b.txt", "204", "-", "-", "-", "-"],
      ["BATCH.DELETE.OBJECT", "x".repeat(1025), "400", "KeyTooLongError", "-", "-", "-"],
      ["REST.POST.BUCKET", "-", "204", "-", "-", "-", "-"],
    ],
  );
  const [read, visit, , one] = [about[1], ...about.slice(7)] as [string[], string[], string[], string[]];
  assert.equal(read[9], '"PUT /copy-box/to HTTP/1.1"');
  assert.deepEqual([visit[5], visit[9]], ["-", '"GET /a%20b.txt?x=1 HTTP/1.1"']);
  assert.deepEqual([one[9], one[16], one[17], one[20]], ["-", "-", "-", "SigV4"]);
  assert.match(String(about[11]?.[5]), /^arn:aws:iam::\d{12}:user\//, "who signed the form");
}

test("requests are written into the bucket of logs, one line each, with what went wrong", async () => {
  assert.equal((await put(status("log-box", forEveryone))).status, 200);
  const shown = (await door.call({ path: "/asked-box?logging" })).text;
  assert.ok(shown.includes(forEveryone), shown);
  await door.call({ method: "PUT", path: "/asked-box/a%20b.txt", body: "0123456789", headers: { "User-Agent": 'curl "8"' } });
  await door.call({ path: "/asked-box/a%20b.txt", headers: { Range: "bytes=0-3" } });
  await door.call({ path: "/asked-box/missing" });
  await door.call({ path: "/asked-box?list-type=2&prefix=a" });
  await door.call({ path: "/asked-box/a%20b.txt", key: "none" });
  await door.call({ path: "/log-box" });
  const { keys, lines } = await delivered(5);
  for (const key of keys) assert.match(key, /^logs\/\d{4}-\d\d-\d\d-\d\d-\d\d-\d\d-[0-9A-F]{16}$/);
  const [written = ""] = keys;
  for (const key of ["none", "KEYSTRANGER"])
    assert.equal((await door.call({ path: `/log-box/${written}`, key })).status, 200, "as the log's grants say");
  assert.equal((await door.call({ method: "DELETE", path: `/log-box/${written}`, key: "KEYSTRANGER" })).status, 403);
  const about = lines.map((line) => line.split(/ (?=(?:[^"]*"[^"]*")*[^"]*$)/));
  assert.deepEqual(
    about.map((fields) => [fields[1], ...fields.slice(7, 14)]),
    [
      ["asked-box", "REST.PUT.OBJECT", "a%20b.txt", '"PUT /asked-box/a%20b.txt HTTP/1.1"', "200", "-", "-", "10"],
      ["asked-box", "REST.GET.OBJECT", "a%20b.txt", '"GET /asked-box/a%20b.txt HTTP/1.1"', "206", "-", "4", "10"],
      ["asked-box", "REST.GET.OBJECT", "missing", '"GET /asked-box/missing HTTP/1.1"', "404", "NoSuchKey", "-", "-"],
      ["asked-box", "REST.GET.BUCKET", "-", '"GET /asked-box?list-type=2&prefix=a HTTP/1.1"', "200", "-", about[3]?.[12], "-"],
      ["asked-box", "REST.GET.OBJECT", "a%20b.txt", '"GET /asked-box/a%20b.txt HTTP/1.1"', "403", "AccessDenied", "-", "-"],
    ],
  );
  const [write] = about as [string[]];
  // Of the fields of S3's format there are 26, of which the time takes two.
  assert.equal(write.length, 27);
  assert.match(String(write[0]), /^[0-9a-f]{64}$/);
  assert.match(`${write[2]} ${write[3]}`, /^\[\d\d\/[A-Z][a-z]{2}\/\d{4}:\d\d:\d\d:\d\d \+0000\]$/);
  assert.equal(write[4], "127.0.0.1");
  assert.match(String(write[5]), /^arn:aws:iam::\d{12}:user\//);
  assert.equal(about[4]?.[5], "-", "nobody signed");
  assert.equal(write[17], '"curl %228%22"', "what a client says ends neither field nor line");
  assert.deepEqual(write.slice(20, 23), ["SigV4", "-", "AuthHeader"]);
  await logsWhatIsDoneBeside(lines.length);
  const before = (await delivered(0)).lines.length;
  await put("<BucketLoggingStatus/>");
  await door.call({ path: "/asked-box/a%20b.txt" });
  await cloud.objects.service.stop?.();
  assert.equal((await delivered(before)).lines.length, before, "nothing is logged any more");
});

test("a presigned address lets nobody in who reads the log", () => {
  const request = parseRequest(
    {
      method: "GET",
      url: "/b/k?X-Amz-Signature=abc&X-Amz-Security-Token=t&x=1",
      rawHeaders: ["Host", "h", "Referer", "a\r\nb", "User-Agent", "ц"],
    },
    [],
  );
  const owner = { displayName: "o", canonicalId: "c", accountId: "1" };
  const line = accessLine({
    ...{ request, owner, bucketName: "b", key: "k", operation: "REST.GET.OBJECT", caller: undefined, requestId: "R" },
    ...{ hostId: "H", beganAtMs: 0, totalMs: 1.4 },
    ...{ turnAroundMs: 1, status: 200, errorCode: undefined, sentBytes: 5, objectBytes: 5, versionId: "v" },
  });
  assert.match(line, /"GET \/b\/k\?X-Amz-Signature=\.\.\.&X-Amz-Security-Token=\.\.\.&x=1 HTTP\/1\.1"/);
  assert.doesNotMatch(line, /[\r\n]/);
  assert.match(line, / "a%0D%0Ab" "%D1%86" v H SigV4 - QueryString h - - -$/);
});
