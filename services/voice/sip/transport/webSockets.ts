/** RFC 7118: one message of a WebSocket is one message of SIP. */
import type { WebSocket } from "ws";
import { ConnectionFlow, type Flow, type FlowEvents, maximumUnsentBytes } from "./flow.ts";
import type { StreamOptions } from "./streams.ts";

/** Proxies on the way close what is silent for a minute. */
const pingMs = 25_000;

export class WebSocketFlow extends ConnectionFlow {
  readonly #socket: WebSocket;

  constructor(
    id: string,
    socket: WebSocket,
    remote: { transport: "ws" | "wss"; address: string; port: number },
    local: Flow["local"],
    events: FlowEvents,
    options: StreamOptions,
  ) {
    super(id, remote, local, events);
    this.#socket = socket;
    let alive = true;
    const pinging = setInterval(() => {
      if (!alive) return socket.terminate();
      alive = false;
      socket.ping();
    }, pingMs);
    socket.on("pong", () => {
      alive = true;
    });
    socket.on("message", (data) => {
      alive = true;
      const message = Array.isArray(data) ? Buffer.concat(data) : data instanceof ArrayBuffer ? Buffer.from(data) : data;
      if (message.length > options.maximumMessageBytes) return socket.close(1009);
      if (message.length < 16) {
        if (message.toString("latin1") === "\r\n\r\n") this.send("\r\n");
        return;
      }
      if (options.admit(this.source)) events.message(message, this);
    });
    socket.on("error", () => socket.terminate());
    socket.on("close", () => {
      clearInterval(pinging);
      this.ended();
    });
  }

  send(data: string | Buffer): boolean {
    if (!this.open || this.#socket.readyState !== this.#socket.OPEN) return false;
    if (this.#socket.bufferedAmount > maximumUnsentBytes) {
      this.#socket.terminate();
      return false;
    }
    // Text, as browsers expect it; what is no UTF-8 cannot be that.
    this.#socket.send(data, { binary: typeof data !== "string" });
    return true;
  }

  close(): void {
    this.#socket.close(1001);
    // One that does not answer must not hold us up.
    this.#socket.terminate();
  }
}
