import { crc32 } from "node:zlib";
import { blockBytes } from "./blocks.ts";

/**
 * A CRC-32 for each block of what lies in a file, so that a range can be checked without reading the rest: 32 bytes for each MiB, in the record of the content.
 * What was stored before has none, and of that a range is checked only where it is no larger than a block.
 */

/** The size of a block comes first: what was written with another one is told by it. */
export function encodeBlockSums(sums: readonly number[]): Buffer {
  const out = Buffer.allocUnsafe(4 + 4 * sums.length);
  out.writeUInt32LE(blockBytes, 0);
  for (const [index, sum] of sums.entries()) out.writeUInt32LE(sum, 4 + 4 * index);
  return out;
}

/** Undefined: it has none that say something of these bytes. */
export function blockSumsIn(payload: Buffer, sizeBytes: number): Buffer | undefined {
  if (payload.length !== 4 + 4 * Math.ceil(sizeBytes / blockBytes) || payload.readUInt32LE(0) !== blockBytes) return undefined;
  return payload.subarray(4);
}

interface Summed {
  crc32: number;
  contentBytes: number;
  blockSums?: Buffer | undefined;
}

export const hasBlockSums = ({ contentBytes, blockSums }: Summed): boolean =>
  contentBytes <= blockBytes || blockSums !== undefined;

/** Whether a block, from its first byte to its last one, is what was stored. */
export function isBlockWhole({ crc32: whole, contentBytes, blockSums }: Summed, index: number, block: Buffer): boolean {
  const expected = contentBytes <= blockBytes ? whole : blockSums?.readUInt32LE(4 * index);
  return crc32(block) === expected;
}

const polynomial = 0xedb88320;

/** a × b modulo the polynomial, in the reflected order of bits (zlib's multmodp). */
function multiply(a: number, b: number): number {
  let product = 0;
  let factor = b;
  for (let bit = 31; bit >= 0; bit--) {
    if ((a >>> bit) & 1) product ^= factor;
    factor = factor & 1 ? (factor >>> 1) ^ polynomial : factor >>> 1;
  }
  return product >>> 0;
}

/** x to the power of the bits of a block: what a CRC is multiplied with when a block follows. */
const blockShift = (() => {
  let power = 2 ** 30;
  for (let bits = 1; bits < 8 * blockBytes; bits *= 2) power = multiply(power, power);
  return power;
})();

/** The CRC-32 of bytes and a block behind them, from both: the block is gone through once, not twice. */
export const withBlock = (before: number, block: number): number => (multiply(blockShift, before) ^ block) >>> 0;
