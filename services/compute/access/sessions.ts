import { once } from "node:events";
import type { Readable, Writable } from "node:stream";
import { finished } from "node:stream/promises";
import { z } from "zod";
import { CloudError } from "../../../kernel/errors.ts";
import type { SocketConnection, SocketHandler, StreamContext } from "../../../kernel/service.ts";
import type { TerminalSession } from "../driver.ts";
import type { ComputeParts } from "../parts.ts";
import { auditedSession, enter } from "./entry.ts";
import { lineCommand, loginCommand } from "./guest.ts";

const windowSize = z.object({ columns: z.number().int().min(1).max(1000), rows: z.number().int().min(1).max(1000) });

interface Window {
  columns: number;
  rows: number;
}

export function createSessions(parts: ComputeParts) {
  return {
    async terminal(
      context: StreamContext,
      instanceId: string,
      { columns, rows, user, command }: Window & { user: string; command?: string | undefined },
    ): Promise<SocketHandler> {
      const { instance, engine } = await enter(parts, context, instanceId);
      return (socket) =>
        auditedSession(
          context,
          "compute.instance.terminal",
          instance,
          socket,
          { user, ...(command && { command }) },
          async () => {
            const session = await engine.instanceTerminal(instance.engineName, {
              command: command === undefined ? loginCommand(user) : lineCommand(user, command),
              environment: { TERM: "xterm-256color" },
              columns,
              rows,
              signal: socket.signal,
            });
            return attach(socket, session);
          },
        );
    },

    async console(context: StreamContext, instanceId: string, window: Window): Promise<SocketHandler> {
      const { instance, engine } = await enter(parts, context, instanceId);
      return (socket) =>
        auditedSession(context, "compute.instance.console", instance, socket, {}, async () =>
          attach(socket, await engine.instanceConsole(instance.engineName, window)),
        );
    },

    async display(context: StreamContext, instanceId: string, wanted: "spice" | "vnc"): Promise<SocketHandler> {
      const { instance, engine } = await enter(parts, context, instanceId);
      return (socket) =>
        auditedSession(context, "compute.instance.display", instance, socket, {}, async () => {
          const { protocol, input, output, close } = await engine.instanceDisplay(instance.engineName);
          whenGone(socket, close);
          if (protocol !== wanted) {
            close();
            throw new CloudError(
              "not_implemented",
              `The screen of this machine speaks ${protocol.toUpperCase()}, not ${wanted.toUpperCase()}.`,
            );
          }
          await both(socket, input, output);
          return undefined;
        });
    },
  };
}

/** Connects a terminal with its window until one of them goes; tells the exit code to a window that is still there. */
async function attach(socket: SocketConnection, session: TerminalSession): Promise<{ exitCode: number } | undefined> {
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
  await both(socket, session.input, session.output);
  if (socket.signal.aborted) return undefined;
  const end = await exited;
  if ("error" in end) throw end.error;
  socket.control({ exit: { code: end.exitCode } });
  return end;
}

function whenGone(socket: SocketConnection, close: () => void): void {
  if (socket.signal.aborted) close();
  else socket.signal.addEventListener("abort", close, { once: true });
}

/** Resolves when the output has ended and been sent, or the socket has gone. */
async function both(socket: SocketConnection, input: Writable, output: Readable): Promise<void> {
  input.on("error", () => {});
  // Who goes without a word leaves a shell behind that must hang up, not one that reads an end of file.
  socket.bytes.pipe(input, { end: false });
  output.pipe(socket.bytes, { end: false });
  const gone = socket.signal.aborted ? Promise.resolve() : once(socket.signal, "abort");
  await Promise.race([finished(output, { writable: false }), gone]);
}
