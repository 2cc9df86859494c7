import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import type { ObjectStore } from "../driver.ts";
import { openLocalStore } from "../drivers/local/index.ts";
import { type Call, send } from "./testing/client.ts";
import { startDoor } from "./testing/door.ts";

/** Versions, tags and locks, as S3's API Reference and User Guide describe them. */
let directory: string;
let store: ObjectStore;
let door: Awaited<ReturnType<typeof startDoor>>;

before(async () => {
  directory = await mkdtemp(join(tmpdir(), "khmara-s3-"));
  store = await openLocalStore({ directory });
  door = await startDoor(store);
});
after(async () => {
  await door.stop();
  await store.close();
  await rm(directory, { recursive: true, force: true });
});

const call = (method: string, path: string, body?: string, headers: Record<string, string> = {}, key: Call["key"] = "main") =>
  send({ port: door.port, method, path, headers, key, ...(body === undefined ? {} : { body }) });
const codeOf = (text: string): string | undefined => /<Code>(\w+)<\/Code>/.exec(text)?.[1];
const refused = async (answer: ReturnType<typeof call>): Promise<[number, string | undefined]> => {
  const { status, text } = await answer;
  return [status, codeOf(text)];
};
const versioning = (bucket: string, status: string) =>
  call("PUT", `/${bucket}?versioning`, `<VersioningConfiguration><Status>${status}</Status></VersioningConfiguration>`);
const put = async (path: string, body: string, headers: Record<string, string> = {}): Promise<string> => {
  const answer = await call("PUT", path, body, headers);
  assert.equal(answer.status, 200, answer.text);
  return String(answer.headers["x-amz-version-id"]);
};
async function bucketWith(name: string, status?: string): Promise<string> {
  assert.equal((await call("PUT", `/${name}`)).status, 200);
  if (status !== undefined) assert.equal((await versioning(name, status)).status, 200);
  return name;
}
/** The entries of ListObjectVersions in their order. */
const entries = (text: string): string[] =>
  [
    ...text.matchAll(
      /<(Version|DeleteMarker)><Key>([^<]*)<\/Key><VersionId>([^<]*)<\/VersionId><IsLatest>(\w+)<\/IsLatest><LastModified>[^<]*<\/LastModified>/g,
    ),
  ].map(([, kind, key, id, isLatest]) => `${isLatest === "true" ? "*" : ""}${key} ${id}${kind === "Version" ? "" : " marker"}`);

test("PutBucketVersioning and GetBucketVersioning", async () => {
  await bucketWith("states");
  const state = async () => (await call("GET", "/states?versioning")).text.split("\n")[1];
  const xmlns = 'xmlns="http://s3.amazonaws.com/doc/2006-03-01/"';
  assert.equal(await state(), `<VersioningConfiguration ${xmlns}></VersioningConfiguration>`);
  assert.equal((await call("PUT", "/states/k", "x")).headers["x-amz-version-id"], undefined);
  await versioning("states", "Enabled");
  assert.equal(await state(), `<VersioningConfiguration ${xmlns}><Status>Enabled</Status></VersioningConfiguration>`);
  await versioning("states", "Suspended");
  assert.match((await state())!, /<Status>Suspended</);
  const said = "<Status>Suspended</Status><MfaDelete>Disabled</MfaDelete>";
  await call("PUT", "/states?versioning", `<VersioningConfiguration>${said}</VersioningConfiguration>`);
  await versioning("states", "Suspended");
  assert.ok((await state())?.includes(said), "it stays said");
  assert.deepEqual(await refused(versioning("states", "enabled")), [400, "MalformedXML"]);
  assert.deepEqual(await refused(call("PUT", "/states?versioning", "<Other/>")), [400, "MalformedXML"]);
  assert.deepEqual(await refused(call("PUT", "/states?versioning", "<VersioningConfiguration/>")), [
    400,
    "IllegalVersioningConfigurationException",
  ]);
  assert.deepEqual(await refused(call("PUT", "/nowhere?versioning", "<VersioningConfiguration/>")), [404, "NoSuchBucket"]);
});

