import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import type { ObjectStore } from "../../driver.ts";
import { openLocalStore } from "../../drivers/local/index.ts";
import { routeNames } from "../routes.ts";
import { type Call, send } from "../testing/client.ts";
import { memoryCaller, startDoor } from "../testing/door.ts";
import { requirements, withoutBucket } from "./actions.ts";

const folder = mkdtempSync(join(tmpdir(), "khmara-access-"));
let store: ObjectStore;
let port: number;
let stop: () => Promise<void>;
const [main, other] = [await memoryCaller("main"), await memoryCaller("other")];
before(async () => {
  store = await openLocalStore({ directory: folder });
  ({ port, stop } = await startDoor(store));
});
after(async () => {
  await stop?.();
  await store?.close();
  rmSync(folder, { recursive: true, force: true });
});

type Who = Call["key"];
const call = (method: string, path: string, key: Who = "main", body?: string, headers: Record<string, string> = {}) =>
  send({ port, method, path, key, headers, ...(body === undefined ? {} : { body }) });
const codeOf = (text: string) => /<Code>([^<]*)<\/Code>/.exec(text)?.[1];
const outcome = async (...asked: Parameters<typeof call>) => {
  const { status, text } = await call(...asked);
  return codeOf(text) ?? status;
};
const policyOf = (...statements: object[]) => JSON.stringify({ Version: "2012-10-17", Statement: statements });
const allow = (action: string | string[], resource: string, more: object = {}) => ({
  Effect: "Allow",
  Principal: "*",
  Action: action,
  Resource: `arn:aws:s3:::${resource}`,
  ...more,
});
const makeBucket = async (name: string, headers: Record<string, string> = {}) =>
  assert.equal(await outcome("PUT", `/${name}`, "main", undefined, headers), 200);
const putPolicy = async (bucket: string, ...statements: object[]) =>
  assert.equal(await outcome("PUT", `/${bucket}?policy`, "main", policyOf(...statements)), 204);

/** Documents of operations that read theirs before they ask who may. */
const bodies: Record<string, string> = {
  "PUT object?tagging": "<Tagging><TagSet></TagSet></Tagging>",
  "PUT object?retention": "<Retention></Retention>",
  "PUT object?legal-hold": "<LegalHold><Status>ON</Status></LegalHold>",
};

test("every operation is tried by a stranger, by another tenant and with a role that is too low", async () => {
  await makeBucket("tried");
  assert.equal(await outcome("PUT", "/tried/key", "main", "x"), 200);
  let tried = 0;
  for (const row of routeNames()) {
    const [, method, shape, subresource, header] = /^(\w+) (\w+)(?:\?([\w-]+))?(?: \+(.*))?$/.exec(row)!;
    if (shape === "service" || row === "POST bucket" || row === "POST bucket?delete" || row === "PUT bucket") continue;
    const path = `/tried${shape === "object" ? "/key" : ""}${subresource ? `?${subresource}${subresource === "list-type" ? "=2" : ""}` : ""}`;
    const headers = header === undefined ? {} : { [header]: "/tried/key" };
    const ask = async (who: Who) => {
      const { status, text } = await call(method!, path, who, bodies[row], headers);
      return method === "HEAD" && status === 403 ? "AccessDenied" : (codeOf(text) ?? status);
    };
    assert.equal(await ask("none"), "AccessDenied", `${row} by a stranger`);
    assert.equal(await ask("other"), "AccessDenied", `${row} by another tenant`);
    const reads = /^(GET|HEAD) /.test(row);
    const byViewer = await ask("viewer");
    if (reads) assert.notEqual(byViewer, "AccessDenied", `${row} by a viewer`);
    else assert.equal(byViewer, "AccessDenied", `${row} by a viewer`);
    tried++;
  }
  assert.ok(tried > 50, String(tried));
  assert.equal(await outcome("GET", "/", "none"), "AccessDenied");
  assert.equal(await outcome("PUT", "/of-nobody", "none"), "AccessDenied");
  const many = "<Delete><Object><Key>key</Key></Object></Delete>";
  const md5 = { "Content-MD5": (await import("node:crypto")).createHash("md5").update(many).digest("base64") };
  for (const who of ["none", "other", "viewer"] as const)
    assert.equal(await outcome("POST", "/tried?delete", who, many, md5), "AccessDenied", `DeleteObjects by ${who}`);
  assert.equal(await outcome("GET", "/tried/key"), 200, "it is still there");
});

