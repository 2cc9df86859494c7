import { createElement, Fragment, type ReactNode, useSyncExternalStore } from "react";
import type { Area, Message, MessageKey, Values } from "./message.ts";

export const languages = ["en", "fr", "uk"] as const;
export type Language = (typeof languages)[number];
/** Each language in its own words, as people look for it. */
export const languageNames: Record<Language, string> = { en: "English", fr: "Français", uk: "Українська" };

const files = import.meta.glob<{ default: Record<string, Message> }>("./*.{en,fr,uk}.ts");
const stored = "khmara.language";
const againMs = 500;
const isLanguage = (value: unknown): value is Language => languages.includes(value as Language);

function firstLanguage(): Language {
  const chosen = localStorage.getItem(stored);
  if (isLanguage(chosen)) return chosen;
  for (const tag of navigator.languages) {
    const base = tag.slice(0, 2).toLowerCase();
    if (isLanguage(base)) return base;
  }
  return "en";
}

let current: Language = firstLanguage();
let messages = new Map<string, Message>();
const areas = new Map<Area, Promise<void>>();
const listeners = new Set<() => void>();
const plurals = new Map<Language, Intl.PluralRules>();
const numbers = new Map<Language, Intl.NumberFormat>();

async function read(area: Area, language: Language, into: Map<string, Message>): Promise<void> {
  const file = files[`./${area}.${language}.ts`];
  if (file === undefined) throw new Error(`No words for ${area} in ${language}`);
  // A line that breaks for a moment is no reason for a page without words.
  const words = await file().catch(async () => {
    await new Promise((waited) => setTimeout(waited, againMs));
    return file();
  });
  for (const [key, message] of Object.entries(words.default)) into.set(`${area}.${key}`, message);
}

/** Fetches the words that a page needs; asked again it answers at once. */
export async function loadAreas(wanted: readonly Area[]): Promise<void> {
  await Promise.all(
    wanted.map((area) => {
      let loading = areas.get(area);
      if (loading === undefined) {
        loading = read(area, current, messages);
        areas.set(area, loading);
        loading.catch(() => areas.delete(area));
      }
      return loading;
    }),
  );
}

export const currentLanguage = (): Language => current;
export const storedLanguage = (): Language | undefined => {
  const value = localStorage.getItem(stored);
  return isLanguage(value) ? value : undefined;
};

/** Loads everything that is shown in the new language before switching, so that words never flicker. */
export async function setLanguage(language: Language): Promise<void> {
  localStorage.setItem(stored, language);
  if (language === current) return;
  const next = new Map<string, Message>();
  await Promise.all([...areas.keys()].map((area) => read(area, language, next)));
  messages = next;
  current = language;
  document.documentElement.lang = language;
  for (const listener of listeners) listener();
}

function find(key: string, values: Record<string, unknown> | undefined): string {
  const message = messages.get(key);
  if (message === undefined) return key;
  if (typeof message === "string") return message;
  const rules = plurals.get(current) ?? new Intl.PluralRules(current);
  plurals.set(current, rules);
  const form = rules.select(Number(values?.["count"] ?? 0)) as keyof typeof message;
  return message[form] ?? message.other;
}

function shown(value: unknown): string {
  if (typeof value !== "number") return String(value);
  const format = numbers.get(current) ?? new Intl.NumberFormat(current);
  numbers.set(current, format);
  return format.format(value);
}

/** The words for a key in the language of now. In components use `useT`, which follows a change of language. */
export function translate<K extends MessageKey>(key: K, ...[values]: Values<K, string | number>): string {
  const given = values as Record<string, unknown> | undefined;
  return find(key, given).replace(/\{(\w+)\}/g, (whole, name: string) => (given && name in given ? shown(given[name]) : whole));
}

/** For keys that are put together at run time (`errors.` + reason): undefined where there are no words. */
export function translateMaybe(key: string, values?: Record<string, string | number>): string | undefined {
  if (!messages.has(key)) return undefined;
  return find(key, values).replace(/\{(\w+)\}/g, (whole, name: string) =>
    values && name in values ? shown(values[name]) : whole,
  );
}

/** As `translate`, with elements in the places of the placeholders. */
export function rich<K extends MessageKey>(key: K, ...[values]: Values<K, ReactNode>): ReactNode {
  const given = (values ?? {}) as Record<string, ReactNode>;
  const parts = find(key, given as Record<string, unknown>).split(/\{(\w+)\}/g);
  const nodes = parts.map((part, index) => {
    if (index % 2 === 0) return part;
    const value = given[part];
    return typeof value === "number" ? shown(value) : value;
  });
  return createElement(Fragment, null, ...nodes);
}

const subscribe = (listener: () => void) => {
  listeners.add(listener);
  return () => listeners.delete(listener);
};

export const useLanguage = (): Language => useSyncExternalStore(subscribe, currentLanguage);

/** `const t = useT(); t("people.title")`; `t.rich` takes elements as values. */
export function useT(): typeof t {
  useLanguage();
  return t;
}
const t = Object.assign(translate, { rich });
