import { createHash } from "node:crypto";
import { pipeline, type Readable, Transform } from "node:stream";
import { CloudError } from "../../../../kernel/errors.ts";
import type { BareImage } from "../../driver.ts";
import { wrapBare } from "./bareImage.ts";

export interface ImageUpload {
  body: Readable;
  headers: Record<string, string>;
  /** What the engine calls it: SHA-256 of the file, or of the contents of both parts. Once, when all has been read. */
  fingerprint(): string;
}

/** Enough for the first line of a multipart body, and for the first header of a tarball. */
const lookAtBytes = 512;

/**
 * The body of an upload that makes an image, with its type. An image of two files (metadata and root disk) is exported as
 * multipart/form-data (RFC 7578), of which a file keeps the body and loses the header; it is known by its first line, two hyphens
 * and the boundary (RFC 2046, 5.1.1). Whatever else it is goes as it comes, for the engine to judge.
 */
export async function imageUpload(content: Readable, bare: BareImage | undefined): Promise<ImageUpload> {
  const start = await firstBytes(content, lookAtBytes);
  if (bare !== undefined) return await wrapBare(start, content, bare);
  const boundary = /^--([\w'()+,./:=?-]{1,70})\r\n/.exec(start.toString("latin1"))?.[1];
  const hash = createHash("sha256");
  const parts = boundary === undefined ? undefined : new PartReader(boundary, (bytes) => hash.update(bytes));
  const body = new Transform({
    transform(chunk: Buffer, _encoding, callback) {
      if (parts === undefined) hash.update(chunk);
      else parts.read(chunk);
      callback(null, chunk);
    },
  });
  body.write(start);
  if (content.readableEnded) body.end();
  else pipeline(content, body, () => {});
  return {
    body,
    headers: boundary === undefined ? {} : { "content-type": `multipart/form-data; boundary="${boundary}"` },
    fingerprint: () => hash.digest("hex"),
  };
}

/** Hands on the content of each part, without headers and boundaries. */
class PartReader {
  readonly #mark: Buffer;
  readonly #onContent: (bytes: Buffer) => void;
  #rest: Buffer;
  #inHeader = false;
  #ended = false;

  constructor(boundary: string, onContent: (bytes: Buffer) => void) {
    this.#mark = Buffer.from(`\r\n--${boundary}`);
    this.#onContent = onContent;
    // The first boundary stands at the very beginning.
    this.#rest = Buffer.from("\r\n");
  }

  read(chunk: Buffer): void {
    if (this.#ended) return;
    this.#rest = Buffer.concat([this.#rest, chunk]);
    for (;;) {
      // The last boundary has two hyphens behind it; LXD writes it twice.
      if (this.#inHeader && this.#rest.subarray(0, 2).toString() === "--") {
        this.#ended = true;
        return;
      }
      const mark = this.#inHeader ? headerEnd : this.#mark;
      const found = this.#rest.indexOf(mark);
      if (found === -1) break;
      if (!this.#inHeader) this.#onContent(this.#rest.subarray(0, found));
      this.#rest = this.#rest.subarray(found + mark.length);
      this.#inHeader = !this.#inHeader;
    }
    if (this.#inHeader) return;
    // The last bytes may be the beginning of a boundary.
    const sure = this.#rest.length - this.#mark.length;
    if (sure <= 0) return;
    this.#onContent(this.#rest.subarray(0, sure));
    this.#rest = this.#rest.subarray(sure);
  }
}

const headerEnd = Buffer.from("\r\n\r\n");

/** At least so many, unless it ends before; the rest is still to be read. */
async function firstBytes(content: Readable, count: number): Promise<Buffer> {
  const chunks: Buffer[] = [];
  let length = 0;
  while (length < count) {
    const chunk = content.read() as Buffer | string | null;
    if (chunk !== null) {
      const bytes = typeof chunk === "string" ? Buffer.from(chunk) : chunk;
      chunks.push(bytes);
      length += bytes.length;
    } else if (content.readableEnded || content.destroyed) break;
    else await readableOrEnd(content);
  }
  if (content.errored) throw content.errored;
  if (content.destroyed && !content.readableEnded) throw new CloudError("cancelled", "The upload broke off.");
  return Buffer.concat(chunks);
}

function readableOrEnd(content: Readable): Promise<void> {
  const names = ["readable", "end", "close", "error"] as const;
  return new Promise((resolve) => {
    const done = () => {
      for (const name of names) content.removeListener(name, done);
      resolve();
    };
    for (const name of names) content.on(name, done);
  });
}
