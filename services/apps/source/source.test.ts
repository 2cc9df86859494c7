import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import {
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { Readable } from "node:stream";
import { after, before, describe, test } from "node:test";
import { crc32, gzipSync, zstdCompressSync } from "node:zlib";
import { extract, type Headers, pack } from "tar-stream";
import { CloudError, type ErrorCode } from "../../../kernel/errors.ts";
import { packContext } from "./context.ts";
import { readDockerignore } from "./dockerignore.ts";
import type { SourceLimits } from "./limits.ts";
import { openSourceTree } from "./tree.ts";
import { sweepUnpacking, unpackArchive } from "./unpack.ts";

let place: string;
before(() => {
  place = mkdtempSync(join(tmpdir(), "khmara-source-"));
});
after(() => rmSync(place, { recursive: true, force: true }));

type Entry = Headers & { text?: string };
const tar = async (...entries: Entry[]): Promise<Buffer> => {
  const archive = pack();
  for (const { text, ...header } of entries) {
    if (text === undefined) archive.entry(header);
    else archive.entry(header, text);
  }
  archive.finalize();
  const pieces: Buffer[] = [];
  for await (const piece of archive) pieces.push(piece as Buffer);
  return Buffer.concat(pieces);
};

interface ZipFile {
  name: string | Buffer;
  text?: string;
  /** As stat(2) has it, with the kind. */
  mode?: number;
  claimedSize?: number;
  claimedSum?: number;
  flags?: number;
}

/** A zip without compression, by hand, for what no program would pack. */
function zip(...files: ZipFile[]): Buffer {
  const local: Buffer[] = [];
  const list: Buffer[] = [];
  let offset = 0;
  for (const { name, text = "", mode = 0o100644, claimedSize, claimedSum, flags = 0x800 } of files) {
    const bytes = Buffer.from(name as string);
    const content = Buffer.from(text);
    const common = Buffer.alloc(26);
    common.writeUInt16LE(20, 0);
    common.writeUInt16LE(flags, 2);
    common.writeUInt32LE(claimedSum ?? crc32(content), 10);
    common.writeUInt32LE(content.length, 14);
    common.writeUInt32LE(claimedSize ?? content.length, 18);
    common.writeUInt16LE(bytes.length, 22);
    const header = Buffer.concat([Buffer.from("PK\x03\x04"), common, bytes, content]);
    const rest = Buffer.alloc(14);
    rest.writeUInt32LE((mode << 16) >>> 0, 6);
    rest.writeUInt32LE(offset, 10);
    list.push(Buffer.concat([Buffer.from("PK\x01\x02"), Buffer.from([20, 3]), common, rest, bytes]));
    local.push(header);
    offset += header.length;
  }
  const directory = Buffer.concat(list);
  const end = Buffer.alloc(18);
  end.writeUInt16LE(files.length, 4);
  end.writeUInt16LE(files.length, 6);
  end.writeUInt32LE(directory.length, 8);
  end.writeUInt32LE(offset, 12);
  return Buffer.concat([...local, directory, Buffer.from("PK\x05\x06"), end]);
}

let count = 0;
const unpack = async (bytes: Buffer | Readable, limits: Partial<SourceLimits> = {}) => {
  const folder = join(mkdtempSync(join(place, "case-")), `app${count++}`);
  const content = Buffer.isBuffer(bytes) ? Readable.from(chunks(bytes), { objectMode: false }) : bytes;
  const result = await unpackArchive(content, { folder, limits }).catch((error) => {
    // Whatever was refused left nothing behind.
    assert.deepEqual(readdirSync(dirname(folder)), []);
    throw error;
  });
  assert.deepEqual(readdirSync(dirname(folder)), [`app${count - 1}`]);
  return { folder, ...result };
};
function* chunks(bytes: Buffer): Generator<Buffer> {
  for (let at = 0; at < bytes.length; at += 10_000) yield bytes.subarray(at, at + 10_000);
}
const refusedWith =
  (reason: string, code: ErrorCode = "invalid_argument", words?: RegExp) =>
  (error: unknown) => {
    assert.ok(error instanceof CloudError, String((error as Error).stack));
    assert.deepEqual([error.details.reason, error.code], [reason, code], error.message);
    if (words) assert.match(error.message, words);
    assert.match(error.message, /\.$/);
    return true;
  };

describe("archives that are good", () => {
  const files: Entry[] = [
    { name: "shop-1.2/", type: "directory", mode: 0o700 },
    { name: "shop-1.2/run.sh", mode: 0o4755, text: "#!/bin/sh\n" },
    { name: "shop-1.2/src/ünï/a.txt", mode: 0o600, text: "a" },
    { name: "shop-1.2/latest", type: "symlink", linkname: "src/./ünï/../ünï" },
    { name: "shop-1.2/.DS_Store", text: "x" },
    { name: `shop-1.2/${"long-name-".repeat(15)}`, text: "long" },
  ];

  for (const [name, compress] of [
    ["tar", (bytes: Buffer) => bytes],
    ["tar.gz", gzipSync],
    ["tar.zst", zstdCompressSync],
  ] as const)
    test(`${name}: the top folder is left out, rights are plain, links stay links`, async () => {
      const { folder, files: number, sizeBytes, strippedFolder } = await unpack(compress(await tar(...files)));
      assert.deepEqual([number, strippedFolder], [3, "shop-1.2"]);
      assert.equal(sizeBytes, 10 + 1 + 4 + 1);
      assert.deepEqual(readdirSync(folder).sort(), ["latest", "long-name-".repeat(15), "run.sh", "src"]);
      assert.equal(statSync(join(folder, "run.sh")).mode & 0o7777, 0o755);
      assert.equal(statSync(join(folder, "src/ünï/a.txt")).mode & 0o7777, 0o644);
      assert.equal(statSync(folder).mode & 0o7777, 0o755);
      assert.equal(readFileSync(join(folder, "latest/a.txt"), "utf8"), "a");
    });

  test("what real programs pack: git archive, tar, zip", async () => {
    const work = mkdtempSync(join(place, "real-"));
    const project = join(work, "project");
    mkdirSync(join(project, "bin"), { recursive: true });
    writeFileSync(join(project, "index.js"), "console.log(1)\n");
    writeFileSync(join(project, "bin/tool"), "#!/bin/sh\n", { mode: 0o755 });
    symlinkSync("../index.js", join(project, "bin/link"));
    const run = (words: string) => assert.equal(spawnSync("sh", ["-ec", words], { cwd: work }).status, 0, words);
    run("cd project && git init -q && git add . && git -c user.name=a -c user.email=a@b commit -qm x");
    run("cd project && git archive --prefix=project-abc/ -o ../git.tar HEAD && git archive -o ../git.zip HEAD && rm -rf .git");
    run("tar -C project -czf dot.tar.gz . && tar --format=posix -cf posix.tar project && tar --format=v7 -cf old.tar project");
    run("zip -qry zip.zip project");
    for (const name of ["git.tar", "git.zip", "dot.tar.gz", "posix.tar", "old.tar", "zip.zip"]) {
      const { folder } = await unpack(readFileSync(join(work, name)));
      assert.deepEqual(readdirSync(folder), ["bin", "index.js"], name);
      assert.equal(readlinkSync(join(folder, "bin/link")), "../index.js", name);
      assert.equal(statSync(join(folder, "bin/tool")).mode & 0o111, 0o111, name);
    }
  });

  test("a zip of Windows has no rights and may have backslashes", async () => {
    const { folder } = await unpack(
      zip({ name: "site\\css\\a.css", text: "a{}", mode: 0 }, { name: "site\\index.html", text: "hi", mode: 0 }),
    );
    assert.equal(readFileSync(join(folder, "css/a.css"), "utf8"), "a{}");
  });

  test("two folders at the top stay", async () => {
    const { folder, strippedFolder } = await unpack(await tar({ name: "a/x", text: "1" }, { name: "b/y", text: "2" }));
    assert.equal(strippedFolder, undefined);
    assert.deepEqual(readdirSync(folder), ["a", "b"]);
  });
});

describe("archives that attack", () => {
  const outside = join(tmpdir(), `khmara-escaped-${process.pid}`);
  const file = (name: string): Entry => ({ name, text: "x" });
  const link = (name: string, linkname: string): Entry => ({ name, type: "symlink", linkname });
  const cases: [string, Entry[], string][] = [
    ["a path that leads out", [file("a/../../escaped")], "path_outside"],
    ["dots at the end", [file("a/..")], "path_outside"],
    ["an absolute path", [file(outside)], "path_absolute"],
    ["an absolute path of Windows", [file("C:\\Windows\\x")], "path_absolute"],
    ["a link to an absolute path", [file("a"), link("etc", "/etc")], "link_outside"],
    ["a link that leads out", [file("a"), link("up", "../x")], "link_outside"],
    ["a link that leads out of the top folder alone", [file("top/a"), link("top/up", "../x")], "link_outside"],
    [
      "a link by way of another link",
      [file("d/a"), file("z"), link("d/here", ".."), link("out", "d/here/../..")],
      "link_outside",
    ],
    ["links whose text stays inside", [file("d/e/a"), file("z"), link("d/e/l", "../.."), link("o", "d/e/l/..")], "link_outside"],
    ["links in a circle", [file("a"), link("b", "c"), link("c", "b")], "link_outside"],
    ["a file behind a link", [link("d", "e"), file("e/a"), file("d/x")], "path_through_link"],
    ["a link in place of a file", [file("a"), link("a", "b")], "path_conflict"],
    ["a file in place of a link", [file("b"), link("a", "b"), file("a")], "path_conflict"],
    ["a file where a folder is", [file("a/b"), file("a")], "path_conflict"],
    ["a folder where a file is", [file("a"), file("a/b")], "path_conflict"],
    ["the same file twice", [file("a"), file("./a")], "path_conflict"],
    ["a hard link", [file("a"), { name: "b", type: "link", linkname: "a" }], "kind_not_allowed"],
    ["a device", [{ name: "null", type: "character-device", devmajor: 1, devminor: 3 }], "kind_not_allowed"],
    ["a disk", [{ name: "sda", type: "block-device", devmajor: 8, devminor: 0 }], "kind_not_allowed"],
    ["a named pipe", [{ name: "pipe", type: "fifo" }], "kind_not_allowed"],
    ["a name with a line's end", [file("a\nb")], "name_not_allowed"],
    ["a name with an escape", [file("a\u001b[2Jb")], "name_not_allowed"],
    ["a name that is too long", [file("n".repeat(300))], "name_too_long"],
    [
      "a path that is too long",
      [file(`${"nnnnnnnn/".repeat(60)}${["x", "y", "z"].map((letter) => letter.repeat(250)).join("/")}`)],
      "name_too_long",
    ],
    ["no file at all", [{ name: "a/", type: "directory" }], "archive_empty"],
  ];
  for (const [name, entries, reason] of cases)
    test(name, async () => {
      await assert.rejects(unpack(await tar(...entries)), refusedWith(reason));
      await assert.rejects(unpack(gzipSync(await tar(...entries))), refusedWith(reason));
    });

  test("names that are not UTF-8", async () => {
    const bytes = await tar(file("aaaa"));
    bytes.set([0xe4, 0xff], 1);
    // The checksum of the header, anew (POSIX ustar).
    bytes.fill(" ", 148, 156);
    const sum = bytes.subarray(0, 512).reduce((all, byte) => all + byte, 0);
    bytes.write(`${sum.toString(8).padStart(6, "0")}\0 `, 148);
    await assert.rejects(unpack(bytes), refusedWith("name_not_utf8"));
    await assert.rejects(unpack(zip({ name: Buffer.from([0x61, 0xe4]), text: "x", flags: 0 })), refusedWith("name_not_utf8"));
  });

  test("the same in zip", async () => {
    const refuse = async (reason: string, ...files: ZipFile[]) => assert.rejects(unpack(zip(...files)), refusedWith(reason));
    const a = { name: "a", text: "x" };
    await refuse("path_outside", { name: "../x", text: "x" });
    await refuse("path_outside", { name: "..\\x", text: "x" });
    await refuse("path_absolute", { name: outside, text: "x" });
    await refuse("link_outside", a, { name: "l", text: "../..", mode: 0o120777 });
    await refuse("link_outside", a, { name: "l", text: "/etc/passwd", mode: 0o120777 });
    await refuse("link_not_allowed", a, { name: "l", text: "x".repeat(5000), mode: 0o120777 });
    await refuse(
      "path_through_link",
      { name: "b/a", text: "x" },
      { name: "l", text: "b", mode: 0o120777 },
      { name: "l/x", text: "x" },
    );
    await refuse("path_conflict", a, a);
    await refuse("kind_not_allowed", a, { name: "dev", mode: 0o020666 });
    await refuse("kind_not_allowed", a, { name: "pipe", mode: 0o010666 });
    await refuse("archive_encrypted", { name: "a", text: "x".repeat(13), claimedSize: 1, flags: 0x801 });
    await refuse("archive_broken", { ...a, claimedSum: 7 });
    await refuse("archive_broken", { ...a, claimedSize: 500 });
    await refuse("archive_empty");
  });

  test("too much of anything", async () => {
    const limits = { unpackedBytes: 3_000_000, fileBytes: 2_000_000, entries: 50, depth: 5, archiveBytes: 5_000_000 };
    const large = "x".repeat(1_900_000);
    const refuse = (bytes: Buffer, reason: string) =>
      assert.rejects(unpack(bytes, limits), refusedWith(reason, "payload_too_large"));
    await refuse(gzipSync(await tar({ name: "a", text: `${large}${large}` })), "file_too_large");
    await refuse(gzipSync(await tar({ name: "a", text: large }, { name: "b", text: large })), "unpacked_too_large");
    await refuse(
      gzipSync(await tar({ name: ".DS_Store", text: large }, { name: "b/.DS_Store", text: large })),
      "unpacked_too_large",
    );
    await refuse(
      await tar({ name: "a", text: large }, { name: "b", text: large }, { name: "c", text: large }),
      "unpacked_too_large",
    );
    await assert.rejects(
      unpack(await tar({ name: "a", text: large }), { archiveBytes: 1_000_000 }),
      refusedWith("archive_too_large", "payload_too_large"),
    );
    await refuse(await tar(...Array.from({ length: 60 }, (_, index) => file(`f${index}`))), "too_many_files");
    await refuse(await tar(...Array.from({ length: 30 }, (_, index) => file(`d${index}/f`))), "too_many_files");
    await refuse(zip(...Array.from({ length: 60 }, (_, index) => ({ name: `f${index}`, text: "" }))), "too_many_files");
    await refuse(await tar(file("a/b/c/d/e/f")), "too_deep");
  });

  test("bombs: gigabytes of zeros, a header that claims gigabytes, a zip that says less than it is", async () => {
    const zeros = gzipSync(Buffer.alloc(64 * 1024 ** 2));
    const many = Readable.from(
      (function* () {
        yield gzipSync(tarOf("a"));
        for (let number = 0; number < 64; number++) yield zeros;
      })(),
      { objectMode: false },
    );
    const memory = process.memoryUsage().rss;
    await assert.rejects(unpack(many), refusedWith("archive_broken"));
    const header = Buffer.from((await tar({ name: "x".repeat(200), text: "x" })).subarray(0, 512));
    assert.equal(String.fromCharCode(header[156] as number), "x");
    header.write("17777777777\0", 124);
    header.fill(" ", 148, 156);
    header.write(
      `${header
        .reduce((all, byte) => all + byte, 0)
        .toString(8)
        .padStart(6, "0")}\0 `,
      148,
    );
    const claims = Readable.from(
      (function* () {
        yield header;
        for (let number = 0; number < 400; number++) yield Buffer.alloc(1024 ** 2, "12 a=b\n");
      })(),
      { objectMode: false },
    );
    await assert.rejects(unpack(claims), refusedWith("archive_broken"));
    assert.ok(process.memoryUsage().rss - memory < 300 * 1024 ** 2);
    await assert.rejects(unpack(zip({ name: "a", text: "x".repeat(5000), claimedSize: 10 })), refusedWith("archive_broken"));
  });

  const tarOf = (name: string): Buffer => {
    const buffer = Buffer.alloc(1024);
    buffer.write(name, 0);
    buffer.write("0000644\0", 100);
    buffer.write("00000000001\0", 124);
    buffer.write("        0", 148);
    buffer.write("ustar\x0000", 257);
    buffer.write(
      `${buffer
        .subarray(0, 512)
        .reduce((all, byte) => all + byte, 0)
        .toString(8)
        .padStart(6, "0")}\0 `,
      148,
    );
    buffer.write("x", 512);
    return buffer;
  };

  test("what is no archive, or half of one", async () => {
    await assert.rejects(unpack(Buffer.alloc(0)), refusedWith("archive_empty"));
    await assert.rejects(unpack(Buffer.from("hello")), refusedWith("archive_unknown"));
    await assert.rejects(unpack(Buffer.alloc(2000, "hello")), refusedWith("archive_broken", "invalid_argument", /as tar/));
    await assert.rejects(
      unpack(Buffer.from("7z\xbc\xaf\x27\x1c", "latin1")),
      refusedWith("archive_unknown", "invalid_argument", /7z/),
    );
    await assert.rejects(unpack(Buffer.alloc(10_240)), refusedWith("archive_empty"));
    const whole = gzipSync(await tar({ name: "a", text: "x".repeat(50_000) }, file("b")), { level: 0 });
    await assert.rejects(unpack(whole.subarray(0, 30_000)), refusedWith("archive_broken"));
    await assert.rejects(
      unpack((await tar({ name: "a", text: "x".repeat(50_000) })).subarray(0, 30_000)),
      refusedWith("archive_broken"),
    );
    const damaged = Buffer.from(whole);
    damaged.fill(0x55, 20_000, 20_040);
    await assert.rejects(unpack(damaged), refusedWith("archive_broken"));
    await assert.rejects(unpack(zip({ name: "a", text: "x" }).subarray(0, 20)), refusedWith("archive_broken"));
    await assert.rejects(unpack(zstdCompressSync(await tar(file("a"))).subarray(0, 30)), refusedWith("archive_broken"));
  });

  test("cancelled, too late, cut off, or where something is already", async () => {
    const folder = join(mkdtempSync(join(place, "stop-")), "app");
    const never = () => new Readable({ read() {} });
    const stop = new AbortController();
    const waiting = unpackArchive(never(), { folder, signal: stop.signal });
    stop.abort();
    await assert.rejects(waiting, (error) => CloudError.is(error, "cancelled"));
    await assert.rejects(unpackArchive(never(), { folder, timeoutMs: 20 }), (error) => CloudError.is(error, "deadline_exceeded"));
    const cut = never();
    cut.push((await tar(file("a"))).subarray(0, 700));
    setImmediate(() => cut.destroy());
    await assert.rejects(unpackArchive(cut, { folder }), refusedWith("archive_broken"));
    assert.deepEqual(readdirSync(dirname(folder)), []);
    mkdirSync(folder);
    await assert.rejects(unpackArchive(Readable.from([await tar(file("a"))]), { folder }), (error) =>
      CloudError.is(error, "already_exists"),
    );
    assert.deepEqual(readdirSync(folder), []);
  });

  test("what a killed process left is swept, what a living one works on is not", async () => {
    const folder = mkdtempSync(join(place, "sweep-"));
    for (const pid of [4_194_303, process.pid]) mkdirSync(join(folder, `.khmara-unpack-${pid}-abc`, "tree"), { recursive: true });
    mkdirSync(join(folder, "app"));
    await sweepUnpacking(folder);
    assert.deepEqual(readdirSync(folder).sort(), [`.khmara-unpack-${process.pid}-abc`, "app"]);
  });
});

describe("what is left out", () => {
  const project = (files: Record<string, string>): string => {
    const folder = mkdtempSync(join(place, "tree-"));
    for (const [path, text] of Object.entries(files)) {
      mkdirSync(dirname(join(folder, path)), { recursive: true });
      writeFileSync(join(folder, path), text);
    }
    return folder;
  };
  const paths = async (folder: string, from: "archive" | "folder") =>
    (await openSourceTree(folder, { from })).entries.filter(({ kind }) => kind === "file").map(({ path }) => path);

  const files = {
    ".git/HEAD": "",
    ".gitignore": "dist/\n*.log\n",
    "dist/app.js": "",
    "a.log": "",
    "lib/.gitignore": "!keep.log\n/own\n",
    "lib/keep.log": "",
    "lib/own": "",
    own: "",
    "node_modules/x/index.js": "",
    ".env.local": "SECRET=1",
  };

  test("a working folder follows .gitignore, an archive was packed on purpose", async () => {
    const folder = project(files);
    assert.deepEqual(await paths(folder, "folder"), [".gitignore", "lib/.gitignore", "lib/keep.log", "own"]);
    assert.deepEqual(
      await paths(folder, "archive"),
      Object.keys(files)
        .filter((path) => !path.startsWith(".git/"))
        .sort(),
    );
  });

  test(".khmaraignore has the last word in both", async () => {
    const folder = project({ ...files, ".khmaraignore": "*.log\n!a.log\nnode_modules\n" });
    for (const from of ["archive", "folder"] as const) {
      const found = await paths(folder, from);
      assert.ok(found.includes("a.log") && found.includes("dist/app.js"), from);
      assert.ok(!found.includes("lib/keep.log") && !found.some((path) => path.startsWith("node_modules")), from);
    }
  });

  test(".dockerignore: as in Docker's reference", () => {
    const cases: [string, string[], string[]][] = [
      ["*/temp*", ["somedir/temporary.txt", "somedir/temp"], ["temp", "a/b/temp"]],
      ["*/*/temp*", ["somedir/subdir/temporary.txt"], ["somedir/temp"]],
      ["temp?", ["tempa", "tempb/x"], ["temp", "tempab"]],
      ["**/*.go", ["a.go", "x/y/a.go"], ["a.goo"]],
      ["*.md\n!README.md", ["a.md"], ["README.md", "docs/a.md"]],
      ["*.md\n!README*.md\nREADME-secret.md", ["README-secret.md", "a.md"], ["README-me.md"]],
      ["*.md\nREADME-secret.md\n!README*.md", ["a.md"], ["README-secret.md"]],
      ["/foo/bar\n# note\n\nbuild/", ["foo/bar", "foo/bar/x", "build/y"], ["foo", "# note", "a/build"]],
      ["**\n!src/**", ["a", "x/y"], ["src/a", "src/b/c"]],
      ["secrets\n!secrets/public.pem", ["secrets/a"], ["secrets/public.pem"]],
      ["a/../b\n\\*x\n[a-c]d\n[^z]1", ["b", "*x", "bd", "y1"], ["a", "xx", "dd", "z1"]],
      ["a[", [], ["a", "a["]],
    ];
    for (const [text, ignored, kept] of cases) {
      const rules = readDockerignore(text);
      for (const path of ignored) assert.equal(rules.ignores(path), true, `${JSON.stringify(text)} must ignore ${path}`);
      for (const path of kept) assert.equal(rules.ignores(path), false, `${JSON.stringify(text)} must keep ${path}`);
    }
  });

  test("a link is never followed to what it leads to, and long texts are cut", async () => {
    const folder = project({ "a/in.txt": "inside", "long.txt": "x".repeat(3_000_000) });
    symlinkSync("a/in.txt", join(folder, "good"));
    symlinkSync("/etc/hostname", join(folder, "bad"));
    const tree = await openSourceTree(folder);
    assert.equal(tree.read("good"), "inside");
    assert.equal(tree.read("bad"), undefined);
    assert.equal(tree.read("../x"), undefined);
    assert.equal(tree.read("a"), undefined);
    assert.equal(tree.read("long.txt")?.length, 1024 ** 2);
    assert.deepEqual(tree.names(""), ["a", "bad", "good", "long.txt"]);
  });

  test("the context: the same bytes for the same tree, in parts, with files of ours", async () => {
    const make = () => project({ "b/x.txt": "x", "a.txt": "a".repeat(100_000), empty: "" });
    const packed = async (folder: string) => {
      const tree = await openSourceTree(folder);
      const stream = packContext({
        folder,
        tree,
        files: { Dockerfile: "FROM scratch\n" },
        parts: [{ at: "manifests", only: ({ path }) => path === "a.txt" }, { at: "app" }],
      });
      return Buffer.concat(await stream.toArray());
    };
    const bytes = await packed(make());
    assert.deepEqual(await packed(make()), bytes);
    const names: string[] = [];
    const reader = extract();
    reader.end(bytes);
    for await (const entry of reader) {
      names.push(`${entry.header.name} ${entry.header.size}`);
      entry.resume();
    }
    assert.deepEqual(names, [
      "Dockerfile 13",
      "manifests/a.txt 100000",
      "app/a.txt 100000",
      "app/b 0",
      "app/b/x.txt 1",
      "app/empty 0",
    ]);
  });

  test("a file that shrinks while it is read ends the context", async () => {
    const folder = project({ "a.txt": "x".repeat(500_000), "z.txt": "z".repeat(3_000_000) });
    const tree = await openSourceTree(folder);
    const stream = packContext({ folder, tree, files: {}, parts: [{ at: "" }] });
    rmSync(join(folder, "z.txt"));
    await assert.rejects(stream.toArray(), /ENOENT/);
  });
});
