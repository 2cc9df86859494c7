import { createHash, type Hash, hash } from "node:crypto";
import { crc32 } from "node:zlib";
import { CloudError } from "../../../../kernel/errors.ts";
import { Xxhash } from "../../../../kernel/xxhash.ts";
import type { ChecksumAlgorithm, ChecksumType } from "../../driver.ts";
import { withBlock } from "./blockSums.ts";
import { blockBytes } from "./blocks.ts";
import { Crc64Nvme, type CrcAlgorithm, crc32c, crcBytes, crcJoin } from "./crc.ts";

export type Checksums = Partial<Record<ChecksumAlgorithm, string>>;

interface RunningChecksum {
  update(bytes: Uint8Array): void;
  digest(): Buffer;
}

class Crc32Sum implements RunningChecksum {
  #value = 0;
  #step: (bytes: Uint8Array, value: number) => number;
  constructor(step: (bytes: Uint8Array, value: number) => number) {
    this.#step = step;
  }
  update(bytes: Uint8Array): void {
    this.#value = this.#step(bytes, this.#value);
  }
  digest(): Buffer {
    const out = Buffer.allocUnsafe(4);
    out.writeUInt32BE(this.#value);
    return out;
  }
}

function running(algorithm: ChecksumAlgorithm): RunningChecksum {
  switch (algorithm) {
    case "crc32":
      return new Crc32Sum(crc32);
    case "crc32c":
      return new Crc32Sum(crc32c);
    case "crc64nvme":
      return new Crc64Nvme();
    case "md5":
    case "sha1":
    case "sha256":
    case "sha512":
      return createHash(algorithm);
    case "xxhash64":
    case "xxhash3":
    case "xxhash128":
      return new Xxhash(algorithm);
  }
}

/** What the store keeps of every piece of content to find damage by, and what clients asked for. */
export interface ContentSums {
  /** CRC-32 of the bytes as they lie on disk: checked whenever the whole content is read. */
  crc32: number;
  /** The same of each block, when there are several: checked whenever some of them are read. */
  blocks: readonly number[];
  /** MD5: the ETag, and what the scrub checks, but of encrypted bytes. */
  md5: Buffer;
  sha256Hex?: string;
  /** Base64, by algorithm. */
  checksums: Checksums;
}

/** The sums of a body, fed block by block. `loadXxhash` comes before. */
export class Summing {
  #crc32 = 0;
  /** Undefined once something came that was no whole block, after which nothing more may come. */
  #blocks: number[] | undefined = [];
  #blocksEnded = false;
  readonly #md5: Hash = createHash("md5");
  readonly #asked = new Map<ChecksumAlgorithm, RunningChecksum>();
  readonly #sha256: RunningChecksum | undefined;

  /** `sha256` is summed on the side, whether it is kept as a checksum or not. */
  constructor(algorithms: Iterable<ChecksumAlgorithm>, sha256: boolean) {
    for (const algorithm of algorithms) this.#asked.set(algorithm, running(algorithm));
    if (sha256) this.#sha256 = running("sha256");
  }

  /** `stored`: the same bytes as they are written down, when they are encrypted. */
  update(bytes: Uint8Array, stored = bytes): void {
    this.#sumBlock(stored);
    this.#md5.update(bytes);
    this.#sha256?.update(bytes);
    for (const sum of this.#asked.values()) sum.update(bytes);
  }

  #sumBlock(stored: Uint8Array): void {
    if (this.#blocksEnded) this.#blocks = undefined;
    if (this.#blocks === undefined) {
      this.#crc32 = crc32(stored, this.#crc32);
      return;
    }
    const block = crc32(stored);
    this.#blocks.push(block);
    this.#blocksEnded = stored.length !== blockBytes;
    this.#crc32 = this.#blocksEnded ? crc32(stored, this.#crc32) : withBlock(this.#crc32, block);
  }

  finish(): ContentSums {
    const checksums: Checksums = {};
    for (const [algorithm, sum] of this.#asked) checksums[algorithm] = sum.digest().toString("base64");
    const sha256Hex = this.#sha256?.digest().toString("hex");
    const blocks = this.#blocks !== undefined && this.#blocks.length > 1 ? this.#blocks : [];
    return { crc32: this.#crc32, blocks, md5: this.#md5.digest(), checksums, ...(sha256Hex !== undefined && { sha256Hex }) };
  }
}

/** Whether bytes, read from where they lie, are those that were stored: by their MD5, or where they are encrypted by their CRC-32. */
export class StoredCheck {
  readonly #content: { crc32: number; md5: Buffer; sealedKey?: Buffer | undefined };
  readonly #md5: Hash | undefined;
  #crc32 = 0;

  constructor(content: { crc32: number; md5: Buffer; sealedKey?: Buffer | undefined }) {
    this.#content = content;
    if (content.sealedKey === undefined) this.#md5 = createHash("md5");
  }

  update(bytes: Uint8Array): this {
    if (this.#md5 === undefined) this.#crc32 = crc32(bytes, this.#crc32);
    else this.#md5.update(bytes);
    return this;
  }

  /** Once, at the end. */
  holds(): boolean {
    const { crc32, md5 } = this.#content;
    return this.#md5 === undefined ? this.#crc32 === crc32 : this.#md5.digest().equals(md5);
  }
}

const isCrc = (algorithm: ChecksumAlgorithm): algorithm is CrcAlgorithm => algorithm in crcBytes;

/** S3's defaults and limits: CRC-64/NVME only over the whole object, MD5, SHA and XXHASH only over the parts' checksums. */
export function checksumTypeFor(algorithm: ChecksumAlgorithm, asked: ChecksumType | undefined): ChecksumType {
  const type = asked ?? (algorithm === "crc64nvme" ? "full_object" : "composite");
  const possible = algorithm === "crc64nvme" ? type === "full_object" : type === "composite" || isCrc(algorithm);
  if (!possible)
    throw new CloudError("invalid_argument", `A ${algorithm} checksum of a multipart object cannot be of the type ${type}.`, {
      details: { reason: "checksum_type" },
    });
  return type;
}

/** The checksum of a multipart object from those of its parts; undefined when a part lacks its own. */
export function multipartChecksum(
  parts: { sizeBytes: number; checksums: Checksums }[],
  algorithm: ChecksumAlgorithm,
  type: ChecksumType,
): string | undefined {
  const pieces: { crc: Buffer; sizeBytes: number }[] = [];
  for (const part of parts) {
    const sum = part.checksums[algorithm];
    if (sum === undefined) return undefined;
    pieces.push({ crc: Buffer.from(sum, "base64"), sizeBytes: part.sizeBytes });
  }
  if (type === "full_object" && isCrc(algorithm)) return crcJoin(pieces, algorithm).toString("base64");
  const sum = running(algorithm);
  for (const piece of pieces) sum.update(piece.crc);
  return `${sum.digest().toString("base64")}-${parts.length}`;
}

/** MD5 of the parts' MD5s, "-", and their number: what S3 gives as a multipart object's ETag. */
export const multipartEtag = (etags: string[]): string =>
  `${hash("md5", Buffer.from(etags.join(""), "hex"), "hex")}-${etags.length}`;