test("every write makes a version; each is read, and told in the headers", async () => {
  await bucketWith("versions", "Enabled");
  const one = await put("/versions/k", "one");
  const two = await put("/versions/k", "two");
  assert.match(one, /^[0-9a-f]{32}$/);
  for (const method of ["GET", "HEAD"]) {
    const newest = await call(method, "/versions/k");
    const old = await call(method, `/versions/k?versionId=${one}`);
    assert.deepEqual([newest.headers["x-amz-version-id"], old.headers["x-amz-version-id"]], [two, one]);
    if (method === "GET") assert.deepEqual([newest.text, old.text], ["two", "one"]);
  }
  assert.equal((await call("GET", `/versions/k?versionId=${one}`, undefined, { Range: "bytes=1-1" })).text, "n");
  const attributes = await call("GET", `/versions/k?attributes&versionId=${one}`, undefined, {
    "x-amz-object-attributes": "ObjectSize",
  });
  assert.deepEqual([attributes.headers["x-amz-version-id"], /<ObjectSize>3</.test(attributes.text)], [one, true]);
  assert.deepEqual(await refused(call("GET", `/versions/k?versionId=${"0".repeat(32)}`)), [404, "NoSuchVersion"]);
  assert.deepEqual(await refused(call("GET", "/versions/k?versionId=null")), [404, "NoSuchVersion"]);
  assert.deepEqual(await refused(call("GET", "/versions/k?versionId=garbage")), [400, "InvalidArgument"]);
  assert.deepEqual(await refused(call("GET", "/versions/k?versionId=")), [400, "InvalidArgument"]);
});

test("a delete marker: 404 and 405 with its headers; undelete; the version before it comes back", async () => {
  await bucketWith("markers", "Enabled");
  const one = await put("/markers/k", "one");
  const deleted = await call("DELETE", "/markers/k");
  const marker = String(deleted.headers["x-amz-version-id"]);
  assert.deepEqual([deleted.status, deleted.headers["x-amz-delete-marker"]], [204, "true"]);
  for (const method of ["GET", "HEAD"]) {
    const gone = await call(method, "/markers/k");
    assert.deepEqual([gone.status, gone.headers["x-amz-delete-marker"], gone.headers["x-amz-version-id"]], [404, "true", marker]);
    const named = await call(method, `/markers/k?versionId=${marker}`);
    assert.deepEqual([named.status, named.headers["x-amz-delete-marker"], named.headers.allow], [405, "true", "DELETE"]);
    assert.ok(named.headers["last-modified"]);
  }
  assert.deepEqual(await refused(call("GET", "/markers/k")), [404, "NoSuchKey"]);
  assert.deepEqual(await refused(call("GET", `/markers/k?versionId=${marker}`)), [405, "MethodNotAllowed"]);
  assert.deepEqual(await refused(call("GET", `/markers/k?tagging&versionId=${marker}`)), [405, "MethodNotAllowed"]);
  const source = (id: string) => ({ "x-amz-copy-source": `/markers/k${id}` });
  assert.deepEqual(await refused(call("PUT", "/markers/copy", "", source(""))), [404, "NoSuchKey"]);
  assert.deepEqual(await refused(call("PUT", "/markers/copy", "", source(`?versionId=${marker}`))), [400, "InvalidRequest"]);
  assert.deepEqual(await refused(call("DELETE", "/markers")), [409, "BucketNotEmpty"]);
  const undeleted = await call("DELETE", `/markers/k?versionId=${marker}`);
  assert.deepEqual(
    [undeleted.status, undeleted.headers["x-amz-delete-marker"], undeleted.headers["x-amz-version-id"]],
    [204, "true", marker],
  );
  assert.equal((await call("GET", "/markers/k")).text, "one");
  const forGood = await call("DELETE", `/markers/k?versionId=${one}`);
  assert.deepEqual([forGood.headers["x-amz-delete-marker"], forGood.headers["x-amz-version-id"]], [undefined, one]);
  const again = await call("DELETE", `/markers/k?versionId=${one}`);
  assert.deepEqual([again.status, again.headers["x-amz-version-id"]], [204, one]);
  assert.equal((await call("DELETE", "/markers")).status, 204);
});

