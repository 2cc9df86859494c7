import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { PassThrough, Readable } from "node:stream";
import { test } from "node:test";
import { gzipSync, zstdCompressSync } from "node:zlib";
import { type Headers, pack } from "tar-stream";
import { digestTar, twice } from "./tarDigest.ts";

type Entry = Partial<Headers> & { name: string; content?: Buffer | string };

async function tar(entries: Entry[]): Promise<Buffer> {
  const packed = pack();
  for (const { content, ...header } of entries) packed.entry({ mode: 0o644, ...header }, content ?? "");
  packed.finalize();
  const pieces: Buffer[] = [];
  for await (const piece of packed) pieces.push(piece as Buffer);
  return Buffer.concat(pieces);
}
const digest = (bytes: Buffer) => digestTar(Readable.from(bytes.length === 0 ? [] : [bytes.subarray(0, 3), bytes.subarray(3)]));

const big = randomBytes(3_000_000);
const entries: Entry[] = [
  { name: "backup/index.yaml", content: "name: one" },
  { name: "backup/volume/", type: "directory", mode: 0o711 },
  { name: "backup/volume/a.txt", content: "a" },
  { name: "backup/volume/big", content: big, uid: 1000 },
  { name: "backup/volume/link", type: "symlink", linkname: "a.txt" },
];

test("equal for equal content, whatever the order, the compression and the engine's own description", async () => {
  const plain = await digest(await tar(entries));
  assert.deepEqual([plain.files, plain.sizeBytes], [4, big.length + 1]);
  assert.deepEqual(await digest(gzipSync(await tar(entries))), plain);
  assert.deepEqual(await digest(zstdCompressSync(await tar(entries))), plain);
  assert.deepEqual(
    (await digest(await tar([...entries.slice(1).toReversed(), { name: "backup/index.yaml", content: "name: two" }]))).digest,
    plain.digest,
  );
});

test("another one for every change: bytes, name, owner, rights, target, a file more or fewer", async () => {
  const { digest: plain } = await digest(await tar(entries));
  const changed = (index: number, change: Partial<Entry>) =>
    entries.map((entry, at) => (at === index ? { ...entry, ...change } : entry));
  const flipped = Buffer.from(big);
  flipped[1_234_567] = (flipped[1_234_567] as number) ^ 1;
  for (const other of [
    changed(3, { content: flipped }),
    changed(2, { name: "backup/volume/b.txt" }),
    changed(3, { uid: 0 }),
    changed(2, { mode: 0o755 }),
    changed(4, { linkname: "big" }),
    entries.slice(0, -1),
    [...entries, { name: "backup/volume/more", content: "" }],
  ])
    assert.notEqual((await digest(await tar(other))).digest, plain);
});

test("what is no tar, or breaks off, fails instead of being equal to something", async () => {
  const whole = zstdCompressSync(await tar(entries));
  await assert.rejects(digest(whole.subarray(0, whole.length / 2)));
  await assert.rejects(digest(randomBytes(4096)));
  const broken = new PassThrough();
  const failing = digestTar(broken);
  broken.write((await tar(entries)).subarray(0, 5000));
  setTimeout(() => broken.destroy(new Error("the object is damaged")), 10);
  await assert.rejects(failing, /damaged/);
});

test("the same bytes twice, as fast as the slower reader; an error reaches both; one that stops early does not hold up the other", async () => {
  const source = () =>
    Readable.from(
      (function* () {
        for (let at = 0; at < big.length; at += 50_000) yield big.subarray(at, at + 50_000);
      })(),
    );
  const [one, two] = twice(source());
  const slow = (async () => {
    const pieces: Buffer[] = [];
    for await (const piece of two) {
      pieces.push(piece as Buffer);
      await new Promise((resolve) => setTimeout(resolve, 1));
    }
    return Buffer.concat(pieces);
  })();
  assert.ok(Buffer.concat(await one.toArray()).equals(big));
  assert.ok((await slow).equals(big));
  const [early, rest] = twice(source());
  early.destroy();
  assert.ok(Buffer.concat(await rest.toArray()).equals(big));
  const failing = new PassThrough();
  const both = twice(failing).map((copy) => copy.toArray());
  failing.destroy(new Error("torn"));
  for (const each of both) await assert.rejects(each, /torn/);
});
