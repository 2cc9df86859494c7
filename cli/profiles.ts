import { randomUUID } from "node:crypto";
import { chmodSync, mkdirSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { homedir } from "node:os";
import { dirname, join } from "node:path";
import { UsageError } from "./usage-error.ts";

export interface Profile {
  endpoint: string;
  token?: string;
  /** The token's own id, to revoke it by. Absent for a token that was made elsewhere. */
  tokenId?: string;
  email?: string;
  organisation?: { id: string; slug: string };
  project?: { id: string; slug: string };
}

export interface Profiles {
  current: string;
  profiles: Record<string, Profile>;
}

export type Environment = Record<string, string | undefined>;

export const defaultEndpoint = "http://127.0.0.1:8080";

export const profilesPath = (env: Environment): string =>
  join(env["XDG_CONFIG_HOME"] || join(env["HOME"] || homedir(), ".config"), "khmara", "profiles.json");

export function readProfiles(env: Environment): Profiles {
  const path = profilesPath(env);
  let text: string;
  try {
    text = readFileSync(path, "utf8");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return { current: "default", profiles: {} };
    throw new UsageError(`${path} cannot be read: ${(error as Error).message}`);
  }
  try {
    const read = JSON.parse(text) as Partial<Profiles>;
    return { current: read.current ?? "default", profiles: read.profiles ?? {} };
  } catch {
    throw new UsageError(`${path} is not valid JSON.`, "Repair it, or delete it and sign in again.");
  }
}

/** Written aside and renamed, readable by its owner only: there are tokens in it. */
export function writeProfiles(env: Environment, profiles: Profiles): void {
  const path = profilesPath(env);
  mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
  const aside = `${path}.${randomUUID()}`;
  writeFileSync(aside, `${JSON.stringify(profiles, null, 2)}\n`, { mode: 0o600, flush: true });
  chmodSync(aside, 0o600);
  renameSync(aside, path);
}

/** Changes one profile and keeps the rest. */
export function saveProfile(env: Environment, name: string, profile: Profile | undefined, makeCurrent = false): void {
  const all = readProfiles(env);
  if (profile) all.profiles[name] = profile;
  else delete all.profiles[name];
  if (makeCurrent || all.profiles[all.current] === undefined)
    all.current = profile ? name : (Object.keys(all.profiles)[0] ?? "default");
  writeProfiles(env, all);
}

export interface Settings {
  profileName: string;
  profile: Profile | undefined;
  endpoint: string;
  token: string | undefined;
  /** As given (slug, name or id) on the command line or by the environment, or the profile's id. */
  organisation: string | undefined;
  project: string | undefined;
}

/** Command line before environment before profile. */
export function settings(
  env: Environment,
  options: {
    profile?: string | undefined;
    endpoint?: string | undefined;
    organisation?: string | undefined;
    project?: string | undefined;
  } = {},
): Settings {
  const all = readProfiles(env);
  const asked = options.profile ?? env["KHMARA_PROFILE"];
  const profileName = asked || all.current;
  const profile = all.profiles[profileName];
  const endpoint = options.endpoint ?? env["KHMARA_ENDPOINT"] ?? profile?.endpoint ?? defaultEndpoint;
  // A profile's token is for its own cloud: it is never sent to another one.
  const own = profile !== undefined && profile.endpoint === normalEndpoint(endpoint);
  const organisation = options.organisation ?? env["KHMARA_ORGANISATION"];
  return {
    profileName,
    profile,
    endpoint: normalEndpoint(endpoint),
    token: env["KHMARA_TOKEN"] || (own ? profile.token : undefined),
    organisation: organisation || (own ? profile.organisation?.id : undefined),
    // The profile's project lies in the profile's organisation: with another one it would be wrong.
    project: options.project ?? (env["KHMARA_PROJECT"] || (own && !organisation ? profile.project?.id : undefined)),
  };
}

/** `localhost:8080` → `http://localhost:8080`. */
export function normalEndpoint(text: string): string {
  const withScheme = /^https?:\/\//.test(text) ? text : `${/^(localhost|127\.|\[::1\])/.test(text) ? "http" : "https"}://${text}`;
  try {
    const url = new URL(withScheme);
    return `${url.protocol}//${url.host}${url.pathname.replace(/\/+$/, "").replace(/\/api$/, "")}`;
  } catch {
    throw new UsageError(`"${text}" is no address of a cloud.`, `Give one like ${defaultEndpoint} or https://cloud.example.org.`);
  }
}
