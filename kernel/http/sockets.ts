import type { IncomingMessage } from "node:http";
import type { Duplex } from "node:stream";
import type { FastifyInstance, FastifyReply, FastifyRequest } from "fastify";
import type { WebSocketServer } from "ws";
import { CloudError } from "../errors.ts";
import type { Log } from "../log.ts";
import type { SocketHandler } from "../service.ts";
import { toCloudError, toProblem } from "./errors.ts";
import { Connection, closeCodes } from "./socket-connection.ts";

// Not an import, which would load undici too (server/loaded.test.ts).
const { ServerResponse } = process.getBuiltinModule("node:http");

/** How sockets are watched over; the defaults are in `defaultTimings`. */
export interface SocketTimings {
  /** A ping that often; who answers none of two is gone. */
  pingSeconds: number;
  /** How often the caller's credential and roles are looked at again. */
  checkSeconds: number;
  /** Without a byte in either direction. */
  idleSeconds: number;
}
export const defaultTimings: SocketTimings = { pingSeconds: 25, checkSeconds: 30, idleSeconds: 12 * 3600 };

/** The largest message that is taken; the sender of a larger one is cut off with 1009. */
const maxMessageBytes = 1024 ** 2;
const maxPerPrincipal = 200;
const closeTimeoutMs = 2000;

export interface SocketCall {
  handler: SocketHandler;
  principalId: string;
  /** Throws when the caller may not any more. */
  recheck(): Promise<void>;
  /** Aborted when the socket is closed: the `signal` of the request's context. */
  gone: AbortController;
  log: Log;
}

export interface Sockets {
  /** Whether a request asks to become a WebSocket. */
  isUpgrade(request: FastifyRequest): boolean;
  /** Upgrades the request and lets the handler run on. Throws rate_limited; without an upgrade there is nothing to do it with. */
  open(request: FastifyRequest, reply: FastifyReply, call: SocketCall): Promise<void>;
}

interface Upgrade {
  socket: Duplex;
  head: Buffer;
}

async function openServer(): Promise<WebSocketServer> {
  const { WebSocketServer } = await import("ws");
  return new WebSocketServer({ noServer: true, maxPayload: maxMessageBytes, perMessageDeflate: false, clientTracking: false });
}

/** Only a GET can become a WebSocket (RFC 6455, 4.1); any other upgrade is ignored, as HTTP allows (RFC 9110, 7.8). */
export const shouldUpgrade = (request: IncomingMessage): boolean =>
  request.method === "GET" && request.headers.upgrade?.toLowerCase() === "websocket";

/**
 * WebSockets on the same routes, hooks and errors as everything else: an upgrade is first an ordinary request, whose answer, as long as
 * it is refused, is an ordinary answer.
 */
export function createSockets(fastify: FastifyInstance, given: Partial<SocketTimings> = {}): Sockets {
  const timings = { ...defaultTimings, ...given };
  const upgrades = new WeakMap<IncomingMessage, Upgrade>();
  const raw = new Set<Duplex>();
  const connections = new Set<Connection>();
  const running = new Set<Promise<void>>();
  const perPrincipal = new Map<string, number>();
  let closing = false;
  let server: Promise<WebSocketServer> | undefined;

  fastify.server.on("upgrade", (request: IncomingMessage, socket: Duplex, head: Buffer) => {
    // A peer that resets the connection is no reason to end the process.
    socket.on("error", () => socket.destroy());
    const response = new ServerResponse(request);
    response.shouldKeepAlive = false;
    // Before Node 24.9 every upgrade comes here.
    if (!shouldUpgrade(request) || closing) {
      socket.end(`HTTP/1.1 ${closing ? "503 Service Unavailable" : "400 Bad Request"}\r\nconnection: close\r\n\r\n`);
      return;
    }
    raw.add(socket);
    socket.once("close", () => raw.delete(socket));
    upgrades.set(request, { socket, head });
    response.assignSocket(socket as never);
    response.once("finish", () => {
      response.detachSocket(socket as never);
      socket.end();
    });
    fastify.routing(request, response);
  });

  fastify.addHook("preClose", async () => {
    closing = true;
    for (const connection of connections) connection.close(closeCodes.restart, "the server stopped");
    const cut = setTimeout(() => {
      for (const socket of raw) socket.destroy();
    }, closeTimeoutMs);
    // What they still write down (the end of a session, for the audit) needs the database, which closes after us.
    await Promise.race([Promise.all(running), new Promise((resolve) => setTimeout(resolve, 2 * closeTimeoutMs).unref())]);
    clearTimeout(cut);
    for (const socket of raw) socket.destroy();
  });

  async function run(connection: Connection, call: SocketCall, requestId: string): Promise<void> {
    try {
      await call.handler(connection);
      await connection.flushed();
      connection.close(closeCodes.done, "");
    } catch (thrown) {
      if (connection.signal.aborted) return;
      const error = toCloudError(thrown);
      if (error.code === "internal") call.log.error({ err: error.cause ?? error }, "a socket failed");
      const problem = toProblem(error, requestId);
      await connection.flushed();
      connection.control({ error: problem });
      connection.close(4000 + problem.status, error.message);
    } finally {
      await connection.closed;
    }
  }

  return {
    isUpgrade: (request) => upgrades.has(request.raw),
    async open(request, reply, call) {
      const { socket, head } = upgrades.get(request.raw) as Upgrade;
      const open = perPrincipal.get(call.principalId) ?? 0;
      if (open >= maxPerPrincipal) {
        throw new CloudError("rate_limited", `You have ${open} connections open. Close some of them first.`, {
          details: { retryAfterSeconds: 10, reason: "too_many_sockets" },
        });
      }
      // Loaded when the first one comes: most processes start, and many end, without.
      server ??= openServer();
      const accepting = await server;
      reply.hijack();
      if (socket.destroyed) return;
      reply.raw.removeAllListeners("finish");
      reply.raw.detachSocket(socket as never);
      accepting.handleUpgrade(request.raw, socket as never, head, (websocket) => {
        const connection = new Connection(websocket, timings, call.recheck);
        connections.add(connection);
        connection.signal.addEventListener("abort", () => call.gone.abort(), { once: true });
        perPrincipal.set(call.principalId, (perPrincipal.get(call.principalId) ?? 0) + 1);
        const work = run(connection, call, request.id).finally(() => {
          connections.delete(connection);
          running.delete(work);
          const left = (perPrincipal.get(call.principalId) ?? 1) - 1;
          if (left > 0) perPrincipal.set(call.principalId, left);
          else perPrincipal.delete(call.principalId);
        });
        running.add(work);
        if (closing) connection.close(closeCodes.restart, "the server stopped");
      });
    },
  };
}
