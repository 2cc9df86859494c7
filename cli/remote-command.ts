import type { Readable } from "node:stream";
import type { CloudSocket, SocketOptions } from "../client/socket.ts";
import { CloudError } from "../kernel/errors.ts";
import { sendFrom, writeTo } from "./pipes.ts";
import type { Terminal } from "./terminal.ts";

/** One of the client's methods that become a WebSocket, with its arguments in place. */
export type Opening = (options: SocketOptions) => Promise<CloudSocket>;

export const brokenOff = (): CloudError =>
  new CloudError("unavailable", "The connection ended before the command did. What it was doing may be half done.");

const exitCodeOf = (message: Record<string, unknown>): number | undefined => {
  const exit = message["exit"] as { code?: unknown } | undefined;
  return typeof exit?.code === "number" ? exit.code : undefined;
};

export interface Streams {
  /** What the first message asks for: `{command, …}`. */
  start: Record<string, unknown>;
  /** What the command reads; absent: nothing. */
  stdin?: Readable | undefined;
  stdout: (bytes: Uint8Array) => void | Promise<void>;
  stderr: (bytes: Uint8Array) => void | Promise<void>;
  signal?: AbortSignal | undefined;
}

/** Runs a command elsewhere with streams; answers its exit code. */
export async function runStreams(open: Opening, { start, stdin, stdout, stderr, signal }: Streams): Promise<number> {
  let exitCode: number | undefined;
  const socket = await open({
    // The first byte says what the rest is: 1 the output, 2 the messages.
    onBytes: (bytes) => (bytes[0] === 2 ? stderr : stdout)(bytes.subarray(1)),
    onControl: (message) => {
      exitCode = exitCodeOf(message) ?? exitCode;
    },
    signal,
  });
  socket.control({ start });
  let inputError: unknown;
  if (stdin) {
    sendFrom(stdin, socket).then(
      () => socket.end(),
      (error) => {
        inputError = error;
        socket.close();
      },
    );
  } else socket.end();
  const { error } = await socket.closed;
  // A pipe that nobody closes would keep the process.
  stdin?.destroy();
  signal?.throwIfAborted();
  if (exitCode === undefined) throw inputError ?? error ?? brokenOff();
  return exitCode;
}

export interface Session {
  /** What the first message asks for, where the route wants one. */
  start?: Record<string, unknown> | undefined;
  /** Leaves what has no end of its own. */
  leaveKey?: number | undefined;
}

/** The terminal here is that of a program elsewhere, until it ends; answers its exit code, 0 where it has none. */
export async function runSession(terminal: Terminal, open: Opening, { start, leaveKey }: Session = {}): Promise<number> {
  const { stdin, stdout } = terminal;
  let exitCode: number | undefined;
  const socket = await open({
    onBytes: (bytes) => writeTo(stdout, bytes),
    onControl: (message) => {
      exitCode = exitCodeOf(message) ?? exitCode;
    },
  });
  if (start) socket.control({ start });
  const endResize = terminal.onResize(() => {
    const now = terminal.windowSize();
    if (now) socket.control({ resize: now });
  });
  const typed = async (piece: Buffer) => {
    const at = leaveKey === undefined ? -1 : piece.indexOf(leaveKey);
    stdin.pause();
    await socket.send(at < 0 ? piece : piece.subarray(0, at));
    if (at < 0) stdin.resume();
    else socket.close();
  };
  // Ctrl-D, where what was piped in has ended.
  const ended = () => void socket.send(Buffer.of(4));
  stdin.setRawMode?.(true);
  stdin.on("data", typed).once("end", ended).resume();
  try {
    const { error } = await socket.closed;
    if (error && exitCode === undefined) {
      if (stdin.isTTY) terminal.note("\r\n");
      throw error;
    }
    return exitCode ?? 0;
  } finally {
    endResize();
    stdin.off("data", typed).off("end", ended).pause();
    stdin.setRawMode?.(false);
    // A pipe that stays open would keep the process.
    if (!stdin.isTTY) stdin.destroy();
    if (leaveKey !== undefined && stdin.isTTY) terminal.note("\r\n");
  }
}
