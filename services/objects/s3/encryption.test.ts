import assert from "node:assert/strict";
import { createHash, randomBytes } from "node:crypto";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { openSecrets } from "../../../kernel/secrets.ts";
import type { ObjectStore } from "../driver.ts";
import { openLocalStore } from "../drivers/local/index.ts";
import { type Answer, type Call, send } from "./testing/client.ts";
import { startDoor } from "./testing/door.ts";

let directory: string;
let store: ObjectStore;
let door: Awaited<ReturnType<typeof startDoor>>;

before(async () => {
  directory = await mkdtemp(join(tmpdir(), "khmara-s3-"));
  store = await openLocalStore({ directory, secrets: openSecrets(randomBytes(32)) });
  door = await startDoor(store);
  for (const name of ["box-one", "box-two"]) assert.equal((await call("PUT", `/${name}`)).status, 200);
});

after(async () => {
  await door.stop();
  await store.close();
  await rm(directory, { recursive: true, force: true });
});

type Headers = Record<string, string>;
const call = (method: string, path: string, headers: Headers = {}, body?: Call["body"]): Promise<Answer> =>
  send({ port: door.port, method, path, headers, ...(body === undefined ? {} : { body }) });
const codeOf = ({ text }: Answer): string | undefined => /<Code>(\w+)<\/Code>/.exec(text)?.[1];
const outcome = (answer: Answer): unknown[] => (answer.status < 300 ? [answer.status] : [answer.status, codeOf(answer)]);

const standard = "x-amz-server-side-encryption";
const keyIdOf = `${standard}-aws-kms-key-id`;
const ofCustomer = (key: Uint8Array, prefix = standard): Headers => ({
  [`${prefix}-customer-algorithm`]: "AES256",
  [`${prefix}-customer-key`]: Buffer.from(key).toString("base64"),
  [`${prefix}-customer-key-MD5`]: createHash("md5").update(key).digest("base64"),
});
const ofSource = (key: Uint8Array): Headers => ofCustomer(key, "x-amz-copy-source-server-side-encryption");
const [key, otherKey] = [randomBytes(32), randomBytes(32)];
const md5 = (text: string): string => `"${createHash("md5").update(text).digest("hex")}"`;

test("with keys of the cloud: asked for by a write, or by the bucket for all that say nothing", async () => {
  const put = await call("PUT", "/box-one/asked", { [standard]: "AES256" }, "hello");
  assert.deepEqual([put.status, put.headers[standard], put.headers.etag], [200, "AES256", md5("hello")]);
  for (const method of ["GET", "HEAD"]) assert.equal((await call(method, "/box-one/asked")).headers[standard], "AES256");
  assert.equal((await call("GET", "/box-one/asked", { Range: "bytes=1-3" })).text, "ell");
  assert.equal((await call("PUT", "/box-one/plain", {}, "hello")).headers[standard], undefined);

  const configuration = (rule: string): string =>
    `<ServerSideEncryptionConfiguration><Rule><ApplyServerSideEncryptionByDefault>${rule}</ApplyServerSideEncryptionByDefault></Rule></ServerSideEncryptionConfiguration>`;
  const configure = (document: string) => call("PUT", "/box-two?encryption", {}, document);
  const missing = [404, "ServerSideEncryptionConfigurationNotFoundError"];
  assert.deepEqual(outcome(await call("GET", "/box-two?encryption")), missing);
  assert.deepEqual(outcome(await configure(configuration("<SSEAlgorithm>ROT13</SSEAlgorithm>"))), [400, "MalformedXML"]);
  assert.deepEqual(outcome(await configure("<ServerSideEncryptionConfiguration/>")), [400, "MalformedXML"]);
  assert.deepEqual(outcome(await configure(configuration("<SSEAlgorithm>aws:kms:dsse</SSEAlgorithm>"))), [501, "NotImplemented"]);
  const withKeyId = configuration("<SSEAlgorithm>AES256</SSEAlgorithm><KMSMasterKeyID>k</KMSMasterKeyID>");
  assert.deepEqual(outcome(await configure(withKeyId)), [400, "InvalidArgument"]);
  const bucketKey = configuration("<SSEAlgorithm>AES256</SSEAlgorithm>").replace(
    "</Rule>",
    "<BucketKeyEnabled>true</BucketKeyEnabled></Rule>",
  );
  assert.deepEqual(outcome(await configure(bucketKey)), [200]);
  assert.match(
    (await call("GET", "/box-two?encryption")).text,
    /<Rule><ApplyServerSideEncryptionByDefault><SSEAlgorithm>AES256</,
  );

  assert.equal((await call("PUT", "/box-two/default", {}, "hello")).headers[standard], "AES256");
  assert.equal((await call("PUT", "/box-two/copied", { "x-amz-copy-source": "/box-one/plain" })).headers[standard], "AES256");
  const back = await call("PUT", "/box-one/copied", { "x-amz-copy-source": "/box-two/default" });
  assert.deepEqual([back.status, back.headers[standard]], [200, undefined], "a copy lies as its own bucket wants it");
  const begun = await call("POST", "/box-two/parts?uploads");
  assert.equal(begun.headers[standard], "AES256");
  for (let i = 0; i < 2; i++) assert.equal((await call("DELETE", "/box-two?encryption")).status, 204);
  assert.deepEqual(outcome(await call("GET", "/box-two?encryption")), missing);
  assert.equal((await call("PUT", "/box-two/after", {}, "hello")).headers[standard], undefined);
  assert.equal((await call("GET", "/box-two/default")).text, "hello");
});

