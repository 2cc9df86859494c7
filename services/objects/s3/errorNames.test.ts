import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { setTimeout } from "node:timers/promises";
import { openLocalStore } from "../drivers/local/index.ts";
import { parseRequest } from "./request.ts";
import { acceptableSignatures, algorithm, SigningKeys, scopeText } from "./signature.ts";
import { type Call, send } from "./testing/client.ts";
import { startDoor } from "./testing/door.ts";

/** What refusals say beside their code, which stands in refusals.test.ts: S3 API Reference, "Error responses", and what AWS is seen to answer. */

let directory: string;
let store: Awaited<ReturnType<typeof openLocalStore>>;
let door: Awaited<ReturnType<typeof startDoor>>;

const call = (request: Omit<Call, "port">) => send({ ...request, port: door.port });

const here: Record<string, string> = {};

before(async () => {
  directory = await mkdtemp(join(tmpdir(), "khmara-s3-names-"));
  store = await openLocalStore({ directory });
  door = await startDoor(store);
  for (const name of ["full", "bare"]) assert.equal((await call({ method: "PUT", path: `/${name}` })).status, 200);
  assert.equal((await call({ method: "PUT", path: "/full/ten", body: "0123456789" })).status, 200);
  const begun = await call({ method: "POST", path: "/full/large?uploads" });
  here["upload"] = /<UploadId>([^<]*)</.exec(begun.text)?.[1] ?? "";
});

after(async () => {
  await door.stop();
  await store.close();
  await rm(directory, { recursive: true, force: true });
});

interface Case {
  /** "PUT /bucket/key?query"; {name} stands for what was made before. */
  at: string;
  headers?: Record<string, string>;
  body?: string;
  /** All elements but Message (where it is not named), RequestId and HostId. */
  says: Record<string, string>;
}

const filled = (text: string): string => text.replace(/\{(\w+)\}/g, (_, name: string) => here[name] ?? "");
const decoded = (text: string): string =>
  text.replace(/&(quot|amp|lt|gt);/g, (_, name) => ({ quot: '"', amp: "&", lt: "<", gt: ">" })[name as "amp"]);

async function walk(cases: Case[]): Promise<void> {
  for (const { at, headers, body, says } of cases) {
    const [method = "", path = ""] = filled(at).split(" ");
    const { text } = await call({ method, path, ...(headers && { headers }), ...(body !== undefined && { body: filled(body) }) });
    const elements = Object.fromEntries(
      [...text.matchAll(/<([\w-]+)>([^<]*)<\/\1>/g)].map(([, name, value]) => [name, decoded(value as string)]),
    );
    const { RequestId, HostId, Message, ...rest } = elements;
    assert.ok(RequestId && HostId && Message, `${at}: ${text}`);
    const expected = Object.fromEntries(Object.entries(says).map(([name, value]) => [name, filled(value)]));
    assert.deepEqual("Message" in says ? { ...rest, Message } : rest, expected, at);
  }
}

test("the bucket that is not there, or has not what was asked for", () =>
  walk([
    { at: "GET /nobody-has-it", says: { Code: "NoSuchBucket", BucketName: "nobody-has-it" } },
    { at: "PUT /nobody-has-it/key", body: "a", says: { Code: "NoSuchBucket", BucketName: "nobody-has-it" } },
    {
      at: "PUT /full/copied",
      headers: { "x-amz-copy-source": "/nobody-has-it/key" },
      says: { Code: "NoSuchBucket", BucketName: "nobody-has-it" },
    },
    ...Object.entries({
      cors: "NoSuchCORSConfiguration",
      lifecycle: "NoSuchLifecycleConfiguration",
      policy: "NoSuchBucketPolicy",
      replication: "ReplicationConfigurationNotFoundError",
      tagging: "NoSuchTagSet",
      website: "NoSuchWebsiteConfiguration",
    }).map(([name, code]) => ({ at: `GET /bare?${name}`, says: { Code: code, BucketName: "bare" } })),
  ]));

