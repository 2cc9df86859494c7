import type { IncomingMessage } from "node:http";
import { CloudError } from "../../../kernel/errors.ts";
import { answering } from "../../../kernel/http/answering.ts";
import { AudioError, convertAudio } from "../prompts/audio.ts";
import { readWav } from "../prompts/wav.ts";

export interface ReceivedSound {
  /** 16 kHz, 16 bits, one channel. */
  wav: Buffer;
  milliseconds: number;
}

const mebibyte = 2 ** 20;

/** payload_too_large above `maxBytes`. */
async function receive(request: IncomingMessage, maxBytes: number): Promise<Buffer> {
  const tooLarge = () =>
    new CloudError(
      "payload_too_large",
      `The file may have at most ${maxBytes / mebibyte} MiB. Make it shorter, or save it as MP3.`,
      {
        details: { maxBytes },
      },
    );
  if (Number(request.headers["content-length"] ?? 0) > maxBytes) throw tooLarge();
  const parts: Buffer[] = [];
  let received = 0;
  // Whoever sends too much has something to answer: the connection stays open for that.
  for await (const part of request.iterator({ destroyOnReturn: false }) as AsyncIterable<Buffer>) {
    received += part.length;
    if (received > maxBytes) throw tooLarge();
    parts.push(part);
  }
  return Buffer.concat(parts);
}

/** Of WAV, and of MP3, OGG and FLAC when ffmpeg is installed. */
async function converted(bytes: Buffer, maxSeconds: number): Promise<ReceivedSound> {
  try {
    const wav = await convertAudio(bytes, { maxSeconds });
    const { samples, sampleRate } = readWav(wav);
    return { wav, milliseconds: Math.round((samples.length / sampleRate) * 1000) };
  } catch (error) {
    if (!(error instanceof AudioError)) throw error;
    throw new CloudError(error.code === "not_installed" ? "failed_precondition" : "invalid_argument", error.message, {
      details: { reason: `audio_${error.code}` },
    });
  }
}

/** A sound that somebody uploads, as phones play it. `work` asks for it once it is sure that they may; what is still coming of a refused one is taken in. */
export const receiveSound = <T>(
  request: IncomingMessage,
  { maxBytes, maxSeconds }: { maxBytes: number; maxSeconds: number },
  work: (receive: () => Promise<ReceivedSound>) => Promise<T>,
): Promise<T> => answering(request, () => work(async () => converted(await receive(request, maxBytes), maxSeconds)));
