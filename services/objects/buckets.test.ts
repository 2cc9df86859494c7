import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { verifyChain } from "../../kernel/audit.ts";
import { newId } from "../../kernel/ids.ts";
import { setQuota } from "../../kernel/quota.ts";
import { type TestCloud, testCloud } from "./testing/fixture.ts";
import { openS3Door } from "./testing/s3Door.ts";

let cloud: TestCloud;
before(async () => {
  cloud = await testCloud();
});
after(() => cloud.stop());

test("a bucket is made, shown, listed and deleted", async () => {
  const made = await cloud.call("editor", "POST", "/buckets", { project: cloud.project, name: "first-bucket" });
  assert.equal(made.status, 201);
  assert.equal(made.body.name, "first-bucket");
  assert.deepEqual(
    { objects: made.body.objects, sizeBytes: made.body.sizeBytes, trashBytes: made.body.trashBytes },
    { objects: 0, sizeBytes: 0, trashBytes: 0 },
  );
  await cloud.put("first-bucket", "a.txt", "hello");
  const byName = await cloud.call("viewer", "GET", "/buckets/first-bucket");
  const byId = await cloud.call("viewer", "GET", `/buckets/${made.body.id}`);
  assert.deepEqual(byName.body, byId.body);
  assert.equal(byId.body.objects, 1);
  assert.equal(byId.body.sizeBytes, 5);

  await cloud.bucket("second-bucket");
  const page = await cloud.call("viewer", "GET", `/buckets?project=${cloud.project}&limit=1`);
  assert.deepEqual(
    page.body.items.map((bucket: { name: string }) => bucket.name),
    ["first-bucket"],
  );
  const next = await cloud.call("viewer", "GET", `/buckets?project=${cloud.project}&limit=1&cursor=${page.body.nextCursor}`);
  assert.deepEqual(
    next.body.items.map((bucket: { name: string }) => bucket.name),
    ["second-bucket"],
  );
  assert.equal(next.body.nextCursor, undefined);
  const found = await cloud.call("viewer", "GET", `/buckets?project=${cloud.project}&search=SECOND`);
  assert.equal(found.body.items.length, 1);

  const full = await cloud.call("editor", "DELETE", "/buckets/first-bucket");
  assert.equal(full.status, 409);
  assert.equal(full.body.reason, "bucket_not_empty");
  assert.equal((await cloud.call("editor", "DELETE", "/buckets/first-bucket/object?key=a.txt")).status, 204);
  assert.equal((await cloud.call("editor", "DELETE", "/buckets/first-bucket")).status, 204);
  assert.equal((await cloud.call("editor", "GET", "/buckets/first-bucket")).status, 404);
  assert.equal((await cloud.call("editor", "DELETE", "/buckets/second-bucket")).status, 204);

  const actions = await cloud.database
    .sql`select action from kernel.audit_entries where resource_id = ${made.body.id} order by sequence`;
  assert.deepEqual(
    actions.map((row) => row["action"]),
    ["objects.bucket.create", "objects.bucket.delete"],
  );
  assert.equal((await verifyChain(cloud.database.sql, cloud.organisation)).firstInvalid, undefined);
});

test("a name is taken in the whole cloud, and the answer says by whom only when it is the caller's own", async () => {
  await cloud.bucket("taken-name");
  const own = await cloud.call("editor", "POST", "/buckets", { project: cloud.project, name: "taken-name" });
  assert.deepEqual([own.status, own.body.reason], [409, "bucket_owned_by_you"]);
  const foreign = await cloud.call("stranger", "POST", "/buckets", { project: cloud.strangersProject, name: "taken-name" });
  assert.deepEqual([foreign.status, foreign.body.reason], [409, "bucket_name_taken"]);
  const bad = await cloud.call("editor", "POST", "/buckets", { project: cloud.project, name: "Bad_Name" });
  assert.equal(bad.status, 400);
});

