/**
 * HAProxy as a process of its own: a master that holds the sockets, and a worker that a reload replaces. It is no child that ends with
 * us; whoever comes next finds it by its socket.
 */
import { spawn, spawnSync } from "node:child_process";
import { closeSync, existsSync, openSync, readFileSync, writeFileSync, writeSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import { CloudError } from "../../kernel/errors.ts";
import { logLimitBytes } from "../log/space.ts";
import { filesIn } from "./render.ts";
import type { RuntimeApi } from "./runtime.ts";

export const haproxyProgram = "/usr/sbin/haproxy";
const localPeer = "khmara";
const startMs = 60_000;
const execMs = 5000;

/** The user of its package, where we may become somebody else. */
export function proxyUser(): { user: string; group: string } | undefined {
  if (process.getuid?.() !== 0) return undefined;
  const has = (file: string, name: string) =>
    readFileSync(file, "utf8")
      .split("\n")
      .some((line) => line.startsWith(`${name}:`));
  if (has("/etc/passwd", "haproxy") && has("/etc/group", "haproxy")) return { user: "haproxy", group: "haproxy" };
  return { user: "nobody", group: has("/etc/group", "nogroup") ? "nogroup" : "nobody" };
}

/** invalid_argument with HAProxy's own words as the cause when it would not take the file. */
export function checkConfig(config: string): void {
  const { status, stderr, error } = spawnSync(haproxyProgram, ["-c", "-L", localPeer, "-f", config], {
    encoding: "utf8",
    timeout: startMs,
    maxBuffer: 2 ** 20,
  });
  if (error !== undefined) throw startProblem(error);
  if (status !== 0)
    throw new CloudError("invalid_argument", "The gateway cannot do this: HAProxy refuses its configuration.", {
      cause: new Error(alerts(stderr)),
      details: { reason: "gateway_configuration" },
    });
}

const startProblem = (error: Error): CloudError =>
  (error as NodeJS.ErrnoException).code === "ENOENT"
    ? new CloudError("failed_precondition", "HAProxy is missing. Install the package haproxy.", { cause: error })
    : new CloudError("unavailable", "HAProxy could not be started.", { cause: error });

export const alerts = (text: string): string =>
  text
    .split("\n")
    .filter((line) => line.startsWith("[ALERT]"))
    .join("\n")
    .slice(0, 4000);

/** Starts a master on the folder's configuration, which must be good, and waits until a worker serves. */
export async function startProxy(folder: string, api: RuntimeApi, hash: string): Promise<void> {
  const files = filesIn(folder);
  const requests = openSync(files.requestLog, "a", 0o600);
  // HAProxy takes O_APPEND away from it (F_SETFL), and would begin at the beginning: so it is moved to the end, which a write does. An empty
  // line is no line, and ends one that was cut off.
  try {
    writeSync(requests, "\n");
  } catch {
    // A full disk: sites are served all the same.
  }
  const own = openSync(files.processLog, "w", 0o600);
  // A full log must cost lines, never the proxy: the signal of the limit is ignored, and writing fails instead. Many connections
  // mean many open files.
  const script = `trap '' XFSZ; ulimit -n 262144 2>/dev/null || ulimit -n "$(ulimit -Hn)"; exec prlimit --fsize=${logLimitBytes(folder)}: "$@"`;
  const words = [haproxyProgram, "-W", "-L", localPeer, "-f", files.config, "-S", `${files.masterSocket},mode,600`];
  const child = spawn("/bin/sh", ["-c", script, "sh", ...words], {
    cwd: "/",
    detached: true,
    stdio: ["ignore", requests, own],
    env: { PATH: "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", LANG: "C.UTF-8" },
  });
  closeSync(requests);
  closeSync(own);
  child.unref();
  const ended = new Promise<string>((resolve) => {
    child.on("error", (error) => resolve(error.message));
    child.on("exit", (code, signal) => resolve(`it ended with ${code ?? signal}`));
  });
  if (child.pid !== undefined) writeFileSync(files.pid, `${child.pid}\n`, { mode: 0o600 });
  const deadline = Date.now() + startMs;
  for (let pauseMs = 10; ; pauseMs = Math.min(pauseMs * 2, 200)) {
    const end = await Promise.race([ended, sleep(pauseMs, undefined)]);
    if (end === undefined && (await serves(api, hash))) return;
    if (end === undefined && Date.now() < deadline) continue;
    if (end === undefined && child.pid !== undefined) process.kill(child.pid, "SIGKILL");
    const log = existsSync(files.processLog) ? readFileSync(files.processLog, "utf8") : "";
    throw new CloudError("unavailable", `The gateway could not be started: ${reason(log) ?? end ?? "it does not answer"}.`, {
      cause: new Error(alerts(log)),
      details: { reason: "gateway_start" },
    });
  }
}

/** The usual reason, in words. */
function reason(log: string): string | undefined {
  const taken = /cannot bind socket \(([^)]+)\)[^[]*\[([^\]]+)\]/.exec(log);
  return taken === null ? undefined : `${taken[2]} cannot be listened on (${taken[1]})`;
}

