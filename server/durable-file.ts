import {
  chmodSync,
  closeSync,
  constants,
  existsSync,
  fchownSync,
  fsyncSync,
  mkdirSync,
  openSync,
  renameSync,
  statSync,
  writeSync,
} from "node:fs";
import { dirname } from "node:path";
import { errorCode } from "./start-error.ts";

/** Makes a folder and those above it. (Node's own `recursive` never returns where nothing can be made, as in /proc.) */
export function makeFolder(folder: string, mode = 0o755): void {
  try {
    mkdirSync(folder, { mode });
  } catch (error) {
    if (errorCode(error) === "EEXIST" && statSync(folder).isDirectory()) return;
    if (errorCode(error) !== "ENOENT" || existsSync(dirname(folder))) throw error;
    makeFolder(dirname(folder));
    makeFolder(folder, mode);
  }
}

/** Makes a rename or a new name in this folder survive a power cut. */
export function syncFolder(folder: string): void {
  const fd = openSync(folder, constants.O_RDONLY | constants.O_DIRECTORY);
  try {
    fsyncSync(fd);
  } finally {
    closeSync(fd);
  }
}

/** Writes aside, syncs and renames: the file is there whole or not at all, whenever the machine stops. */
export function writeDurable(
  path: string,
  content: string | Uint8Array,
  options: { mode: number; owner?: { uid: number; gid: number } | undefined },
): void {
  const aside = `${path}.${process.pid}.new`;
  // The folder may belong to PostgreSQL's user: never follow a link that lies there under this name.
  const flags = constants.O_WRONLY | constants.O_CREAT | constants.O_TRUNC | constants.O_NOFOLLOW;
  const fd = openSync(aside, flags, options.mode);
  try {
    writeSync(fd, typeof content === "string" ? Buffer.from(content) : content);
    if (options.owner !== undefined) fchownSync(fd, options.owner.uid, options.owner.gid);
    fsyncSync(fd);
  } finally {
    closeSync(fd);
  }
  chmodSync(aside, options.mode);
  renameSync(aside, path);
  syncFolder(dirname(path));
}
