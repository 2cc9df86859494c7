import ignore, { type Ignore } from "ignore";

/** A file of source code, by its path in the folder that was chosen. */
export interface SourceFile {
  path: string;
  file: Blob;
}
export interface SourceFolder {
  name: string;
  files: SourceFile[];
  sizeBytes: number;
  /** Folders and files that were left out, a folder counting as one: at the most so many as are worth naming. */
  leftOut: string[];
  leftOutCount: number;
}

/** Files and folders as they are found: what a drop gives, or what an input of a folder gives. */
export interface FoundFolder {
  name: string;
  list: () => Promise<Found[]>;
}
export type Found = { name: string; file: () => Promise<Blob> } | FoundFolder;
const isFolder = (found: Found): found is FoundFolder => "list" in found;

/** As services/apps takes them (kernel/sourceFolder.ts, which reads disks and has no place here). */
export const mostFiles = 100_000;
const namedAtMost = 6;
const always = [
  ".git",
  "node_modules",
  ".venv",
  "__pycache__",
  ".DS_Store",
  "Thumbs.db",
  "desktop.ini",
  ".env.local",
  ".env.*.local",
];

interface Rules {
  base: string;
  rules: Ignore;
}

export class TooManyFiles extends Error {
  override name = "TooManyFiles";
}

/**
 * What of a working folder is source code: all but what `.khmaraignore` names, or where there is none every `.gitignore`; and never
 * what is installed anew anyway. A folder that is left out is not even read, as node_modules has more files than the rest.
 */
export async function sourceFolder(folder: FoundFolder): Promise<SourceFolder> {
  const result: SourceFolder = { name: folder.name, files: [], sizeBytes: 0, leftOut: [], leftOutCount: 0 };
  const found = await folder.list();
  const own = await textOf(found, ".khmaraignore");
  const rules = [{ base: "", rules: ignore().add(always) }];
  if (own !== undefined) rules.push({ base: "", rules: ignore().add(own) });
  await walk(found, "", rules, own === undefined, result);
  result.files.sort((a, b) => (a.path < b.path ? -1 : 1));
  return result;
}

async function walk(found: Found[], base: string, above: readonly Rules[], git: boolean, into: SourceFolder): Promise<void> {
  const inside = git ? await textOf(found, ".gitignore") : undefined;
  const rules = inside === undefined ? above : [...above, { base, rules: ignore().add(inside) }];
  for (const each of found) {
    const path = `${base}${each.name}`;
    if (isIgnored(rules, isFolder(each) ? `${path}/` : path)) {
      into.leftOutCount++;
      if (into.leftOut.length < namedAtMost) into.leftOut.push(path);
    } else if (isFolder(each)) await walk(await each.list(), `${path}/`, rules, git, into);
    else {
      if (into.files.length >= mostFiles) throw new TooManyFiles();
      const file = await each.file();
      into.files.push({ path, file });
      into.sizeBytes += file.size;
    }
  }
}

async function textOf(found: Found[], name: string): Promise<string | undefined> {
  const there = found.find((one) => one.name === name);
  return there && !isFolder(there) ? (await there.file()).text() : undefined;
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

/** A folder that was dropped. */
export const droppedFolder = (entry: FileSystemDirectoryEntry): FoundFolder => ({
  name: entry.name,
  list: async () => {
    const reader = entry.createReader();
    const found: Found[] = [];
    // A reader hands out at most 100 entries at a time, and an empty list at the end.
    for (;;) {
      const some = await new Promise<FileSystemEntry[]>((resolve, reject) => reader.readEntries(resolve, reject));
      if (some.length === 0) return found;
      found.push(...some.map(droppedEntry));
    }
  },
});
const droppedEntry = (entry: FileSystemEntry): Found =>
  entry.isDirectory
    ? droppedFolder(entry as FileSystemDirectoryEntry)
    : {
        name: entry.name,
        file: () => new Promise<File>((resolve, reject) => (entry as FileSystemFileEntry).file(resolve, reject)),
      };

/** The folder of an `<input webkitdirectory>`, or files alone: a tree made of their paths. */
export function folderOfFiles(files: readonly { path: string; file: Blob }[], name?: string): FoundFolder {
  interface Branch {
    folders: Map<string, Branch>;
    files: { name: string; file: Blob }[];
  }
  const root: Branch = { folders: new Map(), files: [] };
  for (const { path, file } of files) {
    const parts = path.split("/");
    const last = parts.pop() as string;
    let at = root;
    for (const part of parts) {
      const next = at.folders.get(part) ?? { folders: new Map(), files: [] };
      at.folders.set(part, next);
      at = next;
    }
    at.files.push({ name: last, file });
  }
  const folder = (of: Branch, called: string): FoundFolder => ({
    name: called,
    list: async () => [
      ...[...of.folders].map(([each, branch]) => folder(branch, each)),
      ...of.files.map((one): Found => ({ name: one.name, file: async () => one.file })),
    ],
  });
  if (name !== undefined) return folder(root, name);
  const [only] = root.folders;
  return only && root.files.length === 0 && root.folders.size === 1 ? folder(only[1], only[0]) : folder(root, "");
}
