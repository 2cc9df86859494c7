/**
 * A gateway of a test's own: a real HAProxy on ports of the loopback interface, with applications behind it that say what they got.
 * Folders are named after the process that made them, so what a killed one left is taken away by the next.
 */
import { existsSync, globSync, mkdtempSync, rmSync } from "node:fs";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import { type AddressInfo, connect } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import { WebSocketServer } from "ws";
import { type CertificateAndKey, createAuthority, issueCertificate } from "../gateway/certificates/authority.ts";
import { Gateway, type GatewaySpecification } from "../gateway/gateway.ts";
import { haproxyProgram } from "../gateway/haproxy/process.ts";
import { isAlive } from "../server/processes.ts";
import { installTestTools } from "../tools/test-tools.ts";
import { freePort } from "./ports.ts";

/** Why there can be none here: for `skip`. With CI=true there is no excuse. */
export function gatewayMissing(): string | undefined {
  if (process.env["CI"] === "true" || existsSync(haproxyProgram)) return undefined;
  return process.getuid?.() === 0 && existsSync("/usr/bin/apt-get") ? undefined : "HAProxy is not installed";
}

export interface TestGateway {
  gateway: Gateway;
  httpPort: number;
  httpsPort: number;
  authority: CertificateAndKey;
  /** With a listener of each kind, a default certificate, and these. */
  specification(routes: NonNullable<GatewaySpecification["routes"]>, more?: Partial<GatewaySpecification>): GatewaySpecification;
  certificate(name: string, hosts: string[]): Promise<NonNullable<GatewaySpecification["certificates"]>[number]>;
  remove(): Promise<void>;
}

export async function testGateway(): Promise<TestGateway> {
  await sweep();
  await installTestTools({ [haproxyProgram]: "haproxy" });
  // Short: the path of a socket holds 107 bytes.
  const folder = mkdtempSync(`/tmp/khgw-${process.pid}-`);
  const gateway = new Gateway({ folder, threads: 2 });
  const [httpPort, httpsPort] = [await freePort(), await freePort()];
  const authority = await createAuthority({ name: "Tests" });
  const certificate = async (name: string, hosts: string[]) => ({ name, hosts, ...(await issueCertificate(authority, hosts)) });
  const fallback = { ...(await certificate("fallback", ["nobody.invalid"])), hosts: [] };
  return {
    gateway,
    httpPort,
    httpsPort,
    authority,
    certificate,
    specification: (routes, { certificates = [], ...more } = {}) => ({
      listeners: [
        { protocol: "http", address: "127.0.0.1", port: httpPort },
        { protocol: "https", address: "127.0.0.1", port: httpsPort },
      ],
      certificates: [fallback, ...certificates],
      defaultCertificate: "fallback",
      routes,
      ...more,
    }),
    async remove() {
      await gateway.stop();
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

async function sweep(): Promise<void> {
  for (const folder of globSync("/tmp/khgw-*-*")) {
    if (isAlive(Number(/khgw-(\d+)-/.exec(folder)?.[1]))) continue;
    await new Gateway({ folder }).stop().catch(() => {});
    rmSync(folder, { recursive: true, force: true });
  }
}

export interface TestApplication {
  name: string;
  port: number;
  /** Requests whose answer has not ended. */
  underWay: number;
  requests: number;
  server: Server;
  /** Asked by GET /health. */
  healthy: boolean;
  /** An answer begun by /stream: writes one event, or ends it. */
  streams: ServerResponse[];
  close(): Promise<void>;
}

/** `/echo` says what came; `/slow?ms=` answers late; `/stream` is server-sent events; `/text` is long; a WebSocket says everything back. */
export async function testApplication(name: string): Promise<TestApplication> {
  const server = createServer((request, response) => void answer(application, request, response));
  // An application that closes idle connections under the gateway: that is how they are.
  server.keepAliveTimeout = 1_000;
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const sockets = new WebSocketServer({ server });
  sockets.on("connection", (socket) => {
    socket.on("error", () => {});
    socket.on("message", (data, binary) => socket.send(binary ? data : `${name}: ${data}`, { binary }));
  });
  const application: TestApplication = {
    name,
    port: (server.address() as AddressInfo).port,
    underWay: 0,
    requests: 0,
    server,
    healthy: true,
    streams: [],
    async close() {
      for (const socket of sockets.clients) socket.terminate();
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
  return application;
}

async function answer(application: TestApplication, request: IncomingMessage, response: ServerResponse): Promise<void> {
  const url = new URL(request.url ?? "/", "http://application");
  if (url.pathname === "/health") {
    response.writeHead(application.healthy ? 200 : 503).end();
    return;
  }
  application.requests++;
  application.underWay++;
  response.on("close", () => application.underWay--);
  if (url.pathname === "/slow") await sleep(Number(url.searchParams.get("ms")));
  if (url.pathname === "/stream") {
    response.writeHead(200, { "content-type": "text/event-stream", "cache-control": "no-store" });
    response.flushHeaders();
    application.streams.push(response);
    return;
  }
  if (url.pathname === "/never") return;
  if (url.pathname === "/broken") {
    response.socket?.destroy();
    return;
  }
  if (url.pathname === "/text") {
    response.writeHead(200, { "content-type": "text/html; charset=utf-8" });
    response.end("All work and no play makes a dull page. ".repeat(2000));
    return;
  }
  if (url.pathname === "/header") {
    response.writeHead(200, Object.fromEntries(url.searchParams)).end();
    return;
  }
  let bytes = 0;
  for await (const chunk of request) bytes += (chunk as Buffer).length;
  response.writeHead(Number(url.searchParams.get("status") ?? 200), { "content-type": "application/json" });
  response.end(JSON.stringify({ application: application.name, url: request.url, headers: request.headers, bytes }));
}

export interface RawOptions {
  /** The connection is ended when the text has this in it. Absent: the other side ends it. */
  until?: RegExp;
  localAddress?: string;
  /** All that has come so far, each time. */
  onText?: (text: string) => void;
  signal?: AbortSignal;
}

/** Sends bytes as they are, and says what came, each byte as one character. */
export function raw(port: number, bytes: string, { until, localAddress, onText, signal }: RawOptions = {}): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = connect({ port, host: "127.0.0.1", localAddress, signal }, () => socket.write(bytes, "utf8"));
    let text = "";
    socket.setTimeout(60_000, () => socket.destroy(new Error(`Nothing more came after: ${text.slice(0, 500)}`)));
    socket.on("data", (chunk: Buffer) => {
      text += chunk.toString("latin1");
      onText?.(text);
      if (until?.test(text)) socket.destroy();
    });
    socket.on("error", (error: NodeJS.ErrnoException) => {
      if (!["ECONNRESET", "EPIPE", "ABORT_ERR"].includes(error.code ?? "")) reject(error);
    });
    socket.on("close", () => resolve(text));
  });
}
