import { CloudError } from "../kernel/errors.ts";
import { errorOfProblem, problemError, unreachable } from "./problem.ts";

/** How a connection ended. `error` unless all was well; 1000 is the regular end. */
export interface SocketEnd {
  code: number;
  error?: CloudError;
}

export interface SocketOptions {
  /** Bytes that came. While a promise is pending no more are asked for. */
  onBytes?: (bytes: Uint8Array) => void | Promise<void>;
  /** JSON that came: `{exit: {code}}`. Failures are not among it: they are in the end. */
  onControl?: (message: Record<string, unknown>) => void;
  /** The other side sends no more bytes; it may still take some. */
  onEnd?: () => void;
  signal?: AbortSignal | undefined;
}

/** What carries a connection: the browser's WebSocket, or that of Node with its headers and pauses. */
export interface Wire {
  /** Resolves when more may be sent. */
  send(data: string | Uint8Array<ArrayBuffer>): Promise<void>;
  close(): void;
  /** What came stays where it is until `resume`; absent where that is not possible, so that the server must be told how far we are. */
  pause?: () => void;
  resume?: () => void;
}

/** Opens a wire; rejects with the error of the answer when the cloud refuses. Events go to the socket that `attach` makes of it. */
export type SocketOpener = (
  url: string,
  headers: Record<string, string>,
  attach: (wire: Wire) => CloudSocket,
  signal: AbortSignal | undefined,
) => Promise<CloudSocket>;

/** After how many bytes the server is told what has been shown; far below the 512 KiB that it sends ahead. */
const acknowledgeEveryBytes = 64 * 1024;

/** A route that has become a WebSocket: binary messages are bytes, text messages JSON objects. */
export class CloudSocket {
  /** Never rejects. */
  readonly closed: Promise<SocketEnd>;
  private readonly wire: Wire;
  private readonly options: SocketOptions;
  private settle!: (end: SocketEnd) => void;
  private left = false;
  private failure: CloudError | undefined;
  private received = 0;
  private acknowledged = 0;
  private work: Promise<void> = Promise.resolve();
  private pending = 0;

  constructor(wire: Wire, options: SocketOptions) {
    this.wire = wire;
    this.options = options;
    this.closed = new Promise((resolve) => {
      this.settle = resolve;
    });
    if (!wire.pause) this.control({ acknowledged: 0 });
  }

  /** Resolves when more may be sent; bytes for a connection that is over are dropped. */
  send(bytes: Uint8Array): Promise<void> {
    return this.wire.send(bytes as Uint8Array<ArrayBuffer>);
  }

  control(message: Record<string, unknown>): void {
    void this.wire.send(JSON.stringify(message));
  }

  /** No more bytes will be sent. */
  end(): void {
    this.control({ end: true });
  }

  close(): void {
    this.left = true;
    this.wire.close();
  }

  /** For the wire: a message came. */
  message(data: string | Uint8Array): void {
    if (typeof data === "string") this.steered(JSON.parse(data) as Record<string, unknown>);
    else this.took(data);
  }

  /** For the wire: it is over. */
  over(code: number, reason: string): void {
    const error = code === 1000 || this.left ? undefined : (this.failure ?? errorOfClose(code, reason));
    // What came before the end is worked through first.
    void this.work.then(() => this.settle({ code, ...(error && { error }) }));
  }

  private steered(message: Record<string, unknown>): void {
    if (typeof message["error"] === "object" && message["error"] !== null) {
      const problem = message["error"] as Record<string, unknown>;
      this.failure = errorOfProblem(problem, Number(problem["status"] ?? 500));
    } else if (message["end"] === true) this.after(() => this.options.onEnd?.());
    else this.after(() => this.options.onControl?.(message));
  }

  /** In the order in which it came, after the bytes before it. */
  private after(run: () => void | Promise<void>): void {
    this.work = this.work.then(run).catch(() => {});
  }

  private took(bytes: Uint8Array): void {
    this.pending++;
    this.wire.pause?.();
    this.after(async () => {
      try {
        await this.options.onBytes?.(bytes);
      } finally {
        this.received += bytes.length;
        if (--this.pending === 0) this.wire.resume?.();
        if (!this.wire.pause && this.received - this.acknowledged >= acknowledgeEveryBytes) {
          this.acknowledged = this.received;
          this.control({ acknowledged: this.received });
        }
      }
    });
  }
}

/** RFC 6455, 7.4; our own codes are 4000 + the status that HTTP would have. */
function errorOfClose(code: number, reason: string): CloudError {
  if (code >= 4400 && code < 4600) return errorOfProblem(reason ? { detail: reason } : {}, code - 4000);
  const message =
    code === 1012 || code === 1001
      ? "The cloud was restarted. Connect again."
      : code === 1009 || code === 1008
        ? `The cloud closed the connection: ${reason || "a message was not right"}.`
        : "The connection broke off. Connect again.";
  return new CloudError("unavailable", message, { details: { reason: "connection_lost", closeCode: code } });
}

const highWaterBytes = 1024 * 1024;
const openTimeoutMs = 20_000;

/** The browser's own. It tells nothing of why a connection was refused: that is asked for by an ordinary request. */
export const openBrowserSocket: SocketOpener = (url, headers, attach, signal) =>
  new Promise((resolve, reject) => {
    const address = new URL(url, (globalThis as { location?: { href: string } }).location?.href);
    address.protocol = address.protocol.replace("http", "ws");
    const websocket = new WebSocket(address);
    websocket.binaryType = "arraybuffer";
    let socket: CloudSocket | undefined;
    const leave = () => websocket.close(1000);
    const timer = setTimeout(leave, openTimeoutMs);
    signal?.addEventListener("abort", leave, { once: true });
    const wire: Wire = {
      async send(data) {
        if (websocket.readyState !== WebSocket.OPEN) return;
        websocket.send(data);
        while (websocket.bufferedAmount > highWaterBytes && websocket.readyState === WebSocket.OPEN)
          await new Promise((done) => setTimeout(done, 20));
      },
      close: leave,
    };
    websocket.onopen = () => {
      clearTimeout(timer);
      socket = attach(wire);
      resolve(socket);
    };
    websocket.onmessage = ({ data }: { data: string | ArrayBuffer }) =>
      socket?.message(typeof data === "string" ? data : new Uint8Array(data));
    websocket.onclose = ({ code, reason }) => {
      clearTimeout(timer);
      signal?.removeEventListener("abort", leave);
      if (socket) return socket.over(code, reason);
      if (signal?.aborted) return reject(signal.reason);
      whyRefused(url, headers, signal).then(reject, reject);
    };
  });

async function whyRefused(url: string, headers: Record<string, string>, signal: AbortSignal | undefined): Promise<CloudError> {
  let response: Response;
  try {
    response = await fetch(url, { headers, credentials: "same-origin", ...(signal && { signal }) });
  } catch (cause) {
    return unreachable(cause);
  }
  if (response.status !== 426 && !response.ok) return problemError(response);
  return new CloudError(
    "unavailable",
    "The cloud would have let you in, but the WebSocket did not come through. A proxy on the way may not pass them on.",
    { details: { reason: "websocket_blocked" } },
  );
}
