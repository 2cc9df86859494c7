/**
 * Source code that arrives as an archive (tar, tar.gz, tar.zst, zip) becomes a folder, or nothing at all: what is wrong is refused with
 * words for the person who sent it, and what was written by then is taken away.
 */
import { createWriteStream } from "node:fs";
import { chmod, mkdir, mkdtemp, open, rename, rm, stat, symlink } from "node:fs/promises";
import { basename, dirname, join, resolve } from "node:path";
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { createGunzip, createZstdDecompress } from "node:zlib";
import { removeLeftOvers } from "../../../kernel/distribution/namespaces.ts";
import { CloudError } from "../../../kernel/errors.ts";
import { isDebris, plainPath, SourceEntries } from "./entries.ts";
import { megabytes, refused, type SourceLimits, shown, sourceLimits, tooLarge } from "./limits.ts";
import { ByteLimit, readTar } from "./tarReader.ts";
import { readZip } from "./zipReader.ts";

export interface ArchiveEntry {
  /** As the archive has it. */
  name: string;
  kind: "file" | "directory" | "link" | "other";
  /** Of a link. */
  target?: string;
  executable?: boolean;
  /** Of what is not taken: "a hard link". */
  what?: string;
  content: AsyncIterable<Buffer>;
}

export interface UnpackOptions {
  /** Must not be there yet; the folder above it must. Work is done beside it. */
  folder: string;
  limits?: Partial<SourceLimits>;
  /** A single top folder stays: what comes is a folder's content, as of a commit, and no packed folder. */
  keepTopFolder?: boolean;
  signal?: AbortSignal;
  /** For the whole of it, the sending included: 30 minutes unless said. */
  timeoutMs?: number;
}

export interface Unpacked {
  files: number;
  sizeBytes: number;
  /** The one top folder that everything lay in, and that was left out. */
  strippedFolder?: string;
}

type Format = "tar" | "tar.gz" | "tar.zst" | "zip";

const workPrefix = ".khmara-unpack-";
const ownStart = `${process.pid}-`;

/**
 * Unpacks an archive into a new folder, all of it or nothing. A single top folder, as GitHub's archives have, is left out. Files keep
 * whether they are executable, and nothing else of their rights, owners and dates.
 *
 * Throws invalid_argument (`details.reason`: archive_unknown, archive_broken, archive_empty, archive_encrypted, path_absolute, path_outside,
 * path_through_link, path_conflict, name_not_utf8, name_not_allowed, name_too_long, link_outside, link_not_allowed, kind_not_allowed),
 * payload_too_large (archive_too_large, unpacked_too_large, file_too_large, too_many_files, too_deep), storage_full, cancelled,
 * deadline_exceeded.
 */
export async function unpackArchive(archive: Readable, options: UnpackOptions): Promise<Unpacked> {
  const limits = { ...sourceLimits, ...options.limits };
  const folder = resolve(options.folder);
  const deadline = AbortSignal.timeout(options.timeoutMs ?? 30 * 60_000);
  const signal = options.signal ? AbortSignal.any([options.signal, deadline]) : deadline;
  let work: string | undefined;
  // It may fail when nobody reads it any more.
  archive.on("error", () => {});
  const stop = () => archive.destroy(new Error("stopped"));
  try {
    signal.throwIfAborted();
    signal.addEventListener("abort", stop, { once: true });
    await refuseExisting(folder);
    work = await mkdtemp(join(dirname(folder), `${workPrefix}${ownStart}`));
    const root = join(work, "tree");
    await mkdir(root, { mode: 0o755 });
    const tree = new TreeWriter(root, limits, signal);
    for await (const entry of entriesOf(archive, work, limits, signal)) await tree.add(entry);
    const top = await tree.finish(options.keepTopFolder === true);
    signal.throwIfAborted();
    await rename(top === undefined ? root : join(root, top), folder);
    return { files: tree.files, sizeBytes: tree.sizeBytes, ...(top === undefined ? {} : { strippedFolder: top }) };
  } catch (error) {
    throw explained(error, signal, options.signal, dirname(folder));
  } finally {
    signal.removeEventListener("abort", stop);
    archive.destroy();
    if (work !== undefined) await rm(work, { recursive: true, force: true, maxRetries: 5 });
  }
}

/** Takes away what unpackings left in this folder whose process was killed. */
export const sweepUnpacking = (folder: string): Promise<void> => removeLeftOvers(folder, workPrefix);

