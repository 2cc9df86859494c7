import { useMemo } from "react";
import { type Language, useLanguage } from "./i18n.ts";

const byteUnits = ["byte", "kilobyte", "megabyte", "gigabyte", "terabyte", "petabyte"] as const;
/** IEC 80000-13; Intl has none of them. */
const memoryUnits: Record<Language, string[]> = {
  en: ["B", "KiB", "MiB", "GiB", "TiB", "PiB"],
  fr: ["o", "Kio", "Mio", "Gio", "Tio", "Pio"],
  uk: ["Б", "КіБ", "МіБ", "ГіБ", "ТіБ", "ПіБ"],
};
const spans: [Intl.RelativeTimeFormatUnit, number][] = [
  ["year", 31_557_600],
  ["month", 2_629_800],
  ["week", 604_800],
  ["day", 86_400],
  ["hour", 3600],
  ["minute", 60],
];

type Moment = string | number | Date;
const date = (moment: Moment): Date => (moment instanceof Date ? moment : new Date(moment));

function create(language: Language) {
  const number = new Intl.NumberFormat(language);
  const few = new Intl.NumberFormat(language, { maximumSignificantDigits: 2 });
  const compact = new Intl.NumberFormat(language, { notation: "compact", maximumFractionDigits: 1 });
  const percent = new Intl.NumberFormat(language, { style: "percent", maximumFractionDigits: 0 });
  const day = new Intl.DateTimeFormat(language, { dateStyle: "medium" });
  const moment = new Intl.DateTimeFormat(language, { dateStyle: "medium", timeStyle: "short" });
  const exact = new Intl.DateTimeFormat(language, { dateStyle: "full", timeStyle: "long" });
  const clock = new Intl.DateTimeFormat(language, { timeStyle: "short" });
  const relative = new Intl.RelativeTimeFormat(language, { numeric: "auto" });
  const list = new Intl.ListFormat(language, { type: "conjunction" });
  const either = new Intl.ListFormat(language, { type: "disjunction" });
  const collator = new Intl.Collator(language, { numeric: true, sensitivity: "base" });
  return {
    number: (value: number) => number.format(value),
    /** Two digits that say something, however small it is. */
    small: (value: number) => few.format(value),
    /** 12,3 k: where there is little room. */
    compact: (value: number) => compact.format(value),
    percent: (share: number) => percent.format(share),
    /** 1000 bytes to the kB, as disks and networks are sold, in the words of the language. */
    bytes: (value: number) => {
      let unit = 0;
      let rest = Math.abs(value);
      while (rest >= 999.5 && unit < byteUnits.length - 1) {
        rest /= 1000;
        unit++;
      }
      return new Intl.NumberFormat(language, {
        style: "unit",
        unit: byteUnits[unit],
        unitDisplay: unit === 0 ? "long" : "short",
        maximumFractionDigits: unit === 0 || rest >= 100 ? 0 : 1,
      }).format(value < 0 ? -rest : rest);
    },
    date: (at: Moment) => day.format(date(at)),
    dateTime: (at: Moment) => moment.format(date(at)),
    time: (at: Moment) => clock.format(date(at)),
    /** With weekday, seconds and time zone: for tooltips. */
    exact: (at: Moment) => exact.format(date(at)),
    timeAgo: (at: Moment, now = Date.now()) => {
      const seconds = (date(at).getTime() - now) / 1000;
      for (const [unit, length] of spans) {
        if (Math.abs(seconds) >= length) return relative.format(Math.trunc(seconds / length), unit);
      }
      return relative.format(0, "second");
    },
    duration: (milliseconds: number) => {
      const seconds = Math.max(0, Math.round(milliseconds / 1000));
      const unit = (value: number, name: string) =>
        new Intl.NumberFormat(language, { style: "unit", unit: name, unitDisplay: "short" }).format(value);
      if (seconds < 60) return unit(seconds, "second");
      if (seconds < 3600) return unit(Math.round(seconds / 60), "minute");
      return unit(Math.round(seconds / 360) / 10, "hour");
    },
    /** `amount` in units of the currency; small prices keep the digits that make them differ. */
    money: (amount: number, currency: string) =>
      new Intl.NumberFormat(language, {
        style: "currency",
        currency,
        ...(amount !== 0 && Math.abs(amount) < 1
          ? { minimumFractionDigits: 2, maximumSignificantDigits: 3, roundingPriority: "morePrecision" }
          : {}),
      }).format(amount),
    /** 1024 bytes to the KiB, as memory and disks of servers are counted. */
    memory: (bytes: number) => {
      const units = memoryUnits[language];
      let unit = 0;
      let rest = bytes;
      while (rest >= 1024 && unit < units.length - 1) {
        rest /= 1024;
        unit++;
      }
      return `${new Intl.NumberFormat(language, { maximumFractionDigits: rest >= 100 ? 0 : 1 }).format(rest)}\u00a0${units[unit]}`;
    },
    /** For what is entered in GiB. */
    gibibytes: `\u00a0${memoryUnits[language][3]}`,
    list: (items: string[]) => list.format(items),
    either: (items: string[]) => either.format(items),
    compare: (a: string, b: string) => collator.compare(a, b),
  };
}

export type Format = ReturnType<typeof create>;

/** Numbers, bytes, dates and lists in the forms of the chosen language. */
export function useFormat(): Format {
  const language = useLanguage();
  return useMemo(() => create(language), [language]);
}
