/**
 * `node console/i18n/check.ts`: every word in every language, no word outside of these files, and words for every reason of a refusal
 * or failure and for everything that the audit tells. Exits 1 and names what is wrong.
 */
import { readdirSync, readFileSync } from "node:fs";
import { dirname, join, relative } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import audit from "./audit.en.ts";
import { englishReasons } from "./englishReasons.ts";
import errors from "./errors.en.ts";
import failures from "./failures.en.ts";
import { reasonsOf } from "./reasons.ts";

type Message = string | Record<string, string>;
type Words = Record<string, Message>;

const here = dirname(fileURLToPath(import.meta.url));
const console_ = dirname(here);
const languages = ["en", "fr", "uk"];
const problems: string[] = [];

// French has "many" for whole millions only, where "other" reads well enough.
const forms = (language: string): string[] => new Intl.PluralRules(language).resolvedOptions().pluralCategories;
const texts = (message: Message): string[] => (typeof message === "string" ? [message] : Object.values(message));
const placeholders = (message: Message): string =>
  [...new Set(texts(message).flatMap((text) => text.match(/\{\w+\}/g) ?? []))]
    .filter((name) => name !== "{count}")
    .sort()
    .join(" ");

/** What a proofreader would mark in any text of the language. */
const typography: Record<string, [pattern: RegExp, advice: string][]> = {
  en: [],
  fr: [
    [/[^\s\u00a0\u202f/][;!?](?=\s|$)|[ ][;:!?»]|«[ ]/, "a no-break space stands before ; : ! ? and inside of « »"],
    [/\p{L}'\p{L}/u, "the apostrophe is ’"],
  ],
  uk: [
    [/\p{Script=Cyrillic}['`]\p{Script=Cyrillic}/u, "the apostrophe is ’"],
    [/\p{Script=Cyrillic}\p{Script=Latin}|[ыэъё]/iu, "a letter that is not Ukrainian"],
  ],
};

async function checkWords(): Promise<number> {
  const areas = [...new Set(readdirSync(here).flatMap((file) => /^(\w+)\.(?:en|fr|uk)\.ts$/.exec(file)?.[1] ?? []))];
  let count = 0;
  for (const area of areas) {
    const read = async (language: string): Promise<Words | undefined> => {
      try {
        return ((await import(pathToFileURL(join(here, `${area}.${language}.ts`)).href)) as { default: Words }).default;
      } catch (error) {
        problems.push(`${area}.${language}.ts: ${(error as Error).message}`);
        return undefined;
      }
    };
    const english = await read("en");
    if (english === undefined) continue;
    count += Object.keys(english).length;
    for (const language of languages) {
      const words = language === "en" ? english : await read(language);
      if (words === undefined) continue;
      const say = (key: string, problem: string) => problems.push(`${area}.${language}.ts: "${key}": ${problem}`);
      for (const key of Object.keys(english)) if (!(key in words)) say(key, "is missing");
      for (const [key, message] of Object.entries(words)) {
        const original = english[key];
        if (original === undefined) say(key, "is not in the English file");
        else if (typeof original !== typeof message) say(key, "is counted in one language and not in the other");
        else if (placeholders(original) !== placeholders(message))
          say(key, `has other placeholders than English (${placeholders(original)})`);
        if (typeof message !== "string") {
          const wanted = forms(language);
          for (const form of wanted)
            if (!(form in message) && !(language === "fr" && form === "many")) say(key, `lacks the plural form "${form}"`);
          for (const form of Object.keys(message))
            if (!wanted.includes(form)) say(key, `has the form "${form}", which the language does not`);
        }
        for (const text of texts(message)) {
          if (text.trim() === "") say(key, "is empty");
          for (const [pattern, advice] of typography[language] ?? []) if (pattern.test(text)) say(key, `${advice}: ${text}`);
        }
      }
    }
  }
  return count;
}

const spoken = /(?:^|\s)(?:label|title|text|description|placeholder|aria-label|alt|header|action)="([^"{}]*\p{L}{2}[^"{}]*)"/u;
/** Names of programs and the like are the same in all languages. */
const names =
  /^(?:Khmara|ETag|AWS CLI|photos-2026|SSH|API_KEY=…|results.|https:\/\/.*|env=production|data|pg_lsclusters .*|ssh-ed25519 .*|my-app|my-database|reports|Ctrl Enter|NULL|uploads|www\.example\.com|docker\.io.*|.health|LOG_LEVEL|www-data|nightly|npm run tidy|aws|s3cmd|rclone|QR|API|S3|CSV|JSON|cli|api)$/;

/** Text between tags, and attributes that are read out. */
function checkSource(file: string): void {
  const lines = readFileSync(file, "utf8").split("\n");
  lines.forEach((line, index) => {
    const bare = line.trim();
    if (/^(?:\/\/|\*|\/\*|import |export type|type )/.test(bare)) return;
    const between = /(?<![=-])>([^<>{}()=;&|]*\p{L}{2}[^<>{}()=;&|]*)</u.exec(line)?.[1]?.trim();
    const attribute = spoken.exec(line)?.[1]?.trim();
    for (const text of [between, attribute]) {
      if (text && !names.test(text))
        problems.push(`${relative(dirname(console_), file)}:${index + 1}: words outside of i18n: "${text}"`);
    }
  });
}

/** A reason that ends with `*` is put together at run time: one that begins so has to have words. `state_*` has words for all. */
async function checkReasons(): Promise<number> {
  const { found, unknown } = reasonsOf(dirname(console_));
  const common = Object.keys(errors).flatMap((key) => (key.startsWith("reason.") ? [key.slice("reason.".length)] : []));
  const told = ["state_", ...common, ...Object.keys(failures)];
  const english = new Set(englishReasons);
  for (const [reason, file] of found) {
    const begins = reason.endsWith("*") ? reason.slice(0, -1) : undefined;
    const hasWords = told.some((each) => (begins === undefined ? each === reason : each.startsWith(begins)));
    if (!hasWords && !english.has(reason))
      problems.push(`${file}: "${reason}": give it words in failures.*.ts, or a place in englishReasons.ts`);
    if (hasWords && english.has(reason)) problems.push(`englishReasons.ts: "${reason}" has words: take it out`);
  }
  for (const file of unknown) problems.push(`${file}: a reason that cannot be found out: write it out where the error is made`);
  for (const reason of english) if (!found.has(reason)) problems.push(`englishReasons.ts: no error has the reason "${reason}"`);
  for (const reason of Object.keys(failures))
    if (
      reason !== "state" &&
      !found.has(reason) &&
      ![...found.keys()].some((each) => isPattern(each) && reason.startsWith(each.slice(0, -1)))
    )
      problems.push(`failures.en.ts: no error has the reason "${reason}"`);
  return found.size;
}
const isPattern = (reason: string): boolean => reason.endsWith("_*");

/** Whatever changes something stands in the audit log, as a sentence. */
function checkAudit(): void {
  const api = JSON.parse(readFileSync(join(console_, "..", "openapi.json"), "utf8")) as {
    paths: Record<string, Record<string, { "x-khmara-permission"?: string }>>;
  };
  // What changes nothing of the cloud's: one's own things, and a question too long for an address.
  for (const [path, methods] of Object.entries(api.paths))
    for (const [method, { "x-khmara-permission": permission = "public" }] of Object.entries(methods))
      if (method !== "get" && !/^(public|self)$|\.read$/.test(permission) && !(`did.${permission}` in audit))
        problems.push(`audit.en.ts: no "did.${permission}" for ${method.toUpperCase()} ${path}`);
}

const count = await checkWords();
checkAudit();
const reasons = await checkReasons();
for (const entry of readdirSync(console_, { recursive: true, withFileTypes: true })) {
  if (entry.isFile() && entry.name.endsWith(".tsx")) checkSource(join(entry.parentPath, entry.name));
}
if (problems.length > 0) {
  console.error(problems.join("\n"));
  console.error(`\n${problems.length} problems in the console's words.`);
  process.exitCode = 1;
} else {
  console.log(`The console's words: ${count} keys in ${languages.length} languages, all there; ${reasons} reasons of errors.`);
}
