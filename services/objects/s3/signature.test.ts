import assert from "node:assert/strict";
import { test } from "node:test";
import { authenticate } from "./authenticate.ts";
import { S3Error } from "./errors.ts";
import { parseRequest } from "./request.ts";
import { acceptableSignatures, type Signed, SigningKeys } from "./signature.ts";

// The examples of "Signature Calculations for the Authorization Header" and "… Using Query Parameters", S3 API Reference.
const accessKeyId = "AKIAIOSFODNN7EXAMPLE";
const secretAccessKey = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY";
const emptyHash = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
const caller = { accessKeyId, principal: null, displayName: "example", canonicalId: "1", accountId: "1", userId: "1", arns: [] };
const nowMs = Date.UTC(2013, 4, 24);
const hosts = ["s3.amazonaws.com"];

const request = (method: string, url: string, headers: Record<string, string>) =>
  parseRequest({ method, url, rawHeaders: Object.entries(headers).flat() }, hosts);

const signedIn = (
  parsed: ReturnType<typeof request>,
  changes: { nowMs?: number; region?: string; secret?: string; anyRegion?: boolean } = {},
) =>
  authenticate(parsed, {
    credentials: {
      sessions: { open: () => Promise.reject(new Error("Nobody asks for one here.")) },
      resolve: async (id) => (id === accessKeyId ? { secretAccessKey: changes.secret ?? secretAccessKey, caller } : undefined),
    },
    region: changes.region ?? "us-east-1",
    maxClockSkewSeconds: 900,
    signingKeys: new SigningKeys(),
    nowMs: changes.nowMs ?? nowMs,
    anyRegion: changes.anyRegion ?? false,
  });

const authorization = (signedHeaders: string, signature: string): string =>
  `AWS4-HMAC-SHA256 Credential=${accessKeyId}/20130524/us-east-1/s3/aws4_request,SignedHeaders=${signedHeaders},Signature=${signature}`;

const common = { Host: "examplebucket.s3.amazonaws.com", "x-amz-date": "20130524T000000Z", "x-amz-content-sha256": emptyHash };

const getObject = (changes: Record<string, string> = {}) =>
  request("GET", "/test.txt", {
    ...common,
    Range: "bytes=0-9",
    Authorization: authorization(
      "host;range;x-amz-content-sha256;x-amz-date",
      "f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41",
    ),
    ...changes,
  });

const failsWith = (code: string, message?: RegExp) => (error: unknown) => {
  assert.ok(error instanceof S3Error);
  assert.equal(error.code, code);
  if (message) assert.match(error.message, message);
  return true;
};

test("the published header examples verify", async () => {
  assert.deepEqual((await signedIn(getObject())).payload, { kind: "sha256", hex: emptyHash });
  await signedIn(
    request("PUT", "/test$file.text", {
      ...common,
      Date: "Fri, 24 May 2013 00:00:00 GMT",
      "x-amz-storage-class": "REDUCED_REDUNDANCY",
      "x-amz-content-sha256": "44ce7dd67c959e0d3524ffac1771dfbba87d2b6b4b4e99e42034a8b803f8b072",
      Authorization: authorization(
        "date;host;x-amz-content-sha256;x-amz-date;x-amz-storage-class",
        "98ad721746da40c64f1a55b78f14c238d841ea1380cd77a1b5971af0ece108bd",
      ),
    }),
  );
  await signedIn(
    request("GET", "/?lifecycle", {
      ...common,
      Authorization: authorization(
        "host;x-amz-content-sha256;x-amz-date",
        "fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543",
      ),
    }),
  );
  await signedIn(
    request("GET", "/?max-keys=2&prefix=J", {
      ...common,
      Authorization: authorization(
        "host;x-amz-content-sha256;x-amz-date",
        "34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7",
      ),
    }),
  );
});

const presigned = (changes: Record<string, string> = {}, headers: Record<string, string> = {}) => {
  const query = new URLSearchParams({
    "X-Amz-Algorithm": "AWS4-HMAC-SHA256",
    "X-Amz-Credential": `${accessKeyId}/20130524/us-east-1/s3/aws4_request`,
    "X-Amz-Date": "20130524T000000Z",
    "X-Amz-Expires": "86400",
    "X-Amz-SignedHeaders": "host",
    "X-Amz-Signature": "aeeed9bbccd4d02ee5c0109b86d86835f995330da4c265957d157751f604d404",
    ...changes,
  });
  return request("GET", `/test.txt?${query}`, { Host: "examplebucket.s3.amazonaws.com", ...headers });
};

