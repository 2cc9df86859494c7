/** The bare repository of an app: git itself does all of it, as a program, with no configuration but ours. */
import { type ChildProcessByStdio, execFile, spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { mkdir, readdir, rm } from "node:fs/promises";
import { join } from "node:path";
import { PassThrough, type Readable, type Writable } from "node:stream";
import { promisify } from "node:util";
import { CloudError } from "../../../kernel/errors.ts";
import { sweepUnpacking, unpackArchive } from "../source/unpack.ts";

const run = promisify(execFile);
const commandMs = 60_000;
/** What one push may bring, packed. */
const maximumPushBytes = 1024 ** 3;

export const repositoriesFolder = (dataDirectory: string): string => join(dataDirectory, "apps", "git");
export const repositoryFolder = (dataDirectory: string, appId: string): string =>
  join(repositoriesFolder(dataDirectory), `${appId}.git`);

/** Of folders with the files of a commit, on their way to a deployment. */
export const treeEnding = ".tree";

/** Takes away what pushes left whose process was killed. */
export async function sweepTrees(dataDirectory: string): Promise<void> {
  const folder = repositoriesFolder(dataDirectory);
  await mkdir(folder, { recursive: true, mode: 0o700 });
  await sweepUnpacking(folder);
  for (const name of await readdir(folder))
    if (name.endsWith(treeEnding)) await rm(join(folder, name), { recursive: true, force: true });
}

/** Branches that are deployed: the first of them that the repository has. */
export const deployedBranches = ["main", "master"] as const;

const environment = (more: Record<string, string> = {}): NodeJS.ProcessEnv => ({
  PATH: process.env["PATH"],
  HOME: "/nonexistent",
  LC_ALL: "C.UTF-8",
  GIT_CONFIG_NOSYSTEM: "1",
  GIT_CONFIG_GLOBAL: "/dev/null",
  GIT_TERMINAL_PROMPT: "0",
  ...more,
});

/** githooks and settings are ours alone: nothing that is pushed changes them. */
const settings = {
  // What was acknowledged is on the disk (git-config, core.fsync).
  "core.fsync": "all",
  "core.fsyncMethod": "fsync",
  "core.hooksPath": "/dev/null",
  "transfer.fsckObjects": "true",
  "receive.maxInputSize": String(maximumPushBytes),
  "receive.advertisePushOptions": "false",
  "gc.auto": "500",
  "gc.autoDetach": "false",
};

const words = Object.entries(settings).flatMap(([name, value]) => ["-c", `${name}=${value}`]);

/** Makes it when it is not there; harmless to repeat. failed_precondition without git. */
export async function ensureRepository(folder: string): Promise<void> {
  if (existsSync(join(folder, "HEAD"))) return;
  await mkdir(folder, { recursive: true, mode: 0o700 });
  await git(["init", "--quiet", "--bare", "--initial-branch=main", folder]);
}

export const removeRepository = (dataDirectory: string, appId: string): Promise<void> =>
  rm(repositoryFolder(dataDirectory, appId), { recursive: true, force: true });

/** Where a branch is; undefined when there is none. */
export async function branchHead(folder: string, branch: string): Promise<string | undefined> {
  try {
    return (await git(["--git-dir", folder, "rev-parse", "--verify", "--quiet", `refs/heads/${branch}^{commit}`])).trim();
  } catch (error) {
    if (CloudError.is(error, "failed_precondition")) throw error;
    return undefined;
  }
}

/** The first line of what its author wrote. */
export const commitSubject = async (folder: string, commit: string): Promise<string> =>
  (await git(["--git-dir", folder, "log", "-1", "--format=%s", commit])).trim().slice(0, 200);

/** The files of a commit in a new folder, judged as those of any archive are. Submodules are empty folders in it. */
export async function checkOut(folder: string, commit: string, target: string, signal: AbortSignal): Promise<void> {
  const child = spawn("git", ["--git-dir", folder, "archive", "--format=tar", commit], {
    stdio: ["ignore", "pipe", "pipe"],
    env: environment(),
    signal,
  });
  // At the end of a process Node throws away what nobody has begun to read.
  const files = child.stdout.pipe(new PassThrough());
  let said = "";
  child.stderr.on("data", (bytes: Buffer) => {
    said = `${said}${bytes}`.slice(-2000);
  });
  const ended = new Promise<number | null>((resolve, reject) => {
    child.on("error", reject);
    child.on("close", resolve);
  });
  ended.catch(() => {});
  try {
    // A repository's own top folder is no wrapping of an archive.
    await unpackArchive(files, { folder: target, keepTopFolder: true, signal });
    const code = await ended;
    if (code !== 0) throw new Error(`git archive: ${said || `exit code ${code}`}`);
  } finally {
    child.kill("SIGKILL");
  }
}

export type GitService = "git-receive-pack" | "git-upload-pack";

/**
 * git's own part of a transfer. Over HTTP (gitprotocol-http(5)) it is in two halves: `advertise` answers what there is, `answer` does the
 * rest; over other transports they are one conversation (`all`).
 */
export function serveGit(
  folder: string,
  service: GitService,
  { part, protocol, signal }: { part: "advertise" | "answer" | "all"; protocol: string | undefined; signal: AbortSignal },
): ChildProcessByStdio<Writable, Readable, Readable> {
  const command = service.slice("git-".length);
  const how = { advertise: ["--stateless-rpc", "--advertise-refs"], answer: ["--stateless-rpc"], all: [] }[part];
  return spawn("git", [...words, command, ...how, folder], {
    stdio: ["pipe", "pipe", "pipe"],
    env: environment(protocol === undefined ? {} : { GIT_PROTOCOL: protocol }),
    signal,
  });
}

async function git(parameters: string[]): Promise<string> {
  try {
    return (await run("git", parameters, { env: environment(), timeout: commandMs, maxBuffer: 1024 ** 2 })).stdout;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") throw gitMissing(error);
    throw error;
  }
}

/** Resolves when it ended well; otherwise says what it said last. */
export function endOf(child: ChildProcessByStdio<Writable, Readable, Readable>): Promise<void> {
  let said = "";
  child.stderr.on("data", (bytes: Buffer) => {
    said = `${said}${bytes}`.slice(-2000);
  });
  const ended = new Promise<void>((resolve, reject) => {
    child.on("error", (error: NodeJS.ErrnoException) => reject(error.code === "ENOENT" ? gitMissing(error) : error));
    child.on("close", (code) => (code === 0 ? resolve() : reject(new Error(`git: ${said.trim() || `exit code ${code}`}`))));
  });
  ended.catch(() => {});
  return ended;
}

export const gitMissing = (cause: unknown): CloudError =>
  new CloudError("failed_precondition", "git is missing on the server. Its operator adds it with: apt-get install git", {
    cause,
    details: { reason: "git_missing" },
  });
