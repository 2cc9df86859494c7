import { Duplex } from "node:stream";
import type { WebSocket } from "ws";
import { CloudError } from "../errors.ts";
import type { SocketConnection } from "../service.ts";
import { httpErrors } from "./errors.ts";
import type { SocketTimings } from "./sockets.ts";

/** RFC 6455, 7.4.1, and our own, which are 4000 + the status that HTTP would have. */
export const closeCodes = {
  done: 1000,
  protocol: 1008,
  /** IANA's registry: "Service Restart". The client may come back at once. */
  restart: 1012,
  idle: 4408,
} as const;

/** How far a peer that acknowledges may be behind. */
const windowBytes = 512 * 1024;
const flushTimeoutMs = 5000;

/** One WebSocket as a handler sees it, and what keeps watch over it. */
export class Connection implements SocketConnection {
  readonly bytes: Duplex;
  readonly closed: Promise<void>;
  receivedBytes = 0;
  sentBytes = 0;
  closedBecause: string | undefined;

  private readonly websocket: WebSocket;
  private readonly gone = new AbortController();
  private readonly listeners: ((message: Record<string, unknown>) => void)[] = [];
  /** Control messages that came before anybody listened. */
  private early: Record<string, unknown>[] | undefined = [];
  private acknowledged: number | undefined;
  /** Called when more may be sent. */
  private resumeWrite: (() => void) | undefined;
  private heardMs = Date.now();
  private watchedMs = Date.now();
  private movedMs = Date.now();
  private peerEnded = false;

  constructor(websocket: WebSocket, timings: SocketTimings, recheck: () => Promise<void>) {
    this.websocket = websocket;
    this.bytes = new Duplex({
      readableHighWaterMark: 256 * 1024,
      writableHighWaterMark: 64 * 1024,
      read: () => {
        if (!websocket.isPaused) return;
        this.heardMs = Date.now();
        websocket.resume();
      },
      write: (chunk: Buffer, _encoding, done) => this.send(chunk, done),
      final: (done) => {
        if (!this.gone.signal.aborted) this.control({ end: true });
        done();
      },
      destroy: (error, done) => {
        this.close(closeCodes.done, "");
        done(error);
      },
      autoDestroy: false,
    });
    // Whoever does not look at the stream's errors learns of the end by the signal.
    this.bytes.on("error", () => {});
    websocket.on("message", (data, isBinary) => this.received(data as Buffer, isBinary));
    websocket.on("pong", () => {
      this.heardMs = Date.now();
    });
    // A message that breaks the protocol: ws closes by itself, with the right code.
    websocket.on("error", (error) => {
      this.closedBecause ??= error.message;
    });
    const ping = setInterval(() => this.watch(timings), timings.pingSeconds * 1000).unref();
    const check = setInterval(() => this.check(recheck), timings.checkSeconds * 1000).unref();
    this.closed = new Promise((resolve) =>
      websocket.once("close", (code, reason) => {
        clearInterval(ping);
        clearInterval(check);
        this.closedBecause ??= code === 1006 ? "the connection broke off" : `the client closed it${reasonOf(code, reason)}`;
        this.gone.abort();
        this.resumeWrite?.();
        if (!this.peerEnded) this.bytes.push(null);
        this.peerEnded = true;
        resolve();
      }),
    );
  }

  get signal(): AbortSignal {
    return this.gone.signal;
  }

  onControl(listener: (message: Record<string, unknown>) => void): void {
    this.listeners.push(listener);
    const early = this.early ?? [];
    this.early = undefined;
    for (const message of early) listener(message);
  }

  control(message: Record<string, unknown>): void {
    if (this.websocket.readyState === this.websocket.OPEN) this.websocket.send(JSON.stringify(message), { binary: false });
  }

  close(code: number, reason: string): void {
    if (this.websocket.readyState >= this.websocket.CLOSING) return;
    this.closedBecause ??= reason || "done";
    // A paused socket would never see the peer's answer to this.
    if (this.websocket.isPaused) this.websocket.resume();
    this.websocket.close(code, shortened(reason));
  }

