import assert from "node:assert/strict";
import { readdir } from "node:fs/promises";
import { test } from "node:test";
import { CloudError, errorCodes } from "../../../kernel/errors.ts";
import { S3Error, s3ErrorStatus, toS3Error } from "./errors.ts";
import { parseRequest } from "./request.ts";
import { findRoute, routeNames } from "./routes.ts";

const request = (method: string, url: string, headers: Record<string, string> = {}) =>
  parseRequest({ method, url, rawHeaders: Object.entries({ Host: "localhost", ...headers }).flat() }, [
    "localhost",
    "s3.example.org",
  ]);

const operation = (method: string, url: string, headers: Record<string, string> = {}): string =>
  findRoute(request(method, url, headers)).name;

test("method, path and query name one operation", () => {
  assert.equal(operation("GET", "/"), "ListBuckets");
  assert.equal(operation("GET", "/", { Host: "bucket.s3.example.org:9000" }), "ListObjects");
  assert.equal(operation("GET", "/bucket/"), "ListObjects");
  assert.equal(operation("GET", "/bucket?list-type=2&prefix=acl"), "ListObjectsV2");
  assert.equal(operation("GET", "/bucket?list-type=1"), "ListObjects");
  assert.equal(operation("PUT", "/bucket/key?x-id=PutObject"), "PutObject");
  assert.equal(operation("PUT", "/bucket/key", { "x-amz-copy-source": "a/b" }), "CopyObject");
  assert.equal(operation("PUT", "/bucket/key?partNumber=1&uploadId=u", { "x-amz-copy-source": "a/b" }), "UploadPartCopy");
  assert.equal(operation("POST", "/bucket/key?uploads"), "CreateMultipartUpload");
  assert.equal(operation("POST", "/bucket?delete="), "DeleteObjects");
  assert.equal(operation("GET", "/bucket/key?uploadId=u"), "ListParts");
  const refused = (method: string, url: string, code: string) =>
    assert.throws(
      () => findRoute(request(method, url)),
      (error) => error instanceof S3Error && error.code === code,
    );
  refused("PUT", "/bucket?replication", "NotImplemented");
  refused("GET", "/bucket/key?torrent", "NotImplemented");
  refused("POST", "/bucket/key", "MethodNotAllowed");
  refused("PUT", "/", "MethodNotAllowed");
});

test("every operation has its file and its row", async () => {
  const files = (await readdir(new URL("operations", import.meta.url)))
    .map((name) => name.replace(".ts", ""))
    .filter((name) => name !== "unconfigured");
  const named = new Set(
    routeNames().map((name) => {
      const [, method, shape, subresource, header] = /^(\w+) (\w+)(?:\?([\w-]+))?(?: \+(.*))?$/.exec(name)!;
      const path = { service: "/", bucket: "/bucket", object: "/bucket/key" }[shape!]!;
      const value = subresource === "list-type" ? "=2" : "";
      return operation(method!, subresource ? `${path}?${subresource}${value}` : path, header ? { [header]: "a/b" } : {});
    }),
  );
  for (const file of files) assert.ok(named.has(file), `${file} has no row`);
});

test("bucket and key are found in the host and in the path", () => {
  const parts = (url: string, host = "localhost") => {
    const { bucketName, key } = request("GET", url, { Host: host });
    return [bucketName, key];
  };
  assert.deepEqual(parts("/bucket/a/b%2Fc//d+e%20f"), ["bucket", "a/b/c//d+e f"]);
  assert.deepEqual(parts("/%C3%BC", "my.bucket.s3.example.org"), ["my.bucket", "ü"]);
  assert.deepEqual(parts("//double", "bucket.localhost:9000"), ["bucket", "/double"]);
  assert.deepEqual(parts("/bucket/key", "192.0.2.1"), ["bucket", "key"]);
  assert.deepEqual(parts("http://localhost/bucket/key?x"), ["bucket", "key"]);
  assert.throws(() => parts("/bucket/%FF"), S3Error);
  assert.throws(() => parts("//key"), S3Error);
});

test("every error of the cloud is an error of S3", () => {
  for (const code of errorCodes) assert.ok(s3ErrorStatus[toS3Error(new CloudError(code, "x")).code] >= 400);
  const translated = (code: (typeof errorCodes)[number], details: Record<string, unknown>) =>
    toS3Error(new CloudError(code, "x", { details })).code;
  assert.equal(translated("not_found", { resource: "bucket" }), "NoSuchBucket");
  assert.equal(translated("failed_precondition", { reason: "part_too_small" }), "EntityTooSmall");
  assert.equal(translated("invalid_argument", { reason: "bad_digest", algorithm: "md5" }), "BadDigest");
  assert.equal(translated("invalid_argument", { reason: "bad_digest", algorithm: "sha256" }), "XAmzContentSHA256Mismatch");
  assert.equal(toS3Error(new TypeError("secret")).message, "We encountered an internal error. Please try again.");
});
