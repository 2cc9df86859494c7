import { createHash } from "node:crypto";
import type { IncomingMessage } from "node:http";
import { loadXxhash } from "../../../kernel/xxhash.ts";
import type { PutOptions } from "../driver.ts";
import type { StorageRoom } from "../storageQuota.ts";
import type { Payload } from "./authenticate.ts";
import { checksumOf, contentMd5, requestedChecksum } from "./checksums.ts";
import { decodeChunked } from "./chunked.ts";
import { S3Error } from "./errors.ts";
import type { S3Request } from "./request.ts";

/** The body of one request, not yet read; reading it tells a client that waits with "Expect: 100-continue" to go on. */
export interface RequestBody {
  message: IncomingMessage;
  payload: Payload;
  begin: () => void;
  /** How long the client may keep us waiting for its next bytes. */
  patienceMs?: number;
}

/** Bytes to store, and what the store has to check while it takes them. */
export interface Upload {
  stream: AsyncIterable<Uint8Array>;
  /** Undefined when the body comes in HTTP chunks and tells its length by ending. */
  sizeBytes: number | undefined;
  options: Pick<PutOptions, "sizeBytes" | "md5" | "sha256Hex" | "checksum">;
}

/** The largest object of a single put, and the largest part: 5 GiB ("Amazon S3 multipart upload limits"). */
export const maxUploadBytes = 5 * 1024 ** 3;

/**
 * Checks what the headers say about the body, and that there is room for it; nothing is read yet. Of a body whose length is not announced, room is
 * taken as it comes.
 */
export async function openUpload(request: S3Request, body: RequestBody, room: StorageRoom): Promise<Upload> {
  const trailers = new Map<string, string>();
  const md5 = contentMd5(request);
  const checksum = requestedChecksum(request, trailers);
  const { payload } = body;
  const sizeBytes =
    payload.kind === "chunked"
      ? byteCount(request.headers.get("x-amz-decoded-content-length"))
      : request.headers.has("transfer-encoding")
        ? undefined
        : byteCount(request.headers.get("content-length"));
  if (sizeBytes !== undefined && sizeBytes > maxUploadBytes) {
    throw new S3Error("EntityTooLarge", undefined, {
      fields: { ProposedSize: String(sizeBytes), MaxSizeAllowed: String(maxUploadBytes) },
    });
  }
  if (sizeBytes !== undefined) await room.take(sizeBytes);
  const received = receive(body);
  return {
    stream:
      sizeBytes === undefined
        ? measured(received, room)
        : payload.kind === "chunked"
          ? decodeChunked(received, { signing: payload.signing, trailer: payload.trailer, decodedLength: sizeBytes, trailers })
          : received,
    sizeBytes,
    options: {
      ...(sizeBytes === undefined ? {} : { sizeBytes }),
      ...(md5 === undefined ? {} : { md5 }),
      ...(payload.kind === "sha256" ? { sha256Hex: payload.hex } : {}),
      ...(checksum === undefined ? {} : { checksum }),
    },
  };
}

/** How far a body of unknown length may run ahead of the quota while it comes; at its end the quota is asked exactly. */
const uncheckedBytes = 8 * 1024 ** 2;

async function* measured(source: AsyncIterable<Uint8Array>, room: StorageRoom): AsyncGenerator<Uint8Array> {
  let total = 0;
  let taken = 0;
  for await (const piece of source) {
    total += piece.length;
    if (total > maxUploadBytes)
      throw new S3Error("EntityTooLarge", undefined, { fields: { MaxSizeAllowed: String(maxUploadBytes) } });
    if (total > taken + uncheckedBytes) {
      await room.take(total - taken);
      taken = total;
    }
    yield piece;
  }
  await room.take(total - taken);
}

function byteCount(text: string | undefined): number {
  if (text === undefined) throw new S3Error("MissingContentLength");
  if (!/^\d{1,15}$/.test(text)) throw new S3Error("InvalidArgument", "The length of the body is not a number.");
  return Number(text);
}