test("every operation says what it needs", async () => {
  const { findRoute } = await import("../routes.ts");
  const { parseRequest } = await import("../request.ts");
  for (const row of routeNames()) {
    const [, method, shape, subresource, header] = /^(\w+) (\w+)(?:\?([\w-]+))?(?: \+(.*))?$/.exec(row)!;
    const path = { service: "/", bucket: "/b", object: "/b/k" }[shape!]!;
    const url = subresource ? `${path}?${subresource}${subresource === "list-type" ? "=2" : ""}` : path;
    const rawHeaders = ["Host", "localhost", ...(header ? [header, "a/b"] : [])];
    const { name } = findRoute(parseRequest({ method: method!, url, rawHeaders }, ["localhost"]));
    assert.ok(Object.hasOwn(requirements, name) || withoutBucket.has(name), `${name} has no row in access/actions.ts`);
  }
});

test("a policy lets in others, and its denials hold for everybody but for its own removing", async () => {
  await makeBucket("shared");
  await call("PUT", "/shared/docs/a", "main", "text");
  assert.equal(await outcome("GET", "/shared?policy"), "NoSuchBucketPolicy");
  await putPolicy(
    "shared",
    allow("s3:GetObject", "shared/docs/*"),
    allow("s3:PutObject", "shared/in/*", { Principal: { AWS: other.accountId } }),
  );
  assert.equal((await call("GET", "/shared/docs/a", "none")).text, "text");
  assert.equal(await outcome("GET", "/shared/docs/a", "other"), 200);
  assert.equal(await outcome("GET", "/shared/docs/none", "none"), "AccessDenied", "what is missing is not told without the list");
  assert.equal(await outcome("GET", "/shared", "other"), "AccessDenied");
  assert.equal(await outcome("PUT", "/shared/in/x", "other", "x"), 200);
  assert.equal(await outcome("PUT", "/shared/in/x", "third", "x"), "AccessDenied");
  assert.equal(await outcome("PUT", "/shared/in/x", "none", "x"), "AccessDenied");
  assert.equal(await outcome("GET", "/shared/docs/a?response-expires=x", "none"), "InvalidRequest");
  assert.match((await call("GET", "/shared?policyStatus")).text, /<IsPublic>true</);
  await putPolicy("shared", allow("s3:*BucketPolicy", "shared"));
  for (const method of ["GET", "PUT", "DELETE"])
    assert.equal(await outcome(method, "/shared?policy", "other", method === "PUT" ? "{}" : undefined), "MethodNotAllowed");
  const given = policyOf(allow("s3:ListBucket", "shared", { Condition: { StringEquals: { "s3:prefix": "docs/" } } }));
  assert.equal(await outcome("PUT", "/shared?policy", "main", given), 204);
  assert.equal((await call("GET", "/shared?policy")).text, given, "it comes back byte for byte");
  assert.equal(await outcome("GET", "/shared?list-type=2&prefix=docs/", "none"), 200);
  assert.equal(await outcome("GET", "/shared?list-type=2", "none"), "AccessDenied");
  assert.equal(await outcome("HEAD", "/shared/docs/a", "none"), 403);
  await putPolicy("shared", { ...allow("s3:*", "shared/*"), Effect: "Deny" }, { ...allow("s3:*", "shared"), Effect: "Deny" });
  assert.equal(await outcome("GET", "/shared/docs/a"), "AccessDenied");
  assert.equal(await outcome("GET", "/shared"), "AccessDenied");
  assert.equal(await outcome("PUT", "/shared?policy", "viewer", given), "AccessDenied");
  assert.equal(await outcome("DELETE", "/shared?policy"), 204);
  assert.equal(await outcome("GET", "/shared/docs/a"), 200);
  const viewer = (await memoryCaller("viewer")).arns[0];
  await putPolicy("shared", allow("s3:PutObject", "shared/in/*", { Principal: { AWS: viewer } }));
  assert.equal(
    await outcome("PUT", "/shared/in/y", "viewer", "y"),
    200,
    "a person of the project is let do more than by the role",
  );
  assert.equal(await outcome("PUT", "/shared/y", "viewer", "y"), "AccessDenied");
});

