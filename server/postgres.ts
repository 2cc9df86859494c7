import { type ChildProcess, spawn } from "node:child_process";
import { chmodSync, chownSync, existsSync, mkdtempSync, readdirSync, readFileSync, renameSync, rmSync, statSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { createInterface } from "node:readline";
import { socketUrl } from "../kernel/config.ts";
import { makeFolder, syncFolder, writeDurable } from "./durable-file.ts";
import { type PostgresBinaries, postgresBinaries } from "./postgres-binaries.ts";
import {
  customFile,
  databaseMajor,
  databaseName,
  databasePort,
  databaseRole,
  firstStatements,
  newPassword,
  passwordStatement,
  postgresAccess,
  postgresConfiguration,
} from "./postgres-settings.ts";
import { processesIn, signal, waitForEnd } from "./processes.ts";
import { StartError } from "./start-error.ts";
import { canReach, databaseUser, type SystemUser } from "./system-user.ts";

export interface PostgresOptions {
  /** PostgreSQL's data folder. Its parent exists and belongs to us. */
  folder: string;
  /** Made when it is not there. */
  passwordFile: string;
  /** Where the programs are copied to when they cannot be used from node_modules. */
  cacheFolder: string;
  /** False only for data that is thrown away. */
  durable?: boolean;
  maxConnections?: number;
  /** Of an earlier start, so that clients find the restarted server where they found the first. */
  socketFolder?: string;
  onLog?: (line: string) => void;
  onStep?: (message: string) => void;
}

export interface PostgresServer {
  pid: number;
  socketFolder: string;
  /** The URL of one of its databases. */
  url(database?: string): string;
  /** Resolves when the server has ended, for whatever reason. */
  ended: Promise<{ code: number | null; signal: NodeJS.Signals | null }>;
  /** Ends all sessions, writes everything out and stops. */
  stop(): Promise<void>;
}

/** Makes the data folder on the first start, cleans up after an unclean end, and starts the server on a Unix socket. */
export async function startPostgres(options: PostgresOptions): Promise<PostgresServer> {
  const user = databaseUser();
  const binaries = postgresBinaries({ user, cacheFolder: options.cacheFolder });
  const cluster: Cluster = { options, user, binaries };
  let password = readPassword(options.passwordFile);
  if (!existsSync(options.folder)) {
    options.onStep?.("Making the database");
    password ??= makePassword(options.passwordFile);
    await makeCluster(cluster, password);
  } else {
    checkMajor(options.folder);
    await stopLeftBehind(options.folder);
    await takeOwnership(cluster);
    if (password === undefined) {
      password = makePassword(options.passwordFile);
      await runSingle(cluster, options.folder, "postgres", [passwordStatement(password)]);
    }
  }
  const socketFolder = options.socketFolder ?? makeSocketFolder(options.folder, user);
  // A temporary one goes with the PostgreSQL before; the address, which the children know, stays.
  if (!existsSync(socketFolder)) {
    makeFolder(socketFolder, 0o700);
    ownSocketFolder(socketFolder, user);
  }
  const configuration = postgresConfiguration({
    socketFolder,
    durable: options.durable ?? true,
    maxConnections: options.maxConnections ?? 60,
    custom: existsSync(join(options.folder, customFile)),
  });
  const file = { mode: 0o600, owner: user };
  writeDurable(join(options.folder, "postgresql.conf"), configuration, file);
  writeDurable(join(options.folder, "pg_hba.conf"), postgresAccess, file);
  return run(cluster, socketFolder, password);
}

interface Cluster {
  options: PostgresOptions;
  user: SystemUser | undefined;
  binaries: PostgresBinaries;
}

/**
 * How PostgreSQL is told its data folder. It stands in that folder from the start (we enter it before giving up root), so
 * that a folder below a closed one (/root, a 0700 temporary folder) works too: through /proc, nothing above is walked.
 */
const dataArgument = (user: SystemUser | undefined, folder: string): string =>
  canReach(user, folder) ? folder : "/proc/self/cwd";

function spawnProgram(
  cluster: Cluster,
  program: string,
  words: string[],
  folder: string,
  stdin: "ignore" | "pipe",
): ChildProcess {
  const { user } = cluster;
  return spawn(program, words, {
    cwd: folder,
    // A session of its own: Ctrl-C in the terminal is for the supervisor, which ends PostgreSQL last.
    detached: true,
    env: { PATH: process.env["PATH"] ?? "/usr/bin:/bin", LC_ALL: "C", TZ: "UTC" },
    stdio: [stdin, "pipe", "pipe"],
    ...(user === undefined ? {} : { uid: user.uid, gid: user.gid }),
  });
}

/** Runs a program to its end; its output is returned, or told in the error. */
function runToEnd(child: ChildProcess, what: string): Promise<string> {
  return new Promise((resolve, reject) => {
    let output = "";
    const take = (chunk: Buffer) => {
      output += chunk.toString();
    };
    child.stdout?.on("data", take);
    child.stderr?.on("data", take);
    child.on("error", (cause) => reject(startFailure(what, cause.message, cause)));
    child.on("close", (code, signalName) => {
      if (code === 0) resolve(output);
      // The last problem may be only a consequence: PostgreSQL that cannot write panics in several ways.
      else if (isDiskFull(output)) reject(startFailure(what, "no space left on device"));
      else reject(startFailure(what, lastProblem(output.split("\n")) ?? `it ended with ${code ?? signalName}`));
    });
  });
}

const isDiskFull = (text: string): boolean => /no space left on device/i.test(text);

const startFailure = (what: string, problem: string, cause?: unknown): StartError =>
  new StartError(
    isDiskFull(problem)
      ? `The disk is full: ${what}. Free some space, then start again.`
      : `${what}: ${problem.replace(/\.$/, "")}.`,
    { cause },
  );

const lastProblem = (lines: string[]): string | undefined =>
  lines
    .map((line) => /(?:FATAL|PANIC|ERROR|error|fatal):\s+(.*)/.exec(line)?.[1])
    .filter((line) => line !== undefined)
    .at(-1);

function readPassword(file: string): string | undefined {
  if (!existsSync(file)) return undefined;
  return readFileSync(file, "utf8").trim() || undefined;
}

function makePassword(file: string): string {
  const password = newPassword();
  makeFolder(dirname(file), 0o700);
  writeDurable(file, `${password}\n`, { mode: 0o600 });
  return password;
}

/** Made aside and renamed: a data folder is whole or not there, even when the making was killed. */
async function makeCluster(cluster: Cluster, password: string): Promise<void> {
  const { folder, durable } = cluster.options;
  const parent = dirname(folder);
  for (const name of readdirSync(parent)) {
    if (name.startsWith(`${basename(folder)}.new-`)) await removeAside(join(parent, name));
  }
  const aside = mkdtempSync(`${folder}.new-`);
  try {
    if (cluster.user !== undefined) chownSync(aside, cluster.user.uid, cluster.user.gid);
    const words = [
      "--username=postgres",
      "--encoding=UTF8",
      "--locale-provider=builtin",
      "--builtin-locale=C.UTF-8",
      "--locale=C",
    ];
    words.push("--data-checksums", "--auth=reject", "--no-instructions", "--set=shared_buffers=16MB", "--set=max_connections=20");
    words.push(`--pgdata=${dataArgument(cluster.user, aside)}`);
    if (durable === false) words.push("--no-sync");
    await runToEnd(spawnProgram(cluster, cluster.binaries.initdb, words, aside, "ignore"), "The database could not be made");
    await runSingle(cluster, aside, "postgres", firstStatements(password));
    renameSync(aside, folder);
    syncFolder(parent);
  } catch (error) {
    await removeAside(aside);
    throw error;
  }
}

async function removeAside(folder: string): Promise<void> {
  const pids = processesIn(folder);
  for (const pid of pids) signal(pid, "SIGKILL");
  await waitForEnd(pids, 5_000);
  rmSync(folder, { recursive: true, force: true, maxRetries: 5 });
}

/** Statements as the superuser while no server runs: the only way in that needs no password. */
async function runSingle(cluster: Cluster, folder: string, database: string, statements: string[]): Promise<void> {
  const words = [
    "--single",
    "-D",
    dataArgument(cluster.user, folder),
    "-c",
    "log_checkpoints=off",
    "-c",
    "exit_on_error=on",
    database,
  ];
  const single = spawnProgram(cluster, cluster.binaries.postgres, words, folder, "pipe");
  single.stdin?.on("error", () => {});
  single.stdin?.end(`${statements.join("\n")}\n`);
  await runToEnd(single, "The database could not be prepared");
}

function checkMajor(folder: string): void {
  const file = join(folder, "PG_VERSION");
  if (!existsSync(file)) {
    throw new StartError(
      `${folder} is not the data folder of a PostgreSQL (it has no PG_VERSION). Restore it from a backup, or move it away.`,
    );
  }
  const major = readFileSync(file, "utf8").trim();
  if (major !== databaseMajor) {
    throw new StartError(
      `${folder} was written by PostgreSQL ${major}, and this Khmara brings PostgreSQL ${databaseMajor}. ` +
        `Start the Khmara that wrote it, dump it and restore the dump here, or set KHMARA_DATABASE_URL.`,
    );
  }
}

/**
 * A supervisor that was killed with -9 leaves its PostgreSQL running. What runs is told by the processes that stand in the
 * folder, and not by postmaster.pid alone: its number may be another process's by now.
 */
async function stopLeftBehind(folder: string): Promise<void> {
  const file = join(folder, "postmaster.pid");
  if (!existsSync(file)) return;
  const lines = readFileSync(file, "utf8").split("\n");
  const postmaster = Number(lines[0]);
  if (processesIn(folder).includes(postmaster)) {
    signal(postmaster, "SIGINT");
    if (!(await waitForEnd([postmaster], 20_000))) {
      signal(postmaster, "SIGQUIT");
      if (!(await waitForEnd([postmaster], 5_000))) signal(postmaster, "SIGKILL");
    }
  }
  const rest = processesIn(folder);
  if (!(await waitForEnd(rest, 3_000))) {
    for (const pid of rest) signal(pid, "SIGKILL");
    await waitForEnd(rest, 5_000);
  }
  const socketFolder = lines[4]?.trim();
  if (socketFolder !== undefined && isTemporary(socketFolder)) rmSync(socketFolder, { recursive: true, force: true });
  // PostgreSQL itself removes stale files, unless their pid exists: as someone else, or as a zombie that init has not reaped.
  if (!existsSync(`/proc/${postmaster}`)) return;
  if (socketFolder) rmSync(join(socketFolder, `.s.PGSQL.${databasePort}.lock`), { force: true });
  rmSync(file, { force: true });
}

/** A folder that came from another machine, or from a start as another user, still bears its old owner's number. */
async function takeOwnership(cluster: Cluster): Promise<void> {
  const { folder } = cluster.options;
  const { uid } = statSync(folder);
  const wanted = cluster.user?.uid ?? process.getuid?.();
  if (uid === wanted) return;
  if (cluster.user === undefined) {
    throw new StartError(
      `${folder} belongs to another user (number ${uid}). Start Khmara as the user who started it before, or as root.`,
    );
  }
  const words = ["-R", "-h", `${cluster.user.uid}:${cluster.user.gid}`, folder];
  await runToEnd(spawn("chown", words, { stdio: ["ignore", "pipe", "pipe"] }), `The owner of ${folder} could not be changed`);
}

/** The address of a Unix socket holds 107 bytes; the name in the folder is `.s.PGSQL.5432`, and its lock ends in `.lock`. */
const longestSocketFolder = 107 - "/.s.PGSQL.5432".length;
const temporaryPrefix = "khmara-pg-";
const isTemporary = (folder: string): boolean => basename(folder).startsWith(temporaryPrefix);

function ownSocketFolder(folder: string, user: SystemUser | undefined): string {
  chmodSync(folder, 0o700);
  if (user !== undefined) chownSync(folder, user.uid, user.gid);
  return folder;
}

/** Beside the data, or in a short place when that path is too long or closed to PostgreSQL's user. Only that user enters. */
function makeSocketFolder(dataFolder: string, user: SystemUser | undefined): string {
  const beside = join(dirname(dataFolder), "run");
  const own = (folder: string): string => ownSocketFolder(folder, user);
  if (Buffer.byteLength(beside) <= longestSocketFolder && canReach(user, dirname(beside))) {
    makeFolder(beside, 0o700);
    return own(beside);
  }
  const places = [process.env["RUNTIME_DIRECTORY"], user === undefined ? process.env["XDG_RUNTIME_DIR"] : "/run", "/tmp"];
  for (const place of places) {
    if (
      place === undefined ||
      Buffer.byteLength(place) > longestSocketFolder - temporaryPrefix.length - 7 ||
      !canReach(user, place)
    )
      continue;
    try {
      return own(mkdtempSync(join(place, temporaryPrefix)));
    } catch {
      // Not writable: the next one.
    }
  }
  throw new StartError(
    `No place for PostgreSQL's socket: ${beside} is too long or closed, and neither /run nor /tmp is writable.`,
  );
}

const readyLine = /database system is ready to accept connections/;

function run(cluster: Cluster, socketFolder: string, password: string): Promise<PostgresServer> {
  const { folder, onLog } = cluster.options;
  const child = spawnProgram(cluster, cluster.binaries.postgres, ["-D", dataArgument(cluster.user, folder)], folder, "ignore");
  const recent: string[] = [];
  return new Promise((resolve, reject) => {
    const ended = new Promise<{ code: number | null; signal: NodeJS.Signals | null }>((end) => {
      child.on("error", (cause) => reject(startFailure("PostgreSQL could not be started", cause.message, cause)));
      child.on("close", (code, signalName) => {
        end({ code, signal: signalName });
        if (isTemporary(socketFolder) && code === 0) rmSync(socketFolder, { recursive: true, force: true });
        reject(startFailure("PostgreSQL could not be started", lastProblem(recent) ?? `it ended with ${code ?? signalName}`));
      });
    });
    const take = (line: string) => {
      recent.push(line);
      if (recent.length > 50) recent.shift();
      onLog?.(line);
      if (readyLine.test(line)) resolve(server);
    };
    if (child.stdout !== null) createInterface({ input: child.stdout }).on("line", take);
    if (child.stderr !== null) createInterface({ input: child.stderr }).on("line", take);
    const pid = child.pid ?? 0;
    const server: PostgresServer = {
      pid,
      socketFolder,
      ended,
      url: (database = databaseName) =>
        socketUrl({ folder: socketFolder, port: databasePort, user: databaseRole, password, database }),
      async stop() {
        signal(pid, "SIGINT");
        const late = setTimeout(() => signal(pid, "SIGQUIT"), 60_000);
        await ended;
        clearTimeout(late);
      },
    };
  });
}