  /** Resolves when what was written has been handed to the network, or will never be. */
  async flushed(): Promise<void> {
    if (this.bytes.writableLength === 0 || this.gone.signal.aborted || this.bytes.writableEnded) return;
    await new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, flushTimeoutMs);
      this.bytes.write(Buffer.alloc(0), () => {
        clearTimeout(timer);
        resolve();
      });
    });
  }

  private received(data: Buffer, isBinary: boolean): void {
    this.heardMs = Date.now();
    if (isBinary) {
      if (this.peerEnded) {
        this.close(closeCodes.protocol, "There were bytes after the end.");
        return;
      }
      this.movedMs = this.heardMs;
      this.receivedBytes += data.length;
      if (data.length > 0 && !this.bytes.push(data)) {
        this.websocket.pause();
        // What it acknowledges cannot be heard now: it must not be waited for.
        this.resumeWrite?.();
      }
      return;
    }
    const message = parsed(data);
    if (!message) {
      this.close(closeCodes.protocol, "A text message is a JSON object.");
      return;
    }
    if (typeof message["acknowledged"] === "number") {
      this.acknowledged = Math.max(this.acknowledged ?? 0, Math.min(message["acknowledged"], this.sentBytes));
      if (!this.isAhead()) this.resumeWrite?.();
      return;
    }
    if (message["end"] === true) {
      if (!this.peerEnded) this.bytes.push(null);
      this.peerEnded = true;
      return;
    }
    if (!this.early) for (const listener of this.listeners) listener(message);
    else if (this.early.push(message) > 100) this.close(closeCodes.protocol, "Too many messages before the start.");
  }

  private isAhead(): boolean {
    return this.acknowledged !== undefined && this.sentBytes - this.acknowledged > windowBytes && !this.websocket.isPaused;
  }

  private send(chunk: Buffer, done: (error?: Error | null) => void): void {
    if (this.websocket.readyState !== this.websocket.OPEN) done(new Error("The socket is closed."));
    else if (chunk.length === 0) done();
    else if (this.isAhead()) {
      this.resumeWrite = () => {
        this.resumeWrite = undefined;
        this.send(chunk, done);
      };
    } else {
      this.movedMs = Date.now();
      this.sentBytes += chunk.length;
      this.websocket.send(chunk, { binary: true }, (error) => done(error));
    }
  }

  private watch({ pingSeconds, idleSeconds }: SocketTimings): void {
    const now = Date.now();
    // When it was us who did nothing for a while, an answer may be waiting unread.
    if (now - this.watchedMs > 1.5 * pingSeconds * 1000) this.heardMs = now;
    this.watchedMs = now;
    if (!this.websocket.isPaused && now - this.heardMs > 2.5 * pingSeconds * 1000) {
      this.closedBecause ??= "the client no longer answered";
      this.websocket.terminate();
    } else if (now - this.movedMs > idleSeconds * 1000) {
      this.close(closeCodes.idle, `Nothing was sent for ${Math.round(idleSeconds / 3600)} hours.`);
    } else if (this.websocket.readyState === this.websocket.OPEN) this.websocket.ping();
  }

  private checking = false;
  private async check(recheck: () => Promise<void>): Promise<void> {
    if (this.checking) return;
    this.checking = true;
    try {
      await recheck();
    } catch (error) {
      // While the database is away nothing can be revoked either.
      if (CloudError.is(error) && ["unauthenticated", "permission_denied", "not_found"].includes(error.code))
        this.close(4000 + httpErrors[error.code].status, error.message);
    } finally {
      this.checking = false;
    }
  }
}

function parsed(data: Buffer): Record<string, unknown> | undefined {
  try {
    const value = JSON.parse(data.toString()) as unknown;
    return typeof value === "object" && value !== null && !Array.isArray(value) ? (value as Record<string, unknown>) : undefined;
  } catch {
    return undefined;
  }
}

/** A reason has at most 123 bytes (RFC 6455, 5.5). */
function shortened(text: string): string {
  const bytes = Buffer.from(text);
  return bytes.length <= 123 ? text : `${new TextDecoder().decode(bytes.subarray(0, 117)).replace(/\uFFFD+$/, "")} …`;
}

const reasonOf = (code: number, reason: Buffer): string =>
  code === 1000 || code === 1005 ? "" : ` (${code} ${reason.toString()})`;