async function refuseExisting(folder: string): Promise<void> {
  const there = await stat(folder).catch(() => undefined);
  if (there)
    throw new CloudError("already_exists", `${basename(folder)} is there already; sources are unpacked into a new folder.`);
}

function explained(error: unknown, signal: AbortSignal, own: AbortSignal | undefined, folder: string): unknown {
  if (own?.aborted) return new CloudError("cancelled", "Unpacking was cancelled.", { cause: error });
  if (signal.aborted)
    return new CloudError("deadline_exceeded", "The archive took too long to arrive and unpack. Send a smaller one.", {
      cause: error,
    });
  const { code } = error as NodeJS.ErrnoException;
  if (code === "ENOSPC" || code === "EDQUOT")
    return new CloudError("storage_full", `The disk that holds ${folder} is full. Free some space, then try again.`, {
      cause: error,
    });
  if (code === "ERR_STREAM_PREMATURE_CLOSE" || code === "ECONNRESET" || code === "ERR_STREAM_DESTROYED")
    return refused("archive_broken", "The archive ends in the middle. Send it again.", error);
  return compressionError(error);
}

const unknownFormat = (what?: string) =>
  refused(
    "archive_unknown",
    `${what === undefined ? "This is no archive that is read here" : `This is ${what}, which is not read here`}. Send a .tar.gz, .tar or .zip.`,
  );

/** Those that people send by mistake, by their first bytes. */
const foreign: [prefix: readonly number[], name: string][] = [
  [[0x37, 0x7a, 0xbc, 0xaf], "a 7z archive"],
  [[0x52, 0x61, 0x72, 0x21], "a RAR archive"],
  [[0xfd, 0x37, 0x7a, 0x58], "a file compressed by xz"],
  [[0x42, 0x5a, 0x68], "a file compressed by bzip2"],
];

function formatOf(head: Buffer): Format {
  const begins = (...bytes: number[]) => bytes.every((byte, index) => head[index] === byte);
  if (begins(0x1f, 0x8b)) return "tar.gz";
  if (begins(0x28, 0xb5, 0x2f, 0xfd)) return "tar.zst";
  if (begins(0x50, 0x4b, 3, 4) || begins(0x50, 0x4b, 5, 6)) return "zip";
  const known = foreign.find(([prefix]) => begins(...prefix));
  if (known) throw unknownFormat(known[1]);
  if (head.length === 0) throw refused("archive_empty", "Nothing was sent. Send a .tar.gz, .tar or .zip.");
  // Old tars have no mark: whether it is one shows in the checksum of its header.
  if (head.length < 512) throw unknownFormat();
  return "tar";
}

async function* entriesOf(
  archive: Readable,
  work: string,
  limits: SourceLimits,
  signal: AbortSignal,
): AsyncGenerator<ArchiveEntry> {
  const limited = new ByteLimit(limits.archiveBytes, () =>
    tooLarge(
      "archive_too_large",
      `The archive is larger than ${megabytes(limits.archiveBytes)}. Leave out what is installed or built later.`,
    ),
  );
  const arriving = pipeline(archive, limited, { signal });
  arriving.catch(() => {});
  try {
    const pieces = (limited as AsyncIterable<Buffer>)[Symbol.asyncIterator]();
    const { head, rest } = await splitHead(pieces, 512);
    const format = formatOf(head);
    if (format === "zip") {
      const file = join(work, "archive.zip");
      await pipeline(rest, createWriteStream(file, { flags: "wx", mode: 0o600 }), { signal });
      yield* readZip(file, limits);
    } else if (format === "tar") yield* readTar(rest);
    else {
      // Headers and padding come on top of what the files may have.
      const mostBytes = limits.unpackedBytes + limits.entries * 2048 + 1024 ** 2;
      const plain = new ByteLimit(mostBytes, () => tooLargeUnpacked(limits));
      const decompress = format === "tar.gz" ? createGunzip() : createZstdDecompress();
      const unpacking = pipeline(rest, decompress, plain, { signal });
      unpacking.catch(() => {});
      try {
        yield* readTar(plain);
        await unpacking;
      } finally {
        plain.destroy();
      }
    }
  } finally {
    limited.destroy();
  }
}

const tooLargeUnpacked = (limits: SourceLimits) =>
  tooLarge(
    "unpacked_too_large",
    `The archive is larger than ${megabytes(limits.unpackedBytes)} when it is unpacked. Leave out what is installed or built later.`,
  );

