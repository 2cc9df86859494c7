/** How the registry answers with the bytes of a blob. */
import type { ReadStream } from "node:fs";
import type { IncomingMessage, ServerResponse } from "node:http";
import { pipeline } from "node:stream/promises";
import { headersOf } from "./answers.ts";
import { RegistryError } from "./errors.ts";

export interface BlobContent {
  digest: string;
  sizeBytes: number;
  read(range?: { start: number; end: number }): ReadStream;
  signal: AbortSignal;
}

/** GET and HEAD, a part of it too (RFC 9110, 14). SIZE_INVALID when there is no such part. */
export async function answerContent(
  request: IncomingMessage,
  response: ServerResponse,
  { digest, sizeBytes, read, signal }: BlobContent,
): Promise<void> {
  const range = rangeOf(request.headers.range, sizeBytes);
  const isPart = range !== undefined && request.method === "GET";
  const length = isPart ? range.end - range.start + 1 : sizeBytes;
  const content = request.method === "HEAD" || length === 0 ? undefined : read(isPart ? range : undefined);
  // Nothing is promised before the file is open.
  if (content) await opened(content);
  response.writeHead(isPart ? 206 : 200, {
    ...headersOf(),
    "content-type": "application/octet-stream",
    "docker-content-digest": digest,
    etag: `"${digest}"`,
    "accept-ranges": "bytes",
    // What a digest stands for never changes.
    "cache-control": "private, max-age=31536000",
    "content-length": length,
    ...(isPart ? { "content-range": `bytes ${range.start}-${range.end}/${sizeBytes}` } : {}),
  });
  if (content === undefined) response.end();
  else await pipeline(content, response, { signal });
}

const opened = (stream: NodeJS.ReadableStream): Promise<void> =>
  new Promise((resolve, reject) => {
    stream.once("error", reject);
    stream.once("open", () => resolve());
  });

/** One range of bytes (RFC 9110, 14.1.2); several are answered as none. */
function rangeOf(header: string | undefined, size: number): { start: number; end: number } | undefined {
  const [, first = "", last = ""] = /^bytes=(\d*)-(\d*)$/.exec(header ?? "") ?? [];
  if (first === "" && last === "") return undefined;
  const start = first === "" ? Math.max(0, size - Number(last)) : Number(first);
  const end = first === "" || last === "" ? size - 1 : Math.min(Number(last), size - 1);
  if (first !== "" && last !== "" && Number(last) < start) return undefined;
  if (start >= size)
    throw new RegistryError(416, "SIZE_INVALID", `The blob has ${size} bytes.`, {
      headers: { "content-range": `bytes */${size}` },
    });
  return { start, end };
}
