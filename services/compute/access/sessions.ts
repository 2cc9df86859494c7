import { CloudError } from "../../../kernel/errors.ts";
import { attachTerminal, connectBoth, type WindowSize, whenGone } from "../../../kernel/http/socketSessions.ts";
import type { SocketHandler, StreamContext } from "../../../kernel/service.ts";
import type { ComputeParts } from "../parts.ts";
import { auditedEntry, enter } from "./entry.ts";
import { lineCommand, loginCommand } from "./guest.ts";

export function createSessions(parts: ComputeParts) {
  return {
    async terminal(
      context: StreamContext,
      instanceId: string,
      { columns, rows, user, command }: WindowSize & { user: string; command?: string | undefined },
    ): Promise<SocketHandler> {
      const { instance, engine } = await enter(parts, context, instanceId);
      return (socket) =>
        auditedEntry(context, "compute.instance.terminal", instance, socket, { user, ...(command && { command }) }, async () => {
          const session = await engine.instanceTerminal(instance.engineName, {
            command: command === undefined ? loginCommand(user) : lineCommand(user, command),
            environment: { TERM: "xterm-256color" },
            columns,
            rows,
            signal: socket.signal,
          });
          return attachTerminal(socket, session);
        });
    },

    async console(context: StreamContext, instanceId: string, window: WindowSize): Promise<SocketHandler> {
      const { instance, engine } = await enter(parts, context, instanceId);
      return (socket) =>
        auditedEntry(context, "compute.instance.console", instance, socket, {}, async () =>
          attachTerminal(socket, await engine.instanceConsole(instance.engineName, window)),
        );
    },

    async display(context: StreamContext, instanceId: string, wanted: "spice" | "vnc"): Promise<SocketHandler> {
      const { instance, engine } = await enter(parts, context, instanceId);
      return (socket) =>
        auditedEntry(context, "compute.instance.display", instance, socket, {}, async () => {
          const { protocol, input, output, close } = await engine.instanceDisplay(instance.engineName);
          whenGone(socket, close);
          if (protocol !== wanted) {
            close();
            throw new CloudError(
              "not_implemented",
              `The screen of this machine speaks ${protocol.toUpperCase()}, not ${wanted.toUpperCase()}.`,
            );
          }
          await connectBoth(socket, input, output);
          return undefined;
        });
    },
  };
}