test("ListObjectVersions: order, markers, pages, prefixes", async () => {
  await bucketWith("listed", "Enabled");
  const a = [await put("/listed/a", "1"), await put("/listed/a", "2"), await put("/listed/a", "3")];
  const marker = String((await call("DELETE", "/listed/a")).headers["x-amz-version-id"]);
  const deep = [await put("/listed/dir/x", "1"), await put("/listed/dir/x", "2")];
  const z = await put("/listed/z%20z", "1");
  const list = async (query = "") => (await call("GET", `/listed?versions${query}`)).text;
  const all = [
    `*a ${marker} marker`,
    `a ${a[2]}`,
    `a ${a[1]}`,
    `a ${a[0]}`,
    `*dir/x ${deep[1]}`,
    `dir/x ${deep[0]}`,
    `*z z ${z}`,
  ];
  const text = await list();
  assert.deepEqual(entries(text), all);
  assert.match(
    text,
    /<Name>listed<\/Name><Prefix><\/Prefix><KeyMarker><\/KeyMarker><VersionIdMarker><\/VersionIdMarker><MaxKeys>1000<\/MaxKeys><IsTruncated>false</,
  );
  assert.match(
    text,
    /<DeleteMarker>(?:(?!<\/DeleteMarker>).)*<Owner><ID>[0-9a-f]{64}<\/ID><DisplayName>account-[0-9a-f]{12}<\/DisplayName><\/Owner><\/DeleteMarker>/,
  );
  assert.match(
    text,
    /<ETag>&quot;[0-9a-f]{32}&quot;<\/ETag><ChecksumAlgorithm>CRC64NVME<\/ChecksumAlgorithm><ChecksumType>FULL_OBJECT<\/ChecksumType><Size>1<\/Size><Owner>.*<StorageClass>STANDARD</,
  );
  for (const size of [1, 2, 3]) {
    const found: string[] = [];
    for (let at = ""; ; ) {
      const page = await list(`&max-keys=${size}${at}`);
      found.push(...entries(page));
      const next = /<NextKeyMarker>([^<]*)<\/NextKeyMarker><NextVersionIdMarker>([^<]*)</.exec(page);
      assert.equal(/<IsTruncated>(\w+)</.exec(page)?.[1], String(next !== null));
      if (next === null) break;
      at = `&key-marker=${encodeURIComponent(next[1]!)}&version-id-marker=${next[2]}`;
    }
    assert.deepEqual(found, all);
  }
  assert.deepEqual(entries(await list("&key-marker=a")), all.slice(4));
  const rolled = await list("&delimiter=/");
  assert.deepEqual([entries(rolled).length, /<CommonPrefixes><Prefix>dir\/</.test(rolled)], [5, true]);
  assert.deepEqual(entries(await list("&prefix=dir/&delimiter=/")), all.slice(4, 6));
  assert.match(await list("&encoding-type=url"), /<Key>z%20z</);
  assert.match(await list("&max-keys=0"), /<MaxKeys>0<.*<IsTruncated>false</);
  assert.equal(codeOf(await list(`&version-id-marker=${z}`)), "InvalidArgument");
  assert.equal(codeOf(await list("&key-marker=a&version-id-marker=garbage")), "InvalidArgument");
  assert.doesNotMatch((await call("GET", "/listed?list-type=2")).text, /<Key>a</);
});

