import { Readable } from "node:stream";
import type { Cloud } from "./cloud.ts";
import { writeTo } from "./pipes.ts";
import { runStreams, type Streams } from "./remote-command.ts";
import type { Run } from "./run.ts";
import { UsageError } from "./usage-error.ts";

export interface Execution extends Streams {
  instance: string;
  start: { command: string[]; user?: unknown; environment?: unknown; workingDirectory?: unknown };
}

/** Runs a command inside an instance with streams; answers its exit code. */
export const execute = (cloud: Cloud, { instance, ...streams }: Execution): Promise<number> =>
  runStreams((options) => cloud.client.instanceExecStream({ instance: instance as never }, options), streams);

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
