/** RTP (RFC 3550 section 5.1), as far as a relay needs it. */
export interface RtpPacket {
  payloadType: number;
  marker: boolean;
  sequence: number;
  timestamp: number;
  ssrc: number;
  payload: Buffer;
  /** Of RFC 6464, when the extension of that id is there: 0 (loudest) to 127 (silence). */
  audioLevel: number | undefined;
}

/** Undefined when it is not an RTP packet. */
export function parseRtp(bytes: Buffer, audioLevelId = 0): RtpPacket | undefined {
  if (bytes.length < 12 || bytes[0]! >> 6 !== 2) return undefined;
  let start = headerLength(bytes);
  let audioLevel: number | undefined;
  if (start === undefined) return undefined;
  if (bytes[0]! & 0x10) {
    const length = 4 * bytes.readUInt16BE(start + 2);
    if (start + 4 + length > bytes.length) return undefined;
    if (audioLevelId > 0 && bytes.readUInt16BE(start) === 0xbede)
      audioLevel = oneByteExtension(bytes.subarray(start + 4, start + 4 + length), audioLevelId);
    start += 4 + length;
  }
  let end = bytes.length;
  if (bytes[0]! & 0x20) end -= bytes[end - 1]!;
  if (end < start) return undefined;
  return {
    payloadType: bytes[1]! & 0x7f,
    marker: bytes[1]! > 127,
    sequence: bytes.readUInt16BE(2),
    timestamp: bytes.readUInt32BE(4),
    ssrc: bytes.readUInt32BE(8),
    payload: bytes.subarray(start, end),
    audioLevel,
  };
}

/** Without the extension; undefined when the packet is cut off. */
function headerLength(bytes: Buffer): number | undefined {
  const start = 12 + 4 * (bytes[0]! & 15);
  const needed = bytes[0]! & 0x10 ? start + 4 : start;
  return needed > bytes.length ? undefined : start;
}

function oneByteExtension(data: Buffer, id: number): number | undefined {
  for (let at = 0; at < data.length; ) {
    const here = data[at]! >> 4;
    const length = (data[at]! & 15) + 1;
    if (data[at] === 0) at++;
    else if (here === 15) return undefined;
    else if (here === id) return at + 1 < data.length ? data[at + 1]! & 0x7f : undefined;
    else at += 1 + length;
  }
  return undefined;
}

/** A packet with `room` bytes free after it, for SRTP's tag. */
export function buildRtp(packet: Omit<RtpPacket, "audioLevel">, room = 0): Buffer {
  const bytes = Buffer.allocUnsafe(12 + packet.payload.length + room);
  bytes[0] = 0x80;
  bytes[1] = packet.payloadType | (packet.marker ? 0x80 : 0);
  bytes.writeUInt16BE(packet.sequence & 0xffff, 2);
  bytes.writeUInt32BE(packet.timestamp >>> 0, 4);
  bytes.writeUInt32BE(packet.ssrc, 8);
  bytes.set(packet.payload, 12);
  return bytes;
}

/** How far `to` is after `from`, of 16 bit that go round: -32768 to 32767. */
export const sequenceDistance = (from: number, to: number): number => ((to - from) << 16) >> 16;