test("DeleteObjects: with and without versions, and quietly", async () => {
  await bucketWith("many", "Enabled");
  const one = await put("/many/a", "1");
  await put("/many/b", "1");
  const remove = (body: string) =>
    call("POST", "/many?delete", body, { "Content-MD5": createHash("md5").update(body).digest("base64") });
  const object = (key: string, id?: string) =>
    `<Object><Key>${key}</Key>${id === undefined ? "" : `<VersionId>${id}</VersionId>`}</Object>`;
  const first = await remove(`<Delete>${object("a", one)}${object("b")}${object("c", "garbage")}${object("d", one)}</Delete>`);
  const marker = /<DeleteMarkerVersionId>([^<]*)</.exec(first.text)![1]!;
  assert.equal(
    first.text.slice(first.text.indexOf("<Deleted>")),
    `<Deleted><Key>a</Key><VersionId>${one}</VersionId></Deleted>` +
      `<Deleted><Key>b</Key><DeleteMarker>true</DeleteMarker><DeleteMarkerVersionId>${marker}</DeleteMarkerVersionId></Deleted>` +
      "<Error><Key>c</Key><VersionId>garbage</VersionId><Code>NoSuchVersion</Code><Message>The specified version does not exist.</Message></Error>" +
      `<Deleted><Key>d</Key><VersionId>${one}</VersionId></Deleted></DeleteResult>`,
  );
  const second = await remove(`<Delete>${object("b", marker)}</Delete>`);
  assert.match(
    second.text,
    new RegExp(
      `<Deleted><Key>b</Key><VersionId>${marker}</VersionId><DeleteMarker>true</DeleteMarker><DeleteMarkerVersionId>${marker}</DeleteMarkerVersionId></Deleted>`,
    ),
  );
  assert.equal((await call("GET", "/many/b")).text, "1");
  assert.match(
    (await remove(`<Delete><Quiet>true</Quiet>${object("b")}</Delete>`)).text,
    /<DeleteResult [^>]*><\/DeleteResult>$/,
  );
});

test("copies of versions, and uploads in parts, in buckets with versions", async () => {
  await bucketWith("copies", "Enabled");
  const one = await put("/copies/k", "one", { "x-amz-meta-a": "1" });
  await put("/copies/k", "two");
  const copied = await call("PUT", "/copies/k", "", { "x-amz-copy-source": `/copies/k?versionId=${one}` });
  assert.equal(copied.status, 200, copied.text);
  assert.equal(copied.headers["x-amz-copy-source-version-id"], one);
  const restored = await call("GET", "/copies/k");
  assert.deepEqual(
    [restored.text, restored.headers["x-amz-meta-a"], restored.headers["x-amz-version-id"]],
    ["one", "1", copied.headers["x-amz-version-id"]],
  );
  assert.deepEqual(await refused(call("PUT", "/copies/k", "", { "x-amz-copy-source": "/copies/k" })), [400, "InvalidRequest"]);
  const missing = { "x-amz-copy-source": `/copies/k?versionId=${"0".repeat(32)}` };
  assert.deepEqual(await refused(call("PUT", "/copies/x", "", missing)), [404, "NoSuchVersion"]);

  const started = await call("POST", "/copies/parts?uploads", "", { "x-amz-tagging": "a=b" });
  const uploadId = /<UploadId>([^<]*)</.exec(started.text)![1]!;
  const part = await call("PUT", `/copies/parts?partNumber=1&uploadId=${uploadId}`, "", {
    "x-amz-copy-source": `/copies/k?versionId=${one}`,
  });
  assert.equal(part.headers["x-amz-copy-source-version-id"], one);
  await bucketWith("nulls", "Suspended");
  await put("/nulls/k", "null");
  const second = { "x-amz-copy-source": "/nulls/k?versionId=null" };
  const ofNull = await call("PUT", `/copies/parts?partNumber=2&uploadId=${uploadId}`, "", second);
  assert.equal(ofNull.headers["x-amz-copy-source-version-id"], "null");
  const etag = /<ETag>([^<]*)</.exec(part.text)![1]!;
  const done = await call(
    "POST",
    `/copies/parts?uploadId=${uploadId}`,
    `<CompleteMultipartUpload><Part><PartNumber>1</PartNumber><ETag>${etag}</ETag></Part></CompleteMultipartUpload>`,
  );
  const read = await call("GET", `/copies/parts?versionId=${done.headers["x-amz-version-id"]}`);
  assert.deepEqual([read.text, read.headers["x-amz-tagging-count"]], ["one", "1"]);
});

