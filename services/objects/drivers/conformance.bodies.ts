import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { CloudError, type ErrorCode } from "../../../kernel/errors.ts";

export async function* bodyOf(...chunks: (Buffer | string)[]): AsyncGenerator<Buffer> {
  for (const chunk of chunks) yield Buffer.from(chunk as string);
}

export async function bytesOf(body: AsyncIterable<unknown>): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for await (const chunk of body) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks);
}

export const md5 = (bytes: Buffer | string): string => createHash("md5").update(bytes).digest("hex");

/** Bytes that repeat nowhere nearby, so that a block in the wrong place is seen. */
export function pattern(sizeBytes: number, seed = 1): Buffer {
  const bytes = Buffer.alloc(sizeBytes);
  for (let i = 0; i + 4 <= sizeBytes; i += 4) bytes.writeUInt32LE((i * 2654435761 + seed) >>> 0, i);
  return bytes;
}

export const refuses = (promise: Promise<unknown>, code: ErrorCode, reason?: string): Promise<void> =>
  assert.rejects(promise, (error: unknown) => {
    if (!CloudError.is(error)) throw error;
    assert.equal(error.code, code);
    if (reason !== undefined) assert.equal(error.details.reason, reason);
    return true;
  });
