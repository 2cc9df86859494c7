/** TCP and TLS. */
import type { Socket } from "node:net";
import { Framing } from "../framing.ts";
import type { Source } from "../ports.ts";
import { ConnectionFlow, type Flow, type FlowEvents, maximumUnsentBytes } from "./flow.ts";

const pong = "\r\n";
const ping = "\r\n\r\n";
/** One who connects and says nothing whole is no phone. */
const firstMessageMs = 30_000;

export interface StreamOptions {
  maximumMessageBytes: number;
  admit(source: Source): boolean;
}

export class StreamFlow extends ConnectionFlow {
  readonly #socket: Socket;

  constructor(
    id: string,
    socket: Socket,
    remote: { transport: "tcp" | "tls"; address: string; port: number },
    local: Flow["local"],
    events: FlowEvents,
    options: StreamOptions,
  ) {
    super(id, remote, local, events);
    this.#socket = socket;
    const silence = setTimeout(() => socket.destroy(), firstMessageMs);
    const framing = new Framing(options.maximumMessageBytes, {
      message: (data) => {
        clearTimeout(silence);
        if (options.admit(this.source)) events.message(data, this);
      },
      ping: () => this.send(pong),
      pong: () => {},
      broken: (why) => {
        events.malformed(this.source, why);
        socket.destroy();
      },
    });
    socket.setNoDelay(true);
    socket.setKeepAlive(true, 60_000);
    socket.on("data", (chunk: Buffer) => framing.push(chunk));
    socket.on("error", () => socket.destroy());
    socket.on("end", () => socket.end());
    socket.on("close", () => {
      clearTimeout(silence);
      this.ended();
    });
  }

  send(data: string | Buffer): boolean {
    if (!this.open || this.#socket.destroyed) return false;
    if (this.#socket.writableLength > maximumUnsentBytes) {
      this.#socket.destroy();
      return false;
    }
    this.#socket.write(data);
    return true;
  }

  /** Keeps the way through address translation open, on connections that we made (RFC 5626 section 3.5.1). */
  ping(): void {
    this.send(ping);
  }

  close(): void {
    this.#socket.destroy();
  }
}