test("tags, copies, deletions of many and versions are asked about one by one", async () => {
  await makeBucket("asked");
  await call("PUT", "/asked?versioning", "main", "<VersioningConfiguration><Status>Enabled</Status></VersioningConfiguration>");
  const { headers } = await call("PUT", "/asked/open", "main", "1", { "x-amz-tagging": "kind=open" });
  await call("PUT", "/asked/shut", "main", "2");
  await putPolicy(
    "asked",
    allow(["s3:GetObject", "s3:DeleteObject"], "asked/*", {
      Condition: { StringEquals: { "s3:ExistingObjectTag/kind": "open" } },
    }),
    allow("s3:PutObject", "asked/in/*", { Condition: { StringLike: { "s3:x-amz-copy-source": "asked/open" } } }),
  );
  assert.equal(await outcome("GET", "/asked/open", "other"), 200);
  assert.equal(await outcome("GET", "/asked/shut", "other"), "AccessDenied");
  assert.equal(await outcome("GET", `/asked/open?versionId=${headers["x-amz-version-id"]}`, "other"), "AccessDenied");
  const copy = (source: string) =>
    outcome("PUT", "/asked/in/copy", "other", undefined, { "x-amz-copy-source": source, "x-amz-tagging-directive": "REPLACE" });
  assert.equal(await copy("/asked/open"), 200);
  assert.equal(await copy("/asked/shut"), "AccessDenied");
  assert.equal(
    await outcome("PUT", "/asked/in/copy", "other", undefined, { "x-amz-copy-source": "/asked/open" }),
    "AccessDenied",
    "tags go with it, and need a permission",
  );
  const many = "<Delete><Object><Key>open</Key></Object><Object><Key>shut</Key></Object></Delete>";
  const md5 = { "Content-MD5": (await import("node:crypto")).createHash("md5").update(many).digest("base64") };
  const { text } = await call("POST", "/asked?delete", "other", many, md5);
  assert.match(text, /<Deleted><Key>open<\/Key>/);
  assert.match(text, /<Error><Key>shut<\/Key><Code>AccessDenied<\/Code>/);
});

test("marks of an object are told to who may ask for them, and tags go along with who may put them", async () => {
  await makeBucket("marked", { "x-amz-bucket-object-lock-enabled": "true" });
  const until = new Date(Date.now() + 3_600_000).toISOString();
  const lock = { "x-amz-object-lock-mode": "GOVERNANCE", "x-amz-object-lock-retain-until-date": until };
  const digest = { "Content-MD5": createHash("md5").update("1").digest("base64") };
  const marks = { ...lock, ...digest, "x-amz-object-lock-legal-hold": "ON", "x-amz-tagging": "a=1&b=2" };
  assert.equal(await outcome("PUT", "/marked/k", "main", "1", marks), 200);
  const told = async (who: Who, method = "HEAD") => {
    const { status, headers } = await call(method, "/marked/k", who);
    assert.equal(status, 200);
    return ["tagging-count", "object-lock-mode", "object-lock-retain-until-date", "object-lock-legal-hold"]
      .filter((name) => headers[`x-amz-${name}`] !== undefined)
      .map((name) => name.split("-").at(-1));
  };
  const all = ["count", "mode", "date", "hold"];
  assert.deepEqual(await told("main"), all);
  assert.deepEqual(await told("viewer", "GET"), all);
  const open = ["s3:GetObject"];
  for (const [action, names] of [
    ["s3:GetObjectTagging", ["count"]],
    ["s3:GetObjectRetention", ["mode", "date"]],
    ["s3:GetObjectLegalHold", ["hold"]],
  ] as const) {
    await putPolicy("marked", allow(open, "marked/*"));
    for (const method of ["GET", "HEAD"]) assert.deepEqual(await told("other", method), [], `before ${action}`);
    await putPolicy("marked", allow([...open, action], "marked/*"));
    for (const method of ["GET", "HEAD"]) assert.deepEqual(await told("other", method), names);
  }
  const copy = (to: string, headers: Record<string, string> = {}) =>
    outcome("PUT", `/marked/${to}`, "other", undefined, { "x-amz-copy-source": "/marked/k", ...headers });
  const may = (...actions: string[]) => putPolicy("marked", allow([...open, "s3:PutObject", ...actions], "marked/*"));
  await may("s3:GetObjectTagging");
  assert.equal(await copy("copy"), "AccessDenied", "tags are put with it");
  await may("s3:PutObjectTagging");
  assert.equal(await copy("copy"), "AccessDenied", "and read");
  assert.equal(await copy("copy", { "x-amz-tagging-directive": "REPLACE" }), 200);
  await may("s3:GetObjectTagging", "s3:PutObjectTagging");
  assert.equal(await copy("copy"), 200);
});

