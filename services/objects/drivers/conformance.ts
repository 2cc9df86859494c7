import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { after, before, describe, test } from "node:test";
import { crc32 } from "node:zlib";
import { CloudError } from "../../../kernel/errors.ts";
import { type Id, newId } from "../../../kernel/ids.ts";
import type { ByteRange, ChecksumAlgorithm, ObjectStore } from "../driver.ts";
import { bodyOf, bytesOf, md5, pattern, refuses } from "./conformance.bodies.ts";
import { encryptionConformance } from "./conformance.encryption.ts";
import { listReference, oddKeys, seededRandom } from "./conformance.listing.ts";
import { totalsOf, usageIsTrue } from "./conformance.usage.ts";
import { versionConformance } from "./conformance.versions.ts";

/** Opens an empty store. `now` (milliseconds since 1970) replaces its clock where the engine has one of its own. */
export type OpenStore = (now?: () => number) => Promise<ObjectStore>;

const MiB = 1024 * 1024;

/** What every engine of the object store has to do. */
export function objectStoreConformance(name: string, open: OpenStore): void {
  versionConformance(name, open);
  encryptionConformance(name, open);
  describe(`${name}: object store`, { concurrency: false }, () => {
    let store: ObjectStore;
    let bucket: Id<"bucket">;
    const bucketNew = (): Id<"bucket"> => newId("bucket");
    before(async () => {
      store = await open();
      bucket = bucketNew();
    });
    after(() => store.close());
    const read = async (key: string, options?: { range?: ByteRange; partNumber?: number }): Promise<Buffer> =>
      bytesOf((await store.get(bucket, key, options)).body);

    test("put, head and get give back what was stored, at every size around the limits of buffers", async () => {
      for (const sizeBytes of [0, 1, 4096, 16383, 16384, 16385, 65536, 262143, 262144, 262145, 1_500_001]) {
        const bytes = pattern(sizeBytes);
        const stored = await store.put(bucket, "size", bodyOf(bytes.subarray(0, 7), bytes.subarray(7)), {
          headers: { contentType: "text/plain", cacheControl: "no-store" },
          metadata: { colour: "blue" },
        });
        assert.equal(stored.etag, md5(bytes));
        assert.equal(stored.sizeBytes, sizeBytes);
        assert.equal(stored.versionId, undefined);
        assert.deepEqual(stored.headers, { contentType: "text/plain", cacheControl: "no-store" });
        assert.deepEqual(stored.metadata, { colour: "blue" });
        assert.ok(Math.abs(stored.modifiedAtMs - Date.now()) < 60_000);
        assert.deepEqual(await store.head(bucket, "size"), stored);
        const { object, range, body } = await store.get(bucket, "size");
        assert.deepEqual(object, stored);
        assert.deepEqual(range, { from: 0, to: sizeBytes - 1, sizeBytes });
        assert.ok((await bytesOf(body)).equals(bytes), `${sizeBytes} bytes come back`);
      }
    });

    test("what is not there", async () => {
      assert.equal(await store.head(bucket, "nothing"), undefined);
      await refuses(store.get(bucket, "nothing"), "not_found");
      assert.equal(await store.delete(bucket, "nothing"), undefined);
      await refuses(store.copy({ bucketId: bucket, key: "nothing" }, { bucketId: bucket, key: "x" }), "not_found");
      assert.deepEqual(await store.list(bucketNew(), { limit: 10 }), { objects: [], commonPrefixes: [] });
      assert.deepEqual(await store.totals(bucketNew()), totalsOf({ objects: 0, sizeBytes: 0, uploadBytes: 0 }));
      const upload = newId("upload");
      await refuses(store.upload(bucket, upload), "not_found");
      await refuses(store.partPut(bucket, upload, 1, bodyOf("x")), "not_found");
      await refuses(store.partList(bucket, upload, { limit: 1 }), "not_found");
      await refuses(store.uploadComplete(bucket, upload, [{ number: 1 }]), "not_found");
      await refuses(store.uploadAbort(bucket, upload), "not_found");
    });

    test("keys are limited to 1024 bytes of valid Unicode", async () => {
      const longest = `${"é".repeat(511)}ab`;
      await store.put(bucket, longest, bodyOf("long"));
      assert.equal((await read(longest)).toString(), "long");
      await refuses(store.put(bucket, `${longest}c`, bodyOf("x")), "invalid_argument", "key_too_long");
      await refuses(store.put(bucket, "", bodyOf("x")), "invalid_argument", "key_invalid");
      await refuses(store.put(bucket, "\ud800", bodyOf("x")), "invalid_argument", "key_invalid");
      await refuses(store.uploadCreate(bucket, `${longest}c`), "invalid_argument", "key_too_long");
    });

    test("ranges", async () => {
      const bytes = pattern(300_000);
      await store.put(bucket, "range", bodyOf(bytes));
      await store.put(bucket, "empty", bodyOf());
      const cases: [ByteRange, number, number][] = [
        [{ from: 0, to: 0 }, 0, 0],
        [{ from: 262_140, to: 262_150 }, 262_140, 262_150],
        [{ from: 299_999 }, 299_999, 299_999],
        [{ from: 5, to: 9_999_999 }, 5, 299_999],
        [{ suffix: 10 }, 299_990, 299_999],
        [{ suffix: 9_999_999 }, 0, 299_999],
      ];
      for (const [range, from, to] of cases) {
        const got = await store.get(bucket, "range", { range });
        assert.deepEqual(got.range, { from, to, sizeBytes: to - from + 1 });
        assert.ok((await bytesOf(got.body)).equals(bytes.subarray(from, to + 1)));
      }
      for (const range of [{ from: 300_000 }, { from: 10, to: 9 }, { suffix: 0 }])
        await refuses(store.get(bucket, "range", { range }), "range_not_satisfiable");
      await refuses(store.get(bucket, "empty", { range: { from: 0 } }), "range_not_satisfiable");
      await refuses(store.get(bucket, "empty", { range: { suffix: 1 } }), "range_not_satisfiable");
      await refuses(store.get(bucket, "range", { partNumber: 2 }), "range_not_satisfiable");
      assert.equal((await read("range", { partNumber: 1 })).length, 300_000);
    });

    test("checksums, with the published values for 123456789", async () => {
      // Catalogue of parametrised CRC algorithms; RFC 1321 and FIPS 180 for the others, xxhsum for XXHASH.
      const published: Record<ChecksumAlgorithm, string> = {
        crc32: "cbf43926",
        crc32c: "e3069283",
        crc64nvme: "ae8b14860a799888",
        md5: "25f9e794323b453885f5181f1b624d0b",
        sha1: "f7c3bc1d808e04732adf679965ccc34ca7ae3441",
        sha256: "15e2b0d3c33891ebb0f1ef609ec419420c20e320ce94c65fbc8c3312448eb225",
        xxhash64: "8cb841db40e6ae83",
        xxhash3: "72dcb18b67a17dff",
        xxhash128: "33119477ede5dcd5e9716427681d5860",
        sha512:
          "d9e6762dd1c8eaf6d61b3c6192fc408d4d6d5f1176d0c29169bc24e71c3f274ad27fcd5811b313d681f7e55ec02d73d499c95455b6b5bb503acf574fba8ffe85",
      };
      for (const [name, hex] of Object.entries(published)) {
        const algorithm = name as ChecksumAlgorithm;
        const sum = Buffer.from(hex, "hex").toString("base64");
        const checksum = { algorithm, expected: () => sum };
        const stored = await store.put(bucket, "sum", bodyOf("1234", "56789"), { checksum });
        assert.deepEqual(stored.checksums, { [algorithm]: sum });
        assert.equal(stored.checksumType, "full_object");
        await refuses(store.put(bucket, "sum", bodyOf("123456780"), { checksum }), "invalid_argument", "checksum_mismatch");
        const copied = await store.copy(
          { bucketId: bucket, key: "range" },
          { bucketId: bucket, key: "sum2" },
          { checksum: algorithm },
        );
        const direct = await store.put(bucket, "sum3", bodyOf(pattern(300_000)), { checksum: { algorithm } });
        assert.deepEqual(copied.checksums, direct.checksums);
      }
    });

    test("a body that is not what was announced leaves what was there", async () => {
      await store.put(bucket, "kept", bodyOf("before"));
      const big = pattern(100_000);
      for (const body of [[Buffer.from("after!")], [big]]) {
        const bytes = Buffer.concat(body);
        const put = (options: Parameters<ObjectStore["put"]>[3]): Promise<unknown> =>
          store.put(bucket, "kept", bodyOf(...body), options);
        await refuses(put({ sizeBytes: bytes.length + 1 }), "invalid_argument", "incomplete_body");
        await refuses(put({ sizeBytes: bytes.length - 1 }), "invalid_argument", "incomplete_body");
        await refuses(put({ md5: md5("other") }), "invalid_argument", "bad_digest");
        await refuses(put({ sha256Hex: "0".repeat(64) }), "invalid_argument", "bad_digest");
        await assert.rejects(
          store.put(
            bucket,
            "kept",
            (async function* () {
              yield bytes;
              throw new Error("the client went away");
            })(),
          ),
          /went away/,
        );
      }
      assert.equal((await read("kept")).toString(), "before");
      const sha256Hex = createHash("sha256").update(big).digest("hex");
      await store.put(bucket, "kept", bodyOf(big), { sizeBytes: big.length, md5: md5(big), sha256Hex });
      assert.ok((await read("kept")).equals(big));
    });

    test("preconditions", async () => {
      const { etag } = await store.put(bucket, "condition", bodyOf("1"), { ifNoneMatch: "*" });
      await refuses(store.put(bucket, "condition", bodyOf("2"), { ifNoneMatch: "*" }), "precondition_failed");
      await refuses(store.put(bucket, "condition", bodyOf("2"), { ifNoneMatch: etag }), "precondition_failed");
      await refuses(store.put(bucket, "condition", bodyOf("2"), { ifMatch: md5("other") }), "precondition_failed");
      await refuses(store.put(bucket, "absent", bodyOf("2"), { ifMatch: "*" }), "precondition_failed");
      await store.put(bucket, "condition", bodyOf("2"), { ifMatch: etag });
      await refuses(store.delete(bucket, "condition", { ifMatch: etag }), "precondition_failed");
      const from = { bucketId: bucket, key: "condition" };
      const to = { bucketId: bucket, key: "condition2" };
      await refuses(store.copy(from, to, { sourceIfMatch: etag }), "precondition_failed");
      await refuses(store.copy(from, from, { ifNoneMatch: "*" }), "precondition_failed");
      await store.copy(from, to, { sourceIfMatch: md5("2"), ifNoneMatch: "*" });
      assert.deepEqual(await store.delete(bucket, "condition", { ifMatch: md5("2") }), { key: "condition", marker: false });
    });

    test("of 200 at once that must be the first, one is; of 50 that replace the same version, one does", async () => {
      const won = (results: PromiseSettledResult<unknown>[]): number => {
        for (const result of results)
          if (result.status === "rejected") assert.ok(CloudError.is(result.reason, "precondition_failed"), String(result.reason));
        return results.filter((result) => result.status === "fulfilled").length;
      };
      const firsts = Array.from({ length: 200 }, (_, i) =>
        store.put(bucket, "race", bodyOf(i % 10 ? `${i}` : pattern(20_000, i)), { ifNoneMatch: "*" }),
      );
      assert.equal(won(await Promise.allSettled(firsts)), 1);
      const { etag } = (await store.head(bucket, "race"))!;
      const next = Array.from({ length: 50 }, (_, i) => store.put(bucket, "race", bodyOf(`next ${i}`), { ifMatch: etag }));
      assert.equal(won(await Promise.allSettled(next)), 1);
    });

    test("copies share nothing that shows", async () => {
      const bytes = pattern(200_000);
      await store.put(bucket, "source", bodyOf(bytes), { headers: { contentType: "a/b" }, metadata: { a: "1" } });
      const source = { bucketId: bucket, key: "source" };
      const kept = await store.copy(source, { bucketId: bucket, key: "copy" });
      assert.deepEqual([kept.headers, kept.metadata, kept.etag], [{ contentType: "a/b" }, { a: "1" }, md5(bytes)]);
      const changed = await store.copy(source, source, { headers: { contentType: "c/d" }, metadata: {} });
      assert.deepEqual([changed.headers, changed.metadata], [{ contentType: "c/d" }, {}]);
      const other = bucketNew();
      await store.copy(source, { bucketId: other, key: "elsewhere" });
      assert.deepEqual(await store.totals(other), totalsOf({ objects: 1, sizeBytes: 200_000, uploadBytes: 0 }));
      await store.delete(bucket, "source");
      assert.ok((await read("copy")).equals(bytes));
      await store.delete(bucket, "copy");
      assert.ok((await bytesOf((await store.get(other, "elsewhere")).body)).equals(bytes));
    });

    test("a reader keeps its bytes when the object goes", async () => {
      const bytes = pattern(2_000_000);
      await store.put(bucket, "read", bodyOf(bytes));
      const replaced = await store.get(bucket, "read");
      await store.put(bucket, "read", bodyOf(pattern(1_000_000, 9)));
      const deleted = await store.get(bucket, "read");
      await store.delete(bucket, "read");
      await new Promise((resolve) => setTimeout(resolve, 200));
      assert.ok((await bytesOf(replaced.body)).equals(bytes));
      assert.ok((await bytesOf(deleted.body)).equals(pattern(1_000_000, 9)));
    });

    test("deleteMany", async () => {
      const here = bucketNew();
      for (const key of ["a", "b", "c"]) await store.put(here, key, bodyOf(key));
      const meter = { requestClass: "delete" } as const;
      const names = ["a", "x", "c", "a"].map((key) => ({ key }));
      const gone = (await store.deleteMany(here, names, { meter })).map(({ deletion }) => deletion?.key);
      assert.deepEqual(gone, ["a", undefined, "c", undefined]);
      assert.deepEqual(await store.totals(here), totalsOf({ objects: 1, sizeBytes: 1, uploadBytes: 0 }));
    });

    test("listing: order of bytes, prefixes, delimiters, every limit, against a reference", async () => {
      const random = seededRandom(7);
      const here = bucketNew();
      const keys = [...oddKeys(random, 150)];
      await Promise.all(keys.map((key) => store.put(here, key, bodyOf(key))));
      await Promise.all(["a", "b/", "é"].map((key) => store.put(bucketNew(), key, bodyOf(""))));
      const all = await store.list(here, { limit: 1000 });
      assert.deepEqual(
        all.objects.map(({ key }) => key),
        [...keys].sort((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b))),
      );
      for (const prefix of ["", "a", "a/", "a/b", "é", "zz"])
        for (const delimiter of [undefined, "", "/", "b", "//", "é"])
          for (const limit of [1, 2, 3, 5, 8, 13, 50, 1000]) {
            const options = { prefix, limit, ...(delimiter !== undefined && { delimiter }) };
            let after: string | undefined;
            for (let page = 0; page < 1000; page++) {
              const request = { ...options, ...(after !== undefined && { after }) };
              const got = await store.list(here, request);
              const found = { ...got, objects: got.objects.map(({ key }) => key) };
              assert.deepEqual(found, listReference(keys, request), JSON.stringify(request));
              after = got.next;
              if (after === undefined) break;
            }
            assert.equal(after, undefined, "the listing comes to its end");
          }
      for (let i = 0; i < 150; i++) {
        const at = { after: keys[Math.floor(random() * keys.length)]!, limit: 1 + Math.floor(random() * 6), delimiter: "/" };
        const got = await store.list(here, at);
        assert.deepEqual({ ...got, objects: got.objects.map(({ key }) => key) }, listReference(keys, at), JSON.stringify(at));
      }
    });

    test("multipart: parts in any order, replaced, left out; one object in the end, and the same one again", async () => {
      const here = bucketNew();
      const { uploadId } = await store.uploadCreate(here, "multi", { headers: { contentType: "x/y" }, metadata: { m: "1" } });
      assert.equal((await store.upload(here, uploadId)).key, "multi");
      const [one, two, three] = [pattern(5 * MiB, 1), pattern(5 * MiB + 3, 2), pattern(10, 3)];
      const p3 = await store.partPut(here, uploadId, 3, bodyOf(three));
      await store.partPut(here, uploadId, 1, bodyOf(pattern(6 * MiB, 8)));
      await store.partPut(here, uploadId, 9, bodyOf(pattern(100_000, 8)));
      assert.deepEqual(await store.totals(here), totalsOf({ objects: 0, sizeBytes: 0, uploadBytes: 6 * MiB + 100_010 }));
      const p1 = await store.partPut(here, uploadId, 1, bodyOf(one), { md5: md5(one), sizeBytes: one.length });
      const p2 = await store.partPut(here, uploadId, 2, bodyOf(two));
      await refuses(store.partPut(here, uploadId, 0, bodyOf("")), "invalid_argument", "part_number");
      await refuses(store.partPut(here, uploadId, 10_001, bodyOf("")), "invalid_argument", "part_number");
      await refuses(store.partPut(here, uploadId, 2, bodyOf("x"), { md5: md5("y") }), "invalid_argument", "bad_digest");

      const first = await store.partList(here, uploadId, { limit: 3 });
      assert.deepEqual([first.parts, first.next], [[p1, p2, p3], 3]);
      const rest = await store.partList(here, uploadId, { after: 3, limit: 3 });
      assert.deepEqual([rest.parts.map((part) => part.number), rest.next], [[9], undefined]);

      const complete = (...parts: Parameters<ObjectStore["uploadComplete"]>[2]): Promise<unknown> =>
        store.uploadComplete(here, uploadId, parts);
      await refuses(complete(), "failed_precondition", "invalid_part");
      await refuses(complete({ number: 1 }, { number: 4 }), "failed_precondition", "invalid_part");
      await refuses(complete({ number: 1, etag: p2.etag }), "failed_precondition", "invalid_part");
      await refuses(complete({ number: 1, checksums: { crc32: "AAAAAA==" } }), "failed_precondition", "invalid_part");
      await refuses(complete({ number: 2 }, { number: 1 }), "failed_precondition", "invalid_part_order");
      await refuses(complete({ number: 1 }, { number: 1 }), "failed_precondition", "invalid_part_order");
      await refuses(complete({ number: 1 }, { number: 3 }, { number: 9 }), "failed_precondition", "part_too_small");
      const parts = [{ number: 1, etag: p1.etag }, { number: 2 }, { number: 3 }];
      const wrongSize = store.uploadComplete(here, uploadId, parts, { sizeBytes: 1 });
      await refuses(wrongSize, "invalid_argument", "incomplete_body");

      const object = await store.uploadComplete(here, uploadId, parts, { ifNoneMatch: "*" });
      const whole = Buffer.concat([one, two, three]);
      const etags = Buffer.from(p1.etag + p2.etag + p3.etag, "hex");
      assert.equal(object.etag, `${createHash("md5").update(etags).digest("hex")}-3`);
      assert.deepEqual([object.sizeBytes, object.headers, object.metadata], [whole.length, { contentType: "x/y" }, { m: "1" }]);
      assert.deepEqual(object.parts, [p1, p2, p3]);
      assert.deepEqual(await store.uploadComplete(here, uploadId, parts, { ifNoneMatch: "*" }), object);
      assert.deepEqual(await store.head(here, "multi"), object);
      assert.deepEqual(await store.totals(here), totalsOf({ objects: 1, sizeBytes: whole.length, uploadBytes: 0 }));
      await refuses(store.partPut(here, uploadId, 1, bodyOf("")), "not_found");

      const get = async (options?: { range?: ByteRange; partNumber?: number }) => store.get(here, "multi", options);
      assert.ok((await bytesOf((await get()).body)).equals(whole));
      const across = await get({ range: { from: 5 * MiB - 5, to: 10 * MiB + 8 } });
      assert.ok((await bytesOf(across.body)).equals(whole.subarray(5 * MiB - 5, 10 * MiB + 9)));
      const second = await get({ partNumber: 2 });
      assert.deepEqual(second.range, { from: 5 * MiB, to: 10 * MiB + 2, sizeBytes: 5 * MiB + 3 });
      assert.ok((await bytesOf(second.body)).equals(two));
      await refuses(get({ partNumber: 4 }), "range_not_satisfiable");

      await store.copy({ bucketId: here, key: "multi" }, { bucketId: here, key: "shared" });
      const reading = await get();
      await store.put(here, "multi", bodyOf("replaced"));
      await refuses(complete(...parts), "not_found");
      await store.delete(here, "shared");
      await new Promise((resolve) => setTimeout(resolve, 200));
      assert.ok((await bytesOf(reading.body)).equals(whole), "a reader of many parts keeps them all");
      assert.deepEqual(await store.totals(here), totalsOf({ objects: 1, sizeBytes: 8, uploadBytes: 0 }));
    });

    test("multipart checksums, composite and over the whole object", async () => {
      const here = bucketNew();
      const [one, two] = [pattern(5 * MiB, 1), pattern(12_345, 2)];
      const whole = Buffer.concat([one, two]);
      for (const checksumAlgorithm of ["crc32", "crc32c", "crc64nvme"] as const) {
        const checksumType = "full_object";
        const { uploadId } = await store.uploadCreate(here, "sum", { checksumAlgorithm, checksumType });
        const p1 = await store.partPut(here, uploadId, 1, bodyOf(one));
        await store.partPut(here, uploadId, 2, bodyOf(two));
        const direct = await store.put(here, "direct", bodyOf(whole), { checksum: { algorithm: checksumAlgorithm } });
        const parts = [{ number: 1, checksums: p1.checksums }, { number: 2 }];
        const wrong = store.uploadComplete(here, uploadId, parts, { checksums: { [checksumAlgorithm]: "AAAAAA==" } });
        await refuses(wrong, "invalid_argument", "checksum_mismatch");
        const object = await store.uploadComplete(here, uploadId, parts, { checksums: direct.checksums });
        assert.deepEqual([object.checksums, object.checksumType], [direct.checksums, "full_object"]);
      }
      const upload = await store.uploadCreate(here, "composite", { checksumAlgorithm: "crc32" });
      assert.equal(upload.checksumType, "composite");
      await store.partPut(here, upload.uploadId, 1, bodyOf(one));
      await store.partPut(here, upload.uploadId, 2, bodyOf(two));
      const object = await store.uploadComplete(here, upload.uploadId, [{ number: 1 }, { number: 2 }]);
      const sums = Buffer.alloc(8);
      sums.writeUInt32BE(crc32(one), 0);
      sums.writeUInt32BE(crc32(two), 4);
      const composite = Buffer.alloc(4);
      composite.writeUInt32BE(crc32(sums));
      assert.deepEqual(object.checksums, { crc32: `${composite.toString("base64")}-2` });
      const bad = store.uploadCreate(here, "x", { checksumAlgorithm: "sha256", checksumType: "full_object" });
      await refuses(bad, "invalid_argument", "checksum_type");
    });

    test("uploads are listed by key and then by id, and can be aborted", async () => {
      const here = bucketNew();
      const random = seededRandom(11);
      const keys = [...oddKeys(random, 40), "a", "a", "a/x", "a/x"];
      const uploads = await Promise.all(keys.map(async (key) => store.uploadCreate(here, key)));
      for (const prefix of ["", "a"])
        for (const delimiter of ["", "/", "_"])
          for (const limit of [1, 2, 7, 1000]) {
            const found: string[] = [];
            const prefixes: string[] = [];
            let next: { after?: string; afterUploadId?: string } | undefined = {};
            while (next !== undefined) {
              const page: Awaited<ReturnType<ObjectStore["uploadList"]>> = await store.uploadList(here, {
                prefix,
                delimiter,
                limit,
                ...next,
              });
              assert.ok(page.uploads.length + page.commonPrefixes.length <= limit);
              found.push(...page.uploads.map(({ uploadId }) => uploadId));
              prefixes.push(...page.commonPrefixes);
              next = page.next;
            }
            const wanted = listReference(new Set(keys), { prefix, delimiter, limit: 1000 });
            const inOrder = uploads
              .filter(({ key }) => wanted.objects.includes(key))
              .sort((a, b) => Buffer.compare(Buffer.from(a.key), Buffer.from(b.key)) || (a.uploadId < b.uploadId ? -1 : 1));
            assert.deepEqual([found, prefixes], [inOrder.map(({ uploadId }) => uploadId), wanted.commonPrefixes]);
          }
      const { uploadId } = uploads[0]!;
      await store.partPut(here, uploadId, 1, bodyOf(pattern(50_000)));
      await store.uploadAbort(here, uploadId);
      await refuses(store.upload(here, uploadId), "not_found");
      assert.equal((await store.totals(here)).uploadBytes, 0);
      await store.partPut(here, uploads[1]!.uploadId, 1, bodyOf(pattern(50_000)));
      await store.put(here, "object", bodyOf("x"));
      await refuses(store.bucketDrop(here), "failed_precondition", "bucket_not_empty");
      await store.delete(here, "object");
      await store.bucketDrop(here);
      assert.deepEqual(await store.totals(here), totalsOf({ objects: 0, sizeBytes: 0, uploadBytes: 0 }));
      assert.deepEqual((await store.uploadList(here, { limit: 10 })).uploads, []);
      await store.bucketDrop(here);
    });

    test("totals are the truth after random operations at once", async () => {
      const here = bucketNew();
      const random = seededRandom(3);
      const key = (): string => `k${Math.floor(random() * 12)}`;
      for (let round = 0; round < 20; round++) {
        const operations = Array.from({ length: 20 }, (_, i) => {
          const kind = random();
          if (kind < 0.5) return store.put(here, key(), bodyOf(pattern(Math.floor(random() * 30_000), i)));
          if (kind < 0.7) return store.delete(here, key());
          if (kind < 0.8) return store.deleteMany(here, [{ key: key() }, { key: key() }]);
          return store.copy({ bucketId: here, key: key() }, { bucketId: here, key: key() }).catch((error) => {
            if (!CloudError.is(error, "not_found")) throw error;
          });
        });
        await Promise.all(operations);
        const { objects } = await store.list(here, { limit: 1000 });
        const sizeBytes = objects.reduce((sum, object) => sum + object.sizeBytes, 0);
        assert.deepEqual(await store.totals(here), totalsOf({ objects: objects.length, sizeBytes, uploadBytes: 0 }));
      }
      for (const { key } of (await store.list(here, { limit: 1000 })).objects)
        assert.equal(md5(await bytesOf((await store.get(here, key)).body)), (await store.head(here, key))!.etag);
    });

    test("the usage of two days, hour by hour, with a clock that once goes back", async () => {
      let nowMs = Date.UTC(2026, 0, 1, 10, 59, 58, 123);
      const clocked = await open(() => nowMs);
      try {
        await usageIsTrue(
          clocked,
          (ms) => {
            nowMs = ms;
          },
          nowMs,
        );
      } finally {
        await clocked.close();
      }
    });

    test("after close nothing is accepted", async () => {
      const closed = await open();
      const pending = closed.put(bucket, "late", bodyOf("in time"));
      await closed.close();
      assert.equal((await pending).sizeBytes, 7);
      await refuses(closed.put(bucket, "later", bodyOf("x")), "unavailable");
      await refuses(closed.head(bucket, "later"), "unavailable");
      await closed.close();
    });
  });
}
