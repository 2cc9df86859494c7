import type { Readable } from "node:stream";
import { crc32 } from "node:zlib";
import { type Entry, type Options, open, type ZipFile } from "yauzl";
import { refused, type SourceLimits, shown, tooLarge } from "./limits.ts";
import type { ArchiveEntry } from "./unpack.ts";

/**
 * The entries of a zip (PKWARE's APPNOTE), which must lie in a file, since its list is at the end. The checksums are checked. Throws
 * invalid_argument for what is no zip, has a password, or is compressed in another way than Deflate.
 */
export async function* readZip(file: string, limits: SourceLimits): AsyncGenerator<ArchiveEntry> {
  // Names as bytes: without its flag a name is in a code page of old, or in UTF-8 all the same, and yauzl would guess the former.
  const zip = await openFile(file, { lazyEntries: true, autoClose: false, decodeStrings: false, validateEntrySizes: true });
  try {
    if (zip.entryCount === 0) throw refused("archive_empty", "The archive is empty. Pack the folder of your application.");
    if (zip.entryCount > limits.entries)
      throw tooLarge(
        "too_many_files",
        `The archive has more than ${limits.entries} files. Leave out what is installed or built later.`,
      );
    for await (const entry of zip.eachEntry()) yield entryOf(zip, entry);
  } catch (error) {
    throw asRefusal(error);
  } finally {
    zip.close();
  }
}

const openFile = (file: string, options: Options): Promise<ZipFile> =>
  new Promise((resolve, reject) => {
    open(file, options, (error, zip) => (error ? reject(asRefusal(error)) : resolve(zip)));
  });

const utf8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
const unicodePathField = 0x7075;
/** The upper byte of "version made by": who wrote the attributes (APPNOTE 4.4.2). */
const unix = 3;
const apple = 19;

function nameOf(entry: Entry): string {
  const raw = entry.fileNameRaw;
  // Info-ZIP keeps the name in UTF-8 beside one in a code page (APPNOTE 4.6.9): version, checksum of the other, name.
  const field = entry.extraFields.find(({ id, data }) => id === unicodePathField && data.length > 5 && data[0] === 1)?.data;
  const bytes = field !== undefined && field.readUInt32LE(1) === crc32(raw) ? field.subarray(5) : raw;
  try {
    // Some programs of Windows separate with backslashes, which the format does not know.
    return utf8.decode(bytes).replaceAll("\\", "/");
  } catch (error) {
    throw refused(
      "name_not_utf8",
      `The archive has a name that is not UTF-8 (${shown(bytes.toString("latin1"))}). Rename that file, then pack again.`,
      error,
    );
  }
}

async function entryOf(zip: ZipFile, entry: Entry): Promise<ArchiveEntry> {
  const name = nameOf(entry);
  const host = entry.versionMadeBy >>> 8;
  const mode = host === unix || host === apple ? entry.externalFileAttributes >>> 16 : 0;
  const content = () => checked(zip, entry, name);
  // The kinds of stat(2).
  const kind = mode & 0o170000;
  if (name.endsWith("/") || kind === 0o040000) return { name, kind: "directory", content: nothing() };
  if (kind === 0o120000) return { name, kind: "link", target: await linkTarget(content(), name), content: nothing() };
  if (kind !== 0 && kind !== 0o100000) return { name, kind: "other", what: "a device or the like", content: nothing() };
  return { name, kind: "file", executable: (mode & 0o111) !== 0, content: content() };
}

async function* nothing(): AsyncGenerator<Buffer> {}

const maximumTargetBytes = 4096;

async function linkTarget(content: AsyncIterable<Buffer>, name: string): Promise<string> {
  const pieces: Buffer[] = [];
  let bytes = 0;
  for await (const piece of content) {
    bytes += piece.length;
    if (bytes > maximumTargetBytes)
      throw refused("link_not_allowed", `The link ${shown(name)} has no path as its target. Remove it.`);
    pieces.push(piece);
  }
  return Buffer.concat(pieces).toString("utf8");
}

async function* checked(zip: ZipFile, entry: Entry, name: string): AsyncGenerator<Buffer> {
  if (entry.isEncrypted()) throw refused("archive_encrypted", "The archive has a password. Pack it without one.");
  if (!entry.canDecodeFileData())
    throw refused(
      "archive_unknown",
      `${shown(name)} is compressed in a way that is not read here. Pack with Deflate, as zip does.`,
    );
  let sum = 0;
  let stream: Readable | undefined;
  try {
    stream = await zip.openReadStreamPromise(entry);
    for await (const piece of stream as AsyncIterable<Buffer>) {
      sum = crc32(piece, sum);
      yield piece;
    }
  } catch (error) {
    throw asRefusal(error);
  } finally {
    stream?.destroy();
  }
  if (sum !== entry.crc32) throw refused("archive_broken", `${shown(name)} does not match its checksum. Send the archive again.`);
}

/** Whatever yauzl or zlib find wrong is wrong with the archive; the disk's own errors have a system call. */
function asRefusal(error: unknown): unknown {
  const { name, syscall } = error as Error & { syscall?: string };
  if (!(error instanceof Error) || name === "CloudError" || name === "AbortError" || syscall !== undefined) return error;
  return refused("archive_broken", `The archive cannot be read as zip (${shown(error.message)}). Pack it again.`, error);
}
