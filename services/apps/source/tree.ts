/**
 * Source code as the rest of this service sees it: names, and the text of small files. What a `.khmaraignore` names is not in it, and
 * `.git` never is.
 */
import { closeSync, constants, fstatSync, openSync, readSync, realpathSync } from "node:fs";
import { readdir, readFile, readlink, stat } from "node:fs/promises";
import { join, sep } from "node:path";
import ignore, { type Ignore } from "ignore";
import { CloudError } from "../../../kernel/errors.ts";
import { sourceLimits, tooLarge } from "./limits.ts";

export interface SourceEntry {
  path: string;
  kind: "file" | "directory" | "link";
  /** Of files. */
  sizeBytes: number;
  executable: boolean;
  /** Of links. */
  target?: string;
}

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
  /**
   * "archive" (the default): what arrived is what was meant, so `.khmaraignore` alone counts. "folder": a working folder, as
   * `khmara app deploy .` has it: `.khmaraignore`, or where there is none every `.gitignore`, and what is installed anew anyway.
   */
  from?: "archive" | "folder";
}

/** Reads a folder. Links are entries of their own and never followed. Throws payload_too_large, invalid_argument. */
export async function openSourceTree(folder: string, { from = "archive" }: TreeOptions = {}): Promise<SourceTree> {
  const own = await readFile(join(folder, ".khmaraignore"), "utf8").catch(absent);
  const always = [".git", ...(from === "folder" ? installedAnew : [])];
  const first: Rules = { base: "", rules: ignore().add(always) };
  const rules = own === undefined ? [first] : [first, { base: "", rules: ignore().add(own) }];
  const entries: SourceEntry[] = [];
  await walk(folder, "", rules, from === "folder" && own === undefined, entries);
  return treeOf(entries, (path) => readInside(folder, path));
}

/** What tools put into a working folder, and what holds the secrets of the machine it lies on. */
const installedAnew = ["node_modules", ".venv", "__pycache__", ".DS_Store", ".env.local", ".env.*.local"];

const absent = (error: NodeJS.ErrnoException): undefined => {
  if (error.code === "ENOENT" || error.code === "EISDIR" || error.code === "ENOTDIR") return undefined;
  throw error;
};

interface Rules {
  base: string;
  rules: Ignore;
}

async function walk(root: string, folder: string, rules: readonly Rules[], git: boolean, entries: SourceEntry[]): Promise<void> {
  const inside = git ? await readFile(join(root, folder, ".gitignore"), "utf8").catch(absent) : undefined;
  const all = inside === undefined ? rules : [...rules, { base: folder === "" ? "" : `${folder}/`, rules: ignore().add(inside) }];
  const found = (await readdir(join(root, folder), { withFileTypes: true })).sort((a, b) => (a.name < b.name ? -1 : 1));
  for (const each of found) {
    const path = folder === "" ? each.name : `${folder}/${each.name}`;
    if (isIgnored(all, each.isDirectory() ? `${path}/` : path)) continue;
    if (entries.length >= sourceLimits.entries)
      throw tooLarge(
        "too_many_files",
        `There are more than ${sourceLimits.entries} files. Name what is not needed in .khmaraignore.`,
      );
    if (each.isDirectory()) {
      entries.push({ path, kind: "directory", sizeBytes: 0, executable: false });
      await walk(root, path, all, git, entries);
    } else if (each.isSymbolicLink()) {
      const target = await readlink(join(root, path));
      entries.push({ path, kind: "link", sizeBytes: 0, executable: false, target });
    } else if (each.isFile()) {
      const { size, mode } = await stat(join(root, path));
      entries.push({ path, kind: "file", sizeBytes: size, executable: (mode & 0o100) !== 0 });
    } else
      throw new CloudError("invalid_argument", `${path} is neither a file nor a folder. Name it in .khmaraignore.`, {
        details: { reason: "kind_not_allowed" },
      });
  }
}

/** The deepest file that says something about it decides, as git does (gitignore(5)). */
function isIgnored(rules: readonly Rules[], path: string): boolean {
  for (const { base, rules: each } of rules.toReversed()) {
    const { ignored, unignored } = each.test(path.slice(base.length));
    if (ignored) return true;
    if (unignored) return false;
  }
  return false;
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
