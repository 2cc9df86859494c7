/** Words of ours at the end of git's own answer to a push: pkt-lines and the side band (gitprotocol-common(5), gitprotocol-pack(5)). */
import { Transform, type TransformCallback } from "node:stream";

const flushPacket = "0000";
/** A packet holds at most 65,520 bytes, its length and the band among them. */
const mostBytes = 60_000;

export const packet = (payload: Buffer | string): Buffer => {
  const bytes = Buffer.from(payload);
  return Buffer.concat([Buffer.from((bytes.length + 4).toString(16).padStart(4, "0")), bytes]);
};

export const flush = Buffer.from(flushPacket);

/** Band 2: what the client shows, each line behind `remote:`. */
export function* progressPackets(text: string): Generator<Buffer> {
  const bytes = Buffer.from(text);
  for (let at = 0; at < bytes.length; at += mostBytes)
    yield packet(Buffer.concat([Buffer.from([2]), bytes.subarray(at, at + mostBytes)]));
}

/**
 * Passes everything on but a flush packet at the very end, which is kept back: `held`. `advertised`: what comes first is what there is, up to a flush
 * packet that the other side waits for (gitprotocol-pack(5), "Reference Discovery").
 */
export class HoldLastFlush extends Transform {
  #tail: Buffer = Buffer.alloc(0);
  #advertising: boolean;

  constructor({ advertised = false } = {}) {
    super();
    this.#advertising = advertised;
  }

  override _transform(chunk: Buffer, _encoding: BufferEncoding, done: TransformCallback): void {
    let all = Buffer.concat([this.#tail, chunk]);
    if (this.#advertising) {
      const end = this.#advertised(all);
      this.push(all.subarray(0, end));
      all = all.subarray(end);
    }
    const kept = this.#advertising ? all.length : Math.min(all.length, flushPacket.length);
    this.#tail = all.subarray(all.length - kept);
    done(null, all.subarray(0, all.length - kept));
  }

  /** Up to where whole packets go, or the flush packet. */
  #advertised(bytes: Buffer): number {
    let at = 0;
    while (this.#advertising && bytes.length >= at + flushPacket.length) {
      const length = Number.parseInt(bytes.toString("latin1", at, at + flushPacket.length), 16);
      // What is no packet is not ours to understand.
      if (length < flushPacket.length || Number.isNaN(length)) {
        this.#advertising = false;
        at += flushPacket.length;
      } else if (bytes.length < at + length) break;
      else at += length;
    }
    return at;
  }

  override _flush(done: TransformCallback): void {
    if (this.held) done();
    else done(null, this.#tail);
  }

  get held(): boolean {
    return this.#tail.toString("latin1") === flushPacket;
  }
}
