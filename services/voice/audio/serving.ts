import { Readable } from "node:stream";
import { CloudError } from "../../../kernel/errors.ts";
import type { BytesResponse, StreamContext } from "../../../kernel/service.ts";
import { type AudioRow, readAudio } from "./store.ts";

type Context = Pick<StreamContext, "request" | "setHeader" | "transaction">;

/** First and last position (RFC 9110, 14.1.2); undefined: all of it, also for more ranges than one. */
export function rangeOf(header: string | undefined, sizeBytes: number): { from: number; to: number } | undefined | "none" {
  const match = header === undefined ? null : /^bytes=(\d*)-(\d*)$/.exec(header.replaceAll(" ", ""));
  if (!match) return undefined;
  const [first, last] = [match[1] as string, match[2] as string];
  if (first === "" && last === "") return undefined;
  if (first === "") return last === "0" ? "none" : { from: Math.max(0, sizeBytes - Number(last)), to: sizeBytes - 1 };
  const from = Number(first);
  const to = last === "" ? sizeBytes - 1 : Math.min(Number(last), sizeBytes - 1);
  if (last !== "" && Number(last) < from) return undefined;
  return from >= sizeBytes ? "none" : { from, to };
}

/** A sound as an answer of HTTP, with ranges and conditions, so that a browser can play and seek in it. */
export function serveAudio(context: Context, audio: AudioRow, fileName: string): BytesResponse {
  const { headers, method } = context.request;
  const etag = `"${audio.sha256}"`;
  const shared = {
    etag,
    "content-type": audio.contentType,
    "content-disposition": `inline; filename="${fileName}"`,
    "accept-ranges": "bytes",
    // Kept by the browser, but asked about each time: it may be deleted, or access taken away.
    "cache-control": "private, no-cache",
    "x-content-type-options": "nosniff",
  };
  const known = (headers["if-none-match"] ?? "").split(",").map((tag) => tag.trim().replace(/^W\//, ""));
  if (known.includes(etag)) return { status: 304, headers: shared };
  if (method === "HEAD")
    return { status: 200, headers: { ...shared, "content-length": String(audio.sizeBytes) }, body: Readable.from([]) };
  const ifRange = headers["if-range"];
  const range = ifRange === undefined || ifRange === etag ? rangeOf(headers.range, audio.sizeBytes) : undefined;
  if (range === "none") {
    context.setHeader("content-range", `bytes */${audio.sizeBytes}`);
    throw new CloudError("range_not_satisfiable", `It has ${audio.sizeBytes} bytes: ask for some of those.`);
  }
  const { from, to } = range ?? { from: 0, to: audio.sizeBytes - 1 };
  return {
    status: range ? 206 : 200,
    headers: {
      ...shared,
      "content-length": String(to - from + 1),
      ...(range ? { "content-range": `bytes ${from}-${to}/${audio.sizeBytes}` } : {}),
    },
    body: Readable.from(readAudio(context.transaction, audio, { from, to })),
  };
}
