import type { RouteInput } from "../../../kernel/contract.ts";
import { CloudError, invalid } from "../../../kernel/errors.ts";
import { auditedCommand, firstMessage, followCommand } from "../../../kernel/http/socketSessions.ts";
import type { SocketHandler, StreamContext } from "../../../kernel/service.ts";
import type { ExecOptions } from "../driver.ts";
import type { ComputeParts } from "../parts.ts";
import { type accessRoutes, type ExecStart, execStart } from "./contract.ts";
import { auditedEntry, enter } from "./entry.ts";
import { commandAs } from "./guest.ts";

const maxStdinBytes = 512 * 1024;
const maxOutputBytes = 1024 ** 2;

export function createExec(parts: ComputeParts) {
  return {
    async run(context: StreamContext, instanceId: string, body: RouteInput<(typeof accessRoutes)["instanceExec"]>["body"]) {
      const input = stdinOf(body);
      const audit = { user: body.user, command: auditedCommand(body.command) };
      const { instance, engine } = await enter(parts, context, instanceId, { audit });
      const late = AbortSignal.timeout(body.timeoutSeconds * 1000);
      try {
        const { exitCode, stdout, stderr, truncated } = await engine.instanceExec(instance.engineName, {
          ...optionsOf(body),
          ...(input && { input }),
          maxOutputBytes,
          signal: AbortSignal.any([context.signal, late]),
        });
        const [out, err] = [textOf(stdout, truncated), textOf(stderr, truncated)];
        return {
          exitCode,
          stdout: out.text,
          stdoutEncoding: out.encoding,
          stderr: err.text,
          stderrEncoding: err.encoding,
          truncated,
        };
      } catch (error) {
        if (!late.aborted) throw error;
        throw new CloudError(
          "deadline_exceeded",
          `The command was ended: it took longer than ${body.timeoutSeconds} seconds. Give a longer timeoutSeconds, or start it in the background.`,
          { cause: error },
        );
      }
    },

    async stream(context: StreamContext, instanceId: string): Promise<SocketHandler> {
      const { instance, engine } = await enter(parts, context, instanceId);
      return async (socket) => {
        const start = await firstMessage(socket, execStart);
        if (!start) return;
        const what = { user: start.user, command: auditedCommand(start.command) };
        await auditedEntry(context, "compute.instance.exec", instance, socket, what, async () =>
          followCommand(
            socket,
            await engine.instanceExecStream(instance.engineName, { ...optionsOf(start), signal: socket.signal }),
          ),
        );
      };
    },
  };
}

const optionsOf = (start: ExecStart): ExecOptions => ({
  command: start.user === "root" ? start.command : commandAs(start.user, start.command, start.workingDirectory),
  environment: start.environment,
  ...(start.user === "root" && start.workingDirectory !== undefined && { workingDirectory: start.workingDirectory }),
});

function stdinOf({
  stdin,
  stdinEncoding,
}: {
  stdin?: string | undefined;
  stdinEncoding: "utf-8" | "base64";
}): Uint8Array | undefined {
  if (stdin === undefined) return undefined;
  if (stdinEncoding === "base64" && !/^[A-Za-z0-9+/]*={0,2}$/.test(stdin)) throw invalid("body.stdin", "This is not base64.");
  const bytes = Buffer.from(stdin, stdinEncoding === "base64" ? "base64" : "utf-8");
  if (bytes.length > maxStdinBytes) {
    throw new CloudError(
      "payload_too_large",
      "A command reads at most 512 KiB here. Use `instanceExecStream`, or upload a file.",
    );
  }
  return bytes;
}

/** UTF-8 as text. A letter that the limit has cut in two does not make base64 of it all. */
function textOf(bytes: Uint8Array, truncated: boolean): { text: string; encoding: "utf-8" | "base64" } {
  for (let cut = 0; cut <= (truncated ? 3 : 0) && cut <= bytes.length; cut++) {
    try {
      const text = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes.subarray(0, bytes.length - cut));
      if (!text.includes("\0")) return { text, encoding: "utf-8" };
    } catch {}
  }
  return { text: Buffer.from(bytes).toString("base64"), encoding: "base64" };
}
