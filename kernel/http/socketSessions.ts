/** Terminals and commands behind a WebSocket, and what is written down of them: the same for whatever they run in. */
import { once } from "node:events";
import type { Readable, Writable } from "node:stream";
import { finished } from "node:stream/promises";
import { z } from "zod";
import type { AuditFact } from "../audit.ts";
import { CloudError, invalid } from "../errors.ts";
import type { SocketConnection, StreamContext } from "../service.ts";

export const windowSize = z.object({ columns: z.number().int().min(1).max(1000), rows: z.number().int().min(1).max(1000) });
export type WindowSize = z.output<typeof windowSize>;

/** A client that opens a stream and does not say what for. */
const startSeconds = 15;

export interface TerminalStreams {
  input: Writable;
  output: Readable;
  exited: Promise<number>;
  resize(columns: number, rows: number): Promise<void>;
  close(): void;
}

export interface CommandStreams {
  stdin: Writable;
  stdout: Readable;
  stderr: Readable;
  exited: Promise<number>;
  close(): void;
}

/** Connects a terminal with its window until one of them goes; tells the exit code to a window that is still there. */
export async function attachTerminal(
  socket: SocketConnection,
  session: TerminalStreams,
): Promise<{ exitCode: number } | undefined> {
  whenGone(socket, () => session.close());
  socket.onControl((message) => {
    const { data } = windowSize.safeParse(message["resize"]);
    // A shell that ends at this moment has no size any more.
    if (data) session.resize(data.columns, data.rows).catch(() => {});
  });
  const exited = session.exited.then(
    (exitCode) => ({ exitCode }),
    (error: unknown) => ({ error }),
  );
  await connectBoth(socket, session.input, session.output);
  if (socket.signal.aborted) return undefined;
  const end = await exited;
  if ("error" in end) throw end.error;
  socket.control({ exit: { code: end.exitCode } });
  return end;
}

export function whenGone(socket: SocketConnection, close: () => void): void {
  if (socket.signal.aborted) close();
  else socket.signal.addEventListener("abort", close, { once: true });
}

/** Resolves when the output has ended and been sent, or the socket has gone. */
export async function connectBoth(socket: SocketConnection, input: Writable, output: Readable): Promise<void> {
  input.on("error", () => {});
  // Who goes without a word leaves a shell behind that must hang up, not one that reads an end of file.
  socket.bytes.pipe(input, { end: false });
  output.pipe(socket.bytes, { end: false });
  const gone = socket.signal.aborted ? Promise.resolve() : once(socket.signal, "abort");
  await Promise.race([finished(output, { writable: false }), gone]);
}

/** The first message, checked; undefined when the client went before it said anything. */
export async function firstMessage<S extends z.ZodType>(socket: SocketConnection, schema: S): Promise<z.output<S> | undefined> {
  const said = new Promise<Record<string, unknown>>((resolve) => socket.onControl(resolve));
  const late = AbortSignal.timeout(startSeconds * 1000);
  const message = await Promise.race([said, once(AbortSignal.any([late, socket.signal]), "abort").then(() => undefined)]);
  if (socket.signal.aborted) return undefined;
  if (!message) throw new CloudError("deadline_exceeded", `No \`start\` came within ${startSeconds} seconds.`);
  const { data, error } = schema.safeParse(message["start"]);
  if (!error) return data;
  const [issue] = error.issues;
  throw invalid(["start", ...(issue?.path ?? [])].join("."), issue?.message ?? "The first message is `{start: {command: […]}}`.");
}

const channels = { stdout: Buffer.of(1), stderr: Buffer.of(2) };

/** Connects a command without a terminal: what it writes is sent with a byte before it, 1 for its output and 2 for its messages. */
export async function followCommand(
  socket: SocketConnection,
  { stdin, stdout, stderr, exited, close }: CommandStreams,
): Promise<{ exitCode: number } | undefined> {
  whenGone(socket, close);
  // A command that ends does not read the rest.
  stdin.on("error", () => {});
  socket.bytes.pipe(stdin);
  const send = async (channel: Buffer, source: Readable) => {
    for await (const piece of source) await write(socket, Buffer.concat([channel, piece as Buffer]));
  };
  try {
    const [exitCode] = await Promise.all([exited, send(channels.stdout, stdout), send(channels.stderr, stderr)]);
    socket.control({ exit: { code: exitCode } });
    return { exitCode };
  } catch (error) {
    if (socket.signal.aborted) return undefined;
    throw error;
  } finally {
    socket.bytes.unpipe(stdin);
    close();
  }
}

const write = (socket: SocketConnection, piece: Buffer): Promise<void> =>
  new Promise((resolve, reject) => socket.bytes.write(piece, (error) => (error ? reject(error) : resolve())));

type SessionFact = Pick<AuditFact, "organisationId" | "projectId" | "resource">;

/** Writes down that a session began, and when it is over why and how much went through it; never what. */
export async function auditedSession(
  context: StreamContext,
  action: string,
  fact: SessionFact,
  socket: SocketConnection,
  what: Record<string, unknown>,
  run: () => Promise<{ exitCode: number } | undefined>,
): Promise<void> {
  const begun = Date.now();
  await context.transaction(async (tx) => context.audit(tx, { ...fact, after: what }));
  let exitCode: number | undefined;
  let failure: string | undefined;
  try {
    exitCode = (await run())?.exitCode;
  } catch (error) {
    failure = CloudError.is(error) ? error.message : "It failed.";
    throw error;
  } finally {
    const after = {
      reason: socket.closedBecause ?? failure ?? "it ended",
      ...(exitCode !== undefined && { exitCode }),
      seconds: Math.round((Date.now() - begun) / 1000),
      receivedBytes: socket.receivedBytes,
      sentBytes: socket.sentBytes,
    };
    await context
      .transaction(async (tx) => context.audit(tx, { ...fact, after, action: `${action}.end` }))
      .catch((error) =>
        context.log.warn({ err: error, resource: fact.resource.id }, "the end of a session was not written down"),
      );
  }
}

const auditedLetters = 2000;

/** A command as the audit keeps it. */
export function auditedCommand(command: readonly string[]): string[] {
  let left = auditedLetters;
  const kept: string[] = [];
  for (const word of command) {
    kept.push(word.length > left ? `${word.slice(0, left)}…` : word);
    left -= word.length;
    if (left <= 0) break;
  }
  return kept;
}
