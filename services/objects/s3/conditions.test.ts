import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import type { ObjectStore } from "../driver.ts";
import { openLocalStore } from "../drivers/local/index.ts";
import { type Answer, type Call, send } from "./testing/client.ts";
import { startDoor } from "./testing/door.ts";

let directory: string;
let store: ObjectStore;
let door: Awaited<ReturnType<typeof startDoor>>;

before(async () => {
  directory = await mkdtemp(join(tmpdir(), "khmara-s3-"));
  store = await openLocalStore({ directory });
  door = await startDoor(store);
  assert.equal((await call("PUT", "/box-one")).status, 200);
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
const put = async (key: string, body: string, headers: Headers = {}): Promise<string> => {
  const answer = await call("PUT", `/box-one/${key}`, headers, body);
  assert.equal(answer.status, 200, answer.text);
  return answer.headers.etag as string;
};
const other = `"${"0".repeat(32)}"`;
const past = "Mon, 01 Jan 2024 00:00:00 GMT";
const future = "Fri, 01 Jan 2100 00:00:00 GMT";

test("reading: tags outrank dates, and what must match outranks what must not (RFC 9110, 13.2.2)", async () => {
  const etag = await put("read", "bytes");
  const rows: [Headers, number][] = [
    [{ "If-Match": etag }, 200],
    [{ "If-Match": `${other}, ${etag}` }, 200],
    [{ "If-Match": "*" }, 200],
    [{ "If-Match": other }, 412],
    [{ "If-None-Match": etag }, 304],
    [{ "If-None-Match": `W/${etag}` }, 304],
    [{ "If-None-Match": other }, 200],
    [{ "If-Modified-Since": past }, 200],
    [{ "If-Modified-Since": new Date().toUTCString() }, 304],
    // What has not come yet says nothing.
    [{ "If-Modified-Since": future }, 200],
    [{ "If-Unmodified-Since": past }, 412],
    [{ "If-Unmodified-Since": future }, 200],
    [{ "If-Match": etag, "If-Unmodified-Since": past }, 200],
    [{ "If-None-Match": etag, "If-Modified-Since": past }, 304],
    [{ "If-None-Match": other, "If-Modified-Since": future }, 200],
    [{ "If-Match": other, "If-None-Match": etag }, 412],
    [{ "If-Unmodified-Since": past, "If-None-Match": other }, 412],
    [{ "If-Modified-Since": "yesterday" }, 200],
    [{ "If-Match": other, Range: "bytes=100-" }, 412],
  ];
  for (const [headers, status] of rows)
    for (const method of ["GET", "HEAD"]) {
      const answer = await call(method, "/box-one/read", headers);
      assert.equal(answer.status, status, `${method} ${JSON.stringify(headers)}`);
      if (status === 304) assert.deepEqual([answer.headers.etag, answer.body.length], [etag, 0]);
      if (status === 412 && method === "GET") assert.match(answer.text, /<Condition>If-(Match|Unmodified-Since)<\/Condition>/);
    }
});

test("writing: by put, by copy and by the end of an upload", async () => {
  const etag = await put("source", "source");
  const document = async (key: string): Promise<[string, string]> => {
    const begun = await call("POST", `/box-one/${key}?uploads`);
    const uploadId = /<UploadId>(.*)<\/UploadId>/.exec(begun.text)?.[1] as string;
    const part = await call("PUT", `/box-one/${key}?partNumber=1&uploadId=${uploadId}`, {}, "part");
    return [
      uploadId,
      `<CompleteMultipartUpload><Part><PartNumber>1</PartNumber><ETag>${part.headers.etag}</ETag></Part></CompleteMultipartUpload>`,
    ];
  };
  const writers: Record<string, (key: string, headers: Headers) => Promise<Answer>> = {
    put: (key, headers) => call("PUT", `/box-one/${key}`, headers, "put"),
    copy: (key, headers) => call("PUT", `/box-one/${key}`, { ...headers, "x-amz-copy-source": "/box-one/source" }),
    complete: async (key, headers) => {
      const [uploadId, body] = await document(key);
      return call("POST", `/box-one/${key}?uploadId=${uploadId}`, headers, body);
    },
  };
  for (const [name, write] of Object.entries(writers)) {
    const attempt = async (headers: Headers) => {
      const answer = await write(name, headers);
      return answer.status === 200 ? 200 : [answer.status, codeOf(answer)];
    };
    assert.deepEqual(await attempt({ "If-Match": other }), [404, "NoSuchKey"], name);
    assert.deepEqual(await attempt({ "If-None-Match": "*" }), 200);
    assert.deepEqual(await attempt({ "If-None-Match": "*" }), [412, "PreconditionFailed"]);
    assert.deepEqual(await attempt({ "If-Match": other }), [412, "PreconditionFailed"]);
    const { headers } = await call("HEAD", `/box-one/${name}`);
    assert.deepEqual(await attempt({ "If-Match": headers.etag as string }), 200);
  }
  const copy = async (conditions: Headers) => {
    const headers = Object.fromEntries(Object.entries(conditions).map(([name, value]) => [`x-amz-copy-source-${name}`, value]));
    return (await call("PUT", "/box-one/copied", { ...headers, "x-amz-copy-source": "/box-one/source" })).status;
  };
  assert.equal(await copy({ "if-match": etag, "if-unmodified-since": past }), 200);
  assert.equal(await copy({ "if-match": other }), 412);
  assert.equal(await copy({ "if-none-match": etag, "if-modified-since": past }), 412);
  assert.equal(await copy({ "if-none-match": other }), 200);
  assert.equal(await copy({ "if-modified-since": new Date().toUTCString() }), 412);
  assert.equal(await copy({ "if-modified-since": future }), 200);
  assert.equal(await copy({ "if-unmodified-since": past }), 412);
});

test("of a hundred who write only where nothing is, one does; of a hundred who replace what they saw, one does", async () => {
  const writers = Array.from({ length: 100 }, (_, index) => index);
  const won = (answers: Answer[]): string[] => {
    for (const answer of answers) if (answer.status !== 200) assert.equal(codeOf(answer), "PreconditionFailed");
    return answers.filter(({ status }) => status === 200).map(({ headers }) => headers.etag as string);
  };
  const first = won(
    await Promise.all(writers.map((writer) => call("PUT", "/box-one/race", { "If-None-Match": "*" }, `writer ${writer}`))),
  );
  assert.equal(first.length, 1);
  assert.equal((await call("HEAD", "/box-one/race")).headers.etag, first[0]);
  const second = won(
    await Promise.all(
      // Large enough for files of their own.
      writers.map((writer) => call("PUT", "/box-one/race", { "If-Match": first[0] as string }, String(writer).repeat(20_000))),
    ),
  );
  assert.equal(second.length, 1);
  assert.equal((await call("HEAD", "/box-one/race")).headers.etag, second[0]);
});

test("deleting what is as it was seen: alone and among many", async () => {
  const conditions = async (key: string): Promise<{ good: Headers; bad: Headers }> => {
    const etag = await put(key, "12345");
    const modified = (await call("HEAD", `/box-one/${key}`)).headers["last-modified"] as string;
    return {
      good: { "If-Match": etag, "x-amz-if-match-size": "5", "x-amz-if-match-last-modified-time": modified },
      bad: { "If-Match": other, "x-amz-if-match-size": "6", "x-amz-if-match-last-modified-time": past },
    };
  };
  for (const name of ["If-Match", "x-amz-if-match-size", "x-amz-if-match-last-modified-time"]) {
    const { good, bad } = await conditions("deleted");
    const remove = (from: Headers) => call("DELETE", "/box-one/deleted", { [name]: from[name] as string });
    const refused = await remove(bad);
    assert.deepEqual([refused.status, codeOf(refused)], [412, "PreconditionFailed"], name);
    assert.equal((await remove(good)).status, 204);
    assert.equal((await call("HEAD", "/box-one/deleted")).status, 404);
    assert.equal((await remove(bad)).status, 204, "that there is nothing is what a deletion wants");
  }
  await call("PUT", "/kept");
  await call("PUT", "/kept?versioning", {}, "<VersioningConfiguration><Status>Enabled</Status></VersioningConfiguration>");
  await call("PUT", "/kept/marked", {}, "x");
  await call("DELETE", "/kept/marked");
  for (const [headers, status] of [
    [{ "If-Match": "*" }, 204],
    [{ "If-Match": other }, 412],
    [{ "x-amz-if-match-size": "1" }, 412],
  ] as [Headers, number][])
    assert.equal((await call("DELETE", "/kept/marked", headers)).status, status, "a delete marker is not what was seen");
  const { good } = await conditions("many-1");
  await conditions("many-2");
  const [etag, size] = [good["If-Match"], good["x-amz-if-match-size"]];
  const body = `<Delete><Object><Key>many-1</Key><ETag>${etag}</ETag><Size>${size}</Size></Object><Object><Key>many-2</Key><Size>1</Size></Object></Delete>`;
  const digest = createHash("md5").update(body).digest("base64");
  const { text } = await call("POST", "/box-one?delete", { "Content-MD5": digest }, body);
  assert.match(text, /<Deleted><Key>many-1<\/Key><\/Deleted><Error><Key>many-2<\/Key><Code>PreconditionFailed<\/Code>/);
});