test("suspended: writes make and replace the version null, and the others stay", async () => {
  await bucketWith("halted");
  await put("/halted/k", "before");
  await versioning("halted", "Enabled");
  assert.equal((await call("GET", "/halted/k")).headers["x-amz-version-id"], "null");
  const one = await put("/halted/k", "one");
  await versioning("halted", "Suspended");
  assert.equal(await put("/halted/k", "null again"), "undefined", "the version null is no version of its own");
  assert.equal((await call("GET", "/halted/k?versionId=null")).text, "null again");
  const deleted = await call("DELETE", "/halted/k");
  assert.deepEqual([deleted.headers["x-amz-version-id"], deleted.headers["x-amz-delete-marker"]], ["null", "true"]);
  assert.deepEqual(entries((await call("GET", "/halted?versions")).text), ["*k null marker", `k ${one}`]);
  await call("DELETE", "/halted/k?versionId=null");
  assert.equal((await call("GET", "/halted/k")).text, "one");
});

test("conditional writes and deletions see only the current version", async () => {
  await bucketWith("conditions", "Enabled");
  const put = (headers: Record<string, string>) => call("PUT", "/conditions/k", "x", headers);
  assert.equal((await put({ "If-None-Match": "*" })).status, 200);
  assert.equal((await put({ "If-None-Match": "*" })).status, 412);
  assert.deepEqual(await refused(call("DELETE", "/conditions/k", undefined, { "If-Match": '"other"' })), [
    412,
    "PreconditionFailed",
  ]);
  assert.equal((await call("DELETE", "/conditions/k")).status, 204);
  assert.equal((await put({ "If-None-Match": "*" })).status, 200);
});

const tagging = (...tags: [string, string][]) =>
  `<Tagging><TagSet>${tags.map(([key, value]) => `<Tag><Key>${key}</Key><Value>${value}</Value></Tag>`).join("")}</TagSet></Tagging>`;
const tagsOf = (text: string) =>
  [...text.matchAll(/<Tag><Key>([^<]*)<\/Key><Value>([^<]*)<\/Value>/g)].map(([, key, value]) => [key, value]);

test("tags of objects: by header and by document, of each version, with S3's limits", async () => {
  await bucketWith("tagged", "Enabled");
  const one = await put("/tagged/k", "x", { "x-amz-tagging": "colour=blue&%D0%BA%D0%BB%D1%8E%D1%87=a%20b" });
  const get = async (query = "") => tagsOf((await call("GET", `/tagged/k?tagging${query}`)).text);
  assert.deepEqual(await get(), [
    ["colour", "blue"],
    ["ключ", "a b"],
  ]);
  assert.equal((await call("HEAD", "/tagged/k")).headers["x-amz-tagging-count"], "2");
  await put("/tagged/k", "y");
  assert.deepEqual(await get(), []);
  assert.equal((await call("HEAD", "/tagged/k")).headers["x-amz-tagging-count"], undefined);
  const changed = await call("PUT", `/tagged/k?tagging&versionId=${one}`, tagging(["colour", "red"]));
  assert.deepEqual([changed.status, changed.headers["x-amz-version-id"]], [200, one]);
  assert.deepEqual([await get(`&versionId=${one}`), await get()], [[["colour", "red"]], []]);
  const copy = (headers: Record<string, string>) =>
    call("PUT", "/tagged/copy", "", { "x-amz-copy-source": `/tagged/k?versionId=${one}`, ...headers });
  await copy({});
  assert.deepEqual(tagsOf((await call("GET", "/tagged/copy?tagging")).text), [["colour", "red"]]);
  await copy({ "x-amz-tagging-directive": "REPLACE", "x-amz-tagging": "a=b" });
  assert.deepEqual(tagsOf((await call("GET", "/tagged/copy?tagging")).text), [["a", "b"]]);
  assert.equal((await call("DELETE", `/tagged/k?tagging&versionId=${one}`)).status, 204);
  assert.deepEqual(await get(`&versionId=${one}`), []);

  const set = (...tags: [string, string][]) => refused(call("PUT", "/tagged/k?tagging", tagging(...tags)));
  const numbered = (count: number) => Array.from({ length: count }, (_, i): [string, string] => [`k${i}`, "v"]);
  assert.deepEqual(await set(...numbered(10)), [200, undefined]);
  for (const tags of [
    numbered(11),
    [
      ["a", "1"],
      ["a", "2"],
    ],
    [["x".repeat(129), ""]],
    [["a", "x".repeat(257)]],
    [["aws:a", ""]],
    [["a#", ""]],
  ])
    assert.deepEqual(await set(...(tags as [string, string][])), [400, "InvalidTag"]);
  assert.deepEqual(await set(["x".repeat(128), "y".repeat(256)]), [200, undefined]);
  assert.deepEqual(await refused(call("PUT", "/tagged/k?tagging", "<TagSet/>")), [400, "MalformedXML"]);
  assert.deepEqual(await refused(call("PUT", "/tagged/none?tagging", tagging())), [404, "NoSuchKey"]);
  assert.deepEqual(await refused(call("PUT", "/tagged/k", "x", { "x-amz-tagging": "a=1&a=2" })), [400, "InvalidArgument"]);
});

