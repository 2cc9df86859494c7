import { open, stat } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import type { LogLine } from "../contract.ts";
import { dayOfFile, logFiles, parseLine, type StoredLine } from "./book.ts";

export interface LogFilter {
  process?: string | undefined;
  search?: string | undefined;
  since?: string | undefined;
  until?: string | undefined;
}

/** A place between two lines. */
export interface LogPlace {
  file: string;
  offset: number;
}

/** More than the longest line, of which every letter may take six. */
const pieceBytes = 512 * 1024;
/** Who searches for what is not there gets an empty page, and may go on from there. */
const mostBytesAtOnce = 32 * 1024 ** 2;
const lookAgainMs = 250;

export const lineOf = ({ at, process, container, stream, text }: StoredLine): LogLine => ({
  at,
  process,
  container,
  stream,
  text,
});

function matcher(filter: LogFilter): (line: StoredLine) => boolean {
  const search = filter.search?.toLowerCase();
  const since = filter.since === undefined ? undefined : comparable(filter.since);
  const until = filter.until === undefined ? undefined : comparable(filter.until);
  return (line) =>
    (filter.process === undefined || line.process === filter.process) &&
    (since === undefined || comparable(line.at) >= since) &&
    (until === undefined || comparable(line.at) <= until) &&
    (search === undefined || line.text.toLowerCase().includes(search));
}

/** RFC 3339 in UTC, so that times with fewer decimals sort right. */
const comparable = (at: string): string => {
  const [whole = "", fraction = ""] = at.replace(/Z$/, "").split(".");
  return `${whole}.${fraction.padEnd(9, "0")}`;
};

/** Newest first; `before` is where the page before ended. */
export async function readLines(
  folder: string,
  filter: LogFilter,
  options: { before?: LogPlace | undefined; limit: number },
): Promise<{ lines: StoredLine[]; next?: LogPlace }> {
  const { before, limit } = options;
  const matches = matcher(filter);
  const sinceDay = filter.since?.slice(0, 10);
  const lines: StoredLine[] = [];
  let budget = mostBytesAtOnce;
  const files = (await logFiles(folder)).reverse().filter((name) => before === undefined || name <= before.file);
  for (const name of files) {
    // Lines come in at their time or later.
    if (sinceDay !== undefined && dayOfFile(name) < sinceDay) break;
    const end = before?.file === name ? before.offset : Number.POSITIVE_INFINITY;
    for await (const { line, offset } of backwards(join(folder, name), end)) {
      budget -= line.length;
      const stored = parseLine(line.toString());
      if (stored && matches(stored)) lines.push(stored);
      if (lines.length >= limit || budget <= 0) {
        const more = offset > 0 || name !== files.at(-1);
        return { lines, ...(more && { next: { file: name, offset } }) };
      }
    }
  }
  return { lines };
}

/** Lines from the end, with the places where they begin. A file that was just taken away for its age has none. */
async function* backwards(path: string, end: number): AsyncGenerator<{ line: Buffer; offset: number }> {
  const file = await openIfThere(path);
  if (!file) return;
  try {
    let position = Math.min(end, (await file.stat()).size);
    let rest: Buffer = Buffer.alloc(0);
    let isFirst = true;
    while (position > 0) {
      const start = Math.max(0, position - pieceBytes);
      const piece = Buffer.alloc(position - start);
      await file.read(piece, 0, piece.length, start);
      let bytes = Buffer.concat([piece, rest]);
      if (isFirst) {
        // What is just being written has no end yet.
        bytes = bytes.subarray(0, bytes.lastIndexOf(10) + 1);
        isFirst = false;
      }
      let until = bytes.length - 1;
      for (
        let newline = bytes.lastIndexOf(10, until - 1);
        until > 0 && newline !== -1;
        newline = until > 0 ? bytes.lastIndexOf(10, until - 1) : -1
      ) {
        yield { line: bytes.subarray(newline + 1, until), offset: start + newline + 1 };
        until = newline;
      }
      rest = bytes.subarray(0, until + 1);
      position = start;
    }
    if (rest.length > 1) yield { line: rest.subarray(0, rest.length - 1), offset: 0 };
  } finally {
    await file.close();
  }
}

async function openIfThere(path: string) {
  try {
    return await open(path, "r");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
    throw error;
  }
}

/** The end of what there is now. */
export async function endOfLogs(folder: string): Promise<LogPlace | undefined> {
  const last = (await logFiles(folder)).at(-1);
  if (last === undefined) return undefined;
  return { file: last, offset: (await stat(join(folder, last))).size };
}

/** Oldest first, from a place on; where there is no more, it ends or, with `follow`, waits. An empty list tells that time has passed. */
export async function* forwards(
  folder: string,
  filter: LogFilter,
  options: { from?: LogPlace | undefined; follow?: boolean; signal: AbortSignal },
): AsyncGenerator<{ lines: StoredLine[]; place: LogPlace | undefined }> {
  const { follow = false, signal } = options;
  const matches = matcher(filter);
  let place = options.from;
  while (!signal.aborted) {
    const files = (await logFiles(folder)).filter((name) => place === undefined || name >= place.file);
    let read = false;
    for (const [index, name] of files.entries()) {
      let offset = place?.file === name ? place.offset : 0;
      for (;;) {
        const { lines, bytes } = await pieceOf(join(folder, name), offset);
        offset += bytes;
        place = { file: name, offset };
        if (bytes === 0) break;
        read = true;
        yield { lines: lines.filter(matches), place };
        if (signal.aborted) return;
      }
      // A later file is only begun when this one is over.
      if (index < files.length - 1) place = { file: files[index + 1] as string, offset: 0 };
    }
    if (!follow) return;
    if (!read) yield { lines: [], place };
    await sleep(lookAgainMs, undefined, { signal }).catch(() => {});
  }
}

/** Whole lines from an offset on. */
async function pieceOf(path: string, offset: number): Promise<{ lines: StoredLine[]; bytes: number }> {
  const file = await openIfThere(path);
  if (!file) return { lines: [], bytes: 0 };
  try {
    const piece = Buffer.alloc(pieceBytes);
    const { bytesRead } = await file.read(piece, 0, piece.length, offset);
    const end = piece.subarray(0, bytesRead).lastIndexOf(10) + 1;
    const lines = piece
      .subarray(0, end)
      .toString()
      .split("\n")
      .flatMap((line) => (line === "" ? [] : (parseLine(line) ?? [])));
    return { lines, bytes: end };
  } finally {
    await file.close();
  }
}
