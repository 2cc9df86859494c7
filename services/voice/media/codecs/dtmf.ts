import { goertzel, levelDbm0 } from "./level.ts";

export const digits = "0123456789*#ABCD";
const rows = [697, 770, 852, 941];
const columns = [1209, 1336, 1477, 1633];
const keys = ["123A", "456B", "789C", "*0#D"];

/** ITU-T Q.23. */
export function frequenciesOf(digit: string): readonly [number, number] {
  const row = keys.findIndex((line) => line.includes(digit));
  return [rows[row]!, columns[keys[row]!.indexOf(digit)]!];
}

/** RFC 4733 section 2.3, receiving: one digit for one event, however many packets of it come or are lost. */
export class EventReceiver {
  #timestamp: number | undefined;

  /** The digit when this packet begins a new event. */
  packet(payload: Buffer, timestamp: number): string | undefined {
    if (payload.length < 4) return undefined;
    const digit = digits[payload[0]!];
    if (timestamp === this.#timestamp) return undefined;
    this.#timestamp = timestamp;
    return digit;
  }
}

/** The four bytes of an event. `duration` in timestamp units. */
export function eventPayload(digit: string, duration: number, end: boolean): Buffer {
  const payload = Buffer.alloc(4);
  payload[0] = digits.indexOf(digit);
  // Volume: -10 dBm0.
  payload[1] = (end ? 0x80 : 0) | 10;
  payload.writeUInt16BE(Math.min(duration, 0xffff), 2);
  return payload;
}

/** ITU-T Q.24, roughly: two frequencies, each far above the rest, for 40 ms at least. Frames of 20 ms. */
export class ToneDetector {
  #candidate: string | undefined;
  #frames = 0;
  #said = false;
  #missing = 0;
  readonly #rate: number;
  constructor(rate: 8000 | 16000) {
    this.#rate = rate;
  }

  /** The digit, once, when it has been there for two frames. */
  frame(pcm: Int16Array): string | undefined {
    const digit = this.#look(pcm);
    if (digit === undefined || digit !== this.#candidate) {
      // One frame that is broken does not make two digits of one.
      if (this.#candidate !== undefined && this.#said && digit === undefined && this.#missing++ < 1) return undefined;
      this.#candidate = digit;
      this.#frames = digit === undefined ? 0 : 1;
      this.#said = false;
      this.#missing = 0;
      return undefined;
    }
    this.#missing = 0;
    this.#frames++;
    if (this.#said || this.#frames < 2) return undefined;
    this.#said = true;
    return digit;
  }

  #look(pcm: Int16Array): string | undefined {
    if (levelDbm0(pcm) < -36) return undefined;
    const low = rows.map((frequency) => goertzel(pcm, frequency, this.#rate));
    const high = columns.map((frequency) => goertzel(pcm, frequency, this.#rate));
    const row = strongest(low);
    const column = strongest(high);
    if (row === undefined || column === undefined) return undefined;
    const [one, two] = [low[row]!, high[column]!];
    // Twist: the high one at most 4 dB above the low one, or 8 dB below it; with a margin for the short window.
    if (two > one * 4 || one > two * 10) return undefined;
    let all = 0;
    for (let i = 0; i < pcm.length; i++) all += pcm[i]! * pcm[i]!;
    // Speech has more beside its two strongest frequencies.
    return (one + two) * pcm.length > 0.75 * all ? keys[row]![column] : undefined;
  }
}

function strongest(powers: readonly number[]): number | undefined {
  let best = 0;
  for (let i = 1; i < powers.length; i++) if (powers[i]! > powers[best]!) best = i;
  return powers.every((power, i) => i === best || power * 6 < powers[best]!) ? best : undefined;
}
