import { randomBytes } from "node:crypto";
import { chmodSync, existsSync, readFileSync, rmSync, statfsSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { makeFolder, syncFolder, writeDurable } from "./durable-file.ts";
import { lockFile } from "./file-lock.ts";
import { commandLine, isAlive, signal, startTicks, waitForEnd } from "./processes.ts";
import { errorCode, fileError, StartError } from "./start-error.ts";

/** What lies in the data folder, and where. */
export const dataPaths = (dataDirectory: string) => ({
  lock: join(dataDirectory, "khmara.lock"),
  secrets: join(dataDirectory, "secrets"),
  masterKey: join(dataDirectory, "secrets", "master.key"),
  sshHostKey: join(dataDirectory, "secrets", "ssh_host_ed25519_key"),
  databasePassword: join(dataDirectory, "secrets", "database.password"),
  postgresql: join(dataDirectory, "postgresql"),
  logs: join(dataDirectory, "logs"),
  gateway: join(dataDirectory, "gateway"),
});

const firstStartBytes = 256 * 1024 * 1024;
const laterStartBytes = 32 * 1024 * 1024;

/** Who runs on this data folder; written into the lock file, for the next start and for people. */
export interface RunRecord {
  pid: number;
  url: string;
  children: { name: string; pid: number; startTicks: string | undefined }[];
}

export interface DataFolder {
  record(run: RunRecord): void;
  release(): void;
}

/** Makes the folder when it is not there, checks that it can be used, and takes its lock. */
export function openDataFolder(dataDirectory: string): DataFolder {
  const paths = dataPaths(dataDirectory);
  const root = process.getuid?.() === 0;
  try {
    if (!existsSync(dataDirectory)) {
      makeFolder(dataDirectory);
      // As root, PostgreSQL's own user must pass through; what is secret lies in closed folders below.
      chmodSync(dataDirectory, root ? 0o711 : 0o700);
    }
    if (!statSync(dataDirectory).isDirectory()) throw Object.assign(new Error(), { code: "ENOTDIR" });
  } catch (error) {
    throw fileError(error, dataDirectory);
  }
  checkFreeSpace(dataDirectory, existsSync(paths.masterKey) ? laterStartBytes : firstStartBytes);
  const lock = lockFile(paths.lock);
  if (lock === undefined) {
    const run = readRecord(paths.lock);
    const who = run === undefined ? "a running Khmara" : `a running Khmara (process ${run.pid}, ${run.url})`;
    throw new StartError(`${dataDirectory} is in use by ${who}. Stop that one, or choose another folder with --data DIR.`);
  }
  try {
    makeFolder(paths.secrets, 0o700);
    // Proves that the disk takes bytes: a full one is found here, before anything depends on it.
    const probe = join(paths.secrets, `.probe-${process.pid}`);
    writeDurable(probe, randomBytes(4096), { mode: 0o600 });
    rmSync(probe);
  } catch (error) {
    throw fileError(error, dataDirectory);
  }
  return {
    record(run) {
      try {
        writeFileSync(paths.lock, `${JSON.stringify(run)}\n`);
      } catch {
        // Only a help for the next start.
      }
    },
    release: lock.release,
  };
}

function checkFreeSpace(folder: string, neededBytes: number): void {
  const { bavail, bsize } = statfsSync(folder);
  const freeBytes = bavail * bsize;
  if (freeBytes >= neededBytes) return;
  const megabytes = (bytes: number) => `${Math.floor(bytes / 1024 / 1024)} MB`;
  throw new StartError(
    `The disk that holds ${folder} is full: ${megabytes(freeBytes)} are free, and at least ${megabytes(neededBytes)} are needed. ` +
      "Free some space, or choose another folder with --data DIR.",
  );
}

function readRecord(path: string): RunRecord | undefined {
  try {
    return JSON.parse(readFileSync(path, "utf8")) as RunRecord;
  } catch {
    return undefined;
  }
}

/** Who runs on this data folder now; undefined when nobody does. */
export function runningKhmara(dataDirectory: string): RunRecord | undefined {
  const run = readRecord(dataPaths(dataDirectory).lock);
  // The record stays when it ends, and the number may be another process's by then.
  return run !== undefined && commandLine(run.pid).some((word) => /server\/supervisor\.[jt]s$/.test(word)) ? run : undefined;
}

/** Children of a supervisor that was killed stop themselves; this waits for them, and ends one that hangs. */
export async function stopLeftChildren(dataDirectory: string, patienceMs = 15_000): Promise<void> {
  const run = readRecord(dataPaths(dataDirectory).lock);
  const left = (run?.children ?? [])
    .filter(({ pid, startTicks: began }) => isAlive(pid) && startTicks(pid) === began && commandLine(pid).length > 0)
    .map(({ pid }) => pid);
  for (const pid of left) signal(pid, "SIGTERM");
  if (await waitForEnd(left, patienceMs)) return;
  for (const pid of left) signal(pid, "SIGKILL");
  await waitForEnd(left, 5_000);
}

/** Makes the master key on the first start. Data without its key is never given a new one: it would stay unreadable. */
export function ensureMasterKey(dataDirectory: string): void {
  const { masterKey, secrets, postgresql } = dataPaths(dataDirectory);
  if (existsSync(masterKey)) {
    const { size } = statSync(masterKey);
    if (size !== masterKeyBytes) {
      throw new StartError(
        `The master key ${masterKey} is damaged (${size} bytes instead of ${masterKeyBytes}). Restore it from your backup.`,
      );
    }
    return;
  }
  if (existsSync(postgresql)) {
    throw new StartError(
      `The master key ${masterKey} is missing, and the secrets in the database cannot be read without it. Restore it from your backup.`,
    );
  }
  try {
    writeDurable(masterKey, randomBytes(masterKeyBytes), { mode: 0o600 });
    syncFolder(secrets);
    syncFolder(dataDirectory);
  } catch (error) {
    throw errorCode(error) === undefined ? error : fileError(error, masterKey);
  }
}

const masterKeyBytes = 32;
