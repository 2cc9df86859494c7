import { createCipheriv, createHmac, timingSafeEqual } from "node:crypto";

/**
 * SRTP and SRTCP (RFC 3711) with AES_CM_128_HMAC_SHA1_80 and _32, one direction. Our own, as werift's does not refuse packets that are played again
 * (section 3.3.2, a must) and loses count when packets are missing where the sequence goes round.
 */
export const masterKeyBytes = 30;
export type SrtpSuite = "AES_CM_128_HMAC_SHA1_80" | "AES_CM_128_HMAC_SHA1_32";

const zeros = Buffer.alloc(16);
const ecb = (key: Buffer) => createCipheriv("aes-128-ecb", key, null).setAutoPadding(false);

/** Section 4.3: session keys of a label. */
function derive(master: Buffer, label: number, length: number): Buffer {
  const block = Buffer.alloc(16);
  master.copy(block, 0, 16, 30);
  block[7]! ^= label;
  return createCipheriv("aes-128-ctr", master.subarray(0, 16), block).update(Buffer.alloc(length));
}

/** Section 4.1.1. The keystream comes from one cipher that is kept: making one for each packet costs three times as much. */
class CounterMode {
  readonly #cipher;
  readonly #salt: Buffer;
  #blocks = Buffer.alloc(16 * 16);
  constructor(key: Buffer, salt: Buffer) {
    this.#cipher = ecb(key);
    this.#salt = salt;
  }

  /** In place, both ways. `index` is that of the packet: 48 bits for RTP, 31 for RTCP. */
  apply(bytes: Buffer, start: number, end: number, ssrc: number, index: number): void {
    const count = (end - start + 15) >> 4;
    if (count * 16 > this.#blocks.length) this.#blocks = Buffer.alloc(count * 32);
    const blocks = this.#blocks;
    const salt = this.#salt;
    zeros.copy(blocks, 0);
    blocks.writeUInt32BE(ssrc, 4);
    blocks.writeUIntBE(index, 8, 6);
    for (let i = 0; i < 14; i++) blocks[i]! ^= salt[i]!;
    for (let block = 1; block < count; block++) {
      blocks.copyWithin(block * 16, 0, 14);
      blocks.writeUInt16BE(block, block * 16 + 14);
    }
    const stream = this.#cipher.update(blocks.subarray(0, count * 16));
    for (let i = start; i < end; i++) bytes[i]! ^= stream[i - start]!;
  }
}

interface Source {
  /** Of the highest packet so far. */
  index: number;
  /** Bit n: the packet n before it was there. */
  seen: bigint;
}

/** How many packets late one may be. */
const window = 128n;
const windowMask = (1n << window) - 1n;

function isFresh(source: Source, index: number): boolean {
  if (index > source.index) return true;
  const behind = BigInt(source.index - index);
  return behind < window && ((source.seen >> behind) & 1n) === 0n;
}

function note(source: Source, index: number): void {
  if (index > source.index) {
    source.seen = ((source.seen << BigInt(Math.min(index - source.index, 128))) | 1n) & windowMask;
    source.index = index;
  } else source.seen |= 1n << BigInt(source.index - index);
}

/** Section 3.3.1 with appendix A: which packet of the 48 bit count has this sequence number. */
function indexOf(source: Source | undefined, sequence: number): number {
  if (!source) return sequence;
  const guess = source.index + (((sequence - source.index) << 16) >> 16);
  return guess < 0 ? guess + 65_536 : guess;
}

export class SrtpContext {
  readonly #rtp: CounterMode;
  readonly #rtcp: CounterMode;
  readonly #rtpAuth: Buffer;
  readonly #rtcpAuth: Buffer;
  readonly tagBytes: number;
  readonly #sources = new Map<number, Source>();
  readonly #rtcpSources = new Map<number, Source>();
  #rtcpIndex = 0;

  /** `master`: 16 bytes of key and 14 of salt. */
  constructor(master: Buffer, suite: SrtpSuite = "AES_CM_128_HMAC_SHA1_80") {
    this.tagBytes = suite.endsWith("32") ? 4 : 10;
    this.#rtp = new CounterMode(derive(master, 0, 16), derive(master, 2, 14));
    this.#rtpAuth = derive(master, 1, 20);
    this.#rtcp = new CounterMode(derive(master, 3, 16), derive(master, 5, 14));
    this.#rtcpAuth = derive(master, 4, 20);
  }

