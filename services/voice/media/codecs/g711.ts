/** ITU-T G.711 by tables that are computed once: 16 bit linear to and from 8 bit. */

function decodeMu(code: number): number {
  const inverted = ~code & 0xff;
  const exponent = (inverted >> 4) & 7;
  const magnitude = ((((inverted & 15) << 3) + 132) << exponent) - 132;
  return inverted & 0x80 ? -magnitude : magnitude;
}

function decodeA(code: number): number {
  const toggled = code ^ 0x55;
  const exponent = (toggled >> 4) & 7;
  const mantissa = (toggled & 15) << 4;
  const magnitude = exponent === 0 ? mantissa + 8 : (mantissa + 264) << (exponent - 1);
  return toggled & 0x80 ? magnitude : -magnitude;
}

function tables(decode: (code: number) => number) {
  const linear = Int16Array.from({ length: 256 }, (_, code) => decode(code));
  // The nearest code for each of 8192 steps; both laws have no step finer than 8 in 16 bits.
  const sorted = [...linear.keys()].sort((a, b) => linear[a]! - linear[b]!);
  const codes = new Uint8Array(8192);
  let at = 0;
  for (let step = 0; step < codes.length; step++) {
    const value = (step - 4096) * 8 + 4;
    while (at + 1 < 256 && Math.abs(linear[sorted[at + 1]!]! - value) <= Math.abs(linear[sorted[at]!]! - value)) at++;
    codes[step] = sorted[at]!;
  }
  return { linear, codes };
}

const laws = { PCMU: tables(decodeMu), PCMA: tables(decodeA) } as const;
export type G711 = keyof typeof laws;

/** Samples at 8 kHz. */
export function decodeG711(law: G711, payload: Uint8Array): Int16Array {
  const { linear } = laws[law];
  const pcm = new Int16Array(payload.length);
  for (let i = 0; i < payload.length; i++) pcm[i] = linear[payload[i]!]!;
  return pcm;
}

export function encodeG711(law: G711, pcm: Int16Array): Buffer {
  const { codes } = laws[law];
  const payload = Buffer.allocUnsafe(pcm.length);
  for (let i = 0; i < pcm.length; i++) payload[i] = codes[(pcm[i]! >> 3) + 4096]!;
  return payload;
}
