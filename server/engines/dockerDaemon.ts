/** Docker on a machine without systemd: a daemon of its own that outlives Khmara, as the containers that it runs do. */
import { existsSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { makeFolder } from "../durable-file.ts";
import { commandName, isAlive } from "../processes.ts";
import { errorCode, StartError } from "../start-error.ts";
import { askDocker, EngineAnswer } from "./ask.ts";
import { alone, detach, keepRunning, untilReady } from "./detached.ts";

export const dockerSocket = "/var/run/docker.sock";
export const dockerProgram = "/usr/sbin/dockerd";

export interface DockerDaemonOptions {
  logFile: string;
  signal?: AbortSignal;
  timeoutMs?: number;
  /** Absent: where Docker has everything itself, and its own socket. */
  place?: DockerPlace;
  /** Of its command line, besides. */
  words?: readonly string[];
}

/** A daemon apart from the one of this machine. */
export interface DockerPlace {
  /** Short: the path of a socket in it holds 107 bytes at most. */
  folder: string;
  /** The file of a network namespace (`/run/netns/NAME`), so that the firewall rules of this one are not the host's. */
  network?: string;
  /** Where its networks get their addresses from, 256 for each; absent: Docker's own choice. */
  addresses?: string;
}

export const dockerSocketIn = (place: DockerPlace | undefined): string =>
  place === undefined ? dockerSocket : join(place.folder, "docker.sock");

export const pidFileIn = (place: DockerPlace | undefined): string =>
  place === undefined ? "/var/run/docker.pid" : join(place.folder, "docker.pid");

const execFolderIn = (place: DockerPlace | undefined): string =>
  place === undefined ? "/var/run/docker" : join(place.folder, "exec");

/** Starts it and waits until it answers. Whoever runs already is taken. Returns the path of its socket. */
export async function startDocker(options: DockerDaemonOptions): Promise<string> {
  const { place, logFile, signal, timeoutMs = 60_000, words: besides = [] } = options;
  const socket = dockerSocketIn(place);
  if (await dockerAnswers(socket)) return socket;
  if (!existsSync(dockerProgram)) throw new StartError("Docker is not installed.");
  const title = "Docker";
  const deadline = Date.now() + timeoutMs;
  makeFolder(place?.folder ?? dirname(socket), 0o711);
  const file = join(place?.folder ?? dirname(socket), "khmara-docker.lock");
  return alone({ file, title, deadline, signal }, async () => {
    if (await dockerAnswers(socket)) return socket;
    forgetDead(pidFileIn(place), "dockerd");
    forgetDead(join(execFolderIn(place), "containerd", "containerd.pid"), "containerd");
    // Not the settings of the one of this machine.
    if (place !== undefined) writeFileSync(configIn(place), `${JSON.stringify(settingsOf(place))}\n`);
    // Its own socket is named as soon as another one is.
    const own = besides.length > 0 ? ["--host", `unix://${socket}`] : [];
    const words = [...(place === undefined ? own : wordsOf(place, socket)), ...besides];
    const [program, ...more] =
      place?.network === undefined ? [dockerProgram] : ["nsenter", `--net=${place.network}`, dockerProgram];
    // As in its unit file: many containers mean many open files.
    const ended = detach(
      "/bin/sh",
      ["-c", 'ulimit -n 1048576 2>/dev/null || ulimit -n "$(ulimit -Hn)"; exec "$@"', "sh", program as string, ...more, ...words],
      logFile,
      {},
    );
    await untilReady({
      title,
      ended,
      ready: () => answersNow(socket),
      lastWords: () => lastWords(logFile),
      logFile,
      deadline,
      signal,
    });
    return socket;
  });
}

const settingsOf = ({ addresses }: DockerPlace): object =>
  addresses === undefined ? {} : { "default-address-pools": [{ base: addresses, size: 24 }] };

const configIn = ({ folder }: DockerPlace): string => join(folder, "daemon.json");

const wordsOf = (place: DockerPlace, socket: string): string[] => [
  "--config-file",
  configIn(place),
  "--data-root",
  join(place.folder, "data"),
  "--exec-root",
  execFolderIn(place),
  "--pidfile",
  pidFileIn(place),
  "--host",
  `unix://${socket}`,
];

/** A daemon that was killed left its number, which may be a zombie's by now, or anybody's; the next one would think that it still runs. */
function forgetDead(pidFile: string, name: string): void {
  if (!existsSync(pidFile)) return;
  const pid = Number(readFileSync(pidFile, "utf8").trim());
  if (!(pid > 1 && isAlive(pid) && commandName(pid) === name)) rmSync(pidFile, { force: true });
}

/** Starts it again when it ends, until the signal says that nobody looks any more. */
export function keepDocker(logFile: string, signal: AbortSignal, problem: (line: string) => void): void {
  const start = () => startDocker({ logFile, signal });
  keepRunning({ title: "Docker", answers: () => dockerAnswers(dockerSocket), start }, signal, problem);
}

/** Whether anybody listens there, however slowly: a second daemon beside one that hangs would make things worse. */
export async function dockerAnswers(socket: string, timeoutMs = 5_000): Promise<boolean> {
  try {
    await askDocker({ endpoint: socket }, "/version", { timeoutMs });
    return true;
  } catch (error) {
    return error instanceof EngineAnswer || !["ENOENT", "ECONNREFUSED", "ECONNRESET", "EPIPE"].includes(errorCode(error) ?? "");
  }
}

async function answersNow(socket: string): Promise<boolean> {
  try {
    await askDocker({ endpoint: socket }, "/version", { timeoutMs: 5_000 });
    return true;
  } catch {
    return false;
  }
}

function lastWords(logFile: string): string | undefined {
  const line = readFileSync(logFile, "utf8")
    .trim()
    .split("\n")
    .findLast((each) => /level=(error|fatal)|^failed to |^unable to /.test(each));
  return line === undefined ? undefined : (/(?:error|msg)="((?:[^"\\]|\\.)*)"/.exec(line)?.[1] ?? line);
}
