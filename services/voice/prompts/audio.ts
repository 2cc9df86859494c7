import { spawn } from "node:child_process";
import { resampleInTurns } from "./resample.ts";
import { readWav, type Sound, WavError, writeWav } from "./wav.ts";

const sampleRate = 16_000;
const timeoutMs = 60_000;

/** `message` says what to do, for the person who sent the sound. */
export class AudioError extends Error {
  override readonly name = "AudioError";
  readonly code: "not_understood" | "not_installed" | "too_long" | "empty";
  constructor(code: AudioError["code"], message: string) {
    super(message);
    this.code = code;
  }
}

type Container = "wav" | "mp3" | "ogg" | "flac";

/**
 * What somebody has sent (WAV of any rate and width; MP3, OGG and FLAC when ffmpeg is installed) as WAV: 16 kHz, 16 bit, mono.
 * @throws AudioError
 */
export async function convertAudio(bytes: Uint8Array, { maxSeconds = 600 } = {}): Promise<Buffer> {
  const container = containerOf(bytes);
  if (container === undefined)
    throw new AudioError(
      "not_understood",
      "The file is neither WAV nor MP3, OGG or FLAC. Save it as WAV (16 bit PCM) and send it again.",
    );
  const sound = container === "wav" ? await fromWav(bytes, maxSeconds) : await fromFfmpeg(bytes, container, maxSeconds);
  if (sound.samples.length === 0) throw new AudioError("empty", "There is no sound in the file.");
  refuseLong(sound, maxSeconds);
  return writeWav(await resampleInTurns(sound, sampleRate));
}

function refuseLong(sound: Sound, maxSeconds: number): void {
  const seconds = sound.samples.length / sound.sampleRate;
  if (seconds > maxSeconds)
    throw new AudioError("too_long", `The sound is longer than ${maxSeconds} seconds, which is the limit. Send a shorter one.`);
}

/** By the first bytes, as names and media types of uploads are often wrong. */
function containerOf(bytes: Uint8Array): Container | undefined {
  const start = Buffer.from(bytes.subarray(0, 4)).toString("latin1");
  if (start === "RIFF") return "wav";
  if (start === "OggS") return "ogg";
  if (start === "fLaC") return "flac";
  // An ID3 tag, or the sync word of an MPEG frame of layer 3.
  if (start.startsWith("ID3") || (bytes[0] === 0xff && (bytes[1]! & 0xe6) === 0xe2)) return "mp3";
  return undefined;
}

async function fromWav(bytes: Uint8Array, maxSeconds: number): Promise<Sound> {
  try {
    const sound = readWav(bytes);
    refuseLong(sound, maxSeconds);
    return sound;
  } catch (error) {
    if (error instanceof WavError) throw new AudioError("not_understood", error.message);
    throw error;
  }
}

/** The format is named and nothing but the pipe may be read: a file that says to be a list of others gets nowhere. */
async function fromFfmpeg(bytes: Uint8Array, container: Container, maxSeconds: number): Promise<Sound> {
  const words = ["-v", "error", "-protocol_whitelist", "pipe", "-f", container, "-i", "pipe:0", "-map", "0:a:0"];
  const result = ["-t", String(maxSeconds + 1), "-ac", "1", "-ar", String(sampleRate), "-f", "s16le", "pipe:1"];
  const child = spawn("ffmpeg", [...words, ...result], {
    stdio: ["pipe", "pipe", "pipe"],
    timeout: timeoutMs,
    killSignal: "SIGKILL",
  });
  const ended = new Promise<number | null>((resolve, reject) => {
    child.once("error", reject);
    child.once("close", resolve);
  });
  child.stdin.on("error", () => {});
  child.stdin.end(bytes);
  const [sound, complaint, code] = await Promise.all([collect(child.stdout), collect(child.stderr), ended]).catch(
    (error: NodeJS.ErrnoException) => {
      if (error.code !== "ENOENT") throw error;
      throw new AudioError(
        "not_installed",
        `${container.toUpperCase()} cannot be read: ffmpeg is not installed on this server. Send WAV, or have it installed (Debian: apt-get install ffmpeg).`,
      );
    },
  );
  if (code !== 0)
    throw new AudioError(
      "not_understood",
      `The file cannot be read: ${complaint.toString().trim().slice(0, 300) || "it takes too long"}.`,
    );
  return { sampleRate, samples: new Int16Array(sound.buffer, sound.byteOffset, Math.floor(sound.length / 2)) };
}

/** In memory of its own, so that it may be read as samples of 16 bits. */
async function collect(stream: AsyncIterable<Buffer>): Promise<Buffer> {
  const parts: Buffer[] = [];
  for await (const part of stream) parts.push(part);
  const whole = Buffer.from(new ArrayBuffer(parts.reduce((sum, part) => sum + part.length, 0)));
  let at = 0;
  for (const part of parts) at += part.copy(whole, at);
  return whole;
}