test("the published presigned example verifies within its time", async () => {
  assert.equal((await signedIn(presigned())).payload.kind, "unsigned");
  await signedIn(presigned(), { nowMs: nowMs + 86_399_000 });
  await assert.rejects(signedIn(presigned(), { nowMs: nowMs + 86_400_000 }), failsWith("AccessDenied", /expired/));
  await assert.rejects(signedIn(presigned(), { nowMs: nowMs - 901_000 }), failsWith("AccessDenied", /not valid yet/));
  await assert.rejects(
    signedIn(presigned({ "X-Amz-Expires": "604801" })),
    failsWith("AuthorizationQueryParametersError", /week/),
  );
  await assert.rejects(signedIn(presigned({ "X-Amz-Expires": "-1" })), failsWith("AuthorizationQueryParametersError"));
  await assert.rejects(signedIn(presigned({ "X-Amz-Expires": "soon" })), failsWith("AuthorizationQueryParametersError"));
  await assert.rejects(signedIn(presigned({ "X-Amz-Signature": "" })), failsWith("AuthorizationQueryParametersError"));
  await assert.rejects(signedIn(presigned({ "response-content-type": "text/html" })), failsWith("SignatureDoesNotMatch"));
  const hash = (value: string) => signedIn(presigned({}, { "x-amz-content-sha256": value }));
  assert.equal((await hash("UNSIGNED-PAYLOAD")).payload.kind, "unsigned");
  await assert.rejects(hash("0".repeat(64)), failsWith("SignatureDoesNotMatch"));
});

test("a signature covers method, path, query, headers and key", async () => {
  await assert.rejects(signedIn(getObject({ Range: "bytes=0-8" })), failsWith("SignatureDoesNotMatch"));
  await assert.rejects(signedIn(getObject(), { secret: "another" }), failsWith("SignatureDoesNotMatch"));
  await assert.rejects(signedIn(getObject({ "x-amz-acl": "public-read" })), failsWith("AccessDenied", /not signed/));
  const unsignedHost = getObject({ Authorization: authorization("range;x-amz-content-sha256;x-amz-date", "0".repeat(64)) });
  await assert.rejects(signedIn(unsignedHost), failsWith("AccessDenied", /not signed/));
});

test("each way to be wrong has its error", async () => {
  const wrong = (value: string, code: string, message?: RegExp) =>
    assert.rejects(signedIn(getObject({ Authorization: value })), failsWith(code, message));
  await wrong("AWS AKID:sig", "InvalidRequest", /AWS4-HMAC-SHA256/);
  await wrong("AWS HAHAHA", "InvalidArgument");
  await wrong("AWS4-ECDSA-P256-SHA256 Credential=x", "InvalidRequest");
  await wrong("Bearer abc", "InvalidArgument", /Unsupported Authorization Type/);
  await wrong("AWS4-HMAC-SHA256 Credential=x", "AuthorizationHeaderMalformed");
  await wrong(authorization("host", "0").replace("/s3/", "/ec2/"), "AuthorizationHeaderMalformed", /service/);
  await wrong(authorization("host", "0").replace("20130524", "20130523"), "AuthorizationHeaderMalformed", /credential date/);
  await assert.rejects(
    signedIn(getObject(), { region: "eu-central-1" }),
    failsWith("AuthorizationHeaderMalformed", /expecting 'eu-central-1'/),
  );
  await signedIn(getObject(), { region: "eu-central-1", anyRegion: true });
  // The name of the host in the place of the region is looked at further: git-annex signs so. That of another one is not.
  const forHost = authorization("host;x-amz-content-sha256;x-amz-date", "0".repeat(64)).replace("us-east-1", common.Host);
  await wrong(forHost, "SignatureDoesNotMatch");
  await wrong(forHost.replace(common.Host, "elsewhere.example"), "AuthorizationHeaderMalformed", /expecting 'us-east-1'/);
  await assert.rejects(signedIn(getObject(), { nowMs: nowMs + 901_000 }), failsWith("RequestTimeTooSkewed"));
  await assert.rejects(signedIn(getObject({ "x-amz-date": "yesterday" })), failsWith("AccessDenied", /valid Date/));
  assert.equal((await signedIn(request("GET", "/test.txt", { Host: "x" }))).caller.anonymous, true);
  const stranger = getObject({
    Authorization: authorization("host;range;x-amz-content-sha256;x-amz-date", "0".repeat(64)).replace(accessKeyId, "NOBODY"),
  });
  await assert.rejects(signedIn(stranger), failsWith("InvalidAccessKeyId"));
});

