import { chmodSync, closeSync, constants, fchownSync, fsyncSync, openSync, renameSync, writeSync } from "node:fs";
import { dirname } from "node:path";

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