function compressionError(error: unknown): unknown {
  const { code } = error as NodeJS.ErrnoException;
  if (typeof code === "string" && (/^Z_/.test(code) || /ZSTD/.test(code)))
    return refused("archive_broken", "The archive is damaged: its compression cannot be undone. Send it again.", error);
  return error;
}

/** The first bytes, and a stream of all of them. */
async function splitHead(pieces: AsyncIterator<Buffer>, bytes: number): Promise<{ head: Buffer; rest: Readable }> {
  const first: Buffer[] = [];
  let ended = false;
  while (!ended && first.reduce((sum, piece) => sum + piece.length, 0) < bytes) {
    const { value, done } = await pieces.next();
    if (done) ended = true;
    else first.push(value);
  }
  const begin = Buffer.concat(first);
  async function* all(): AsyncGenerator<Buffer> {
    if (begin.length > 0) yield begin;
    for (;;) {
      const { value, done } = await pieces.next();
      if (done) return;
      yield value;
    }
  }
  return { head: begin.subarray(0, bytes), rest: Readable.from(all(), { objectMode: false }) };
}

/** Writes what passes into a folder of ours that nobody else knows. Links are made last, so that nothing is ever written through one. */
class TreeWriter {
  files = 0;
  sizeBytes = 0;
  readonly #root: string;
  readonly #limits: SourceLimits;
  readonly #entries: SourceEntries;
  readonly #signal: AbortSignal;

  constructor(root: string, limits: SourceLimits, signal: AbortSignal) {
    this.#root = root;
    this.#limits = limits;
    this.#entries = new SourceEntries(limits);
    this.#signal = signal;
  }

  async add(entry: ArchiveEntry): Promise<void> {
    this.#signal.throwIfAborted();
    const path = plainPath(entry.name);
    if (path === "" || isDebris(path)) {
      // A tar goes on only when its content was read; a debris file may be as large as any.
      await this.#write(undefined, entry);
      return;
    }
    if (entry.kind === "other")
      throw refused(
        "kind_not_allowed",
        entry.what === "a hard link"
          ? `${shown(path)} is a hard link. Pack with tar --hard-dereference, or as .zip.`
          : `${shown(path)} is ${entry.what}. Only files, folders and links may be in the archive.`,
      );
    if (entry.kind === "link") return this.#entries.addLink(path, entry.target ?? "");
    this.#entries.add(path, entry.kind);
    const place = join(this.#root, path);
    if (entry.kind === "directory") {
      await mkdir(place, { recursive: true, mode: 0o755 });
      return;
    }
    await mkdir(dirname(place), { recursive: true, mode: 0o755 });
    this.files++;
    await this.#write(place, entry);
  }

  async #write(place: string | undefined, entry: ArchiveEntry): Promise<void> {
    const file = place === undefined ? undefined : await open(place, "wx", entry.executable ? 0o755 : 0o644);
    try {
      let bytes = 0;
      for await (const piece of entry.content) {
        this.#signal.throwIfAborted();
        bytes += piece.length;
        this.sizeBytes += piece.length;
        if (bytes > this.#limits.fileBytes)
          throw tooLarge(
            "file_too_large",
            `${shown(entry.name)} is larger than ${megabytes(this.#limits.fileBytes)}. Leave it out.`,
          );
        if (this.sizeBytes > this.#limits.unpackedBytes) throw tooLargeUnpacked(this.#limits);
        await file?.writeFile(piece);
      }
      // Whatever the process's umask is.
      await file?.chmod(entry.executable ? 0o755 : 0o644);
    } finally {
      await file?.close();
    }
  }

  /** Makes the links; answers the folder that is the whole tree, when there is one. */
  async finish(keepTopFolder: boolean): Promise<string | undefined> {
    if (this.files === 0) throw refused("archive_empty", "There is no file in the archive. Pack the folder of your application.");
    const top = keepTopFolder ? undefined : this.#entries.topFolder();
    this.#entries.checkLinks(top ?? "");
    for (const [path, target] of this.#entries.links) {
      const place = join(this.#root, path);
      await mkdir(dirname(place), { recursive: true, mode: 0o755 });
      await symlink(target, place);
    }
    await chmod(join(this.#root, top ?? ""), 0o755);
    return top;
  }
}
