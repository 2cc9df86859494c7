// biome-ignore-all lint/suspicious/noTemplateCurlyInString: this is how policies write variables
import assert from "node:assert/strict";
import { test } from "node:test";
import { S3Error } from "../errors.ts";
import { parseRequest } from "../request.ts";
import { conditionKeys, type KeySources } from "./keys.ts";
import { evaluatePolicy, type PolicyRequest, parsePolicy, readPolicy } from "./policy.ts";
import { isPublicPolicy } from "./publicAccess.ts";

const nowMs = Date.UTC(2026, 5, 1, 12);
const user = "arn:aws:iam::111122223333:user/usr_a";

interface Asked {
  action?: string;
  key?: string;
  url?: string;
  headers?: Record<string, string>;
  from?: string;
  anonymous?: boolean;
  sameAccount?: boolean;
  more?: Partial<KeySources>;
}

/** Somebody of account 111122223333 reads box/docs/a.txt, unless said otherwise. */
function requestOf({
  action = "s3:GetObject",
  key = "docs/a.txt",
  url = "/box/docs/a.txt",
  headers = {},
  from = "203.0.113.9",
  ...asked
}: Asked): PolicyRequest {
  const { anonymous = false, sameAccount = false, more = {} } = asked;
  const request = parseRequest(
    { method: "GET", url, rawHeaders: Object.entries({ Host: "x", ...headers }).flat(), socket: { remoteAddress: from } },
    [],
  );
  const caller = {
    anonymous,
    accountId: "111122223333",
    canonicalId: "c".repeat(64),
    userId: "usr_a",
    arns: [user],
    authType: "REST-HEADER",
  };
  return {
    action,
    resource: `arn:aws:s3:::box/${key}`,
    principal: caller,
    sameAccount,
    keys: conditionKeys({ request, caller, bucket: { accountId: "444455556666", region: "us-east-1" }, nowMs, ...more }),
  };
}

const statement = (more: object) => ({
  Effect: "Allow",
  Principal: "*",
  Action: "s3:GetObject",
  Resource: "arn:aws:s3:::box/*",
  ...more,
});
const policy = (...statements: object[]) => readPolicy(JSON.stringify({ Version: "2012-10-17", Statement: statements }), "box");
const verdict = (more: object, asked: Asked = {}) => evaluatePolicy(policy(statement(more)), requestOf(asked));

