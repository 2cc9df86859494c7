import type { EventEmitter } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { PassThrough, Readable } from "node:stream";
import { type WebSocket, WebSocketServer } from "ws";
import { main } from "./main.ts";
import type { Environment } from "./profiles.ts";
import type { Terminal } from "./terminal.ts";

/** One request as the fake cloud got it. */
export interface Seen {
  method: string;
  path: string;
  query: Record<string, string>;
  headers: IncomingMessage["headers"];
  body: unknown;
  bytes: Buffer;
}

export type Reply = {
  status?: number;
  body?: unknown;
  headers?: Record<string, string | string[]>;
  raw?: Buffer | string;
  breakOff?: boolean;
};
/** What a WebSocket of the fake cloud does; the first word of its route is SOCKET. */
export type Connecting = (websocket: WebSocket, seen: Seen, match: string[]) => void;
export type Answering = (seen: Seen, match: string[]) => Reply | Promise<Reply>;

export const problem = (status: number, code: string, detail: string, more: Record<string, unknown> = {}): Reply => ({
  status,
  headers: { "content-type": "application/problem+json" },
  body: { type: "about:blank", title: code, status, detail, code, requestId: "req-1", ...more },
});

/** An API that answers what a test tells it to; for tests of the client and the CLI. */
export async function fakeCloud(routes: Record<string, Answering>, sockets: Record<string, Connecting> = {}) {
  const seen: Seen[] = [];
  const server = createServer(async (request: IncomingMessage, response: ServerResponse) => {
    const chunks: Buffer[] = [];
    try {
      for await (const chunk of request) chunks.push(chunk as Buffer);
    } catch {
      return;
    }
    const url = new URL(request.url ?? "/", "http://fake");
    const bytes = Buffer.concat(chunks);
    const isJson = request.headers["content-type"] === "application/json";
    const one: Seen = {
      method: request.method ?? "",
      path: url.pathname,
      query: Object.fromEntries(url.searchParams),
      headers: request.headers,
      body: isJson && bytes.length > 0 ? JSON.parse(bytes.toString()) : undefined,
      bytes,
    };
    seen.push(one);
    let reply: Reply = problem(404, "not_found", `The fake cloud has no ${one.method} ${one.path}.`);
    for (const [pattern, answer] of Object.entries(routes)) {
      const [method, path = ""] = pattern.split(" ");
      const match = new RegExp(`^/api/v1${path.replace(/\{\w+\}/g, "([^/]+)")}$`).exec(one.path);
      if (method !== one.method || !match) continue;
      reply = await answer(one, match.slice(1).map(decodeURIComponent));
      break;
    }
    response.writeHead(reply.status ?? (reply.body === undefined && reply.raw === undefined ? 204 : 200), {
      ...(reply.raw === undefined && { "content-type": "application/json" }),
      ...reply.headers,
    });
    if (reply.breakOff) {
      response.write(reply.raw ?? "");
      setTimeout(() => response.destroy(), 20);
    } else response.end(reply.raw ?? (reply.body === undefined ? undefined : JSON.stringify(reply.body)));
  });
  const accepting = new WebSocketServer({ noServer: true });
  server.on("upgrade", (request, socket, head) => {
    const url = new URL(request.url ?? "/", "http://fake");
    const query = Object.fromEntries(url.searchParams);
    const one: Seen = { method: "SOCKET", path: url.pathname, query, headers: request.headers, body: undefined, bytes: head };
    seen.push(one);
    for (const [path, connect] of Object.entries(sockets)) {
      const match = new RegExp(`^/api/v1${path.replace(/\{\w+\}/g, "([^/]+)")}$`).exec(one.path);
      if (!match) continue;
      accepting.handleUpgrade(request, socket, head, (websocket) => connect(websocket, one, match.slice(1)));
      return;
    }
    const { body } = problem(404, "not_found", `The fake cloud has no WebSocket ${one.path}.`);
    const text = JSON.stringify(body);
    socket.end(`HTTP/1.1 404 Not Found\r\ncontent-length: ${text.length}\r\nconnection: close\r\n\r\n${text}`);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return {
    endpoint: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    seen,
    close: () => {
      server.closeAllConnections();
      return new Promise<void>((resolve) => server.close(() => resolve()));
    },
  };
}

/** Runs the CLI in this process, with a home of its own and what was typed, and keeps what it prints. */
export async function runCli(
  words: string[],
  options: {
    env?: Environment;
    input?: string | Buffer | Readable;
    interactive?: boolean;
    columns?: number;
    /** The size of the window; a test changes it and emits `resize` on `events`; `interrupt` there is Ctrl-C. */
    window?: { columns: number; rows: number };
    /** The input is a terminal. */
    tty?: boolean;
    events?: EventEmitter;
  } = {},
) {
  const resized = new Set<() => void>();
  options.events?.on("resize", () => {
    for (const listener of resized) listener();
  });
  let out = "";
  let notes = "";
  const stdin: Terminal["stdin"] & PassThrough = new PassThrough();
  if (options.tty) stdin.isTTY = true;
  // Lines come one by one, as a person types them: a question reads only its own answer.
  if (options.input instanceof Readable) options.input.pipe(stdin);
  else if (options.interactive) for (const line of String(options.input ?? "").split(/(?<=\n)/)) stdin.write(line);
  else stdin.end(options.input ?? "");
  const bytes: Buffer[] = [];
  const stdout = new PassThrough();
  stdout.on("data", (chunk: Buffer) => bytes.push(chunk));
  const terminal: Terminal = {
    env: options.env ?? {},
    stdin,
    stdout,
    stdoutIsTerminal: options.columns !== undefined || options.tty === true,
    interactive: options.interactive ?? false,
    columns: options.columns ?? 120,
    windowSize: () => options.window,
    onResize(listener) {
      resized.add(listener);
      return () => void resized.delete(listener);
    },
    onInterrupt(listener) {
      options.events?.on("interrupt", listener);
      return () => void options.events?.off("interrupt", listener);
    },
    out: (text) => {
      out += text;
    },
    note: (text) => {
      notes += text;
    },
  };
  const code = await main(words, terminal);
  return { code, out, notes, bytes: Buffer.concat(bytes) };
}

/** A home folder that lasts as long as a test, as the environment that points to it. */
export function temporaryHome(): { env: Environment; folder: string; remove: () => void } {
  const folder = mkdtempSync(join(tmpdir(), "khmara-cli-"));
  return {
    folder,
    env: { HOME: folder, XDG_CONFIG_HOME: join(folder, ".config") },
    remove: () => rmSync(folder, { recursive: true, force: true }),
  };
}
