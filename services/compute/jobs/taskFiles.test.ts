import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { linkSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Readable } from "node:stream";
import { after, test } from "node:test";
import { CloudError } from "../../../kernel/errors.ts";
import type { ObjectsService } from "../../objects/contract.ts";
import { isSafePath, receiveOutput, sendInput } from "./taskFiles.ts";

const folder = mkdtempSync(join(tmpdir(), "khmara-task-files-"));
after(() => rmSync(folder, { recursive: true, force: true }));

/** A bucket in memory. */
function memoryObjects(content: Record<string, Buffer>): ObjectsService & { stored: Map<string, Buffer> } {
  const stored = new Map(Object.entries(content));
  return {
    stored,
    findBucket: async () => ({ id: "bkt", name: "b" }),
    hold: async () => {},
    letGo: async () => {},
    websites: async () => [],
    addressWebsites: () => {},
    async write({ key, content }) {
      const bytes = Buffer.concat(await content.toArray());
      stored.set(key, bytes);
      return { sizeBytes: bytes.length, etag: "" };
    },
    async read({ key }) {
      const bytes = stored.get(key);
      if (!bytes) throw new CloudError("not_found", "There is no such object.");
      return { sizeBytes: bytes.length, contentType: undefined, metadata: {}, content: Readable.from([bytes]) };
    },
    list: async ({ prefix, after = "", limit }) =>
      [...stored.keys()]
        .filter((key) => key.startsWith(prefix) && key > after)
        .sort()
        .slice(0, limit)
        .map((key) => ({ key, sizeBytes: stored.get(key)?.length ?? 0 })),
    delete: async ({ key }) => void stored.delete(key),
  };
}
const signal = new AbortController().signal;
const exited = (child: ReturnType<typeof spawn>) =>
  new Promise<number>((resolve) => child.on("exit", (code) => resolve(code ?? -1)));

const long = `${"deep/".repeat(40)}${"n".repeat(200)}.txt`;
const files: Record<string, Buffer> = {
  "in/plain.txt": Buffer.from("plain"),
  "in/хмара/файл.txt": Buffer.from("non-ASCII names"),
  [`in/${long}`]: Buffer.from("a long name"),
  "in/empty": Buffer.alloc(0),
  "in/exact": Buffer.alloc(1024, 7),
  "in/big": Buffer.alloc(3_000_001, "x"),
  "in/folder/": Buffer.alloc(0),
  "in/../../etc/escape": Buffer.from("evil"),
  "in//double": Buffer.from("no file has this name"),
  "other/not-ours": Buffer.from("outside of the prefix"),
};

for (const tar of [["tar"], ["busybox", "tar"]]) {
  test(`input is unpacked by ${tar.join(" ")}`, async (t) => {
    const target = mkdtempSync(join(folder, "in-"));
    const child = spawn(tar[0] as string, [...tar.slice(1), "-x", "-f", "-", "-C", target], {
      stdio: ["pipe", "inherit", "inherit"],
    });
    const started = await new Promise((resolve) => child.on("spawn", () => resolve(true)).on("error", () => resolve(false)));
    if (!started) return t.skip(`${tar[0]} is not installed here`);
    const [done, code] = await Promise.all([
      sendInput(memoryObjects(files), { bucketId: "bkt", prefix: "in/" }, child.stdin!, signal),
      exited(child),
    ]);
    assert.equal(code, 0);
    assert.deepEqual([done.objects, done.skippedCount], [6, 2]);
    assert.deepEqual(done.skipped, ["in/../../etc/escape", "in//double"]);
    for (const name of ["plain.txt", "хмара/файл.txt", long, "empty", "exact", "big"])
      assert.ok(readFileSync(join(target, name)).equals(files[`in/${name}`] as Buffer), name);
    assert.deepEqual(readdirSync(target).sort(), ["big", "deep", "empty", "exact", "plain.txt", "хмара"]);
  });
}

for (const format of ["gnu", "pax", "ustar"]) {
  test(`output is read in the format ${format}`, async () => {
    const source = mkdtempSync(join(folder, "out-"));
    mkdirSync(join(source, "sub"));
    writeFileSync(join(source, "sub", "файл"), "ü");
    writeFileSync(join(source, "x".repeat(90)), "long");
    writeFileSync(join(source, "big"), Buffer.alloc(2_500_000, "b"));
    writeFileSync(join(source, "none"), "");
    symlinkSync("/etc/passwd", join(source, "link"));
    linkSync(join(source, "big"), join(source, "same"));
    const child = spawn("tar", ["-c", "-f", "-", `--format=${format}`, "--sort=name", "-C", source, "."]);
    const objects = memoryObjects({});
    const done = await receiveOutput(objects, child.stdout, { bucketId: "bkt", prefix: "results/3/" }, signal);
    assert.deepEqual(
      [...objects.stored.keys()].sort(),
      ["results/3/big", "results/3/none", "results/3/sub/файл", `results/3/${"x".repeat(90)}`].sort(),
    );
    assert.equal(objects.stored.get("results/3/sub/файл")?.toString(), "ü");
    assert.equal(objects.stored.get("results/3/big")?.length, 2_500_000);
    assert.deepEqual(done.skipped.sort(), ["link", "same"]);
    assert.deepEqual([done.objects, done.bytes], [4, 2_500_006]);
  });
}

test("output that wants out of its folder, or cannot be a key, is left out", async () => {
  const source = mkdtempSync(join(folder, "evil-"));
  writeFileSync(join(source, "a"), "evil");
  const child = spawn("tar", ["-c", "-f", "-", "-P", "--transform=s,^,../../,", "-C", source, "a"]);
  const objects = memoryObjects({});
  const done = await receiveOutput(objects, child.stdout, { bucketId: "bkt", prefix: "r/" }, signal);
  assert.deepEqual([objects.stored.size, done.skipped], [0, ["../../a"]]);
  assert.ok(!isSafePath("/absolute") && !isSafePath("a/./b") && !isSafePath("a\0b") && isSafePath("a/..b/c"));
});

test("a bucket that takes nothing ends the reading, with its own error", async () => {
  const source = mkdtempSync(join(folder, "full-"));
  writeFileSync(join(source, "a"), Buffer.alloc(5_000_000));
  writeFileSync(join(source, "b"), Buffer.alloc(5_000_000));
  const child = spawn("tar", ["-c", "-f", "-", "-C", source, "."]);
  const objects = memoryObjects({});
  objects.write = async () => {
    throw new CloudError("quota_exceeded", "The project may store 0 bytes.");
  };
  await assert.rejects(receiveOutput(objects, child.stdout, { bucketId: "bkt", prefix: "" }, signal), { code: "quota_exceeded" });
});

test("a tar that breaks off is an error, not a short output", async () => {
  const objects = memoryObjects({});
  const whole = spawn("tar", ["-c", "-f", "-", "-C", folder, "."]);
  const bytes = Buffer.concat(await whole.stdout.toArray());
  await assert.rejects(receiveOutput(objects, Readable.from([bytes.subarray(0, 2000)]), { bucketId: "bkt", prefix: "" }, signal));
});
