import type { IncomingMessage } from "node:http";
import { connect } from "node:net";
import type { Duplex } from "node:stream";
import type { FastifyInstance } from "fastify";
import { plainAddress } from "../kernel/peerAddress.ts";

/** Where browsers' phones speak SIP over WebSocket (RFC 7118), at the console's own address. */
export const phonePath = "/sip";

const connectMs = 5000;

/**
 * Hands WebSockets of phones on to the voice process as they are; who may speak there is asked by SIP itself. Registered after the sockets of
 * the API, which answer every upgrade, and goes before them. `port` is that of the voice process on loopback.
 */
export function registerPhones(http: FastifyInstance, port: number): void {
  const { server } = http;
  const others = server.listeners("upgrade") as ((request: IncomingMessage, socket: Duplex, head: Buffer) => void)[];
  server.removeAllListeners("upgrade");
  server.on("upgrade", (request, socket, head) => {
    if (request.url === phonePath) handOn(request, socket, head, port);
    else for (const other of others) other.call(server, request, socket, head);
  });
}

function handOn(request: IncomingMessage, socket: Duplex, head: Buffer, port: number): void {
  const inner = connect({ host: "127.0.0.1", port });
  const end = () => {
    socket.destroy();
    inner.destroy();
  };
  socket.on("error", end);
  socket.on("close", end);
  inner.on("close", end);
  inner.setTimeout(connectMs, end);
  inner.on("error", () =>
    socket.end("HTTP/1.1 503 Service Unavailable\r\nretry-after: 2\r\nconnection: close\r\ncontent-length: 0\r\n\r\n"),
  );
  inner.on("connect", () => {
    inner.setTimeout(0);
    inner.write(headersOf(request));
    inner.write(head);
    socket.pipe(inner).pipe(socket);
  });
}

/** What the browser said, with the address it came from in the place of what it may have written there itself. */
function headersOf(request: IncomingMessage): string {
  const lines = [`GET ${phonePath} HTTP/1.1`];
  for (let i = 0; i < request.rawHeaders.length; i += 2) {
    const name = request.rawHeaders[i] as string;
    if (!/^(cookie|authorization|x-khmara-caller)$/i.test(name)) lines.push(`${name}: ${request.rawHeaders[i + 1]}`);
  }
  lines.push(`x-khmara-caller: ${callerOf(request)}`);
  return `${lines.join("\r\n")}\r\n\r\n`;
}

/** A proxy on this machine (the gateway, or one of the operator's) says whom it speaks for. */
function callerOf(request: IncomingMessage): string {
  const peer = plainAddress(request.socket.remoteAddress ?? "unknown");
  const told = String(request.headers["x-forwarded-for"] ?? "")
    .split(",")
    .at(-1)
    ?.trim();
  return (peer === "127.0.0.1" || peer === "::1") && told ? told : peer;
}