const inDays = (days: number): string => new Date(Date.now() + days * 24 * 3_600_000).toISOString();
const retention = (mode: string, until: string) =>
  `<Retention><Mode>${mode}</Mode><RetainUntilDate>${until}</RetainUntilDate></Retention>`;

test("object lock: configuration, default retention, retention, legal hold, bypass", async () => {
  await bucketWith("plain");
  assert.deepEqual(await refused(call("GET", "/plain?object-lock")), [404, "ObjectLockConfigurationNotFoundError"]);
  const configuration = (rule = "") =>
    `<ObjectLockConfiguration><ObjectLockEnabled>Enabled</ObjectLockEnabled>${rule}</ObjectLockConfiguration>`;
  const rule = (mode: string, period: string) =>
    `<Rule><DefaultRetention><Mode>${mode}</Mode>${period}</DefaultRetention></Rule>`;
  assert.deepEqual(await refused(call("PUT", "/plain?object-lock", configuration())), [409, "InvalidBucketState"]);
  await put("/plain/k", "x");
  for (const [what, document] of [
    ["retention", retention("GOVERNANCE", inDays(1))],
    ["legal-hold", "<LegalHold><Status>ON</Status></LegalHold>"],
  ] as const) {
    assert.deepEqual(await refused(call("PUT", `/plain/k?${what}`, document)), [400, "InvalidRequest"]);
    assert.deepEqual(await refused(call("GET", `/plain/k?${what}`)), [400, "InvalidRequest"]);
  }
  const wanted = { "x-amz-object-lock-mode": "GOVERNANCE", "x-amz-object-lock-retain-until-date": inDays(1) };
  assert.deepEqual(await refused(call("PUT", "/plain/k", "x", wanted)), [400, "InvalidRequest"]);

  assert.equal((await call("PUT", "/locked", undefined, { "x-amz-bucket-object-lock-enabled": "true" })).status, 200);
  assert.match((await call("GET", "/locked?versioning")).text, /<Status>Enabled</);
  assert.deepEqual(await refused(versioning("locked", "Suspended")), [409, "InvalidBucketState"]);
  assert.match(
    (await call("GET", "/locked?object-lock")).text,
    /<ObjectLockConfiguration [^>]*><ObjectLockEnabled>Enabled<\/ObjectLockEnabled><\/ObjectLockConfiguration>/,
  );
  for (const [bad, code] of [
    [rule("GOVERNANCE", "<Days>0</Days>"), "InvalidRetentionPeriod"],
    [rule("GOVERNANCE", "<Years>-1</Years>"), "InvalidRetentionPeriod"],
    [rule("GOVERNANCE", "<Days>1</Days><Years>1</Years>"), "MalformedXML"],
    [rule("GOVERNANCE", ""), "MalformedXML"],
    [rule("governance", "<Days>1</Days>"), "MalformedXML"],
  ] as const)
    assert.deepEqual(await refused(call("PUT", "/locked?object-lock", configuration(bad))), [400, code]);
  const free = await put("/locked/free", "x");
  assert.equal((await call("PUT", "/locked?object-lock", configuration(rule("GOVERNANCE", "<Days>1</Days>")))).status, 200);
  assert.match(
    (await call("GET", "/locked?object-lock")).text,
    /<Rule><DefaultRetention><Mode>GOVERNANCE<\/Mode><Days>1<\/Days></,
  );

  const one = await put("/locked/k", "one");
  const head = await call("HEAD", "/locked/k");
  assert.equal(head.headers["x-amz-object-lock-mode"], "GOVERNANCE");
  assert.ok(Math.abs(Date.parse(String(head.headers["x-amz-object-lock-retain-until-date"])) - Date.parse(inDays(1))) < 60_000);
  assert.deepEqual(await refused(call("DELETE", `/locked/k?versionId=${one}`)), [403, "AccessDenied"]);
  const bypass = { "x-amz-bypass-governance-retention": "true" };
  assert.equal((await call("DELETE", "/locked/k")).status, 204);
  const many = `<Delete><Object><Key>k</Key><VersionId>${one}</VersionId></Object></Delete>`;
  const digest = { "Content-MD5": createHash("md5").update(many).digest("base64") };
  assert.match(
    (await call("POST", "/locked?delete", many, digest)).text,
    /<Error><Key>k<\/Key><VersionId>\w+<\/VersionId><Code>AccessDenied</,
  );

  const retain = (document: string, headers: Record<string, string> = {}) =>
    refused(call("PUT", `/locked/k?retention&versionId=${one}`, document, headers));
  assert.deepEqual(await retain(retention("GOVERNANCE", inDays(0.5))), [403, "AccessDenied"]);
  assert.deepEqual(await retain(retention("GOVERNANCE", inDays(2))), [200, undefined]);
  assert.deepEqual(await retain("<Retention/>"), [403, "AccessDenied"]);
  assert.deepEqual(await retain(retention("GOVERNANCE", inDays(0.5)), bypass), [200, undefined]);
  assert.deepEqual(await retain(retention("GOVERNANCE", inDays(-1))), [400, "InvalidArgument"]);
  assert.deepEqual(await retain(retention("NONE", inDays(1))), [400, "MalformedXML"]);
  assert.match(
    (await call("GET", `/locked/k?retention&versionId=${one}`)).text,
    /<Retention [^>]*><Mode>GOVERNANCE<\/Mode><RetainUntilDate>\d{4}-/,
  );
  assert.deepEqual(await refused(call("GET", `/locked/free?retention&versionId=${free}`)), [
    404,
    "NoSuchObjectLockConfiguration",
  ]);

  const hold = (status: string) =>
    refused(call("PUT", `/locked/k?legal-hold&versionId=${one}`, `<LegalHold><Status>${status}</Status></LegalHold>`));
  assert.deepEqual(await hold("ON"), [200, undefined]);
  assert.deepEqual(await hold("on"), [400, "MalformedXML"]);
  assert.match((await call("GET", `/locked/k?legal-hold&versionId=${one}`)).text, /<Status>ON</);
  assert.equal((await call("HEAD", `/locked/k?versionId=${one}`)).headers["x-amz-object-lock-legal-hold"], "ON");
  assert.deepEqual(await refused(call("DELETE", `/locked/k?versionId=${one}`, undefined, bypass)), [403, "AccessDenied"]);
  assert.deepEqual(await hold("OFF"), [200, undefined]);
  assert.equal((await call("DELETE", `/locked/k?versionId=${one}`, undefined, bypass)).status, 204);

  const ofX = { "Content-MD5": createHash("md5").update("x").digest("base64") };
  const strict = await put("/locked/strict", "x", {
    ...ofX,
    "x-amz-object-lock-mode": "COMPLIANCE",
    "x-amz-object-lock-retain-until-date": inDays(1),
  });
  assert.deepEqual(await refused(call("DELETE", `/locked/strict?versionId=${strict}`, undefined, bypass)), [403, "AccessDenied"]);
  const half = { "x-amz-object-lock-mode": "COMPLIANCE" };
  assert.deepEqual(await refused(call("PUT", "/locked/k", "x", half)), [400, "InvalidArgument"]);
  const unknown = { "x-amz-object-lock-mode": "none", "x-amz-object-lock-retain-until-date": inDays(1) };
  assert.deepEqual(await refused(call("PUT", "/locked/k", "x", unknown)), [400, "InvalidArgument"]);
  assert.deepEqual(await refused(call("PUT", "/locked/k", "x", { "x-amz-object-lock-legal-hold": "maybe" })), [
    400,
    "InvalidArgument",
  ]);
});

