/** 0 dBm0 is a sine 3.14 dB below full scale (ITU-T G.711 table 1): its mean square. */
const zeroDbm0 = 32_768 ** 2 / 2 / 10 ** 0.314;

/** Of a piece of PCM; -100 for silence. */
export function levelDbm0(pcm: Int16Array): number {
  let sum = 0;
  for (let i = 0; i < pcm.length; i++) sum += pcm[i]! * pcm[i]!;
  return sum === 0 ? -100 : Math.max(-100, 10 * Math.log10(sum / pcm.length / zeroDbm0));
}

/** The peak of a sine of this level. */
export const peakOf = (dbm0: number): number => Math.sqrt(2 * zeroDbm0) * 10 ** (dbm0 / 20);

/** Power at one frequency by Goertzel's algorithm, as dBm0 of a sine. */
export function goertzelDbm0(pcm: Int16Array, frequency: number, rate: number): number {
  const power = goertzel(pcm, frequency, rate);
  return power <= 0 ? -100 : Math.max(-100, 10 * Math.log10(power / zeroDbm0));
}

/** Mean square of the part at `frequency`. */
export function goertzel(pcm: Int16Array, frequency: number, rate: number): number {
  const coefficient = 2 * Math.cos((2 * Math.PI * frequency) / rate);
  let one = 0;
  let two = 0;
  for (let i = 0; i < pcm.length; i++) {
    const next = pcm[i]! + coefficient * one - two;
    two = one;
    one = next;
  }
  return (2 * (one * one + two * two - coefficient * one * two)) / (pcm.length * pcm.length);
}