  /** `packet` has `tagBytes` free at its end, for the tag. In place. */
  protect(packet: Buffer): Buffer {
    const ssrc = packet.readUInt32BE(8);
    const source = this.#sources.get(ssrc);
    const index = indexOf(source, packet.readUInt16BE(2));
    const end = packet.length - this.tagBytes;
    this.#rtp.apply(packet, payloadStart(packet), end, ssrc, index);
    this.#tag(packet, end, index).copy(packet, end, 0, this.tagBytes);
    if (!source) this.#sources.set(ssrc, { index, seen: 1n });
    else if (index > source.index) source.index = index;
    return packet;
  }

  /** In place; undefined when it is forged, broken or was there already. */
  unprotect(packet: Buffer): Buffer | undefined {
    const end = packet.length - this.tagBytes;
    if (end < 12) return undefined;
    const ssrc = packet.readUInt32BE(8);
    const source = this.#sources.get(ssrc);
    const index = indexOf(source, packet.readUInt16BE(2));
    if (source && !isFresh(source, index)) return undefined;
    if (!timingSafeEqual(this.#tag(packet, end, index).subarray(0, this.tagBytes), packet.subarray(end))) return undefined;
    const start = payloadStart(packet);
    if (start > end) return undefined;
    // A peer that makes up sources without end would fill the memory.
    if (source) note(source, index);
    else if (this.#sources.size < 64) this.#sources.set(ssrc, { index, seen: 1n });
    else return undefined;
    this.#rtp.apply(packet, start, end, ssrc, index);
    return packet.subarray(0, end);
  }

  protectRtcp(packet: Buffer): Buffer {
    const out = Buffer.alloc(packet.length + 4 + 10);
    packet.copy(out);
    this.#rtcpIndex = (this.#rtcpIndex + 1) & 0x7fff_ffff;
    this.#rtcp.apply(out, 8, packet.length, packet.readUInt32BE(4), this.#rtcpIndex);
    out.writeUInt32BE((this.#rtcpIndex | 0x8000_0000) >>> 0, packet.length);
    const tagged = packet.length + 4;
    createHmac("sha1", this.#rtcpAuth).update(out.subarray(0, tagged)).digest().copy(out, tagged, 0, 10);
    return out;
  }

  unprotectRtcp(packet: Buffer): Buffer | undefined {
    const tagged = packet.length - 10;
    if (tagged < 12) return undefined;
    const tag = createHmac("sha1", this.#rtcpAuth).update(packet.subarray(0, tagged)).digest().subarray(0, 10);
    if (!timingSafeEqual(tag, packet.subarray(tagged))) return undefined;
    const word = packet.readUInt32BE(tagged - 4);
    const index = word & 0x7fff_ffff;
    const ssrc = packet.readUInt32BE(4);
    const source = this.#rtcpSources.get(ssrc);
    if (source && !isFresh(source, index)) return undefined;
    if (source) note(source, index);
    else if (this.#rtcpSources.size < 64) this.#rtcpSources.set(ssrc, { index, seen: 1n });
    else return undefined;
    if (word > 0x7fff_ffff) this.#rtcp.apply(packet, 8, tagged - 4, ssrc, index);
    return packet.subarray(0, tagged - 4);
  }

  #tag(packet: Buffer, end: number, index: number): Buffer {
    const rollover = Buffer.allocUnsafe(4);
    rollover.writeUInt32BE(Math.floor(index / 65_536) >>> 0);
    return createHmac("sha1", this.#rtpAuth).update(packet.subarray(0, end)).update(rollover).digest();
  }
}

function payloadStart(packet: Buffer): number {
  const start = 12 + 4 * (packet[0]! & 15);
  if (!(packet[0]! & 0x10)) return start;
  return start + 4 > packet.length ? Number.POSITIVE_INFINITY : start + 4 + 4 * packet.readUInt16BE(start + 2);
}
