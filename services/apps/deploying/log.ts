/** Logs of deployments: a file each, bounded, of lines of plain text. The process at work writes; any process of this machine reads. */
import { type FSWatcher, watch } from "node:fs";
import { type FileHandle, mkdir, open, rm, stat } from "node:fs/promises";
import { join } from "node:path";
import { stripVTControlCharacters } from "node:util";
import { maximumDeploymentLogBytes } from "./contract.ts";

export interface LogPart {
  offset: number;
  nextOffset: number;
  text: string;
  truncated: boolean;
}

export interface DeploymentLogs {
  /** For one step; lines come in the order of the calls. Close it: then all of them are on the disk. */
  open(deploymentId: string): Promise<LogWriter>;
  /** At most 256 KiB from `offset`, in whole letters. */
  read(deploymentId: string, offset: number): Promise<LogPart>;
  size(deploymentId: string): Promise<number>;
  /** Until it is longer than `offset`, or the signal is aborted. It may also come back too early. */
  grown(deploymentId: string, offset: number, signal: AbortSignal): Promise<void>;
  remove(deploymentIds: readonly string[]): Promise<void>;
}

export interface LogWriter {
  line(text: string): void;
  close(): Promise<void>;
}

const maximumLineBytes = 8192;
const readBytes = 256 * 1024;
const cut = "… This log is longer than what is kept of it.\n";
const lookAgainMs = 2000;

/** Control characters but tabs; what terminals obey is taken out before. */
const control = /[^\P{Cc}\t]/gu;

/** One line as it is kept. */
function plainLine(text: string): string {
  const line = stripVTControlCharacters(text).replace(control, "").trimEnd();
  return line.length > maximumLineBytes ? `${line.slice(0, maximumLineBytes)}…\n` : `${line}\n`;
}

export function openDeploymentLogs(dataDirectory: string): DeploymentLogs {
  const folder = join(dataDirectory, "apps", "deployments");
  const fileOf = (id: string) => join(folder, `${id}.log`);
  const size = async (id: string) => (await stat(fileOf(id)).catch(absent))?.size ?? 0;

  return {
    async open(id) {
      await mkdir(folder, { recursive: true, mode: 0o700 });
      const file = await open(fileOf(id), "a", 0o600);
      let length = (await file.stat()).size;
      let writing: Promise<unknown> = Promise.resolve();
      let waiting = "";
      const flush = () => {
        const text = waiting;
        waiting = "";
        return text === "" ? undefined : file.appendFile(text);
      };
      return {
        line(text) {
          if (length >= maximumDeploymentLogBytes) return;
          let line = plainLine(text);
          if (length + Buffer.byteLength(line) > maximumDeploymentLogBytes - Buffer.byteLength(cut)) {
            // Exactly as long as it may be: whoever reads sees by the length that it was cut.
            const room = maximumDeploymentLogBytes - length - Buffer.byteLength(cut);
            line = `${" ".repeat(Math.max(0, room - 1))}${room > 0 ? "\n" : ""}${cut}`;
          }
          length += Buffer.byteLength(line);
          waiting += line;
          writing = writing.then(flush).catch(() => {});
        },
        async close() {
          await writing;
          await file.sync();
          await file.close();
        },
      };
    },

    async read(id, offset) {
      const file = await open(fileOf(id), "r").catch(absent);
      if (file === undefined) return { offset, nextOffset: offset, text: "", truncated: false };
      try {
        const { size: total } = await file.stat();
        const bytes = await readAt(file, offset, readBytes);
        const whole = wholeLetters(bytes);
        return {
          offset,
          nextOffset: offset + whole.length,
          text: whole.toString("utf8"),
          truncated: total >= maximumDeploymentLogBytes,
        };
      } finally {
        await file.close();
      }
    },

    size,

    async grown(id, offset, signal) {
      if (signal.aborted || (await size(id)) > offset) return;
      const { promise, resolve } = Promise.withResolvers<void>();
      let watcher: FSWatcher | undefined;
      // A watch may be lost, or not be had at all; the folder may not be there yet.
      const timer = setTimeout(resolve, lookAgainMs);
      signal.addEventListener("abort", () => resolve(), { once: true });
      try {
        watcher = watch(fileOf(id), { persistent: false }, () => resolve());
        watcher.on("error", () => {});
        if ((await size(id)) > offset) resolve();
      } catch {
        // Not there yet.
      }
      await promise;
      clearTimeout(timer);
      watcher?.close();
    },

    async remove(ids) {
      for (const id of ids) await rm(fileOf(id), { force: true });
    },
  };
}

const absent = (error: NodeJS.ErrnoException): undefined => {
  if (error.code === "ENOENT") return undefined;
  throw error;
};

async function readAt(file: FileHandle, offset: number, length: number): Promise<Buffer> {
  const buffer = Buffer.alloc(length);
  let filled = 0;
  while (filled < length) {
    const { bytesRead } = await file.read(buffer, filled, length - filled, offset + filled);
    if (bytesRead === 0) break;
    filled += bytesRead;
  }
  return buffer.subarray(0, filled);
}

/** Without the beginning of a letter (UTF-8) whose rest comes later. */
function wholeLetters(bytes: Buffer): Buffer {
  for (let back = 1; back <= Math.min(4, bytes.length); back++) {
    const byte = bytes[bytes.length - back] as number;
    if ((byte & 0xc0) === 0x80) continue;
    const length = byte >= 0xf0 ? 4 : byte >= 0xe0 ? 3 : byte >= 0xc0 ? 2 : 1;
    return length > back ? bytes.subarray(0, bytes.length - back) : bytes;
  }
  return bytes;
}
