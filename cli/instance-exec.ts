import { Readable } from "node:stream";
import type { CloudSocket } from "../client/socket.ts";
import type { Cloud } from "./cloud.ts";
import { brokenOff } from "./instance-terminal.ts";
import { sendFrom, writeTo } from "./pipes.ts";
import type { Run } from "./run.ts";
import { UsageError } from "./usage-error.ts";

export interface Execution {
  instance: string;
  start: { command: string[]; user?: unknown; environment?: unknown; workingDirectory?: unknown };
  /** What the command reads; absent: nothing. */
  stdin?: Readable | undefined;
  stdout: (bytes: Uint8Array) => void | Promise<void>;
  stderr: (bytes: Uint8Array) => void | Promise<void>;
  signal?: AbortSignal | undefined;
}

/** Runs a command inside an instance with streams; answers its exit code. */
export async function execute(cloud: Cloud, { instance, start, stdin, stdout, stderr, signal }: Execution): Promise<number> {
  let exitCode: number | undefined;
  const socket: CloudSocket = await cloud.client.instanceExecStream(
    { instance: instance as never },
    {
      // The first byte says what the rest is: 1 the output, 2 the messages.
      onBytes: (bytes) => (bytes[0] === 2 ? stderr : stdout)(bytes.subarray(1)),
      onControl: (message) => {
        const exit = message["exit"] as { code?: unknown } | undefined;
        if (typeof exit?.code === "number") exitCode = exit.code;
      },
      signal,
    },
  );
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

/** `khmara instance exec NAME -- COMMAND…`: as if it ran here, its exit code included. */
export async function runExec(run: Run): Promise<number> {
  const { cloud, command, options, rest, terminal, values } = run;
  const given = (values["command"] as string[] | undefined) ?? [];
  const words = [...given, ...rest];
  if (words.length === 0) throw new UsageError("Which command?", `khmara ${command.resource} ${command.verb} NAME -- ls -l /srv`);
  if (options.json) {
    const answer = await cloud.client.instanceExec({ ...values, command: words } as never);
    terminal.out(`${JSON.stringify(answer, null, 2)}\n`);
    return answer.exitCode;
  }
  const { instance, timeoutSeconds, stdin, stdinEncoding, ...start } = values;
  const late = timeoutSeconds === undefined ? undefined : AbortSignal.timeout(Number(timeoutSeconds) * 1000);
  const text = stdin === undefined ? undefined : Buffer.from(String(stdin), stdinEncoding === "base64" ? "base64" : "utf8");
  try {
    return await execute(cloud, {
      instance: String(instance),
      start: { ...start, command: words },
      // Who sits at the keyboard wants a terminal for that: `khmara instance terminal`.
      stdin: text ? Readable.from([text]) : terminal.stdin.isTTY || terminal.interactive ? undefined : terminal.stdin,
      stdout: (bytes) => writeTo(terminal.stdout, bytes),
      stderr: (bytes) => void terminal.note(bytes as never),
      signal: late,
    });
  } catch (error) {
    if (!late?.aborted) throw error;
    terminal.note(`khmara: the command was ended: it took longer than ${timeoutSeconds} seconds.\n`);
    return 124;
  }
}
