import { createHmac, timingSafeEqual } from "node:crypto";
import { isIPv6 } from "node:net";
import { crc32 } from "node:zlib";
import { plainAddress } from "../../../../kernel/peerAddress.ts";

/** STUN (RFC 8489) as far as ICE-lite needs it (RFC 8445 section 2.5): answers to binding requests that know our password. */
const cookie = 0x2112a442;

export const isStun = (bytes: Buffer): boolean => bytes.length >= 20 && bytes[0]! < 4 && bytes.readUInt32BE(4) === cookie;

export interface BindingRequest {
  transaction: Buffer;
  useCandidate: boolean;
}

/** Undefined unless it is a binding request for `user` whose integrity is right. */
export function readBindingRequest(bytes: Buffer, user: string, password: string): BindingRequest | undefined {
  if (!isStun(bytes) || bytes.readUInt16BE(0) !== 1 || bytes.readUInt16BE(2) + 20 > bytes.length) return undefined;
  let named = false;
  let useCandidate = false;
  for (let at = 20; at + 4 <= 20 + bytes.readUInt16BE(2); ) {
    const type = bytes.readUInt16BE(at);
    const length = bytes.readUInt16BE(at + 2);
    const value = bytes.subarray(at + 4, at + 4 + length);
    if (type === 0x0006) named = value.toString("utf8").split(":")[0] === user;
    if (type === 0x0025) useCandidate = true;
    if (type === 0x0008) {
      if (!named || value.length !== 20 || !timingSafeEqual(integrity(bytes, at, password), value)) return undefined;
      return { transaction: Buffer.from(bytes.subarray(8, 20)), useCandidate };
    }
    at += 4 + length + ((4 - (length % 4)) % 4);
  }
  return undefined;
}

export function bindingResponse(transaction: Buffer, address: string, port: number, password: string): Buffer {
  const mapped = xorMappedAddress(transaction, address, port);
  const bytes = Buffer.alloc(20 + 4 + mapped.length + 24 + 8);
  bytes.writeUInt16BE(0x0101, 0);
  bytes.writeUInt16BE(bytes.length - 20, 2);
  bytes.writeUInt32BE(cookie, 4);
  transaction.copy(bytes, 8);
  let at = attribute(bytes, 20, 0x0020, mapped);
  at = attribute(bytes, at, 0x0008, integrity(bytes, at, password));
  const check = Buffer.alloc(4);
  check.writeUInt32BE((crc32(bytes.subarray(0, at)) ^ 0x5354554e) >>> 0);
  attribute(bytes, at, 0x8028, check);
  return bytes;
}

function attribute(bytes: Buffer, at: number, type: number, value: Buffer): number {
  bytes.writeUInt16BE(type, at);
  bytes.writeUInt16BE(value.length, at + 2);
  value.copy(bytes, at + 4);
  return at + 4 + value.length;
}

/** Over all before it, with the length as if it were the last attribute. */
function integrity(bytes: Buffer, at: number, password: string): Buffer {
  const covered = Buffer.from(bytes.subarray(0, at));
  covered.writeUInt16BE(at + 24 - 20, 2);
  return createHmac("sha1", password).update(covered).digest();
}

function xorMappedAddress(transaction: Buffer, address: string, port: number): Buffer {
  const plain = plainAddress(address);
  const bytes = isIPv6(plain) ? ipv6Bytes(plain) : Buffer.from(plain.split(".").map(Number));
  const value = Buffer.alloc(4 + bytes.length);
  value[1] = bytes.length === 16 ? 2 : 1;
  value.writeUInt16BE(port ^ (cookie >>> 16), 2);
  const mask = Buffer.alloc(16);
  mask.writeUInt32BE(cookie);
  transaction.copy(mask, 4);
  for (let i = 0; i < bytes.length; i++) value[4 + i] = bytes[i]! ^ mask[i]!;
  return value;
}

function ipv6Bytes(address: string): Buffer {
  const [before = "", after] = address.split("%")[0]!.split("::");
  const words = (text: string): number[] => (text === "" ? [] : text.split(":").map((word) => Number.parseInt(word, 16)));
  const left = words(before);
  const right = after === undefined ? [] : words(after);
  const bytes = Buffer.alloc(16);
  for (const [i, word] of [...left, ...Array<number>(8 - left.length - right.length).fill(0), ...right].entries())
    bytes.writeUInt16BE(word, 2 * i);
  return bytes;
}
