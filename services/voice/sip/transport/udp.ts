import { createSocket, type Socket } from "node:dgram";
import { isIPv6 } from "node:net";
import { datagramLookup } from "../../../../kernel/datagrams.ts";
import { plainAddress } from "../../../../kernel/peerAddress.ts";
import type { Source } from "../ports.ts";
import type { Flow, FlowEvents } from "./flow.ts";

const nothing: Set<() => void> = new Set();

/** One bound socket. Its flows are made when they are asked for, and hold nothing. */
export class UdpSocket {
  readonly #socket: Socket;
  readonly #family: 4 | 6;
  readonly #local: (remote: string) => Flow["local"];
  port = 0;

  constructor(host: string, local: (remote: string) => Flow["local"]) {
    this.#family = isIPv6(host) ? 6 : 4;
    this.#local = local;
    this.#socket = createSocket({ type: this.#family === 6 ? "udp6" : "udp4", lookup: datagramLookup });
  }

  get family(): 4 | 6 {
    return this.#family;
  }

  open(host: string, port: number, events: FlowEvents, admit: (source: Source) => boolean): Promise<void> {
    const socket = this.#socket;
    socket.on("message", (data, { address, port: remotePort }) => {
      // Keep-alives of phones behind address translation (RFC 5626 has CRLF, some send zeros).
      if (data.length < 16 || remotePort === 0) return;
      const flow = this.flow(plainAddress(address), remotePort);
      if (admit(flow.source)) events.message(data, flow);
    });
    return new Promise((resolve, reject) => {
      socket.once("error", reject);
      socket.bind(port, host, () => {
        socket.off("error", reject);
        // What goes wrong later (no route, port unreachable) is found by silence.
        socket.on("error", () => {});
        this.port = socket.address().port;
        enlarge(socket);
        resolve();
      });
    });
  }

  flow(address: string, port: number): Flow {
    const id = `udp|${this.port}|${address}|${port}`;
    return new UdpFlow(id, { transport: "udp", address, port, flow: id }, this);
  }

  localToward(remote: string): Flow["local"] {
    return this.#local(remote);
  }

  send(data: string | Buffer, address: string, port: number): boolean {
    try {
      this.#socket.send(data, port, address, ignore);
      return true;
    } catch {
      return false;
    }
  }

  close(): Promise<void> {
    return new Promise((resolve) => {
      try {
        this.#socket.close(() => resolve());
      } catch {
        resolve();
      }
    });
  }
}

// Errors of one datagram: the transaction sends it again, or gives up.
const ignore = (): void => {};

/** Bursts of registrations after a power cut; the system may grant less. */
function enlarge(socket: Socket): void {
  try {
    socket.setRecvBufferSize(4 * 1024 * 1024);
  } catch {}
}

class UdpFlow implements Flow {
  readonly id: string;
  readonly source: Source;
  readonly transport = "udp";
  readonly reliable = false;
  readonly open = true;
  readonly closing = nothing;
  readonly #socket: UdpSocket;

  constructor(id: string, source: Source, socket: UdpSocket) {
    this.id = id;
    this.source = source;
    this.#socket = socket;
  }

  get local(): { host: string; port: number } {
    return this.#socket.localToward(this.source.address);
  }

  send(data: string | Buffer): boolean {
    return this.#socket.send(data, this.source.address, this.source.port);
  }

  close(): void {}
}
