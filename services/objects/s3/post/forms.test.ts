// biome-ignore-all lint/suspicious/noTemplateCurlyInString: this is how forms write the name of the file
import assert from "node:assert/strict";
import { createHmac } from "node:crypto";
import { mkdtempSync, rmSync } from "node:fs";
import type { IncomingMessage } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Readable } from "node:stream";
import { after, before, test } from "node:test";
import type { ObjectStore } from "../../driver.ts";
import { openLocalStore } from "../../drivers/local/index.ts";
import { receive } from "../body.ts";
import { S3Error } from "../errors.ts";
import { algorithm, SigningKeys, scopeText } from "../signature.ts";
import { send } from "../testing/client.ts";
import { startDoor } from "../testing/door.ts";

const folder = mkdtempSync(join(tmpdir(), "khmara-forms-"));
let store: ObjectStore;
let port: number;
let stop: () => Promise<void>;
before(async () => {
  store = await openLocalStore({ directory: folder });
  ({ port, stop } = await startDoor(store));
  await send({ port, method: "PUT", path: "/box" });
});
after(async () => {
  await stop?.();
  await store?.close();
  rmSync(folder, { recursive: true, force: true });
});

const inAnHour = () => new Date(Date.now() + 3600_000).toISOString();
type Fields = Record<string, string>;

/** Version 4 of the signature over the policy, as browsers' forms carry it. */
function signed(conditions: unknown[], fields: Fields, expiration = inAnHour()): Fields {
  const timestamp = `${new Date().toISOString().replace(/[-:]/g, "").slice(0, 15)}Z`;
  const scope = { date: timestamp.slice(0, 8), region: "us-east-1", service: "s3" };
  const own = { "x-amz-algorithm": algorithm, "x-amz-credential": `AKMAIN/${scopeText(scope)}`, "x-amz-date": timestamp };
  const all = [...conditions, ...Object.entries(own).map(([name, value]) => ({ [name]: value }))];
  const policy = Buffer.from(JSON.stringify({ expiration, conditions: all })).toString("base64");
  const key = new SigningKeys().derive("AKMAIN", "main-secret", scope);
  return { ...fields, ...own, policy, "x-amz-signature": createHmac("sha256", key).update(policy).digest("hex") };
}

async function post(fields: Fields, file: string | undefined = "content", path = "/box", fileName = "photo one.txt") {
  const form = new FormData();
  for (const [name, value] of Object.entries(fields)) form.append(name, value);
  if (file !== "") form.append("file", new Blob([file], { type: "text/plain" }), fileName);
  const answer = await fetch(`http://127.0.0.1:${port}${path}`, { method: "POST", body: form, redirect: "manual" });
  const text = await answer.text();
  return { status: answer.status, text, headers: answer.headers, code: /<Code>([^<]*)/.exec(text)?.[1] };
}
const get = (path: string) => send({ port, path });
const any = [{ bucket: "box" }, ["starts-with", "$key", ""]];

test("a form that its policy allows is stored, with what it says of itself", async () => {
  const fields = {
    key: "in/${filename}",
    "Content-Type": "text/x-note",
    "x-amz-meta-who": "ürsel",
    acl: "private",
    "x-ignore-me": "1",
  };
  const conditions = [
    { bucket: "box" },
    ["starts-with", "$key", "in/"],
    ["eq", "$Content-Type", "text/x-note"],
    ["starts-with", "$x-amz-meta-who", ""],
    { acl: "private" },
    ["content-length-range", 1, 100],
  ];
  const done = await post(signed(conditions, fields));
  assert.deepEqual([done.status, done.text], [204, ""]);
  const stored = await get("/box/in/photo%20one.txt");
  assert.deepEqual([stored.text, stored.headers["content-type"]], ["content", "text/x-note"]);
  assert.equal(stored.headers["x-amz-meta-who"], "=?UTF-8?Q?=C3=BCrsel?=");
  assert.equal(done.headers.get("etag"), stored.headers["etag"]);

  const created = await post(signed([...any, { success_action_status: "201" }], { key: "b c", success_action_status: "201" }));
  assert.equal(created.status, 201);
  assert.match(
    created.text,
    /<PostResponse><Location>http:\/\/127[^<]*\/box\/b%20c<\/Location><Bucket>box<\/Bucket><Key>b c<\/Key><ETag>/,
  );
  const to = "https://site.example/done?x=1";
  const sent = await post(signed([...any, ["eq", "$success_action_redirect", to]], { key: "r", success_action_redirect: to }));
  assert.equal(sent.status, 303);
  assert.match(
    sent.headers.get("location") ?? "",
    /^https:\/\/site\.example\/done\?x=1&bucket=box&key=r&etag=%22[0-9a-f]{32}%22$/,
  );
  const tags = "<Tagging><TagSet><Tag><Key>a</Key><Value>b &amp; c</Value></Tag></TagSet></Tagging>";
  const tagged = await post(
    signed([...any, ["starts-with", "$tagging", ""]], { key: "t", tagging: tags.replace(" &amp; ", "-") }),
  );
  assert.equal(tagged.status, 204);
  assert.match((await get("/box/t?tagging")).text, /<Key>a<\/Key><Value>b-c</);
  const several = signed([...any, ["starts-with", "$Content-Type", "text/"]], { key: "m", "Content-Type": "text/a, text/b" });
  assert.equal((await post(several)).status, 204);
  const long = "x".repeat(3 * 1024 ** 2);
  assert.equal((await post(signed(any, { key: "long" }), long)).status, 204);
  assert.equal((await get("/box/long")).body.length, long.length);
});