test("principals, actions and resources", () => {
  const cases: [object, Asked, string][] = [
    [{}, {}, "allow"],
    [{}, { anonymous: true }, "allow"],
    [{ Principal: { AWS: "*" } }, { anonymous: true }, "allow"],
    [{ Principal: { AWS: user } }, {}, "allow"],
    [{ Principal: { AWS: user } }, { anonymous: true }, "none"],
    [{ Principal: { AWS: ["999999999999", "111122223333"] } }, {}, "allow"],
    [{ Principal: { AWS: "arn:aws:iam::111122223333:root" } }, {}, "allow"],
    [{ Principal: { AWS: "arn:aws:iam::999999999999:root" } }, {}, "none"],
    [{ Principal: { CanonicalUser: "c".repeat(64) } }, {}, "allow"],
    [{ Principal: { AWS: "111122223333" } }, { sameAccount: true }, "none"],
    [{ Principal: { AWS: user } }, { sameAccount: true }, "allow"],
    [{ Effect: "Deny", Principal: { AWS: "111122223333" } }, { sameAccount: true }, "deny"],
    [{ Effect: "Deny", Principal: undefined, NotPrincipal: { AWS: user } }, {}, "none"],
    [{ Effect: "Deny", Principal: undefined, NotPrincipal: { AWS: "999999999999" } }, {}, "deny"],
    [{ Principal: { Service: "logging.s3.amazonaws.com" } }, {}, "none"],
    [{ Action: "s3:Get*" }, {}, "allow"],
    [{ Action: "S3:getobject" }, {}, "allow"],
    [{ Action: ["s3:PutObject", "s3:GetObjec?"] }, {}, "allow"],
    [{ Action: "s3:GetObject" }, { action: "s3:GetObjectVersion" }, "none"],
    [{ Action: undefined, NotAction: "s3:Delete*" }, {}, "allow"],
    [{ Action: undefined, NotAction: "s3:Get*" }, {}, "none"],
    [{ Resource: "arn:aws:s3:::box/docs/*" }, {}, "allow"],
    [{ Resource: "arn:aws:s3:::box/DOCS/*" }, {}, "none"],
    [{ Resource: "arn:aws:s3:::box/*.txt" }, {}, "allow"],
    [{ Resource: "arn:aws:s3:::box" }, {}, "none"],
    [{ Resource: undefined, NotResource: "arn:aws:s3:::box/secret/*" }, {}, "allow"],
    [{ Resource: "arn:aws:s3:::box/${aws:username}/*" }, { key: "usr_a/x" }, "allow"],
    [{ Resource: "arn:aws:s3:::box/${aws:username}/*" }, { key: "usr_b/x" }, "none"],
    [{ Resource: "arn:aws:s3:::box/${aws:username}/*" }, { key: "x/x", anonymous: true }, "none"],
    [{ Resource: "arn:aws:s3:::box/${aws:username, 'all'}/*" }, { key: "all/x", anonymous: true }, "allow"],
    [{ Resource: "arn:aws:s3:::box/${*}" }, { key: "*" }, "allow"],
    [{ Resource: "arn:aws:s3:::box/${*}" }, { key: "other" }, "none"],
  ];
  for (const [more, asked, expected] of cases) assert.equal(verdict(more, asked), expected, JSON.stringify([more, asked]));
  const both = policy(statement({}), statement({ Effect: "Deny", Resource: "arn:aws:s3:::box/docs/*" }));
  assert.equal(evaluatePolicy(both, requestOf({})), "deny", "a denial outranks, whatever comes first");
});

