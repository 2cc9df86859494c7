import { existsSync } from "node:fs";
import { fileURLToPath } from "node:url";
import type { Language } from "./languages.ts";
import type { Phrase } from "./words/en.ts";
import { type Gender, hasOwnForm, letterClip, letterNames } from "./words/numbers.ts";

/** What can be counted: a clip for each of its plural forms, `<noun>_one`, `_few`, `_many`. */
export type Noun = "voicemail_new" | "voicemail_saved" | "conference_member" | "minute" | "second" | "hour" | "thousand";

/** A piece of what is said: a phrase, a value that is said by the grammar of the language, or somebody's own recording (a name, a greeting). */
export type Saying =
  | Phrase
  | { number: number; noun?: Noun }
  /** Figure by figure, with `+ * #`; whatever else is in it is left out. */
  | { digits: string }
  /** Letter by letter, and figures. */
  | { letters: string }
  /** "twenty second of November" with today and yesterday by their names, as seen at `now`. */
  | { date: Date; timeZone: string; now: Date }
  /** "at two thirty p.m." */
  | { time: Date; timeZone: string }
  | { file: string };

/** One sound: a clip of a language, or a file. */
export type Clip = { language: Language; clip: string } | { file: string };

const clips = fileURLToPath(new URL("clips/", import.meta.url));

const genders: Record<"fr" | "uk", Partial<Record<Noun, Gender>>> = {
  fr: { minute: "f", second: "f", hour: "f" },
  uk: { minute: "f", second: "f", hour: "f", thousand: "f", voicemail_new: "n", voicemail_saved: "n" },
};

const signs: Record<string, Phrase> = { "*": "star", "#": "hash", "+": "plus" };

/** The clips one after the other. Pure: the same words give the same clips. */
export function say(language: Language, sayings: readonly Saying[]): Clip[] {
  return sayings.flatMap((saying) => sayOne(language, saying));
}

/** For the media engine: a sequence of files. `own` gives the file of a word that somebody says in their own way. */
export function sayingSource(
  language: Language,
  sayings: readonly Saying[],
  own: (clip: { language: Language; clip: string }) => string | undefined = () => undefined,
): { sequence: { file: string }[] } {
  const fileOf = (clip: Clip) => ("clip" in clip ? own(clip) : undefined) ?? clipFile(clip);
  return { sequence: say(language, sayings).map((clip) => ({ file: fileOf(clip) })) };
}

/** The WAV file of a clip, an absolute path. @throws when there is none: the table of words has it, but the clips were not made anew */
export function clipFile(clip: Clip): string {
  if ("file" in clip) return clip.file;
  const file = `${clips}${clip.language}/${clip.clip}.wav`;
  if (!existsSync(file)) throw new Error(`There is no recording ${file}; make them anew: node tools/make-prompts.ts`);
  return file;
}

function sayOne(language: Language, saying: Saying): Clip[] {
  if (typeof saying === "string") return [{ language, clip: saying }];
  if ("file" in saying) return [saying];
  if ("digits" in saying) return [...saying.digits].flatMap((sign) => figure(language, sign));
  if ("letters" in saying) return [...saying.letters.toLowerCase()].flatMap((letter) => spell(language, letter));
  if ("date" in saying) return named(language, dateClips(language, saying));
  if ("time" in saying) return named(language, timeClips(language, saying));
  return named(language, countClips(language, saying.number, saying.noun));
}

function named(language: Language, names: readonly string[]): Clip[] {
  return names.map((clip) => ({ language, clip }));
}

function figure(language: Language, sign: string): Clip[] {
  if (/[0-9]/.test(sign)) return [{ language, clip: `n${sign}` }];
  const phrase = signs[sign];
  return phrase === undefined ? [] : [{ language, clip: phrase }];
}

