import { Transform, type TransformCallback } from "node:stream";
import { extract, type Headers } from "tar-stream";
import { refused } from "./limits.ts";
import type { ArchiveEntry } from "./unpack.ts";

/**
 * So much may come without an entry, or content of one, coming out: names and attributes that do not fit into a header are collected in
 * memory by tar-stream, and a header may claim that there are gigabytes of them. Zeros at the end count too.
 */
const maximumSilentBytes = 4 * 1024 ** 2;

/**
 * The entries of a tar (POSIX pax, ustar, GNU), in their order. The content of one must be read to its end before the next is asked for.
 * Throws invalid_argument for what is no tar.
 */
export async function* readTar(content: AsyncIterable<Buffer>): AsyncGenerator<ArchiveEntry> {
  // Old tars (v7) have no mark; whether it is one shows in the checksums.
  const reader = extract({ allowUnknownFormat: true } as Parameters<typeof extract>[0]);
  let silent = 0;
  let entries = 0;
  let failure: unknown;
  const fed = (async () => {
    try {
      for await (const chunk of content) {
        silent += chunk.length;
        if (silent > maximumSilentBytes + chunk.length)
          throw refused("archive_broken", "The archive has megabytes that are no files. Pack it again.");
        if (!reader.write(chunk)) await drained(reader);
        if (reader.destroyed) return;
      }
      reader.end();
    } catch (error) {
      failure = error;
      reader.destroy(error as Error);
    }
  })();
  const heard = async function* (entry: AsyncIterable<Buffer>) {
    try {
      for await (const chunk of entry) {
        silent = 0;
        yield chunk;
      }
    } catch (error) {
      throw asRefusal(failure ?? error);
    }
  };
  try {
    for await (const entry of reader) {
      const { header } = entry;
      entries++;
      silent = 0;
      yield { name: header.name, ...kindOf(header), content: heard(entry as AsyncIterable<Buffer>) };
    }
    await fed;
  } catch (error) {
    throw asRefusal(failure ?? error);
  } finally {
    reader.destroy();
  }
  if (entries === 0) throw refused("archive_empty", "The archive is empty. Pack the folder of your application.");
}

const drained = (reader: NodeJS.EventEmitter): Promise<void> =>
  new Promise((resolve) => {
    const done = () => {
      reader.off("drain", done).off("close", done);
      resolve();
    };
    reader.on("drain", done).on("close", done);
  });

function kindOf(header: Headers): Pick<ArchiveEntry, "kind" | "target" | "executable" | "what"> {
  const executable = ((header.mode ?? 0) & 0o111) !== 0;
  switch (header.type) {
    case "file":
    case "contiguous-file":
      return { kind: "file", executable };
    case "directory":
      return { kind: "directory" };
    case "symlink":
      return { kind: "link", target: header.linkname ?? "" };
    case "link":
      return { kind: "other", what: "a hard link" };
    case "character-device":
    case "block-device":
      return { kind: "other", what: "a device" };
    case "fifo":
      return { kind: "other", what: "a named pipe" };
    default:
      return { kind: "other", what: "an entry of an unknown kind" };
  }
}

function asRefusal(error: unknown): unknown {
  const words = error instanceof Error && error.name !== "CloudError" ? error.message : "";
  if (/Unexpected end of data|closed prematurely|Premature close|Stream was destroyed/i.test(words))
    return refused("archive_broken", "The archive ends in the middle. Send it again.", error);
  if (/Invalid tar header|checksum|Invalid format|Unknown/i.test(words))
    return refused("archive_broken", "The archive cannot be read as tar. Send a .tar, .tar.gz or .zip.", error);
  return error;
}

/** Ends a stream that is longer than it may be. */
export class ByteLimit extends Transform {
  #left: number;
  readonly #tooMuch: () => Error;

  constructor(bytes: number, tooMuch: () => Error) {
    super();
    this.#left = bytes;
    this.#tooMuch = tooMuch;
  }

  override _transform(chunk: Buffer, _encoding: string, done: TransformCallback): void {
    this.#left -= chunk.length;
    if (this.#left < 0) done(this.#tooMuch());
    else done(null, chunk);
  }
}
