import { spawn } from "node:child_process";
import { createHash, randomUUID } from "node:crypto";
import { mkdir, readdir, readFile, rename, rm, stat, utimes, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { text as readText } from "node:stream/consumers";
import type { Language } from "./languages.ts";
import { resample } from "./resample.ts";
import { readWav, writeWav } from "./wav.ts";

/** Letters that are spoken at most in one piece. */
export const longestSpeech = 2000;
const timeoutMs = 30_000;
/** Texts that are kept as sound; the one that was not used for longest goes first. */
const keptTexts = 1000;

const voices: Record<Language, string> = { en: "en-us", fr: "fr", uk: "uk" };

export class SpeechError extends Error {
  override readonly name = "SpeechError";
  readonly code: "not_installed" | "too_long" | "failed";
  constructor(code: SpeechError["code"], message: string) {
    super(message);
    this.code = code;
  }
}

const running = new Map<string, Promise<string>>();

/**
 * A text as speech, by espeak-ng: a WAV file (16 kHz, mono) in `folder`, which is made and kept small. The same text is spoken once.
 * @throws SpeechError
 */
export async function speak(text: string, language: Language, folder: string): Promise<string> {
  if (text.length > longestSpeech)
    throw new SpeechError("too_long", `The text has ${text.length} letters; at most ${longestSpeech} are spoken in one piece.`);
  const name = createHash("sha256").update(`${voices[language]}\n${text}`).digest("hex");
  const file = join(folder, `${name}.wav`);
  const now = new Date();
  if (
    await utimes(file, now, now).then(
      () => true,
      () => false,
    )
  )
    return file;
  const work = running.get(file) ?? make(text, language, folder, file).finally(() => running.delete(file));
  running.set(file, work);
  return await work;
}

async function make(text: string, language: Language, folder: string, file: string): Promise<string> {
  await mkdir(folder, { recursive: true });
  const part = join(folder, `${randomUUID()}.part`);
  try {
    await runEngine(["-v", voices[language], "-s", "150", "--stdin", "-w", part], text);
    const spoken = await readFile(part);
    await writeFile(part, writeWav(resample(readWav(spoken), 16_000)), { mode: 0o600 });
    await rename(part, file);
  } finally {
    await rm(part, { force: true });
  }
  await forgetOld(folder);
  return file;
}

async function runEngine(words: readonly string[], text: string): Promise<void> {
  const child = spawn("espeak-ng", words, { stdio: ["pipe", "ignore", "pipe"], timeout: timeoutMs, killSignal: "SIGKILL" });
  const ended = new Promise<number | null>((resolve, reject) => {
    child.once("error", reject);
    child.once("close", resolve);
  });
  // It may end before it has read all; its code tells.
  child.stdin.on("error", () => {});
  child.stdin.end(text);
  const [complaint, code] = await Promise.all([readText(child.stderr), ended]).catch((error: NodeJS.ErrnoException) => {
    if (error.code !== "ENOENT") throw error;
    throw new SpeechError(
      "not_installed",
      "Texts cannot be spoken: espeak-ng is not installed. Install it (Debian: apt-get install espeak-ng).",
    );
  });
  if (code !== 0)
    throw new SpeechError(
      "failed",
      `espeak-ng could not speak the text: ${complaint.trim() || `it took longer than ${timeoutMs / 1000} s`}`,
    );
}

async function forgetOld(folder: string): Promise<void> {
  const names = (await readdir(folder)).filter((name) => name.endsWith(".wav"));
  if (names.length <= keptTexts) return;
  const files = await Promise.all(
    names.map(async (name) => ({
      name,
      usedMs: await stat(join(folder, name)).then(
        ({ mtimeMs }) => mtimeMs,
        () => 0,
      ),
    })),
  );
  files.sort((one, other) => one.usedMs - other.usedMs);
  for (const { name } of files.slice(0, names.length - keptTexts)) await rm(join(folder, name), { force: true });
}
