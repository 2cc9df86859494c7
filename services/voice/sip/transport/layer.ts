/** All sockets of a stack: bindings that listen, and connections that come and go. */
import { randomBytes } from "node:crypto";
import { createServer as createHttpServer, type Server as HttpServer } from "node:http";
import { createServer as createHttpsServer } from "node:https";
import { connect as connectTcp, createServer as createTcpServer, isIP, isIPv6, type Server, type Socket } from "node:net";
import { connect as connectTls, createServer as createTlsServer, type SecureContextOptions } from "node:tls";
import { type WebSocket, WebSocketServer } from "ws";
import { plainAddress } from "../../../../kernel/peerAddress.ts";
import type { Binding, Hop, Source, Transport } from "../ports.ts";
import { type ConnectionFlow, defaultPort, type Flow, type FlowEvents } from "./flow.ts";
import { LocalAddresses } from "./localAddresses.ts";
import { StreamFlow } from "./streams.ts";
import { UdpSocket } from "./udp.ts";
import { WebSocketFlow } from "./webSockets.ts";

type Certificate = Pick<SecureContextOptions, "cert" | "key">;

export interface LayerOptions {
  bindings: Binding[];
  certificate?: Certificate | undefined;
  maximumMessageBytes: number;
  maximumConnections: number;
  maximumConnectionsPerAddress: number;
  verifyCertificates: boolean;
  admit(source: Source): boolean;
}

interface SecureServer {
  setSecureContext(options: SecureContextOptions): void;
}

const connectMs = 10_000;
const keepAliveMs = 30_000;

export class TransportLayer {
  readonly #options: LayerOptions;
  readonly #events: FlowEvents;
  readonly #local = new LocalAddresses();
  readonly #bindings: Binding[] = [];
  readonly #udp: UdpSocket[] = [];
  readonly #servers: Server[] = [];
  readonly #secure: SecureServer[] = [];
  readonly #flows = new Map<string, ConnectionFlow>();
  readonly #connected = new Map<string, StreamFlow>();
  readonly #perAddress = new Map<string, number>();
  readonly #webSockets: WebSocketServer;
  /** Flow ids of connections end with the process: one of an earlier life must not be taken for one of now. */
  readonly #life = randomBytes(4).toString("hex");
  #count = 0;
  #closed = false;
  #keepAlive: NodeJS.Timeout | undefined;

