/** Commands inside containers, and containers that run for somebody who sits before them. */
import { readFileSync } from "node:fs";
import { PassThrough, type Readable, type Writable } from "node:stream";
import { finished } from "node:stream/promises";
import { setTimeout as sleep } from "node:timers/promises";
import { CloudError } from "../../../../kernel/errors.ts";
import type { AppEngine, ContainerSpec, ExecOptions, Session, TerminalSize } from "../../driver.ts";
import { at, type DockerClient, type Hijacked } from "./client.ts";
import { environmentOf } from "./containerSettings.ts";
import { makeContainer, removeContainer } from "./containers.ts";
import { cancelled, DockerError, translate, wordsOf } from "./engineError.ts";
import { splitFrames } from "./frames.ts";
import { needContainer } from "./lookup.ts";
import type { Engine } from "./ownership.ts";

export type Sessions = Pick<AppEngine, "containerExec" | "containerOpen" | "containerRun">;

/** Ended by nobody knows what: it was let go. */
const letGo = 137;
const longestFailure = 2000;

interface Streams {
  stdin: Writable;
  stdout: Readable;
  stderr: Readable;
  ended: Promise<void>;
  destroy(): void;
}

export function createSessions(engine: Engine): Sessions {
  const { client } = engine;

  async function openExec(name: string, options: ExecOptions & { terminal?: TerminalSize | undefined }): Promise<Session> {
    const { signal, terminal } = options;
    const { Id: container } = await needContainer(engine, name, { signal });
    const { Id: exec } = await client.post<{ Id: string }>(
      at`/containers/${container}/exec`,
      {
        AttachStdin: true,
        AttachStdout: true,
        AttachStderr: true,
        Tty: terminal !== undefined,
        Cmd: options.command,
        Env: environmentOf({ ...(terminal === undefined ? {} : { TERM: "xterm-256color" }), ...options.environment }),
        User: options.user,
        WorkingDir: options.workingDirectory,
        Privileged: false,
      },
      { signal },
    );
    const resize = async ({ columns, rows }: TerminalSize) => {
      if (terminal === undefined) return;
      await client.post(at`/exec/${exec}/resize`, undefined, { query: { h: rows, w: columns } }).catch(() => {});
    };
    const body = { Detach: false, Tty: terminal !== undefined };
    const streams = streamsOf(await client.hijack(at`/exec/${exec}/start`, body, { signal }), terminal !== undefined);
    // It has its size a moment after its start: the engine has no place for it in the question itself before API 1.42.
    if (terminal !== undefined) await resize(terminal);
    const closing = new AbortController();
    const exited = streams.ended.then(() => exitOf(client, exec, container, closing.signal));
    exited.catch(() => {});
    const close = () => {
      if (closing.signal.aborted) return;
      closing.abort();
      void killExec(client, exec, container).finally(() => streams.destroy());
    };
    return { ...streams, resize, close, exited: endedBy(exited, signal, close) };
  }

  return {
    async containerExec(name, { input, maxOutputBytes, ...options }) {
      let session: Session;
      try {
        session = await openExec(name, options);
      } catch (error) {
        const code = notRunnable(error);
        if (code === undefined) throw error;
        return { exitCode: code, stdout: new Uint8Array(), stderr: Buffer.from(wordsOf(error)), truncated: false };
      }
      session.stdin.on("error", () => {});
      session.stdin.end(input ?? Buffer.alloc(0));
      const [output, stderr, exitCode] = await Promise.all([
        take(session.stdout, Math.max(maxOutputBytes, longestFailure)),
        take(session.stderr, maxOutputBytes),
        session.exited,
      ]);
      // Docker 20.10 tells of a command that it could not start in the command's own output.
      const failure = exitCode === 126 ? startFailure(output.bytes) : undefined;
      if (failure !== undefined) return { exitCode: failure, stdout: new Uint8Array(), stderr: output.bytes, truncated: false };
      const stdout = {
        bytes: output.bytes.subarray(0, maxOutputBytes),
        truncated: output.truncated || output.bytes.length > maxOutputBytes,
      };
      return { exitCode, stdout: stdout.bytes, stderr: stderr.bytes, truncated: stdout.truncated || stderr.truncated };
    },

    containerOpen: openExec,

    async containerRun(spec, { signal, terminal } = {}) {
      const attached: ContainerSpec = { ...spec, restart: { policy: "never" } };
      const id = await makeContainer(engine, attached, { attached: true, terminal: terminal !== undefined }, { signal });
      const remove = () => removeContainer(engine, id).catch(() => {});
      try {
        const query = { stream: true, stdin: true, stdout: true, stderr: true };
        const streams = streamsOf(
          await client.hijack(at`/containers/${id}/attach`, undefined, { query, signal }),
          terminal !== undefined,
        );
        // Asked before the start: one that ends at once is removed at once.
        const waiting = client.post<{ StatusCode: number; Error?: { Message: string } | null }>(
          at`/containers/${id}/wait`,
          undefined,
          { query: { condition: "removed" }, timeoutMs: 0 },
        );
        const exited = waiting.then(({ StatusCode }) => StatusCode);
        exited.catch(() => {});
        // The question has to be there before the container ends; the engine answers its head at once.
        await sleep(20);
        await client.post(at`/containers/${id}/start`, undefined, { signal, timeoutMs: 120_000 });
        const resize = async ({ columns, rows }: TerminalSize) => {
          if (terminal === undefined) return;
          await client.post(at`/containers/${id}/resize`, undefined, { query: { h: rows, w: columns } }).catch(() => {});
        };
        if (terminal !== undefined) await resize(terminal);
        const close = () => {
          streams.destroy();
          void remove();
        };
        return { ...streams, resize, close, exited: endedBy(exited, signal, close) };
      } catch (error) {
        await remove();
        const code = notRunnable(error);
        if (code === undefined) throw error;
        throw new CloudError(
          "failed_precondition",
          "The container could not be started: its command is not there, or cannot be executed.",
          {
            cause: error,
            details: { reason: "command_not_found", exitCode: code },
          },
        );
      }
    },
  };
}

