import type { Cipheriv } from "node:crypto";
import type { FileHandle } from "node:fs/promises";
import { CloudError } from "../../../../kernel/errors.ts";
import { loadXxhash } from "../../../../kernel/xxhash.ts";
import type { ChecksumAlgorithm, PutOptions } from "../../driver.ts";
import { blockBytes, blocks } from "./blocks.ts";
import { letGo } from "./bodyMemory.ts";
import { type ContentSums, Summing } from "./checksums.ts";
import { cipherFrom, type NewKey } from "./encryption.ts";
import { asCloudError } from "./failures.ts";
import type { Placing } from "./placing.ts";
import type { ContentKind } from "./records.ts";

/** Up to this size a content lies in the index: one commit, shared with others, instead of a file and its three syncs. */
export const largestInlineBytes = 16 * 1024;
/** Whether there is room is asked before a body that is larger. */
const largeBytes = 2 ** 20;

/** A body on disk (or in memory when it is small), verified, that no record names yet. */
export interface Received {
  contentId: string;
  sizeBytes: number;
  sums: ContentSums;
  kind: Exclude<ContentKind, "list">;
  /** The bytes when they go into the index. */
  inline?: Buffer;
  /** The key of encrypted bytes, as the index keeps it. */
  sealedKey?: Buffer | undefined;
}

export type ReceiveOptions = Pick<PutOptions, "sizeBytes" | "md5" | "sha256Hex" | "checksum">;

/** Takes in a body with at most two blocks in memory: while one is written, the other fills. */
export async function receive(
  { files, cluster }: Placing,
  body: AsyncIterable<Uint8Array>,
  options: ReceiveOptions,
  algorithms: Iterable<ChecksumAlgorithm>,
  newKey?: NewKey,
): Promise<Received> {
  if (options.sizeBytes !== undefined && options.sizeBytes > largeBytes) await files.checkRoom(options.sizeBytes);
  const kept = new Set(algorithms);
  await loadXxhash(kept);
  const summing = new Summing(kept, options.sha256Hex !== undefined);
  const contentId = files.nextId();
  const dataKey = newKey?.(contentId);
  const cipher = dataKey && cipherFrom(dataKey.key, 0);
  const sealedKey = dataKey?.sealed;
  const announced = options.sizeBytes ?? Number.POSITIVE_INFINITY;
  let small: Uint8Array[] | undefined = [];
  let sizeBytes = 0;
  let writer: BlockWriter | undefined;
  try {
    for await (const chunk of body) {
      sizeBytes += chunk.length;
      if (sizeBytes > announced) throw incomplete(announced, sizeBytes);
      if (small !== undefined && sizeBytes <= largestInlineBytes) {
        small.push(chunk);
        continue;
      }
      if (small !== undefined) {
        writer = new BlockWriter(await files.create(contentId), summing, cipher);
        for (const earlier of small) await writer.write(earlier);
        small = undefined;
      }
      await writer!.write(chunk);
      letGo(chunk.length);
    }
    if (options.sizeBytes !== undefined && sizeBytes !== announced) throw incomplete(announced, sizeBytes);
    await writer?.flush();
    const plain = small && Buffer.concat(small);
    const inline = plain && (cipher?.update(plain) ?? plain);
    if (plain !== undefined) summing.update(plain, inline);
    const sums = summing.finish();
    verify(sums, options);
    // Of a bucket in the cluster small bytes lie there too: none may depend on the disk of this machine.
    if (inline !== undefined && (cluster === undefined || sizeBytes === 0))
      return { contentId, sizeBytes, sums, kind: "inline", inline, sealedKey };
    await writer?.finish();
    if (cluster === undefined) await files.place(contentId);
    else await cluster.put(contentId, inline ?? { path: files.temporaryPath(contentId), sizeBytes });
    return { contentId, sizeBytes, sums, kind: cluster === undefined ? "file" : "cluster", sealedKey };
  } catch (error) {
    await writer?.abandon();
    if (writer !== undefined) await files.discard(contentId);
    throw asCloudError(error);
  }
}

class BlockWriter {
  readonly #file: FileHandle;
  readonly #summing: Summing;
  readonly #cipher: Cipheriv | undefined;
  #block = blocks.take();
  #other: Buffer | undefined;
  #filled = 0;
  #writing: Promise<void> = Promise.resolve();
  #open = true;

  constructor(file: FileHandle, summing: Summing, cipher: Cipheriv | undefined) {
    this.#file = file;
    this.#summing = summing;
    this.#cipher = cipher;
  }

  async write(chunk: Uint8Array): Promise<void> {
    for (let offset = 0; offset < chunk.length; ) {
      const piece = chunk.subarray(offset, offset + blockBytes - this.#filled);
      this.#block.set(piece, this.#filled);
      this.#filled += piece.length;
      offset += piece.length;
      if (this.#filled === blockBytes) await this.#send();
    }
  }

  async #send(): Promise<void> {
    const full = this.#block.subarray(0, this.#filled);
    const stored = this.#cipher?.update(full) ?? full;
    this.#summing.update(full, stored);
    await this.#writing;
    if (stored !== full) letGo(stored.length);
    this.#writing = writeAll(this.#file, stored);
    // Handled where it is awaited next; this only keeps it from counting as unhandled until then.
    this.#writing.catch(() => {});
    [this.#block, this.#other] = [this.#other ?? blocks.take(), this.#block];
    this.#filled = 0;
  }

  /** After the last write. */
  async flush(): Promise<void> {
    if (this.#filled > 0) await this.#send();
    await this.#writing;
  }

  async finish(): Promise<void> {
    await this.#file.datasync();
    await this.#close();
  }

  async abandon(): Promise<void> {
    await this.#writing.catch(() => {});
    await this.#close();
  }

  async #close(): Promise<void> {
    if (!this.#open) return;
    this.#open = false;
    blocks.give(this.#block);
    if (this.#other) blocks.give(this.#other);
    await this.#file.close();
  }
}

async function writeAll(file: FileHandle, bytes: Buffer): Promise<void> {
  for (let offset = 0; offset < bytes.length; ) offset += (await file.write(bytes, offset, bytes.length - offset)).bytesWritten;
}

const incomplete = (announced: number, received: number): CloudError =>
  new CloudError("invalid_argument", `The body has another size than the ${announced} bytes announced.`, {
    details: { reason: "incomplete_body", announcedBytes: announced, receivedBytes: received },
  });

function verify(sums: ContentSums, { md5, sha256Hex, checksum }: ReceiveOptions): void {
  const bad = (reason: string, algorithm: string, digests: object = {}): CloudError =>
    new CloudError("invalid_argument", `The body does not have the ${algorithm} checksum that came with it.`, {
      details: { reason, algorithm, ...digests },
    });
  if (sha256Hex !== undefined && sha256Hex.toLowerCase() !== sums.sha256Hex)
    throw bad("bad_digest", "sha256", { expected: sha256Hex, calculated: sums.sha256Hex });
  if (md5 !== undefined && md5.toLowerCase() !== sums.md5.toString("hex"))
    throw bad("bad_digest", "md5", { expected: md5, calculated: sums.md5.toString("base64") });
  const expected = checksum?.expected?.();
  if (checksum !== undefined && expected !== undefined && expected !== sums.checksums[checksum.algorithm])
    throw bad("checksum_mismatch", checksum.algorithm);
}
