import { type ChildProcess, spawn } from "node:child_process";
import { basename } from "node:path";
import { createInterface } from "node:readline";
import { aliveEveryMs, type ChildMessage, configVariable, type ServerConfig, type SupervisorMessage } from "../kernel/config.ts";
import { childRecord, type LogFile } from "./log-file.ts";
import { childWords } from "./node-words.ts";
import { optionVariables } from "./options.ts";
import { StartError } from "./start-error.ts";

export interface ChildOptions {
  /** For the log file and the operator: `control`, `objects`. */
  name: string;
  entry: string;
  config: ServerConfig;
  log: LogFile;
  onProgress: (message: string) => void;
  /** It says that the voice process is needed. */
  onPhones?: () => void;
  /** It has more to do than one process can. */
  onBusy?: () => void;
  /** What it has measured. */
  onMetrics?: (pid: number, snapshot: unknown) => void;
  /** A line for the operator: errors, and restarts. */
  onProblem: (message: string) => void;
  /** A process was started or has ended. */
  onChange: () => void;
  /** Of one that has said that it lives: so long without another word, in milliseconds, and it is ended. */
  longestSilenceMs?: number;
}

export interface Child {
  pid(): number | undefined;
  /** Resolves with the notice of the child when it serves for the first time; rejects when it cannot. */
  ready: Promise<string[]>;
  /** Lets it drain, for so long at most, and never starts it again. */
  stop(patienceMs: number): Promise<void>;
  kill(): void;
  /** Nothing while it does not run. */
  tell(message: SupervisorMessage): void;
}

const firstPauseMs = 200;
const longestPauseMs = 10_000;
/** Whoever lived for so many times the pause before has recovered: the next restart is quick again. */
const steadyPauses = 10;
const errorLevel = 50;
/** A child whose event loop does not turn for so long will never answer anybody again. */
const longestSilenceMs = 60_000;
/** Ends the process: its reason is told when it has ended, once. */
const fatalLevel = 60;

/** What the settings say is in the configuration; secrets among them are not for every child. */
const inheritedEnvironment = (): NodeJS.ProcessEnv =>
  Object.fromEntries(Object.entries(process.env).filter(([name]) => !optionVariables.includes(name)));

/** Starts a child and starts it again, after a growing pause, whenever it ends. */
export function superviseChild(options: ChildOptions): Child {
  let current: ChildProcess | undefined;
  let stopping = false;
  let served = false;
  let pauseMs = firstPauseMs;
  let restart: NodeJS.Timeout | undefined;
  const { promise: ready, resolve: setReady, reject: setFailed } = Promise.withResolvers<string[]>();

  const start = () => {
    const began = performance.now();
    const child = spawn(process.execPath, childWords(options.entry), {
      // A session of its own: Ctrl-C in the terminal is for the supervisor, which lets the children drain.
      detached: true,
      stdio: ["ignore", "pipe", "pipe", "ipc"],
      env: { ...inheritedEnvironment(), [configVariable]: JSON.stringify(options.config) },
    });
    current = child;
    options.onChange();
    let fatal: string | undefined;
    let lastError: string | undefined;
    let watch: NodeJS.Timeout | undefined;
    child.on("message", (message: ChildMessage) => {
      if (message.type === "alive") watch ??= endWhenSilent();
      if (message.type === "progress") options.onProgress(message.message);
      if (message.type === "fatal") fatal = message.message;
      if (message.type === "phones") options.onPhones?.();
      if (message.type === "busy") options.onBusy?.();
      if (message.type === "metrics" && child.pid !== undefined) options.onMetrics?.(child.pid, message.snapshot);
      if (message.type === "ready") {
        served = true;
        setReady(message.notice ?? []);
      }
    });
    // Counted in ticks: while the whole machine slept nobody was silent.
    const endWhenSilent = (): NodeJS.Timeout => {
      const mostMs = options.longestSilenceMs ?? longestSilenceMs;
      const everyMs = Math.min(aliveEveryMs, mostMs / 4);
      let silentMs = 0;
      child.on("message", () => {
        silentMs = 0;
      });
      return setInterval(() => {
        silentMs += everyMs;
        if (silentMs <= mostMs) return;
        fatal = `${options.name} did not answer for ${Math.round(mostMs / 1000)} seconds and was ended`;
        child.kill("SIGKILL");
      }, everyMs).unref();
    };
    const read = (stream: "stdout" | "stderr") => {
      const input = child[stream];
      if (input === null) return;
      createInterface({ input }).on("line", (line) => {
        const record = childRecord(line, stream, options.name);
        options.log.write(record.text);
        if (record.level >= errorLevel && record.level < fatalLevel) options.onProblem(`${options.name}: ${record.message}`);
        if (record.level >= errorLevel || /^\w*Error\b.*: /.test(line)) lastError = record.message;
      });
    };
    read("stdout");
    read("stderr");

    let over = false;
    const end = (how: string) => {
      if (over) return;
      over = true;
      clearInterval(watch);
      if (current === child) current = undefined;
      options.onChange();
      if (stopping) return;
      const reason = fatal ?? `${options.name} ended (${how})${lastError === undefined ? "" : `: ${lastError}`}`;
      if (!served) {
        setFailed(new StartError(fatal ?? `${reason}. See ${options.log.path}.`));
        return;
      }
      if (performance.now() - began > pauseMs * steadyPauses) pauseMs = firstPauseMs;
      options.onProblem(`${reason}; starting it again. See ${basename(options.log.path)} in the logs.`);
      restart = setTimeout(start, pauseMs);
      pauseMs = Math.min(pauseMs * 2, longestPauseMs);
    };
    child.on("error", (error) => end(error.message));
    // `close` comes after the last line of output, so that its reason is known.
    child.on("close", (code, signal) => end(signal ?? `exit code ${code}`));
  };
  start();

  const kill = () => void current?.kill("SIGKILL");
  return {
    pid: () => current?.pid,
    ready,
    kill,
    tell(message) {
      // It may end at any moment; whoever starts instead is told again.
      if (current?.connected) current.send(message, () => {});
    },
    async stop(patienceMs) {
      stopping = true;
      clearTimeout(restart);
      const child = current;
      if (child === undefined) return;
      await new Promise<void>((resolve) => {
        child.once("close", () => resolve());
        child.kill("SIGTERM");
        setTimeout(kill, patienceMs).unref();
      });
    },
  };
}