test("conditions", () => {
  const tags = { objectTags: { team: "blue" }, requestTags: { a: "1", b: "2" } };
  const cases: [object, Asked, boolean][] = [
    [{ StringEquals: { "aws:Referer": "https://a.example/" } }, { headers: { Referer: "https://a.example/" } }, true],
    [{ StringEquals: { "aws:Referer": "https://a.example/" } }, {}, false],
    [{ StringNotEquals: { "aws:Referer": "x" } }, {}, true],
    [{ StringLike: { "aws:UserAgent": ["curl*", "*wget*"] } }, { headers: { "User-Agent": "GNU wget 1" } }, true],
    [{ StringLikeIfExists: { "aws:Referer": "https://*" } }, {}, true],
    [{ StringLikeIfExists: { "aws:Referer": "https://*" } }, { headers: { Referer: "http://x" } }, false],
    [{ StringEqualsIgnoreCase: { "s3:authType": "rest-header" } }, {}, true],
    [{ StringNotLike: { "s3:prefix": "private*" } }, { url: "/box?prefix=private/x" }, false],
    [{ StringEquals: { "s3:prefix": ["", "docs/"] } }, { url: "/box?prefix=docs/" }, true],
    [{ NumericLessThanEquals: { "s3:max-keys": 10 } }, { url: "/box?max-keys=10" }, true],
    [{ NumericLessThanEquals: { "s3:max-keys": 10 } }, { url: "/box?max-keys=11" }, false],
    [{ NumericLessThanEquals: { "s3:max-keys": 10 } }, {}, false],
    [{ DateGreaterThan: { "aws:CurrentTime": "2026-06-01T11:00:00Z" } }, {}, true],
    [{ DateLessThan: { "aws:EpochTime": "2026-06-01T11:00:00Z" } }, {}, false],
    [{ Bool: { "aws:SecureTransport": "false" } }, {}, true],
    [{ Bool: { "aws:SecureTransport": true } }, { from: "127.0.0.1", headers: { "X-Forwarded-Proto": "https" } }, true],
    [{ Bool: { "aws:SecureTransport": true } }, { headers: { "X-Forwarded-Proto": "https" } }, false],
    [{ IpAddress: { "aws:SourceIp": "203.0.113.0/24" } }, {}, true],
    [{ IpAddress: { "aws:SourceIp": "203.0.113.0/24" } }, { headers: { "X-Forwarded-For": "198.51.100.1" } }, true],
    [
      { IpAddress: { "aws:SourceIp": "198.51.100.1" } },
      { from: "::ffff:127.0.0.1", headers: { "X-Forwarded-For": "9.9.9.9, 198.51.100.1" } },
      true,
    ],
    [{ IpAddress: { "aws:SourceIp": ["2001:db8::/32", "10.0.0.0/8"] } }, { from: "2001:db8:1::1" }, true],
    [{ NotIpAddress: { "aws:SourceIp": "203.0.113.0/24" } }, {}, false],
    [{ ArnLike: { "aws:PrincipalArn": "arn:aws:iam::111122223333:user/*" } }, {}, true],
    [{ ArnLike: { "aws:PrincipalArn": "arn:aws:*:user/*" } }, {}, false],
    [{ ArnNotEquals: { "aws:PrincipalArn": "arn:aws:iam::1:user/x" } }, {}, true],
    [{ Null: { "s3:x-amz-server-side-encryption": "true" } }, {}, true],
    [{ Null: { "s3:x-amz-server-side-encryption": "true" } }, { headers: { "x-amz-server-side-encryption": "AES256" } }, false],
    [{ StringEquals: { "s3:x-amz-acl": "public-read" } }, { headers: { "x-amz-acl": "public-read" } }, true],
    [
      { StringLike: { "s3:x-amz-copy-source": "from/a*" } },
      { headers: { "x-amz-copy-source": "/from/a%20b?versionId=1" } },
      true,
    ],
    // However the source is written, it is the same one.
    ...["from/a+b", "from%2Fa+b", "https://s3.example.org/from/a%20b", "/from/a b"].map((source): [object, Asked, boolean] => [
      { StringEquals: { "s3:x-amz-copy-source": "from/a b" } },
      { headers: { "x-amz-copy-source": source } },
      true,
    ]),
    ...["PutObject", "PostObject", "CopyObject", "CompleteMultipartUpload"].map((putBy): [object, Asked, boolean] => [
      { Bool: { "s3:ObjectCreationOperation": "true" }, Null: { "s3:if-none-match": "true" } },
      { more: { putBy } },
      true,
    ]),
    [{ Bool: { "s3:ObjectCreationOperation": "true" } }, { more: { putBy: "UploadPart" } }, false],
    [{ Bool: { "s3:ObjectCreationOperation": "false" } }, { more: { putBy: "CreateMultipartUpload" } }, true],
    [{ Null: { "s3:ObjectCreationOperation": "true" } }, {}, true],
    [{ StringEquals: { "s3:ExistingObjectTag/team": "blue" } }, { more: tags }, true],
    [{ StringEquals: { "s3:ExistingObjectTag/Team": "blue" } }, { more: tags }, false],
    [{ StringEquals: { "s3:RequestObjectTag/a": "1" } }, { more: tags }, true],
    [{ StringEquals: { "s3:RequestObjectTag/a": "1" } }, { headers: { "x-amz-tagging": "a=1&b=2" } }, true],
    [{ "ForAllValues:StringEquals": { "s3:RequestObjectTagKeys": ["a", "b", "c"] } }, { more: tags }, true],
    [{ "ForAllValues:StringEquals": { "s3:RequestObjectTagKeys": ["a"] } }, { more: tags }, false],
    [{ "ForAllValues:StringEquals": { "s3:RequestObjectTagKeys": ["a"] } }, {}, true],
    [{ "ForAnyValue:StringEquals": { "s3:RequestObjectTagKeys": ["a"] } }, { more: tags }, true],
    [{ "ForAnyValue:StringNotEquals": { "s3:RequestObjectTagKeys": ["a", "b"] } }, { more: tags }, false],
    [{ "ForAnyValue:StringEquals": { "s3:RequestObjectTagKeys": ["a"] } }, {}, false],
    [{ StringEquals: { "s3:VersionId": "v" } }, { url: "/box/k?versionId=v" }, true],
    [
      { NumericGreaterThan: { "s3:object-lock-remaining-retention-days": 5 } },
      { headers: { "x-amz-object-lock-retain-until-date": "2026-06-11T12:00:00Z" } },
      true,
    ],
    [{ StringEquals: { "s3:ResourceAccount": "444455556666", "aws:PrincipalAccount": "111122223333" } }, {}, true],
    [{ StringEquals: { "s3:ResourceAccount": "444455556666", "aws:PrincipalAccount": "1" } }, {}, false],
    [{ StringEquals: { "aws:username": "${aws:userid}" } }, {}, true],
  ];
  for (const [condition, asked, expected] of cases)
    assert.equal(verdict({ Condition: condition }, asked), expected ? "allow" : "none", JSON.stringify([condition, asked]));
});

