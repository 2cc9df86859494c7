import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { CloudError } from "../../../kernel/errors.ts";
import { type Id, newId } from "../../../kernel/ids.ts";
import type { ObjectStore, VersionList, VersionPosition } from "../driver.ts";
import { bodyOf, bytesOf, pattern, refuses } from "./conformance.bodies.ts";
import { listReference, oddKeys, seededRandom } from "./conformance.listing.ts";
import type { OpenStore } from "./conformance.ts";
import { totalsOf } from "./conformance.usage.ts";

/** What is known of one version in the test's own books. */
interface Known {
  versionId: string;
  /** Undefined: a delete marker. */
  content: string | undefined;
}

export function versionConformance(name: string, open: OpenStore): void {
  describe(`${name}: versions of objects`, { concurrency: false }, () => {
    let store: ObjectStore;
    let nowMs = Date.UTC(2026, 0, 1);
    before(async () => {
      store = await open(() => nowMs);
    });
    after(() => store.close());

    const versioned = async (): Promise<Id<"bucket">> => {
      const bucket = newId("bucket");
      await store.settingsUpdate(bucket, { versioning: "enabled" });
      return bucket;
    };
    const put = async (bucket: Id<"bucket">, key: string, text: string): Promise<string> =>
      (await store.put(bucket, key, bodyOf(text))).versionId as string;
    const read = async (bucket: Id<"bucket">, key: string, versionId?: string): Promise<string> =>
      (await bytesOf((await store.get(bucket, key, versionId === undefined ? {} : { versionId })).body)).toString();
    const told = async (bucket: Id<"bucket">): Promise<string[]> =>
      (await store.versionList(bucket, { limit: 1000 })).versions.map(
        ({ isLatest, object, marker }) => `${isLatest ? "*" : ""}${(object ?? marker)!.versionId}${marker ? " marker" : ""}`,
      );

    test("a write keeps what was there; a deletion hides it; the newest comes back when its successor goes", async () => {
      const bucket = await versioned();
      const one = await put(bucket, "k", "one");
      const two = await put(bucket, "k", "two, longer");
      assert.notEqual(one, two);
      assert.deepEqual([await read(bucket, "k"), await read(bucket, "k", one)], ["two, longer", "one"]);
      assert.deepEqual(await store.totals(bucket), totalsOf({ objects: 1, sizeBytes: 11, versions: 1, versionBytes: 3 }));
      const deletion = (await store.delete(bucket, "k"))!;
      assert.equal(deletion.marker, true);
      assert.equal(await store.head(bucket, "k"), undefined);
      await refuses(store.get(bucket, "k"), "not_found");
      await refuses(store.get(bucket, "k", { versionId: deletion.versionId as string }), "not_found");
      assert.equal((await store.marker(bucket, "k"))?.versionId, deletion.versionId);
      assert.deepEqual((await store.list(bucket, { limit: 10 })).objects, []);
      assert.deepEqual(await told(bucket), [`*${deletion.versionId} marker`, two, one]);
      assert.deepEqual(await store.totals(bucket), totalsOf({ versions: 3, versionBytes: 14 }));
      await refuses(store.bucketDrop(bucket), "failed_precondition", "bucket_not_empty");

      const undeleted = await store.delete(bucket, "k", { versionId: deletion.versionId as string });
      assert.deepEqual(undeleted, { key: "k", versionId: deletion.versionId, marker: true });
      assert.equal(await read(bucket, "k"), "two, longer");
      assert.deepEqual(await store.delete(bucket, "k", { versionId: two }), { key: "k", versionId: two, marker: false });
      assert.equal((await store.head(bucket, "k"))?.versionId, one);
      assert.deepEqual(await told(bucket), [`*${one}`]);
      assert.equal(await store.delete(bucket, "k", { versionId: two }), undefined);
      await store.delete(bucket, "k", { versionId: one });
      assert.deepEqual(await store.totals(bucket), totalsOf({}));
      await store.bucketDrop(bucket);
      assert.deepEqual(await store.settings(bucket), { versioning: "never" });
    });

    test("what was written before, and while versions are suspended, is the one version null", async () => {
      const bucket = newId("bucket");
      await store.put(bucket, "k", bodyOf("before"));
      await store.settingsUpdate(bucket, { versioning: "enabled" });
      assert.equal((await store.head(bucket, "k"))?.versionId, "null");
      const one = await put(bucket, "k", "one");
      assert.equal(await read(bucket, "k", "null"), "before");
      await store.settingsUpdate(bucket, { versioning: "suspended" });
      assert.equal(await put(bucket, "k", "suspended"), "null");
      assert.deepEqual(await told(bucket), ["*null", one]);
      assert.equal(await put(bucket, "k", "again"), "null");
      assert.deepEqual([await told(bucket), await read(bucket, "k", "null")], [["*null", one], "again"]);
      assert.deepEqual(await store.delete(bucket, "k"), { key: "k", versionId: "null", marker: true });
      assert.deepEqual(await told(bucket), ["*null marker", one]);
      await refuses(store.get(bucket, "k", { versionId: "null" }), "not_found");
      await store.settingsUpdate(bucket, { versioning: "enabled" });
      const two = await put(bucket, "k", "two");
      assert.deepEqual(await told(bucket), [`*${two}`, "null marker", one]);
      await store.settingsUpdate(bucket, { versioning: "suspended" });
      await put(bucket, "k", "last");
      assert.deepEqual(await told(bucket), ["*null", two, one]);
      await store.delete(bucket, "k", { versionId: "null" });
      assert.equal(await read(bucket, "k"), "two");
      assert.deepEqual(await store.totals(bucket), totalsOf({ objects: 1, sizeBytes: 3, versions: 1, versionBytes: 3 }));
    });

    test("copies and uploads make versions; a copy of an old version restores it; completing twice answers the same one", async () => {
      const bucket = await versioned();
      const one = await put(bucket, "k", "one");
      await put(bucket, "k", "two");
      const restored = await store.copy({ bucketId: bucket, key: "k", versionId: one }, { bucketId: bucket, key: "k" });
      assert.deepEqual([await read(bucket, "k"), (await told(bucket)).length], ["one", 3]);
      assert.notEqual(restored.versionId, one);
      const { uploadId } = await store.uploadCreate(bucket, "k", { tags: { a: "b" } });
      await store.partPut(bucket, uploadId, 1, bodyOf(pattern(70_000)));
      const completed = await store.uploadComplete(bucket, uploadId, [{ number: 1 }]);
      assert.deepEqual(completed.tags, { a: "b" });
      await put(bucket, "k", "after");
      assert.equal((await store.uploadComplete(bucket, uploadId, [{ number: 1 }])).versionId, completed.versionId);
      assert.ok(
        (await bytesOf((await store.get(bucket, "k", { versionId: completed.versionId! })).body)).equals(pattern(70_000)),
      );
      const { damaged, objects } = await store.scrub();
      assert.deepEqual(damaged, []);
      assert.ok(objects >= 5);
    });

    test("preconditions look at the current object, which a delete marker is not", async () => {
      const bucket = await versioned();
      await put(bucket, "k", "one");
      await refuses(store.put(bucket, "k", bodyOf("x"), { ifNoneMatch: "*" }), "precondition_failed");
      await store.delete(bucket, "k");
      await refuses(store.put(bucket, "k", bodyOf("x"), { ifMatch: "*" }), "precondition_failed");
      await store.put(bucket, "k", bodyOf("x"), { ifNoneMatch: "*" });
      assert.equal((await told(bucket)).length, 3);
    });

    test("deleteMany: markers, versions, and what is not there", async () => {
      const bucket = await versioned();
      const one = await put(bucket, "a", "one");
      await put(bucket, "b", "one");
      const results = await store.deleteMany(bucket, [
        { key: "a", versionId: one },
        { key: "b" },
        { key: "c" },
        { key: "a", versionId: one },
        { key: "a", versionId: "no such" },
      ]);
      assert.deepEqual(
        results.map(({ deletion }) => deletion && [deletion.key, deletion.marker]),
        [["a", false], ["b", true], ["c", true], undefined, undefined],
      );
      assert.deepEqual((await store.totals(bucket)).versions, 3);
    });

    test("marks: tags, retention and legal hold; a locked version stays", async () => {
      const bucket = await versioned();
      await refuses(store.mark(bucket, "k", { tags: {} }), "not_found");
      const one = (await store.put(bucket, "k", bodyOf("one"), { tags: { colour: "blue" } })).versionId!;
      const before = (await store.head(bucket, "k"))!;
      assert.deepEqual(before.tags, { colour: "blue" });
      const marked = await store.mark(bucket, "k", { tags: { colour: "red", ключ: "так" } });
      assert.deepEqual(marked, { ...before, tags: { colour: "red", ключ: "так" } });
      assert.equal((await store.mark(bucket, "k", { tags: {} })).tags, undefined);

      const day = 24 * 3_600_000;
      const at = { versionId: one };
      await store.mark(bucket, "k", { retention: { mode: "governance", untilMs: nowMs + day } }, at);
      await put(bucket, "k", "two");
      assert.equal((await store.delete(bucket, "k"))?.marker, true);
      await refuses(store.delete(bucket, "k", at), "permission_denied", "object_locked");
      const [refused] = await store.deleteMany(bucket, [{ key: "k", ...at }]);
      assert.ok(CloudError.is(refused?.refused, "permission_denied"));
      await refuses(store.mark(bucket, "k", { retention: null }, at), "permission_denied", "object_locked");
      const shorter = { mode: "governance", untilMs: nowMs + 1000 } as const;
      await refuses(store.mark(bucket, "k", { retention: shorter }, at), "permission_denied", "object_locked");
      await store.mark(bucket, "k", { retention: shorter }, { ...at, bypassGovernance: true });
      const bypass = { ...at, bypassGovernance: true };
      const stricter = { mode: "compliance", untilMs: nowMs + day } as const;
      await refuses(store.mark(bucket, "k", { retention: stricter }, at), "permission_denied", "object_locked");
      await store.mark(bucket, "k", { retention: stricter }, bypass);
      await refuses(store.mark(bucket, "k", { retention: shorter }, bypass), "permission_denied", "object_locked");
      await refuses(store.delete(bucket, "k", bypass), "permission_denied", "object_locked");
      await store.mark(bucket, "k", { legalHold: true }, at);
      nowMs += day;
      await refuses(store.delete(bucket, "k", bypass), "permission_denied", "object_locked");
      await store.mark(bucket, "k", { legalHold: false }, at);
      assert.ok(await store.delete(bucket, "k", at));
    });

    test("a bucket's own retention is put on what is written; its versions cannot be suspended", async () => {
      const bucket = await versioned();
      await put(bucket, "old", "x");
      await store.settingsUpdate(bucket, { lock: { retention: { mode: "governance", days: 2 } } });
      await refuses(store.settingsUpdate(bucket, { versioning: "suspended" }), "failed_precondition", "versioning_locked");
      const own = { mode: "compliance", untilMs: nowMs + 5 } as const;
      assert.deepEqual((await store.put(bucket, "own", bodyOf("x"), { retention: own })).retention, own);
      const standard = { mode: "governance", untilMs: nowMs + 2 * 24 * 3_600_000 } as const;
      assert.deepEqual((await store.put(bucket, "new", bodyOf("x"))).retention, standard);
      const copied = await store.copy({ bucketId: bucket, key: "own" }, { bucketId: bucket, key: "copy" });
      assert.deepEqual(copied.retention, standard);
      assert.equal((await store.head(bucket, "old"))?.retention, undefined);
      await refuses(store.settingsUpdate(newId("bucket"), { lock: {} }), "failed_precondition", "versioning_locked");
    });

    test("every state, at random, against a reference: order, totals, pages of every size", async () => {
      const random = seededRandom(5);
      const bucket = newId("bucket");
      const keys = [...oddKeys(random, 25), "a", "a\0", "a\0b", "a/b", "a/c"];
      const known = new Map<string, Known[]>();
      let versioning: "never" | "enabled" | "suspended" = "never";
      const replaceNull = (versions: Known[], entry: Known | undefined): Known[] => [
        ...(entry ? [entry] : []),
        ...versions.filter(({ versionId }) => versionId !== "null"),
      ];
      for (let step = 0; step < 700; step++) {
        if (step === 60 || (step > 60 && step % 90 === 0)) {
          versioning = versioning === "enabled" ? "suspended" : "enabled";
          await store.settingsUpdate(bucket, { versioning });
        }
        // Often not at all, and once backwards.
        nowMs += step === 300 ? -60_000 : Math.floor(random() * 2);
        const key = keys[Math.floor(random() * keys.length)]!;
        const versions = known.get(key) ?? [];
        const kind = random();
        if (kind < 0.55) {
          const stored = await store.put(bucket, key, bodyOf(`${step}`));
          const entry = { versionId: stored.versionId ?? "null", content: `${step}` };
          known.set(key, versioning === "enabled" ? [entry, ...versions] : replaceNull(versions, entry));
        } else if (kind < 0.75) {
          const deletion = await store.delete(bucket, key);
          const marker = deletion?.marker ? { versionId: deletion.versionId!, content: undefined } : undefined;
          assert.equal(marker !== undefined, versioning !== "never");
          known.set(key, versioning === "enabled" ? [marker!, ...versions] : replaceNull(versions, marker));
        } else if (versions.length > 0) {
          const gone = versions[Math.floor(random() * versions.length)]!;
          const deletion = await store.delete(bucket, key, { versionId: gone.versionId });
          assert.equal(deletion?.marker, gone.content === undefined);
          known.set(
            key,
            versions.filter((version) => version !== gone),
          );
        }
      }
      const inOrder = [...known].sort(([a], [b]) => Buffer.compare(Buffer.from(a), Buffer.from(b)));
      const all = inOrder.flatMap(([key, versions]) =>
        versions.map(({ versionId, content }, at) => ({ key, versionId, isLatest: at === 0, isMarker: content === undefined })),
      );
      for (const prefix of ["", "a", "a/", "é"])
        for (const delimiter of ["", "/", "b"])
          for (const limit of [1, 2, 3, 7, 20, 1000]) {
            const found: typeof all = [];
            const prefixes: string[] = [];
            for (let after: VersionPosition | undefined, more = true; more; more = after !== undefined) {
              const page: VersionList = await store.versionList(bucket, { prefix, delimiter, limit, ...(after && { after }) });
              assert.ok(page.versions.length + page.commonPrefixes.length <= limit);
              for (const { isLatest, object, marker } of page.versions) {
                const { key, versionId = "" } = (object ?? marker)!;
                found.push({ key, versionId, isLatest, isMarker: marker !== undefined });
              }
              prefixes.push(...page.commonPrefixes);
              after = page.next;
            }
            const names = all.map(({ key }) => key);
            const wanted = listReference(new Set(names), { prefix, delimiter, limit: 1000 });
            const label = JSON.stringify({ prefix, delimiter, limit });
            assert.deepEqual(prefixes, wanted.commonPrefixes, label);
            assert.deepEqual(
              found,
              all.filter(({ key }) => wanted.objects.includes(key)),
              label,
            );
          }
      const held = { objects: 0, sizeBytes: 0, versions: 0, versionBytes: 0 };
      for (const [key, versions] of inOrder)
        for (const [at, { versionId, content }] of versions.entries()) {
          if (content !== undefined) assert.equal(await read(bucket, key, versionId), content);
          const isObject = at === 0 && content !== undefined;
          held[isObject ? "objects" : "versions"]++;
          held[isObject ? "sizeBytes" : "versionBytes"] += content?.length ?? 0;
        }
      assert.deepEqual(await store.totals(bucket), totalsOf(held));
      const listed = (await store.list(bucket, { limit: 1000 })).objects.map(({ key }) => key);
      assert.deepEqual(
        listed,
        inOrder.filter(([, versions]) => versions[0]?.content !== undefined).map(([key]) => key),
      );
    });

    test("deleted page by page, all versions go: what moves up meanwhile is on the next page", async () => {
      for (const limit of [1, 2, 3]) {
        const emptied = newId("bucket");
        await store.put(emptied, "b", bodyOf("before there were versions"));
        await store.settingsUpdate(emptied, { versioning: "enabled" });
        for (const key of ["a", "b", "c"])
          for (let i = 0; i < 4; i++) {
            await store.put(emptied, key, bodyOf(`${i}`));
            if (i === 1) await store.delete(emptied, key);
          }
        let versions = 0;
        for (let after: VersionPosition | undefined, more = true; more; more = after !== undefined) {
          const page: VersionList = await store.versionList(emptied, { limit, ...(after && { after }) });
          for (const { object, marker } of page.versions) {
            const { key, versionId = "" } = (object ?? marker)!;
            await store.delete(emptied, key, { versionId });
            versions++;
          }
          after = page.next;
        }
        assert.equal(versions, 16);
        await store.bucketDrop(emptied);
      }
    });
  });
}
