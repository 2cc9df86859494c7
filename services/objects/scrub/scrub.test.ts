import assert from "node:assert/strict";
import { readdir, truncate } from "node:fs/promises";
import { join } from "node:path";
import { after, before, test } from "node:test";
import type { ScrubOptions } from "../driver.ts";
import { type TestCloud, testCloud } from "../testing/fixture.ts";

let cloud: TestCloud;
const scrubs: ScrubOptions[] = [];
let beforeScrub = () => {};
let nowMs = Date.now();
before(async () => {
  cloud = await testCloud({
    runner: false,
    now: () => nowMs,
    // Each slice ends after one object, however quick the disk is.
    wrapStore: (store) =>
      new Proxy(store, {
        get(target, name) {
          const value = Reflect.get(target, name) as unknown;
          if (name !== "scrub") return typeof value === "function" ? value.bind(target) : value;
          return (options: ScrubOptions) => {
            scrubs.push(options);
            beforeScrub();
            return target.scrub({ ...options, forMs: 0 });
          };
        },
      }),
  });
});
after(() => cloud.stop());

const worker = () => cloud.objects.service.workers!.find(({ name }) => name === "objects.verification")!;
const verify = () => worker().run(new AbortController().signal);
const safety = async (bucket: string) => (await cloud.call("viewer", "GET", `/buckets/${bucket}/safety`)).body;
const ask = () => cloud.database.sql`update objects.verification set asked_at = now()`;

test("damage is found, told once, listed for those who see the bucket, and forgotten when it is mended", async () => {
  const bucket = await cloud.bucket();
  const other = await cloud.bucket();
  const large = Buffer.alloc(50_000, 1);
  for (const key of ["a", "b", "damaged"]) await cloud.put(bucket.name, key, large);
  assert.deepEqual(await safety(bucket.name), { damagedObjects: 0 });

  const data = join(cloud.directory, "data");
  const files = (await readdir(data, { recursive: true, withFileTypes: true })).filter((entry) => entry.isFile());
  const newest = files
    .map(({ name, parentPath }) => join(parentPath, name))
    .sort((one, two) => (one.slice(-32) < two.slice(-32) ? 1 : -1));
  await truncate(newest[0] as string, 100);
  await verify();
  assert.ok(scrubs.length >= 4, "in slices, each going on where the one before stopped");
  assert.equal(scrubs[0]?.from, undefined);
  assert.equal(new Set(scrubs.map(({ from }) => from)).size, scrubs.length);
  assert.ok(scrubs.every(({ quarantine, bytesPerSecond }) => quarantine && bytesPerSecond));

  const { verifiedAt, ...found } = await safety(bucket.name);
  assert.deepEqual(found, { damagedObjects: 1 });
  assert.ok(Math.abs(Date.parse(verifiedAt) - Date.now()) < 60_000);
  assert.equal((await safety(other.name)).damagedObjects, 0);
  const list = await cloud.call("viewer", "GET", `/buckets/${bucket.name}/damaged-objects`);
  assert.deepEqual(
    list.body.items.map(({ bucketId, key, inTrash, problem }: Record<string, unknown>) => [bucketId, key, inTrash, problem]),
    [[bucket.id, "damaged", false, "The file has 100 bytes instead of 50000."]],
  );
  for (const route of ["safety", "damaged-objects"])
    assert.equal((await cloud.call("stranger", "GET", `/buckets/${bucket.name}/${route}`)).status, 404);
  assert.deepEqual(await readdir(join(cloud.directory, "quarantine")), [(newest[0] as string).slice(-32)]);
  await assert.rejects(cloud.text(bucket.name, "damaged"), "nobody gets damaged bytes");

  const told = () => cloud.database.sql`select payload from kernel.events where type = 'objects.object.damaged'`;
  const audited = () => cloud.database.sql`select after from kernel.audit_entries where action = 'objects.object.damaged'`;
  assert.deepEqual(
    (await told()).map(({ payload }) => payload),
    [{ bucketId: bucket.id, key: "damaged" }],
  );
  assert.equal((await audited()).length, 1);

  // Not due for a week.
  scrubs.length = 0;
  await verify();
  assert.equal(scrubs.length, 0);
  nowMs += 8 * 24 * 3_600_000;
  await verify();
  assert.ok(scrubs.length > 0);
  assert.deepEqual([(await told()).length, (await audited()).length], [1, 1], "told once");

  // Cut off in the middle, it goes on behind what it has read.
  await ask();
  const cut = new AbortController();
  scrubs.length = 0;
  beforeScrub = () => scrubs.length === 2 && cut.abort();
  await assert.rejects(worker().run(cut.signal), { name: "AbortError" });
  beforeScrub = () => {};
  const before = scrubs.length;
  const { progress } = await safety(bucket.name);
  assert.ok(progress > 0 && progress < 1, `${progress}`);
  await cloud.put(bucket.name, "damaged", large);
  await verify();
  assert.notEqual(scrubs[before]?.from, undefined, "not from the beginning");
  await ask();
  await verify();
  assert.equal((await safety(bucket.name)).damagedObjects, 0, "what was written again is whole");
});