/** Whether the worker of now has read that structure. */
export async function serves(api: RuntimeApi, hash: string): Promise<boolean> {
  const worker = (await api.workers().catch(() => undefined))?.workers.find(({ old }) => !old);
  return worker !== undefined && (await api.structure(worker)) === hash;
}

/**
 * A new worker takes over the listening sockets and the counts of rate limits; the old one ends what it has. Nothing has changed when
 * this fails, but for the files: the master goes on with the worker it has.
 */
export async function reloadProxy(folder: string, api: RuntimeApi, hash: string): Promise<void> {
  const before = await api.workers();
  const logFile = filesIn(folder).processLog;
  const logged = readFileSync(logFile, "utf8").length;
  await api.reload();
  const deadline = Date.now() + startMs;
  for (let pauseMs = 10; ; pauseMs = Math.min(pauseMs * 2, 200)) {
    await sleep(pauseMs);
    if (await serves(api, hash)) return;
    const now = await api.workers().catch(() => undefined);
    const failed = now !== undefined && now.failed > (before?.failed ?? 0);
    if (!failed && Date.now() < deadline) continue;
    const log = readFileSync(logFile, "utf8").slice(logged);
    throw new CloudError("unavailable", `The gateway could not be changed: ${reason(log) ?? "its new worker does not start"}.`, {
      cause: new Error(alerts(log)),
      details: { reason: "gateway_reload" },
    });
  }
}

/** The master of this folder, by the file that names it; undefined when there is none. */
export function masterPid(folder: string): number | undefined {
  const files = filesIn(folder);
  try {
    const pid = Number(readFileSync(files.pid, "utf8"));
    if (!Number.isInteger(pid) || pid < 2) return undefined;
    const deadline = Date.now() + execMs;
    for (;;) {
      const words = readFileSync(`/proc/${pid}/cmdline`, "utf8");
      if (words !== "") return words.split("\0").includes(files.config) ? pid : undefined;
      // A master that is reloaded becomes a new one of itself, and has no words for a moment. It must not be taken for gone.
      if (!alive(pid) || Date.now() > deadline) return undefined;
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 2);
    }
  } catch {
    return undefined;
  }
}

/** Ends it with all its workers: at once, or when they have ended what they have, at most after so long. */
export async function stopProxy(folder: string, api: RuntimeApi, graceMs: number): Promise<void> {
  const workers = await api.workers().catch(() => undefined);
  const master = workers?.master ?? masterPid(folder);
  if (master === undefined) return;
  const all = [master, ...(workers?.workers ?? []).map(({ pid }) => pid)];
  // SIGUSR1 ends softly, SIGTERM at once (management guide, chapter 4).
  kill([master], graceMs > 0 ? "SIGUSR1" : "SIGTERM");
  const softUntil = Date.now() + graceMs;
  while (all.some(alive) && Date.now() < softUntil) await sleep(50);
  kill([master], "SIGTERM");
  const hardAt = Date.now() + 5_000;
  while (all.some(alive)) {
    if (Date.now() > hardAt) kill(all, "SIGKILL");
    await sleep(20);
  }
}

function kill(pids: number[], signal: NodeJS.Signals): void {
  for (const pid of pids)
    try {
      process.kill(pid, signal);
    } catch {
      // It has ended, which is what was wanted.
    }
}

function alive(pid: number): boolean {
  try {
    // A zombie has ended: only its parent has not looked yet.
    return !/^State:\s+Z/m.test(readFileSync(`/proc/${pid}/status`, "utf8"));
  } catch {
    return false;
  }
}
