import { closeSync, openSync, writeSync } from "node:fs";
import { readFile, stat } from "node:fs/promises";
import { decodeG711 } from "./g711.ts";
import { Downsampler } from "./resample.ts";

/** WAV (RIFF): PCM of 16 bit, or G.711, at 8 or 16 kHz. */
const mostBytes = 256 * 1024 * 1024;

/** Mono. */
export interface WavAudio {
  pcm: Int16Array;
  rate: 8000 | 16000;
}

/** @throws Error that says what the file is not */
export async function readWav(file: string): Promise<WavAudio> {
  if ((await stat(file)).size > mostBytes) throw new Error(`${file} is larger than 256 MiB.`);
  const bytes = await readFile(file);
  if (bytes.length < 12 || bytes.toString("latin1", 0, 4) !== "RIFF" || bytes.toString("latin1", 8, 12) !== "WAVE")
    throw new Error(`${file} is no WAV file.`);
  let format: { tag: number; channels: number; rate: number; bits: number } | undefined;
  for (let at = 12; at + 8 <= bytes.length; ) {
    const name = bytes.toString("latin1", at, at + 4);
    // A recorder that was killed leaves a length of before.
    const length = Math.min(bytes.readUInt32LE(at + 4), bytes.length - at - 8);
    const body = bytes.subarray(at + 8, at + 8 + length);
    if (name === "fmt " && length >= 16) format = readFormat(body);
    if (name === "data") {
      if (!format) throw new Error(`${file} does not say its format before its data.`);
      if (format.rate !== 8000 && format.rate !== 16_000)
        throw new Error(`${file} has ${format.rate} samples a second; 8000 and 16000 can be played: convert it first.`);
      return { pcm: mono(samples(body, format, file), format.channels), rate: format.rate };
    }
    at += 8 + length + (length & 1);
  }
  throw new Error(`${file} has no data.`);
}

function readFormat(body: Buffer) {
  const tag = body.readUInt16LE(0);
  return {
    tag: tag === 0xfffe && body.length >= 26 ? body.readUInt16LE(24) : tag,
    channels: body.readUInt16LE(2),
    rate: body.readUInt32LE(4),
    bits: body.readUInt16LE(14),
  };
}

function samples(body: Buffer, format: { tag: number; bits: number }, file: string): Int16Array {
  if (format.tag === 1 && format.bits === 16) {
    const pcm = new Int16Array(body.length >> 1);
    for (let i = 0; i < pcm.length; i++) pcm[i] = body.readInt16LE(i * 2);
    return pcm;
  }
  if (format.tag === 6) return decodeG711("PCMA", body);
  if (format.tag === 7) return decodeG711("PCMU", body);
  throw new Error(`${file} is neither PCM of 16 bit nor G.711: convert it first.`);
}

function mono(pcm: Int16Array, channels: number): Int16Array {
  if (channels <= 1) return pcm;
  const out = new Int16Array(Math.floor(pcm.length / channels));
  for (let i = 0; i < out.length; i++) {
    let sum = 0;
    for (let channel = 0; channel < channels; channel++) sum += pcm[i * channels + channel]!;
    out[i] = sum / channels;
  }
  return out;
}

/** Writes PCM of 16 bit; the header is true after each `flush`. Takes frames at 16 kHz. */
export class WavWriter {
  readonly #descriptor: number;
  readonly #rate: 8000 | 16000;
  readonly #channels: number;
  readonly #down: Downsampler[];
  #waiting: Buffer[] = [];
  #bytes = 0;

  /** @throws Error when the file cannot be made */
  constructor(file: string, rate: 8000 | 16000, channels: 1 | 2) {
    this.#descriptor = openSync(file, "w", 0o600);
    this.#rate = rate;
    this.#channels = channels;
    this.#down = Array.from({ length: channels }, () => new Downsampler());
    this.#header();
  }

  /** One array for each channel, of the same length. */
  write(...frames: readonly Int16Array[]): void {
    const channels = this.#rate === 8000 ? frames.map((frame, i) => this.#down[i]!.halve(frame)) : frames;
    const length = channels[0]!.length;
    const out = Buffer.allocUnsafe(length * this.#channels * 2);
    for (let i = 0; i < length; i++)
      for (let channel = 0; channel < this.#channels; channel++)
        out.writeInt16LE(channels[channel]![i]!, (i * this.#channels + channel) * 2);
    this.#waiting.push(out);
  }

  get ms(): number {
    const waiting = this.#waiting.reduce((sum, piece) => sum + piece.length, 0);
    return Math.round(((this.#bytes + waiting) / (2 * this.#channels * this.#rate)) * 1000);
  }

  /** @throws Error when the disk is full */
  flush(): void {
    const piece = Buffer.concat(this.#waiting);
    this.#waiting = [];
    writeSync(this.#descriptor, piece, 0, piece.length, 44 + this.#bytes);
    this.#bytes += piece.length;
    this.#header();
  }

  close(): void {
    try {
      this.flush();
    } finally {
      closeSync(this.#descriptor);
    }
  }

  #header(): void {
    const header = Buffer.alloc(44);
    header.write("RIFF", 0, "latin1");
    header.writeUInt32LE(36 + this.#bytes, 4);
    header.write("WAVEfmt ", 8, "latin1");
    header.writeUInt32LE(16, 16);
    header.writeUInt16LE(1, 20);
    header.writeUInt16LE(this.#channels, 22);
    header.writeUInt32LE(this.#rate, 24);
    header.writeUInt32LE(this.#rate * this.#channels * 2, 28);
    header.writeUInt16LE(this.#channels * 2, 32);
    header.writeUInt16LE(16, 34);
    header.write("data", 36, "latin1");
    header.writeUInt32LE(this.#bytes, 40);
    writeSync(this.#descriptor, header, 0, 44, 0);
  }
}
