import { randomFillSync } from "node:crypto";

const pool = { bytes: Buffer.alloc(0), taken: 0 };
const poolBytes = 4096;

/** Random bytes, at most some dozens: for ids that are made with every request. The generator is asked for many at once, as a call costs more than they do. */
export function randomPiece(sizeBytes: number): Buffer {
  if (pool.taken + sizeBytes > pool.bytes.length) {
    // A new one: who got a piece of the old one may keep it.
    pool.bytes = randomFillSync(Buffer.allocUnsafeSlow(poolBytes));
    pool.taken = 0;
  }
  pool.taken += sizeBytes;
  return pool.bytes.subarray(pool.taken - sizeBytes, pool.taken);
}
