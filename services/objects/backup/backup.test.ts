import assert from "node:assert/strict";
import { createHash, randomBytes } from "node:crypto";
import { after, test } from "node:test";
import { DeleteObjectCommand, ListObjectsV2Command, PutObjectCommand, S3Client } from "@aws-sdk/client-s3";
import type { Id } from "../../../kernel/ids.ts";
import { installTestTools, storageTools } from "../../../tools/test-tools.ts";
import type { StoredObject } from "../driver.ts";
import { startCeph } from "../drivers/cluster/testing/ceph.ts";
import { testCloud } from "../testing/fixture.ts";

/** Backups in Ceph's S3, which we did not write; what lies there is looked at by its own means. */
assert.deepEqual(await installTestTools(storageTools), []);
const ceph = await startCeph();
const cloud = await testCloud();
const there = new S3Client({ ...ceph.options, credentials: ceph.options, forcePathStyle: true });
const MiB = 2 ** 20;
after(async () => {
  there.destroy();
  await cloud.stop();
  await ceph.stop();
});

const allow = (networks: string[]) => cloud.database.sql`update kernel.outbound_settings set allowed_networks = ${networks}`;
await allow(["127.0.0.0/8"]);
const target = (prefix: string, more: object = {}) => ({
  targetEndpoint: ceph.options.endpoint,
  region: ceph.options.region,
  targetBucket: ceph.options.bucket,
  accessKeyId: ceph.options.accessKeyId,
  secretAccessKey: ceph.options.secretAccessKey,
  prefix,
  ...more,
});
const setTarget = async (bucket: string, prefix: string, more: object = {}) => {
  const answer = await cloud.call("owner", "PUT", `/buckets/${bucket}/backup-target`, target(prefix, more));
  assert.equal(answer.status, 200, JSON.stringify(answer.body));
  return answer.body;
};
const lying = async (prefix: string): Promise<Map<string, { size: number; at: number }>> => {
  const found = new Map<string, { size: number; at: number }>();
  for (let token: string | undefined; ; ) {
    const page = await there.send(
      new ListObjectsV2Command({ Bucket: ceph.options.bucket, Prefix: prefix, ...(token && { ContinuationToken: token }) }),
    );
    for (const { Key = "", Size = 0, LastModified } of page.Contents ?? [])
      found.set(Key.slice(prefix.length), { size: Size, at: LastModified?.getTime() ?? 0 });
    token = page.NextContinuationToken;
    if (token === undefined) return found;
  }
};
const contentsIn = async (prefix: string) => [...(await lying(`${prefix}contents/`)).keys()].sort();
/** The operation that a call has begun, once it has ended well. */
const done = async (method: string, path: string, body?: unknown, caller: "owner" | "editor" = "editor") => {
  const answer = await cloud.call(caller, method, path, body);
  assert.equal(answer.status, 202, JSON.stringify(answer.body));
  const ended = await over(answer.body.id);
  assert.equal(ended.state, "succeeded", JSON.stringify(ended.error));
  return ended.result;
};
interface Ended {
  state: string;
  // biome-ignore lint/suspicious/noExplicitAny: results of all operations.
  result: any;
  error: { message: string } | null;
}
const over = async (id: string): Promise<Ended> => {
  for (const end = Date.now() + 60_000; Date.now() < end; ) {
    const [row] = await cloud.database.sql`select state, result, error, message from kernel.operations where id = ${id}`;
    if (["succeeded", "failed", "cancelled"].includes(row?.["state"])) return row as unknown as Ended;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  throw new Error("The operation does not end.");
};
const backUp = (bucket: string) => done("POST", `/buckets/${bucket}/backups`);
const restore = (id: string, body: object) => done("POST", `/bucket-backups/${id}/restore`, body);
const backups = async (bucket: string) => (await cloud.call("viewer", "GET", `/buckets/${bucket}/backups`)).body.items;
const bytesIn = async (bucket: string, key: string): Promise<Buffer> =>
  Buffer.concat(await (await cloud.store.get(bucket as Id<"bucket">, key)).body.toArray());
const sha256 = (bytes: Uint8Array) => createHash("sha256").update(bytes).digest("hex");

const oddKeys = ["a/b/с пробілом.txt", "..//up", "tab\tand\nline\u2028end", "émoji 🦊/ß%2F+&?.bin", "/lead", "a/".repeat(400)];

test("what lies there is a list and each content once; only what changed is sent; all comes back as it was", async () => {
  const { id: bucket, name } = await cloud.bucket();
  const big = randomBytes(40 * MiB);
  const small = new Map(oddKeys.map((key, index) => [key, Buffer.from(`text ${index}`)]));
  for (const [key, bytes] of small)
    await cloud.store.put(bucket as never, key, [bytes] as never, {
      headers: { contentType: "text/x-odd", cacheControl: "no-store" },
      metadata: { "who-made": "kateryna" },
      tags: { colour: "blue" },
      checksum: { algorithm: "sha256" },
    });
  await cloud.store.put(bucket as never, "empty", [] as never, {});
  await cloud.store.put(bucket as never, "sealed", [Buffer.from("not in the clear")] as never, {
    encryption: { kind: "server" },
  });
  await cloud.store.put(bucket as never, "customers", [Buffer.from("theirs")] as never, {
    encryption: { kind: "customer", key: randomBytes(32) },
  });
  await cloud.store.put(bucket as never, "big.bin", [big] as never, {});
  const upload = await cloud.store.uploadCreate(bucket as never, "parts.bin", {
    checksumAlgorithm: "crc32",
    checksumType: "composite",
  });
  const parts = [big.subarray(0, 6 * MiB), big.subarray(6 * MiB, 12 * MiB), big.subarray(12 * MiB, 12 * MiB + 77)];
  const made = [];
  for (const [index, part] of parts.entries())
    made.push(
      await cloud.store.partPut(bucket as never, upload.uploadId, index + 1, [part] as never, {
        checksum: { algorithm: "crc32" },
      }),
    );
  await cloud.store.uploadComplete(bucket as never, upload.uploadId, made);
  const prefix = "школа/one/";
  await setTarget(bucket, prefix);

  const first = await backUp(bucket);
  const sizes = [...small.values()].reduce((sum, { length }) => sum + length, 0) + 16 + big.length + 12 * MiB + 77;
  assert.deepEqual(
    [first.objects, first.sizeBytes, first.sentBytes, first.leftOut],
    [small.size + 4, sizes, sizes, 1],
    JSON.stringify(first),
  );
  assert.deepEqual(
    await contentsIn(prefix),
    [...small.values(), Buffer.from("not in the clear"), big, Buffer.concat(parts)].map(sha256).sort(),
  );
  const before = await lying(`${prefix}contents/`);

  await cloud.put(name, "a/b/с пробілом.txt", "другий");
  await cloud.call("editor", "DELETE", `/buckets/${bucket}/object?key=${encodeURIComponent("/lead")}`);
  await cloud.store.copy({ bucketId: bucket as never, key: "big.bin" }, { bucketId: bucket as never, key: "copy.bin" });
  const second = await backUp(bucket);
  assert.equal(second.sentBytes, Buffer.from("другий").length, "a copy is the same content");
  // The changed one, the copy, and what could not be read the last time either.
  assert.equal(second.sentObjects, 3);
  const now = await lying(`${prefix}contents/`);
  assert.equal(now.size, before.size + 1);
  for (const [key, { at }] of before) assert.equal(now.get(key)?.at, at, "nothing is written twice");
  assert.equal((await backUp(bucket)).sentBytes, 0);

  const objectsOf = async (): Promise<StoredObject[]> => (await cloud.store.list(bucket as never, { limit: 1000 })).objects;
  const asItWas = ({ modifiedAtMs: _, versionId: __, ...rest }: StoredObject) => rest;
  const wanted = (await objectsOf()).filter(({ key }) => key !== "customers").map(asItWas);
  await done("POST", `/buckets/${bucket}/empty`, { confirm: name, thenDelete: false });
  assert.deepEqual(await objectsOf(), []);
  const [latest, , oldest] = await backups(bucket);
  const result = await restore(latest.id, { bucket });
  assert.deepEqual(
    [result.restored, result.same, result.kept, result.missing, result.leftOut],
    [wanted.length, 0, 0, 0, 1],
    JSON.stringify(result),
  );
  assert.deepEqual((await objectsOf()).map(asItWas), wanted);
  assert.ok((await bytesIn(bucket, "big.bin")).equals(big));
  assert.ok((await bytesIn(bucket, "parts.bin")).equals(Buffer.concat(parts)));
  assert.equal((await cloud.store.head(bucket as never, "parts.bin"))?.parts.length, 3);

  // Into a new bucket, as it was at first; then again, when all is there.
  const other = `back-${randomBytes(4).toString("hex")}`;
  assert.equal((await restore(oldest.id, { bucket: other })).restored, small.size + 4);
  const [made2] = await cloud.database.sql`select id from objects.buckets where name = ${other}`;
  for (const [key, bytes] of small) assert.ok((await bytesIn(made2?.["id"], key)).equals(bytes), key);
  const again = await restore(oldest.id, { bucket: other });
  assert.deepEqual([again.restored, again.same], [0, small.size + 4]);
  // Below a prefix, and what is there in another form stays unless one says so.
  await cloud.put(other, "a/b/с пробілом.txt", "third");
  const kept = await restore(oldest.id, { bucket: other, prefix: "a/b/" });
  assert.deepEqual([kept.restored, kept.same, kept.kept], [0, 0, 1]);
  const replaced = await restore(oldest.id, { bucket: other, prefix: "a/b/", overwrite: true });
  assert.deepEqual([replaced.restored, replaced.kept], [1, 0]);
  // What was restored is not sent again.
  assert.equal((await backUp(bucket)).sentBytes, 0);
});

test("a runner that dies goes on without sending again; a cancelled one leaves no backup", async () => {
  const { id: bucket } = await cloud.bucket();
  const count = 24;
  for (let i = 0; i < count; i++) await cloud.store.put(bucket as never, `file-${i}`, [randomBytes(MiB)] as never, {});
  const prefix = "killed/";
  await setTarget(bucket, prefix);
  const { body: operation } = await cloud.call("editor", "POST", `/buckets/${bucket}/backups`);
  const some = async () => {
    for (const end = Date.now() + 60_000; Date.now() < end; ) if ((await contentsIn(prefix)).length >= 5) return;
    assert.fail("Nothing is sent.");
  };
  await some();
  await cloud.stopRunner();
  const sent = await lying(`${prefix}contents/`);
  assert.ok(sent.size < count, "it was in the middle");
  await cloud.startRunner();
  const ended = await over(operation.id);
  assert.equal(ended.state, "succeeded");
  // What was on its way when it died may be there without having been counted.
  assert.ok(ended.result.sentBytes >= (count - sent.size - 4) * MiB && ended.result.sentBytes <= count * MiB);
  const all = await lying(`${prefix}contents/`);
  assert.equal(all.size, count);
  for (const [key, { at }] of sent) assert.equal(all.get(key)?.at, at, "sent once");

  for (let i = 0; i < count; i++) await cloud.store.put(bucket as never, `more-${i}`, [randomBytes(MiB)] as never, {});
  const { body: another } = await cloud.call("editor", "POST", `/buckets/${bucket}/backups`);
  assert.equal((await cloud.call("editor", "POST", `/buckets/${bucket}/backups`)).status, 409, "one at a time");
  await cloud.database.sql`update kernel.operations set cancel_requested = true where id = ${another.id}`;
  await cloud.database.sql`select pg_notify('khmara_operations', ${another.id})`;
  assert.equal((await over(another.id)).state, "cancelled");
  assert.equal((await backups(bucket)).length, 1);
});

test("what no kept backup needs is deleted, and what is missing is told", async () => {
  const { id: bucket, name } = await cloud.bucket();
  const prefix = "kept/";
  await setTarget(bucket, prefix, { keepDays: 1, keepLast: 1 });
  const contents = ["one", "two", "three"];
  for (const [index, text] of contents.entries()) {
    await cloud.put(name, "changes", text);
    await cloud.put(name, "stays", "the same");
    await cloud.put(name, `only-${index}`, `only ${index}`);
    await backUp(bucket);
    await cloud.call("editor", "DELETE", `/buckets/${bucket}/object?key=only-${index}`);
  }
  const of = (...texts: string[]) => texts.map((text) => sha256(Buffer.from(text))).sort();
  assert.deepEqual(await contentsIn(prefix), of("one", "two", "three", "the same", "only 0", "only 1", "only 2"));
  const [third, second, first] = await backups(bucket);
  assert.equal((await cloud.call("editor", "DELETE", `/bucket-backups/${second.id}`)).status, 403);
  await done("DELETE", `/bucket-backups/${second.id}`, undefined, "owner");
  assert.deepEqual(await contentsIn(prefix), of("one", "three", "the same", "only 0", "only 2"));

  // By the clock: made by it, older than a day, and not the newest.
  await cloud.database
    .sql`update objects.backups set automatic = true, created_at = created_at - interval '2 days' where bucket_id = ${bucket}`;
  const worker = cloud.objects.service.workers?.find((each) => each.name === "objects.backups");
  await worker?.run(new AbortController().signal);
  await until(async () => (await backups(bucket)).length === 1);
  assert.equal((await backups(bucket))[0].id, third.id);
  assert.deepEqual(await contentsIn(prefix), of("three", "the same", "only 2"));
  assert.equal((await cloud.call("viewer", "GET", `/bucket-backups/${first.id}`)).status, 404);

  assert.equal((await done("POST", `/bucket-backups/${third.id}/verify`)).missing, 0);
  const lost = `${prefix}contents/${sha256(Buffer.from("three"))}`;
  await there.send(new DeleteObjectCommand({ Bucket: ceph.options.bucket, Key: lost }));
  const damagedContent = `${prefix}contents/${sha256(Buffer.from("only 2"))}`;
  await there.send(new PutObjectCommand({ Bucket: ceph.options.bucket, Key: damagedContent, Body: "only X" }));
  assert.deepEqual((await done("POST", `/bucket-backups/${third.id}/verify`)).missingKeys, ["changes"]);
  const [seen] = await backups(bucket);
  assert.equal(seen.verification, "failed");
  assert.match(seen.verificationMessage, /1 of 3/);
  const result = await restore(third.id, { bucket, overwrite: true });
  assert.deepEqual([result.missing, result.missingKeys.sort()], [1, ["only-2"]], JSON.stringify(result));
  await cloud.call("editor", "DELETE", `/buckets/${bucket}/object?key=changes`);
  assert.deepEqual((await restore(third.id, { bucket })).missingKeys.sort(), ["changes", "only-2"]);
  // A backup that is known to be incomplete is not built upon.
  await cloud.put(name, "changes", "three");
  await backUp(bucket);
  assert.ok((await contentsIn(prefix)).includes(sha256(Buffer.from("three"))));
});

test("another cloud finds the backups of one that was lost, and takes the place over", async () => {
  const { id: bucket, name } = await cloud.bucket();
  const prefix = "lost";
  await setTarget(bucket, prefix, { schedule: "0 2 * * *" });
  await cloud.put(name, "letter.txt", "Dear all");
  await backUp(bucket);
  const { id: other } = await cloud.bucket();
  const refused = await cloud.call("owner", "PUT", `/buckets/${other}/backup-target`, target(prefix));
  assert.deepEqual(
    [refused.status, refused.body.reason ?? refused.body.details?.reason],
    [409, "backup_target_taken"],
    JSON.stringify(refused.body),
  );
  await setTarget(other, prefix, { takeOver: true });
  const [found] = await backups(other);
  assert.deepEqual([found.state, found.objects, found.sizeBytes], ["available", 1, 8]);
  assert.equal((await restore(found.id, { bucket: other })).restored, 1);
  assert.equal(await cloud.text(other, "letter.txt"), "Dear all");
  assert.equal((await backUp(other)).sentBytes, 0);

  // The one that had it before is not backed up there any more.
  const { body } = await cloud.call("editor", "POST", `/buckets/${bucket}/backups`);
  const failed = await over(body.id);
  assert.deepEqual([failed.state, /Backups of another bucket/.test(failed.error?.message ?? "")], ["failed", true]);
  assert.match((await backups(bucket))[0].stateReason, /Backups of another bucket/);
});

test("the settings of the bucket come back with it, but for what does not fit", async () => {
  const { id: bucket, name } = await cloud.bucket();
  const set = async (path: string, body: object, method = "PUT") => {
    const answer = await cloud.call("editor", method, `/buckets/${bucket}/${path}`, body);
    assert.ok(answer.status < 300, `${path}: ${JSON.stringify(answer.body)}`);
  };
  const cors = [{ allowedOrigins: ["https://example.org"], allowedMethods: ["GET"] }];
  const policy = (of: string) =>
    JSON.stringify({
      Version: "2012-10-17",
      Statement: [{ Effect: "Deny", Principal: "*", Action: "s3:DeleteObject", Resource: `arn:aws:s3:::${of}/*` }],
    });
  await cloud.store.settingsUpdate(bucket as never, {
    versioning: "enabled",
    lock: { retention: { mode: "governance", days: 3 } },
    encryption: "server",
  });
  await cloud.database.sql`insert into objects.configurations (bucket_id, kind, organisation_id, document)
    select ${bucket}, kind, ${cloud.organisation}, document from jsonb_each(${cloud.database.sql.json({
      cors,
      tags: { colour: "blue" },
      policy: { text: policy(name) },
      lifecycle: [
        { id: "old", enabled: true, filter: { prefix: "tmp/" }, expiration: { days: 30 } },
        {
          id: "rare",
          enabled: true,
          filter: {},
          transitions: [{ days: 30, storageClass: "STANDARD_IA" }],
          noncurrentTransitions: [{ days: 30, storageClass: "GLACIER_IR", newerVersions: 2 }],
        },
      ],
      quota: { objects: 5 },
      requestPayer: "Nobody",
    } as never)}::jsonb) as of (kind, document)`;
  await set("website", { indexDocument: "index.html" });
  await cloud.put(name, "letter.txt", "Dear all");
  await setTarget(bucket, "settings/");
  await backUp(bucket);
  const [backup] = await backups(bucket);
  const configuration = async (of: string) =>
    Object.fromEntries(
      (await cloud.database.sql`select kind, document from objects.configurations where bucket_id = ${of}`).map((row) => [
        row["kind"],
        row["document"],
      ]),
    );

  const other = `back-${randomBytes(4).toString("hex")}`;
  const result = await restore(backup.id, { bucket: other });
  assert.deepEqual(result.settingsLeftOut.sort(), ["policy", "requestPayer"], "it names another bucket; it is no payer");
  const [made] = await cloud.database.sql`select id from objects.buckets where name = ${other}`;
  const { versioning, lock, encryption } = await cloud.store.settings(made?.["id"]);
  assert.deepEqual([versioning, lock?.retention?.days, encryption], ["enabled", 3, "server"]);
  assert.deepEqual(Object.keys(await configuration(made?.["id"])).sort(), ["cors", "lifecycle", "tags"]);
  assert.deepEqual((await configuration(made?.["id"]))["cors"], cors);
  const [website] = await cloud.database.sql`select configuration from objects.websites where bucket_id = ${made?.["id"]}`;
  assert.equal(website?.["configuration"].indexDocument, "index.html");

  // Into one that is there only when one says so.
  await cloud.database.sql`delete from objects.configurations where bucket_id = ${bucket}`;
  assert.equal((await restore(backup.id, { bucket })).settings, undefined);
  assert.deepEqual(await configuration(bucket), {});
  await restore(backup.id, { bucket, settings: true });
  assert.deepEqual((await configuration(bucket))["policy"], { text: policy(name) });
  // The document goes with its backup.
  assert.ok((await lying("settings/")).has(`backups/${backup.id}.settings.json`));
  await done("DELETE", `/bucket-backups/${backup.id}`, undefined, "owner");
  assert.equal((await lying("settings/backups/")).size, 0);
});

test("a place is tried before it is taken, and the secret is never shown", async () => {
  const { id: bucket } = await cloud.bucket();
  const answer = async (more: object) =>
    (await cloud.call("owner", "PUT", `/buckets/${bucket}/backup-target`, target("tried/", more))).body;
  assert.match((await answer({ secretAccessKey: "wrong" })).detail, /SignatureDoesNotMatch.*Check the access key/);
  assert.match((await answer({ targetBucket: "not-there" })).detail, /no bucket not-there/);
  assert.match((await answer({ targetEndpoint: "http://127.0.0.1:9" })).detail, /refused/);
  assert.match((await answer({ secretAccessKey: undefined })).detail, /secret access key/);
  assert.match((await answer({ schedule: "every day" })).detail, /five fields/);
  await allow([]);
  assert.match((await answer({})).detail, /inside of the cloud's own network/);
  assert.match(
    (await answer({ targetEndpoint: `http://localtest.localhost:${new URL(ceph.options.endpoint).port}` })).detail,
    /own network/,
  );
  await allow(["127.0.0.0/8"]);
  const saved = await setTarget(bucket, "tried/", { schedule: "@daily" });
  assert.ok(Date.parse(saved.nextAt) > Date.now());
  const { body } = await cloud.call("viewer", "GET", `/buckets/${bucket}/backup-target`);
  const [row] = await cloud.database.sql`select secret from objects.backup_targets where bucket_id = ${bucket}`;
  const [told] = await cloud.database.sql`select json_agg(e)::text as rows from kernel.audit_entries e`;
  for (const text of [JSON.stringify(body), Buffer.from(row?.["secret"] ?? "").toString("latin1"), String(told?.["rows"])])
    assert.ok(!text.includes(ceph.options.secretAccessKey));
  // Its other settings change without the secret; the clock begins one when its time has come, once.
  await setTarget(bucket, "tried/", { secretAccessKey: undefined, schedule: "@hourly" });
  await cloud.database.sql`update objects.backup_targets set next_at = now() - interval '1 minute' where bucket_id = ${bucket}`;
  const worker = cloud.objects.service.workers?.find(({ name }) => name === "objects.backups");
  for (let i = 0; i < 2; i++) await worker?.run(new AbortController().signal);
  await until(async () => (await backups(bucket))[0]?.state === "available");
  assert.deepEqual(
    (await backups(bucket)).map(({ automatic }: { automatic: boolean }) => automatic),
    [true],
  );
  assert.equal((await cloud.call("owner", "DELETE", `/buckets/${bucket}/backup-target`)).status, 204);
  assert.equal((await cloud.call("editor", "POST", `/buckets/${bucket}/backups`)).status, 409);
  // What lies there is found again.
  await setTarget(bucket, "tried/");
  assert.equal((await backups(bucket)).length, 1);
});

async function until(holds: () => Promise<boolean>): Promise<void> {
  for (const end = Date.now() + 60_000; Date.now() < end; ) {
    if (await holds()) return;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  assert.fail("It does not come about.");
}
