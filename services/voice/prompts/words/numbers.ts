import type { Language } from "../languages.ts";

/**
 * The clips that are no phrases: numbers up to 99 and full hundreds, in the genders that a language tells apart (`n21`, `n21f`, `n21n`), days and months
 * of dates, hours of times, letters. A map from the clip to the words that are spoken.
 */
export const numberWords: Record<Language, () => Map<string, string>> = { en: english, fr: french, uk: ukrainian };

export type Gender = "m" | "f" | "n";

/** Whether a number below 100 has a clip of its own in that gender; the masculine one serves otherwise. */
export function hasOwnForm(language: Language, number: number, gender: Gender): boolean {
  const [tens, units] = [Math.floor(number / 10), number % 10];
  if (gender === "m" || language === "en" || tens === 1) return false;
  if (language === "fr") return gender === "f" && units === 1 && tens !== 7 && tens !== 9;
  return units === 1 || (units === 2 && gender === "f");
}

/** Names of letters, by the letter. Ukrainian says Latin ones in English, the others say Ukrainian ones in Ukrainian. */
export const letterNames: Record<Language, Record<string, string>> = {
  en: named(
    "abcdefghijklmnopqrstuvwxyz",
    "ay bee see dee ee eff gee aitch eye jay kay el em en oh pea queue are ess tea you vee double_you ex why zed",
  ),
  fr: named(
    "abcdefghijklmnopqrstuvwxyz",
    "a bé cé dé e effe gé ache i ji ka elle emme enne o pé ku erre esse té u vé double_vé ixe i_grec zède",
  ),
  uk: named(
    "абвгґдеєжзиіїйклмнопрстуфхцчшщьюя",
    "а бе ве ге ґе де е є же зе и і ї йот ка ел ем ен о пе ер ес те у еф ха це че ша ща м'який_знак ю я",
  ),
};

export function letterClip(letter: string): string {
  return `letter_${/[a-z]/.test(letter) ? letter : letter.codePointAt(0)!.toString(16)}`;
}

function named(letters: string, names: string): Record<string, string> {
  const words = names.split(" ");
  return Object.fromEntries([...letters].map((letter, index) => [letter, words[index]!.replaceAll("_", " ")]));
}

function letters(language: Language): [string, string][] {
  return Object.entries(letterNames[language]).map(([letter, name]) => [letterClip(letter), name]);
}

function list(prefix: string, first: number, words: string): [string, string][] {
  return words.split(" ").map((word, index) => [`${prefix}${first + index}`, word.replaceAll("_", " ")]);
}

/** Numbers below 100 in figures: every engine reads these rightly. */
function figures(): [string, string][] {
  return Array.from({ length: 100 }, (_, number) => [`n${number}`, String(number)]);
}

function hundreds(): [string, string][] {
  return Array.from({ length: 9 }, (_, index) => [`n${(index + 1) * 100}`, String((index + 1) * 100)]);
}

function english(): Map<string, string> {
  const days =
    "first second third fourth fifth sixth seventh eighth ninth tenth eleventh twelfth thirteenth fourteenth fifteenth sixteenth seventeenth eighteenth nineteenth twentieth " +
    "twenty-first twenty-second twenty-third twenty-fourth twenty-fifth twenty-sixth twenty-seventh twenty-eighth twenty-ninth thirtieth thirty-first";
  return new Map([
    ...figures(),
    ...hundreds(),
    ...list("day", 1, days),
    ...list("month", 1, "January February March April May June July August September October November December"),
    ["oh", "oh"],
    ["am", "a.m."],
    ["pm", "p.m."],
    ...letters("en"),
  ]);
}

function french(): Map<string, string> {
  const feminine = [1, 21, 31, 41, 51, 61, 81].map((number): [string, string] => {
    const tens: Record<number, string> = {
      2: "vingt et",
      3: "trente et",
      4: "quarante et",
      5: "cinquante et",
      6: "soixante et",
      8: "quatre-vingt",
    };
    return [`n${number}f`, `${tens[Math.floor(number / 10)] ?? ""} une`.trim()];
  });
  const days = Array.from({ length: 31 }, (_, index): [string, string] => [
    `day${index + 1}`,
    index === 0 ? "le premier" : `le ${index + 1}`,
  ]);
  const hours = Array.from({ length: 24 }, (_, hour): [string, string] => {
    const words: Record<number, string> = { 0: "zéro heure", 1: "une heure", 21: "vingt et une heures" };
    return [`clock${hour}`, words[hour] ?? `${hour} heures`];
  });
  return new Map([
    ...figures(),
    ...hundreds(),
    ...feminine,
    ...days,
    ...list("month", 1, "janvier février mars avril mai juin juillet août septembre octobre novembre décembre"),
    ...hours,
    ...letters("fr"),
  ]);
}

function ukrainian(): Map<string, string> {
  const tens = ["", "", "двадцять", "тридцять", "сорок", "п'ятдесят", "шістдесят", "сімдесят", "вісімдесят", "дев'яносто"];
  const genders: [string, string][] = [];
  for (const number of Array.from({ length: 100 }, (_, index) => index)) {
    const before = tens[Math.floor(number / 10)]!;
    if (hasOwnForm("uk", number, "f")) genders.push([`n${number}f`, `${before} ${number % 10 === 1 ? "одна" : "дві"}`.trim()]);
    if (hasOwnForm("uk", number, "n")) genders.push([`n${number}n`, `${before} одне`.trim()]);
  }
  const days =
    "першого другого третього четвертого п'ятого шостого сьомого восьмого дев'ятого десятого одинадцятого дванадцятого тринадцятого чотирнадцятого п'ятнадцятого " +
    "шістнадцятого сімнадцятого вісімнадцятого дев'ятнадцятого двадцятого двадцять_першого двадцять_другого двадцять_третього двадцять_четвертого двадцять_п'ятого " +
    "двадцять_шостого двадцять_сьомого двадцять_восьмого двадцять_дев'ятого тридцятого тридцять_першого";
  const hours =
    "нульовій першій другій третій четвертій п'ятій шостій сьомій восьмій дев'ятій десятій одинадцятій дванадцятій тринадцятій чотирнадцятій п'ятнадцятій шістнадцятій " +
    "сімнадцятій вісімнадцятій дев'ятнадцятій двадцятій двадцять_першій двадцять_другій двадцять_третій";
  return new Map([
    ...figures(),
    ...hundreds(),
    ...genders,
    ...list("day", 1, days),
    ...list("month", 1, "січня лютого березня квітня травня червня липня серпня вересня жовтня листопада грудня"),
    ...list("clock", 0, hours).map(([clip, hour]): [string, string] => [
      clip,
      `${hour.startsWith("о") ? "об" : "о"} ${hour} годині`,
    ]),
    ...letters("uk"),
  ]);
}
