import { z } from "zod";
import { notFound } from "../../../kernel/errors.ts";
import {
  attachTerminal,
  auditedCommand,
  auditedSession,
  firstMessage,
  followCommand,
  windowSize,
} from "../../../kernel/http/socketSessions.ts";
import type { Session } from "../driver.ts";
import type { Area } from "../parts.ts";
import { openApp, subjectOf } from "../subjects.ts";
import type { runningRoutes } from "./contract.ts";
import type { OneOffs } from "./oneOffs.ts";
import type { Runtime } from "./runtime.ts";
import { containerStore } from "./store/containers.ts";

type Routes = Pick<typeof runningRoutes, "appRun" | "appTerminal">;

const runStart = z.strictObject({
  command: z
    .array(
      z
        .string()
        .max(131_072)
        .refine((word) => !word.includes("\0"), "It cannot contain a null byte."),
    )
    .min(1, "Which command?")
    .max(1024),
  terminal: windowSize.optional(),
});

/** Whatever shell the image has; a friendlier one where there is one. */
const shell = ["/bin/sh", "-c", "if command -v bash >/dev/null 2>&1; then exec bash -l; else exec sh -l; fi"];

export function sessionRoutes(runtime: Runtime, oneOffs: OneOffs): Area<Routes>["handlers"] {
  const { parts } = runtime;
  return {
    async appTerminal(context, { params, query }) {
      const split = params.container.lastIndexOf("-");
      const [process, number] = [params.container.slice(0, split), Number(params.container.slice(split + 1))];
      const { app, row } = await context.transaction(async (tx) => {
        const app = await openApp(parts, context, tx, params.app);
        parts.engine();
        parts.deploying.checkAction(app, "terminal");
        const row = await containerStore.named(tx, app.id, process, number);
        if (!row) throw notFound("container");
        return { app, row };
      });
      const { columns, rows } = query;
      return (socket) =>
        auditedSession(context, "apps.app.terminal", subjectOf(app), socket, { container: params.container }, async () => {
          const session = await runtime.engine().containerOpen(row.engineName, {
            command: shell,
            terminal: { columns, rows },
            signal: socket.signal,
          });
          return attachTerminal(socket, asTerminal(session));
        });
    },

    async appRun(context, { params }) {
      const app = await context.transaction(async (tx) => {
        const found = await openApp(parts, context, tx, params.app);
        parts.engine();
        parts.deploying.checkAction(found, "run");
        return found;
      });
      return async (socket) => {
        const start = await firstMessage(socket, runStart);
        if (!start) return;
        const { command, terminal } = start;
        await auditedSession(context, "apps.app.run", subjectOf(app), socket, { command: auditedCommand(command) }, async () => {
          const { session, close } = await oneOffs.open(app, command, { terminal, signal: socket.signal });
          try {
            if (terminal) return await attachTerminal(socket, asTerminal(session));
            // What it reads ends before the socket does: the answer is still to come.
            socket.onControl((message) => {
              if (message["end"] !== true) return;
              socket.bytes.unpipe(session.stdin);
              session.stdin.end();
            });
            return await followCommand(socket, session);
          } finally {
            await close();
          }
        });
      };
    },
  };
}

const asTerminal = ({ stdin, stdout, exited, resize, close }: Session) => ({
  input: stdin,
  output: stdout,
  exited,
  resize: (columns: number, rows: number) => resize({ columns, rows }),
  close,
});
