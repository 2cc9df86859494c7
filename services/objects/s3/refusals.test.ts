import assert from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { openLocalStore } from "../drivers/local/index.ts";
import { type Call, send } from "./testing/client.ts";
import { startDoor } from "./testing/door.ts";

/** What each operation refuses and how: S3 API Reference, the errors of each operation and "Error responses". */

let directory: string;
let store: Awaited<ReturnType<typeof openLocalStore>>;
let door: Awaited<ReturnType<typeof startDoor>>;

const call = (request: Omit<Call, "port">) => send({ ...request, port: door.port });
const codeOf = (text: string): string | undefined => /<Code>(\w+)<\/Code>/.exec(text)?.[1];
const textOf = (text: string, name: string): string => new RegExp(`<${name}>([^<]*)</${name}>`).exec(text)?.[1] ?? "";
const uploadOf = async (path: string, headers = {}): Promise<string> =>
  textOf((await call({ method: "POST", path: `${path}?uploads`, headers })).text, "UploadId");

const here: Record<string, string> = {};

before(async () => {
  directory = await mkdtemp(join(tmpdir(), "khmara-s3-refusals-"));
  store = await openLocalStore({ directory });
  door = await startDoor(store);
  for (const name of ["full", "bare", "versions"]) assert.equal((await call({ method: "PUT", path: `/${name}` })).status, 200);
  const locked = { "x-amz-bucket-object-lock-enabled": "true" };
  assert.equal((await call({ method: "PUT", path: "/locked", headers: locked })).status, 200);
  const versioning = "<VersioningConfiguration><Status>Enabled</Status></VersioningConfiguration>";
  assert.equal((await call({ method: "PUT", path: "/versions?versioning", body: versioning })).status, 200);
  for (const key of ["/full/ten", "/versions/gone", "/locked/open"])
    assert.equal((await call({ method: "PUT", path: key, body: "0123456789" })).status, 200);
  here["marker"] = String((await call({ method: "DELETE", path: "/versions/gone" })).headers["x-amz-version-id"]);
  here["upload"] = await uploadOf("/full/large");
  for (const number of [1, 2]) {
    const part = await call({
      method: "PUT",
      path: `/full/large?partNumber=${number}&uploadId=${here["upload"]}`,
      body: "small",
    });
    here[`etag${number}`] = String(part.headers.etag);
  }
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
  key?: Call["key"];
  /** "404 NoSuchKey", or the status alone. */
  is: string;
}

const filled = (text: string): string => text.replace(/\{(\w+)\}/g, (_, name: string) => here[name] ?? "");

/** All that is not as it should be, at once. */
async function walk(cases: Case[]): Promise<void> {
  const wrong: string[] = [];
  for (const { at, headers, body, key, is } of cases) {
    const [method = "", path = ""] = filled(at).split(" ");
    const given = Object.fromEntries(Object.entries(headers ?? {}).map(([name, value]) => [name, filled(value)]));
    const request = { method, path, headers: given, ...(key && { key }) };
    const answer = await call({ ...request, ...(body !== undefined && { body: filled(body) }) });
    const code = codeOf(answer.text);
    const got = code === undefined ? String(answer.status) : `${answer.status} ${code}`;
    const about = `${at} ${JSON.stringify(headers ?? {})} ${body?.slice(0, 80) ?? ""}`;
    if (got !== is) wrong.push(`${about}: ${got}, not ${is}`);
  }
  assert.deepEqual(wrong, []);
}

const tagging = (pairs: [string, string][]): string =>
  `<Tagging><TagSet>${pairs.map(([key, value]) => `<Tag><Key>${key}</Key><Value>${value}</Value></Tag>`).join("")}</TagSet></Tagging>`;
const many = (count: number): [string, string][] => Array.from({ length: count }, (_, index) => [`k${index}`, "v"]);

test("names of buckets and keys", () =>
  walk([
    ...[
      "ab",
      "a".repeat(64),
      "Upper",
      "under_score",
      "-dash",
      "dash-",
      "two..dots",
      "192.168.5.4",
      "xn--a",
      "sthree-a",
      "a-s3alias",
    ].map((name) => ({ at: `PUT /${name}`, is: "400 InvalidBucketName" })),
    { at: "GET /a", is: "400 InvalidBucketName" },
    { at: "GET /no%20name/key", is: "400 InvalidBucketName" },
    { at: "GET /nobody-has-it", is: "404 NoSuchBucket" },
    { at: "HEAD /nobody-has-it", is: "404" },
    { at: "PUT /nobody-has-it/key", body: "", is: "404 NoSuchBucket" },
    { at: `PUT /full/${"k".repeat(1025)}`, body: "", is: "400 KeyTooLongError" },
    { at: `GET /full/${"%C3%BC".repeat(513)}`, is: "400 KeyTooLongError" },
    { at: "GET /full/%FF%FE", key: "none", is: "400 InvalidURI" },
    { at: "GET /full/%zz", key: "none", is: "400 InvalidURI" },
  ]));

test("making and removing buckets", () =>
  walk([
    { at: "PUT /one-more", body: "<Create", is: "400 MalformedXML" },
    { at: "PUT /one-more", body: "<Other></Other>", is: "400 MalformedXML" },
    {
      at: "PUT /one-more",
      body: "<CreateBucketConfiguration><LocationConstraint>moon-1</LocationConstraint></CreateBucketConfiguration>",
      is: "400 InvalidLocationConstraint",
    },
    { at: "PUT /one-more", headers: { "x-amz-acl": "public-ish" }, is: "400 InvalidArgument" },
    { at: "PUT /one-more", headers: { "x-amz-object-ownership": "Nobody" }, is: "400 InvalidArgument" },
    {
      at: "PUT /one-more",
      headers: { "x-amz-acl": "public-read", "x-amz-object-ownership": "BucketOwnerEnforced" },
      is: "400 InvalidBucketAclWithObjectOwnership",
    },
    { at: "HEAD /one-more", is: "404" },
    { at: "PUT /full", key: "other", is: "409 BucketAlreadyExists" },
    { at: "DELETE /full", is: "409 BucketNotEmpty" },
    { at: "DELETE /versions", is: "409 BucketNotEmpty" },
    { at: "DELETE /nobody-has-it", is: "404 NoSuchBucket" },
    { at: "DELETE /bare", key: "other", is: "403 AccessDenied" },
    { at: "GET /full", headers: { "x-amz-expected-bucket-owner": "123456789012" }, is: "403 AccessDenied" },
    { at: "GET /full", headers: { "x-amz-expected-bucket-owner": "me" }, is: "400 InvalidBucketOwnerAWSAccountID" },
  ]));

test("methods that are none of the resource's, and what is not done at all", () =>
  walk([
    { at: "POST /full/ten", is: "405 MethodNotAllowed" },
    { at: "PATCH /full/ten", is: "405 MethodNotAllowed" },
    { at: "PUT /", is: "405 MethodNotAllowed" },
    { at: "POST /full?versioning", is: "405 MethodNotAllowed" },
    { at: "DELETE /full?versioning", is: "405 MethodNotAllowed" },
    { at: "POST /full?acl", is: "405 MethodNotAllowed" },
    { at: "PUT /full?location", is: "405 MethodNotAllowed" },
    { at: "DELETE /full/ten?acl", is: "405 MethodNotAllowed" },
    { at: "POST /full/ten?tagging", is: "405 MethodNotAllowed" },
    { at: "PUT /full/ten?uploads", is: "405 MethodNotAllowed" },
    { at: "PUT /full?replication", is: "501 NotImplemented" },
    { at: "PUT /full?accelerate", is: "501 NotImplemented" },
    { at: "PUT /full?inventory&id=a", is: "501 NotImplemented" },
    ...["abac", "metadataInventoryTable", "metadataJournalTable"].flatMap((name) => [
      { at: `GET /full?${name}`, is: "501 NotImplemented" },
      { at: `PUT /full?${name}`, is: "501 NotImplemented" },
    ]),
    { at: "GET /full/ten?torrent", is: "501 NotImplemented" },
    // Nor a version of what has none.
    ...["PUT /full/new?", "PUT /full/large?partNumber=1&uploadId={upload}&", "GET /full?", "GET /full?versions&"].map((at) => ({
      at: `${at}versionId=null`,
      is: "400 InvalidArgument",
    })),
    { at: "POST /full/ten?restore", is: "501 NotImplemented" },
    { at: "POST /full/ten?select&select-type=2", is: "501 NotImplemented" },
  ]));

const put = (headers: Record<string, string>, is: string, body = "abc"): Case => ({ at: "PUT /full/refused", headers, body, is });

test("putting objects", async () => {
  const lock = (mode: string, until: string): Record<string, string> => ({
    "x-amz-object-lock-mode": mode,
    "x-amz-object-lock-retain-until-date": until,
  });
  const customer = "x-amz-server-side-encryption-customer-";
  await walk([
    put({ "Content-MD5": "no digest" }, "400 InvalidDigest"),
    put({ "Content-MD5": "AAAAAAAAAAAAAAAAAAAAAA==" }, "400 BadDigest"),
    put({ "x-amz-checksum-crc32": "AAAAAA==" }, "400 BadDigest"),
    put({ "x-amz-checksum-sha256": "short" }, "400 InvalidRequest"),
    put({ "x-amz-checksum-md4": "AAAA" }, "400 InvalidRequest"),
    put({ "x-amz-checksum-crc32": "NSRBwg==", "x-amz-checksum-crc32c": "Nks/tw==" }, "400 InvalidRequest"),
    put({ "x-amz-sdk-checksum-algorithm": "CRC32" }, "400 InvalidRequest"),
    put({ "x-amz-trailer": "x-amz-checksum-md4" }, "400 InvalidRequest"),
    put({ "x-amz-meta-a": "x".repeat(2048) }, "400 MetadataTooLarge"),
    put({ "x-amz-meta-a": "x".repeat(1024), "x-amz-meta-b": "x".repeat(1023) }, "400 MetadataTooLarge"),
    put({ "x-amz-storage-class": "COLD" }, "400 InvalidStorageClass"),
    put({ "x-amz-server-side-encryption": "rot13" }, "400 InvalidArgument"),
    put({ "x-amz-server-side-encryption": "aws:kms:dsse" }, "501 NotImplemented"),
    put(
      { [`${customer}algorithm`]: "AES128", [`${customer}key`]: "a", [`${customer}key-MD5`]: "b" },
      "400 InvalidEncryptionAlgorithmError",
    ),
    put({ [`${customer}algorithm`]: "AES256" }, "400 InvalidArgument"),
    put(
      { [`${customer}algorithm`]: "AES256", [`${customer}key`]: "AAAA", [`${customer}key-MD5`]: "AAAA" },
      "400 InvalidArgument",
    ),
    put({ "x-amz-website-redirect-location": "nowhere" }, "400 InvalidRedirectLocation"),
    put({ "x-amz-acl": "private-ish" }, "400 InvalidArgument"),
    put({ "x-amz-acl": "private", "x-amz-grant-read": `id="${"a".repeat(64)}"` }, "400 InvalidRequest"),
    put({ "x-amz-grant-read": 'id="nobody"' }, "400 InvalidArgument"),
    put({ "x-amz-grant-read": 'uri="http://example.org/all"' }, "400 InvalidArgument"),
    put({ "x-amz-grant-read": "anybody" }, "400 InvalidArgument"),
    put(
      {
        "x-amz-tagging": many(11)
          .map((pair) => pair.join("="))
          .join("&"),
      },
      "400 InvalidTag",
    ),
    put({ "x-amz-tagging": "a=1&a=2" }, "400 InvalidArgument"),
    ...["a=1,b=2", "a==1", "=1"].map((tags) => put({ "x-amz-tagging": tags }, "400 InvalidArgument")),
    put({ "x-amz-tagging": "aws:a=1" }, "400 InvalidTag"),
    put({ "x-amz-tagging": `${"k".repeat(129)}=1` }, "400 InvalidTag"),
    put({ "x-amz-tagging": `a=${"v".repeat(257)}` }, "400 InvalidTag"),
    put({ "x-amz-tagging": "a=%FF" }, "400 InvalidArgument"),
    put(lock("GOVERNANCE", "2090-01-01T00:00:00Z"), "400 InvalidRequest"),
    put({ "If-None-Match": "*", "If-Match": '"5d41402abc4b2a76b9719d911017c592"' }, "501 NotImplemented"),
    put({ "If-Match": '"5d41402abc4b2a76b9719d911017c592"' }, "404 NoSuchKey"),
    put({ "If-Match": "*" }, "501 NotImplemented"),
    put({ "If-None-Match": '"5d41402abc4b2a76b9719d911017c592"' }, "501 NotImplemented"),
    { at: "PUT /full/ten", headers: { "If-Match": '"0"' }, body: "", is: "412 PreconditionFailed" },
    { at: "PUT /full/ten", headers: { "If-None-Match": "*" }, body: "", is: "412 PreconditionFailed" },
    { at: "PUT /full/ten", key: "other", body: "", is: "403 AccessDenied" },
    { at: "PUT /full/refused", headers: { "Content-Length": String(5 * 1024 ** 3 + 1) }, is: "400 EntityTooLarge" },
    { at: "GET /full/refused", is: "404 NoSuchKey" },
    ...[lock("GOVERNANCE", "2001-01-01T00:00:00Z"), lock("GOVERNANCE", "soon"), lock("KEEP", "2090-01-01T00:00:00Z")].map(
      (headers) => ({
        at: "PUT /locked/new",
        headers,
        body: "",
        is: "400 InvalidArgument",
      }),
    ),
    { at: "PUT /locked/new", headers: { "x-amz-object-lock-mode": "GOVERNANCE" }, body: "", is: "400 InvalidArgument" },
    { at: "PUT /locked/new", headers: { "x-amz-object-lock-legal-hold": "MAYBE" }, body: "", is: "400 InvalidArgument" },
  ]);
});

test("reading objects, their parts, ranges and versions", () =>
  walk([
    { at: "GET /full/none", is: "404 NoSuchKey" },
    { at: "HEAD /full/none", is: "404" },
    { at: "GET /full/ten", headers: { Range: "bytes=10-" }, is: "416 InvalidRange" },
    { at: "GET /full/ten", headers: { Range: "bytes=-0" }, is: "416 InvalidRange" },
    { at: "HEAD /full/ten", headers: { Range: "bytes=99-" }, is: "416" },
    { at: "GET /full/ten", headers: { Range: "bytes=9-2" }, is: "200" },
    { at: "GET /full/ten", headers: { Range: "lines=1-2" }, is: "200" },
    { at: "GET /full/ten", headers: { Range: "bytes=0-1,4-5" }, is: "200" },
    { at: "GET /full/ten?partNumber=0", is: "400 InvalidArgument" },
    { at: "GET /full/ten?partNumber=10001", is: "400 InvalidArgument" },
    { at: "GET /full/ten?partNumber=0", headers: { Range: "bytes=0-1" }, is: "400 InvalidRequest" },
    { at: "GET /full/ten?versionId=", is: "400 InvalidArgument" },
    { at: "GET /full/ten?versionId=no-version", is: "400 InvalidArgument" },
    { at: "GET /full/ten?versionId={upload}", is: "400 InvalidArgument" },
    { at: "GET /versions/gone", is: "404 NoSuchKey" },
    { at: "GET /versions/gone?versionId={marker}", is: "405 MethodNotAllowed" },
    { at: "HEAD /versions/gone?versionId={marker}", is: "405" },
    { at: `GET /versions/gone?versionId=${"0".repeat(32)}`, is: "404 NoSuchVersion" },
    { at: "GET /full/ten", headers: { "If-Match": '"other"' }, is: "412 PreconditionFailed" },
    { at: "GET /full/ten", headers: { "If-Unmodified-Since": "Mon, 01 Jan 2001 00:00:00 GMT" }, is: "412 PreconditionFailed" },
    { at: "GET /full/ten", headers: { "If-None-Match": '"781e5e245d69b566979b86e28d23f2c7"' }, is: "304" },
    { at: "GET /full/ten", headers: { "x-amz-server-side-encryption": "AES256" }, is: "400 InvalidArgument" },
    { at: "GET /full/ten?attributes", headers: { "x-amz-object-attributes": "Colour" }, is: "400 InvalidArgument" },
    { at: "GET /full/ten?attributes", is: "400 InvalidRequest" },
    { at: "GET /full/ten?response-expires=x", key: "none", is: "400 InvalidRequest" },
    { at: "GET /full/ten", key: "other", is: "403 AccessDenied" },
    { at: "GET /full/none", key: "other", is: "403 AccessDenied" },
  ]));

const copy = (source: string, is: string, headers: Record<string, string> = {}): Case => ({
  at: "PUT /full/copied",
  headers: { "x-amz-copy-source": source, ...headers },
  is,
});

test("copying", () =>
  walk([
    copy("full", "400 InvalidArgument"),
    copy("/full/", "400 InvalidArgument"),
    copy("/full/%FF", "400 InvalidArgument"),
    copy("/nobody-has-it/key", "404 NoSuchBucket"),
    copy("/full/none", "404 NoSuchKey"),
    copy("/full/ten", "400 InvalidArgument", { Range: "bytes=0-1" }),
    copy("/versions/gone", "404 NoSuchKey"),
    copy("/versions/gone?versionId={marker}", "400 InvalidRequest"),
    copy("/full/ten", "400 InvalidArgument", { "x-amz-metadata-directive": "MERGE" }),
    copy("/full/ten", "400 InvalidArgument", { "x-amz-tagging-directive": "MERGE" }),
    copy("/full/ten", "400 InvalidStorageClass", { "x-amz-storage-class": "COLD" }),
    copy("/full/ten", "400 InvalidRequest", { "x-amz-checksum-algorithm": "CRC16" }),
    copy("/full/ten", "412 PreconditionFailed", { "x-amz-copy-source-if-match": '"other"' }),
    copy("/full/ten", "412 PreconditionFailed", { "x-amz-copy-source-if-modified-since": new Date().toUTCString() }),
    copy("/full/ten", "400 MetadataTooLarge", { "x-amz-metadata-directive": "REPLACE", "x-amz-meta-a": "x".repeat(2049) }),
    { at: "PUT /full/ten", headers: { "x-amz-copy-source": "/full/ten" }, is: "400 InvalidRequest" },
  ]));

test("removing objects, one and many", () => {
  const md5 = { "x-amz-checksum-algorithm": "CRC32" };
  const object = "<Object><Key>k</Key></Object>";
  return walk([
    { at: "DELETE /full/none", is: "204" },
    { at: "DELETE /full/ten?versionId=no-version", is: "400 InvalidArgument" },
    { at: "DELETE /full/ten", headers: { "If-Match": '"other"' }, is: "412 PreconditionFailed" },
    { at: "DELETE /full/ten", key: "other", is: "403 AccessDenied" },
    { at: "POST /full?delete", headers: md5, body: `<Delete>${object}</Delete>`, is: "400 InvalidRequest" },
    { at: "POST /full?delete", headers: { "Content-MD5": "x" }, body: `<Delete>${object}</Delete>`, is: "400 InvalidDigest" },
  ]);
});

const parts = (...each: [number, string][]): string =>
  `<CompleteMultipartUpload>${each.map(([number, etag]) => `<Part><PartNumber>${number}</PartNumber><ETag>${etag}</ETag></Part>`).join("")}</CompleteMultipartUpload>`;

test("uploads in parts", () => {
  const complete = (body: string, is: string): Case => ({ at: "POST /full/large?uploadId={upload}", body, is });
  return walk([
    { at: "PUT /full/large?partNumber=0&uploadId={upload}", body: "a", is: "400 InvalidArgument" },
    { at: "PUT /full/large?partNumber=10001&uploadId={upload}", body: "a", is: "400 InvalidArgument" },
    { at: "PUT /full/large?partNumber=one&uploadId={upload}", body: "a", is: "400 InvalidArgument" },
    { at: "PUT /full/large?partNumber=1&uploadId=none", body: "a", is: "404 NoSuchUpload" },
    { at: "PUT /full/other?partNumber=1&uploadId={upload}", body: "a", is: "404 NoSuchUpload" },
    {
      at: "PUT /full/large?partNumber=3&uploadId={upload}",
      headers: { "Content-MD5": "AAAAAAAAAAAAAAAAAAAAAA==" },
      body: "a",
      is: "400 BadDigest",
    },
    ...[
      ["/full/none", "", "404 NoSuchKey"],
      ["/full/ten", "bytes=0-10", "400 InvalidArgument"],
      ["/full/ten", "bytes=0-", "400 InvalidArgument"],
      ["/full/ten", "0-3", "400 InvalidArgument"],
    ].map(([source = "", range = "", is = ""]) => ({
      at: "PUT /full/large?partNumber=3&uploadId={upload}",
      headers: { "x-amz-copy-source": source, ...(range && { "x-amz-copy-source-range": range }) },
      is,
    })),
    complete("", "400 MalformedXML"),
    complete("<CompleteMultipartUpload/>", "400 MalformedXML"),
    complete("<Parts></Parts>", "400 MalformedXML"),
    complete(parts([2, "{etag2}"], [1, "{etag1}"]), "400 InvalidPartOrder"),
    complete(parts([1, "{etag1}"], [7, "{etag2}"]), "400 InvalidPart"),
    complete(parts([1, '"00000000000000000000000000000000"']), "400 InvalidPart"),
    complete(parts([1, "{etag1}"], [2, "{etag2}"]), "400 EntityTooSmall"),
    complete(parts([0, "{etag1}"]), "400 InvalidArgument"),
    { at: "POST /full/large?uploadId=none", body: parts([1, "a"]), is: "404 NoSuchUpload" },
    { at: "DELETE /full/large?uploadId=none", is: "404 NoSuchUpload" },
    { at: "GET /full/large?uploadId=none", is: "404 NoSuchUpload" },
    { at: "GET /full/large?uploadId={upload}&max-parts=-1", is: "400 InvalidArgument" },
    { at: "GET /full/large?uploadId={upload}&part-number-marker=x", is: "400 InvalidArgument" },
    { at: "GET /full?uploads&max-uploads=x", is: "400 InvalidArgument" },
    { at: "GET /full?uploads&encoding-type=base64", is: "400 InvalidArgument" },
    { at: "POST /full/large?uploads", headers: { "x-amz-storage-class": "COLD" }, is: "400 InvalidStorageClass" },
    { at: "POST /full/large?uploads", headers: { "x-amz-checksum-algorithm": "CRC16" }, is: "400 InvalidRequest" },
    { at: "PUT /full/large?partNumber=1", body: "a", is: "400 InvalidArgument" },
    { at: "GET /full/large?uploads", is: "400 InvalidRequest" },
    { at: "GET /full/large?versions", is: "400 InvalidRequest" },
    { at: "POST /full/large?uploads", headers: { "x-amz-checksum-type": "COMPOSITE" }, is: "400 InvalidRequest" },
  ]);
});

test("listings", () =>
  walk([
    { at: "GET /full?max-keys=-1", is: "400 InvalidArgument" },
    { at: "GET /full?max-keys=many", is: "400 InvalidArgument" },
    { at: "GET /full?encoding-type=gzip", is: "400 InvalidArgument" },
    { at: "GET /full?list-type=2&continuation-token=forged", is: "400 InvalidArgument" },
    { at: "GET /full?versions&version-id-marker=x", is: "400 InvalidArgument" },
    { at: "GET /full?versions&max-keys=0", is: "200" },
    { at: "GET /full", key: "other", is: "403 AccessDenied" },
    { at: "GET /", key: "none", is: "403 AccessDenied" },
    { at: "GET /?max-buckets=0", is: "400 InvalidArgument" },
  ]));

test("configurations that are not there", () =>
  walk([
    ...Object.entries({
      policy: "NoSuchBucketPolicy",
      lifecycle: "NoSuchLifecycleConfiguration",
      cors: "NoSuchCORSConfiguration",
      tagging: "NoSuchTagSet",
      website: "NoSuchWebsiteConfiguration",
      encryption: "ServerSideEncryptionConfigurationNotFoundError",
      publicAccessBlock: "NoSuchPublicAccessBlockConfiguration",
      ownershipControls: "OwnershipControlsNotFoundError",
      "object-lock": "ObjectLockConfigurationNotFoundError",
      replication: "ReplicationConfigurationNotFoundError",
      "inventory&id=a": "NoSuchConfiguration",
    }).map(([name, code]) => ({ at: `GET /bare?${name}`, is: `404 ${code}` })),
    ...[
      "policy",
      "lifecycle",
      "cors",
      "tagging",
      "website",
      "encryption",
      "publicAccessBlock",
      "ownershipControls",
      "replication",
    ].map((name) => ({ at: `DELETE /bare?${name}`, is: "204" })),
    ...["acl", "versioning", "logging", "notification", "requestPayment", "location", "accelerate"].map((name) => ({
      at: `GET /bare?${name}`,
      is: "200",
    })),
    { at: "GET /locked/open?retention", is: "404 NoSuchObjectLockConfiguration" },
    { at: "GET /locked/open?legal-hold", is: "404 NoSuchObjectLockConfiguration" },
    { at: "GET /full/ten?retention", is: "400 InvalidRequest" },
    { at: "GET /full/none?tagging", is: "404 NoSuchKey" },
    { at: "GET /full/none?acl", is: "404 NoSuchKey" },
  ]));

const documents = [
  "acl",
  "versioning",
  "lifecycle",
  "cors",
  "tagging",
  "website",
  "encryption",
  "publicAccessBlock",
  "ownershipControls",
  "object-lock",
  "requestPayment",
  "logging",
  "notification",
];

test("documents that are none", () =>
  walk([
    ...documents.flatMap((name) => {
      const malformed = name === "acl" ? "400 MalformedACLError" : "400 MalformedXML";
      const empty = name === "acl" ? "400 MissingSecurityHeader" : "400 MissingRequestBodyError";
      return [
        { at: `PUT /bare?${name}`, body: "", is: empty },
        { at: `PUT /bare?${name}`, body: "no document", is: malformed },
        { at: `PUT /bare?${name}`, body: "<Other><Thing>1</Thing></Other>", is: malformed },
        { at: `PUT /bare?${name}`, body: "<!DOCTYPE a [<!ENTITY b 'c'>]><a>&b;</a>", is: malformed },
        { at: `PUT /bare?${name}`, body: "<a/>", key: "other" as const, is: "403 AccessDenied" },
      ];
    }),
    ...["tagging", "retention", "legal-hold"].flatMap((name) => [
      {
        at: `PUT /locked/open?${name}`,
        body: "",
        is: name === "legal-hold" ? "400 MalformedXML" : "400 MissingRequestBodyError",
      },
      { at: `PUT /locked/open?${name}`, body: "<Other/>", is: "400 MalformedXML" },
    ]),
    { at: "PUT /bare?policy", body: "", is: "400 MalformedPolicy" },
    { at: "PUT /bare?policy", body: "<Policy/>", is: "400 MalformedPolicy" },
    { at: "PUT /bare?policy", body: '{"Version":"2012-10-17","Statement":[]}', is: "400 MalformedPolicy" },
    {
      at: "PUT /bare?policy",
      body: JSON.stringify({ Version: "2012-10-17", Id: "x".repeat(21_000), Statement: [] }),
      is: "400 MalformedPolicy",
    },
  ]));

const rule = (inside: string): string =>
  `<LifecycleConfiguration><Rule><ID>a</ID><Status>Enabled</Status><Filter/>${inside}</Rule></LifecycleConfiguration>`;
const cors = (inside: string): string => `<CORSConfiguration><CORSRule>${inside}</CORSRule></CORSConfiguration>`;

const website = (inside: string): string => `<WebsiteConfiguration>${inside}</WebsiteConfiguration>`;

test("documents whose content is wrong", () =>
  walk([
    { at: "PUT /bare?versioning", body: "<VersioningConfiguration/>", is: "400 IllegalVersioningConfigurationException" },
    {
      at: "PUT /bare?versioning",
      body: "<VersioningConfiguration><Status>On</Status></VersioningConfiguration>",
      is: "400 MalformedXML",
    },
    {
      at: "PUT /locked?versioning",
      body: "<VersioningConfiguration><Status>Suspended</Status></VersioningConfiguration>",
      is: "409 InvalidBucketState",
    },
    { at: "PUT /bare?lifecycle", body: "<LifecycleConfiguration/>", is: "400 MalformedXML" },
    { at: "PUT /bare?lifecycle", body: rule(""), is: "400 InvalidRequest" },
    { at: "PUT /bare?lifecycle", body: rule("<Expiration><Days>0</Days></Expiration>"), is: "400 InvalidArgument" },
    {
      at: "PUT /bare?lifecycle",
      body: rule("<Expiration><Days>1</Days><Date>2030-01-01T00:00:00Z</Date></Expiration>"),
      is: "400 MalformedXML",
    },
    {
      at: "PUT /bare?lifecycle",
      body: rule("<Expiration><Date>2030-01-01T01:00:00Z</Date></Expiration>"),
      is: "400 InvalidArgument",
    },
    {
      at: "PUT /bare?lifecycle",
      body: rule("<Expiration><Days>1</Days></Expiration>")
        .replace("<Rule>", `<Rule><Prefix>${"p".repeat(1025)}</Prefix>`)
        .replace("<Filter/>", ""),
      is: "400 InvalidRequest",
    },
    { at: "PUT /bare?cors", body: "<CORSConfiguration/>", is: "400 MalformedXML" },
    { at: "PUT /bare?cors", body: cors("<AllowedMethod>GET</AllowedMethod>"), is: "400 MalformedXML" },
    {
      at: "PUT /bare?cors",
      body: cors("<AllowedOrigin>*</AllowedOrigin><AllowedMethod>PATCH</AllowedMethod>"),
      is: "400 InvalidRequest",
    },
    {
      at: "PUT /bare?cors",
      body: cors("<AllowedOrigin>*.*</AllowedOrigin><AllowedMethod>GET</AllowedMethod>"),
      is: "400 InvalidRequest",
    },
    ...["<ExposeHeader>a b</ExposeHeader>", "<AllowedHeader>a/b</AllowedHeader>"].map((header) => ({
      at: "PUT /bare?cors",
      body: cors(`<AllowedOrigin>*</AllowedOrigin><AllowedMethod>GET</AllowedMethod>${header}`),
      is: "400 InvalidRequest",
    })),
    {
      at: "PUT /bare?cors",
      body: `<CORSConfiguration>${"<CORSRule><AllowedOrigin>*</AllowedOrigin><AllowedMethod>GET</AllowedMethod></CORSRule>".repeat(101)}</CORSConfiguration>`,
      is: "400 InvalidRequest",
    },
    ...[
      ["k".repeat(129), "v"],
      ["k", "v".repeat(257)],
    ].map(([key, value]) => ({
      at: "PUT /bare?lifecycle",
      body: rule("<Expiration><Days>1</Days></Expiration>").replace(
        "<Filter/>",
        `<Filter><Tag><Key>${key}</Key><Value>${value}</Value></Tag></Filter>`,
      ),
      is: "400 InvalidRequest",
    })),
    { at: "PUT /bare?tagging", body: tagging(many(51)), is: "400 InvalidTag" },
    { at: "PUT /bare?tagging", body: tagging([["aws:a", "b"]]), is: "400 InvalidTag" },
    // No tags.
    { at: "PUT /bare?tagging", body: "<Tagging/>", is: "204" },
    { at: "PUT /full/ten?tagging", body: tagging(many(11)), is: "400 InvalidTag" },
    {
      at: "PUT /full/ten?tagging",
      body: tagging([
        ["a", "1"],
        ["a", "2"],
      ]),
      is: "400 InvalidTag",
    },
    { at: "PUT /full/none?tagging", body: tagging(many(1)), is: "404 NoSuchKey" },
    {
      at: "PUT /full?object-lock",
      body: "<ObjectLockConfiguration><ObjectLockEnabled>Enabled</ObjectLockEnabled></ObjectLockConfiguration>",
      is: "409 InvalidBucketState",
    },
    {
      at: "PUT /full/ten?retention",
      body: "<Retention><Mode>GOVERNANCE</Mode><RetainUntilDate>2090-01-01T00:00:00Z</RetainUntilDate></Retention>",
      is: "400 InvalidRequest",
    },
    {
      at: "PUT /locked/open?retention",
      body: "<Retention><Mode>KEEP</Mode><RetainUntilDate>2090-01-01T00:00:00Z</RetainUntilDate></Retention>",
      is: "400 MalformedXML",
    },
    {
      at: "PUT /locked/open?retention",
      body: "<Retention><Mode>GOVERNANCE</Mode><RetainUntilDate>2001-01-01T00:00:00Z</RetainUntilDate></Retention>",
      is: "400 InvalidArgument",
    },
    { at: "PUT /locked/open?legal-hold", body: "<LegalHold><Status>MAYBE</Status></LegalHold>", is: "400 MalformedXML" },
    {
      at: "PUT /bare?requestPayment",
      body: "<RequestPaymentConfiguration><Payer>Nobody</Payer></RequestPaymentConfiguration>",
      is: "400 MalformedXML",
    },
    {
      at: "PUT /bare?ownershipControls",
      body: "<OwnershipControls><Rule><ObjectOwnership>Mine</ObjectOwnership></Rule></OwnershipControls>",
      is: "400 MalformedXML",
    },
    { at: "PUT /bare?website", body: "<WebsiteConfiguration/>", is: "400 InvalidArgument" },
    { at: "PUT /bare?website", body: website("<IndexDocument><Suffix>a/b</Suffix></IndexDocument>"), is: "400 InvalidArgument" },
    {
      at: "PUT /bare?website",
      body: website("<IndexDocument><Suffix>a</Suffix></IndexDocument><RoutingRules></RoutingRules>"),
      is: "400 MalformedXML",
    },
    {
      at: "PUT /bare?website",
      body: website("<RedirectAllRequestsTo><HostName>example.org</HostName><Protocol>ftp</Protocol></RedirectAllRequestsTo>"),
      is: "400 InvalidRequest",
    },
    {
      at: "PUT /bare?logging",
      body: "<BucketLoggingStatus><LoggingEnabled><TargetBucket>nobody-has-it</TargetBucket><TargetPrefix>a</TargetPrefix></LoggingEnabled></BucketLoggingStatus>",
      is: "400 InvalidTargetBucketForLogging",
    },
  ]));

test("signatures", () =>
  walk([
    { at: "GET /full", key: { accessKeyId: "AKNOBODY", secretAccessKey: "x" }, is: "403 InvalidAccessKeyId" },
    { at: "GET /full", key: { accessKeyId: "AKMAIN", secretAccessKey: "x" }, is: "403 SignatureDoesNotMatch" },
    {
      at: "GET /full",
      key: { accessKeyId: "AKMAIN", secretAccessKey: "main-secret", sessionToken: "x" },
      is: "400 InvalidToken",
    },
    { at: "GET /full", key: "none", headers: { Authorization: "AWS AKMAIN:abc" }, is: "400 InvalidRequest" },
    {
      at: "GET /full",
      key: "none",
      headers: { Authorization: "AWS4-HMAC-SHA256 nothing" },
      is: "400 AuthorizationHeaderMalformed",
    },
    { at: "GET /full?X-Amz-Algorithm=AWS4-HMAC-SHA256", key: "none", is: "400 AuthorizationQueryParametersError" },
  ]));