test("the object and the upload that are not there", () =>
  walk([
    { at: "GET /full/a%26b", says: { Code: "NoSuchKey", Key: "a&b", Message: "The specified key does not exist." } },
    { at: "PUT /full/none", headers: { "If-Match": '"0"' }, body: "a", says: { Code: "NoSuchKey", Key: "none" } },
    { at: "PUT /full/copied", headers: { "x-amz-copy-source": "/full/none" }, says: { Code: "NoSuchKey", Key: "none" } },
    { at: "DELETE /full/large?uploadId=none", says: { Code: "NoSuchUpload", UploadId: "none" } },
    { at: "GET /full/other?uploadId={upload}", says: { Code: "NoSuchUpload", UploadId: "{upload}" } },
  ]));

test("the condition that does not hold", () => {
  const failed = (condition: string) => ({ Code: "PreconditionFailed", Condition: condition });
  const past = "Mon, 01 Jan 2024 00:00:00 GMT";
  return walk([
    { at: "GET /full/ten", headers: { "If-Match": '"0"' }, says: failed("If-Match") },
    { at: "GET /full/ten", headers: { "If-Unmodified-Since": past }, says: failed("If-Unmodified-Since") },
    { at: "PUT /full/ten", headers: { "If-Match": '"0"' }, body: "a", says: failed("If-Match") },
    { at: "PUT /full/ten", headers: { "If-None-Match": "*" }, body: "a", says: failed("If-None-Match") },
    ...Object.entries({
      "If-Match": '"0"',
      "If-None-Match": "*",
      "If-Unmodified-Since": past,
      "If-Modified-Since": new Date().toUTCString(),
    }).map(([name, value]) => ({
      at: "PUT /full/copied",
      headers: { "x-amz-copy-source": "/full/ten", [`x-amz-copy-source-${name}`]: value },
      says: failed(`x-amz-copy-source-${name}`),
    })),
    {
      at: "PUT /full/ten",
      headers: { "If-Match": '"0"', "If-None-Match": "*" },
      body: "a",
      says: {
        Code: "NotImplemented",
        Message: "A header you provided implies functionality that is not implemented",
        Header: "If-Match,If-None-Match",
        additionalMessage: "Multiple conditional request headers present in the request",
      },
    },
  ]);
});

test("parts and digests that are not as was said", async () => {
  const etag = String(
    (await call({ method: "PUT", path: filled("/full/large?partNumber=1&uploadId={upload}"), body: "abc" })).headers.etag,
  );
  await call({ method: "PUT", path: filled("/full/large?partNumber=2&uploadId={upload}"), body: "def" });
  const complete = (...parts: [number, string][]): string =>
    `<CompleteMultipartUpload>${parts.map(([number, tag]) => `<Part><PartNumber>${number}</PartNumber><ETag>${tag}</ETag></Part>`).join("")}</CompleteMultipartUpload>`;
  const at = "POST /full/large?uploadId={upload}";
  const bare = etag.replaceAll('"', "");
  const second = "4ed9407630eb1000c0f6b63842defa7d";
  await walk([
    {
      at,
      body: complete([2, second], [1, etag]),
      says: { Code: "InvalidPartOrder", UploadId: "{upload}" },
    },
    {
      at,
      body: complete([1, "0".repeat(32)]),
      says: { Code: "InvalidPart", UploadId: "{upload}", PartNumber: "1", ETag: "0".repeat(32) },
    },
    {
      at,
      body: complete([1, etag], [2, second]),
      says: { Code: "EntityTooSmall", PartNumber: "1", ETag: bare, ProposedSize: "3", MinSizeAllowed: "5242880" },
    },
    { at: "POST /full/large?uploadId=none", body: "", says: { Code: "NoSuchUpload", UploadId: "none" } },
    {
      at,
      headers: { "x-amz-mp-object-size": "5" },
      body: complete([1, etag]),
      says: {
        Code: "InvalidRequest",
        Message: "The provided 'x-amz-mp-object-size' header value 5 does not match what was computed: 3",
      },
    },
    {
      at: "PUT /full/digest",
      headers: { "Content-MD5": "AAAAAAAAAAAAAAAAAAAAAA==" },
      body: "abc",
      says: {
        Code: "BadDigest",
        Message: "The Content-MD5 you specified did not match what we received.",
        ExpectedDigest: "0".repeat(32),
        CalculatedDigest: "kAFQmDzST7DWlj99KOF/cg==",
      },
    },
    {
      at: "PUT /full/digest",
      headers: { "Content-MD5": "MTIz" },
      body: "abc",
      says: { Code: "InvalidDigest", "Content-MD5": "MTIz", Message: "The Content-MD5 you specified was invalid." },
    },
  ]);
});

