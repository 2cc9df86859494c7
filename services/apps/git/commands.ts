/** What a push asks for, read as it passes by: gitprotocol-pack(5), "Reference Update Request". */
import { Transform, type TransformCallback } from "node:stream";

export interface RefCommand {
  /** Forty zeros: it is made new. */
  before: string;
  /** Forty zeros: it is deleted. */
  after: string;
  ref: string;
}

export const noCommit = /^0+$/;
/** Of the list of commands; what asks for more is left to git, and nothing of it is deployed. */
const mostBytes = 1024 ** 2;

/** Passes everything on; `commands` and `sideBand` are there once the list has ended. */
export class ReadCommands extends Transform {
  readonly commands: RefCommand[] = [];
  /** The client shows words of ours. */
  sideBand = false;
  #read = 0;
  #head: Buffer | undefined = Buffer.alloc(0);

  override _transform(chunk: Buffer, _encoding: BufferEncoding, done: TransformCallback): void {
    if (this.#head !== undefined) {
      this.#head = Buffer.concat([this.#head, chunk]);
      this.#take();
    }
    done(null, chunk);
  }

  #take(): void {
    for (let head = this.#head; head !== undefined && head.length >= 4; head = this.#head) {
      const size = head.toString("latin1", 0, 4);
      const length = /^[0-9a-f]{4}$/i.test(size) ? Number.parseInt(size, 16) : 0;
      this.#read += length;
      if (length < 4 || this.#read > mostBytes) {
        if (this.#read > mostBytes) this.commands.length = 0;
        this.#head = undefined;
        return;
      }
      if (head.length < length) return;
      this.#line(head.toString("utf8", 4, length));
      this.#head = head.subarray(length);
    }
  }

  #line(line: string): void {
    const [text = "", capabilities = ""] = line.split("\0", 2);
    const [, before, after, ref] = /^([0-9a-f]{40,64}) ([0-9a-f]{40,64}) (\S+)\n?$/.exec(text) ?? [];
    // Shallow clones begin with what they do not have.
    if (before === undefined || after === undefined || ref === undefined) return;
    if (/(^| )side-band-64k( |\n|$)/.test(capabilities)) this.sideBand = true;
    this.commands.push({ before, after, ref });
  }
}
