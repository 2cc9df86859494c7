import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import type { ObjectStore } from "../../driver.ts";
import { openLocalStore } from "../../drivers/local/index.ts";
import { type Call, send } from "../testing/client.ts";
import { memoryCaller, startDoor } from "../testing/door.ts";

const folder = mkdtempSync(join(tmpdir(), "khmara-tokens-"));
let store: ObjectStore;
let port: number;
let stop: () => Promise<void>;
let aheadMs = 0;
const main = await memoryCaller("main");
before(async () => {
  store = await openLocalStore({ directory: folder });
  ({ port, stop } = await startDoor(store, { clock: () => Date.now() + aheadMs, maxClockSkewSeconds: 100_000 }));
  await send({ port, method: "PUT", path: "/box" });
  await send({ port, method: "PUT", path: "/box/docs/a", body: "a" });
  await send({ port, method: "PUT", path: "/box/b", body: "b" });
});
after(async () => {
  await stop?.();
  await store?.close();
  rmSync(folder, { recursive: true, force: true });
});

type Key = Call["key"];
const codeOf = (text: string) => /<Code>([^<]*)<\/Code>/.exec(text)?.[1];

async function ask(form: Record<string, string>, key: Key = "main") {
  const body = new URLSearchParams({ Version: "2011-06-15", ...form }).toString();
  const payloadHash = createHash("sha256").update(body).digest("hex");
  const headers = { "Content-Type": "application/x-www-form-urlencoded; charset=utf-8" };
  const { status, text } = await send({ port, method: "POST", path: "/", key, body, headers, payloadHash, service: "sts" });
  const of = (name: string) => new RegExp(`<${name}>([^<]*)<`).exec(text)?.[1] ?? "";
  const made = { accessKeyId: of("AccessKeyId"), secretAccessKey: of("SecretAccessKey"), sessionToken: of("SessionToken") };
  return { status, text, of, made, code: codeOf(text) };
}
const roleOf = (role: string) => ({
  Action: "AssumeRole",
  RoleArn: `arn:aws:iam::${main.accountId}:role/${role}`,
  RoleSessionName: "job-1",
});
async function outcome(method: string, path: string, key: NonNullable<Key>, body?: string, headers: Record<string, string> = {}) {
  const { status, text } = await send({ port, method, path, key, headers, ...(body === undefined ? {} : { body }) });
  return codeOf(text) ?? status;
}

test("who one is", async () => {
  const me = await ask({ Action: "GetCallerIdentity" });
  assert.deepEqual(
    [me.status, me.of("Arn"), me.of("Account")],
    [200, `arn:aws:iam::${main.accountId}:user/usr_main`, main.accountId],
  );
  assert.equal((await ask({ Action: "GetCallerIdentity" }, "none")).code, "MissingAuthenticationToken");
  assert.equal((await ask({ Action: "DecodeAuthorizationMessage" })).code, "InvalidAction");
  const unknown = { accessKeyId: "AKNOBODY", secretAccessKey: "x", sessionToken: "AAAA" };
  assert.equal((await ask({ Action: "GetCallerIdentity" }, unknown)).code, "InvalidClientTokenId");
});

test("a role is taken for a while, and never more than the caller has", async () => {
  const { made, of, status, text } = await ask(roleOf("viewer"));
  assert.equal(status, 200, text);
  assert.match(made.accessKeyId, /^ASIA[A-Z2-7]{16}$/);
  assert.equal(of("Arn"), `arn:aws:sts::${main.accountId}:assumed-role/viewer/job-1`);
  assert.equal((await ask({ Action: "GetCallerIdentity" }, made)).of("Arn"), of("Arn"));
  assert.equal(await outcome("GET", "/box/b", made), 200);
  assert.equal(await outcome("PUT", "/box/b", made, "new"), "AccessDenied");
  assert.equal((await ask(roleOf("editor"), "viewer")).code, "AccessDenied");
  assert.equal((await ask({ ...roleOf("viewer"), RoleArn: "arn:aws:iam::000000000000:role/viewer" })).code, "AccessDenied");
  assert.equal((await ask({ ...roleOf("viewer"), RoleArn: "viewer" })).code, "ValidationError");
  assert.equal((await ask({ ...roleOf("viewer"), RoleSessionName: "a b" })).code, "ValidationError");
  assert.equal((await ask({ ...roleOf("viewer"), DurationSeconds: "60" })).code, "ValidationError");
  assert.equal((await ask(roleOf("viewer"), made)).code, "AccessDenied", "no session out of a session");
  // A denial of the person holds for what the person takes.
  const deny = { Effect: "Deny", Principal: { AWS: main.arns[0] }, Action: "s3:GetObject", Resource: "arn:aws:s3:::box/b" };
  await send({ port, method: "PUT", path: "/box?policy", body: JSON.stringify({ Version: "2012-10-17", Statement: [deny] }) });
  assert.equal(await outcome("GET", "/box/b", made), "AccessDenied");
  assert.equal(await outcome("GET", "/box/docs/a", made), 200);
  assert.equal(await outcome("DELETE", "/box?policy", "main"), 204);
});