test("access control lists: canned, by headers and as documents, of buckets and objects", async () => {
  await makeBucket("listed", { "x-amz-acl": "public-read" });
  assert.equal(await outcome("GET", "/listed", "none"), 200);
  assert.equal(await outcome("PUT", "/listed/a", "none", "a"), "AccessDenied");
  assert.match((await call("GET", "/listed?acl")).text, /AllUsers<\/URI><\/Grantee><Permission>READ</);
  assert.equal(await outcome("GET", "/listed/none", "none"), "NoSuchKey", "who may list is told what is missing");
  await call("PUT", "/listed/secret", "main", "s");
  await call("PUT", "/listed/page", "main", "p", { "x-amz-acl": "public-read" });
  assert.equal(await outcome("GET", "/listed/secret", "none"), "AccessDenied");
  assert.equal(await outcome("GET", "/listed/page", "none"), 200);
  assert.equal(await outcome("PUT", "/listed/page?acl", "main", undefined, { "x-amz-acl": "authenticated-read" }), 200);
  assert.equal(await outcome("GET", "/listed/page", "none"), "AccessDenied");
  assert.equal(await outcome("GET", "/listed/page", "other"), 200);
  const grants = { "x-amz-grant-read": `id="${other.canonicalId}"`, "x-amz-grant-write-acp": `id=${other.canonicalId}` };
  assert.equal(await outcome("PUT", "/listed/page?acl", "main", undefined, grants), 200);
  assert.equal(await outcome("GET", "/listed/page", "third"), "AccessDenied");
  assert.equal(await outcome("GET", "/listed/page", "other"), 200);
  assert.equal(await outcome("GET", "/listed/page?acl", "other"), "AccessDenied");
  assert.equal(await outcome("PUT", "/listed/page?acl", "other", undefined, { "x-amz-acl": "public-read" }), 200);
  const document = (await call("GET", "/listed/page?acl")).text;
  assert.equal(await outcome("PUT", "/listed/secret?acl", "main", document), 200);
  assert.equal(await outcome("GET", "/listed/secret", "none"), 200);
  assert.equal(await outcome("PUT", "/listed?acl", "main", undefined, { "x-amz-acl": "public-read-write" }), 200);
  assert.equal(await outcome("PUT", "/listed/theirs", "other", "t"), 200);
  assert.equal(await outcome("PUT", "/listed/nobodys", "none", "n"), 200);
  assert.match((await call("GET", "/listed/theirs?acl", "other")).text, new RegExp(`<Owner><ID>${other.canonicalId}`));
  assert.match((await call("GET", "/listed/nobodys?acl")).text, new RegExp(`<Owner><ID>${main.canonicalId}`));
  assert.equal(await outcome("GET", "/listed/theirs", "third"), "AccessDenied");
  assert.equal(await outcome("DELETE", "/listed/theirs", "other"), 204);

  assert.equal(await outcome("PUT", "/listed?acl", "main", undefined, { "x-amz-acl": "open" }), "InvalidArgument");
  assert.equal(await outcome("PUT", "/listed?acl", "main", undefined, { "x-amz-acl": "private", ...grants }), "InvalidRequest");
  assert.equal(await outcome("PUT", "/listed?acl", "main", undefined, { "x-amz-grant-read": "id=me" }), "InvalidArgument");
  assert.equal(
    await outcome("PUT", "/listed?acl", "main", undefined, { "x-amz-grant-read": "emailAddress=a@b.example" }),
    "MethodNotAllowed",
  );
  assert.equal(await outcome("PUT", "/listed?acl", "main", "<AccessControlPolicy/>"), "MalformedACLError");
  assert.equal(await outcome("PUT", "/listed?acl", "main"), "MissingSecurityHeader");
});

