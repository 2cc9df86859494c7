import type { Language } from "./languages.ts";
import { english } from "./words/en.ts";
import { french } from "./words/fr.ts";
import { numberWords } from "./words/numbers.ts";
import { ukrainian } from "./words/uk.ts";

const phrases: Record<Language, Record<string, string>> = { en: english, fr: french, uk: ukrainian };

/** All clips of a language with the words that are spoken. */
export function clipWords(language: Language): Map<string, string> {
  return new Map([...Object.entries(phrases[language]), ...numberWords[language]()]);
}
