/**
 * The room of the request log. HAProxy writes lines to the end of one file, which nobody may take from under it: a rename would not move
 * its descriptor, and cutting the file would lose the lines of that moment. So the file only grows at its end, while what has been read is
 * given back to the disk from its beginning (a hole); and HAProxy may write up to a limit (RLIMIT_FSIZE) that moves on with the reader. Nobody
 * has to be there for that to hold.
 */
import { spawnSync } from "node:child_process";
import { randomBytes } from "node:crypto";
import { readFileSync, renameSync, statSync, truncateSync, writeFileSync } from "node:fs";
import { join } from "node:path";

/** What may wait unread: about 700,000 requests. */
const unreadBytes = 256 * 2 ** 20;
/** Holes are made of whole blocks; a little at a time would be many calls. */
const stepBytes = 4 * 2 ** 20;

const logFile = (folder: string): string => join(folder, "requests.log");
const positionFile = (folder: string): string => join(folder, "requests.position");

/** From where on nobody has taken care of the lines yet, in bytes. */
export const readPosition = (folder: string): number => read(folder)?.position ?? 0;

/** A name for this beginning of the file: a position in another one says nothing about it. Empty while there is no file. */
export function logIdentity(folder: string): string {
  const known = read(folder)?.identity;
  if (known !== undefined) return known;
  const ino = statSync(logFile(folder), { throwIfNoEntry: false })?.ino;
  if (ino === undefined) return "";
  return writePosition(folder, ino, 0);
}

function read(folder: string): { position: number; identity: string } | undefined {
  try {
    const [inode, position, identity] = readFileSync(positionFile(folder), "utf8").trim().split(" ");
    const { ino, size } = statSync(logFile(folder));
    if (Number(inode) !== ino || Number(position) > size || identity === undefined) return undefined;
    return { position: Number(position), identity };
  } catch {
    return undefined;
  }
}

function writePosition(folder: string, ino: number, position: number, identity = randomBytes(9).toString("base64url")): string {
  const aside = `${positionFile(folder)}.new`;
  writeFileSync(aside, `${ino} ${position} ${identity}\n`, { mode: 0o600 });
  renameSync(aside, positionFile(folder));
  return identity;
}

export const logLimitBytes = (folder: string): number => readPosition(folder) + unreadBytes;

/** The lines up to there have been taken care of; they will not be read again, and their room is given back. */
export function releaseLog(folder: string, position: number, writers: readonly number[]): void {
  const file = logFile(folder);
  const before = readPosition(folder);
  if (position <= before) return;
  writePosition(folder, statSync(file).ino, position, logIdentity(folder));
  const whole = position - (position % stepBytes);
  if (whole <= before - (before % stepBytes)) return;
  // What cannot be given back (a file system without holes) is cut off when the proxy starts anew, or at the limit below.
  spawnSync("fallocate", ["--punch-hole", "--offset", "0", "--length", String(whole), file], {
    stdio: "ignore",
    timeout: 10_000,
  });
  for (const pid of writers) raiseLimit(pid, position + unreadBytes);
}

/** As the user of that process: root itself may do it for others only with CAP_SYS_RESOURCE, which containers seldom have. */
export function raiseLimit(pid: number, bytes: number): void {
  try {
    const status = readFileSync(`/proc/${pid}/status`, "utf8");
    const id = (name: string) => Number(new RegExp(`^${name}:\\s+(\\d+)`, "m").exec(status)?.[1]);
    const who = process.getuid?.() === 0 ? { uid: id("Uid"), gid: id("Gid") } : {};
    spawnSync("prlimit", ["--pid", String(pid), `--fsize=${bytes}:`], { stdio: "ignore", timeout: 10_000, cwd: "/", ...who });
  } catch {
    // It has ended.
  }
}

/** Begins the file anew when all of it has been read. Only while no proxy runs. */
export function beginLog(folder: string): void {
  const size = statSync(logFile(folder), { throwIfNoEntry: false })?.size ?? 0;
  if (size === 0 || readPosition(folder) !== size) return;
  truncateSync(logFile(folder), 0);
  writePosition(folder, statSync(logFile(folder)).ino, 0);
}
