import assert from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { openLocalStore } from "../drivers/local/index.ts";
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
