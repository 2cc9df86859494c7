import { spawnSync } from "node:child_process";
import { closeSync, constants, openSync } from "node:fs";
import { errorCode, fileError, StartError } from "./start-error.ts";

/**
 * Takes a lock that the kernel releases when this process ends, however it ends. Node has no flock(2) of its own: the
 * command locks the open file that it inherits, and the lock stays with our descriptor, which no child of ours gets.
 * Undefined when someone else holds it.
 */
export function lockFile(path: string): { release: () => void } | undefined {
  let fd: number;
  try {
    fd = openSync(path, constants.O_RDWR | constants.O_CREAT, 0o644);
  } catch (error) {
    throw fileError(error, path);
  }
  const locked = spawnSync("flock", ["-n", "-x", "3"], { stdio: ["ignore", "ignore", "ignore", fd] });
  if (locked.status === 0) return { release: () => closeSync(fd) };
  closeSync(fd);
  if (errorCode(locked.error) === "ENOENT") throw new StartError("The command flock is missing. Install the package util-linux.");
  if (locked.error !== undefined) throw locked.error;
  return undefined;
}
