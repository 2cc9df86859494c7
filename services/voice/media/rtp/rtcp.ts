/** RTCP: sender and receiver reports (RFC 3550 section 6.4), and the feedback of RFC 4585 and 5104 that is passed on for video. */

export interface ReportBlock {
  ssrc: number;
  /** Since the last report, 0 to 1. */
  fraction: number;
  lost: number;
  highest: number;
  /** In timestamp units. */
  jitter: number;
  lastSr: number;
  /** In 1/65536 s. */
  sinceLastSr: number;
}

export type RtcpPart =
  | { type: "report"; sender: { ssrc: number; ntp: bigint } | undefined; blocks: ReportBlock[] }
  | { type: "bye"; ssrc: number }
  /** Whole, for passing on: transport (205) or payload specific (206) feedback. */
  | { type: "feedback"; kind: 205 | 206; format: number; mediaSsrc: number; body: Buffer };

/** Parts that are broken or unknown are left out. */
export function parseRtcp(bytes: Buffer): RtcpPart[] {
  const parts: RtcpPart[] = [];
  for (let at = 0; at + 8 <= bytes.length; ) {
    const length = 4 * (bytes.readUInt16BE(at + 2) + 1);
    if (bytes[at]! >> 6 !== 2 || at + length > bytes.length) break;
    const part = parsePart(bytes.subarray(at, at + length));
    if (part) parts.push(part);
    at += length;
  }
  return parts;
}

function parsePart(bytes: Buffer): RtcpPart | undefined {
  const count = bytes[0]! & 31;
  switch (bytes[1]) {
    case 200:
      if (bytes.length < 28) return undefined;
      return {
        type: "report",
        sender: { ssrc: bytes.readUInt32BE(4), ntp: bytes.readBigUInt64BE(8) },
        blocks: parseBlocks(bytes, 28, count),
      };
    case 201:
      return { type: "report", sender: undefined, blocks: parseBlocks(bytes, 8, count) };
    case 203:
      return { type: "bye", ssrc: bytes.readUInt32BE(4) };
    case 205:
    case 206:
      if (bytes.length < 12) return undefined;
      return { type: "feedback", kind: bytes[1], format: count, mediaSsrc: bytes.readUInt32BE(8), body: bytes.subarray(12) };
    default:
      return undefined;
  }
}

function parseBlocks(bytes: Buffer, start: number, count: number): ReportBlock[] {
  const blocks: ReportBlock[] = [];
  for (let at = start; blocks.length < count && at + 24 <= bytes.length; at += 24)
    blocks.push({
      ssrc: bytes.readUInt32BE(at),
      fraction: bytes[at + 4]! / 256,
      lost: bytes.readIntBE(at + 5, 3),
      highest: bytes.readUInt32BE(at + 8),
      jitter: bytes.readUInt32BE(at + 12),
      lastSr: bytes.readUInt32BE(at + 16),
      sinceLastSr: bytes.readUInt32BE(at + 20),
    });
  return blocks;
}

export interface SenderState {
  ssrc: number;
  ntp: bigint;
  timestamp: number;
  packets: number;
  octets: number;
}

/** A compound packet: a report and the canonical name, which each has to have (RFC 3550 section 6.1). */
export function buildReport(
  ssrc: number,
  sender: SenderState | undefined,
  blocks: readonly ReportBlock[],
  cname: string,
): Buffer {
  const report = Buffer.alloc((sender ? 28 : 8) + 24 * blocks.length);
  header(report, sender ? 200 : 201, blocks.length);
  report.writeUInt32BE(ssrc, 4);
  if (sender) {
    report.writeBigUInt64BE(sender.ntp, 8);
    report.writeUInt32BE(sender.timestamp >>> 0, 16);
    report.writeUInt32BE(sender.packets >>> 0, 20);
    report.writeUInt32BE(sender.octets >>> 0, 24);
  }
  for (const [i, block] of blocks.entries()) {
    const at = (sender ? 28 : 8) + 24 * i;
    report.writeUInt32BE(block.ssrc, at);
    report[at + 4] = Math.min(255, Math.round(block.fraction * 256));
    report.writeIntBE(Math.max(-0x800000, Math.min(0x7fffff, block.lost)), at + 5, 3);
    report.writeUInt32BE(block.highest >>> 0, at + 8);
    report.writeUInt32BE(Math.round(block.jitter) >>> 0, at + 12);
    report.writeUInt32BE(block.lastSr, at + 16);
    report.writeUInt32BE(block.sinceLastSr >>> 0, at + 20);
  }
  const name = Buffer.from(cname, "utf8");
  const sdes = Buffer.alloc(4 * Math.ceil((8 + 2 + name.length + 1) / 4));
  header(sdes, 202, 1);
  sdes.writeUInt32BE(ssrc, 4);
  sdes[8] = 1;
  sdes[9] = name.length;
  name.copy(sdes, 10);
  return Buffer.concat([report, sdes]);
}

export function buildFeedback(kind: 205 | 206, format: number, ssrc: number, mediaSsrc: number, body: Buffer): Buffer {
  const bytes = Buffer.alloc(12 + body.length);
  header(bytes, kind, format);
  bytes.writeUInt32BE(ssrc, 4);
  bytes.writeUInt32BE(mediaSsrc, 8);
  body.copy(bytes, 12);
  return bytes;
}

function header(bytes: Buffer, type: number, count: number): void {
  bytes[0] = 0x80 | count;
  bytes[1] = type;
  bytes.writeUInt16BE(bytes.length / 4 - 1, 2);
}

/** NTP time, 32.32 bits since 1900. */
export function ntpNow(now = Date.now()): bigint {
  const seconds = BigInt(Math.floor(now / 1000)) + 2_208_988_800n;
  return (seconds << 32n) | BigInt(Math.floor(((now % 1000) / 1000) * 2 ** 32));
}

/** The middle 32 bits, as report blocks have it. */
export const shortNtp = (ntp: bigint): number => Number((ntp >> 16n) & 0xffff_ffffn);
