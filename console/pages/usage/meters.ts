import type { Format } from "../../i18n/format.ts";

/** How a unit of the usage journal becomes a number that people know. */
export interface Measure {
  /** A level is averaged over time (what lies there); an amount adds up (what happened). */
  kind: "level" | "amount";
  format: (value: number, format: Format) => string;
}

export function measureOf(unit: string): Measure {
  switch (unit) {
    case "byte_hours":
      return { kind: "level", format: (value, format) => format.bytes(value) };
    case "byte_seconds":
      return { kind: "level", format: (value, format) => format.bytes(value) };
    case "bytes":
      return { kind: "amount", format: (value, format) => format.bytes(value) };
    default:
      return {
        kind: "amount",
        format: (value, format) => (value >= 1_000_000 ? format.compact(value) : format.number(Math.round(value))),
      };
  }
}

const hoursPerMonth = 730;

/** Byte-hours as invoices have them: one GB·month is 10⁹ bytes kept for 730 hours. */
export const gigabyteMonths = (byteHours: number): number => byteHours / 1e9 / hoursPerMonth;

/** The average that lay there: bytes over time, divided by the time. */
export function averageBytes(quantity: number, unit: string, hours: number): number {
  if (hours <= 0) return 0;
  return unit === "byte_seconds" ? quantity / 3600 / hours : quantity / hours;
}

/** The relative difference to what was before; undefined where there was nothing to compare with. */
export function changeOf(now: number, before: number): number | undefined {
  return before > 0 ? (now - before) / before : undefined;
}
