import { createReadStream, type Stats } from "node:fs";
import { lstat, stat } from "node:fs/promises";
import { basename, join, resolve } from "node:path";
import { pipeline, Readable } from "node:stream";
import { createGunzip, createGzip } from "node:zlib";
import { extract } from "tar-stream";
import { sourceEntries } from "../kernel/sourceFolder.ts";
import { type Found, packFound, type Watching } from "./archive.ts";
import { UsageError } from "./usage-error.ts";

/** What is deployed, as it lies here. */
export interface Source {
  kind: "archive" | "image";
  /** For people: the name of the file or folder. */
  name: string;
  /** Of what `onBytes` counts. */
  totalBytes: number | undefined;
  /** Of the body, where it is known before. */
  bodyBytes?: number | undefined;
  /** The bytes to send; `onBytes` hears of those that were read. */
  open(watching: Watching): Readable;
}

const usageLine = "Usage: khmara app deploy APP [FOLDER | ARCHIVE | IMAGE.tar]";

/** Looks at what was named: nothing is sent yet. */
export async function sourceAt(path: string, stdin: Readable): Promise<Source> {
  if (path === "-") {
    const open = (watching: Watching) => counted(stdin, watching);
    return { kind: "archive", name: "", totalBytes: undefined, open };
  }
  const about = await stat(path).catch(() => undefined);
  if (!about) throw new UsageError(`There is no ${path} here.`, usageLine);
  if (about.isDirectory()) return folderSource(resolve(path));
  if (!about.isFile()) throw new UsageError(`${path} is neither a file nor a folder.`, usageLine);
  const gzipped = await isGzip(path);
  const kind = (await isImage(path, gzipped)) ? "image" : "archive";
  // An image travels as `docker save` writes it.
  const unzip = kind === "image" && gzipped;
  return {
    kind,
    name: basename(path),
    totalBytes: about.size,
    bodyBytes: unzip ? undefined : about.size,
    open: (watching) => {
      const file = counted(createReadStream(path), watching);
      return unzip ? chained(file, createGunzip()) : file;
    },
  };
}

async function folderSource(folder: string): Promise<Source> {
  const entries = await sourceEntries(folder, "folder");
  const found: Found[] = [];
  for (const { path } of entries) {
    // What has gone in between is not there any more.
    const about = await lstat(join(folder, path)).catch((): Stats | undefined => undefined);
    if (about) found.push({ path: join(folder, path), name: path, about });
  }
  if (!found.some(({ about }) => !about.isDirectory()))
    throw new UsageError(`There is nothing to deploy in ${folder}: it is empty, or everything in it is ignored.`, usageLine);
  return {
    kind: "archive",
    name: basename(folder),
    totalBytes: found.reduce((sum, { about }) => sum + (about.isFile() ? about.size : 0), 0),
    // tar-stream's streams are not Node's own.
    open: (watching) => chained(Readable.from(packFound(found, watching), { objectMode: false }), createGzip()),
  };
}

function counted(source: Readable, { onBytes }: Watching): Readable {
  source.on("data", (piece: Buffer) => onBytes(piece.length));
  return source.pause();
}

/** One stream behind the other, the error of the first included. */
function chained<T extends NodeJS.ReadWriteStream & Readable>(from: Readable, into: T): T {
  pipeline(from, into, (error) => {
    if (error) into.destroy(error);
  });
  return into;
}

/** RFC 1952. */
async function isGzip(path: string): Promise<boolean> {
  for await (const piece of createReadStream(path, { end: 1 })) return (piece as Buffer).equals(Buffer.of(0x1f, 0x8b));
  return false;
}

/** What the tarballs of `docker save`, podman, skopeo and OCI's image layout begin with, and no source code does. */
const imageEntry = /^(?:blobs\/sha256\/|oci-layout$|(?:sha256:)?[0-9a-f]{64}(?:\/|\.json$|\.tar$|$))/;
const entriesLookedAt = 5;

async function isImage(path: string, gzipped: boolean): Promise<boolean> {
  const file = createReadStream(path);
  const bytes = gzipped ? chained(file, createGunzip()) : file;
  const archive = extract();
  let seen = 0;
  try {
    return await new Promise<boolean>((decide) => {
      archive.on("entry", ({ name }, content, next) => {
        if (imageEntry.test(name.replace(/^\.\//, ""))) decide(true);
        else if (++seen === entriesLookedAt) decide(false);
        content.on("end", next).resume();
      });
      archive.once("finish", () => decide(false));
      // No tarball, or a damaged one: the cloud says what it thinks of it.
      archive.once("error", () => decide(false));
      bytes.once("error", () => decide(false));
      bytes.pipe(archive);
    });
  } finally {
    bytes.destroy();
    file.destroy();
    archive.destroy();
  }
}
