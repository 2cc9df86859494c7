/**
 * What containers wrote, in files below dataDirectory/apps/logs/<app>/: one line of JSON for each of theirs, in the order in which it came.
 * A file is of one day at the most, and of 8 MiB; when an app has more than its share, its oldest files go.
 */
import { createReadStream } from "node:fs";
import { appendFile, mkdir, open, readdir, readFile, rename, rm, stat, truncate, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { createInterface } from "node:readline";

const mebibyte = 1024 ** 2;
export const longestText = 64 * 1024;

/** One line as it is kept. */
export interface StoredLine {
  at: string;
  process: string;
  container: string;
  stream: "stdout" | "stderr";
  text: string;
  /** The container in the engine. */
  by: string;
  /** Of how many records of the engine it was made, when not of one. */
  of?: number;
}

/** Where the reading of a container goes on: after so many records of this time. */
export interface Position {
  at: string;
  records: number;
}

export interface LogLimits {
  appBytes: number;
  fileBytes: number;
  days: number;
}

export const defaultLimits: LogLimits = { appBytes: 100 * mebibyte, fileBytes: 8 * mebibyte, days: 14 };

/** What the containers' makers need of the logs. */
export interface LogBook {
  /** Reads along with these from now on; those that are followed already are not followed twice. */
  follow(rows: readonly { engineName: string; appId: string; process: string; number: number }[]): void;
  /** Until all that a container wrote that has ended is written down; for a few seconds at the most. */
  finish(engineName: string): Promise<void>;
  remove(appId: string): Promise<void>;
}

/** Names sort by time: `2026-11-22-0003.ndjson`. */
const fileName = (day: string, number: number): string => `${day}-${String(number).padStart(4, "0")}.ndjson`;
const isLog = /^\d{4}-\d\d-\d\d-\d{4}\.ndjson$/;

export async function logFiles(folder: string): Promise<string[]> {
  try {
    return (await readdir(folder)).filter((name) => isLog.test(name)).sort();
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return [];
    throw error;
  }
}

export const dayOfFile = (name: string): string => name.slice(0, 10);

/** The files of one app, written by one process at a time. */
export class AppLog {
  readonly folder: string;
  readonly #limits: LogLimits;
  readonly #positions = new Map<string, Position>();
  #file: { name: string; bytes: number } | undefined;
  #opened: Promise<void> | undefined;
  #queue: Promise<unknown> = Promise.resolve();
  /** Since the positions were written down. */
  #unsaved = 0;

  constructor(folder: string, limits: LogLimits) {
    this.folder = folder;
    this.#limits = limits;
  }

  /** Where to go on with a container; undefined: from its beginning. */
  async position(engineName: string): Promise<Position | undefined> {
    await this.#open();
    return this.#positions.get(engineName);
  }

  /** In the order of the calls. */
  append(lines: readonly StoredLine[], now: Date = new Date()): Promise<void> {
    const work = this.#queue.then(() => this.#write(lines, now));
    this.#queue = work.catch(() => {});
    return work;
  }

  /** A container that is gone is never asked for again. */
  forget(engineName: string): void {
    this.#positions.delete(engineName);
  }

  /** All that is under way is written, and where it is. */
  async close(): Promise<void> {
    await this.#queue;
    if (this.#opened) await this.#savePositions().catch(() => {});
  }

  #open(): Promise<void> {
    this.#opened ??= this.#recover().catch((error) => {
      this.#opened = undefined;
      throw error;
    });
    return this.#opened;
  }

  async #write(lines: readonly StoredLine[], now: Date): Promise<void> {
    if (lines.length === 0) return;
    await this.#open();
    const file = await this.#current(now);
    const bytes = Buffer.from(lines.map((line) => `${JSON.stringify(line)}\n`).join(""));
    try {
      await appendFile(join(this.folder, file.name), bytes, { mode: 0o600 });
    } catch (error) {
      // Half a line may be there: the next one begins with looking.
      this.#opened = undefined;
      throw error;
    }
    file.bytes += bytes.length;
    for (const line of lines) this.#see(line);
    this.#unsaved += bytes.length;
    if (this.#unsaved > mebibyte) await this.#savePositions();
  }

  #see({ by, at, of = 1 }: Pick<StoredLine, "by" | "at" | "of">): void {
    const before = this.#positions.get(by);
    this.#positions.set(by, { at, records: before?.at === at ? before.records + of : of });
  }

  async #current(now: Date): Promise<{ name: string; bytes: number }> {
    const day = now.toISOString().slice(0, 10);
    const current = this.#file;
    // A clock that was set back does not bring an old file back.
    if (current && dayOfFile(current.name) >= day && current.bytes < this.#limits.fileBytes) return current;
    const last = current && dayOfFile(current.name) >= day ? current.name : undefined;
    const name = last === undefined ? fileName(day, 1) : fileName(dayOfFile(last), Number(last.slice(11, 15)) + 1);
    await mkdir(this.folder, { recursive: true, mode: 0o700 });
    this.#file = { name, bytes: 0 };
    await this.#prune(now);
    return this.#file;
  }

  async #prune(now: Date): Promise<void> {
    const oldest = new Date(now.getTime() - this.#limits.days * 86_400_000).toISOString().slice(0, 10);
    const files = await Promise.all(
      (await logFiles(this.folder)).map(async (name) => ({ name, bytes: (await stat(join(this.folder, name))).size })),
    );
    let total = files.reduce((sum, { bytes }) => sum + bytes, 0) + this.#limits.fileBytes;
    for (const { name, bytes } of files) {
      if (name === this.#file?.name || (total <= this.#limits.appBytes && dayOfFile(name) >= oldest)) continue;
      await rm(join(this.folder, name), { force: true });
      total -= bytes;
    }
  }

  /** The file and how far it was when this was written; what came later is read from there. */
  async #savePositions(): Promise<void> {
    const file = this.#file;
    if (!file) return;
    this.#unsaved = 0;
    const path = join(this.folder, "positions.json");
    const content = JSON.stringify({ file: file.name, bytes: file.bytes, containers: Object.fromEntries(this.#positions) });
    await writeFile(`${path}.new`, content, { mode: 0o600 });
    await rename(`${path}.new`, path);
  }

  async #recover(): Promise<void> {
    const files = await logFiles(this.folder);
    const last = files.at(-1);
    this.#positions.clear();
    this.#file = undefined;
    if (last === undefined) return;
    await cutTornLine(join(this.folder, last));
    this.#file = { name: last, bytes: (await stat(join(this.folder, last))).size };
    const saved = await readSaved(join(this.folder, "positions.json"));
    for (const [name, position] of Object.entries(saved?.containers ?? {})) this.#positions.set(name, position);
    for (const name of files) {
      if (saved && name < saved.file) continue;
      const start = saved?.file === name ? saved.bytes : 0;
      const lines = createInterface({
        input: createReadStream(join(this.folder, name), { start }),
        crlfDelay: Number.POSITIVE_INFINITY,
      });
      for await (const line of lines) {
        const stored = parseLine(line);
        if (stored) this.#see(stored);
      }
    }
  }
}

interface Saved {
  file: string;
  bytes: number;
  containers: Record<string, Position>;
}

async function readSaved(path: string): Promise<Saved | undefined> {
  try {
    return JSON.parse(await readFile(path, "utf8")) as Saved;
  } catch {
    // Without it all files are read.
    return undefined;
  }
}

export function parseLine(line: string): StoredLine | undefined {
  try {
    return JSON.parse(line) as StoredLine;
  } catch {
    return undefined;
  }
}

/** Who was killed while writing leaves half a line. */
async function cutTornLine(path: string): Promise<void> {
  const file = await open(path, "r");
  let keep: number;
  try {
    const { size } = await file.stat();
    keep = size;
    const piece = Buffer.alloc(64 * 1024);
    for (let end = size; end > 0; ) {
      const start = Math.max(0, end - piece.length);
      const { bytesRead } = await file.read(piece, 0, end - start, start);
      const newline = piece.subarray(0, bytesRead).lastIndexOf(10);
      keep = newline === -1 ? start : start + newline + 1;
      if (newline !== -1) break;
      end = start;
    }
    if (keep === size) return;
  } finally {
    await file.close();
  }
  await truncate(path, keep);
}
