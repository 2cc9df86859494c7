import { createConnection, type Socket } from "node:net";
import type { RtpengineAddress } from "../engine.ts";
import { type Bencoded, decodeAt } from "./bencode.ts";

const againMs = 5000;
const mostBytes = 1 << 16;

interface Digit {
  callid?: string;
  source_tag?: string;
  event?: number;
  /** Milliseconds. */
  duration?: number;
}

/**
 * What rtpengine tells unasked, over TCP at the port of its ng protocol: the digits that parties press (RFC 4733), of all its calls. It does where it was
 * started with `--listen-tcp-ng` and `--dtmf-log-ng-tcp`.
 */
export class NgNotices {
  readonly #address: RtpengineAddress;
  readonly #pressed: (id: string, digit: string, ms: number) => void;
  #socket: Socket | undefined;
  #again: NodeJS.Timeout | undefined;
  #isClosed = false;
  isOpen = false;

  constructor(address: RtpengineAddress, pressed: (id: string, digit: string, ms: number) => void) {
    this.#address = address;
    this.#pressed = pressed;
    this.#open();
  }

  close(): void {
    this.#isClosed = true;
    clearTimeout(this.#again);
    this.#socket?.destroy();
  }

  #open(): void {
    let bytes: Buffer = Buffer.alloc(0);
    const socket = createConnection(this.#address.port, this.#address.host);
    socket.unref();
    socket.setKeepAlive(true, againMs);
    this.#socket = socket;
    socket.on("connect", () => {
      this.isOpen = true;
    });
    socket.on("data", (more: Buffer) => {
      bytes = this.#read(Buffer.concat([bytes, more]));
      if (bytes.length > mostBytes) socket.destroy();
    });
    // Refused: this one tells nothing, and "close" follows.
    socket.on("error", () => {});
    socket.on("close", () => {
      this.isOpen = false;
      if (!this.#isClosed) this.#again = setTimeout(() => this.#open(), againMs).unref();
    });
  }

  /** Cookies and dictionaries, one after the other; returns what is not whole yet. */
  #read(bytes: Buffer): Buffer {
    let at = 0;
    for (;;) {
      const space = bytes.indexOf(" ", at);
      if (space === -1) return bytes.subarray(at);
      try {
        const { value, end } = decodeAt(bytes, space + 1);
        this.#told(value as { [key: string]: Bencoded });
        at = end;
      } catch {
        return bytes.subarray(at);
      }
    }
  }

  #told({ notify, data }: { [key: string]: Bencoded }): void {
    const { callid, source_tag, event, duration } = (data ?? {}) as Digit;
    const digit = "0123456789*#ABCD"[event ?? -1];
    if (notify === "onDTMF" && source_tag === "party" && callid && digit) this.#pressed(callid, digit, duration ?? 0);
  }
}