test("parallel creates stop exactly at the quota, and a deletion makes room", async () => {
  const scope = { organisationId: cloud.organisation, projectId: cloud.otherProject };
  await cloud.database.transaction("system", (tx) => setQuota(tx, scope, "objects.buckets", 5));
  const answers = await Promise.all(
    Array.from({ length: 40 }, (_, index) =>
      cloud.call("neighbour", "POST", "/buckets", { project: cloud.otherProject, name: `quota-${index}` }),
    ),
  );
  const made = answers.filter((answer) => answer.status === 201);
  assert.equal(made.length, 5);
  assert.ok(answers.every((answer) => answer.status === 201 || (answer.status === 403 && answer.body.code === "quota_exceeded")));
  for (const answer of made) assert.equal((await cloud.call("neighbour", "DELETE", `/buckets/${answer.body.id}`)).status, 204);
  const [usage] = await cloud.database
    .sql`select used from kernel.quota_usage where scope_id = ${cloud.otherProject} and name = 'objects.buckets'`;
  assert.equal(usage?.["used"], 0);
});

test("every route: nobody, another tenant, another project, too low a role", async () => {
  const bucket = await cloud.bucket();
  await cloud.put(bucket.id, "a.txt", "hello");
  const share = await cloud.call("editor", "POST", `/buckets/${bucket.id}/shares`, { key: "a.txt" });
  const trashed = await cloud.call("editor", "POST", `/buckets/${bucket.id}/trash`, { keys: ["a.txt"] });
  const { result } = await cloud.ended(trashed.body.id);
  await cloud.put(bucket.id, "a.txt", "hello");
  const upload = await cloud.call("editor", "POST", `/buckets/${bucket.id}/uploads`, { key: "big", sizeBytes: 10 });
  const at = `/buckets/${bucket.id}`;
  // Valid input for each; what a viewer may do, and what only an editor may.
  const reads: [string, string, unknown?][] = [
    ["GET", at],
    ["GET", `${at}/objects`],
    ["GET", `${at}/object?key=a.txt`],
    ["GET", `${at}/object/content?key=a.txt`],
    ["GET", `${at}/trash`],
    ["GET", `${at}/uploads`],
    ["GET", `${at}/uploads/${upload.body.id}/parts`],
    ["GET", `${at}/shares`],
  ];
  const writes: [string, string, unknown?][] = [
    ["POST", `${at}/empty`, { confirm: bucket.name }],
    ["PUT", `${at}/object/content?key=b.txt`],
    ["DELETE", `${at}/object?key=a.txt`],
    ["POST", `${at}/objects/move`, { keys: ["a.txt"], targetPrefix: "b/" }],
    ["POST", `${at}/trash`, { keys: ["a.txt"] }],
    ["POST", `${at}/trash/${result.trashId}/restore`, {}],
    ["DELETE", `${at}/trash/${result.trashId}`],
    ["POST", `${at}/uploads`, { key: "big", sizeBytes: 10 }],
    ["PUT", `${at}/uploads/${upload.body.id}/parts/1`],
    ["POST", `${at}/uploads/${upload.body.id}/complete`, { parts: [{ number: 1, etag: "x" }] }],
    ["DELETE", `${at}/uploads/${upload.body.id}`],
    ["POST", `${at}/shares`, { key: "a.txt" }],
    ["DELETE", `/shares/${share.body.id}`],
    ["DELETE", at],
  ];
  for (const [method, path, body] of [...reads, ...writes]) {
    const status = async (caller: Parameters<TestCloud["call"]>[0]) => {
      const response = await cloud.fetch(caller, path, {
        method,
        headers: body === undefined ? {} : { "content-type": "application/json" },
        ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      });
      await response.arrayBuffer();
      return response.status;
    };
    assert.equal(await status(undefined), 401, `${method} ${path} for nobody`);
    assert.equal(await status("stranger"), 404, `${method} ${path} for a stranger`);
    assert.equal(await status("neighbour"), 404, `${method} ${path} for a neighbour`);
  }
  for (const [method, path, body] of writes) {
    const answer = await cloud.call("viewer", method, path, body);
    assert.equal(answer.status, 403, `${method} ${path} for a viewer`);
  }
  for (const [method, path] of reads) {
    const response = await cloud.fetch("viewer", path, { method });
    await response.arrayBuffer();
    assert.equal(response.status, 200, `${method} ${path} for a viewer`);
  }
  for (const query of [`project=${cloud.project}`, `project=${newId("project")}`]) {
    assert.equal((await cloud.call("stranger", "GET", `/buckets?${query}`)).status, 404);
  }
  assert.equal((await cloud.call("stranger", "POST", "/buckets", { project: cloud.project, name: "not-mine" })).status, 404);
  assert.equal((await cloud.call("viewer", "POST", "/buckets", { project: cloud.project, name: "not-mine" })).status, 403);
  assert.equal((await cloud.call(undefined, "POST", "/buckets", { project: cloud.project, name: "not-mine" })).status, 401);
  assert.deepEqual(await cloud.keys(bucket.id), ["a.txt"]);
});

