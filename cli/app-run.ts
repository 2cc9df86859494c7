import { CloudError } from "../kernel/errors.ts";
import { writeTo } from "./pipes.ts";
import { type Opening, runSession, runStreams } from "./remote-command.ts";
import type { Run } from "./run.ts";
import { UsageError } from "./usage-error.ts";

const defaultWindow = { columns: 80, rows: 24 };

/** `khmara app run APP -- COMMAND…`: as if it ran here, with a terminal where one sits at one, its exit code included. */
export function runRun(run: Run): Promise<number> {
  const { cloud, rest: command, terminal, values } = run;
  if (command.length === 0) throw new UsageError("Which command?", "khmara app run APP -- node migrate.js");
  const open: Opening = (options) => cloud.client.appRun({ app: String(values["app"]) as never }, options);
  const { stdin } = terminal;
  if (stdin.isTTY && terminal.stdoutIsTerminal)
    return runSession(terminal, open, { start: { command, terminal: terminal.windowSize() ?? defaultWindow } });
  return runStreams(open, {
    start: { command },
    stdin: stdin.isTTY ? undefined : stdin,
    stdout: (bytes) => writeTo(terminal.stdout, bytes),
    stderr: (bytes) => void terminal.note(bytes as never),
  });
}

/** `khmara app terminal APP [CONTAINER]`: a shell in the container that serves, or in another one. */
export async function runTerminal(run: Run): Promise<number> {
  const { cloud, terminal, values } = run;
  const app = String(values["app"]) as never;
  const container = (values["container"] as string | undefined) ?? (await firstContainer(run, app));
  const window = terminal.windowSize() ?? defaultWindow;
  return runSession(terminal, (options) => cloud.client.appTerminal({ app, container, ...window }, options));
}

/** One that runs; of the process web where there is one. */
async function firstContainer({ cloud, named, values }: Run, app: never): Promise<string> {
  const { items } = await cloud.client.containerList({ app, limit: 200 });
  const running = items.filter(({ state }) => ["running", "healthy", "unhealthy", "starting"].includes(state));
  const name = (running.find(({ process }) => process === "web") ?? running[0])?.name;
  if (name !== undefined) return name;
  const which = String(named["app"] ?? values["app"]);
  throw new CloudError("failed_precondition", `Nothing of ${which} runs. A container of its own: khmara app run ${which} -- sh`);
}
