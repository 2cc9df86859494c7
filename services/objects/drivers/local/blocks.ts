/** Of a file, read or written at once. Each reader and each writer holds two: a slow one for long, so they are no larger. */
export const blockBytes = 128 * 1024;

/** 16 MiB at most are kept, and only while somebody reads. */
const most = 128;
const idleMs = 10_000;

/**
 * Memory that large reads go through, used again and again. Memory of its own for each block made V8 collect garbage for a third of the time,
 * and the system clear pages for another one.
 */
class Blocks {
  readonly #own = new WeakSet<ArrayBufferLike>();
  readonly #free: Buffer[] = [];
  #idle: NodeJS.Timeout | undefined;

  take(): Buffer {
    const free = this.#free.pop();
    if (free) return free;
    const block = Buffer.allocUnsafeSlow(blockBytes);
    this.#own.add(block.buffer);
    return block;
  }

  /** A block or its beginning, once; nobody may look at it any more. Anything else is left to the garbage collector. */
  give({ buffer }: Uint8Array): void {
    if (!this.#own.has(buffer) || this.#free.length >= most) return;
    this.#free.push(Buffer.from(buffer as ArrayBuffer));
    if (this.#idle) this.#idle.refresh();
    else this.#idle = setTimeout(() => this.#free.splice(0), idleMs).unref();
  }
}

export const blocks = new Blocks();