test("emptying takes objects, trash and uploads, and the bucket when asked", async () => {
  const bucket = await cloud.bucket();
  const at = `/buckets/${bucket.id}`;
  for (let index = 0; index < 30; index++) await cloud.put(bucket.id, `f/${index}`, "x");
  await cloud.ended((await cloud.call("editor", "POST", `${at}/trash`, { keys: ["f/1"] })).body.id);
  await cloud.call("editor", "POST", `${at}/uploads`, { key: "big", sizeBytes: 10 });
  const door = await openS3Door(cloud);
  await cloud.bucket("binned");
  await cloud.put("binned", "a", "x");
  await cloud.ended((await cloud.call("editor", "POST", "/buckets/binned/trash", { keys: ["a"] })).body.id);
  const binned = await door.call({ method: "DELETE", path: "/binned" });
  assert.equal(binned.status, 409);
  assert.match(
    binned.text,
    /<Code>BucketNotEmpty<.*trash.* holds 1 objects.*khmara bucket empty binned/,
    "its list shows nothing",
  );
  await cloud.put("binned", "b", "x");
  const full = await door.call({ method: "DELETE", path: "/binned" });
  assert.match(full.text, /<Message>The bucket you tried to delete is not empty</);
  await door.stop();
  const unsure = await cloud.call("editor", "POST", `${at}/empty`, { confirm: "other" });
  assert.equal(unsure.status, 400);
  assert.equal((await cloud.call("editor", "DELETE", at)).body.reason, "bucket_not_empty");

  const emptied = await cloud.call("editor", "POST", `${at}/empty`, { confirm: bucket.name });
  assert.equal(emptied.status, 202);
  assert.match(emptied.headers.get("location") ?? "", /operations\/opn_/);
  assert.equal((await cloud.ended(emptied.body.id)).state, "succeeded");
  const shown = (await cloud.call("editor", "GET", at)).body;
  assert.deepEqual([shown.objects, shown.trashObjects, shown.uploadBytes], [0, 0, 0]);
  assert.deepEqual((await cloud.call("editor", "GET", `${at}/trash`)).body.items, []);
  assert.deepEqual((await cloud.call("editor", "GET", `${at}/uploads`)).body.items, []);

  await cloud.put(bucket.id, "again", "x");
  const gone = await cloud.call("editor", "POST", `${at}/empty`, { confirm: bucket.name, thenDelete: true });
  assert.equal((await cloud.ended(gone.body.id)).state, "succeeded");
  assert.equal((await cloud.call("editor", "GET", at)).status, 404);
  await cloud.bucket(bucket.name);
});

test("what arrives while its bucket is deleted is found and removed", async () => {
  const bucket = await cloud.bucket();
  assert.equal((await cloud.call("editor", "DELETE", `/buckets/${bucket.id}`)).status, 204);
  // As a data plane does that looked the bucket up a moment before.
  await cloud.store.put(
    bucket.id as never,
    "late",
    (async function* () {
      yield Buffer.from("late");
    })(),
  );
  await cloud.objects.service.workers?.find((worker) => worker.name === "objects.leftovers")?.run(new AbortController().signal);
  assert.deepEqual(await cloud.store.totals(bucket.id as never), {
    objects: 0,
    sizeBytes: 0,
    versions: 0,
    versionBytes: 0,
    uploadBytes: 0,
  });
});

test("row-level security alone keeps tenants apart", async () => {
  const bucket = await cloud.bucket();
  const seen = await cloud.database.transaction(
    { organisationIds: [cloud.otherOrganisation] },
    (tx) => tx.sql`select id from objects.buckets where id = ${bucket.id}`,
  );
  assert.equal(seen.length, 0);
});
