/** Daemons that outlive Khmara on a machine without systemd. */
import { spawn } from "node:child_process";
import { closeSync, openSync } from "node:fs";
import { dirname } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { makeFolder } from "../durable-file.ts";
import { lockFile } from "../file-lock.ts";
import { StartError } from "../start-error.ts";

/** A session of its own, no terminal, and a log file that it holds open itself. Resolves with how it ended, while we live. */
export function detach(program: string, words: string[], logFile: string, environment: NodeJS.ProcessEnv): Promise<string> {
  makeFolder(dirname(logFile), 0o750);
  const log = openSync(logFile, "a", 0o640);
  const child = spawn(program, words, {
    cwd: "/",
    detached: true,
    stdio: ["ignore", log, log],
    env: {
      PATH: "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
      HOME: "/root",
      LANG: "C.UTF-8",
      ...environment,
    },
  });
  closeSync(log);
  child.unref();
  return new Promise((resolve) => {
    child.on("error", (error) => resolve(error.message));
    child.on("exit", (code, signalName) => resolve(`it ended with ${code ?? signalName}`));
  });
}

/** Two daemons in one folder would both run, and spoil what is in it. */
export async function alone<T>(
  { file, title, deadline, signal }: { file: string; title: string; deadline: number; signal: AbortSignal | undefined },
  work: () => Promise<T>,
): Promise<T> {
  let lock = lockFile(file);
  while (lock === undefined) {
    signal?.throwIfAborted();
    if (Date.now() > deadline) throw new StartError(`${title} is being started by somebody else, and does not answer.`);
    await sleep(100);
    lock = lockFile(file);
  }
  try {
    return await work();
  } finally {
    lock.release();
  }
}

/** Waits until it answers; throws when it ends before, or does not come to it. */
export async function untilReady(options: {
  title: string;
  ended: Promise<string>;
  ready: () => Promise<boolean>;
  /** What it said last, of what is wrong. */
  lastWords: () => string | undefined;
  logFile: string;
  deadline: number;
  signal: AbortSignal | undefined;
}): Promise<void> {
  const { title, ended, ready, lastWords, logFile, deadline, signal } = options;
  for (let pauseMs = 50; ; pauseMs = Math.min(pauseMs * 2, 500)) {
    if (await ready()) return;
    signal?.throwIfAborted();
    const end = await Promise.race([ended, sleep(pauseMs, undefined)]);
    if (end !== undefined) throw new StartError(`${title} could not be started: ${lastWords() ?? end}. See ${logFile}.`);
    if (Date.now() > deadline) throw new StartError(`${title} does not answer. See ${logFile}.`);
  }
}

const checkEveryMs = 10_000;

/** Starts it again when it ends, until the signal says that nobody looks any more; the daemon itself goes on then. */
export function keepRunning(
  { title, answers, start }: { title: string; answers: () => Promise<boolean>; start: () => Promise<unknown> },
  signal: AbortSignal,
  problem: (line: string) => void,
): void {
  void (async () => {
    while (!signal.aborted) {
      await sleep(checkEveryMs, undefined, { signal, ref: false }).catch(() => {});
      if (signal.aborted) return;
      if (await answers()) continue;
      problem(`${title} has ended; starting it again.`);
      await start().catch((error: Error) => problem(error.message));
    }
  })();
}
