import type { Format } from "../../i18n/format.ts";
import { translate } from "../../i18n/i18n.ts";

/** How a unit of the usage journal becomes a number that people know. */
export interface Measure {
  /** A level is averaged over time (what lies there); an amount adds up (what happened). */
  kind: "level" | "amount";
  format: (value: number, format: Format) => string;
  /** Where the unit stands above already: at the axis of a chart. */
  short?: (value: number, format: Format) => string;
  /** What a level comes to on the bill, from its amount times hours. */
  billed?: (hours: number, format: Format) => string;
}

export function measureOf(unit: string): Measure {
  switch (unit) {
    case "byte_hours":
    case "byte_seconds":
      return {
        kind: "level",
        format: (value, format) => format.bytes(value),
        billed: (hours, format) => translate("usage.gigabyteMonths", { amount: onBill(format, gigabyteMonths(hours)) }),
      };
    case "vcpu_seconds":
      return {
        kind: "level",
        format: (value, format) => translate("usage.vcpus", { amount: small(format, value) }),
        short: (value, format) => small(format, value),
        billed: (hours, format) => translate("usage.vcpuHours", { amount: small(format, hours) }),
      };
    case "address_seconds":
      return {
        kind: "level",
        format: (value, format) => translate("usage.addresses", { count: value, amount: small(format, value) }),
        short: (value, format) => small(format, value),
        billed: (hours, format) => translate("usage.addressHours", { amount: small(format, hours) }),
      };
    case "extension_seconds":
      return {
        kind: "level",
        format: (value, format) => translate("usage.extensions", { count: value, amount: small(format, value) }),
        short: (value, format) => small(format, value),
        billed: (hours, format) => translate("usage.extensionHours", { amount: small(format, hours) }),
      };
    case "seconds":
      return { kind: "amount", format: (value, format) => format.duration(value * 1000) };
    case "bytes":
      return { kind: "amount", format: (value, format) => format.bytes(value) };
    default:
      // Money: the unit is its currency (ISO 4217).
      if (/^[A-Z]{3}$/.test(unit)) return { kind: "amount", format: (value, format) => format.money(value, unit) };
      return {
        kind: "amount",
        format: (value, format) => (value >= 1_000_000 ? format.compact(value) : format.number(Math.round(value))),
      };
  }
}

const hoursPerMonth = 730;

/** Byte-hours as invoices have them: one GB·month is 10⁹ bytes kept for 730 hours. */
export const gigabyteMonths = (byteHours: number): number => byteHours / 1e9 / hoursPerMonth;

/** Small shares must not look like nothing, nor like each other on the axis of a chart. */
const small = (format: Format, value: number): string =>
  value > 0 && value < 1 ? format.small(value) : format.number(value >= 100 ? Math.round(value) : Math.round(value * 100) / 100);

/** What is less than any price list counts is not spelled out in seven digits. */
const leastOnBill = 0.001;
const onBill = (format: Format, value: number): string =>
  value > 0 && value < leastOnBill ? `<\u00a0${format.number(leastOnBill)}` : small(format, value);

/** A quantity over time in amount times hours, whatever time it is counted in. */
export const inHours = (quantity: number, unit: string): number => (unit.endsWith("_seconds") ? quantity / 3600 : quantity);

/** The average that was there: amount over time, divided by the time. */
export const averageOf = (quantity: number, unit: string, hours: number): number =>
  hours <= 0 ? 0 : inHours(quantity, unit) / hours;

/** The relative difference to what was before; undefined where there was nothing to compare with. */
export function changeOf(now: number, before: number): number | undefined {
  return before > 0 ? (now - before) / before : undefined;
}

/** What one asks first comes first; a meter of a service newer than this list follows. */
const order = [
  "compute.vcpus",
  "compute.memory",
  "compute.disk",
  "compute.volumes",
  "compute.snapshots",
  "compute.images",
  "compute.addresses",
  "compute.traffic_out",
  "compute.traffic_in",
  "apps.memory",
  "apps.cpus",
  "apps.requests",
  "apps.sent",
  "apps.build",
  "apps.images",
  "databases.memory",
  "databases.cpus",
  "databases.disk",
  "objects.storage",
  "objects.traffic_out",
  "objects.traffic_in",
  "objects.requests_write",
  "objects.requests_read",
  "voice.call.seconds",
  "voice.call.charges",
  "voice.recording.bytes",
  "voice.extensions",
];
export const rank = (meter: string): number => (order.includes(meter) ? order.indexOf(meter) : order.length);
