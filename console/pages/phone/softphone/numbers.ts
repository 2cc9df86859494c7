/** What is typed or pasted as something to dial: a number in any writing, an extension, a feature code, or an address. */
export function dialled(text: string): string {
  // What follows ; or ? are parameters of an address (RFC 3966, RFC 3261).
  const given =
    text
      .trim()
      .replace(/^(?:tel|sips?|callto):/i, "")
      .split(/[;?]/)[0] ?? "";
  // name@domain and names: only spaces around them are no part of it.
  if (/[a-z]/i.test(given) && !/^[\d\s().+*#/-]+(?:ext|x)\.?\s*\d+$/i.test(given)) return given.split(/\s/)[0] ?? "";
  const [number = ""] = given.split(/ext|x/i);
  const digits = number.replace(/[^\d+*#]/g, "");
  // +44 (0)20 …: the trunk zero in brackets is for callers inside of the country.
  const international = /^\+/.test(digits) && /\(0\)/.test(number) ? number.replace("(0)", "").replace(/[^\d+]/g, "") : digits;
  return (international.startsWith("+") ? "+" : "") + international.replaceAll("+", "");
}

/** Not "anonymous" and the like. */
export const isCallable = (number: string): boolean => /^[+*#]?\d/.test(number);

/** The country code in front, of one to three digits (ITU-T E.164, list of assigned codes). */
const countryCode = /^(\+(?:[17]|2[07]|3[0-469]|4[013-9]|5[1-8]|6[0-6]|8[1246]|9[0-58]|\d{3}))?(\d+)$/;

/** The rules of all countries weigh as much as a page: they come beside the pages of the phone, and with its panel. */
let international: ((number: string) => string | undefined) | undefined;
let loading: Promise<void> | undefined;
const waiting = new Set<() => void>();

/** From then on `readable` writes numbers as their countries do. Never rejects: without the rules they are grouped alike. */
export function loadFormats(): Promise<void> {
  loading ??= import("./formats.ts").then(
    (loaded) => {
      international = loaded.international;
      for (const tell of waiting) tell();
    },
    () => {
      loading = undefined;
    },
  );
  return loading;
}
/** For `useSyncExternalStore`: whether they are there. */
export const formats = {
  subscribe: (tell: () => void): (() => void) => {
    waiting.add(tell);
    void loadFormats();
    return () => waiting.delete(tell);
  },
  loaded: (): boolean => international !== undefined,
};

/** Groups of digits, so that a long number can be read; extensions and codes stay as they are. */
export function readable(number: string): string {
  if (!/^\+?\d{7,}$/.test(number)) return number;
  const known = number.startsWith("+") ? international?.(number) : undefined;
  if (known) return known;
  const [, country = "", digits = ""] = countryCode.exec(number) ?? [];
  const head = digits.slice(0, -7);
  const tail = digits.slice(-7);
  const groups = [country, head.replace(/(\d)(?=(\d{3})+$)/g, "$1 "), tail.slice(0, 3), tail.slice(3, 5), tail.slice(5)];
  return groups.filter(Boolean).join(" ");
}

/** 1:05, 12:40, 1:02:03. */
export function clock(milliseconds: number): string {
  const seconds = Math.max(0, Math.floor(milliseconds / 1000));
  const two = (value: number) => String(value).padStart(2, "0");
  const hours = Math.floor(seconds / 3600);
  const minutes = Math.floor(seconds / 60) % 60;
  return hours > 0 ? `${hours}:${two(minutes)}:${two(seconds % 60)}` : `${minutes}:${two(seconds % 60)}`;
}
