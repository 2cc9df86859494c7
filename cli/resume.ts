import { createHash, randomUUID } from "node:crypto";
import { mkdirSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { homedir } from "node:os";
import { dirname, join } from "node:path";
import type { Environment } from "./profiles.ts";

/** An upload in parts that was begun: enough to go on with it. */
export interface UnfinishedUpload {
  id: string;
  partSizeBytes: number;
}

type Uploads = Record<string, UnfinishedUpload & { begunAt: string }>;

/** As long as the cloud keeps unfinished uploads. */
const keptMs = 7 * 86_400_000;

const path = (env: Environment): string =>
  join(env["XDG_STATE_HOME"] || join(env["HOME"] || homedir(), ".local", "state"), "khmara", "uploads.json");
const name = (fingerprint: string): string => createHash("sha256").update(fingerprint).digest("hex").slice(0, 32);

function read(env: Environment): Uploads {
  try {
    return JSON.parse(readFileSync(path(env), "utf8")) as Uploads;
  } catch {
    // Without it an upload only begins anew.
    return {};
  }
}

function write(env: Environment, uploads: Uploads): void {
  const fresh = Object.entries(uploads).filter(([, one]) => Date.now() - Date.parse(one.begunAt) < keptMs);
  const aside = `${path(env)}.${randomUUID()}`;
  try {
    mkdirSync(dirname(path(env)), { recursive: true, mode: 0o700 });
    writeFileSync(aside, JSON.stringify(Object.fromEntries(fresh)), { mode: 0o600 });
    renameSync(aside, path(env));
  } catch {
    // A home that cannot be written costs the resuming, not the upload.
  }
}

export const unfinishedUpload = (env: Environment, fingerprint: string): UnfinishedUpload | undefined =>
  read(env)[name(fingerprint)];

export function rememberUpload(env: Environment, fingerprint: string, { id, partSizeBytes }: UnfinishedUpload): void {
  write(env, { ...read(env), [name(fingerprint)]: { id, partSizeBytes, begunAt: new Date().toISOString() } });
}

export function forgetUpload(env: Environment, fingerprint: string): void {
  const uploads = read(env);
  delete uploads[name(fingerprint)];
  write(env, uploads);
}
