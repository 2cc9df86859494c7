/** Messages out of a stream: RFC 3261 section 18.3, and the keep-alives of RFC 5626 section 3.5.1. */

export interface FramingEvents {
  message(data: Buffer): void;
  /** A double CRLF, to be answered with one. */
  ping(): void;
  /** A single one: the answer to ours. */
  pong(): void;
  /** The stream cannot be read any further. */
  broken(why: string): void;
}

const lengthHeader = /\r\n(?:content-length|l)[ \t]*:[ \t]*(\d{1,9})[ \t]*(?=\r\n|$)/i;

export class Framing {
  readonly #limit: number;
  readonly #events: FramingEvents;
  #pending: Buffer = Buffer.alloc(0);
  /** Where the search for the end of the head goes on, so that dripping bytes cost no squares. */
  #searched = 0;
  /** Bytes of the message whose head is complete. */
  #awaited = 0;
  #over = false;

  constructor(limit: number, events: FramingEvents) {
    this.#limit = limit;
    this.#events = events;
  }

  /** Bytes of a message begun. */
  get waiting(): number {
    return this.#pending.length;
  }

  push(chunk: Buffer): void {
    if (this.#over) return;
    this.#pending = this.#pending.length === 0 ? chunk : Buffer.concat([this.#pending, chunk]);
    while (!this.#over && this.#step()) {}
  }

  #step(): boolean {
    if (this.#awaited === 0 && !this.#readHead()) return false;
    if (this.#awaited === 0) return true;
    if (this.#pending.length < this.#awaited) return false;
    const message = this.#pending.subarray(0, this.#awaited);
    this.#drop(this.#awaited);
    this.#events.message(message);
    return true;
  }

  #drop(bytes: number): void {
    this.#pending = this.#pending.subarray(bytes);
    this.#searched = 0;
    this.#awaited = 0;
  }

  /** False: more bytes are needed. True with nothing awaited: a keep-alive was taken. */
  #readHead(): boolean {
    if (this.#pending[0] === 13 || this.#pending[0] === 10) return this.#takeNewlines();
    const end = this.#pending.indexOf("\r\n\r\n", Math.max(0, this.#searched - 3), "latin1");
    if (end < 0) {
      this.#searched = this.#pending.length;
      if (this.#pending.length > this.#limit) this.#fail("a message is too long");
      return false;
    }
    const length = lengthHeader.exec(this.#pending.toString("latin1", 0, end))?.[1];
    this.#awaited = end + 4 + Number(length ?? 0);
    if (this.#awaited > this.#limit) {
      this.#fail("a message is too long");
      return false;
    }
    return true;
  }

  #takeNewlines(): boolean {
    const start = this.#pending.toString("latin1", 0, 4);
    if (start === "\r\n\r\n") {
      this.#drop(4);
      this.#events.ping();
      return true;
    }
    // The rest of a ping may be on its way.
    if ("\r\n\r\n".startsWith(start) && start !== "\r\n") return false;
    const single = start.startsWith("\r\n");
    this.#drop(single ? 2 : 1);
    if (single) this.#events.pong();
    return this.#pending.length > 0;
  }

  #fail(why: string): void {
    this.#over = true;
    this.#pending = Buffer.alloc(0);
    this.#events.broken(why);
  }
}
