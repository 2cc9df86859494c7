import type { IncomingMessage } from "node:http";
import { CloudError, invalid } from "../../kernel/errors.ts";
import type { Meter, Preconditions, PutOptions } from "./driver.ts";
import { unquote } from "./s3/conditions.ts";
import type { StorageRoom } from "./storageQuota.ts";

/** The most that one request may bring, as in S3. */
export const maxBodyBytes = 5 * 2 ** 30;

export interface ReceivedBody {
  /** As announced; undefined when it comes in chunks. */
  sizeBytes: number | undefined;
  contentType: string | undefined;
  bytes: AsyncIterable<Uint8Array>;
  options: Pick<PutOptions, "sizeBytes" | "md5">;
  /** Read by the store when all is there; `receivedBytes` is what really came. */
  meter: Meter;
}

const tooLarge = (): CloudError =>
  new CloudError("payload_too_large", "One request brings at most 5 GiB. Send larger objects as an upload in parts.", {
    details: { maxBytes: maxBodyBytes },
  });

/** A body of unknown length is let into the quota in pieces of this size. */
const admittedAtOnce = 16 * 2 ** 20;

/** The body of an upload as the store takes it: never held whole, never longer than allowed. The room is to last until it is stored. */
export async function receiveBody(request: IncomingMessage, room: StorageRoom): Promise<ReceivedBody> {
  const { headers } = request;
  const length = headers["content-length"];
  const sizeBytes = length === undefined ? undefined : Number(length);
  if (sizeBytes !== undefined && sizeBytes > maxBodyBytes) throw tooLarge();
  await room.take(sizeBytes ?? admittedAtOnce);
  const meter: Meter = { requestClass: "write", receivedBytes: 0 };
  return {
    sizeBytes,
    contentType: contentTypeOf(headers["content-type"]),
    bytes: bounded(request, meter, sizeBytes === undefined ? room : undefined),
    options: { ...(sizeBytes === undefined ? {} : { sizeBytes }), ...md5Of(headers["content-md5"] as string | undefined) },
    meter,
  };
}

async function* bounded(request: IncomingMessage, meter: Meter, room: StorageRoom | undefined): AsyncGenerator<Uint8Array> {
  let received = 0;
  let admitted = admittedAtOnce;
  try {
    // Whoever stops reading has something to answer: the connection stays open for that.
    for await (const piece of request.iterator({ destroyOnReturn: false }) as AsyncIterable<Uint8Array>) {
      received += piece.length;
      if (received > maxBodyBytes) throw tooLarge();
      meter.receivedBytes = received;
      for (; room && admitted < received; admitted += admittedAtOnce) await room.take(admittedAtOnce);
      yield piece;
    }
  } catch (error) {
    if (CloudError.is(error)) throw error;
    // The client has gone, so nobody reads this answer; it keeps the log free of what is no fault of ours.
    throw new CloudError("cancelled", "The connection broke off before everything was sent.", { cause: error });
  }
}

function contentTypeOf(header: string | undefined): string | undefined {
  if (header === undefined || header === "") return undefined;
  if (header.length > 255) throw invalid("headers.content-type", "A content type has at most 255 characters.");
  return header;
}

/** RFC 1864: base64 of 16 bytes. */
function md5Of(header: string | undefined): { md5?: string } {
  if (header === undefined) return {};
  const bytes = Buffer.from(header, "base64");
  if (bytes.length !== 16) throw invalid("headers.content-md5", "Content-MD5 is the base64 of 16 bytes (RFC 1864).");
  return { md5: bytes.toString("hex") };
}

export function writeConditionsOf(request: IncomingMessage): Preconditions {
  const ifMatch = request.headers["if-match"];
  const ifNoneMatch = request.headers["if-none-match"];
  return {
    ...(ifMatch === undefined ? {} : { ifMatch: unquote(ifMatch) }),
    ...(ifNoneMatch === undefined ? {} : { ifNoneMatch: unquote(ifNoneMatch) }),
  };
}
