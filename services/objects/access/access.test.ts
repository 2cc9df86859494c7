import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
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

test("what can be public is told of buckets and objects, and a website says whether anybody sees it", async () => {
  const { id, name } = await cloud.bucket();
  await cloud.put(id, "index.html", "<h1>Home</h1>", "text/html");
  const update = (body: unknown) => cloud.call("editor", "PUT", `/buckets/${id}/access`, body);
  const reach = async () => {
    const access = (await cloud.call("viewer", "GET", `/buckets/${id}/access`)).body.publicReach;
    assert.equal((await cloud.call("viewer", "GET", `/buckets/${id}`)).body.publicReach, access);
    const listed = (await cloud.call("viewer", "GET", `/buckets?project=${cloud.project}&limit=200`)).body.items;
    assert.equal(listed.find((bucket: { id: string }) => bucket.id === id).publicReach, access);
    return access;
  };
  const isPublic = async () => (await cloud.call("viewer", "GET", `/buckets/${id}/object?key=index.html`)).body.isPublic;
  const isReadable = async () => (await cloud.call("viewer", "GET", `/buckets/${id}/website`)).body.isReadable;
  const site = await cloud.call("editor", "PUT", `/buckets/${id}/website`, { indexDocument: "index.html" });
  assert.deepEqual([site.status, site.body.isReadable], [200, false]);
  assert.deepEqual([await reach(), await isPublic()], ["objects", false]);

  const { owner } = await cloud.objects.s3Backend.bucketByName(name);
  const everyone = { owner, grants: [{ group: "everyone", permission: "READ" } as const] };
  await cloud.store.mark(id as never, "index.html", { access: everyone });
  assert.deepEqual([await reach(), await isPublic(), await isReadable()], ["objects", true, true]);
  await update({ ownership: "BucketOwnerEnforced" });
  assert.deepEqual([await reach(), await isPublic(), await isReadable()], ["none", false, false]);
  await update({ policy: policyText(statement(name)) });
  assert.deepEqual([await reach(), await isPublic(), await isReadable()], ["bucket", true, true]);
  const all = { blockPublicAcls: true, ignorePublicAcls: true, blockPublicPolicy: true, restrictPublicBuckets: true };
  await update({ publicAccessBlock: all, ownership: "ObjectWriter" });
  assert.deepEqual([await reach(), await isPublic(), await isReadable()], ["none", false, false]);
});

test("websites from before policies said who reads them stay readable, unless that is blocked", async () => {
  const publish = async (body: unknown, access?: unknown) => {
    const { id } = await cloud.bucket();
    if (access) assert.equal((await cloud.call("editor", "PUT", `/buckets/${id}/access`, access)).status, 200);
    assert.equal((await cloud.call("editor", "PUT", `/buckets/${id}/website`, body)).status, 200);
    return id;
  };
  const index = { indexDocument: "index.html" };
  const named = await cloud.bucket();
  await cloud.call("editor", "PUT", `/buckets/${named.id}/website`, index);
  const denial = { ...statement(named.name), Effect: "Deny", Resource: `arn:aws:s3:::${named.name}/secret/*` };
  await cloud.call("editor", "PUT", `/buckets/${named.id}/access`, { policy: policyText(denial) });
  const [plain, elsewhere] = [await publish(index), await publish({ redirectAllTo: { host: "example.org" } })];
  const blocked = { blockPublicAcls: false, ignorePublicAcls: false, blockPublicPolicy: false, restrictPublicBuckets: true };
  const shut = await publish(index, { publicAccessBlock: blocked });

  const sql = await readFile(new URL("../migrations/0011_websites_read_by_policy.sql", import.meta.url), "utf8");
  for (let round = 0; round < 2; round++) await cloud.database.transaction("system", (tx) => tx.sql.unsafe(sql));
  const shown = async (id: string) => {
    const { policy } = (await cloud.call("viewer", "GET", `/buckets/${id}/access`)).body;
    const { isReadable } = (await cloud.call("viewer", "GET", `/buckets/${id}/website`)).body;
    return [isReadable, policy && JSON.parse(policy).Statement.length];
  };
  assert.deepEqual(await shown(plain), [true, 1]);
  assert.deepEqual(await shown(named.id), [true, 2]);
  assert.deepEqual(await shown(elsewhere), [true, undefined]);
  assert.deepEqual(await shown(shut), [false, undefined]);
  // What it wrote can be saved again.
  const { policy } = (await cloud.call("viewer", "GET", `/buckets/${named.id}/access`)).body;
  assert.equal((await cloud.call("editor", "PUT", `/buckets/${named.id}/access`, { policy })).status, 200);
});
