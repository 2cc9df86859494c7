/** ITU-T G.722 at 64 kbit/s (mode 1): 16 kHz in two bands of ADPCM. The names of steps (block4, logscl …) are those of the recommendation. */

const qmf = [3, -11, 12, 32, -210, 951, 3876, -805, 362, -156, 53, -11];
const wl = [-60, -30, 58, 172, 334, 538, 1198, 3042];
const rl42 = [0, 7, 6, 5, 4, 3, 2, 1, 7, 6, 5, 4, 3, 2, 1, 0];
const wh = [0, -214, 798];
const rh2 = [2, 1, 2, 1];
const qm2 = [-7408, -1616, 7408, 1616];
const qm4 = [0, -20456, -12896, -8968, -6288, -4240, -2584, -1200, 20456, 12896, 8968, 6288, 4240, 2584, 1200, 0];
// biome-ignore format: tables of the recommendation
const ilb = [2048, 2093, 2139, 2186, 2233, 2282, 2332, 2383, 2435, 2489, 2543, 2599, 2656, 2714, 2774, 2834, 2896, 2960, 3025, 3091, 3158, 3228, 3298, 3371, 3444, 3520, 3597, 3676, 3756, 3838, 3922, 4008];
// biome-ignore format: tables of the recommendation
const qm6 = [-136, -136, -136, -136, -24808, -21904, -19008, -16704, -14984, -13512, -12280, -11192, -10232, -9360, -8576, -7856, -7192, -6576, -6000, -5456, -4944, -4464, -4008, -3576, -3168, -2776, -2400, -2032, -1688, -1360, -1040, -728, 24808, 21904, 19008, 16704, 14984, 13512, 12280, 11192, 10232, 9360, 8576, 7856, 7192, 6576, 6000, 5456, 4944, 4464, 4008, 3576, 3168, 2776, 2400, 2032, 1688, 1360, 1040, 728, 432, 136, -432, -136];
// biome-ignore format: tables of the recommendation
const q6 = [0, 35, 72, 110, 150, 190, 233, 276, 323, 370, 422, 473, 530, 587, 650, 714, 786, 858, 940, 1023, 1121, 1219, 1339, 1458, 1612, 1765, 1980, 2195, 2557, 2919];
const iln = [0, 63, 62, 31, 30, 29, 28, 27, 26, 25, 24, 23, 22, 21, 20, 19, 18, 17, 16, 15, 14, 13, 12, 11, 10, 9, 8, 7, 6, 5, 4];
// biome-ignore format: tables of the recommendation
const ilp = [0, 61, 60, 59, 58, 57, 56, 55, 54, 53, 52, 51, 50, 49, 48, 47, 46, 45, 44, 43, 42, 41, 40, 39, 38, 37, 36, 35, 34, 33, 32];
const ihn = [0, 1, 0];
const ihp = [0, 3, 2];

const clip = (value: number): number => Math.max(-32768, Math.min(32767, value));

class Band {
  s = 0;
  sp = 0;
  sz = 0;
  nb = 0;
  det: number;
  readonly r = [0, 0, 0];
  readonly a = [0, 0, 0];
  readonly p = [0, 0, 0];
  readonly d = new Int32Array(7);
  readonly b = new Int32Array(7);
  constructor(det: number) {
    this.det = det;
  }

  /** The predictor's step, alike in both directions. */
  block4(dlow: number): void {
    const { d, r, p, a, b } = this;
    d[0] = dlow;
    r[0] = clip(this.s + dlow);
    p[0] = clip(this.sz + dlow);
    const signs = p.map((value) => value >> 15);
    // UPPOL2, UPPOL1
    let wd1 = clip(a[1]! << 2);
    let wd2 = signs[0] === signs[1] ? -wd1 : wd1;
    if (wd2 > 32767) wd2 = 32767;
    const wd3 = (signs[0] === signs[2] ? 128 : -128) + (wd2 >> 7) + ((a[2]! * 32512) >> 15);
    const ap2 = Math.max(-12288, Math.min(12288, wd3));
    wd1 = signs[0] === signs[1] ? 192 : -192;
    wd2 = (a[1]! * 32640) >> 15;
    const most = clip(15360 - ap2);
    const ap1 = Math.max(-most, Math.min(most, clip(wd1 + wd2)));
    // UPZERO, DELAYA, FILTEP, FILTEZ
    const step = dlow === 0 ? 0 : 128;
    const sign = dlow >> 15;
    let sz = 0;
    for (let i = 6; i > 0; i--) {
      b[i] = clip((d[i]! >> 15 === sign ? step : -step) + ((b[i]! * 32640) >> 15));
      d[i] = d[i - 1]!;
      sz += (b[i]! * clip(d[i]! + d[i]!)) >> 15;
    }
    r[2] = r[1]!;
    r[1] = r[0]!;
    p[2] = p[1]!;
    p[1] = p[0]!;
    a[2] = ap2;
    a[1] = ap1;
    this.sp = clip(((ap1 * clip(r[1]! + r[1]!)) >> 15) + ((ap2 * clip(r[2]! + r[2]!)) >> 15));
    this.sz = clip(sz);
    this.s = clip(this.sp + this.sz);
  }

