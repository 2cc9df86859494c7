import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { type TestCloud, testCloud } from "../testing/fixture.ts";

let cloud: TestCloud;
before(async () => {
  cloud = await testCloud({ runner: false });
});
after(() => cloud.stop());

const statement = (name: string, principal: unknown = "*") => ({
  Effect: "Allow",
  Principal: principal,
  Action: "s3:GetObject",
  Resource: `arn:aws:s3:::${name}/*`,
});
const policyText = (...statements: unknown[]) => JSON.stringify({ Version: "2012-10-17", Statement: statements });

test("a policy makes a bucket public, unless the bucket or its organisation blocks that", async () => {
  const { id, name } = await cloud.bucket();
  const update = (body: unknown, as: "editor" | "viewer" = "editor") => cloud.call(as, "PUT", `/buckets/${id}/access`, body);
  const show = async () => (await cloud.call("viewer", "GET", `/buckets/${id}/access`)).body;
  const forbid = (isForbidden: boolean, as: "owner" | "editor" = "owner") =>
    cloud.call(as, "PUT", `/organisations/${cloud.organisation}/public-access`, { isForbidden });

  const fresh = await show();
  assert.deepEqual(
    [fresh.isPublic, fresh.isForbidden, fresh.policy, /^\d{12}$/.test(fresh.accountId)],
    [false, false, undefined, true],
  );
  const open = policyText(statement(name));
  assert.equal((await update({ policy: open }, "viewer")).status, 403);
  const made = await update({ policy: open });
  assert.deepEqual([made.status, made.body.isPublic, made.body.policy], [200, true, open]);
  const { s3Backend } = cloud.objects;
  const held = await s3Backend.configuration(await s3Backend.bucketByName(name));
  assert.equal(held.policy?.text, open, "the S3 door has the same");

  const block = { blockPublicAcls: true, ignorePublicAcls: true, blockPublicPolicy: true, restrictPublicBuckets: true };
  assert.equal((await update({ publicAccessBlock: block })).body.isPublic, false, "what is there counts no more");
  const refused = await update({ policy: open });
  assert.deepEqual([refused.status, refused.body.reason], [409, "public_access_blocked"]);
  assert.equal((await update({ policy: policyText(statement(name, { AWS: fresh.accountId })) })).status, 200, "not public");
  const free = Object.fromEntries(Object.keys(block).map((key) => [key, false]));
  assert.equal((await update({ publicAccessBlock: free, policy: open })).body.isPublic, true);

  assert.equal((await forbid(true, "editor")).status, 403);
  assert.equal((await forbid(true)).status, 200);
  const shut = await show();
  assert.deepEqual([shut.isPublic, shut.isForbidden], [false, true]);
  const still = await update({ policy: open });
  assert.match(still.body.detail, /administrators have forbidden/);
  assert.equal((await forbid(false)).status, 200);
  assert.equal((await show()).isPublic, true);
  assert.equal((await update({ policy: null })).body.isPublic, false);
  assert.equal((await update({ ownership: "BucketOwnerEnforced" })).body.ownership, "BucketOwnerEnforced");
});

test("what is wrong with a policy stands at its field", async () => {
  const { id } = await cloud.bucket();
  for (const policy of ["not json", "{}", policyText(statement("another-bucket"))]) {
    const answer = await cloud.call("editor", "PUT", `/buckets/${id}/access`, { policy });
    assert.equal(answer.status, 400, policy);
    assert.match(JSON.stringify(answer.body), /body\.policy/);
  }
  assert.equal((await cloud.call("editor", "PUT", `/buckets/${id}/access`, {})).status, 400);
});