test("ownership: whose is what others write, and lists that do not count", async () => {
  const controls = (ownership: string) =>
    `<OwnershipControls><Rule><ObjectOwnership>${ownership}</ObjectOwnership></Rule></OwnershipControls>`;
  await makeBucket("owned", { "x-amz-object-ownership": "BucketOwnerPreferred", "x-amz-acl": "public-read-write" });
  assert.match((await call("GET", "/owned?ownershipControls")).text, /BucketOwnerPreferred/);
  await call("PUT", "/owned/handed", "other", "x", { "x-amz-acl": "bucket-owner-full-control" });
  await call("PUT", "/owned/kept", "other", "x");
  const ownerOf = async (key: string) => /<Owner><ID>(\w+)/.exec((await call("GET", `/owned/${key}?acl`)).text)?.[1];
  assert.equal(await ownerOf("handed"), main.canonicalId);
  assert.equal(await ownerOf("kept"), other.canonicalId);
  assert.equal(
    await outcome("PUT", "/owned?ownershipControls", "main", controls("BucketOwnerEnforced")),
    "InvalidBucketAclWithObjectOwnership",
  );
  await call("PUT", "/owned?acl", "main", undefined, { "x-amz-acl": "private" });
  assert.equal(await outcome("PUT", "/owned?ownershipControls", "main", controls("Nobody")), "MalformedXML");
  assert.equal(await outcome("PUT", "/owned?ownershipControls", "main", controls("BucketOwnerEnforced")), 200);
  assert.equal(await outcome("GET", "/owned/kept", "other"), "AccessDenied");
  assert.equal(await ownerOf("kept"), main.canonicalId);
  assert.equal(await outcome("PUT", "/owned/p", "main", "x", { "x-amz-acl": "public-read" }), "AccessControlListNotSupported");
  assert.equal(await outcome("PUT", "/owned/p", "main", "x", { "x-amz-acl": "bucket-owner-full-control" }), 200);
  assert.equal(
    await outcome("PUT", "/owned?acl", "main", undefined, { "x-amz-acl": "private" }),
    "AccessControlListNotSupported",
  );
  assert.equal(await outcome("DELETE", "/owned?ownershipControls"), 204);
  assert.equal(await outcome("GET", "/owned?ownershipControls"), "OwnershipControlsNotFoundError");
  assert.equal(await outcome("GET", "/owned/kept", "other"), 200);
});

