import type { SourceFile } from "./folder.ts";

const block = 512;
const encoder = new TextEncoder();
/** What eleven octal digits can say (POSIX.1-2017, pax, ustar). */
const largestOctal = 8 ** 11 - 1;

function header(name: Uint8Array, size: number, mode: number, type: "0" | "x"): Uint8Array {
  const bytes = new Uint8Array(block);
  const put = (at: number, text: string) => bytes.set(encoder.encode(text), at);
  const octal = (at: number, length: number, value: number) => put(at, `${value.toString(8).padStart(length - 1, "0")}\0`);
  bytes.set(name.subarray(0, 100), 0);
  octal(100, 8, mode);
  octal(108, 8, 0);
  octal(116, 8, 0);
  octal(124, 12, Math.min(size, largestOctal));
  // No dates: the same folder is the same archive.
  octal(136, 12, 0);
  put(148, "        ");
  put(156, type);
  put(257, "ustar\x0000");
  const sum = bytes.reduce((all, byte) => all + byte, 0);
  put(148, `${sum.toString(8).padStart(6, "0")}\0 `);
  return bytes;
}

const padding = (size: number) => new Uint8Array((block - (size % block)) % block);

/** One record of a pax header: its own length is part of it. */
function record(name: string, value: string): Uint8Array {
  const rest = encoder.encode(` ${name}=${value}\n`);
  let length = rest.length + 1;
  while (String(length).length + rest.length !== length) length = String(length).length + rest.length;
  return new Uint8Array([...encoder.encode(String(length)), ...rest]);
}

/** Browsers do not tell which files may be executed; what begins with #! is meant to be. */
async function modeOf(file: Blob): Promise<number> {
  const start = new Uint8Array(await file.slice(0, 2).arrayBuffer());
  return start[0] === 0x23 && start[1] === 0x21 ? 0o755 : 0o644;
}

async function* tarChunks(files: readonly SourceFile[], onFile: (done: number) => void): AsyncGenerator<Uint8Array> {
  let done = 0;
  for (const { path, file } of files) {
    const name = encoder.encode(path);
    const long = name.length > 100 || /[^\x20-\x7e]/.test(path) || file.size > largestOctal;
    if (long) {
      const parts = [record("path", path), ...(file.size > largestOctal ? [record("size", String(file.size))] : [])];
      const length = parts.reduce((all, part) => all + part.length, 0);
      yield header(encoder.encode("pax"), length, 0o644, "x");
      yield* parts;
      yield padding(length);
    }
    yield header(name, file.size, await modeOf(file), "0");
    let seen = 0;
    const reader = file.stream().getReader();
    for (;;) {
      const { value, done: over } = await reader.read();
      if (over) break;
      seen += value.length;
      yield value;
    }
    // A tar whose header lies would be refused by words nobody understands.
    if (seen !== file.size) throw new FileChanged(path);
    yield padding(seen);
    onFile(++done);
  }
  yield new Uint8Array(2 * block);
}

export class FileChanged extends Error {
  override name = "FileChanged";
  readonly path: string;
  constructor(path: string) {
    super(path);
    this.path = path;
  }
}

/**
 * A tar.gz of the files, as a blob: only of one does a browser tell how much of it has been sent. `onFile` hears how many files are in
 * it. Throws FileChanged, and what the browser throws for a file that it may not read.
 */
export async function packTarGz(
  files: readonly SourceFile[],
  onFile: (done: number) => void,
  signal?: AbortSignal,
): Promise<Blob> {
  const chunks = tarChunks(files, onFile);
  const tar = new ReadableStream<Uint8Array<ArrayBuffer>>({
    async pull(controller) {
      try {
        signal?.throwIfAborted();
        const { value, done } = await chunks.next();
        if (done) controller.close();
        else controller.enqueue(value as Uint8Array<ArrayBuffer>);
      } catch (error) {
        controller.error(error);
      }
    },
  });
  const packed = await new Response(tar.pipeThrough(new CompressionStream("gzip"))).blob();
  return new Blob([packed], { type: "application/gzip" });
}
