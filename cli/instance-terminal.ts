import { CloudError } from "../kernel/errors.ts";
import { writeTo } from "./pipes.ts";
import type { Run } from "./run.ts";

const leaveKey = 0x1d;

/** `khmara instance terminal`: a shell as if one sat there. It ends with the shell, whose exit code it passes on. */
export const runTerminal = (run: Run): Promise<number> => session(run, "instanceTerminal");

/** `khmara instance console`: the serial port has no end of its own, so Ctrl-] leaves it. */
export function runConsole(run: Run): Promise<number> {
  if (run.terminal.stdin.isTTY && !run.options.quiet)
    run.terminal.note("The serial console. Ctrl-] leaves it; press Enter for a prompt.\n");
  return session(run, "instanceConsole");
}

async function session(run: Run, key: "instanceTerminal" | "instanceConsole"): Promise<number> {
  const { cloud, terminal, values } = run;
  const { stdin, stdout } = terminal;
  const size = terminal.windowSize();
  const args = { ...size, ...values } as { instance: never };
  let exitCode: number | undefined;
  const socket = await cloud.client[key](args, {
    onBytes: (bytes) => writeTo(stdout, bytes),
    onControl: (message) => {
      const exit = message["exit"] as { code?: unknown } | undefined;
      if (typeof exit?.code === "number") exitCode = exit.code;
    },
  });
  const endResize = terminal.onResize(() => {
    const now = terminal.windowSize();
    if (now) socket.control({ resize: now });
  });
  const typed = async (piece: Buffer) => {
    const at = key === "instanceConsole" ? piece.indexOf(leaveKey) : -1;
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
    if (key === "instanceConsole" && stdin.isTTY) terminal.note("\r\n");
  }
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

export const brokenOff = (): CloudError =>
  new CloudError("unavailable", "The connection ended before the command did. What it was doing may be half done.");