test("what is no policy of this bucket is refused, and why is told", () => {
  const refused = (text: string, message: RegExp) =>
    assert.throws(
      () => parsePolicy(text, "box"),
      (error) => error instanceof S3Error && error.code === "MalformedPolicy" && message.test(error.message),
      text.slice(0, 200),
    );
  const wrong = (more: object, message: RegExp) =>
    refused(JSON.stringify({ Version: "2012-10-17", Statement: [statement(more)] }), message);
  refused("", /valid JSON/);
  refused("[]", /valid JSON/);
  refused("{}", /Statement/);
  refused('{"Statement":[]}', /empty/);
  refused('{"Version":"2020-01-01","Statement":[]}', /version/);
  refused('{"Statement":[{}],"Else":1}', /Unknown field Else/);
  wrong({ Effect: "Maybe" }, /Invalid effect/);
  wrong({ Principal: undefined }, /Principal/);
  wrong({ NotPrincipal: "*" }, /both/);
  wrong({ Principal: undefined, NotPrincipal: { AWS: user } }, /NotPrincipal/);
  wrong({ Principal: { AWS: "somebody" } }, /Invalid principal/);
  wrong({ Principal: { CanonicalUser: "x" } }, /Invalid principal/);
  wrong({ Principal: {} }, /Invalid principal/);
  wrong({ Action: "ec2:RunInstances" }, /invalid action/);
  wrong({ Action: [] }, /invalid action/);
  wrong({ Resource: "arn:aws:s3:::other/*" }, /invalid resource/);
  wrong({ Resource: "box/*" }, /invalid resource/);
  wrong({ Condition: { StringSame: { "aws:Referer": "x" } } }, /Invalid Condition type : StringSame/);
  wrong({ Condition: { StringEquals: { referer: "x" } } }, /condition key/);
  wrong({ Condition: { IpAddress: { "aws:SourceIp": "10.0.0.0/99" } } }, /Invalid IP/);
  wrong({ Action: "s3:Nonsense" }, /Policy has invalid action/);
  wrong({ Action: ["s3:GetObject", "s3:Nonsens*"] }, /Policy has invalid action/);
  wrong({ Action: undefined, NotAction: "s3:Nonsense" }, /Policy has invalid action/);
  const nowhere = /^Action does not apply to any resource\(s\) in statement$/;
  wrong({ Action: "s3:ListBucket" }, nowhere);
  wrong({ Action: "s3:GetObject", Resource: "arn:aws:s3:::box" }, nowhere);
  wrong({ Action: ["s3:GetObject", "s3:ListBucket"] }, nowhere);
  wrong({ Action: "s3:ListAllMyBuckets", Resource: "*" }, nowhere);
  wrong({ Condition: { StringEquals: { "s3:Nonsense": "x" } } }, /invalid condition key: s3:Nonsense/);
  wrong({ Condition: { StringEquals: { "aws:Nonsense": "x" } } }, /invalid condition key: aws:Nonsense/);
  wrong({ Condition: { StringEquals: { "s3:prefix": "x" } } }, /^Conditions do not apply to combination/);
  const values = [
    ["NumericLessThan", "x"],
    ["DateGreaterThanIfExists", "soon"],
    ["Bool", "yes"],
    ["Null", "no"],
  ] as const;
  for (const [operator, value] of values) wrong({ Condition: { [operator]: { "aws:EpochTime": value } } }, /^Invalid value in/);
  const twice = [statement({ Sid: "a" }), statement({ Sid: "a" })];
  refused(
    JSON.stringify({ Version: "2012-10-17", Statement: twice }),
    /^Statement IDs \(SID\) in a single policy must be unique\.$/,
  );
  wrong({ Sid: "x".repeat(21_000) }, /maximum allowed/);
  assert.throws(() => parsePolicy(JSON.stringify({ Statement: statement({}) })), /should not specify a principal/);
});

