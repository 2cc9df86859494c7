import { spawn } from "node:child_process";
import { Readable } from "node:stream";
import { createGunzip, createZstdDecompress } from "node:zlib";
import { invalid } from "../../../kernel/errors.ts";
import type { InstanceKind } from "../driver.ts";

/** What a file is that somebody gives as an image. */
export type ImageFileFormat =
  /** As LXD and Incus export it: knows by itself what it is. */
  | { kind: "image" }
  /** The content of a root disk alone: the tarball (or squashfs) of a container's, the qcow2 of a virtual machine. */
  | { kind: "bare"; of: InstanceKind };

// Enough for the first block of any compression that is used, and for the first entries of the tarball in it.
const headBytes = 512 * 1024;

const magics: readonly { name: string; at: number; bytes: Buffer }[] = [
  { name: "gzip", at: 0, bytes: Buffer.from("1f8b", "hex") },
  { name: "zstd", at: 0, bytes: Buffer.from("28b52ffd", "hex") },
  { name: "xz", at: 0, bytes: Buffer.from("fd377a585a00", "hex") },
  { name: "bzip2", at: 0, bytes: Buffer.from("BZh") },
  { name: "qcow2", at: 0, bytes: Buffer.from("QFI\xfb", "latin1") },
  { name: "squashfs", at: 0, bytes: Buffer.from("hsqs") },
  { name: "vmdk", at: 0, bytes: Buffer.from("KDMV") },
  { name: "vmdk", at: 0, bytes: Buffer.from("# Disk DescriptorFile") },
  { name: "vhdx", at: 0, bytes: Buffer.from("vhdxfile") },
  { name: "vhd", at: 0, bytes: Buffer.from("conectix") },
  { name: "vdi", at: 0x40, bytes: Buffer.from("7f10dabe", "hex") },
  { name: "iso", at: 0x8001, bytes: Buffer.from("CD001") },
  { name: "tar", at: 257, bytes: Buffer.from("ustar") },
  // A disk with a boot sector; last, for any file may have these two bytes there.
  { name: "raw disk", at: 510, bytes: Buffer.from("55aa", "hex") },
];

/**
 * Reads the beginning of a file and tells what it is; `content` is the whole of it again. invalid_argument, saying what to give
 * instead, for what no instance can be made from. `path` is the field that the error is about.
 */
export async function detectFormat(source: Readable, path: string): Promise<{ format: ImageFileFormat; content: Readable }> {
  const { head, content } = await peek(source, headBytes);
  try {
    return { format: await formatOf(head, path), content };
  } catch (error) {
    content.destroy();
    throw error;
  }
}

async function formatOf(head: Buffer, path: string): Promise<ImageFileFormat> {
  const refuse = (what: string) => invalid(path, what);
  const accepted =
    "Give an image as LXD or Incus exports it, the tarball of a root file system, or the qcow2 disk of a virtual machine.";
  if (head.length === 0) throw refuse(`The file is empty. ${accepted}`);
  const found = magicOf(head);
  switch (found) {
    case "qcow2":
      return { kind: "bare", of: "vm" };
    case "squashfs":
      return { kind: "bare", of: "container" };
    case "vmdk":
    case "vhdx":
    case "vhd":
    case "vdi":
    case "raw disk":
      throw refuse(`This is a disk in the format ${found}. Convert it first: qemu-img convert -O qcow2 FILE disk.qcow2`);
    case "iso":
      throw refuse(`This is an installation medium (ISO). ${accepted}`);
    case "gzip":
    case "zstd":
    case "xz":
    case "bzip2": {
      const inside = await decompress(found, head);
      // Without the tool for it, or when its first block is larger, the engine is the one who finds out.
      if (inside === undefined || (inside.length === 0 && head.length === headBytes)) return { kind: "image" };
      if (magicOf(inside) === "qcow2") throw refuse("This is a compressed qcow2 disk. Decompress it first.");
      if (magicOf(inside) !== "tar") throw refuse(`There is no tarball in this file. ${accepted}`);
      return tarFormat(inside, refuse, accepted);
    }
    case "tar":
      return tarFormat(head, refuse, accepted);
    default:
      throw refuse(`This file is no image. ${accepted}`);
  }
}

const magicOf = (head: Buffer): string | undefined =>
  magics.find(({ at, bytes }) => head.subarray(at, at + bytes.length).equals(bytes))?.name;

const rootFolders = new Set(["bin", "boot", "dev", "etc", "home", "lib", "lib64", "media", "mnt", "opt", "proc", "root", "run"]);
for (const more of ["sbin", "srv", "sys", "tmp", "usr", "var"]) rootFolders.add(more);

