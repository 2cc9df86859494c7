/**
 * CRC-32C and CRC-64/NVME, which Node does not have, eight bytes at a step ("slicing by 8", Kounavis and Berry 2005),
 * and the joining of CRCs of adjacent pieces (zlib's crc32_combine). All are reflected, with all-ones in and out.
 */

/** Reflected polynomials; catalogue of parametrised CRC algorithms (reveng). */
const polynomials = { crc32: 0xedb88320n, crc32c: 0x82f63b78n, crc64nvme: 0x9a6c9329ac4bc9b5n } as const;
export type CrcAlgorithm = keyof typeof polynomials;
export const crcBytes: Record<CrcAlgorithm, number> = { crc32: 4, crc32c: 4, crc64nvme: 8 };

const crc32cTable = buildTable32(Number(polynomials.crc32c));

function buildTable32(polynomial: number): Uint32Array {
  const table = new Uint32Array(8 * 256);
  for (let n = 0; n < 256; n++) {
    let c = n;
    for (let bit = 0; bit < 8; bit++) c = c & 1 ? (c >>> 1) ^ polynomial : c >>> 1;
    table[n] = c;
  }
  for (let slice = 1; slice < 8; slice++)
    for (let n = 0; n < 256; n++) {
      const before = table[(slice - 1) * 256 + n]!;
      table[slice * 256 + n] = (before >>> 8) ^ table[before & 255]!;
    }
  return table;
}

/** CRC-32C (Castagnoli) of `bytes`, going on from `crc`. */
export function crc32c(bytes: Uint8Array, crc = 0): number {
  const t = crc32cTable;
  let c = ~crc;
  let i = 0;
  for (const end = bytes.length - (bytes.length % 8); i < end; i += 8) {
    const x = c ^ (bytes[i]! | (bytes[i + 1]! << 8) | (bytes[i + 2]! << 16) | (bytes[i + 3]! << 24));
    c =
      t[1792 + (x & 255)]! ^
      t[1536 + ((x >>> 8) & 255)]! ^
      t[1280 + ((x >>> 16) & 255)]! ^
      t[1024 + (x >>> 24)]! ^
      t[768 + bytes[i + 4]!]! ^
      t[512 + bytes[i + 5]!]! ^
      t[256 + bytes[i + 6]!]! ^
      t[bytes[i + 7]!]!;
  }
  for (; i < bytes.length; i++) c = t[(c ^ bytes[i]!) & 255]! ^ (c >>> 8);
  return ~c >>> 0;
}

/** The 64-bit table as two of 32 bits: BigInt is a hundred times slower in a hot loop. */
const crc64Low = new Int32Array(8 * 256);
const crc64High = new Int32Array(8 * 256);
for (let n = 0; n < 256; n++) {
  let c = BigInt(n);
  for (let slice = 0; slice < 8; slice++) {
    for (let bit = 0; bit < 8; bit++) c = c & 1n ? (c >> 1n) ^ polynomials.crc64nvme : c >> 1n;
    crc64Low[slice * 256 + n] = Number(BigInt.asIntN(32, c));
    crc64High[slice * 256 + n] = Number(BigInt.asIntN(32, c >> 32n));
  }
}

/** A running CRC-64/NVME: two halves, since a number holds only 53 bits. */
export class Crc64Nvme {
  #low = -1;
  #high = -1;

  update(bytes: Uint8Array): void {
    const l = crc64Low;
    const h = crc64High;
    let low = this.#low;
    let high = this.#high;
    let i = 0;
    for (const end = bytes.length - (bytes.length % 8); i < end; i += 8) {
      const x = low ^ (bytes[i]! | (bytes[i + 1]! << 8) | (bytes[i + 2]! << 16) | (bytes[i + 3]! << 24));
      const y = high ^ (bytes[i + 4]! | (bytes[i + 5]! << 8) | (bytes[i + 6]! << 16) | (bytes[i + 7]! << 24));
      const a = 1792 + (x & 255);
      const b = 1536 + ((x >>> 8) & 255);
      const c = 1280 + ((x >>> 16) & 255);
      const d = 1024 + (x >>> 24);
      const e = 768 + (y & 255);
      const f = 512 + ((y >>> 8) & 255);
      const g = 256 + ((y >>> 16) & 255);
      const k = y >>> 24;
      low = l[a]! ^ l[b]! ^ l[c]! ^ l[d]! ^ l[e]! ^ l[f]! ^ l[g]! ^ l[k]!;
      high = h[a]! ^ h[b]! ^ h[c]! ^ h[d]! ^ h[e]! ^ h[f]! ^ h[g]! ^ h[k]!;
    }
    for (; i < bytes.length; i++) {
      const index = (low ^ bytes[i]!) & 255;
      low = ((low >>> 8) | (high << 24)) ^ l[index]!;
      high = (high >>> 8) ^ h[index]!;
    }
    this.#low = low;
    this.#high = high;
  }

  digest(): Buffer {
    const out = Buffer.allocUnsafe(8);
    out.writeInt32BE(~this.#high, 0);
    out.writeInt32BE(~this.#low, 4);
    return out;
  }
}

/** a × b modulo the polynomial, in the reflected order of bits (zlib's multmodp). */
function multiply(a: bigint, b: bigint, algorithm: CrcAlgorithm): bigint {
  const polynomial = polynomials[algorithm];
  let product = 0n;
  let factor = b;
  for (let bit = BigInt(crcBytes[algorithm] * 8 - 1); bit >= 0n; bit--) {
    if ((a >> bit) & 1n) product ^= factor;
    factor = factor & 1n ? (factor >> 1n) ^ polynomial : factor >> 1n;
  }
  return product;
}

/** x to the power of 8 × `sizeBytes`: what a CRC is multiplied with when that many bytes follow. */
function shift(sizeBytes: number, algorithm: CrcAlgorithm): bigint {
  const top = BigInt(crcBytes[algorithm] * 8 - 1);
  let power = 1n << top;
  let square = 1n << (top - 1n);
  for (let exponent = BigInt(sizeBytes) * 8n; exponent > 0n; exponent >>= 1n) {
    if (exponent & 1n) power = multiply(power, square, algorithm);
    square = multiply(square, square, algorithm);
  }
  return power;
}

/** The CRC of all pieces one after the other, from each piece's big-endian CRC and size. */
export function crcJoin(pieces: { crc: Buffer; sizeBytes: number }[], algorithm: CrcAlgorithm): Buffer {
  // Parts of one upload are of one size but for the last: the power is worked out once for each size.
  const shifts = new Map<number, bigint>();
  let joined = 0n;
  for (const { crc, sizeBytes } of pieces) {
    const by = shifts.get(sizeBytes) ?? shift(sizeBytes, algorithm);
    shifts.set(sizeBytes, by);
    joined = multiply(by, joined, algorithm) ^ BigInt(`0x${crc.toString("hex")}`);
  }
  return Buffer.from(joined.toString(16).padStart(crcBytes[algorithm] * 2, "0"), "hex");
}