test("tags, lists, locks and keys that are none", () => {
  const tags = (key: string, value: string) =>
    `<Tagging><TagSet><Tag><Key>${key}</Key><Value>${value}</Value></Tag></TagSet></Tagging>`;
  const argument = (name: string, value: string, message: string) => ({
    Code: "InvalidArgument",
    Message: message,
    ArgumentName: name,
    ArgumentValue: value,
  });
  const put = (headers: Record<string, string>, says: Record<string, string>): Case => ({
    at: "PUT /full/key",
    headers,
    body: "a",
    says,
  });
  const customer = "x-amz-server-side-encryption-customer-";
  const owner = "<AccessControlPolicy><Owner><ID>nobody</ID></Owner><AccessControlList/></AccessControlPolicy>";
  return walk([
    { at: "PUT /bare?tagging", body: tags("a", "b,c"), says: { Code: "InvalidTag", TagKey: "a", TagValue: "b,c" } },
    {
      at: "PUT /bare?tagging",
      body: tags("aws:a", "b"),
      says: { Code: "InvalidTag", TagKey: "aws:a", Message: "System tags cannot be added/updated by requester" },
    },
    {
      at: "PUT /full/ten?tagging",
      body: tags("aws:a", "b"),
      says: { Code: "InvalidTag", TagKey: "aws:a", Message: "Your TagKey cannot be prefixed with aws:" },
    },
    put(
      { "x-amz-tagging": "a=1&a=2" },
      argument(
        "x-amz-tagging",
        "a=1&a=2",
        "The header 'x-amz-tagging' shall be encoded as UTF-8 then URLEncoded URL query parameters without tag name duplicates.",
      ),
    ),
    put({ "x-amz-grant-read": 'id="x"' }, argument("id", "x", "Invalid id")),
    put({ "x-amz-grant-read": 'uri="http://x"' }, argument("uri", "http://x", "Invalid group uri")),
    { at: "PUT /bare?acl", body: owner, says: argument("CanonicalUser/ID", "nobody", "Invalid id") },
    {
      at: "PUT /bare?acl",
      body: "",
      says: {
        Code: "MissingSecurityHeader",
        Message: "Your request was missing a required header",
        MissingHeaderName: "x-amz-acl",
      },
    },
    put(
      { [`${customer}algorithm`]: "AES128" },
      {
        Code: "InvalidEncryptionAlgorithmError",
        Message: "The Encryption request you specified is not valid. Supported value: AES256.",
        ArgumentName: "x-amz-server-side-encryption",
        ArgumentValue: "AES128",
      },
    ),
    put({ [`${customer}algorithm`]: "AES256" }, { Code: "InvalidArgument", ArgumentName: "x-amz-server-side-encryption" }),
    {
      at: "GET /bare",
      headers: { "x-amz-expected-bucket-owner": "12" },
      says: {
        Code: "InvalidBucketOwnerAWSAccountID",
        Message: "The value of the expected bucket owner parameter must be an AWS Account ID... [12]",
      },
    },
    {
      at: "PUT /full/copied",
      headers: { "x-amz-copy-source": "ten" },
      says: argument("x-amz-copy-source", "x-amz-copy-source", "Invalid copy source object key"),
    },
  ]);
});