function tarFormat(tar: Buffer, refuse: (what: string) => Error, accepted: string): ImageFileFormat {
  const names = entryNames(tar);
  const first = new Set(names.map((name) => name.split("/")[0] as string));
  const has = (...wanted: string[]) => wanted.some((name) => first.has(name));
  if (has("metadata.yaml", "rootfs", "rootfs.img", "templates")) return { kind: "image" };
  if (names.some((name) => name === "backup/index.yaml"))
    throw refuse("This is a backup of an instance of LXD or Incus, not an image. Make an image of the instance: lxc publish");
  if (has("manifest.json", "oci-layout", "blobs", "repositories") || names.some((name) => /^[0-9a-f]{64}(\/|\.json$)/.test(name)))
    throw refuse(
      "This is an application image of Docker (docker save). What can be used is the file system of a container: docker export",
    );
  if (names.some((name) => name.endsWith(".ovf")))
    throw refuse(
      "This is an OVA appliance. Take its disk out of it, and convert that: qemu-img convert -O qcow2 DISK disk.qcow2",
    );
  if ([...first].some((name) => rootFolders.has(name))) return { kind: "bare", of: "container" };
  throw refuse(
    `This tarball holds neither an image nor a root file system (it begins with ${names[0] ?? "nothing"}). ${accepted}`,
  );
}

/** Names of the entries whose headers are in this beginning of a tarball (POSIX.1-2017, pax, "ustar Interchange Format"). */
export function entryNames(tar: Buffer): string[] {
  const names: string[] = [];
  let longName: string | undefined;
  for (let at = 0; at + 512 <= tar.length; ) {
    const header = tar.subarray(at, at + 512);
    if (header[0] === 0) break;
    const size = sizeField(header);
    if (!Number.isSafeInteger(size)) break;
    const type = String.fromCharCode(header[156] ?? 0);
    const body = tar.subarray(at + 512, at + 512 + size);
    if (type === "L") longName = text(body);
    else if (type === "x") longName = /(?:^|\n)\d+ path=([^\n]*)\n/.exec(body.toString())?.[1] ?? longName;
    else if (type !== "g" && type !== "K") {
      const prefix = text(header.subarray(345, 500));
      const short = text(header.subarray(0, 100));
      const name = (
        longName ?? (prefix && header.subarray(257, 263).equals(Buffer.from("ustar\0")) ? `${prefix}/${short}` : short)
      )
        .replace(/^(\.?\/)+/, "")
        .replace(/\/$/, "");
      if (name !== "" && name !== ".") names.push(name);
      longName = undefined;
    }
    at += 512 + Math.ceil(size / 512) * 512;
  }
  return names;
}

const text = (bytes: Buffer): string => {
  const end = bytes.indexOf(0);
  return bytes.subarray(0, end === -1 ? bytes.length : end).toString();
};

/** Octal, or base 256 with the highest bit set (GNU). */
function sizeField(header: Buffer): number {
  const field = header.subarray(124, 136);
  if (((field[0] as number) & 0x80) === 0) return Number.parseInt(text(field).trim() || "0", 8);
  return Number(field.subarray(4).readBigUInt64BE());
}

/** What the beginning of a compressed file decompresses to; undefined where the tool for it is not on this machine. */
async function decompress(compression: "gzip" | "zstd" | "xz" | "bzip2", head: Buffer): Promise<Buffer | undefined> {
  if (compression === "gzip" || compression === "zstd") {
    const stream = compression === "gzip" ? createGunzip() : createZstdDecompress();
    return collected(stream, () => stream.end(head));
  }
  const child = spawn(compression, ["-dc"], { stdio: ["pipe", "pipe", "ignore"] });
  child.stdin.on("error", () => {});
  const started = new Promise<boolean>((resolve) => child.once("spawn", () => resolve(true)).once("error", () => resolve(false)));
  if (!(await started)) return undefined;
  try {
    return await collected(child.stdout, () => child.stdin.end(head));
  } finally {
    child.kill("SIGKILL");
  }
}

/** Up to so many bytes of a stream that ends with an error, as what it reads is cut off. */
function collected(stream: Readable, begin: () => void): Promise<Buffer> {
  return new Promise((resolve) => {
    const pieces: Buffer[] = [];
    let length = 0;
    const end = () => {
      resolve(Buffer.concat(pieces));
      stream.destroy();
    };
    stream.on("data", (piece: Buffer) => {
      pieces.push(piece);
      length += piece.length;
      if (length > 4 * headBytes) end();
    });
    stream.once("end", end).once("error", end).once("close", end);
    begin();
  });
}

/** The first bytes of a stream, and all of it again. */
async function peek(source: Readable, bytes: number): Promise<{ head: Buffer; content: Readable }> {
  const iterator = source.iterator({ destroyOnReturn: false }) as AsyncIterator<Uint8Array>;
  const pieces: Uint8Array[] = [];
  let length = 0;
  let ended = false;
  while (length < bytes && !ended) {
    const next = await iterator.next();
    if (next.done) ended = true;
    else {
      pieces.push(next.value);
      length += next.value.length;
    }
  }
  async function* all(): AsyncGenerator<Uint8Array> {
    try {
      yield* pieces.splice(0);
      while (!ended) {
        const next = await iterator.next();
        if (next.done) return;
        yield next.value;
      }
    } finally {
      await iterator.return?.();
    }
  }
  return { head: Buffer.concat(pieces, Math.min(length, bytes)), content: Readable.from(all(), { objectMode: false }) };
}
