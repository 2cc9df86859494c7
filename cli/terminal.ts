import { createInterface } from "node:readline";
import type { Readable } from "node:stream";
import type { Environment } from "./profiles.ts";

/** Where a command reads and writes; a test gives its own. */
export interface Terminal {
  env: Environment;
  stdin: Readable & { isTTY?: boolean; setRawMode?: (raw: boolean) => unknown };
  stdout: NodeJS.WritableStream;
  /** Whether people read what is printed. */
  stdoutIsTerminal: boolean;
  /** Whether somebody is there to answer questions and to watch a progress bar. */
  interactive: boolean;
  columns: number;
  /** The size of the window at this moment; undefined where there is none. */
  windowSize(): { columns: number; rows: number } | undefined;
  /** Called when the window changes, until the function that is returned is called. */
  onResize(listener: () => void): () => void;
  /** Called at Ctrl-C, instead of the end of this process, until the function that is returned is called. */
  onInterrupt(listener: () => void): () => void;
  /** Results. */
  out(text: string): void;
  /** Notes, questions, progress and errors. */
  note(text: string): void;
}

export function processTerminal(): Terminal {
  const { stdin, stdout, stderr, env } = process;
  // `khmara bucket list | head` closes the pipe early: that is no error.
  stdout.on("error", (error: NodeJS.ErrnoException) => {
    if (error.code === "EPIPE") process.exit(0);
  });
  return {
    env,
    stdin,
    stdout,
    stdoutIsTerminal: stdout.isTTY === true,
    interactive: stdin.isTTY === true && stderr.isTTY === true,
    // A terminal that does not know its size says 0.
    columns: stdout.columns || stderr.columns || 120,
    windowSize: () => (stdout.isTTY && stdout.columns ? { columns: stdout.columns, rows: stdout.rows } : undefined),
    onResize(listener) {
      stdout.on("resize", listener);
      return () => void stdout.off("resize", listener);
    },
    onInterrupt(listener) {
      const signals = ["SIGINT", "SIGTERM"] as const;
      for (const signal of signals) process.on(signal, listener);
      return () => {
        for (const signal of signals) process.off(signal, listener);
      };
    },
    out: (text) => void stdout.write(text),
    note: (text) => void stderr.write(text),
  };
}

/** Asks on the terminal; Ctrl-D and Ctrl-C count as no answer. */
export function ask(terminal: Terminal, question: string, fallback = ""): Promise<string> {
  return new Promise((resolve, reject) => {
    terminal.note(question);
    const lines = createInterface({ input: terminal.stdin });
    let answered = false;
    lines.once("line", (line) => {
      answered = true;
      lines.close();
      resolve(line.trim() || fallback);
    });
    lines.once("close", () => {
      if (!answered) reject(new Interrupted());
    });
  });
}

/** Somebody pressed Ctrl-C or Ctrl-D at a question. */
export class Interrupted extends Error {}

/** The person said no: nothing was done, and that is what the exit code says. */
export class Declined extends Error {}

/** Asks without showing what is typed. */
export function askSecret(terminal: Terminal, question: string): Promise<string> {
  const { stdin } = terminal;
  if (!stdin.setRawMode) return ask(terminal, question);
  return new Promise((resolve, reject) => {
    let typed = "";
    const end = (finish: () => void) => {
      stdin.off("data", onData);
      stdin.setRawMode?.(false);
      stdin.pause();
      terminal.note("\n");
      finish();
    };
    const onData = (chunk: Buffer | string) => {
      for (const letter of chunk.toString("utf8")) {
        if (letter === "\r" || letter === "\n") return end(() => resolve(typed));
        if (letter === "\u0003" || (letter === "\u0004" && typed === "")) return end(() => reject(new Interrupted()));
        if (letter === "\u007f" || letter === "\b") typed = [...typed].slice(0, -1).join("");
        else if (letter === "\u0015") typed = "";
        else if (letter >= " ") typed += letter;
      }
    };
    // Before the question: who types quickly would see the first letters.
    stdin.setRawMode?.(true);
    stdin.on("data", onData);
    stdin.resume();
    terminal.note(question);
  });
}

export async function confirm(terminal: Terminal, question: string): Promise<boolean> {
  const answer = await ask(terminal, `${question} [y/N] `);
  return /^y(es)?$/i.test(answer);
}