  scale(weight: number, most: number, shift: number): void {
    this.nb = Math.max(0, Math.min(most, ((this.nb * 127) >> 7) + weight));
    const index = (this.nb >> 6) & 31;
    const down = shift - (this.nb >> 11);
    this.det = (down < 0 ? ilb[index]! << -down : ilb[index]! >> down) << 2;
  }

  low(code: number): void {
    const four = code >> 2;
    const dlow = (this.det * qm4[four]!) >> 15;
    this.scale(wl[rl42[four]!]!, 18432, 8);
    this.block4(dlow);
  }

  high(code: number): number {
    const dhigh = (this.det * qm2[code]!) >> 15;
    this.scale(wh[rh2[code]!]!, 22528, 10);
    this.block4(dhigh);
    return dhigh;
  }
}

export class G722Encoder {
  readonly #low = new Band(32);
  readonly #high = new Band(8);
  readonly #history = new Int32Array(24);

  /** `pcm` at 16 kHz, an even number of samples. */
  encode(pcm: Int16Array): Buffer {
    const out = Buffer.allocUnsafe(pcm.length >> 1);
    for (let i = 0; i + 1 < pcm.length; i += 2) out[i >> 1] = this.#pair(pcm[i]!, pcm[i + 1]!);
    return out;
  }

  #pair(first: number, second: number): number {
    const x = this.#history;
    x.copyWithin(0, 2);
    x[22] = first;
    x[23] = second;
    let odd = 0;
    let even = 0;
    for (let i = 0; i < 12; i++) {
      odd += x[2 * i]! * qmf[i]!;
      even += x[2 * i + 1]! * qmf[11 - i]!;
    }
    const low = (even + odd) >> 14;
    const high = (even - odd) >> 14;
    const one = this.#lowCode(low);
    this.#low.low(one);
    const two = this.#highCode(high);
    this.#high.high(two);
    return (two << 6) | one;
  }

  #lowCode(low: number): number {
    const el = clip(low - this.#low.s);
    const wd = el >= 0 ? el : ~el;
    let i = 1;
    while (i < 30 && wd >= (q6[i]! * this.#low.det) >> 12) i++;
    return el < 0 ? iln[i]! : ilp[i]!;
  }

  #highCode(high: number): number {
    const eh = clip(high - this.#high.s);
    const wd = eh >= 0 ? eh : ~eh;
    const i = wd >= (564 * this.#high.det) >> 12 ? 2 : 1;
    return eh < 0 ? ihn[i]! : ihp[i]!;
  }
}

export class G722Decoder {
  readonly #low = new Band(32);
  readonly #high = new Band(8);
  readonly #history = new Int32Array(24);

  /** To 16 kHz. */
  decode(payload: Uint8Array): Int16Array {
    const pcm = new Int16Array(payload.length * 2);
    for (let i = 0; i < payload.length; i++) this.#pair(payload[i]!, pcm, i * 2);
    return pcm;
  }

  #pair(code: number, pcm: Int16Array, at: number): void {
    const one = code & 63;
    const two = code >> 6;
    const limit = (value: number): number => Math.max(-16384, Math.min(16383, value));
    const low = limit(this.#low.s + ((this.#low.det * qm6[one]!) >> 15));
    this.#low.low(one);
    const expected = this.#high.s;
    const high = limit(this.#high.high(two) + expected);
    const x = this.#history;
    x.copyWithin(0, 2);
    x[22] = low + high;
    x[23] = low - high;
    let first = 0;
    let second = 0;
    for (let i = 0; i < 12; i++) {
      second += x[2 * i]! * qmf[i]!;
      first += x[2 * i + 1]! * qmf[11 - i]!;
    }
    pcm[at] = clip(first >> 11);
    pcm[at + 1] = clip(second >> 11);
  }
}