/** With a terminal the bytes are as they are; without one they come in frames. */
function streamsOf({ socket, head }: Hijacked, terminal: boolean): Streams {
  socket.setTimeout(0);
  socket.setNoDelay(true);
  const { stdout, stderr } = terminal ? wholeOutput(socket, head) : splitFrames(socket, head);
  const stdin = new PassThrough();
  stdin.on("error", () => {});
  socket.on("error", () => {});
  // The other half stays: the end of the input is not the end of the output.
  stdin.pipe(socket);
  const ended = Promise.all([finished(stdout, { writable: false }), finished(stderr, { writable: false })]).then(
    () => {},
    () => {},
  );
  const closed = new Promise<void>((resolve) => socket.once("close", () => resolve()));
  const destroy = () => {
    stdin.destroy();
    socket.destroy();
    stdout.destroy();
    stderr.destroy();
  };
  return { stdin, stdout, stderr, ended: Promise.race([ended, closed]), destroy };
}

function wholeOutput(socket: Readable, head: Buffer): { stdout: Readable; stderr: Readable } {
  const stdout = new PassThrough();
  const stderr = new PassThrough();
  stdout.on("error", () => {});
  if (head.length > 0) stdout.write(head);
  socket.pipe(stdout);
  socket.once("close", () => stdout.end());
  stderr.end();
  stderr.resume();
  return { stdout, stderr };
}

interface ExecState {
  Running: boolean;
  ExitCode: number | null;
  Pid: number;
  ContainerID: string;
}

/** Its streams end a moment before the engine knows of its end. A container that ends takes its commands with it. */
async function exitOf(client: DockerClient, exec: string, container: string, closing: AbortSignal): Promise<number> {
  for (let pauseMs = 5; ; pauseMs = Math.min(pauseMs * 2, 500)) {
    if (closing.aborted) return letGo;
    const state = await client.find<ExecState>(at`/exec/${exec}/json`);
    if (state === undefined) return letGo;
    if (!state.Running && state.ExitCode !== null) return state.ExitCode;
    const place = await client.find<{ State: { Status: string } }>(at`/containers/${container}/json`);
    if (place === undefined || (place.State.Status !== "running" && place.State.Status !== "paused")) return letGo;
    await sleep(pauseMs, undefined, { signal: closing }).catch(() => {});
  }
}

/**
 * The engine has no way to end a command. Where its processes are this machine's, the one that it names is killed, if it is really one of
 * this container; with a terminal the kernel hangs up on the rest.
 */
async function killExec(client: DockerClient, exec: string, container: string): Promise<void> {
  try {
    const { Running, Pid } = await client.get<ExecState>(at`/exec/${exec}/json`);
    if (!Running || Pid <= 1 || client.address.endpoint.startsWith("https:")) return;
    if (readFileSync(`/proc/${Pid}/cgroup`, "utf8").includes(container)) process.kill(Pid, "SIGKILL");
  } catch {
    // It has ended, or the engine has, or its processes are not ours to see.
  }
}

/** The exit code; or `cancelled` when the signal came first. */
async function endedBy(exited: Promise<number>, signal: AbortSignal | undefined, close: () => void): Promise<number> {
  if (signal === undefined) return exited;
  const aborted = Promise.withResolvers<never>();
  const onAbort = () => {
    close();
    aborted.reject(cancelled("exec", signal.reason));
  };
  if (signal.aborted) onAbort();
  else signal.addEventListener("abort", onAbort, { once: true });
  try {
    return await Promise.race([exited, aborted.promise]);
  } finally {
    aborted.promise.catch(() => {});
    signal.removeEventListener("abort", onAbort);
  }
}

/** All is read, so that the command can go on; only the beginning is kept. */
async function take(stream: Readable, mostBytes: number): Promise<{ bytes: Uint8Array; truncated: boolean }> {
  const chunks: Buffer[] = [];
  let length = 0;
  let truncated = false;
  try {
    for await (const chunk of stream as AsyncIterable<Buffer>) {
      const room = mostBytes - length;
      if (chunk.length > room) truncated = true;
      if (room <= 0) continue;
      const kept = chunk.subarray(0, room);
      chunks.push(kept);
      length += kept.length;
    }
  } catch (error) {
    if (error instanceof CloudError) throw error;
    if ((error as NodeJS.ErrnoException).code !== "ERR_STREAM_PREMATURE_CLOSE")
      throw translate(new DockerError(String(error), 503, "read a stream"));
    truncated = true;
  }
  return { bytes: Buffer.concat(chunks), truncated };
}

function startFailure(output: Uint8Array): number | undefined {
  const words = Buffer.from(output.subarray(0, longestFailure)).toString();
  return words.startsWith("OCI runtime exec failed") ? codeOf(words) : undefined;
}

/** As a shell has it (POSIX.1-2024, 2.8.2): no such command, or one that may not be executed. */
const codeOf = (words: string): number | undefined =>
  /executable file not found|no such file or directory/i.test(words)
    ? 127
    : /permission denied|exec format error/i.test(words)
      ? 126
      : undefined;

const notRunnable = (error: unknown): number | undefined => codeOf(wordsOf(error));
