import { open } from "node:fs/promises";
import { crc32 } from "node:zlib";
import type { Change } from "./journal.ts";

/**
 * What the journal's files consist of: frames, each with its length, its CRC-32 and these fields. Numbers are little-endian.
 * kind 1, sequence 8, id 8, id of the entry before 8, milliseconds since 1970 8; then for each change: length of the table's name 1, of the key 2, of
 * the value 4 (all ones: removed), and the three.
 */
export interface Mark {
  sequence: number;
  /** Eight random bytes. */
  id: Buffer;
}

export interface Frame extends Mark {
  kind: (typeof kinds)[number];
  previousId: Buffer;
  atMs: number;
  changes(): Generator<Change>;
}

const kinds = ["changes", "snapshot", "snapshotEnd"] as const;
export const snapshotName = /^snapshot-(\d{16})$/;
const envelopeBytes = 8;
const headBytes = 33;
const removed = 0xffffffff;
const noId = Buffer.alloc(8);
/** More is damage. */
const longestFrameBytes = 2 ** 30;
const readBytes = 2 ** 20;

function frameOf(
  kind: Frame["kind"],
  { sequence, id }: Mark,
  previous: Mark | undefined,
  changes: readonly Change[],
  nowMs: number,
): Buffer {
  let size = envelopeBytes + headBytes;
  for (const { table, key, value } of changes) size += 7 + table.length + key.length + (value?.length ?? 0);
  const out = Buffer.allocUnsafe(size);
  let at = envelopeBytes;
  at = out.writeUInt8(kinds.indexOf(kind), at);
  at = out.writeDoubleLE(sequence, at);
  at += id.copy(out, at);
  at += (previous?.id ?? noId).copy(out, at);
  at = out.writeDoubleLE(nowMs, at);
  for (const { table, key, value } of changes) {
    at = out.writeUInt8(table.length, at);
    at = out.writeUInt16LE(key.length, at);
    at = out.writeUInt32LE(value?.length ?? removed, at);
    at += out.write(table, at, "latin1");
    out.set(key, at);
    at += key.length;
    if (value !== undefined) out.set(value, at);
    at += value?.length ?? 0;
  }
  out.writeUInt32LE(size - envelopeBytes, 0);
  out.writeUInt32LE(crc32(out.subarray(envelopeBytes)), 4);
  return out;
}

export const changeFrame = (mark: Mark, previous: Mark | undefined, changes: readonly Change[], nowMs: number): Buffer =>
  frameOf("changes", mark, previous, changes, nowMs);
export const snapshotStart = (mark: Mark): Buffer => frameOf("snapshot", mark, undefined, [], 0);
export const snapshotEnd = (mark: Mark): Buffer => frameOf("snapshotEnd", mark, undefined, [], 0);

/** The frames of a file, up to its end or to the first that is not whole. */
export async function* framesIn(path: string): AsyncGenerator<Frame> {
  const file = await open(path, "r");
  try {
    let buffer: Buffer = Buffer.alloc(0);
    let position = 0;
    const fill = async (bytes: number): Promise<boolean> => {
      while (buffer.length < bytes) {
        const block = Buffer.allocUnsafe(Math.max(readBytes, bytes - buffer.length));
        const { bytesRead } = await file.read(block, 0, block.length, position);
        if (bytesRead === 0) return false;
        position += bytesRead;
        buffer = Buffer.concat([buffer, block.subarray(0, bytesRead)]);
      }
      return true;
    };
    while (await fill(envelopeBytes)) {
      const length = buffer.readUInt32LE(0);
      const sum = buffer.readUInt32LE(4);
      if (length < headBytes || length > longestFrameBytes || !(await fill(envelopeBytes + length))) return;
      const body = buffer.subarray(envelopeBytes, envelopeBytes + length);
      if (crc32(body) !== sum) return;
      buffer = buffer.subarray(envelopeBytes + length);
      yield parse(body);
    }
  } finally {
    await file.close();
  }
}

export async function* marksIn(path: string): AsyncGenerator<Mark> {
  for await (const { sequence, id } of framesIn(path)) yield { sequence, id };
}

function parse(body: Buffer): Frame {
  return {
    kind: kinds[body[0] as number] as Frame["kind"],
    sequence: body.readDoubleLE(1),
    id: body.subarray(9, 17),
    previousId: body.subarray(17, 25),
    atMs: body.readDoubleLE(25),
    *changes() {
      for (let at = headBytes; at < body.length; ) {
        const tableBytes = body.readUInt8(at);
        const keyBytes = body.readUInt16LE(at + 1);
        const valueBytes = body.readUInt32LE(at + 3);
        at += 7;
        const table = body.toString("latin1", at, at + tableBytes);
        at += tableBytes;
        const key = body.subarray(at, at + keyBytes);
        at += keyBytes;
        if (valueBytes === removed) {
          yield { table, key };
          continue;
        }
        yield { table, key, value: body.subarray(at, at + valueBytes) };
        at += valueBytes;
      }
    },
  };
}
