import { PassThrough, pipeline, type Readable } from "node:stream";
import { CloudError } from "../../../../kernel/errors.ts";
import type { BareImage } from "../../driver.ts";
import { wrapBare } from "./bareImage.ts";

/** Enough for the first line of a multipart body, and for the first header of a tarball. */
const lookAtBytes = 512;

/**
 * The body of an upload that makes an image, with its type. An image of two files (metadata and root disk) is exported as
 * multipart/form-data (RFC 7578), of which a file keeps the body and loses the header; it is known by its first line, two hyphens
 * and the boundary (RFC 2046, 5.1.1). Whatever else it is goes as it comes, for the engine to judge.
 */
export async function imageUpload(
  content: Readable,
  bare: BareImage | undefined,
): Promise<{ body: Readable; headers: Record<string, string> }> {
  const start = await firstBytes(content, lookAtBytes);
  if (bare !== undefined) return await wrapBare(start, content, bare);
  const boundary = /^--([\w'()+,./:=?-]{1,70})\r\n/.exec(start.toString("latin1"))?.[1];
  const body = new PassThrough();
  body.write(start);
  if (content.readableEnded) body.end();
  else
    pipeline(content, body, (error) => {
      if (error) body.destroy(error);
    });
  return { body, headers: boundary === undefined ? {} : { "content-type": `multipart/form-data; boundary="${boundary}"` } };
}

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
