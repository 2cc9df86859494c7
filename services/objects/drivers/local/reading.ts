import type { Cipheriv } from "node:crypto";
import { type FileHandle, open, unlink } from "node:fs/promises";
import { Readable } from "node:stream";
import { crc32 } from "node:zlib";
import { CloudError } from "../../../../kernel/errors.ts";
import type { ByteRange, ObjectRead, StoredObject } from "../../driver.ts";
import { hasBlockSums, isBlockWhole } from "./blockSums.ts";
import { blockBytes, blocks } from "./blocks.ts";
import { letGo } from "./bodyMemory.ts";
import { cipherFrom } from "./encryption.ts";
import { ignoreMissing } from "./failures.ts";
import type { Placing } from "./placing.ts";

/** A content or a part of one, in the order of the object. */
export interface Segment {
  contentId: string;
  inline?: Buffer;
  /** In the cluster, neither inline nor in a file. */
  remote?: boolean;
  /** The bytes are encrypted; opens their key. */
  openKey?: () => Uint8Array;
  crc32: number;
  /** Of a file; without them a range of it is not checked, unless it is one block. */
  blockSums?: Buffer | undefined;
  contentBytes: number;
  from: number;
  sizeBytes: number;
}

/** Where a content lies in an object. */
export type Piece = Pick<Segment, "contentId" | "inline" | "remote" | "openKey" | "crc32" | "blockSums" | "contentBytes">;

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

/** The bytes of one part; an object put in one piece is its own part 1. */
export function partRange({ parts, sizeBytes }: StoredObject, number: number): ObjectRead["range"] {
  if (parts.length === 0 && number === 1) return resolveRange(sizeBytes, undefined);
  let from = 0;
  for (const [index, part] of parts.entries()) {
    if (index === number - 1) return { from, to: from + part.sizeBytes - 1, sizeBytes: part.sizeBytes };
    from += part.sizeBytes;
  }
  throw new CloudError("range_not_satisfiable", `The object has no part ${number}.`, { details: { reason: "part_number" } });
}

/**
 * Opens what is read first and pins the rest, so that a deletion in the meantime takes nothing away (the cluster removes what was deleted
 * later than readers take). ENOENT, or not_found of the cluster: too late.
 */
export async function openSegments({ files, cluster }: Placing, segments: Segment[]): Promise<Readable> {
  const pins: (string | undefined)[] = [];
  let first: Source | undefined;
  const openRemote: OpenRemote = async ({ contentId, from, sizeBytes }) => {
    if (cluster === undefined) throw noCluster();
    return new RemoteSource(await cluster.read(contentId, from, sizeBytes));
  };
  try {
    const [head, ...rest] = segments;
    if (head?.remote) first = await openRemote(head);
    else if (head !== undefined && head.inline === undefined)
      first = new FileSource(await open(files.pathOf(head.contentId), "r"));
    for (let at = 0; at < rest.length; at += pinsAtOnce) {
      const pinned = await Promise.allSettled(
        rest.slice(at, at + pinsAtOnce).map((each) => (each.inline || each.remote ? undefined : files.pin(each.contentId))),
      );
      for (const pin of pinned) if (pin.status === "fulfilled") pins.push(pin.value);
      for (const pin of pinned) if (pin.status === "rejected") throw pin.reason;
    }
  } catch (error) {
    await first?.close();
    await unpin(pins);
    throw error;
  }
  return new SegmentStream(segments, first, [undefined, ...pins], openRemote);
}
const pinsAtOnce = 64;

async function unpin(pins: (string | undefined)[]): Promise<void> {
  for (const pin of pins) if (pin !== undefined) await ignoreMissing(unlink(pin));
}

/** The bytes of one segment, from its start on. */
interface Source {
  /** Undefined at the end. */
  read(segment: Segment, done: number): Promise<Buffer | undefined>;
  close(): Promise<void>;
}
type OpenRemote = (segment: Segment) => Promise<Source>;

/** Reads a block ahead of who takes them: the disk's thread is at the next one while this one is checked and sent. */
class FileSource implements Source {
  readonly #file: FileHandle;
  #ahead: Promise<Buffer | undefined> | undefined;
  constructor(file: FileHandle) {
    this.#file = file;
  }

  async read(segment: Segment, done: number): Promise<Buffer | undefined> {
    const block = await (this.#ahead ?? this.#block(segment, done));
    const next = done + (block?.length ?? 0);
    this.#ahead = block && next < segment.sizeBytes ? this.#block(segment, next) : undefined;
    // Told to who asks for it.
    this.#ahead?.catch(() => {});
    return block;
  }

  async #block(segment: Segment, done: number): Promise<Buffer | undefined> {
    if (hasBlockSums(segment)) return this.#checked(segment, done);
    const wanted = Math.min(blockBytes, segment.sizeBytes - done);
    const block = segment.sizeBytes < blockBytes ? Buffer.allocUnsafeSlow(wanted) : blocks.take();
    const { bytesRead } = await this.#file.read(block, 0, wanted, segment.from + done);
    if (bytesRead === 0) return undefined;
    return bytesRead === block.length ? block : block.subarray(0, bytesRead);
  }