test("the older signature of forms is taken too", async () => {
  const policy = Buffer.from(JSON.stringify({ expiration: inAnHour(), conditions: any })).toString("base64");
  const signature = createHmac("sha1", "main-secret").update(policy).digest("base64");
  assert.equal((await post({ key: "v2", AWSAccessKeyId: "AKMAIN", policy, signature })).status, 204);
  assert.equal((await post({ key: "v2", AWSAccessKeyId: "AKMAIN", policy, signature: "wrong" })).code, "SignatureDoesNotMatch");
  assert.equal((await post({ key: "v2", AWSAccessKeyId: "AKNONE", policy, signature })).code, "InvalidAccessKeyId");
  assert.equal((await post({ key: "v2", AWSAccessKeyId: "AKMAIN", policy })).code, "InvalidArgument");
});

test("each way to be wrong has its error, and nothing is stored", async () => {
  const refused = async (expected: [number, string], fields: Fields, file?: string, path?: string) => {
    const { status, code, text } = await post(fields, file, path);
    assert.deepEqual([status, code], expected, text);
  };
  const key = { key: "no" };
  await refused([403, "AccessDenied"], signed([["starts-with", "$key", "in/"], { bucket: "box" }], key));
  await refused([403, "AccessDenied"], signed([...any, { bucket: "other" }], key));
  await refused([403, "AccessDenied"], signed(any, { ...key, "x-amz-meta-extra": "1" }));
  await refused([403, "AccessDenied"], signed(any, key, new Date(Date.now() - 1000).toISOString()));
  await refused([400, "InvalidPolicyDocument"], signed(any, key, "tomorrow"));
  await refused([400, "InvalidPolicyDocument"], signed([...any, {}], key));
  const odd = Buffer.from(JSON.stringify({ expiration: inAnHour(), conditions: any, extra: 1 })).toString("base64");
  const oddly = createHmac("sha1", "main-secret").update(odd).digest("base64");
  await refused([400, "InvalidPolicyDocument"], { ...key, AWSAccessKeyId: "AKMAIN", policy: odd, signature: oddly });
  await refused([403, "AccessDenied"], signed([["starts-with", "$key", ""]], key));
  const types = [...any, ["starts-with", "$Content-Type", "text/"]];
  await refused([403, "AccessDenied"], signed(types, { ...key, "Content-Type": "text/plain, image/png" }));
  await refused([400, "InvalidPolicyDocument"], signed([...any, ["like", "$key", "x"]], key));
  await refused([400, "InvalidPolicyDocument"], signed([...any, ["content-length-range", 1]], key));
  await refused([400, "EntityTooLarge"], signed([...any, ["content-length-range", 0, 3]], key));
  await refused([400, "EntityTooSmall"], signed([...any, ["content-length-range", 100, 200]], key));
  await refused([403, "SignatureDoesNotMatch"], { ...signed(any, key), "x-amz-signature": "0".repeat(64) });
  await refused([400, "InvalidArgument"], signed(any, {}));
  await refused([400, "IncorrectNumberOfFilesInPostRequest"], signed(any, key), "");
  await refused([400, "MaxPostPreDataLengthExceeded"], signed(any, { ...key, "x-ignore-long": "x".repeat(21_000) }));
  await refused([404, "NoSuchBucket"], signed([["starts-with", "$key", ""], { bucket: "none" }], key), undefined, "/none");
  await refused([403, "AccessDenied"], key);
  assert.equal((await get("/box/no")).status, 404);
  await send({ port, method: "PUT", path: "/box?acl", headers: { "x-amz-acl": "public-read-write" } });
  assert.equal((await post({ key: "open" })).status, 204, "a bucket that everybody may write takes forms that nobody signed");
  const plain = await send({
    port,
    method: "POST",
    path: "/box",
    key: "none",
    body: "a=b",
    headers: { "Content-Type": "text/plain" },
  });
  assert.equal(plain.status, 412);
  const torn = { "Content-Type": "multipart/form-data; boundary=x" };
  const half = await send({ port, method: "POST", path: "/box", key: "none", body: "--x\r\nContent-Dispo", headers: torn });
  assert.equal(half.status, 400, half.text);
});

test("a file that ends with an error just as it is read is refused, and nothing else ends", async () => {
  const file = new Readable({ read: () => {} });
  file.push("abc");
  const reading = receive({ message: file as IncomingMessage, payload: { kind: "unsigned" }, begin: () => {} });
  assert.equal(String((await reading.next()).value), "abc");
  file.destroy(new S3Error("EntityTooSmall"));
  await assert.rejects(reading.next(), { code: "EntityTooSmall" });
  await new Promise((resolve) => file.once("close", resolve));
});
