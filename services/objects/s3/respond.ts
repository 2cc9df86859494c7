import { randomBytes } from "node:crypto";
import type { IncomingMessage, ServerResponse } from "node:http";
import type { Socket } from "node:net";
import type { Readable } from "node:stream";
import { randomPiece } from "../../../kernel/randomPiece.ts";
import { S3Error } from "./errors.ts";
import type { S3Response } from "./operation.ts";
import { element, errorDocument } from "./xml.ts";

/** Bytes of an unread body that are taken in, so that the client gets to read its error before the connection closes. */
const drainBytes = 16 * 1024 ** 2;
const drainMs = 5_000;

/** Tells answers of this process from those of others (x-amz-id-2). */
export const hostId = randomBytes(24).toString("base64");

/** x-amz-request-id. */
export const newRequestId = (): string => randomPiece(8).toString("hex").toUpperCase();

/** Sends an answer and says how many bytes of body really left. */
export async function send(
  answer: S3Response,
  message: IncomingMessage,
  response: ServerResponse,
  requestId: string,
): Promise<number> {
  const { body } = answer;
  const headers: Record<string, string | number> = {
    "x-amz-request-id": requestId,
    "x-amz-id-2": hostId,
    ...answer.headers,
  };
  // The operation did not need the body, if there was one: let it pass.
  if (!message.complete) message.resume();
  if (body === undefined || typeof body === "string") {
    const bytes = body === undefined ? 0 : Buffer.byteLength(body);
    if (answer.status !== 204 && answer.status !== 304 && headers["Content-Length"] === undefined)
      headers["Content-Length"] = bytes;
    response.writeHead(answer.status, headers);
    if (message.method === "HEAD" || body === undefined) response.end();
    else response.end(body);
    return message.method === "HEAD" ? 0 : bytes;
  }
  response.writeHead(answer.status, headers);
  return Buffer.isBuffer(body) ? sendWhole(body, response) : stream(body, response, answer.recycle);
}

/** A small object of the index, which has all in one piece. */
function sendWhole(bytes: Buffer, response: ServerResponse): Promise<number> {
  return new Promise((resolve) => {
    response.on("close", () => resolve(response.writableFinished ? bytes.length : 0));
    response.end(bytes);
    if (response.destroyed) response.emit("close");
  });
}

/** Copies a body at the pace of the client. What still lay in our buffers when the client left was not sent. */
function stream(body: Readable, response: ServerResponse, recycle: S3Response["recycle"]): Promise<number> {
  return new Promise((resolve, reject) => {
    let written = 0;
    let ended = false;
    let failure: Error | undefined;
    response.on("drain", () => body.resume());
    response.on("close", () => {
      body.destroy();
      if (failure) reject(failure);
      else resolve(ended && response.writableFinished ? written : Math.max(0, written - response.writableLength));
    });
    body.on("error", (error) => {
      // Headers are out: only a broken connection tells the client that this is not the whole object.
      failure = error;
      response.destroy();
    });
    body.on("end", () => {
      ended = true;
      response.end();
    });
    body.on("data", (piece: Uint8Array) => {
      written += piece.length;
      const gone = (error?: Error | null) => void (error ?? recycle?.(piece));
      if (!response.write(piece, gone)) body.pause();
    });
    if (response.destroyed) response.emit("close");
  });
}

/** Sends an error in S3's XML. A body that is still coming is drained for a while, then the connection closes. */
export async function sendError(
  error: S3Error,
  message: IncomingMessage,
  response: ServerResponse,
  options: { requestId: string; bodyUnwanted: boolean },
): Promise<void> {
  if (response.destroyed || response.headersSent) {
    response.destroy();
    return;
  }
  const { requestId } = options;
  const document = errorDocument(
    element("Code", error.code),
    element("Message", error.message),
    ...Object.entries(error.fields).map(([name, value]) => element(name, value)),
    element("RequestId", requestId),
    element("HostId", hostId),
  );
  const unread = !message.complete;
  const bodyless = message.method === "HEAD" || error.status === 304;
  response.writeHead(error.status, {
    "x-amz-request-id": requestId,
    "x-amz-id-2": hostId,
    "Content-Type": "application/xml",
    ...(bodyless ? {} : { "Content-Length": Buffer.byteLength(document) }),
    ...error.headers,
    ...(unread ? { Connection: "close" } : {}),
  });
  if (!unread || options.bodyUnwanted) {
    response.end(bodyless ? undefined : document);
    return;
  }
  // The answer is complete for the client as soon as it is written; ending it would close the connection, and bytes
  // that arrive after that are answered with a reset, which can overtake the answer (RFC 9112, 9.6).
  response.write(document);
  await drain(message);
  response.end();
}

function drain(message: IncomingMessage): Promise<void> {
  return new Promise((resolve) => {
    let left = drainBytes;
    const timer = setTimeout(resolve, drainMs);
    const done = (): void => {
      clearTimeout(timer);
      resolve();
    };
    message.on("data", (piece: Uint8Array) => {
      left -= piece.length;
      if (left < 0) done();
    });
    message.on("end", done);
    message.on("close", done);
    message.resume();
    if (message.destroyed || message.complete) done();
  });
}

/** What is no HTTP, or too large a head, gets its answer on the bare socket. */
export function refuseConnection(error: NodeJS.ErrnoException, socket: Socket): void {
  if (error.code === "ECONNRESET" || !socket.writable) {
    socket.destroy();
    return;
  }
  const reason =
    error.code === "HPE_HEADER_OVERFLOW"
      ? new S3Error("RequestHeaderSectionTooLarge")
      : error.code === "ERR_HTTP_REQUEST_TIMEOUT"
        ? new S3Error("RequestTimeout")
        : new S3Error("InvalidRequest", "The request is not well-formed HTTP.");
  const requestId = newRequestId();
  const document = errorDocument(
    element("Code", reason.code),
    element("Message", reason.message),
    element("RequestId", requestId),
  );
  // It may go on sending, and is not asked again.
  const cut = setTimeout(() => socket.destroy(), drainMs);
  socket.once("close", () => clearTimeout(cut));
  socket.end(
    `HTTP/1.1 400 Bad Request\r\nContent-Type: application/xml\r\nx-amz-request-id: ${requestId}\r\nContent-Length: ${Buffer.byteLength(document)}\r\nConnection: close\r\n\r\n${document}`,
  );
}
