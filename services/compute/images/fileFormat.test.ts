import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { Readable } from "node:stream";
import { after, test } from "node:test";
import { CloudError } from "../../../kernel/errors.ts";
import { detectFormat, entryNames } from "./fileFormat.ts";

const folder = mkdtempSync(join(tmpdir(), "khmara-format-"));
after(() => rmSync(folder, { recursive: true }));

let counter = 0;
/** A real tarball, made by tar. */
function tarball(files: Record<string, string | Buffer>, flag = "", order = Object.keys(files)): Buffer {
  const root = join(folder, String(++counter));
  for (const [name, content] of Object.entries(files)) {
    mkdirSync(dirname(join(root, name)), { recursive: true });
    writeFileSync(join(root, name), content);
  }
  const to = join(folder, `${counter}.tar`);
  execFileSync("tar", ["-C", root, `-c${flag}f`, to, ...order]);
  return readFileSync(to);
}
const detect = (bytes: Buffer) => detectFormat(Readable.from([bytes], { objectMode: false }), "body");
const image = { "metadata.yaml": "architecture: x86_64\n", "rootfs/etc/hostname": "x" };
const rootFileSystem = { "etc/hostname": "x", "usr/bin/true": "x" };

test("an exported image, in each compression, and its bytes are all there afterwards", async () => {
  const noise = Buffer.from(Array.from({ length: 900_000 }, () => Math.floor(Math.random() * 256)));
  for (const flag of ["", "z", "J", "j", "-zstd -"]) {
    const bytes =
      flag === "-zstd -"
        ? execFileSync("zstd", ["-q", "-c"], { input: tarball({ ...image, "rootfs/noise": noise }), maxBuffer: 1e8 })
        : tarball({ ...image, "rootfs/noise": noise }, flag);
    const { format, content } = await detect(bytes);
    assert.deepEqual(format, { kind: "image" }, flag);
    assert.ok(Buffer.concat(await content.toArray()).equals(bytes), flag);
  }
});

test("a bare root file system, plain and compressed, with ./ before its names", async () => {
  for (const flag of ["", "z", "J"])
    assert.deepEqual((await detect(tarball(rootFileSystem, flag))).format, { kind: "bare", of: "container" });
  assert.deepEqual((await detect(tarball(rootFileSystem, "", ["."]))).format, { kind: "bare", of: "container" });
  assert.deepEqual((await detect(Buffer.concat([Buffer.from("hsqs"), Buffer.alloc(600)]))).format, {
    kind: "bare",
    of: "container",
  });
});

test("the disk of a virtual machine", async () => {
  assert.deepEqual((await detect(Buffer.concat([Buffer.from("QFI\xfb", "latin1"), Buffer.alloc(600)]))).format, {
    kind: "bare",
    of: "vm",
  });
});

test("long names of all kinds of tar", () => {
  const long = `${"a".repeat(90)}/${"b".repeat(90)}/file`;
  for (const kind of ["gnu", "pax", "ustar"]) {
    const root = join(folder, `long-${kind}`);
    mkdirSync(dirname(join(root, long)), { recursive: true });
    writeFileSync(join(root, long), "x".repeat(700));
    writeFileSync(join(root, "last"), "");
    const to = join(folder, `${kind}.tar`);
    execFileSync("tar", [`--format=${kind}`, "-C", root, "-cf", to, long, "last"]);
    assert.deepEqual(entryNames(readFileSync(to)), [long, "last"], kind);
  }
});

test("what no instance can be made from is refused with what to do instead", async () => {
  const disk = Buffer.alloc(1024);
  disk.writeUInt16BE(0x55aa, 510);
  const iso = Buffer.alloc(40_000);
  iso.write("CD001", 0x8001);
  const cases: [Buffer, RegExp][] = [
    [Buffer.alloc(0), /empty/],
    [Buffer.from("Dear Sir or Madam"), /no image.*tarball of a root file system/],
    [Buffer.alloc(2000), /no image/],
    [disk, /raw disk.*qemu-img convert/],
    [Buffer.concat([Buffer.from("KDMV"), Buffer.alloc(600)]), /vmdk.*qemu-img/],
    [iso, /ISO/],
    [tarball({ "manifest.json": "[]", "abc.json": "{}" }), /docker export/],
    [tarball({ "backup/index.yaml": "name: x" }, "z"), /lxc publish/],
    [tarball({ "box.ovf": "<x/>", "box.vmdk": "" }), /OVA/],
    [tarball({ "letter.txt": "Hello" }, "z"), /begins with letter\.txt/],
    [execFileSync("gzip", ["-c"], { input: "just text" }), /no tarball/],
    [execFileSync("gzip", ["-c"], { input: Buffer.from("QFI\xfb-----", "latin1") }), /Decompress it first/],
  ];
  for (const [bytes, message] of cases) {
    await assert.rejects(detect(bytes), (error) => {
      assert.ok(CloudError.is(error, "invalid_argument"), String(error));
      assert.match(error.message, message);
      assert.equal(error.details.fields?.[0]?.path, "body");
      return true;
    });
  }
});
