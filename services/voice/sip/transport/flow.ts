/** The ways that messages come and go on. */
import type { Source, Transport } from "../ports.ts";

/** A connection, or our UDP socket and another one's address. */
export interface Flow {
  readonly id: string;
  readonly source: Source;
  readonly transport: Transport;
  /** Delivers or ends: no retransmissions are needed. */
  readonly reliable: boolean;
  readonly open: boolean;
  /** Ours, for Via and Contact. */
  readonly local: { host: string; port: number };
  /** False when it cannot: it has ended. */
  send(data: string | Buffer): boolean;
  /** Called once when a connection ends; harmless for UDP, which does not. */
  readonly closing: Set<() => void>;
  close(): void;
}

export interface FlowEvents {
  /** The buffer is the receiver's from then on. */
  message(data: Buffer, flow: Flow): void;
  closed(flow: Flow): void;
  malformed(source: Source, why: string): void;
}

/** What has been sent and not taken yet: more than this is a peer that does not read. */
export const maximumUnsentBytes = 4 * 1024 * 1024;

export const isReliable = (transport: Transport): boolean => transport !== "udp";

export const isSecure = (transport: Transport): boolean => transport === "tls" || transport === "wss";

export const defaultPort = (transport: Transport): number => ({ udp: 5060, tcp: 5060, tls: 5061, ws: 80, wss: 443 })[transport];

/** A connection's flow, whatever it is made of. */
export abstract class ConnectionFlow implements Flow {
  readonly id: string;
  readonly source: Source;
  readonly transport: Transport;
  readonly reliable = true;
  readonly local: { host: string; port: number };
  readonly closing: Set<() => void> = new Set();
  open = true;
  protected readonly events: FlowEvents;

  constructor(
    id: string,
    remote: { transport: Transport; address: string; port: number },
    local: Flow["local"],
    events: FlowEvents,
  ) {
    this.id = id;
    this.transport = remote.transport;
    this.source = { ...remote, flow: id };
    this.local = local;
    this.events = events;
  }

  abstract send(data: string | Buffer): boolean;
  abstract close(): void;

  protected ended(): void {
    if (!this.open) return;
    this.open = false;
    for (const listener of [...this.closing]) listener();
    this.closing.clear();
    this.events.closed(this);
  }
}
