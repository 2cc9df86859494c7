import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { isDeepStrictEqual } from "node:util";
import { type TestCloud, testCloud } from "../testing/fixture.ts";
import { openS3Door, type S3Door } from "../testing/s3Door.ts";

let cloud: TestCloud;
let door: S3Door;
before(async () => {
  cloud = await testCloud({ runner: false });
  door = await openS3Door(cloud);
  for (const name of ["full-box", "free-box"]) await cloud.bucket(name);
});
after(async () => {
  await door.stop();
  await cloud.stop();
});

/** Once the S3 door, another process by day, has heard of it too. */
async function quota(body: object) {
  const { body: shown } = await cloud.call("owner", "PUT", "/buckets/full-box/quota", body);
  const { s3Backend } = cloud.objects;
  const isKnown = async () =>
    isDeepStrictEqual((await s3Backend.configuration(await s3Backend.bucketByName("full-box"))).quota ?? {}, body);
  for (const end = Date.now() + 60_000; !(await isKnown()) && Date.now() < end; )
    await new Promise((resolve) => setTimeout(resolve, 10));
  return shown;
}
const put = (key: string, bytes: number, bucket = "full-box") =>
  door.call({ method: "PUT", path: `/${bucket}/${key}`, body: "x".repeat(bytes) });
const codeOf = ({ text }: { text: string }): string | undefined => /<Code>(\w+)/.exec(text)?.[1];

test("what does not fit into the bucket is refused at every door; other buckets do not mind, and a deletion makes room", async () => {
  const refused = await cloud.call("editor", "PUT", "/buckets/full-box/quota", { bytes: 1 });
  assert.equal(refused.status, 403, "whoever writes does not lift the limit");
  assert.deepEqual(await quota({ bytes: 100 }), { bytes: 100, usedBytes: 0, usedObjects: 0 });
  assert.equal((await put("a", 60)).status, 200);
  const over = await put("b", 41);
  assert.deepEqual([over.status, codeOf(over)], [403, "QuotaExceeded"]);
  assert.match(over.text, /The bucket full-box may hold 100 bytes and has 60: 41 more do not fit/);
  const headers = { "x-amz-copy-source": "/full-box/a" };
  assert.equal(codeOf(await door.call({ method: "PUT", path: "/full-box/copy", headers })), "QuotaExceeded");
  const uploadId = /<UploadId>(\w+)/.exec((await door.call({ method: "POST", path: "/full-box/parts?uploads" })).text)?.[1];
  const part = (bytes: number) =>
    door.call({ method: "PUT", path: `/full-box/parts?partNumber=1&uploadId=${uploadId}`, body: "x".repeat(bytes) });
  assert.equal(codeOf(await part(41)), "QuotaExceeded");
  assert.equal((await part(30)).status, 200);
  assert.equal(codeOf(await put("b", 11)), "QuotaExceeded", "unfinished uploads count");
  const byApi = await cloud.fetch("editor", "/buckets/full-box/object/content?key=b", { method: "PUT", body: "x".repeat(11) });
  assert.equal(((await byApi.json()) as { code: string }).code, "quota_exceeded");
  assert.equal((await put("b", 1000, "free-box")).status, 200);
  assert.equal((await put("b", 10)).status, 200, "to the last byte");
  const shown = (await cloud.call("viewer", "GET", "/buckets/full-box/quota")).body;
  assert.deepEqual(shown, { bytes: 100, usedBytes: 100, usedObjects: 2 });
  assert.equal((await door.call({ method: "DELETE", path: "/full-box/a" })).status, 204);
  assert.equal((await put("c", 60)).status, 200);
});

test("parallel writes stop at the limit, and what failed leaves its room", async () => {
  await quota({ bytes: 2_100_000 });
  const answers = await Promise.all(Array.from({ length: 10 }, (_, index) => put(`many-${index}`, 500_000)));
  assert.equal(answers.filter(({ status }) => status === 200).length, 4, "with what is there, four fit");
  assert.equal((await put("rest", 99_000)).status, 200);
});

test("objects can be limited too, and no limit is none", async () => {
  const { usedObjects } = await quota({});
  await quota({ objects: usedObjects + 1 });
  assert.equal((await put("last", 1)).status, 200);
  const over = await put("one%20more", 1);
  assert.match(over.text, /QuotaExceeded.*may hold \d+ objects/s);
  await quota({});
  assert.equal((await put("one%20more", 1)).status, 200);
});
