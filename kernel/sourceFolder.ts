/**
 * Which files of a folder are source code: services/apps reads what it was given with it, and the command line packs a working folder
 * with it, so that both leave out the same.
 */
import { readdir, readFile, readlink, stat } from "node:fs/promises";
import { join } from "node:path";
import ignore, { type Ignore } from "ignore";
import { CloudError } from "./errors.ts";

export interface SourceEntry {
  path: string;
  kind: "file" | "directory" | "link";
  /** Of files. */
  sizeBytes: number;
  executable: boolean;
  /** Of links. */
  target?: string;
}

/** Files, folders and links together. */
export const maximumSourceEntries = 100_000;

/**
 * "archive": what arrived is what was meant, so `.khmaraignore` alone counts. "folder": a working folder, as `khmara app deploy .` has it:
 * `.khmaraignore`, or where there is none every `.gitignore`, and what is installed anew anyway. `.git` is never in it.
 */
export type SourceOrigin = "archive" | "folder";

/**
 * By path, in the order of their code units, folders before what is in them. Links are entries of their own and never followed. Throws
 * payload_too_large, invalid_argument.
 */
export async function sourceEntries(folder: string, from: SourceOrigin): Promise<SourceEntry[]> {
  const own = await readFile(join(folder, ".khmaraignore"), "utf8").catch(absent);
  const always = [".git", ...(from === "folder" ? installedAnew : [])];
  const first: Rules = { base: "", rules: ignore().add(always) };
  const rules = own === undefined ? [first] : [first, { base: "", rules: ignore().add(own) }];
  const entries: SourceEntry[] = [];
  await walk(folder, "", rules, from === "folder" && own === undefined, entries);
  return entries;
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
    if (entries.length >= maximumSourceEntries)
      throw new CloudError(
        "payload_too_large",
        `There are more than ${maximumSourceEntries} files. Name what is not needed in .khmaraignore.`,
        { details: { reason: "too_many_files" } },
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
