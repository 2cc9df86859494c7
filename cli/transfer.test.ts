import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { mkdirSync, readdirSync, readFileSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { newId } from "../kernel/ids.ts";
import { fakeCloud, problem, type Reply, runCli, temporaryHome } from "./fake-cloud.ts";

const mebibyte = 2 ** 20;

/** Objects, uploads in parts and ranges, as the API has them; `breaks` says how often a transfer is cut off. */
async function storeWith() {
  const objects = new Map<string, Buffer>();
  const types = new Map<string, string>();
  const uploads = new Map<string, { key: string; parts: Map<number, Buffer> }>();
  const state = { breaks: 0, refuseParts: 0, partsSent: 0 };
  const stored = (key: string): Reply => ({
    status: 201,
    body: { key, sizeBytes: objects.get(key)?.length ?? 0, etag: `"${key}"`, modifiedAt: "2026-01-02T03:04:05Z" },
  });
  const cloud = await fakeCloud({
    "PUT /buckets/{bucket}/object/content": ({ query, headers, bytes }) => {
      const key = query["key"] as string;
      if (headers["if-none-match"] === "*" && objects.has(key))
        return problem(412, "precondition_failed", "It is there already.");
      objects.set(key, bytes);
      types.set(key, headers["content-type"] ?? "");
      return stored(key);
    },
    "GET /buckets/{bucket}/object/content": ({ query, headers }) => {
      const bytes = objects.get(query["key"] as string);
      if (!bytes) return problem(404, "not_found", "This object does not exist, or you have no access to it.");
      const from = Number(/^bytes=(\d+)-$/.exec(headers.range ?? "")?.[1] ?? 0);
      const part = bytes.subarray(from);
      const common = { etag: '"x"', "content-length": String(part.length) };
      if (state.breaks > 0) {
        state.breaks--;
        return {
          status: from > 0 ? 206 : 200,
          raw: part.subarray(0, Math.ceil(part.length / 3)),
          headers: common,
          breakOff: true,
        };
      }
      return { status: from > 0 ? 206 : 200, raw: part, headers: common };
    },
    "GET /buckets/{bucket}/objects": ({ query }) => ({
      body: {
        items: [...objects]
          .filter(([key]) => key.startsWith(query["prefix"] ?? ""))
          .map(([key, bytes]) => ({ kind: "object", key, name: key, sizeBytes: bytes.length })),
      },
    }),
    "POST /buckets/{bucket}/uploads": ({ body }) => {
      const id = newId("upload");
      uploads.set(id, { key: (body as { key: string }).key, parts: new Map() });
      return {
        status: 201,
        body: { id, bucketId: "bkt", key: "k", startedAt: "2026-01-02T03:04:05Z", partSizeBytes: 16 * mebibyte },
      };
    },
    "PUT /buckets/{bucket}/uploads/{upload}/parts/{part}": ({ bytes }, [, id, part]) => {
      if (state.refuseParts > 0 && state.partsSent >= 2) {
        state.refuseParts--;
        return problem(507, "storage_full", "The disk is full.");
      }
      state.partsSent++;
      uploads.get(id as string)?.parts.set(Number(part), bytes);
      return { body: { number: Number(part), sizeBytes: bytes.length, etag: `"${part}"` } };
    },
    "GET /buckets/{bucket}/uploads/{upload}/parts": (_, [, id]) => {
      const upload = uploads.get(id as string);
      if (!upload) return problem(404, "not_found", "This upload does not exist.");
      return {
        body: { items: [...upload.parts].map(([number, bytes]) => ({ number, sizeBytes: bytes.length, etag: `"${number}"` })) },
      };
    },
    "POST /buckets/{bucket}/uploads/{upload}/complete": ({ body }, [, id]) => {
      const upload = uploads.get(id as string) as { key: string; parts: Map<number, Buffer> };
      objects.set(
        upload.key,
        Buffer.concat((body as { parts: { number: number }[] }).parts.map(({ number }) => upload.parts.get(number) as Buffer)),
      );
      return stored(upload.key);
    },
    "DELETE /buckets/{bucket}/uploads/{upload}": (_, [, id]) => {
      uploads.delete(id as string);
      return {};
    },
  });
  return { cloud, objects, types, uploads, state };
}

async function withStore(
  work: (
    store: Awaited<ReturnType<typeof storeWith>>,
    folder: string,
    cli: (words: string[], input?: Buffer) => ReturnType<typeof runCli>,
  ) => Promise<void>,
): Promise<void> {
  const store = await storeWith();
  const home = temporaryHome();
  const env = { ...home.env, KHMARA_ENDPOINT: store.cloud.endpoint, KHMARA_TOKEN: "t" };
  try {
    await work(store, home.folder, (words, input) => runCli(words, { env, ...(input && { input }) }));
  } finally {
    await store.cloud.close();
    home.remove();
  }
}

test("a file goes up with its name, its length and its type, and comes back the same", async () => {
  await withStore(async ({ cloud, objects, types }, folder, cli) => {
    const bytes = randomBytes(3 * mebibyte);
    writeFileSync(join(folder, "beach.jpg"), bytes);
    writeFileSync(join(folder, "empty"), "");
    const up = await cli(["object", "upload", "photos", join(folder, "beach.jpg"), join(folder, "empty"), "--prefix", "2026"]);
    assert.equal(up.code, 0, up.notes);
    assert.match(up.out, /photos\/2026\/beach\.jpg {2}3 MiB/);
    assert.ok(objects.get("2026/beach.jpg")?.equals(bytes));
    assert.equal(objects.get("2026/empty")?.length, 0);
    assert.equal(types.get("2026/beach.jpg"), "image/jpeg");
    const put = cloud.seen.find((one) => one.query["key"] === "2026/beach.jpg");
    assert.equal(put?.headers["content-length"], String(bytes.length));
    const path = join(folder, "back.jpg");
    assert.equal((await cli(["object", "download", "photos", "2026/beach.jpg", "-o", path])).code, 0);
    assert.ok(readFileSync(path).equals(bytes));
    const again = await cli(["object", "download", "photos", "2026/beach.jpg", "-o", path]);
    assert.equal(again.code, 2);
    assert.match(again.notes, /--force/);
    const out = await cli(["object", "download", "photos", "2026/beach.jpg", "--output", "-"]);
    assert.ok(out.bytes.equals(bytes));
    assert.equal(out.out, "");
    const kept = await cli(["object", "upload", "photos", join(folder, "beach.jpg"), "--prefix", "2026/", "--keep"]);
    assert.equal(kept.code, 0);
    assert.match(kept.notes, /1 was there already/);
  });
});

test("a folder goes up and down with everything in it", async () => {
  await withStore(async ({ objects }, folder, cli) => {
    mkdirSync(join(folder, "site/pictures"), { recursive: true });
    writeFileSync(join(folder, "site/index.html"), "<h1>Hi</h1>");
    writeFileSync(join(folder, "site/pictures/a b.png"), "png");
    symlinkSync(folder, join(folder, "site/loop"));
    assert.equal((await cli(["object", "upload", "web", join(folder, "site")])).code, 2);
    const up = await cli(["object", "upload", "web", join(folder, "site"), "--recursive"]);
    assert.equal(up.code, 0, up.notes);
    assert.deepEqual([...objects.keys()].sort(), ["site/index.html", "site/pictures/a b.png"]);
    await cli(["object", "upload", "web", `${join(folder, "site")}/`, "--recursive", "--prefix", "copy"]);
    assert.ok(objects.has("copy/index.html"));
    objects.set("site/../../../evil", Buffer.from("x"));
    objects.set("site/folder/", Buffer.alloc(0));
    const down = await cli(["object", "download", "web", "site", "--recursive", "--output", join(folder, "down")]);
    assert.equal(down.code, 1);
    assert.match(down.notes, /would lead out/);
    assert.equal(readFileSync(join(folder, "down/pictures/a b.png"), "utf8"), "png");
    assert.deepEqual(readdirSync(join(folder, "down")).sort(), ["index.html", "pictures"]);
  });
});

test("a large file goes in parts, and after an interruption only what is missing", async () => {
  await withStore(async ({ objects, state }, folder, cli) => {
    const bytes = randomBytes(70 * mebibyte);
    const path = join(folder, "disk.img");
    writeFileSync(path, bytes);
    state.refuseParts = 10;
    const broken = await cli(["object", "upload", "backups", path]);
    assert.equal(broken.code, 1);
    assert.match(broken.notes, /disk is full/);
    const before = state.partsSent;
    assert.ok(before >= 2 && before < 5);
    state.refuseParts = 0;
    const done = await cli(["object", "upload", "backups", path]);
    assert.equal(done.code, 0, done.notes);
    assert.equal(state.partsSent, 5);
    assert.ok(objects.get("disk.img")?.equals(bytes));
  });
});

test("a pipe: small as one object, large in parts, given up when it fails", async () => {
  await withStore(async ({ objects, uploads, state }, _folder, cli) => {
    assert.equal((await cli(["object", "upload", "b", "-"], Buffer.from("x"))).code, 2);
    assert.equal((await cli(["object", "upload", "b", "-", "--key", "note.txt"], Buffer.from("hello"))).code, 0);
    assert.equal(objects.get("note.txt")?.toString(), "hello");
    const bytes = randomBytes(130 * mebibyte);
    const large = await cli(["object", "upload", "b", "-", "--key", "dump"], bytes);
    assert.equal(large.code, 0, large.notes);
    assert.ok(objects.get("dump")?.equals(bytes));
    assert.equal(state.partsSent, 3);
    state.refuseParts = 10;
    const count = uploads.size;
    assert.equal((await cli(["object", "upload", "b", "-", "--key", "dump2"], bytes)).code, 1);
    assert.equal(uploads.size, count);
  });
});

test("a download that breaks goes on where it was; one that fails leaves nothing", async () => {
  await withStore(async ({ objects, state, cloud }, folder, cli) => {
    const bytes = randomBytes(mebibyte);
    objects.set("a", bytes);
    state.breaks = 2;
    const done = await cli(["object", "download", "b", "a", "-o", join(folder, "a")]);
    assert.equal(done.code, 0, done.notes);
    assert.ok(readFileSync(join(folder, "a")).equals(bytes));
    assert.ok(cloud.seen.filter((one) => one.headers.range).every((one) => one.headers["if-match"] === '"x"'));
    const missing = await cli(["object", "download", "b", "none", "-o", join(folder, "none")]);
    assert.equal(missing.code, 1);
    assert.deepEqual(
      readdirSync(folder).filter((one) => one.includes("none")),
      [],
    );
  });
});
