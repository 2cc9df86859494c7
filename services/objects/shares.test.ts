import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { AddressLimit } from "../../kernel/http/addressLimit.ts";
import { type TestCloud, testCloud } from "./testing/fixture.ts";

let cloud: TestCloud;
before(async () => {
  cloud = await testCloud({ runner: false });
});
after(() => cloud.stop());

async function shared(key = "Звіт.pdf") {
  const bucket = await cloud.bucket();
  await cloud.put(bucket.id, key, "0123456789", "application/pdf");
  const { status, body } = await cloud.call("editor", "POST", `/buckets/${bucket.id}/shares`, { key, expiresInHours: 1 });
  assert.equal(status, 201);
  const token = new URL(body.link).pathname.split("/").pop() as string;
  return { bucket, share: body, token };
}

test("whoever has the link sees that one object, without a sign-in", async () => {
  const { bucket, share, token } = await shared();
  assert.ok(share.link.startsWith("http://cloud.test/s/khs_"));
  const shown = await cloud.call(undefined, "GET", `/shared/${token}`);
  assert.deepEqual(
    [shown.body.name, shown.body.sizeBytes, shown.body.contentType, shown.body.sharedBy],
    ["Звіт.pdf", 10, "application/pdf", "editor"],
  );
  const got = await cloud.fetch(undefined, `/shared/${token}/content`);
  assert.equal(await got.text(), "0123456789");
  assert.match(got.headers.get("content-disposition") ?? "", /^attachment; .*filename\*=UTF-8''%D0%97/);
  // A later piece and a look are no downloads.
  assert.equal(
    await (await cloud.fetch(undefined, `/shared/${token}/content`, { headers: { range: "bytes=5-" } })).text(),
    "56789",
  );
  const again = await cloud.fetch(undefined, `/shared/${token}/content`, {
    headers: { "if-none-match": got.headers.get("etag") as string },
  });
  assert.equal(again.status, 304);
  const list = await cloud.call("viewer", "GET", `/buckets/${bucket.id}/shares?key=${encodeURIComponent("Звіт.pdf")}`);
  assert.deepEqual([list.body.items[0].downloads, list.body.items[0].state], [1, "active"]);
  assert.equal(JSON.stringify(list.body).includes(token), false);
  const stored = await cloud.database.sql`select token_hash from objects.shares where id = ${share.id}`;
  assert.notEqual(stored[0]?.["token_hash"], token);
});

test("an expired, revoked or wrong link opens nothing, and all of them look the same", async () => {
  const { share, token } = await shared("a.txt");
  const unknown = await cloud.call(undefined, "GET", `/shared/khs_${"x".repeat(43)}`);
  await cloud.database.sql`update objects.shares set expires_at = now() - interval '1 second' where id = ${share.id}`;
  const expired = await cloud.call(undefined, "GET", `/shared/${token}`);
  assert.equal(expired.status, 404);
  assert.deepEqual({ ...expired.body, requestId: "" }, { ...unknown.body, requestId: "" });
  assert.equal((await cloud.fetch(undefined, `/shared/${token}/content`)).status, 404);

  const other = await shared("b.txt");
  assert.equal((await cloud.call("editor", "DELETE", `/shares/${other.share.id}`)).status, 204);
  assert.equal((await cloud.fetch(undefined, `/shared/${other.token}/content`)).status, 404);
  const list = await cloud.call("viewer", "GET", `/buckets/${other.bucket.id}/shares`);
  assert.equal(list.body.items[0].state, "revoked");

  const third = await shared("c.txt");
  await cloud.call("editor", "DELETE", `/buckets/${third.bucket.id}/object?key=c.txt`);
  assert.equal((await cloud.call(undefined, "GET", `/shared/${third.token}`)).status, 404);
  assert.equal((await cloud.call("editor", "POST", `/buckets/${third.bucket.id}/shares`, { key: "c.txt" })).status, 404);
});

test("a suspended organisation shares nothing, and again when it is resumed", async () => {
  const { token } = await shared("d.txt");
  const set = (state: string) =>
    cloud.database
      .sql`update identity.organisations set state = ${state}, suspended_reason = ${state === "active" ? null : "Unpaid."}`;
  await set("suspended");
  assert.equal((await cloud.fetch(undefined, `/shared/${token}/content`)).status, 404);
  await set("active");
  assert.equal((await cloud.fetch(undefined, `/shared/${token}/content`)).status, 200);
});

test("guessing is slowed down, each address for itself", async () => {
  const limit = new AddressLimit(3);
  for (let index = 0; index < 3; index++) limit.take("192.0.2.1");
  assert.throws(() => limit.take("192.0.2.1"), { code: "rate_limited" });
  limit.take("192.0.2.2");
  for (const address of ["2001:db8::1", "2001:db8::2", "2001:db8:0:0:ffff::3"]) limit.take(address);
  assert.throws(() => limit.take("2001:db8:0:0:1:2:3:4"), { code: "rate_limited" });
  limit.take("2001:db8:0:1::1");

  let status = 404;
  for (let index = 0; index < 40 && status === 404; index++)
    status = (await cloud.call(undefined, "GET", `/shared/khs_${"y".repeat(43)}`)).status;
  assert.equal(status, 429);
});
