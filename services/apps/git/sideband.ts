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

/** Passes everything on but a flush packet at the very end, which is kept back: `held`. */
export class HoldLastFlush extends Transform {
  #tail = Buffer.alloc(0);

  override _transform(chunk: Buffer, _encoding: BufferEncoding, done: TransformCallback): void {
    const all = Buffer.concat([this.#tail, chunk]);
    const kept = Math.min(all.length, flushPacket.length);
    this.#tail = all.subarray(all.length - kept);
    done(null, all.subarray(0, all.length - kept));
  }

  override _flush(done: TransformCallback): void {
    if (this.held) done();
    else done(null, this.#tail);
  }

  get held(): boolean {
    return this.#tail.toString("latin1") === flushPacket;
  }
}

/** Passes everything on, and sees whether the first line of a request says that the client has the side band. */
export class SeeSideBand extends Transform {
  sideBand = false;
  #head: Buffer | undefined = Buffer.alloc(0);

  override _transform(chunk: Buffer, _encoding: BufferEncoding, done: TransformCallback): void {
    if (this.#head !== undefined) {
      this.#head = Buffer.concat([this.#head, chunk]);
      const length = Number.parseInt(this.#head.subarray(0, 4).toString("latin1"), 16);
      if (this.#head.length >= 4 && (Number.isNaN(length) || this.#head.length >= length)) {
        this.sideBand = /\0[^\n]*\bside-band-64k\b/.test(this.#head.subarray(0, Math.max(length, 0)).toString("latin1"));
        this.#head = undefined;
      }
    }
    done(null, chunk);
  }
}
