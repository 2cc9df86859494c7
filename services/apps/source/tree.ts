/**
 * Source code as the rest of this service sees it: names, and the text of small files. What a `.khmaraignore` names is not in it, and
 * `.git` never is.
 */
import { closeSync, constants, fstatSync, openSync, readSync, realpathSync } from "node:fs";
import { join, sep } from "node:path";
import { type SourceEntry, type SourceOrigin, sourceEntries } from "../../../kernel/sourceFolder.ts";

export type { SourceEntry } from "../../../kernel/sourceFolder.ts";

export interface SourceTree {
  /** By path, in the order of their code units, folders before what is in them. */
  readonly entries: readonly SourceEntry[];
  /** A file, or a link. */
  has(path: string): boolean;
  hasFolder(path: string): boolean;
  /** At most a megabyte of text; undefined where there is no such file. */
  read(path: string): string | undefined;
  /** Names of files and folders directly in a folder; "" is the root. */
  names(folder: string): string[];
}

/** A file that is read to decide how to build; a longer one is cut. */
const readableBytes = 1024 ** 2;

export interface TreeOptions {
  /** "archive" is the default. */
  from?: SourceOrigin;
}

/** Reads a folder. Links are entries of their own and never followed. Throws payload_too_large, invalid_argument. */
export async function openSourceTree(folder: string, { from = "archive" }: TreeOptions = {}): Promise<SourceTree> {
  return treeOf(await sourceEntries(folder, from), (path) => readInside(folder, path));
}

function readInside(root: string, path: string): string | undefined {
  try {
    const real = realpathSync(join(root, path));
    if (!real.startsWith(realpathSync(root) + sep)) return undefined;
    const fd = openSync(real, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
    try {
      const information = fstatSync(fd);
      if (!information.isFile()) return undefined;
      const buffer = Buffer.alloc(Math.min(information.size, readableBytes));
      let filled = 0;
      while (filled < buffer.length) {
        const bytes = readSync(fd, buffer, filled, buffer.length - filled, filled);
        if (bytes === 0) break;
        filled += bytes;
      }
      return buffer
        .subarray(0, filled)
        .toString("utf8")
        .replace(/^\uFEFF/, "");
    } finally {
      closeSync(fd);
    }
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === "ENOENT" || code === "ELOOP" || code === "ENOTDIR" || code === "ENXIO") return undefined;
    throw error;
  }
}

/** A tree from its entries. */
export function treeOf(entries: readonly SourceEntry[], read: (path: string) => string | undefined): SourceTree {
  const kinds = new Map(entries.map(({ path, kind }) => [path, kind]));
  const children = new Map<string, string[]>();
  for (const { path } of entries) {
    const cut = path.lastIndexOf("/");
    const folder = cut < 0 ? "" : path.slice(0, cut);
    const list = children.get(folder);
    if (list) list.push(path.slice(cut + 1));
    else children.set(folder, [path.slice(cut + 1)]);
  }
  return {
    entries,
    has: (path) => kinds.get(path) === "file" || kinds.get(path) === "link",
    hasFolder: (path) => kinds.get(path) === "directory",
    read: (path) => (kinds.has(path) ? read(path) : undefined),
    names: (folder) => children.get(folder) ?? [],
  };
}

/** A tree that is nowhere on a disk: what detection would say of these files. */
export function treeOfTexts(texts: Readonly<Record<string, string>>): SourceTree {
  const entries = new Map<string, SourceEntry>();
  for (const [path, text] of Object.entries(texts)) {
    const parts = path.split("/");
    for (let length = 1; length < parts.length; length++) {
      const folder = parts.slice(0, length).join("/");
      entries.set(folder, { path: folder, kind: "directory", sizeBytes: 0, executable: false });
    }
    entries.set(path, { path, kind: "file", sizeBytes: Buffer.byteLength(text), executable: false });
  }
  const sorted = [...entries.values()].sort((a, b) => (a.path < b.path ? -1 : 1));
  return treeOf(sorted, (path) => texts[path]);
}