test("each switch of the public access block does what it says", async () => {
  await makeBucket("blocked", { "x-amz-acl": "public-read" });
  await call("PUT", "/blocked/page", "main", "p", { "x-amz-acl": "public-read" });
  const block = async (...names: string[]) => {
    const body = `<PublicAccessBlockConfiguration>${names.map((name) => `<${name}>true</${name}>`).join("")}</PublicAccessBlockConfiguration>`;
    assert.equal(await outcome("PUT", "/blocked?publicAccessBlock", "main", body), 200);
  };
  assert.equal(await outcome("GET", "/blocked?publicAccessBlock"), "NoSuchPublicAccessBlockConfiguration");
  await block("BlockPublicAcls");
  assert.match((await call("GET", "/blocked?publicAccessBlock")).text, /<BlockPublicAcls>true<.*<IgnorePublicAcls>false</);
  assert.equal(await outcome("PUT", "/blocked?acl", "main", undefined, { "x-amz-acl": "public-read" }), "AccessDenied");
  assert.equal(await outcome("PUT", "/blocked/new", "main", "n", { "x-amz-acl": "public-read" }), "AccessDenied");
  assert.equal(await outcome("PUT", "/blocked/new", "main", "n"), 200);
  assert.equal(await outcome("GET", "/blocked/page", "none"), 200, "what is there stays");
  await block("IgnorePublicAcls");
  assert.equal(await outcome("GET", "/blocked/page", "none"), "AccessDenied");
  assert.equal(await outcome("GET", "/blocked", "none"), "AccessDenied");
  const everyone = policyOf(allow("s3:GetObject", "blocked/*"));
  await block("BlockPublicPolicy");
  assert.equal(await outcome("PUT", "/blocked?policy", "main", everyone), "AccessDenied");
  const account = policyOf(allow("s3:GetObject", "blocked/*", { Principal: { AWS: other.accountId } }));
  assert.equal(await outcome("PUT", "/blocked?policy", "main", account), 204);
  await block("IgnorePublicAcls", "RestrictPublicBuckets");
  assert.equal(await outcome("GET", "/blocked/page", "other"), 200, "a policy that is not public goes on");
  assert.equal(await outcome("PUT", "/blocked?policy", "main", everyone), 204);
  assert.equal(await outcome("GET", "/blocked/page", "other"), "AccessDenied");
  assert.equal(await outcome("GET", "/blocked/page", "none"), "AccessDenied");
  assert.equal(await outcome("GET", "/blocked/page"), 200);
  assert.match((await call("GET", "/blocked?policyStatus")).text, /<IsPublic>false</);
  assert.equal(await outcome("DELETE", "/blocked?publicAccessBlock"), 204);
  assert.equal(await outcome("GET", "/blocked/page", "none"), 200);
});

test("whose the bucket is expected to be, and who pays", async () => {
  await makeBucket("paid");
  await call("PUT", "/paid/a", "main", "a");
  const expecting = (id: string) => outcome("GET", "/paid/a", "main", undefined, { "x-amz-expected-bucket-owner": id });
  assert.equal(await expecting(main.accountId), 200);
  assert.equal(await expecting(other.accountId), "AccessDenied");
  await putPolicy("paid", allow("s3:GetObject", "paid/*"));
  assert.match((await call("GET", "/paid?requestPayment")).text, /<Payer>BucketOwner</);
  const pays = (who: string) => `<RequestPaymentConfiguration><Payer>${who}</Payer></RequestPaymentConfiguration>`;
  assert.equal(await outcome("PUT", "/paid?requestPayment", "main", pays("Somebody")), "MalformedXML");
  assert.equal(await outcome("PUT", "/paid?requestPayment", "main", pays("Requester")), 200);
  assert.equal(await outcome("GET", "/paid/a", "other"), "AccessDenied");
  assert.equal(await outcome("GET", "/paid/a", "none", undefined, { "x-amz-request-payer": "requester" }), "AccessDenied");
  const paid = await call("GET", "/paid/a", "other", undefined, { "x-amz-request-payer": "requester" });
  assert.deepEqual([paid.status, paid.headers["x-amz-request-charged"]], [200, "requester"]);
  assert.equal(await outcome("GET", "/paid/a"), 200, "the owner need not say it");
  await putPolicy("paid", allow("s3:DeleteObject", "paid/*"));
  const many = "<Delete><Object><Key>a</Key></Object></Delete>";
  const md5 = { "Content-MD5": createHash("md5").update(many).digest("base64") };
  assert.equal(await outcome("POST", "/paid?delete", "other", many, md5), "AccessDenied");
  assert.equal(await outcome("GET", "/paid/a"), 200, "nothing went");
  const removed = await call("POST", "/paid?delete", "other", many, { ...md5, "x-amz-request-payer": "requester" });
  assert.deepEqual([removed.status, removed.headers["x-amz-request-charged"]], [200, "requester"]);
  assert.equal(await outcome("GET", "/paid/a"), "NoSuchKey");
});
