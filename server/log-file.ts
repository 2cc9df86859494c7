import { closeSync, fstatSync, openSync, renameSync, writeSync } from "node:fs";
import { join } from "node:path";
import { makeFolder } from "./durable-file.ts";

export interface LogFile {
  path: string;
  write(line: string): void;
}

/** `<name>.log`, kept with two older ones, each up to `maxBytes`. Losing a log line never stops the cloud. */
export function openLogFile(folder: string, name: string, maxBytes = 10 * 1024 * 1024): LogFile {
  const path = join(folder, `${name}.log`);
  let fd: number | undefined;
  let sizeBytes = 0;

  const open = () => {
    makeFolder(folder, 0o750);
    fd = openSync(path, "a", 0o640);
    sizeBytes = fstatSync(fd).size;
  };
  const rotate = () => {
    if (fd !== undefined) closeSync(fd);
    fd = undefined;
    for (const [from, to] of [
      [`${name}.1.log`, `${name}.2.log`],
      [`${name}.log`, `${name}.1.log`],
    ] as const) {
      try {
        renameSync(join(folder, from), join(folder, to));
      } catch {
        // There is no such older file yet.
      }
    }
    open();
  };

  return {
    path,
    write(line) {
      try {
        if (fd === undefined) open();
        if (sizeBytes > maxBytes) rotate();
        sizeBytes += writeSync(fd as number, `${line}\n`);
      } catch {
        // The disk is full or the folder is gone; the cloud goes on without this line.
      }
    },
  };
}

/** One line of PostgreSQL's own log as a structured record, like those of the other processes. */
export function postgresRecord(line: string): string {
  const match = /^(\S+ \S+ \S+) \[(\d+)\] (\w+):\s+(.*)$/s.exec(line);
  const [, time, pid, severity, msg] = match ?? [];
  const level = severity === undefined ? 30 : ({ WARNING: 40, ERROR: 50, FATAL: 50, PANIC: 60 }[severity] ?? 30);
  return JSON.stringify({
    level,
    time: time === undefined ? Date.now() : Date.parse(time),
    name: "postgresql",
    pid: Number(pid ?? 0),
    severity,
    msg: msg ?? line,
  });
}

/** A child's line as it is when it is a structured record; anything else (a crash report) becomes one. */
export function childRecord(
  line: string,
  stream: "stdout" | "stderr",
  name: string,
): { text: string; level: number; message: string } {
  if (line.startsWith("{")) {
    try {
      const record = JSON.parse(line) as { level?: number; msg?: string; err?: { message?: string } };
      const message = [record.msg, record.err?.message].filter((part) => part !== undefined && part !== "");
      return { text: line, level: record.level ?? 30, message: [...new Set(message)].join(": ") };
    } catch {
      // Not a record after all.
    }
  }
  const level = stream === "stderr" ? 40 : 30;
  return { text: JSON.stringify({ level, time: Date.now(), name, msg: line }), level, message: line };
}

/** Lets a line through once a minute, and never more than five different ones in ten seconds: the rest is in the log. */
export function calm(print: (line: string) => void, now: () => number = Date.now): (line: string) => void {
  const seen = new Map<string, number>();
  let recent: number[] = [];
  return (line) => {
    const at = now();
    for (const [text, time] of seen) if (at - time > 60_000) seen.delete(text);
    recent = recent.filter((time) => at - time < 10_000);
    if (seen.has(line) || recent.length >= 5) return;
    seen.set(line, at);
    recent.push(at);
    print(line);
  };
}