  /** What is wanted of a block that is read whole: of its sum nothing can be said otherwise. */
  async #checked({ from, sizeBytes, ...content }: Segment, done: number): Promise<Buffer | undefined> {
    const index = Math.floor((from + done) / blockBytes);
    const start = index * blockBytes;
    const length = Math.min(blockBytes, content.contentBytes - start);
    const memory = content.contentBytes < blockBytes ? Buffer.allocUnsafeSlow(length) : blocks.take();
    const { bytesRead } = await this.#file.read(memory, 0, length, start);
    if (bytesRead < length) return undefined;
    if (!isBlockWhole(content, index, memory.subarray(0, length))) throw damaged("not what was stored");
    return memory.subarray(from + done - start, Math.min(length, from + sizeBytes - start));
  }

  async close(): Promise<void> {
    const unread = await this.#ahead?.catch(() => undefined);
    if (unread) blocks.give(unread);
    await this.#file.close();
  }
}

class RemoteSource implements Source {
  readonly #stream: Readable;
  readonly #blocks: AsyncIterator<Buffer>;
  constructor(stream: Readable) {
    this.#stream = stream;
    this.#blocks = stream[Symbol.asyncIterator]();
  }

  async read(): Promise<Buffer | undefined> {
    const { value, done } = await this.#blocks.next();
    return done ? undefined : value;
  }

  async close(): Promise<void> {
    this.#stream.destroy();
  }
}

/** What lies in the index whole, checked and decrypted; undefined for what must be read elsewhere. */
export function bytesAtHand(segments: Segment[]): Buffer | undefined {
  const [segment, ...rest] = segments;
  if (segment === undefined) return Buffer.alloc(0);
  if (segment.inline === undefined || rest.length > 0) return undefined;
  return openInline(segment, segment.inline);
}

/** Checked, whatever is wanted of it, and decrypted. */
function openInline({ from, sizeBytes, crc32: expected, openKey }: Segment, inline: Buffer): Buffer {
  if (crc32(inline) !== expected) throw damaged("not what was stored");
  const stored = inline.subarray(from, from + sizeBytes);
  return openKey === undefined ? stored : cipherFrom(openKey(), from).update(stored);
}

/** For who would rather have a stream. */
export const streamOf = (bytes: Buffer): Readable => {
  const stream = new Readable({ read() {} });
  stream.push(bytes);
  stream.push(null);
  return stream;
};

class SegmentStream extends Readable {
  readonly #segments: Segment[];
  readonly #pins: (string | undefined)[];
  readonly #openRemote: OpenRemote;
  #source: Source | undefined;
  #index = 0;
  #done = 0;
  #crc32 = 0;
  #cipher: Cipheriv | undefined;

  constructor(segments: Segment[], first: Source | undefined, pins: (string | undefined)[], openRemote: OpenRemote) {
    // A slow reader holds no more than what is being sent and the block read ahead.
    super({ highWaterMark: 0 });
    this.#segments = segments;
    this.#source = first;
    this.#pins = pins;
    this.#openRemote = openRemote;
  }

  /** Bytes of the index come at once: whoever wants a small object needs not wait for them. */
  override _read(): void {
    const segment = this.#segments[this.#index];
    if (segment === undefined) {
      this.push(null);
    } else if (segment.inline === undefined) {
      this.#next(segment).then(
        (block) => this.push(block),
        (error: Error) => this.destroy(error),
      );
    } else {
      try {
        this.#index++;
        this.push(openInline(segment, segment.inline));
      } catch (error) {
        this.destroy(error as Error);
      }
    }
  }

  async #next(segment: Segment): Promise<Buffer> {
    const index = this.#index;
    const block = await this.#readSource(segment);
    const plain = this.#take(segment, block);
    if (plain !== block) {
      blocks.give(block);
      letGo(plain.length);
    }
    if (this.#index === index) return plain;
    await this.#source?.close();
    this.#source = undefined;
    await unpin([this.#pins[index]]);
    this.#pins[index] = undefined;
    return plain;
  }

  /** Counts, checks and decrypts; goes on to the next segment after the last block of one. */
  #take(segment: Segment, block: Buffer): Buffer {
    // Without sums of blocks only what is read whole can be checked; a reader of a range relies on the scrub, as one of the cluster does.
    const isChecked = !segment.remote && hasBlockSums(segment);
    const whole = !isChecked && segment.sizeBytes === segment.contentBytes;
    if (whole) this.#crc32 = crc32(block, this.#crc32);
    if (segment.openKey !== undefined) this.#cipher ??= cipherFrom(segment.openKey(), segment.from);
    const plain = this.#cipher?.update(block) ?? block;
    this.#done += block.length;
    if (this.#done < segment.sizeBytes) return plain;
    if (whole && this.#crc32 !== segment.crc32) throw damaged("not what was stored");
    this.#index++;
    this.#done = 0;
    this.#crc32 = 0;
    this.#cipher = undefined;
    return plain;
  }

  async #readSource(segment: Segment): Promise<Buffer> {
    this.#source ??= segment.remote
      ? await this.#openRemote(segment)
      : new FileSource(await open(this.#pins[this.#index] as string, "r"));
    const block = await this.#source.read(segment, this.#done);
    if (block === undefined) throw damaged("shorter than its record says");
    return block;
  }

  override _destroy(error: Error | null, callback: (error?: Error | null) => void): void {
    const release = async (): Promise<void> => {
      await this.#source?.close();
      await unpin(this.#pins);
    };
    release().then(
      () => callback(error),
      (failure: Error) => callback(error ?? failure),
    );
  }
}

export const noCluster = (): CloudError =>
  new CloudError(
    "unavailable",
    "These bytes lie in a storage cluster that this cloud is not connected to. Start it with the cluster's settings.",
    {
      details: { reason: "storage_cluster" },
    },
  );

export const damaged = (how: string): CloudError =>
  new CloudError("internal", `The stored bytes are ${how}: the disk damaged them.`, { details: { reason: "damaged" } });
