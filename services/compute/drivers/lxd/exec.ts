import { once } from "node:events";
import type { Readable } from "node:stream";
import type { WebSocket } from "ws";
import { CloudError } from "../../../../kernel/errors.ts";
import type { ComputeDriver, ExecOptions, ExecStream } from "../../driver.ts";
import { at, type EngineOperation } from "./client.ts";
import { type Engine, isAbsent, noInstance, refused, wordsOf } from "./engine.ts";
import { readSocket, writeSocket } from "./sockets.ts";

export type Exec = Pick<ComputeDriver, "instanceExec" | "instanceExecStream" | "instanceTerminal">;

const signals = { hangUp: 1, kill: 9 } as const;
/** After hanging up, before killing. */
const graceMs = 1000;

interface Channel {
  socket: WebSocket;
  output: Readable;
}

interface Session {
  /** By their numbers: 0 input (or both ways), 1 output, 2 errors. */
  channels: Channel[];
  control: WebSocket;
  exited: Promise<number>;
  signal(number: number): void;
  /** Kills the command and lets go of it, whatever it has started and left running. */
  kill(): void;
}

export function createExec(engine: Engine): Exec {
  const { client } = engine;

  async function begin(name: string, options: ExecOptions, size?: { columns: number; rows: number }): Promise<Session> {
    const interactive = size !== undefined;
    const { signal } = options;
    const body = {
      command: options.command,
      environment: { ...(interactive ? { TERM: "xterm-256color" } : {}), ...options.environment },
      "wait-for-websocket": true,
      "record-output": false,
      interactive,
      ...(size === undefined ? {} : { width: size.columns, height: size.rows }),
      ...(options.user === undefined ? {} : { user: options.user }),
      ...(options.group === undefined ? {} : { group: options.group }),
      ...(options.workingDirectory === undefined ? {} : { cwd: options.workingDirectory }),
    };
    let operation: EngineOperation;
    try {
      operation = await client.start("POST", at`/1.0/instances/${name}/exec`, body, { signal });
    } catch (error) {
      throw isAbsent(error) ? noInstance(name, error) : execFailure(name, error);
    }
    const fds = (operation.metadata?.["fds"] ?? {}) as Record<string, string>;
    const open = (fd: string) => client.operationSocket(operation.id, fds[fd] ?? "", { signal });
    const gone = Promise.withResolvers<number>();
    const ended = client
      .wait(operation.id, { operationTimeoutMs: Number.POSITIVE_INFINITY })
      .then(({ metadata }) => Number(metadata?.["return"] ?? -1))
      .catch((error) => notRunnable(error) ?? Promise.reject(execFailure(name, error)));
    const exited = Promise.race([ended, gone.promise]);
    // Whoever asked may hear of it later only.
    ended.catch(() => {});
    exited.catch(() => {});
    try {
      // The command starts when all of its own are open: by then it has to be possible to stop it.
      const control = await open("control");
      // Each is read from the moment it is open: the command starts with the last of them, and may have said all before we know of that.
      const channels = await Promise.all(
        (interactive ? ["0"] : ["0", "1", "2"]).map(async (fd) => {
          const socket = await open(fd);
          return { socket, output: readSocket(socket, { ending: interactive }) };
        }),
      );
      const send = (message: unknown) => {
        if (control.readyState === control.OPEN) control.send(JSON.stringify(message));
      };
      const signal = (number: number) => send({ command: "signal", signal: number });
      const kill = () => {
        signal(signals.kill);
        // Its children may hold the streams open, and then the engine waits for them.
        const timer = setTimeout(() => {
          for (const { socket } of channels) socket.terminate();
          control.terminate();
          gone.resolve(128 + signals.kill);
        }, graceMs);
        ended.catch(() => {}).finally(() => clearTimeout(timer));
      };
      return { channels, control, exited, signal, kill };
    } catch (error) {
      await client.cancel(operation.id);
      throw error;
    }
  }

  async function stream(name: string, options: ExecOptions): Promise<ExecStream> {
    const session = await begin(name, options);
    const [stdin, stdout, stderr] = session.channels as [Channel, Channel, Channel];
    return {
      stdin: writeSocket(stdin.socket),
      stdout: stdout.output,
      stderr: stderr.output,
      exited: endedBy(session, options.signal),
      close: () => hangUp(session),
    };
  }

  return {
    async instanceExec(name, { input, maxOutputBytes, ...options }) {
      const running = await stream(name, options);
      running.stdin.on("error", () => {});
      running.stdin.end(input ?? Buffer.alloc(0));
      const [exitCode, stdout, stderr] = await Promise.all([
        running.exited,
        take(running.stdout, maxOutputBytes),
        take(running.stderr, maxOutputBytes),
      ]);
      return { exitCode, stdout: stdout.bytes, stderr: stderr.bytes, truncated: stdout.truncated || stderr.truncated };
    },

    instanceExecStream: stream,

    async instanceTerminal(name, { columns, rows, ...options }) {
      const session = await begin(name, options, { columns, rows });
      const { control } = session;
      const [{ socket, output }] = session.channels as [Channel];
      return {
        output,
        input: writeSocket(socket),
        resize: async (columns, rows) => resize(control, columns, rows),
        exited: endedBy(session, options.signal),
        close: () => hangUp(session),
      };
    },
  };
}

export function resize(control: WebSocket, columns: number, rows: number): void {
  if (control.readyState !== control.OPEN) return;
  control.send(JSON.stringify({ command: "window-resize", args: { width: String(columns), height: String(rows) } }));
}

function hangUp({ exited, signal, kill }: Session): void {
  signal(signals.hangUp);
  const timer = setTimeout(kill, graceMs);
  exited.catch(() => {}).finally(() => clearTimeout(timer));
}

/** The exit code; or `cancelled` when the signal came first, the command being killed. */
async function endedBy(session: Session, signal: AbortSignal | undefined): Promise<number> {
  if (signal === undefined) return session.exited;
  const ended = new AbortController();
  const aborted = signal.aborted ? Promise.resolve() : once(signal, "abort", { signal: ended.signal });
  const cancelledFirst = aborted.then(() => {
    session.kill();
    throw new CloudError("cancelled", "The command was cancelled.", { cause: signal.reason });
  });
  try {
    return await Promise.race([session.exited, cancelledFirst]);
  } finally {
    cancelledFirst.catch(() => {});
    ended.abort();
  }
}

/** All is read, so that the command can go on; only the beginning is kept. */
async function take(stream: Readable, mostBytes: number): Promise<{ bytes: Uint8Array; truncated: boolean }> {
  const chunks: Buffer[] = [];
  let length = 0;
  let truncated = false;
  for await (const chunk of stream as AsyncIterable<Buffer>) {
    const room = mostBytes - length;
    if (chunk.length > room) truncated = true;
    if (room <= 0) continue;
    const kept = chunk.subarray(0, room);
    chunks.push(kept);
    length += kept.length;
  }
  return { bytes: Buffer.concat(chunks), truncated };
}

/** As a shell has it (POSIX.1-2024, 2.8.2): no such command, or one that may not be executed. */
function notRunnable(error: unknown): number | undefined {
  const words = wordsOf(error);
  if (/command not found/i.test(words)) return 127;
  return /command not executable/i.test(words) ? 126 : undefined;
}

export function execFailure(name: string, error: unknown): unknown {
  if (CloudError.is(error, "failed_precondition") || CloudError.is(error, "conflict"))
    return refused(`The instance ${name} does not run. Start it first.`, "engine_power_state", error);
  return error;
}
