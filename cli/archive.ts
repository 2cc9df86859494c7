import { createReadStream, type Stats } from "node:fs";
import { chmod, link, lstat, mkdir, open, readdir, readlink, rm, symlink, utimes } from "node:fs/promises";
import { dirname, join, sep } from "node:path";
import type { Readable } from "node:stream";
import { type Entry, extract, type Pack, pack } from "tar-stream";
import { CloudError } from "../kernel/errors.ts";

export interface Watching {
  onBytes: (bytes: number) => void;
  onFile: (name: string) => void;
  onSkipped: (path: string, why: string) => void;
}

export interface Found {
  path: string;
  /** In the archive. */
  name: string;
  about: Stats;
}

/** Files and folders as one archive (POSIX tar), made while it is read. */
export async function packFiles(
  wanted: { path: string; name: string }[],
  watching: Watching & { onTotal: (bytes: number) => void },
): Promise<{ bytes: Readable; files: number }> {
  const found: Found[] = [];
  for (const one of wanted) await walk(one.path, one.name, found, watching);
  watching.onTotal(found.reduce((sum, { about }) => sum + (about.isFile() ? about.size : 0), 0));
  return { bytes: packFound(found, watching), files: found.filter(({ about }) => !about.isDirectory()).length };
}

/** The same of what was found already. */
export function packFound(found: readonly Found[], watching: Watching): Readable {
  const archive = pack();
  write(archive, found, watching).then(
    () => archive.finalize(),
    (error) => archive.destroy(error),
  );
  return archive as unknown as Readable;
}

async function walk(path: string, name: string, found: Found[], watching: Watching): Promise<void> {
  const about = await lstat(path);
  if (!about.isFile() && !about.isDirectory() && !about.isSymbolicLink()) {
    watching.onSkipped(path, "left out: neither file, folder nor link");
    return;
  }
  found.push({ path, name, about });
  if (!about.isDirectory()) return;
  for (const child of (await readdir(path)).sort()) await walk(join(path, child), `${name}/${child}`, found, watching);
}

async function write(archive: Pack, found: readonly Found[], watching: Watching): Promise<void> {
  for (const { path, name, about } of found) {
    const header = { name, mode: about.mode & 0o7777, mtime: about.mtime };
    if (about.isDirectory()) archive.entry({ ...header, name: `${name}/`, type: "directory" });
    else if (about.isSymbolicLink()) archive.entry({ ...header, type: "symlink", linkname: await readlink(path) });
    else {
      watching.onFile(name);
      await writeFile(archive, { ...header, size: about.size }, path, watching);
    }
  }
}

function writeFile(archive: Pack, header: { name: string; size: number }, path: string, watching: Watching): Promise<void> {
  return new Promise((resolve, reject) => {
    const entry = archive.entry(header, (error) => (error ? reject(error) : resolve()));
    const fill = async () => {
      let left = header.size;
      const send = async (piece: Buffer) => {
        left -= piece.length;
        watching.onBytes(piece.length);
        if (!entry.write(piece)) await new Promise((drained) => entry.once("drain", drained));
      };
      // The archive has the length already: a file that grows is cut, one that shrinks is filled up.
      if (left > 0) for await (const piece of createReadStream(path, { end: left - 1 })) await send(piece as Buffer);
      if (left > 0) watching.onSkipped(path, "it became shorter while it was copied");
      while (left > 0) await send(Buffer.alloc(Math.min(left, 65_536)));
      entry.end();
    };
    fill().catch(reject);
  });
}

/**
 * Unpacks an archive with one folder at its top into `root`. What an archive says is not trusted: nothing is written outside of the
 * root, not even through links that the archive itself has brought.
 */
export function unpackInto(
  root: string,
  watching: Watching,
): { write: (bytes: Uint8Array) => Promise<void>; end: () => Promise<number> } {
  const archive = extract();
  // It loses entries that come before somebody iterates.
  const entries = archive[Symbol.asyncIterator]();
  // Set at the end, deepest first: a folder that nobody may write to is filled before.
  const folders: { path: string; mode: number; mtime: Date | undefined }[] = [];
  let files = 0;
  const unpacking = (async () => {
    await mkdir(root, { recursive: true });
    for await (const entry of entries) {
      if (await place(entry, root, folders, watching)) files++;
    }
    for (const { path, mode, mtime } of folders.reverse()) {
      await chmod(path, mode);
      if (mtime) await utimes(path, mtime, mtime);
    }
    return files;
  })();
  const failed = unpacking.then(() => new Promise<never>(() => {}));
  failed.catch(() => archive.destroy());
  return {
    async write(bytes) {
      watching.onBytes(bytes.length);
      if (!archive.write(Buffer.from(bytes)))
        await Promise.race([new Promise((drained) => archive.once("drain", drained)), failed]);
    },
    async end() {
      archive.end();
      return unpacking;
    },
  };
}

async function place(
  entry: Entry,
  root: string,
  folders: { path: string; mode: number; mtime: Date | undefined }[],
  watching: Watching,
): Promise<boolean> {
  const { name, type, mode = 0o644, mtime, linkname } = entry.header;
  const path = inside(root, name);
  const skip = async (why: string): Promise<false> => {
    watching.onSkipped(name, why);
    for await (const _ of entry);
    return false;
  };
  if (path === undefined) return skip("left out: its name would lead out of the folder");
  if (type === "directory") {
    await folderAt(root, path);
    folders.push({ path, mode: mode & 0o777, mtime });
    for await (const _ of entry);
    return false;
  }
  await folderAt(root, dirname(path));
  watching.onFile(name);
  if (type === "symlink" && linkname) {
    await rm(path, { force: true });
    await symlink(linkname, path);
    for await (const _ of entry);
    return true;
  }
  if (type === "link" && linkname) {
    const other = inside(root, linkname);
    if (other === undefined) return skip("left out: a link that would lead out of the folder");
    await folderAt(root, dirname(other));
    await rm(path, { force: true });
    await link(other, path);
    for await (const _ of entry);
    return true;
  }
  if (type !== "file" && type !== "contiguous-file") return skip("left out: neither file, folder nor link");
  await rm(path, { force: true });
  const file = await open(path, "wx", 0o600);
  try {
    for await (const piece of entry) await file.writeFile(piece);
    await file.chmod(mode & 0o777);
    if (mtime) await file.utimes(mtime, mtime);
  } finally {
    await file.close();
  }
  return true;
}

/** Where an entry goes, without the folder at the top of the archive; undefined when that is nowhere below the root. */
function inside(root: string, name: string): string | undefined {
  const words = name.split("/").filter((word) => word !== "" && word !== ".");
  if (words.includes("..") || name.includes("\0")) return undefined;
  return join(root, ...(name.startsWith("./") ? words : words.slice(1)));
}

/** Makes a folder below the root; one that is a link, which might lead anywhere, is refused. */
async function folderAt(root: string, path: string): Promise<void> {
  let at = root;
  for (const word of path.slice(root.length).split(sep).filter(Boolean)) {
    at = join(at, word);
    const about = await lstat(at).catch(() => undefined);
    if (!about) await mkdir(at, { mode: 0o700 });
    else if (!about.isDirectory()) {
      throw new CloudError("failed_precondition", `${at} is no folder, so nothing can be put into it.`);
    }
  }
}
