import { spawnSync } from "node:child_process";
import { readFileSync, statSync } from "node:fs";
import { dirname } from "node:path";
import { StartError } from "./start-error.ts";

export interface SystemUser {
  name: string;
  uid: number;
  gid: number;
}

export const databaseUserName = "khmara-postgres";

/**
 * PostgreSQL refuses to run as root. As root this is the system user that it runs as instead, made on the first start;
 * for any other user there is none, and PostgreSQL runs as that user.
 */
export function databaseUser(): SystemUser | undefined {
  if (process.getuid?.() !== 0) return undefined;
  const known = findUser(databaseUserName);
  if (known !== undefined) return known;
  const problems: string[] = [];
  for (const [command, ...words] of creators) {
    const made = spawnSync(command, words, {
      encoding: "utf8",
      env: { ...process.env, PATH: `${process.env["PATH"] ?? ""}:/usr/sbin:/sbin` },
    });
    // Another first start may have made it at the same moment.
    const user = findUser(databaseUserName);
    if (user !== undefined) return user;
    problems.push(made.error?.message ?? `${command}: ${made.stderr.trim().split("\n").at(-1)}`);
  }
  throw new StartError(
    `PostgreSQL cannot run as root, and its system user ${databaseUserName} could not be made (${problems.join("; ")}). ` +
      `Make it yourself (useradd --system ${databaseUserName}), start Khmara as an ordinary user, or set KHMARA_DATABASE_URL.`,
  );
}

const creators: [string, ...string[]][] = [
  [
    "useradd",
    "--system",
    "--user-group",
    "--no-create-home",
    "--home-dir",
    "/nonexistent",
    "--shell",
    "/usr/sbin/nologin",
    databaseUserName,
  ],
  ["adduser", "-S", "-D", "-H", "-s", "/sbin/nologin", databaseUserName],
];

function findUser(name: string): SystemUser | undefined {
  const line = readFileSync("/etc/passwd", "utf8")
    .split("\n")
    .find((entry) => entry.startsWith(`${name}:`));
  const [, , uid, gid] = line?.split(":") ?? [];
  return uid === undefined || gid === undefined ? undefined : { name, uid: Number(uid), gid: Number(gid) };
}

/** Whether this user may pass through every folder on the way to `path` and the last one itself, as far as they exist. */
export function canReach(user: SystemUser | undefined, path: string): boolean {
  if (user === undefined) return true;
  for (let folder = path; ; folder = dirname(folder)) {
    const status = statSync(folder, { throwIfNoEntry: false });
    if (status !== undefined) {
      const bit = status.uid === user.uid ? 0o100 : status.gid === user.gid ? 0o010 : 0o001;
      if ((status.mode & bit) === 0) return false;
    }
    if (folder === dirname(folder)) return true;
  }
}