test("a bucket may take no keys of customers: said alone or beside what it encrypts with, and told", async () => {
  assert.equal((await call("PUT", "/closed")).status, 200);
  const rule = (inner: string) => `<ServerSideEncryptionConfiguration><Rule>${inner}</Rule></ServerSideEncryptionConfiguration>`;
  const block = (...types: string[]) =>
    `<BlockedEncryptionTypes>${types.map((type) => `<EncryptionType>${type}</EncryptionType>`).join("")}</BlockedEncryptionTypes>`;
  const configure = (inner: string) => call("PUT", "/closed?encryption", {}, rule(inner));
  const told = async () => (await call("GET", "/closed?encryption")).text;
  const put = async (name: string) => outcome(await call("PUT", `/closed/${name}`, ofCustomer(key), "x"));
  for (const wrong of [block("DSSE"), block(), block("SSE-C", "NONE"), ""])
    assert.deepEqual(outcome(await configure(wrong)), [400, "MalformedXML"], wrong);
  assert.deepEqual(await put("before"), [200]);
  const begun = await call("POST", "/closed/parts?uploads", ofCustomer(key));
  const part = `/closed/parts?partNumber=1&uploadId=${/<UploadId>(\w+)/.exec(begun.text)?.[1]}`;
  assert.deepEqual(outcome(await configure(block("SSE-C"))), [200]);
  assert.match(await told(), /<Rule><BlockedEncryptionTypes><EncryptionType>SSE-C<\/EncryptionType><\/BlockedEncryptionTypes>/);
  const denied = [403, "AccessDenied"];
  assert.deepEqual(await put("after"), denied);
  assert.deepEqual(outcome(await call("POST", "/closed/after?uploads", ofCustomer(key))), denied);
  assert.deepEqual(outcome(await call("PUT", part, ofCustomer(key), "x")), denied);
  const copy = { ...ofCustomer(key), ...ofSource(key), "x-amz-copy-source": "/closed/before" };
  assert.deepEqual(outcome(await call("PUT", "/closed/after", copy)), denied);
  assert.equal((await call("GET", "/closed/before", ofCustomer(key))).text, "x", "what is there is read");
  assert.equal((await call("PUT", "/closed/plain", {}, "x")).headers[standard], undefined);
  const aes = "<ApplyServerSideEncryptionByDefault><SSEAlgorithm>AES256</SSEAlgorithm></ApplyServerSideEncryptionByDefault>";
  assert.deepEqual(outcome(await configure(`${aes}${block("NONE")}`)), [200]);
  assert.match(await told(), /AES256.*<EncryptionType>NONE</);
  assert.deepEqual(await put("again"), [200]);
  assert.deepEqual(outcome(await configure(block("SSE-C"))), [200]);
  assert.match(await told(), /AES256.*<EncryptionType>SSE-C</, "what it encrypts with stays");
  assert.equal((await call("DELETE", "/closed?encryption")).status, 204);
  assert.equal((await call("GET", "/closed?encryption")).status, 404);
  assert.deepEqual(await put("again"), [200]);
});