test("what AWS takes is taken, known here or not", () => {
  const taken: object[] = [
    { Action: "s3:*" },
    { Action: "*" },
    { Action: "s3:Get*" },
    { Action: "S3:getobject" },
    { Action: ["s3:List*", "s3:RestoreObject", "s3:ReplicateObject"] },
    { Action: ["s3:GetObject", "s3:ListBucket"], Resource: "arn:aws:s3:::box*" },
    { Action: ["s3:GetObject", "s3:ListBucket"], Resource: "*" },
    { Action: "s3:ListBucket", Resource: "arn:aws:s3:::box", Condition: { StringLike: { "s3:prefix": "home/*" } } },
    { Action: "s3:*", Condition: { Bool: { "aws:MultiFactorAuthPresent": "true" } } },
    { Action: "s3:PutObject", Condition: { Bool: { "s3:ObjectCreationOperation": "true" } } },
    { Action: "s3:PutObject", Condition: { StringEquals: { "s3:x-amz-server-side-encryption-aws-kms-key-id": "k" } } },
    { Condition: { StringEquals: { "aws:PrincipalTag/team": "blue", "s3:ExistingObjectTag/a b": "c" } } },
    { Condition: { NumericLessThan: { "s3:TlsVersion": "1.2" }, DateLessThan: { "aws:CurrentTime": "2030-01-01" } } },
    { Resource: "arn:aws:s3:::${aws:username}/*" },
  ];
  for (const more of taken) parsePolicy(JSON.stringify({ Version: "2012-10-17", Statement: [statement(more)] }), "box");
  // What was kept before more was asked of it goes on.
  assert.equal(policy(statement({ Action: "s3:Nonsense" })).statements.length, 1);
});

test("what is public", () => {
  const isPublic = (more: object) => isPublicPolicy(policy(statement(more)));
  assert.equal(isPublic({}), true);
  assert.equal(isPublic({ Principal: { AWS: "*" } }), true);
  assert.equal(isPublic({ Principal: { AWS: user } }), false);
  assert.equal(isPublic({ Effect: "Deny" }), false);
  assert.equal(isPublic({ Condition: { IpAddress: { "aws:SourceIp": "10.0.0.0/8" } } }), false);
  assert.equal(isPublic({ Condition: { IpAddress: { "aws:SourceIp": "0.0.0.0/0" } } }), true);
  assert.equal(isPublic({ Condition: { StringEquals: { "aws:PrincipalAccount": "111122223333" } } }), false);
  assert.equal(isPublic({ Condition: { StringLike: { "aws:PrincipalAccount": "*" } } }), true);
  assert.equal(isPublic({ Condition: { StringEqualsIfExists: { "aws:PrincipalAccount": "111122223333" } } }), true);
  assert.equal(isPublic({ Condition: { StringLike: { "aws:Referer": "https://a.example/*" } } }), true);
});