/** A letter of another alphabet is said in a language that has it. */
function spell(language: Language, letter: string): Clip[] {
  const speaker = [language, "en" as const, "uk" as const].find((one) => letterNames[one][letter] !== undefined);
  if (speaker !== undefined) return [{ language: speaker, clip: letterClip(letter) }];
  // é and the like are said as the letter below the accent; ї and й have names of their own and were found.
  const base = letter.normalize("NFD")[0]!;
  return base === letter ? figure(language, letter) : spell(language, base);
}

function countClips(language: Language, number: number, noun: Noun | undefined): string[] {
  const words = numberClips(language, number, noun === undefined || language === "en" ? "m" : (genders[language][noun] ?? "m"));
  return noun === undefined ? words : [...words, `${noun}_${pluralForm(language, number)}`];
}

/** French and English have two forms: the clips of the second one and the third one sound the same. */
function pluralForm(language: Language, number: number): "one" | "few" | "many" {
  const form = new Intl.PluralRules(language).select(number);
  return form === "one" || form === "few" ? form : "many";
}

/** Below a million; larger ones and such that are no whole numbers are said figure by figure. */
function numberClips(language: Language, number: number, gender: Gender): string[] {
  if (!Number.isInteger(number) || number < 0 || number >= 1_000_000)
    return [...String(number)].flatMap((sign) =>
      sign === "." ? ["point"] : figure(language, sign).map((clip) => ("clip" in clip ? clip.clip : "")),
    );
  if (number === 0) return ["n0"];
  const [thousands, hundreds, rest] = [Math.floor(number / 1000), Math.floor((number % 1000) / 100), number % 100];
  return [
    ...thousandClips(language, thousands),
    ...(hundreds === 0 ? [] : [`n${hundreds * 100}`]),
    ...(rest === 0 ? [] : [hasOwnForm(language, rest, gender) ? `n${rest}${gender}` : `n${rest}`]),
  ];
}

function thousandClips(language: Language, thousands: number): string[] {
  if (thousands === 0) return [];
  // "mille" and "тисяча" need no "one" before them.
  if (thousands === 1 && language !== "en") return ["thousand_one"];
  return [...numberClips(language, thousands, language === "uk" ? "f" : "m"), `thousand_${pluralForm(language, thousands)}`];
}

interface Moment {
  year: number;
  month: number;
  day: number;
  hour: number;
  minute: number;
}

function momentIn(timeZone: string, date: Date): Moment {
  const format = new Intl.DateTimeFormat("en", {
    timeZone,
    year: "numeric",
    month: "numeric",
    day: "numeric",
    hour: "numeric",
    minute: "numeric",
    hourCycle: "h23",
  });
  const parts = Object.fromEntries(format.formatToParts(date).map(({ type, value }) => [type, Number(value)]));
  return { year: parts["year"]!, month: parts["month"]!, day: parts["day"]!, hour: parts["hour"]!, minute: parts["minute"]! };
}

function dateClips(language: Language, { date, timeZone, now }: { date: Date; timeZone: string; now: Date }): string[] {
  const [then, today] = [momentIn(timeZone, date), momentIn(timeZone, now)];
  const daysAgo = (Date.UTC(today.year, today.month - 1, today.day) - Date.UTC(then.year, then.month - 1, then.day)) / 86_400_000;
  if (daysAgo === 0) return ["today"];
  if (daysAgo === 1) return ["yesterday"];
  return language === "en" ? [`month${then.month}`, `day${then.day}`] : [`day${then.day}`, `month${then.month}`];
}

function timeClips(language: Language, { time, timeZone }: { time: Date; timeZone: string }): string[] {
  const { hour, minute } = momentIn(timeZone, time);
  if (language === "en") {
    const minutes = minute === 0 ? [] : minute < 10 ? ["oh", `n${minute}`] : [`n${minute}`];
    return ["at", `n${hour % 12 === 0 ? 12 : hour % 12}`, ...minutes, hour < 12 ? "am" : "pm"];
  }
  if (language === "fr") return ["at", `clock${hour}`, ...(minute === 0 ? [] : numberClips("fr", minute, "f"))];
  return [`clock${hour}`, ...(minute === 0 ? [] : countClips("uk", minute, "minute"))];
}
