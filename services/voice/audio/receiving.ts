import type { IncomingMessage } from "node:http";
import { CloudError } from "../../../kernel/errors.ts";
import { answering } from "../../../kernel/http/answering.ts";
import { readWav, WavError, writeWav } from "../prompts/wav.ts";

export interface ReceivedSound {
  /** WAV of 16-bit PCM, one channel. */
  wav: Buffer;
  milliseconds: number;
}

const mebibyte = 2 ** 20;

/** payload_too_large above `maxBytes`. */
async function receive(request: IncomingMessage, maxBytes: number): Promise<Buffer> {
  const tooLarge = () =>
    new CloudError(
      "payload_too_large",
      `The file may have at most ${maxBytes / mebibyte} MiB. Make it shorter, or save it in mono.`,
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

/** A sound that somebody uploads, as phones play it. `work` has it while what is still coming of a refused one is taken in. */
export const receiveSound = <T>(
  request: IncomingMessage,
  maxBytes: number,
  work: (receive: () => Promise<ReceivedSound>) => Promise<T>,
): Promise<T> =>
  answering(request, () =>
    work(async () => {
      const bytes = await receive(request, maxBytes);
      try {
        const sound = readWav(bytes);
        if (sound.samples.length === 0) throw new WavError("The WAV file has no sound in it.");
        return { wav: writeWav(sound), milliseconds: Math.round((sound.samples.length / sound.sampleRate) * 1000) };
      } catch (error) {
        if (!(error instanceof WavError)) throw error;
        throw new CloudError("invalid_argument", error.message, { details: { reason: "no_sound" } });
      }
    }),
  );