  constructor(options: LayerOptions, events: FlowEvents) {
    this.#options = options;
    this.#events = { ...events, closed: (flow) => this.#forget(flow) };
    this.#closedEvent = events.closed;
    this.#webSockets = new WebSocketServer({
      noServer: true,
      maxPayload: options.maximumMessageBytes,
      handleProtocols: (protocols) => (protocols.has("sip") ? "sip" : false),
    });
  }

  readonly #closedEvent: FlowEvents["closed"];

  get bindings(): readonly Binding[] {
    return this.#bindings;
  }

  async open(): Promise<void> {
    await this.#local.open();
    try {
      for (const binding of this.#options.bindings) await this.#listen({ ...binding });
    } catch (error) {
      await this.close();
      throw error;
    }
    this.#keepAlive = setInterval(() => {
      for (const flow of this.#connected.values()) flow.ping();
    }, keepAliveMs);
    this.#keepAlive.unref();
  }

  async #listen(binding: Binding): Promise<void> {
    if (binding.transport === "udp") {
      const socket = new UdpSocket(binding.host, (remote) => this.#localOf(binding, remote));
      await socket.open(binding.host, binding.port, this.#events, this.#options.admit);
      binding.port = socket.port;
      this.#udp.push(socket);
    } else {
      const server = this.#serverOf(binding);
      await listening(server, binding);
      binding.port = (server.address() as { port: number }).port;
      this.#servers.push(server);
    }
    this.#bindings.push(binding);
  }

  #serverOf(binding: Binding): Server {
    const accept = (socket: Socket, transport: "tcp" | "tls") => this.#accept(socket, transport, binding);
    if (binding.transport === "tcp") return createTcpServer((socket) => accept(socket, "tcp"));
    if (binding.transport === "ws") return this.#upgrading(createHttpServer(), binding);
    const certificate = this.#options.certificate;
    if (!certificate) throw new Error(`${binding.transport} needs a certificate: give the stack one, or leave that binding out.`);
    if (binding.transport === "wss") {
      const server = createHttpsServer(certificate);
      this.#secure.push(server);
      return this.#upgrading(server, binding);
    }
    const server = createTlsServer(certificate, (socket) => accept(socket, "tls"));
    this.#secure.push(server);
    return server;
  }

  #upgrading(server: HttpServer, binding: Binding): Server {
    server.on("request", (_, response) => response.writeHead(426, { upgrade: "websocket" }).end());
    server.on("upgrade", (request, socket, head) => {
      const offered = (request.headers["sec-websocket-protocol"] ?? "").split(",").map((word) => word.trim().toLowerCase());
      socket.on("error", () => socket.destroy());
      if (!offered.includes("sip")) return socket.end("HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n");
      this.#webSockets.handleUpgrade(request, socket, head, (webSocket) => {
        const { remoteAddress = "", remotePort = 0 } = request.socket;
        const transport = binding.transport as "ws" | "wss";
        this.#acceptWebSocket(webSocket, { transport, address: plainAddress(remoteAddress), port: remotePort }, binding);
      });
    });
    return server;
  }

  #accept(socket: Socket, transport: "tcp" | "tls", binding: Binding): void {
    const { remoteAddress, remotePort } = socket;
    socket.on("error", () => socket.destroy());
    if (remoteAddress === undefined || remotePort === undefined) {
      socket.destroy();
      return;
    }
    const remote = { transport, address: plainAddress(remoteAddress), port: remotePort };
    const id = this.#newId(transport);
    if (this.#mayCome({ ...remote, flow: id }))
      this.#remember(new StreamFlow(id, socket, remote, this.#localOf(binding, remote.address), this.#events, this.#options));
    else socket.destroy();
  }

  acceptWebSocket(socket: WebSocket, remote: { address: string; port: number; secure: boolean }): void {
    const transport = remote.secure ? "wss" : "ws";
    const address = plainAddress(remote.address);
    const binding = this.#bindings.find((one) => one.transport === transport) ?? this.#bindings[0];
    this.#acceptWebSocket(socket, { transport, address, port: remote.port }, binding);
  }

  #acceptWebSocket(
    socket: WebSocket,
    remote: { transport: "ws" | "wss"; address: string; port: number },
    binding: Binding | undefined,
  ): void {
    const id = this.#newId(remote.transport);
    if (this.#closed || !this.#mayCome({ ...remote, flow: id })) {
      socket.on("error", () => {});
      socket.terminate();
      return;
    }
    const local = binding ? this.#localOf(binding, remote.address) : { host: this.#local.toward(remote.address), port: 5060 };
    this.#remember(new WebSocketFlow(id, socket, remote, local, this.#events, this.#options));
  }

  #newId(transport: Transport): string {
    return `${transport}|${this.#life}|${++this.#count}`;
  }

  #mayCome(source: Source): boolean {
    const { maximumConnections, maximumConnectionsPerAddress } = this.#options;
    if (this.#flows.size >= maximumConnections) return false;
    if ((this.#perAddress.get(source.address) ?? 0) >= maximumConnectionsPerAddress) return false;
    return this.#options.admit(source);
  }

  #remember(flow: ConnectionFlow): void {
    this.#flows.set(flow.id, flow);
    this.#perAddress.set(flow.source.address, (this.#perAddress.get(flow.source.address) ?? 0) + 1);
  }

  #forget(flow: Flow): void {
    if (!this.#flows.delete(flow.id)) return;
    const { address } = flow.source;
    const left = (this.#perAddress.get(address) ?? 1) - 1;
    if (left > 0) this.#perAddress.set(address, left);
    else this.#perAddress.delete(address);
    for (const [key, connected] of this.#connected) if (connected === flow) this.#connected.delete(key);
    this.#closedEvent(flow);
  }

  /** What we tell the other one our address is. */
  #localOf(binding: Binding, remote: string): { host: string; port: number } {
    const anywhere = binding.host === "0.0.0.0" || binding.host === "::";
    const told = binding.advertisedHosts?.find((address) => isIP(address) === isIP(remote)) ?? binding.advertisedHosts?.[0];
    const host = told ?? (anywhere ? this.#local.toward(remote) : binding.host);
    return { host, port: binding.advertisedPort ?? binding.port };
  }

  /** An open one by its id; those of UDP are made again from it. */
  flow(id: string): Flow | undefined {
    if (!id.startsWith("udp|")) return this.#flows.get(id);
    const [, ours, address, port] = id.split("|");
    if (address === undefined || port === undefined) return undefined;
    // A port that is ours no more: any socket of the family will do, as the other one's address is what matters.
    const socket = this.#udp.find((one) => one.port === Number(ours)) ?? this.#udpFor(address);
    return socket?.flow(address, Number(port));
  }

  closeFlow(id: string): void {
    this.#flows.get(id)?.close();
  }

  #udpFor(address: string): UdpSocket | undefined {
    const family = isIPv6(address) ? 6 : 4;
    // One of IPv6 sends to both.
    return this.#udp.find((one) => one.family === family) ?? (family === 4 ? this.#udp[0] : undefined);
  }

  /** A flow to a place: an existing connection of ours, or a new one. Undefined: there is no socket for it. */
  flowTo(hop: Hop): Flow | undefined {
    if (this.#closed) return undefined;
    if (hop.transport === "udp") return this.#udpFor(hop.address)?.flow(hop.address, hop.port);
    // Nobody connects to a browser: RFC 7118 section 5.
    if (hop.transport !== "tcp" && hop.transport !== "tls") return undefined;
    const key = `${hop.transport}|${hop.address}|${hop.port}|${hop.serverName ?? ""}`;
    const known = this.#connected.get(key);
    if (known?.open) return known;
    const flow = this.#connect(hop, hop.transport);
    this.#connected.set(key, flow);
    return flow;
  }

  #connect(hop: Hop, transport: "tcp" | "tls"): StreamFlow {
    const { address: host, port, serverName } = hop;
    const socket =
      transport === "tcp"
        ? connectTcp({ host, port })
        : connectTls({
            host,
            port,
            ...(serverName === undefined || isAddress(serverName) ? {} : { servername: serverName }),
            rejectUnauthorized: this.#options.verifyCertificates,
          });
    const timeout = setTimeout(() => socket.destroy(), connectMs);
    socket.once(transport === "tcp" ? "connect" : "secureConnect", () => clearTimeout(timeout));
    socket.once("close", () => clearTimeout(timeout));
    const binding = this.#bindings.find((one) => one.transport === transport) ?? this.#bindings[0];
    const local = binding ? this.#localOf(binding, host) : { host: this.#local.toward(host), port: defaultPort(transport) };
    const flow = new StreamFlow(
      this.#newId(transport),
      socket,
      { transport, address: host, port },
      local,
      this.#events,
      this.#options,
    );
    this.#remember(flow);
    return flow;
  }

  replaceCertificate(certificate: Certificate): void {
    this.#options.certificate = certificate;
    for (const server of this.#secure) server.setSecureContext(certificate);
  }

  async close(): Promise<void> {
    this.#closed = true;
    clearInterval(this.#keepAlive);
    for (const server of this.#servers) if ("closeAllConnections" in server) (server as HttpServer).closeAllConnections();
    const ends = this.#servers.map((server) => new Promise<void>((resolve) => server.close(() => resolve())));
    for (const flow of [...this.#flows.values()]) flow.close();
    await Promise.all([...ends, ...this.#udp.map((socket) => socket.close())]);
  }
}

const isAddress = (host: string): boolean => /^[0-9.]+$/.test(host) || host.includes(":");

function listening(server: Server, { host, port }: Binding): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once("error", reject);
    server.listen(port, host, () => {
      server.off("error", reject);
      resolve();
    });
  });
}
