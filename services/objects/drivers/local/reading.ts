import { type FileHandle, open, unlink } from "node:fs/promises";
import { Readable } from "node:stream";
import { crc32 } from "node:zlib";
import { CloudError } from "../../../../kernel/errors.ts";
import type { ByteRange, ObjectRead } from "../../driver.ts";
import { ignoreMissing } from "./failures.ts";
import type { Files } from "./files.ts";

/** What is read from a file at once, and how far the stream reads ahead. */
const blockBytes = 256 * 1024;

/** A content or a part of one, in the order of the object. */
export interface Segment {
  contentId: string;
  inline?: Buffer;
  crc32: number;
  contentBytes: number;
  from: number;
  sizeBytes: number;
}

/** Where a content lies in an object. */
export type Piece = Pick<Segment, "contentId" | "inline" | "crc32" | "contentBytes">;

/** The segments of [from, from + sizeBytes) of an object that consists of `pieces`. */
export function cut(pieces: Piece[], from: number, sizeBytes: number): Segment[] {
  const segments: Segment[] = [];
  let start = 0;
  for (const piece of pieces) {
    const first = Math.max(from - start, 0);
    const last = Math.min(from + sizeBytes - start, piece.contentBytes);
    if (last > first) segments.push({ ...piece, from: first, sizeBytes: last - first });
    start += piece.contentBytes;
  }
  return segments;
}

export function resolveRange(objectBytes: number, range: ByteRange | undefined): ObjectRead["range"] {
  if (range === undefined) return { from: 0, to: objectBytes - 1, sizeBytes: objectBytes };
  const from = "suffix" in range ? Math.max(objectBytes - range.suffix, 0) : range.from;
  const to = "suffix" in range ? objectBytes - 1 : Math.min(range.to ?? objectBytes - 1, objectBytes - 1);
  const nothing = "suffix" in range ? range.suffix <= 0 || objectBytes === 0 : from < 0 || from >= objectBytes || to < from;
  if (nothing)
    throw new CloudError("range_not_satisfiable", "The object has no bytes in this range.", {
      details: { sizeBytes: objectBytes },
    });
  return { from, to, sizeBytes: to - from + 1 };
}

/** Opens what is read first and pins the rest, so that a deletion in the meantime takes nothing away. ENOENT: too late. */
export async function openSegments(files: Files, segments: Segment[]): Promise<Readable> {
  const pins: (string | undefined)[] = [];
  let first: FileHandle | undefined;
  try {
    const [head, ...rest] = segments;
    if (head !== undefined && head.inline === undefined) first = await open(files.pathOf(head.contentId), "r");
    for (let at = 0; at < rest.length; at += pinsAtOnce) {
      const pinned = await Promise.allSettled(
        rest.slice(at, at + pinsAtOnce).map((segment) => (segment.inline ? undefined : files.pin(segment.contentId))),
      );
      for (const pin of pinned) if (pin.status === "fulfilled") pins.push(pin.value);
      for (const pin of pinned) if (pin.status === "rejected") throw pin.reason;
    }
  } catch (error) {
    await first?.close();
    await unpin(pins);
    throw error;
  }
  return new SegmentStream(segments, first, [undefined, ...pins]);
}
const pinsAtOnce = 64;

async function unpin(pins: (string | undefined)[]): Promise<void> {
  for (const pin of pins) if (pin !== undefined) await ignoreMissing(unlink(pin));
}

class SegmentStream extends Readable {
  readonly #segments: Segment[];
  readonly #pins: (string | undefined)[];
  #file: FileHandle | undefined;
  #index = 0;
  #done = 0;
  #crc32 = 0;

  constructor(segments: Segment[], first: FileHandle | undefined, pins: (string | undefined)[]) {
    super({ highWaterMark: blockBytes });
    this.#segments = segments;
    this.#file = first;
    this.#pins = pins;
  }

  override _read(): void {
    this.#next().then(
      (block) => this.push(block),
      (error: Error) => this.destroy(error),
    );
  }

  async #next(): Promise<Buffer | null> {
    const segment = this.#segments[this.#index];
    if (segment === undefined) return null;
    const block = segment.inline
      ? segment.inline.subarray(segment.from, segment.from + segment.sizeBytes)
      : await this.#readFile(segment);
    if (segment.sizeBytes === segment.contentBytes) this.#crc32 = crc32(block, this.#crc32);
    this.#done += block.length;
    if (this.#done === segment.sizeBytes) await this.#endSegment(segment);
    return block;
  }

  async #readFile(segment: Segment): Promise<Buffer> {
    this.#file ??= await open(this.#pins[this.#index] as string, "r");
    const wanted = Math.min(blockBytes, segment.sizeBytes - this.#done);
    const block = Buffer.allocUnsafeSlow(wanted);
    const { bytesRead } = await this.#file.read(block, 0, wanted, segment.from + this.#done);
    if (bytesRead === 0) throw damaged("shorter than its record says");
    return bytesRead === wanted ? block : block.subarray(0, bytesRead);
  }

  async #endSegment(segment: Segment): Promise<void> {
    // Only a content that was read whole can be checked; a reader of a range relies on the scrub.
    if (segment.sizeBytes === segment.contentBytes && this.#crc32 !== segment.crc32) throw damaged("not what was stored");
    await this.#file?.close();
    this.#file = undefined;
    await unpin([this.#pins[this.#index]]);
    this.#pins[this.#index] = undefined;
    this.#index++;
    this.#done = 0;
    this.#crc32 = 0;
  }

  override _destroy(error: Error | null, callback: (error?: Error | null) => void): void {
    const release = async (): Promise<void> => {
      await this.#file?.close();
      await unpin(this.#pins);
    };
    release().then(
      () => callback(error),
      (failure: Error) => callback(error ?? failure),
    );
  }
}

export const damaged = (how: string): CloudError =>
  new CloudError("internal", `The stored bytes are ${how}: the disk damaged them.`, { details: { reason: "damaged" } });