test("aws:kms: the key that the cloud manages for the project, by each of its names; of others there is none", async () => {
  const told = ({ status, headers }: Answer): unknown[] => [status, headers[standard], headers[keyIdOf]];
  const first = await call("PUT", "/box-one/kms", { [standard]: "aws:kms" }, "hello");
  const arn = String(first.headers[keyIdOf]);
  assert.match(arn, /^arn:aws:kms:us-east-1:\d{12}:key\/[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/);
  assert.deepEqual(told(first), [200, "aws:kms", arn]);
  for (const id of [arn, arn.slice(arn.indexOf("/") + 1), "alias/aws/s3"])
    assert.deepEqual(told(await call("PUT", "/box-one/kms", { [standard]: "aws:kms", [keyIdOf]: id }, "hello")), [
      200,
      "aws:kms",
      arn,
    ]);
  const read = await call("GET", "/box-one/kms");
  assert.deepEqual([read.text, ...told(read)], ["hello", 200, "aws:kms", arn]);
  assert.deepEqual(told(await call("HEAD", "/box-one/kms")), [200, "aws:kms", arn]);
  assert.deepEqual(outcome(await call("GET", "/box-one/kms", { [standard]: "aws:kms" })), [400, "InvalidArgument"]);

  // A copy is as it is asked for, or as its bucket has it: the name of the key is no property that goes along.
  const source = { "x-amz-copy-source": "/box-one/kms" };
  assert.deepEqual(told(await call("PUT", "/box-one/copy", source)), [200, undefined, undefined]);
  assert.deepEqual(told(await call("PUT", "/box-one/copy", { ...source, [standard]: "AES256" })), [200, "AES256", undefined]);
  assert.deepEqual(told(await call("PUT", "/box-one/copy", { ...source, [standard]: "aws:kms" })), [200, "aws:kms", arn]);
  assert.equal((await call("GET", "/box-one/copy")).text, "hello");

  const begun = await call("POST", "/box-one/kms-parts?uploads", { [standard]: "aws:kms" });
  assert.deepEqual(told(begun), [200, "aws:kms", arn]);
  const uploadId = /<UploadId>(.*)<\/UploadId>/.exec(begun.text)?.[1];
  const keyed = await call("PUT", `/box-one/kms-parts?partNumber=1&uploadId=${uploadId}`, ofCustomer(key), "part");
  assert.match(keyed.text, /<Code>InvalidRequest<\/Code><Message>The multipart upload initiate requested encryption/);
  const part = await call("PUT", `/box-one/kms-parts?partNumber=1&uploadId=${uploadId}`, {}, "part");
  assert.deepEqual(told(part), [200, "aws:kms", arn]);
  const list = `<CompleteMultipartUpload><Part><PartNumber>1</PartNumber><ETag>${part.headers.etag}</ETag></Part></CompleteMultipartUpload>`;
  // As minio-go ends it, and all that is built on it: the header means nothing there.
  assert.deepEqual(told(await call("POST", `/box-one/kms-parts?uploadId=${uploadId}`, { [standard]: "AES256" }, list)), [
    200,
    "aws:kms",
    arn,
  ]);

  const configure = (rule: string) =>
    call(
      "PUT",
      "/box-two?encryption",
      {},
      `<ServerSideEncryptionConfiguration><Rule><ApplyServerSideEncryptionByDefault><SSEAlgorithm>aws:kms</SSEAlgorithm>${rule}</ApplyServerSideEncryptionByDefault><BucketKeyEnabled>true</BucketKeyEnabled></Rule></ServerSideEncryptionConfiguration>`,
    );
  assert.equal((await configure("<KMSMasterKeyID>mine</KMSMasterKeyID>")).status, 400);
  assert.deepEqual(outcome(await configure(`<KMSMasterKeyID>${arn}</KMSMasterKeyID>`)), [200]);
  const document = (await call("GET", "/box-two?encryption")).text;
  assert.ok(document.includes(`<SSEAlgorithm>aws:kms</SSEAlgorithm><KMSMasterKeyID>${arn}</KMSMasterKeyID>`), document);
  assert.match(document, /<BucketKeyEnabled>true</);
  assert.deepEqual(told(await call("PUT", "/box-two/standard", {}, "x")), [200, "aws:kms", arn]);
  assert.equal((await call("DELETE", "/box-two?encryption")).status, 204);
  assert.deepEqual(told(await call("PUT", "/box-two/standard", {}, "x")), [200, undefined, undefined]);
});

test("requests for encryption that make no sense, each in S3's words", async () => {
  const put = async (headers: Headers) => outcome(await call("PUT", "/box-one/refused", headers, "x"));
  const whole = ofCustomer(key);
  const without = (name: string): Headers =>
    Object.fromEntries(Object.entries(whole).filter(([each]) => each !== `${standard}-customer-${name}`));
  assert.deepEqual(await put({ [standard]: "ROT13" }), [400, "InvalidArgument"]);
  assert.deepEqual(await put({ [standard]: "aws:kms:dsse" }), [501, "NotImplemented"]);
  assert.deepEqual(await put({ [standard]: "aws:kms", [`${standard}-context`]: "e30=" }), [501, "NotImplemented"]);
  assert.deepEqual(await put({ ...whole, [standard]: "aws:kms" }), [400, "InvalidArgument"]);
  for (const id of ["mine", "134f2428-cec1-4b25-a1ae-9048164dba47", "arn:aws:kms:us-east-1:111111111111:key/mine"])
    assert.equal((await call("PUT", "/box-one/refused", { [standard]: "aws:kms", [keyIdOf]: id }, "x")).status, 400);
  const other = await call("PUT", "/box-one/refused", { [standard]: "aws:kms", [keyIdOf]: "mine" }, "x");
  assert.match(other.text, /<Code>KMS.NotFoundException<\/Code><Message>Invalid keyId &apos;mine&apos;<|Invalid keyId 'mine'</);
  assert.deepEqual(await put({ [`${standard}-aws-kms-key-id`]: "k" }), [400, "InvalidArgument"]);
  for (const name of ["algorithm", "key", "key-MD5"]) assert.deepEqual(await put(without(name)), [400, "InvalidArgument"]);
  const wrong = {
    algorithm: "AES128",
    key: randomBytes(16).toString("base64"),
    "key-MD5": createHash("md5").update(otherKey).digest("base64"),
  };
  for (const [name, value] of Object.entries(wrong)) {
    const code = name === "algorithm" ? "InvalidEncryptionAlgorithmError" : "InvalidArgument";
    assert.deepEqual(await put({ ...whole, [`${standard}-customer-${name}`]: value }), [400, code]);
  }
  assert.deepEqual(await put({ ...whole, [standard]: "AES256" }), [400, "InvalidArgument"]);
  assert.deepEqual(outcome(await call("GET", "/box-one/asked", { [standard]: "AES256" })), [400, "InvalidArgument"]);
  assert.equal((await call("HEAD", "/box-one/refused")).status, 404);
});

test("with a key of the customer's: nothing is told or changed hands without it", async () => {
  const written = await call("PUT", "/box-one/locked", ofCustomer(key), "secret");
  assert.equal(written.status, 200);
  assert.equal(written.headers[`${standard}-customer-algorithm`], "AES256");
  assert.equal(written.headers[`${standard}-customer-key-md5`], ofCustomer(key)[`${standard}-customer-key-MD5`]);
  assert.equal(written.headers[standard], undefined);
  assert.notEqual(written.headers.etag, md5("secret"));
  const read = await call("GET", "/box-one/locked", ofCustomer(key));
  assert.deepEqual([read.text, read.headers[`${standard}-customer-algorithm`]], ["secret", "AES256"]);
  assert.equal((await call("GET", "/box-one/locked", { ...ofCustomer(key), Range: "bytes=-3" })).text, "ret");
  const attributes = { "x-amz-object-attributes": "ObjectSize" };
  for (const headers of [{}, ofCustomer(otherKey)] as Headers[]) {
    assert.deepEqual(outcome(await call("GET", "/box-one/locked", headers)), [400, "InvalidRequest"]);
    assert.equal((await call("HEAD", "/box-one/locked", headers)).status, 400);
    assert.deepEqual(outcome(await call("GET", "/box-one/locked?attributes", { ...headers, ...attributes })), [
      400,
      "InvalidRequest",
    ]);
  }
  assert.match((await call("GET", "/box-one/locked?attributes", { ...ofCustomer(key), ...attributes })).text, /<ObjectSize>6</);
  assert.deepEqual(outcome(await call("GET", "/box-one/plain", ofCustomer(key))), [400, "InvalidRequest"]);
  // What needs no bytes needs no key.
  assert.equal((await call("GET", "/box-one/locked?tagging")).status, 200);
  assert.match((await call("GET", "/box-one?prefix=locked")).text, /<Size>6</);

  const source = { "x-amz-copy-source": "/box-one/locked" };
  for (const headers of [{}, ofSource(otherKey)] as Headers[])
    assert.deepEqual(outcome(await call("PUT", "/box-two/copy", { ...source, ...headers })), [400, "InvalidRequest"]);
  const opened = await call("PUT", "/box-two/opened", { ...source, ...ofSource(key) });
  assert.equal(opened.headers[`${standard}-customer-algorithm`], undefined);
  const read2 = await call("GET", "/box-two/opened");
  assert.deepEqual([read2.text, read2.headers.etag], ["secret", md5("secret")]);
  const changed = await call("PUT", "/box-one/locked", { ...source, ...ofSource(key), ...ofCustomer(otherKey) });
  assert.equal(changed.status, 200, "a copy onto itself changes the key");
  assert.deepEqual(outcome(await call("GET", "/box-one/locked", ofCustomer(key))), [400, "InvalidRequest"]);
  assert.equal((await call("GET", "/box-one/locked", ofCustomer(otherKey))).text, "secret");
  assert.equal((await call("PUT", "/box-one/unlocked", ofCustomer(key), "secret")).status, 200);
  const unlocked = { "x-amz-copy-source": "/box-one/unlocked", ...ofSource(key) };
  assert.equal((await call("PUT", "/box-one/unlocked", unlocked)).status, 200, "and takes it away");
  assert.equal((await call("GET", "/box-one/unlocked")).text, "secret");
  assert.equal((await call("DELETE", "/box-one/unlocked")).status, 204);
  assert.equal((await call("DELETE", "/box-one/locked")).status, 204);
});

test("with a key of the customer's in parts", async () => {
  const begin = async (headers: Headers): Promise<string> => {
    const begun = await call("POST", "/box-one/parts?uploads", { ...ofCustomer(key), ...headers });
    assert.equal(begun.headers[`${standard}-customer-algorithm`], "AES256");
    return /<UploadId>(.*)<\/UploadId>/.exec(begun.text)?.[1] as string;
  };
  const uploadId = await begin({});
  const part = (number: number, headers: Headers, body: Buffer | undefined = Buffer.alloc(5 * 1024 * 1024, number)) =>
    call("PUT", `/box-one/parts?partNumber=${number}&uploadId=${uploadId}`, headers, body);
  for (const headers of [{}, ofCustomer(otherKey)] as Headers[])
    assert.deepEqual(outcome(await part(1, headers, Buffer.from("x"))), [400, "InvalidRequest"]);
  const first = await part(1, ofCustomer(key));
  assert.equal(first.headers[`${standard}-customer-algorithm`], "AES256");
  assert.equal((await part(1, ofCustomer(key))).headers.etag, first.headers.etag, "sent again it is the same part");
  await call("PUT", "/box-one/source", ofCustomer(otherKey), "0123456789");
  const copy = { "x-amz-copy-source": "/box-one/source", "x-amz-copy-source-range": "bytes=2-5", ...ofCustomer(key) };
  const path = `/box-one/parts?partNumber=2&uploadId=${uploadId}`;
  assert.deepEqual(outcome(await call("PUT", path, copy)), [400, "InvalidRequest"]);
  const second = await call("PUT", path, { ...copy, ...ofSource(otherKey) });
  const etags = [first.headers.etag, /<ETag>(.*)<\/ETag>/.exec(second.text)?.[1]];
  const document = `<CompleteMultipartUpload>${etags.map((etag, index) => `<Part><PartNumber>${index + 1}</PartNumber><ETag>${etag}</ETag></Part>`).join("")}</CompleteMultipartUpload>`;
  const complete = (id: string, headers: Headers) => call("POST", `/box-one/parts?uploadId=${id}`, headers, document);
  assert.deepEqual(outcome(await complete(uploadId, ofCustomer(otherKey))), [400, "InvalidRequest"]);
  assert.deepEqual(outcome(await complete(uploadId, {})), [200]);
  const last = await call("GET", "/box-one/parts?partNumber=2", ofCustomer(key));
  assert.deepEqual([last.status, last.text], [206, "2345"]);
  // The checksum of all tells of the bytes, so who asks for it shows the key.
  const summed = await begin({ "x-amz-checksum-algorithm": "CRC32" });
  assert.deepEqual(outcome(await complete(summed, {})), [400, "InvalidRequest"]);
});

test("storage classes and redirections are kept as labels, and a copy does not take them along", async () => {
  const labels = { "x-amz-storage-class": "STANDARD_IA", "x-amz-website-redirect-location": "/elsewhere" };
  assert.equal((await call("PUT", "/box-one/labelled", { ...labels, "Content-Type": "text/x" }, "x")).status, 200);
  const { headers } = await call("HEAD", "/box-one/labelled");
  assert.deepEqual([headers["x-amz-storage-class"], headers["x-amz-website-redirect-location"]], ["STANDARD_IA", "/elsewhere"]);
  assert.match((await call("GET", "/box-one?prefix=labelled")).text, /<StorageClass>STANDARD_IA</);
  const source = { "x-amz-copy-source": "/box-one/labelled" };
  assert.equal((await call("PUT", "/box-one/copy", { ...source, "x-amz-storage-class": "GLACIER_IR" })).status, 200);
  const copy = (await call("HEAD", "/box-one/copy")).headers;
  assert.deepEqual(
    [copy["x-amz-storage-class"], copy["x-amz-website-redirect-location"], copy["content-type"]],
    ["GLACIER_IR", undefined, "text/x"],
  );
  // Onto itself only where something changes.
  assert.deepEqual(outcome(await call("PUT", "/box-one/labelled", source)), [400, "InvalidRequest"]);
  assert.equal((await call("PUT", "/box-one/labelled", { ...source, "x-amz-storage-class": "STANDARD" })).status, 200);
  assert.equal((await call("HEAD", "/box-one/labelled")).headers["x-amz-storage-class"], undefined);
  const put = async (headers: Headers) => outcome(await call("PUT", "/box-one/refused", headers, "x"));
  assert.deepEqual(await put({ "x-amz-storage-class": "COLD" }), [400, "InvalidStorageClass"]);
  assert.deepEqual(await put({ "x-amz-storage-class": "GLACIER" }), [501, "NotImplemented"]);
  assert.deepEqual(await put({ "x-amz-website-redirect-location": "elsewhere" }), [400, "InvalidRedirectLocation"]);
});
