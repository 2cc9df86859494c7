/** One channel of 16 bit PCM: what all prompts and recordings are once they are read. */
export interface Sound {
  /** Per second. */
  sampleRate: number;
  samples: Int16Array;
}

/** The bytes are no WAV file that can be read; the message says why, for the person who sent them. */
export class WavError extends Error {
  override readonly name = "WavError";
}

const formats = { pcm: 1, float: 3, aLaw: 6, muLaw: 7, extensible: 0xfffe } as const;

interface Layout {
  format: number;
  channels: number;
  sampleRate: number;
  bits: number;
}

/**
 * Reads WAV: PCM of 8, 16, 24 and 32 bits, 32 bit floats, A-law and µ-law, any rate; more channels become one by their mean.
 * A file whose writer did not come to its end (data size 0 or too large) is read as far as it goes.
 * @throws WavError
 */
export function readWav(bytes: Uint8Array): Sound {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (bytes.length < 12 || text(view, 0) !== "RIFF" || text(view, 8) !== "WAVE")
    throw new WavError("This is no WAV file: it does not begin with RIFF and WAVE.");
  let layout: Layout | undefined;
  for (let at = 12; at + 8 <= view.byteLength; ) {
    const name = text(view, at);
    const size = view.getUint32(at + 4, true);
    const start = at + 8;
    if (name === "fmt ") layout = readLayout(view, start, size);
    if (name === "data") {
      if (layout === undefined) throw new WavError("The WAV file has sound before it says of which kind (no fmt chunk).");
      const left = view.byteLength - start;
      return readSamples(view, start, size === 0 || size > left ? left : size, layout);
    }
    at = start + size + (size % 2);
  }
  throw new WavError("The WAV file has no sound in it (no data chunk).");
}

/** A mono WAV file: 16 bit PCM, or G.711 µ-law in half of the room. */
export function writeWav({ sampleRate, samples }: Sound, coding: "pcm" | "mu-law" = "pcm"): Buffer {
  const width = coding === "pcm" ? 2 : 1;
  const file = Buffer.alloc(44 + samples.length * width);
  file.write("RIFF", 0, "latin1");
  file.writeUInt32LE(file.length - 8, 4);
  file.write("WAVEfmt ", 8, "latin1");
  file.writeUInt32LE(16, 16);
  file.writeUInt16LE(coding === "pcm" ? formats.pcm : formats.muLaw, 20);
  file.writeUInt16LE(1, 22);
  file.writeUInt32LE(sampleRate, 24);
  file.writeUInt32LE(sampleRate * width, 28);
  file.writeUInt16LE(width, 32);
  file.writeUInt16LE(width * 8, 34);
  file.write("data", 36, "latin1");
  file.writeUInt32LE(samples.length * width, 40);
  for (let index = 0; index < samples.length; index++)
    if (coding === "pcm") file.writeInt16LE(samples[index]!, 44 + index * 2);
    else file[44 + index] = toMuLaw(samples[index]!);
  return file;
}

function text(view: DataView, at: number): string {
  return String.fromCharCode(view.getUint8(at), view.getUint8(at + 1), view.getUint8(at + 2), view.getUint8(at + 3));
}

function readLayout(view: DataView, at: number, size: number): Layout {
  if (size < 16 || at + size > view.byteLength) throw new WavError("The WAV file is cut off in its fmt chunk.");
  const tag = view.getUint16(at, true);
  // The real format of WAVE_FORMAT_EXTENSIBLE is the beginning of its SubFormat.
  const format = tag === formats.extensible && size >= 26 ? view.getUint16(at + 24, true) : tag;
  const layout = {
    format,
    channels: view.getUint16(at + 2, true),
    sampleRate: view.getUint32(at + 4, true),
    bits: view.getUint16(at + 14, true),
  };
  if (layout.channels < 1 || layout.channels > 32) throw new WavError(`The WAV file has ${layout.channels} channels.`);
  if (layout.sampleRate < 1000 || layout.sampleRate > 384_000)
    throw new WavError(`The WAV file has ${layout.sampleRate} samples per second.`);
  return layout;
}

function readSamples(view: DataView, start: number, size: number, layout: Layout): Sound {
  const { channels, sampleRate } = layout;
  const read = sampleReader(view, layout);
  const frame = (layout.bits / 8) * channels;
  const samples = new Int16Array(Math.floor(size / frame));
  for (let index = 0; index < samples.length; index++) {
    let sum = 0;
    for (let channel = 0; channel < channels; channel++) sum += read(start + index * frame + (channel * layout.bits) / 8);
    samples[index] = Math.max(-32768, Math.min(32767, Math.round(sum / channels)));
  }
  return { sampleRate, samples };
}

/** Reads one sample as if it had 16 bits. */
function sampleReader(view: DataView, { format, bits }: Layout): (at: number) => number {
  if (format === formats.pcm && bits === 8) return (at) => (view.getUint8(at) - 128) * 256;
  if (format === formats.pcm && bits === 16) return (at) => view.getInt16(at, true);
  if (format === formats.pcm && bits === 24) return (at) => view.getInt16(at + 1, true) + view.getUint8(at) / 256;
  if (format === formats.pcm && bits === 32) return (at) => view.getInt32(at, true) / 65536;
  if (format === formats.float && bits === 32) return (at) => view.getFloat32(at, true) * 32767;
  if (format === formats.muLaw && bits === 8) return (at) => fromMuLaw(view.getUint8(at));
  if (format === formats.aLaw && bits === 8) return (at) => fromALaw(view.getUint8(at));
  throw new WavError(`WAV of format ${format} with ${bits} bits cannot be read; save it as PCM with 16 bits.`);
}

/** ITU-T G.711, µ-law. */
function fromMuLaw(byte: number): number {
  const value = ~byte & 0xff;
  const magnitude = (((value & 0x0f) << 3) + 0x84) << ((value & 0x70) >> 4);
  return value & 0x80 ? 0x84 - magnitude : magnitude - 0x84;
}

function toMuLaw(sample: number): number {
  const magnitude = Math.min(32635, Math.abs(sample)) + 0x84;
  const exponent = 31 - Math.clz32(magnitude) - 7;
  return ~((sample < 0 ? 0x80 : 0) | (exponent << 4) | ((magnitude >> (exponent + 3)) & 0x0f)) & 0xff;
}

/** ITU-T G.711, A-law. */
function fromALaw(byte: number): number {
  const value = byte ^ 0x55;
  const exponent = (value & 0x70) >> 4;
  const mantissa = (value & 0x0f) << 4;
  const magnitude = exponent === 0 ? mantissa + 8 : (mantissa + 0x108) << (exponent - 1);
  return value & 0x80 ? magnitude : -magnitude;
}
