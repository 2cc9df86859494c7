import { existsSync, mkdtempSync, readdirSync, renameSync, rmSync, statSync } from "node:fs";
import { join } from "node:path";
import { makeFolder } from "./durable-file.ts";
import { errorCode } from "./start-error.ts";

const kept = 3;

/**
 * A folder of the cache that is made once for each version, and is there whole or not at all: `make` fills a folder aside, which is renamed. The newest three
 * stay. `proof` is a file or folder in it. Two starts may make the same at the same moment. Throws what `make` throws, and then leaves nothing behind.
 */
export async function madeOnce(
  versions: string,
  { name, proof, make }: { name: string; proof: string; make: (aside: string) => Promise<unknown> },
): Promise<string> {
  const folder = join(versions, name);
  const isThere = () => existsSync(join(folder, proof));
  if (isThere()) return folder;
  makeFolder(versions);
  const aside = mkdtempSync(join(versions, ".new-"));
  try {
    const made = join(aside, "made");
    await make(made);
    renameSync(made, folder);
  } catch (error) {
    if (!isThere() || (errorCode(error) !== "ENOTEMPTY" && errorCode(error) !== "EEXIST")) throw error;
  } finally {
    rmSync(aside, { recursive: true, force: true });
  }
  const folders = readdirSync(versions)
    .filter((each) => !each.startsWith("."))
    .map((each) => ({ path: join(versions, each), madeMs: statSync(join(versions, each)).mtimeMs }))
    .sort((a, b) => b.madeMs - a.madeMs);
  for (const { path } of folders.slice(kept)) rmSync(path, { recursive: true, force: true });
  return folder;
}
