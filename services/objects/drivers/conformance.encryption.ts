import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { after, before, describe, test } from "node:test";
import { type Id, newId } from "../../../kernel/ids.ts";
import type { ByteRange, Encryption, ObjectStore } from "../driver.ts";
import { bodyOf, bytesOf, md5, pattern, refuses } from "./conformance.bodies.ts";
import type { OpenStore } from "./conformance.ts";

const MiB = 1024 * 1024;
const sizes = [0, 1, 15, 16, 17, 16_384, 16_385, 300_001];

/** What every engine of the object store does with bytes that are to be encrypted. */
export function encryptionConformance(name: string, open: OpenStore): void {
  describe(`${name}: encryption`, { concurrency: false }, () => {
    let store: ObjectStore;
    const bucketId = newId("bucket");
    const [key, otherKey] = [randomBytes(32), randomBytes(32)];
    const customer: Encryption = { kind: "customer", key };
    before(async () => {
      store = await open();
    });
    after(() => store.close());
    const read = async (name: string, options: { customerKey?: Uint8Array; range?: ByteRange; partNumber?: number } = {}) =>
      bytesOf((await store.get(bucketId, name, options)).body);
    const at = (name: string, of: Id<"bucket"> = bucketId) => ({ bucketId: of, key: name });

    test("what is encrypted comes back, whole and in ranges", async () => {
      for (const encryption of [{ kind: "server" }, customer] as const) {
        const options = encryption.kind === "customer" ? { customerKey: key } : {};
        for (const sizeBytes of sizes) {
          const bytes = pattern(sizeBytes);
          const stored = await store.put(bucketId, "size", bodyOf(bytes), {
            encryption,
            md5: md5(bytes),
            checksum: { algorithm: "crc32" },
          });
          assert.equal(stored.encryption, encryption.kind);
          // The MD5 would tell of the bytes to who has not the key.
          assert.equal(stored.etag === md5(bytes), encryption.kind === "server");
          assert.deepEqual(await store.head(bucketId, "size", options), stored);
          assert.ok((await read("size", options)).equals(bytes), `${sizeBytes} bytes come back`);
          for (const from of [1, 16, 17, 16_384, 270_000])
            if (from < sizeBytes)
              assert.ok(
                (await read("size", { ...options, range: { from, to: from + 40_000 } })).equals(
                  bytes.subarray(from, from + 40_001),
                ),
              );
        }
      }
      await refuses(
        store.put(bucketId, "bad", bodyOf("x"), { encryption: customer, md5: md5("y") }),
        "invalid_argument",
        "bad_digest",
      );
    });

    test("a customer's key opens what was stored with it, and nothing else does", async () => {
      await store.put(bucketId, "locked", bodyOf("secret"), { encryption: customer });
      await store.put(bucketId, "open", bodyOf("plain"));
      await refuses(store.get(bucketId, "locked"), "invalid_argument", "customer_key_missing");
      await refuses(store.get(bucketId, "locked", { customerKey: otherKey }), "permission_denied", "customer_key_wrong");
      await refuses(store.head(bucketId, "locked", { customerKey: otherKey }), "permission_denied", "customer_key_wrong");
      await refuses(store.get(bucketId, "open", { customerKey: key }), "invalid_argument", "customer_key_unexpected");
      // What is no secret is told without it: lists and totals need that.
      assert.equal((await store.head(bucketId, "locked"))?.encryption, "customer");
      assert.equal((await read("locked", { customerKey: key })).toString(), "secret");
    });

    test("parts are encrypted as their upload", async () => {
      const parts = [pattern(5 * MiB), pattern(70_001), pattern(3)];
      for (const encryption of [{ kind: "server" }, customer] as const) {
        const options = encryption.kind === "customer" ? { customerKey: key } : {};
        const upload = await store.uploadCreate(bucketId, "parts", { encryption });
        assert.equal(upload.encryption, encryption.kind);
        if (encryption.kind === "customer") {
          await refuses(store.partPut(bucketId, upload.uploadId, 1, bodyOf("x")), "invalid_argument", "customer_key_missing");
          await refuses(
            store.partPut(bucketId, upload.uploadId, 1, bodyOf("x"), { customerKey: otherKey }),
            "permission_denied",
            "customer_key_wrong",
          );
          await refuses(
            store.upload(bucketId, upload.uploadId, { customerKey: otherKey }),
            "permission_denied",
            "customer_key_wrong",
          );
        }
        const put = [];
        for (const [index, bytes] of parts.slice(0, 2).entries())
          put.push(await store.partPut(bucketId, upload.uploadId, index + 1, bodyOf(bytes), options));
        const object = await store.uploadComplete(bucketId, upload.uploadId, put);
        assert.equal(object.encryption, encryption.kind);
        const whole = Buffer.concat(parts.slice(0, 2));
        assert.ok((await read("parts", options)).equals(whole));
        const range = { from: 5 * MiB - 5, to: 5 * MiB + 20 };
        assert.ok((await read("parts", { ...options, range })).equals(whole.subarray(range.from, range.to + 1)));
        assert.ok((await read("parts", { ...options, partNumber: 2 })).equals(parts[1] as Buffer));
      }
    });

    test("a copy keeps the encryption, or is encrypted otherwise", async () => {
      const bytes = pattern(40_000);
      const put = { headers: { contentType: "text/plain" }, tags: { a: "b" }, checksum: { algorithm: "sha256" } } as const;
      const plain = await store.put(bucketId, "from none", bodyOf(bytes), put);
      await store.put(bucketId, "from server", bodyOf(bytes), { ...put, encryption: { kind: "server" } });
      await store.put(bucketId, "from customer", bodyOf(bytes), { ...put, encryption: customer });
      const wanted: Encryption[] = [{ kind: "none" }, { kind: "server" }, customer, { kind: "customer", key: otherKey }];
      for (const kind of ["none", "server", "customer"]) {
        const source = { ...at(`from ${kind}`), ...(kind === "customer" && { customerKey: key }) };
        const kept = await store.copy(at(`from ${kind}`), at("kept"));
        assert.equal(kept.encryption ?? "none", kind);
        for (const encryption of wanted) {
          const copy = await store.copy(source, at("copy"), { encryption });
          assert.equal(copy.encryption ?? "none", encryption.kind);
          assert.deepEqual([copy.headers, copy.tags, copy.checksums], [plain.headers, plain.tags, plain.checksums]);
          const customerKey = encryption.kind === "customer" ? { customerKey: encryption.key } : {};
          assert.ok((await read("copy", customerKey)).equals(bytes));
        }
      }
      await refuses(
        store.copy(at("from customer"), at("copy"), { encryption: { kind: "none" } }),
        "invalid_argument",
        "customer_key_missing",
      );
      const changed = store.copy(at("from none"), at("copy"), { encryption: { kind: "server" }, sourceIfMatch: "other" });
      await refuses(changed, "precondition_failed");
      await refuses(store.copy(at("from none"), at("copy"), { encryption: customer, ifNoneMatch: "*" }), "precondition_failed");
    });

    test("a bucket encrypts by default, and what lies there stays as it is", async () => {
      const of = newId("bucket");
      await store.put(of, "before", bodyOf("before"));
      assert.equal((await store.settingsUpdate(of, { encryption: "server" })).encryption, "server");
      assert.equal((await store.put(of, "after", bodyOf("after"))).encryption, "server");
      assert.equal((await store.put(of, "told", bodyOf("told"), { encryption: { kind: "none" } })).encryption, undefined);
      assert.equal((await store.uploadCreate(of, "upload")).encryption, "server");
      assert.equal((await store.head(of, "before"))?.encryption, undefined);
      await store.settingsUpdate(of, { versioning: "enabled" });
      const second = await store.put(of, "after", bodyOf("second"));
      const list = await store.versionList(of, { prefix: "after", limit: 10 });
      assert.deepEqual(
        list.versions.map(({ object }) => object?.encryption),
        ["server", "server"],
      );
      const { body } = await store.get(of, "after", { versionId: second.versionId as string });
      assert.equal((await bytesOf(body)).toString(), "second");
      await store.settingsUpdate(of, { encryption: "none" });
      assert.equal((await store.put(of, "after", bodyOf("third"))).encryption, undefined);
    });

    test("the scrub knows what is encrypted", async () => {
      assert.deepEqual((await store.scrub()).damaged, []);
    });
  });
}