test("a signature that is another says what was signed here", async () => {
  const { text } = await call({ path: "/full?b=1&a", key: { accessKeyId: "AKMAIN", secretAccessKey: "x" } });
  const element = (name: string): string => decoded(new RegExp(`<${name}>([^<]*)<`).exec(text)?.[1] ?? "");
  const canonical = element("CanonicalRequest");
  assert.match(canonical, /^GET\n\/full\na=&b=1\nhost:127.0.0.1:\d+\n/);
  const [algorithm, , , hash] = element("StringToSign").split("\n");
  assert.deepEqual([algorithm, hash], ["AWS4-HMAC-SHA256", createHash("sha256").update(canonical).digest("hex")]);
  for (const name of ["CanonicalRequest", "StringToSign"])
    assert.equal(Buffer.from(element(`${name}Bytes`).replaceAll(" ", ""), "hex").toString(), element(name));
  assert.match(element("SignatureProvided"), /^[0-9a-f]{64}$/);
});

test("who wrote the object since an upload of it began conflicts with that", async () => {
  const put = async (body: string) => String((await call({ method: "PUT", path: "/full/seen", body })).headers.etag);
  await put("one");
  const upload = /<UploadId>([^<]*)</.exec((await call({ method: "POST", path: "/full/seen?uploads" })).text)?.[1];
  const part = await call({ method: "PUT", path: `/full/seen?partNumber=1&uploadId=${upload}`, body: "abc" });
  // The clock tells milliseconds.
  await setTimeout(5);
  const complete = {
    method: "POST",
    path: `/full/seen?uploadId=${upload}`,
    body: `<CompleteMultipartUpload><Part><PartNumber>1</PartNumber><ETag>${part.headers.etag}</ETag></Part></CompleteMultipartUpload>`,
  };
  const etag = await put("two");
  const conflict = await call({ ...complete, headers: { "If-Match": etag } });
  assert.equal(conflict.status, 409);
  assert.match(conflict.text, /<Code>ConditionalRequestConflict<.*<Condition>If-Match<.*<Key>seen</);
  assert.equal((await call(complete)).status, 200);
});

test("a range of a copy's source that it does not have", () => {
  const copy = (range: string, says: Record<string, string>): Case => ({
    at: "PUT /full/large?partNumber=1&uploadId={upload}",
    headers: { "x-amz-copy-source": "/full/ten", "x-amz-copy-source-range": range },
    says,
  });
  return walk([
    copy("bytes=0-10", {
      Code: "InvalidArgument",
      Message: "Range specified is not valid for source object of size: 10",
      ArgumentName: "x-amz-copy-source-range",
      ArgumentValue: "bytes=0-10",
    }),
    copy("bytes=10-20", {
      Code: "InvalidRequest",
      Message: "The specified copy range is invalid for the source object size",
    }),
  ]);
});

test("a bucket is made with tags, once, and where this endpoint is", async () => {
  const make = (inside: string, port = door.port) =>
    send({ port, method: "PUT", path: "/tagged", body: `<CreateBucketConfiguration>${inside}</CreateBucketConfiguration>` });
  const tags = "<Tags><Tag><Key>colour</Key><Value>red</Value></Tag></Tags>";
  assert.match((await make("<Tags><Tag><Key>aws:a</Key><Value>b</Value></Tag></Tags>")).text, /<Code>InvalidTag</);
  assert.match((await make("<LocationConstraint>elsewhere</LocationConstraint>")).text, /<Code>InvalidLocationConstraint</);
  const made = await make(tags);
  assert.deepEqual([made.status, made.headers["x-amz-bucket-arn"]], [200, "arn:aws:s3:::tagged"]);
  assert.match((await call({ path: "/tagged?tagging" })).text, /<Key>colour<\/Key><Value>red</);
  // In us-east-1 one's own bucket may be made again, as it is.
  assert.equal((await make("")).status, 200);
  assert.match((await make(tags)).text, /<Code>BucketAlreadyOwnedByYou<.*<BucketName>tagged</);
  const other = await startDoor(store, { region: "home-1" });
  const refused = await send({
    port: other.port,
    method: "PUT",
    path: "/other",
    body: "<CreateBucketConfiguration><LocationConstraint>elsewhere</LocationConstraint></CreateBucketConfiguration>",
    region: "home-1",
  });
  await other.stop();
  assert.match(
    refused.text,
    /<Code>IllegalLocationConstraintException<.*<Message>The elsewhere location constraint is incompatible for the region specific endpoint/,
  );
});

