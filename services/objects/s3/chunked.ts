import { createHash, type Hash } from "node:crypto";
import { S3Error } from "./errors.ts";
import { type ChunkSigning, chunkSignature, sameSignature, trailerSignature } from "./signature.ts";

/** Longest line between chunks: a size, an extension and a signature; or one trailing header. */
const maxLineBytes = 4096;
const maxTrailers = 16;
/** All chunks but the last with data have at least this ("Transferring Payload in Multiple Chunks"). */
const minChunkBytes = 8192;

export interface ChunkedOptions {
  /** With it every chunk must be signed, and the trailer too. */
  signing?: ChunkSigning | undefined;
  trailer: boolean;
  /** x-amz-decoded-content-length: what the chunks must add up to. */
  decodedLength: number;
  /** Trailing headers, by lower-case name, once the body has ended. */
  trailers: Map<string, string>;
}

type State = "header" | "data" | "data-end" | "trailer" | "end";

const malformed = (): S3Error => new S3Error("IncompleteBody", "The request body terminated unexpectedly");
const mismatch = (): S3Error => new S3Error("SignatureDoesNotMatch");
const chunkTooSmall = (chunk: number, size: number): S3Error =>
  new S3Error("InvalidChunkSizeError", undefined, { fields: { Chunk: String(chunk), BadChunkSize: String(size) } });

/**
 * Takes the aws-chunked framing off a body ("Transferring Payload in Multiple Chunks"). Bytes go on as they come, before
 * their chunk's signature is known: who stores them commits only when this has ended without an error.
 */
export async function* decodeChunked(source: AsyncIterable<Uint8Array>, options: ChunkedOptions): AsyncGenerator<Uint8Array> {
  const { signing, trailers } = options;
  let state = "header" as State;
  let line = "";
  let remaining = 0;
  let total = 0;
  let chunks = 0;
  let short = 0;
  let hash = undefined as Hash | undefined;
  let announced = "";
  let previous = signing?.seedSignature ?? "";
  const trailerLines: string[] = [];
  let trailerSigned = false;

  const chunkBegin = (header: string): void => {
    const [size = "", parameter = "", ...more] = header.split(";").map((text) => text.trim());
    if (!/^[0-9a-fA-F]{1,12}$/.test(size)) throw malformed();
    remaining = Number.parseInt(size, 16);
    chunks++;
    if (remaining > 0 && short > 0) throw chunkTooSmall(chunks - 1, short);
    short = remaining < minChunkBytes ? remaining : 0;
    total += remaining;
    if (total > options.decodedLength) throw new S3Error("IncompleteBody");
    if (signing) {
      announced = /^chunk-signature\s*=\s*(\S+)$/.exec(parameter)?.[1] ?? "";
      // As AWS tells it: what stands before the signature is taken for it.
      if (announced === "" && more.length > 0) throw mismatch();
      if (announced === "" || more.length > 0) throw malformed();
      hash = createHash("sha256");
    }
    if (remaining > 0) state = "data";
    else {
      chunkEnd();
      state = "trailer";
    }
  };

  const chunkEnd = (): void => {
    if (!signing || !hash) return;
    const expected = chunkSignature(signing, previous, hash.digest("hex"));
    if (!sameSignature(expected, announced)) throw mismatch();
    previous = expected;
  };

  const trailerLine = (text: string): void => {
    const colon = text.indexOf(":");
    if (!options.trailer || colon < 1 || trailerLines.length >= maxTrailers) throw new S3Error("MalformedTrailerError");
    const name = text.slice(0, colon).trim().toLowerCase();
    const value = text.slice(colon + 1).trim();
    if (name === "x-amz-trailer-signature") {
      if (signing && !sameSignature(trailerSignature(signing, previous, trailerLines), value)) throw mismatch();
      trailerSigned = true;
      return;
    }
    // Nothing may follow the signature of the trailer.
    if (trailerSigned) throw new S3Error("MalformedTrailerError");
    trailerLines.push(`${name}:${value}`);
    trailers.set(name, value);
  };

  for await (const piece of source) {
    let at = 0;
    while (at < piece.length) {
      if (state === "data") {
        const data = remaining < piece.length - at ? piece.subarray(at, at + remaining) : at === 0 ? piece : piece.subarray(at);
        at += data.length;
        remaining -= data.length;
        hash?.update(data);
        yield data;
        if (remaining === 0) {
          chunkEnd();
          state = "data-end";
        }
        continue;
      }
      const newline = piece.indexOf(0x0a, at);
      const end = newline < 0 ? piece.length : newline + 1;
      line += Buffer.from(piece.buffer, piece.byteOffset + at, end - at).toString("latin1");
      at = end;
      if (line.length > maxLineBytes) throw malformed();
      if (newline < 0) break;
      const text = line.replace(/\r?\n$/, "");
      // Of trailers S3's own example ends with a bare newline.
      if (state !== "trailer" && !line.endsWith("\r\n")) throw malformed();
      line = "";
      if (state === "header") chunkBegin(text);
      else if (state === "data-end") {
        if (text !== "") throw malformed();
        state = "header";
      } else if (state === "trailer") {
        // Some clients put an empty line before the trailer, the specification's own example puts one inside it.
        if (text !== "") trailerLine(text);
        else if (!options.trailer) state = "end";
      } else if (text !== "") throw malformed();
    }
  }
  // The last CRLF may be missing: the length that S3's own examples count leaves it out.
  if (state === "trailer" && line !== "") trailerLine(line);
  else if (line !== "") throw malformed();
  if (state !== "trailer" && state !== "end") throw malformed();
  if (total !== options.decodedLength) throw new S3Error("IncompleteBody");
  if (signing && trailerLines.length > 0 && !trailerSigned) throw mismatch();
}
