import { execFile } from "node:child_process";
import { mkdir, readdir, readFile, rm } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";

const run = promisify(execFile);

/** Where images are put together: a folder for each operation, which goes with it. Nothing in them outlives a start of the cloud. */
export interface Scratch {
  /** Empty; what an earlier try left in it is gone. */
  fresh(operationId: string): Promise<string>;
  path(operationId: string): string;
  remove(operationId: string): Promise<void>;
  /** Those that are there. */
  list(): Promise<string[]>;
}

export function openScratch(dataDirectory: string): Scratch {
  const root = join(dataDirectory, "compute", "images");
  const path = (operationId: string) => join(root, operationId);
  const remove = async (operationId: string) => {
    await unmountBelow(path(operationId));
    await rm(path(operationId), { recursive: true, force: true });
  };
  return {
    path,
    remove,
    async fresh(operationId) {
      await remove(operationId);
      await mkdir(path(operationId), { recursive: true, mode: 0o700 });
      return path(operationId);
    },
    async list() {
      try {
        return await readdir(root);
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code === "ENOENT") return [];
        throw error;
      }
    },
  };
}

/**
 * A build that was killed may have left /proc or /dev mounted in its tree: what is deleted through such a mount would be the host's.
 * Throws when one of them stays, before anything is deleted.
 */
async function unmountBelow(folder: string): Promise<void> {
  for (const mount of (await mountsBelow(folder)).toReversed()) await run("umount", ["--lazy", mount]);
  const [left] = await mountsBelow(folder);
  if (left !== undefined) throw new Error(`${left} is still mounted: it is not safe to delete ${folder}.`);
}

/** In the order in which they were mounted (proc_pid_mountinfo(5)). */
async function mountsBelow(folder: string): Promise<string[]> {
  const table = await readFile("/proc/self/mountinfo", "utf8").catch(() => "");
  return table
    .split("\n")
    .map((line) => (line.split(" ")[4] ?? "").replace(/\\(\d{3})/g, (_, octal) => String.fromCharCode(Number.parseInt(octal, 8))))
    .filter((mount) => mount.startsWith(`${folder}/`));
}