test("a lifecycle says how small an object a transition takes", async () => {
  const body =
    "<LifecycleConfiguration><Rule><Status>Enabled</Status><Filter/><Expiration><Days>1</Days></Expiration></Rule></LifecycleConfiguration>";
  const name = "x-amz-transition-default-minimum-object-size";
  const put = (headers: Record<string, string>) => call({ method: "PUT", path: "/full?lifecycle", body, headers });
  assert.equal((await put({})).headers[name], "all_storage_classes_128K");
  assert.equal((await call({ path: "/full?lifecycle" })).headers[name], "all_storage_classes_128K");
  assert.equal((await put({ [name]: "varies_by_storage_class" })).headers[name], "varies_by_storage_class");
  assert.equal((await call({ path: "/full?lifecycle" })).headers[name], "varies_by_storage_class");
  assert.match((await put({ [name]: "none" })).text, /<Code>InvalidRequest</);
});

test("tags, locks and lists of what a delete marker hides are asked of the marker", async () => {
  await call({ method: "PUT", path: "/hidden" });
  const versioning = "<VersioningConfiguration><Status>Enabled</Status></VersioningConfiguration>";
  await call({ method: "PUT", path: "/hidden?versioning", body: versioning });
  await call({ method: "PUT", path: "/hidden/key", body: "a" });
  await call({ method: "DELETE", path: "/hidden/key" });
  const marker = (method: string) => ({ Code: "MethodNotAllowed", Method: method, ResourceType: "DeleteMarker" });
  await walk([
    { at: "GET /hidden/key", says: { Code: "NoSuchKey", Key: "key" } },
    { at: "GET /hidden/key?acl", says: { Code: "NoSuchKey", Key: "key" } },
    { at: "PUT /hidden/key?acl", headers: { "x-amz-acl": "private" }, body: "", says: marker("PUT") },
    { at: "GET /hidden/key?tagging", says: marker("GET") },
    { at: "DELETE /hidden/key?tagging", says: marker("DELETE") },
  ]);
});

test("a plus in the name of a source is a space", async () => {
  await call({ method: "PUT", path: "/full/with%20space", body: "a" });
  const copied = await call({ method: "PUT", path: "/full/copied", headers: { "x-amz-copy-source": "/full/with+space" } });
  assert.equal(copied.status, 200);
});

test("what a presigned address carries holds: conditions, and headers that were signed and are sent as parameters alone", async () => {
  const timestamp = `${new Date().toISOString().replace(/[-:]/g, "").slice(0, 15)}Z`;
  const scope = { date: timestamp.slice(0, 8), region: "us-east-1", service: "s3" };
  const query = new URLSearchParams({
    "If-None-Match": "*",
    "X-Amz-Algorithm": algorithm,
    "X-Amz-Credential": `AKMAIN/${scopeText(scope)}`,
    "X-Amz-Date": timestamp,
    "X-Amz-Expires": "60",
    "X-Amz-SignedHeaders": "host;x-amz-meta-by",
    "x-amz-meta-by": "aws-sdk 2",
  });
  const path = `/full/once?${query}`;
  const headers = ["Host", `127.0.0.1:${door.port}`, "x-amz-meta-by", "aws-sdk 2"];
  const names = ["host", "x-amz-meta-by"];
  const signed = { headers: names, payloadHash: "UNSIGNED-PAYLOAD", presigned: true, timestamp, scope };
  const request = parseRequest({ method: "PUT", url: path, rawHeaders: headers }, []);
  const [signature] = acceptableSignatures(request, signed, new SigningKeys().derive("", "main-secret", scope));
  const put = (change = "") =>
    call({ method: "PUT", path: `${path.replace("sdk", `sdk${change}`)}&X-Amz-Signature=${signature}`, body: "a", key: "none" });
  assert.match((await put("s")).text, /<Code>SignatureDoesNotMatch</);
  assert.equal((await put()).status, 200);
  assert.equal((await call({ method: "HEAD", path: "/full/once" })).headers["x-amz-meta-by"], "aws-sdk 2");
  assert.match((await put()).text, /<Code>PreconditionFailed<.*<Condition>If-None-Match</);
});
