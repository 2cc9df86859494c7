/**
 * Both streams of a process without a terminal come in one, in frames (Engine API, "Stream format"): a byte that says which one (1 or 2), three
 * of nothing, four with the length in network byte order, and the content.
 */
import { PassThrough, type Readable } from "node:stream";
import { DockerError, translate } from "./engineError.ts";

const headBytes = 8;
const streams = { 0: "stdout", 1: "stdout", 2: "stderr" } as const;

export type StreamName = "stdout" | "stderr";

export interface FrameChunk {
  stream: StreamName;
  bytes: Buffer;
  /** The last of its frame: frames may be long, and come in pieces. */
  last: boolean;
}

/** Takes a stream of frames apart, however it is cut. Nothing is kept but the head of a frame: its content is handed on as it comes. */
export class FrameReader {
  readonly #head = Buffer.alloc(headBytes);
  #headLength = 0;
  #left = 0;
  #stream: StreamName = "stdout";

  *read(chunk: Buffer): Generator<FrameChunk> {
    for (let at = 0; at < chunk.length; ) {
      if (this.#left === 0) {
        const taken = Math.min(headBytes - this.#headLength, chunk.length - at);
        chunk.copy(this.#head, this.#headLength, at, at + taken);
        this.#headLength += taken;
        at += taken;
        if (this.#headLength < headBytes) return;
        this.#headLength = 0;
        this.#left = this.#head.readUInt32BE(4);
        const kind = this.#head[0] as number;
        if (kind > 2 || this.#head.readUIntBE(1, 3) !== 0)
          throw translate(new DockerError("its stream has no frames", 0, "read frames"));
        this.#stream = streams[kind as 0 | 1 | 2];
        continue;
      }
      const bytes = chunk.subarray(at, at + this.#left);
      at += bytes.length;
      this.#left -= bytes.length;
      yield { stream: this.#stream, bytes, last: this.#left === 0 };
    }
  }

  /** Whether the stream may end here. */
  get whole(): boolean {
    return this.#left === 0 && this.#headLength === 0;
  }
}

/** Two streams out of one; each is as slow as the slower of their readers, as both come over one connection. */
export function splitFrames(source: Readable, first: Buffer): { stdout: Readable; stderr: Readable } {
  const outputs = { stdout: new PassThrough(), stderr: new PassThrough() };
  const reader = new FrameReader();
  const take = async (chunk: Buffer) => {
    for (const { stream, bytes } of reader.read(chunk)) {
      const output = outputs[stream];
      // Whoever does not want one of the two destroys it, and the other one goes on.
      if (output.destroyed) continue;
      if (!output.write(bytes)) await drained(output);
    }
  };
  void (async () => {
    try {
      if (first.length > 0) await take(first);
      for await (const chunk of source as AsyncIterable<Buffer>) await take(chunk);
      for (const output of Object.values(outputs)) output.end();
    } catch (error) {
      for (const output of Object.values(outputs)) output.destroy(error as Error);
    }
  })();
  for (const output of Object.values(outputs)) output.on("error", () => {});
  return outputs;
}

/** Nothing of it stays behind: a long stream waits many thousand times. */
function drained(output: PassThrough): Promise<void> {
  return new Promise((resolve) => {
    const done = () => {
      output.off("drain", done);
      output.off("close", done);
      resolve();
    };
    output.on("drain", done);
    output.on("close", done);
  });
}
