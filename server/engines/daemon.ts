/**
 * An engine on a machine without systemd: a process of its own that outlives Khmara. It is never our child in the sense that it ends with
 * us, as servers run on while Khmara restarts.
 */
import { spawnSync } from "node:child_process";
import { existsSync, mkdirSync, readFileSync, rmSync } from "node:fs";
import { dirname, join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { makeFolder } from "../durable-file.ts";
import { errorCode, StartError } from "../start-error.ts";
import { askEngine, EngineAnswer } from "./ask.ts";
import { alone, detach, keepRunning, untilReady } from "./detached.ts";
import { type EngineKind, engineKinds, folderOf, programOf, socketIn } from "./kinds.ts";

export interface DaemonOptions {
  kind: EngineKind;
  /** Absent: the usual one. */
  folder?: string;
  logFile: string;
  signal?: AbortSignal;
  timeoutMs?: number;
}

/** Starts the daemon and waits until it answers. Whoever runs already is taken. Returns the path of its socket. */
export async function startDaemon(options: DaemonOptions): Promise<string> {
  const { kind } = options;
  const { title } = engineKinds[kind];
  const folder = options.folder ?? folderOf(kind);
  const socket = socketIn(folder);
  if (await answers(socket)) return socket;
  const program = programOf(kind);
  if (program === undefined) throw new StartError(`${title} is not installed.`);
  const deadline = Date.now() + (options.timeoutMs ?? 60_000);
  makeFolder(dirname(folder));
  // The daemon sets the mode of what exists itself.
  if (!existsSync(folder)) mkdirSync(folder, { mode: 0o711 });
  return alone({ file: join(folder, "start.lock"), title, deadline, signal: options.signal }, async () =>
    (await answers(socket)) ? socket : await launch(options, { program, folder, socket, deadline }),
  );
}

async function launch(
  { kind, logFile, signal }: DaemonOptions,
  { program, folder, socket, deadline }: { program: string; folder: string; socket: string; deadline: number },
): Promise<string> {
  const { title, group, prepare, folderVariable } = engineKinds[kind];
  if (existsSync(prepare)) spawnSync(prepare, { stdio: "ignore", timeout: 30_000 });
  await startLxcfs(logFile);
  const ended = detach(
    "/bin/sh",
    // As in its unit file: many instances mean many open files.
    [
      "-c",
      'ulimit -n 1048576 2>/dev/null || ulimit -n "$(ulimit -Hn)"; exec "$@"',
      "sh",
      program,
      ...(hasGroup(group) ? ["--group", group] : []),
    ],
    logFile,
    // Exports ask for the name of every file's owner; nss-systemd aborts the whole daemon when another thread closes what it opens then.
    { [folderVariable]: folder, SYSTEMD_BYPASS_USERDB: "1" },
  );
  await untilReady({
    title,
    ended,
    ready: () => ready(socket),
    lastWords: () => lastLine(logFile),
    logFile,
    deadline,
    signal,
  });
  return socket;
}

/**
 * Whether anybody listens there, however slowly: a second daemon beside one that hangs would make things worse. One that is being killed
 * still takes connections for a moment, and breaks them.
 */
export async function answers(socket: string, timeoutMs = 5_000): Promise<boolean> {
  try {
    await askEngine({ endpoint: socket }, "GET", "/1.0", { timeoutMs });
    return true;
  } catch (error) {
    return error instanceof EngineAnswer || !["ENOENT", "ECONNREFUSED", "ECONNRESET", "EPIPE"].includes(errorCode(error) ?? "");
  }
}

/** Starts it again when it ends, until the signal says that nobody looks any more; the daemon itself goes on then. */
export function keepDaemon(
  { kind, socket, logFile }: { kind: EngineKind; socket: string; logFile: string },
  signal: AbortSignal,
  problem: (line: string) => void,
): void {
  const look = async () => {
    await startLxcfs(logFile);
    return answers(socket);
  };
  const start = () => startDaemon({ kind, logFile, signal });
  keepRunning({ title: engineKinds[kind].title, answers: look, start }, signal, problem);
}

/** It listens before it has looked after its networks, pools and instances; then it says so. */
async function ready(socket: string): Promise<boolean> {
  try {
    await askEngine({ endpoint: socket }, "GET", "/internal/ready", { timeoutMs: 5_000 });
    return true;
  } catch (error) {
    return error instanceof EngineAnswer && error.status === 404;
  }
}

const lxcfsPlace = "/var/lib/lxcfs";

/**
 * Shows each instance its own limits in /proc. The engines do without, so a failure is no failure; an instance that starts before it is
 * there would see the host's until its next start, so it is waited for. One that died leaves a mount that answers nothing.
 */
export async function startLxcfs(logFile: string): Promise<void> {
  const program = "/usr/bin/lxcfs";
  if (!existsSync(program) || existsSync(join(lxcfsPlace, "proc"))) return;
  if (readFileSync("/proc/self/mounts", "utf8").includes(` ${lxcfsPlace} `))
    spawnSync("umount", ["-l", lxcfsPlace], { stdio: "ignore", timeout: 10_000 });
  makeFolder(lxcfsPlace);
  const ended = detach(program, [lxcfsPlace], `${logFile.replace(/\.log$/, "")}-lxcfs.log`, {});
  for (let round = 0; round < 100 && !existsSync(join(lxcfsPlace, "proc")); round++)
    if ((await Promise.race([ended, sleep(50, undefined)])) !== undefined) return;
}

const hasGroup = (name: string): boolean =>
  readFileSync("/etc/group", "utf8")
    .split("\n")
    .some((line) => line.startsWith(`${name}:`));

function lastLine(logFile: string): string | undefined {
  const line = readFileSync(logFile, "utf8")
    .trim()
    .split("\n")
    .findLast((each) => /level=(error|fatal)|^Error: /.test(each));
  return line === undefined ? undefined : (/(?:err|msg)="((?:[^"\\]|\\.)*)"/.exec(line)?.[1] ?? line.replace(/^Error: /, ""));
}

/** Ends a daemon together with its instances, and takes its folder away: for one that was only lent, such as that of the tests. */
export async function removeDaemon(kind: EngineKind, folder: string): Promise<void> {
  const { folderVariable } = engineKinds[kind];
  const program = programOf(kind);
  if (program !== undefined)
    spawnSync(program, ["shutdown", "--timeout=60"], { env: { ...process.env, [folderVariable]: folder }, stdio: "ignore" });
  const mounts = readFileSync("/proc/self/mounts", "utf8")
    .split("\n")
    .map((line) => line.split(" ")[1] ?? "")
    .filter((place) => place.startsWith(`${folder}/`));
  for (const place of mounts.reverse()) spawnSync("umount", ["-l", place], { stdio: "ignore" });
  rmSync(folder, { recursive: true, force: true });
}