/** Reads a document (XML) whole, and checks every digest that came with it. */
export async function readDocument(
  request: S3Request,
  body: RequestBody,
  options: { maxBytes: number; digestRequired?: boolean },
): Promise<string> {
  const trailers = new Map<string, string>();
  const md5 = contentMd5(request);
  const checksum = requestedChecksum(request, trailers);
  if (options.digestRequired && md5 === undefined && checksum === undefined)
    throw new S3Error("InvalidRequest", "Missing required header for this request: Content-MD5 OR x-amz-checksum-*");
  const { payload } = body;
  const received = receive(body);
  const stream =
    payload.kind === "chunked"
      ? decodeChunked(received, {
          signing: payload.signing,
          trailer: payload.trailer,
          decodedLength: byteCount(request.headers.get("x-amz-decoded-content-length")),
          trailers,
        })
      : received;
  const pieces: Uint8Array[] = [];
  let length = 0;
  for await (const piece of stream) {
    length += piece.length;
    if (length > options.maxBytes)
      throw new S3Error("MaxMessageLengthExceeded", undefined, { fields: { MaxMessageLengthBytes: String(options.maxBytes) } });
    pieces.push(piece);
  }
  const document = Buffer.concat(pieces);
  if (payload.kind === "sha256") {
    const computed = createHash("sha256").update(document).digest("hex");
    if (computed !== payload.hex) {
      throw new S3Error("XAmzContentSHA256Mismatch", undefined, {
        fields: { ClientComputedContentSHA256: payload.hex, S3ComputedContentSHA256: computed },
      });
    }
  }
  const calculated = md5 === undefined ? undefined : createHash("md5").update(document).digest();
  if (calculated && calculated.toString("hex") !== md5)
    throw new S3Error("BadDigest", undefined, {
      // As it was sent, unlike with objects.
      fields: {
        ExpectedDigest: Buffer.from(String(md5), "hex").toString("base64"),
        CalculatedDigest: calculated.toString("base64"),
      },
    });
  await loadXxhash([checksum?.algorithm]);
  if (checksum && checksumOf(checksum.algorithm, document) !== checksum.expected()) {
    throw new S3Error(
      "BadDigest",
      `The ${checksum.algorithm.toUpperCase()} you specified did not match the calculated checksum.`,
    );
  }
  return document.toString("utf8");
}

/** Slower than this on average, over as long as we are patient, is no upload but an attack. */
const minBytesPerSecond = 512;
const usualPatienceMs = 60_000;

/**
 * The bytes as they come. Hours are fine as long as there is progress: RequestTimeout without it. IncompleteBody when the client goes away in the
 * middle: whoever stores these bytes must not commit them. The connection survives an early end for the answer.
 */
export async function* receive({ message, begin, patienceMs = usualPatienceMs }: RequestBody): AsyncGenerator<Uint8Array> {
  begin();
  let wake = (): void => {};
  const onChange = (): void => wake();
  for (const event of changes) message.on(event, onChange);
  // A stream tells its end by an error a tick later than it shows it: that must find somebody still, or the process ends.
  message.on("error", heard);
  let waitedMs = 0;
  let bytes = 0;
  try {
    for (;;) {
      const piece = message.read() as Uint8Array | null;
      if (piece !== null) {
        bytes += piece.length;
        yield piece;
        continue;
      }
      if (message.readableEnded) return;
      if (message.destroyed) throw brokenOff(message);
      const waitsSince = performance.now();
      await new Promise<void>((resolve) => {
        // What has come while we were busy counts.
        const timer = setTimeout(() => setImmediate(resolve), patienceMs);
        wake = () => {
          clearTimeout(timer);
          resolve();
        };
      });
      waitedMs += performance.now() - waitsSince;
      if (waitedMs < patienceMs) continue;
      if (bytes + message.readableLength < (minBytesPerSecond * waitedMs) / 1000) throw new S3Error("RequestTimeout");
      waitedMs = 0;
      bytes = 0;
    }
  } finally {
    for (const event of changes) message.off(event, onChange);
  }
}
const heard = (): void => {};
const changes = ["readable", "end", "close", "error"] as const;

const brokenOff = ({ errored }: IncomingMessage): Error =>
  errored instanceof S3Error ? errored : new S3Error("IncompleteBody", undefined, errored ? { cause: errored } : {});