test("an address in version 2: the published example, and what it does not cover", async () => {
  const atMs = 1_175_139_000_000;
  const get = (
    rest: string,
    { host = "johnsmith.s3.amazonaws.com", headers = {}, nowMs = atMs, path = "/photos/puppy.jpg" } = {},
  ) =>
    signedIn(
      request("GET", `${path}?AWSAccessKeyId=${accessKeyId}&Expires=1175139620&Signature=${rest}`, { Host: host, ...headers }),
      { nowMs },
    );
  const right = "NpgCjnDzrM%2BWFzoENXmpNDUsSn8%3D";
  const { caller, payload } = await get(right);
  assert.deepEqual([caller.authType, caller.signatureVersion, payload.kind], ["REST-QUERY-STRING", "AWS", "unsigned"]);
  await get(right.replace("%2B", "+"));
  await get(right, { host: "s3.amazonaws.com", path: "/johnsmith/photos/puppy.jpg" });
  // The host is not signed: the path of one bucket must not be the name of an object in another one.
  const other = { host: "other.s3.amazonaws.com", path: "/johnsmith/photos/puppy.jpg" };
  const wrong: [ReturnType<typeof get>, string, RegExp?][] = [
    [get(right, other), "SignatureDoesNotMatch"],
    [get(right, { headers: { "x-amz-acl": "public-read" } }), "SignatureDoesNotMatch"],
    [get(`${right}&x-amz-acl=public-read`), "SignatureDoesNotMatch"],
    [get(`${right}&versionId=1`), "SignatureDoesNotMatch"],
    [get(right, { headers: { "content-type": "text/html" } }), "SignatureDoesNotMatch"],
    [get(`${right}&retention`), "InvalidArgument", /version 4/],
    [get(`${right}&if-match=x`), "InvalidArgument", /version 4/],
    [get(right, { nowMs: 1_175_139_620_000 }), "AccessDenied", /expired/],
    [signedIn(request("GET", `/a?AWSAccessKeyId=${accessKeyId}&Signature=2`, { Host: "x" })), "AccessDenied", /Expires/],
    [signedIn(request("GET", "/a?AWSAccessKeyId=1&Signature=2&Expires=3", { Host: "x" })), "InvalidAccessKeyId"],
  ];
  for (const [refused, code, message] of wrong) await assert.rejects(refused, failsWith(code, message));
});

const signed: Signed = {
  headers: ["host"],
  payloadHash: "UNSIGNED-PAYLOAD",
  presigned: false,
  timestamp: "20130524T000000Z",
  scope: { date: "20130524", region: "us-east-1", service: "s3" },
};

test("a path signs the same however it is escaped, and is never normalised", () => {
  const signatures = (url: string) => [...acceptableSignatures(request("GET", url, { Host: "h" }), signed, Buffer.alloc(32))];
  const [plain] = signatures("/b/a%20b%2Bc//d/%C3%BC(1)");
  assert.ok(signatures("/b/a%20b+c//d/%c3%bc%281%29").includes(plain!));
  assert.ok(!signatures("/b/a%20b%2Bc/d/%C3%BC(1)").includes(plain!));
  // An escaped slash may be signed as sent or as a slash.
  assert.ok(signatures("/b/a%2Fb").includes(signatures("/b/a/b")[0]!));
  assert.equal(new Set(signatures("/b/a%2Fb")).size, 2);
  // Query parameters sort by their escaped names, and "+" may be a space or itself.
  assert.equal(signatures("/b?b=1&a=2&a=1")[0], signatures("/b?a=1&a=2&b=1")[0]);
  assert.ok(signatures("/b?prefix=a+b").includes(signatures("/b?prefix=a%20b")[0]!));
  assert.ok(signatures("/b?prefix=a+b").includes(signatures("/b?prefix=a%2Bb")[0]!));
});

test("signing keys are cached, bounded, and follow a secret that changes", () => {
  const keys = new SigningKeys(2);
  const { scope } = signed;
  const first = keys.derive("a", "one", scope);
  assert.equal(keys.derive("a", "one", scope), first);
  assert.notDeepEqual(keys.derive("a", "two", scope), first);
  keys.derive("b", "x", scope);
  keys.derive("c", "x", scope);
  assert.equal(keys.size, 2);
});