test("a session's policy limits it", async () => {
  const allow = (Action: string[], Resource: string) => ({ Effect: "Allow", Action, Resource });
  const policy = { Version: "2012-10-17", Statement: [allow(["s3:GetObject", "s3:PutObject"], "arn:aws:s3:::box/docs/*")] };
  const { made, status } = await ask({ ...roleOf("owner"), Policy: JSON.stringify(policy) });
  assert.equal(status, 200);
  assert.equal(await outcome("GET", "/box/docs/a", made), 200);
  assert.equal(await outcome("PUT", "/box/docs/c", made, "c"), 200);
  assert.equal(await outcome("GET", "/box/b", made), "AccessDenied");
  assert.equal(await outcome("GET", "/box", made), "AccessDenied");
  assert.equal(await outcome("DELETE", "/box/docs/c", made), "AccessDenied");
  assert.equal(await outcome("DELETE", "/box?policy", made), "AccessDenied");
  assert.equal((await ask({ ...roleOf("owner"), Policy: "{}" })).code, "MalformedPolicyDocument");
  assert.equal((await ask({ ...roleOf("owner"), Policy: " ".repeat(3000) })).code, "PackedPolicyTooLarge");
});

test("a session's policy limits what is about no bucket that is there, too", async () => {
  const session = async (...statements: [action: string | string[], resource: string][]) => {
    const Statement = statements.map(([Action, Resource]) => ({ Effect: "Allow", Action, Resource }));
    return (await ask({ ...roleOf("owner"), Policy: JSON.stringify({ Version: "2012-10-17", Statement }) })).made;
  };
  const reads = await session(["s3:GetObject", "*"]);
  assert.equal(await outcome("GET", "/", reads), "AccessDenied");
  assert.equal(await outcome("PUT", "/made-by-session", reads), "AccessDenied");
  assert.equal(await outcome("GET", "/", await session(["s3:ListAllMyBuckets", "arn:aws:s3:::box"])), "AccessDenied");
  for (const all of ["*", "arn:aws:s3:::*"])
    assert.equal(await outcome("GET", "/", await session(["s3:ListAllMyBuckets", all])), 200);
  const makes = await session(["s3:CreateBucket", "arn:aws:s3:::made-*"]);
  assert.equal(await outcome("PUT", "/other-by-session", makes), "AccessDenied");
  const headers: Record<string, string>[] = [
    { "x-amz-acl": "public-read" },
    { "x-amz-grant-read": `id=${main.canonicalId}` },
    { "x-amz-object-ownership": "ObjectWriter" },
    { "x-amz-bucket-object-lock-enabled": "true" },
  ];
  for (const more of headers)
    assert.equal(await outcome("PUT", "/made-by-session", makes, undefined, more), "AccessDenied", JSON.stringify(more));
  assert.equal(await outcome("PUT", "/made-by-session", makes, undefined, { "x-amz-acl": "private" }), 200);
  assert.equal((await ask({ Action: "GetCallerIdentity" }, reads)).status, 200);
});

test("tokens end, and cannot be made up", async () => {
  const { made } = await ask({ Action: "GetSessionToken", DurationSeconds: "900" });
  assert.equal(await outcome("PUT", "/box/b", made, "x"), 200);
  const other = (await ask({ Action: "GetSessionToken" })).made;
  assert.equal(await outcome("GET", "/box/b", { ...made, sessionToken: other.sessionToken }), "InvalidToken");
  assert.equal(await outcome("GET", "/box/b", { ...made, sessionToken: "bWFkZSB1cA==" }), "InvalidToken");
  assert.equal(
    await outcome("GET", "/box/b", { accessKeyId: "AKMAIN", secretAccessKey: "main-secret", sessionToken: made.sessionToken }),
    "InvalidToken",
  );
  assert.equal(await outcome("GET", "/box/b", { ...made, secretAccessKey: "wrong" }), "SignatureDoesNotMatch");
  aheadMs = 901_000;
  try {
    assert.equal(await outcome("GET", "/box/b", made), "ExpiredToken");
    assert.equal(await outcome("GET", "/box/b", other), 200);
  } finally {
    aheadMs = 0;
  }
});