test("only who may bypass governance retention does", async () => {
  await call("PUT", "/thirds", undefined, { "x-amz-bucket-object-lock-enabled": "true" }, "third");
  const lock = { "x-amz-object-lock-mode": "GOVERNANCE", "x-amz-object-lock-retain-until-date": inDays(1) };
  const digest = { "Content-MD5": createHash("md5").update("x").digest("base64") };
  const { headers } = await call("PUT", "/thirds/k", "x", { ...lock, ...digest }, "third");
  const path = `/thirds/k?versionId=${headers["x-amz-version-id"]}`;
  const bypass = { "x-amz-bypass-governance-retention": "true" };
  assert.deepEqual(await refused(call("DELETE", path, undefined, bypass, "third")), [403, "AccessDenied"]);
});

test("tags and lifecycle of a bucket", async () => {
  await bucketWith("configured");
  assert.deepEqual(await refused(call("GET", "/configured?tagging")), [404, "NoSuchTagSet"]);
  assert.equal((await call("PUT", "/configured?tagging", tagging(["a", "b"], ["c", ""]))).status, 204);
  assert.deepEqual(tagsOf((await call("GET", "/configured?tagging")).text), [
    ["a", "b"],
    ["c", ""],
  ]);
  assert.deepEqual(await refused(call("PUT", "/configured?tagging", tagging(["a", "b"], ["a", ""]))), [400, "InvalidTag"]);
  assert.equal((await call("DELETE", "/configured?tagging")).status, 204);
  assert.deepEqual(await refused(call("GET", "/configured?tagging")), [404, "NoSuchTagSet"]);

  assert.deepEqual(await refused(call("GET", "/configured?lifecycle")), [404, "NoSuchLifecycleConfiguration"]);
  const rule = "<Rule><ID>x</ID><Filter></Filter><Status>Enabled</Status><Expiration><Days>1</Days></Expiration></Rule>";
  const body = `<LifecycleConfiguration>${rule}</LifecycleConfiguration>`;
  assert.equal((await call("PUT", "/configured?lifecycle", body)).status, 200);
  assert.ok((await call("GET", "/configured?lifecycle")).text.includes(rule));
  const midnight = new Date((Math.floor(Date.now() / 86_400_000) + 2) * 86_400_000).toUTCString();
  for (const method of ["PUT", "GET", "HEAD"])
    assert.equal(
      (await call(method, "/configured/k", method === "PUT" ? "x" : undefined)).headers["x-amz-expiration"],
      `expiry-date="${midnight}", rule-id="x"`,
    );
  await call("DELETE", "/configured/k");
  assert.equal((await call("DELETE", "/configured?lifecycle")).status, 204);
  assert.deepEqual(await refused(call("GET", "/configured?lifecycle")), [404, "NoSuchLifecycleConfiguration"]);
});
