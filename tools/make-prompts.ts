import { execFileSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Language, languages } from "../services/voice/prompts/languages.ts";
import { composeMusic, musicFile } from "../services/voice/prompts/music.ts";
import { resample } from "../services/voice/prompts/resample.ts";
import { readWav, type Sound, writeWav } from "../services/voice/prompts/wav.ts";
import { clipWords } from "../services/voice/prompts/words.ts";

// Makes the recorded words of the phone system anew (services/voice/prompts/README.md tells what must be installed):
//   node tools/make-prompts.ts [language …] [clip …]
// With clips only those, and the others stay: what a new phrase needs.
// KHMARA_PROMPTS_ROOT is a folder with a Debian in it whose engines are used (chroot, so as root).

const root = process.env["KHMARA_PROMPTS_ROOT"] ?? "/";
const clips = join(import.meta.dirname, "..", "services", "voice", "prompts", "clips");

/** Telephone quality: what G.711 carries anyway, in half of the room of 16 bit PCM. */
const sampleRate = 8000;

/** Pico speaks more slowly than people on the phone do. */
const brisk = (text: string): string => `<speed level="112">${text}</speed>`;

const engines: Record<Language, (text: string, file: string) => [string[], string]> = {
  en: (text, file) => [["pico2wave", "-l", "en-US", "-w", file, brisk(text)], ""],
  fr: (text, file) => [["pico2wave", "-l", "fr-FR", "-w", file, brisk(text)], ""],
  uk: (text, file) => [["RHVoice-test", "-p", "natalia", "-o", file], text],
};

function speak(language: Language, text: string): Sound {
  const folder = mkdtempSync(join(root, tmpdir(), "khmara-prompts-"));
  try {
    const file = join(folder, "spoken.wav");
    const [words, input] = engines[language](text, root === "/" ? file : file.slice(root.length));
    const command = root === "/" ? words : ["chroot", root, ...words];
    execFileSync(command[0]!, command.slice(1), { input, timeout: 60_000, stdio: ["pipe", "ignore", "pipe"] });
    return readWav(readFileSync(file));
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** Cuts the silence at both ends, but for a breath after it; a phrase's own breath is longer than a number's. */
function trim({ samples, sampleRate }: Sound, phrase: boolean): Sound {
  const quiet = 300;
  const first = samples.findIndex((sample) => Math.abs(sample) > quiet);
  const last = samples.findLastIndex((sample) => Math.abs(sample) > quiet);
  const [before, after] = [sampleRate * 0.02, sampleRate * (phrase ? 0.15 : 0.04)];
  return { sampleRate, samples: samples.subarray(Math.max(0, first - before), Math.min(samples.length, last + after)) };
}

/** All equally loud: the mean of what is not silence at -18 dB of the loudest sine, without clipping. */
function level({ samples, sampleRate }: Sound): Sound {
  const loud = samples.filter((sample) => Math.abs(sample) > 300);
  const mean = Math.sqrt(loud.reduce((sum, sample) => sum + sample * sample, 0) / Math.max(1, loud.length));
  const peak = samples.reduce((most, sample) => Math.max(most, Math.abs(sample)), 1);
  const gain = Math.min((32767 * 10 ** (-18 / 20)) / mean, 31000 / peak);
  return { sampleRate, samples: samples.map((sample) => Math.round(sample * gain)) };
}

const asked = process.argv.slice(2);
const isLanguage = (word: string): word is Language => (languages as readonly string[]).includes(word);
const wanted = new Set(asked.filter((word) => !isLanguage(word)));
const spoken = asked.some(isLanguage) ? asked.filter(isLanguage) : languages;

for (const language of spoken) {
  const folder = join(clips, language);
  if (wanted.size === 0) rmSync(folder, { recursive: true, force: true });
  mkdirSync(folder, { recursive: true });
  const words = [...clipWords(language)].filter(([clip]) => wanted.size === 0 || wanted.has(clip));
  for (const [clip, text] of words) {
    const phrase = !/^(n\d|day|month|clock|letter_|oh$|am$|pm$)/.test(clip);
    const sound = level(resample(trim(speak(language, text), phrase), sampleRate));
    writeFileSync(join(folder, `${clip}.wav`), writeWav(sound, "mu-law"));
  }
  process.stdout.write(`${language}: ${words.length} clips\n`);
}
if (wanted.size === 0) writeFileSync(musicFile, writeWav(composeMusic(sampleRate), "mu-law"));
