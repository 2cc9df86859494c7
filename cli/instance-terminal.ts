import { runSession } from "./remote-command.ts";
import type { Run } from "./run.ts";

const leaveKey = 0x1d;

/** `khmara instance terminal`: a shell as if one sat there. It ends with the shell, whose exit code it passes on. */
export function runTerminal({ cloud, terminal, values }: Run): Promise<number> {
  const args = { ...terminal.windowSize(), ...values } as { instance: never };
  return runSession(terminal, (options) => cloud.client.instanceTerminal(args, options));
}

/** `khmara instance console`: the serial port has no end of its own, so Ctrl-] leaves it. */
export function runConsole({ cloud, terminal, values, options: { quiet } }: Run): Promise<number> {
  if (terminal.stdin.isTTY && !quiet) terminal.note("The serial console. Ctrl-] leaves it; press Enter for a prompt.\n");
  const args = { ...terminal.windowSize(), ...values } as { instance: never };
  return runSession(terminal, (options) => cloud.client.instanceConsole(args, options), { leaveKey });
}

/** `khmara instance log`: the text itself. */
export async function runLog(run: Run): Promise<number> {
  const answer = await run.cloud.client.instanceLog(run.values as { instance: never });
  if (run.options.json) run.terminal.out(`${JSON.stringify(answer, null, 2)}\n`);
  else run.terminal.out(answer.text === "" || answer.text.endsWith("\n") ? answer.text : `${answer.text}\n`);
  if (answer.text === "" && !run.options.json && !run.options.quiet)
    run.terminal.note("It has written nothing to its serial console.\n");
  return 0;
}
