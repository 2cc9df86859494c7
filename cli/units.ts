const sizes: Record<string, number> = { "": 1, b: 1 };
for (const [power, letter] of [..."kmgtp"].entries()) {
  sizes[`${letter}b`] = 1000 ** (power + 1);
  sizes[`${letter}ib`] = 1024 ** (power + 1);
  sizes[letter] = 1024 ** (power + 1);
}

/** `10GiB` → 10737418240. Undefined when it is no number. */
export function parseSize(text: string): number | undefined {
  const [, number, unit] = /^(-?\d+(?:\.\d+)?)\s*([a-z]*)$/i.exec(text.replaceAll("_", "")) ?? [];
  const factor = sizes[(unit ?? "?").toLowerCase()];
  return number === undefined || factor === undefined ? undefined : Math.round(Number(number) * factor * 1e6) / 1e6;
}

/** 10737418240 → `10 GiB`. */
export function formatSize(bytes: number): string {
  let value = bytes;
  let unit = 0;
  while (Math.abs(value) >= 1024 && unit < 5) {
    value /= 1024;
    unit++;
  }
  const digits = unit === 0 || Math.abs(value) >= 100 ? 0 : 1;
  return `${value.toFixed(digits).replace(/\.0$/, "")} ${["B", "KiB", "MiB", "GiB", "TiB", "PiB"][unit]}`;
}

const spans: Record<string, number> = { s: 1, m: 60, h: 3600, d: 86_400, w: 604_800 };

/** A moment as people write it (`2026-11-21`, `2026-11-21 15:00`, `now`, `7d` for a week ago) as RFC 3339. Undefined when it is none. */
export function parseTime(text: string, nowMs = Date.now()): string | undefined {
  if (text === "now") return new Date(nowMs).toISOString();
  const [, count, span] = /^(\d+)([smhdw])$/.exec(text) ?? [];
  if (count !== undefined && span !== undefined)
    return new Date(nowMs - Number(count) * (spans[span] as number) * 1000).toISOString();
  if (!/^\d{4}-\d{2}-\d{2}/.test(text)) return undefined;
  // A date alone is midnight where the person is, not in Greenwich.
  const time = new Date(/^\d{4}-\d{2}-\d{2}$/.test(text) ? `${text}T00:00` : text.replace(" ", "T"));
  return Number.isNaN(time.getTime()) ? undefined : time.toISOString();
}

/** `2026-11-21 15:37`, in the local time zone. */
export function formatTime(rfc3339: string): string {
  const time = new Date(rfc3339);
  if (Number.isNaN(time.getTime())) return rfc3339;
  const two = (value: number) => String(value).padStart(2, "0");
  return `${time.getFullYear()}-${two(time.getMonth() + 1)}-${two(time.getDate())} ${two(time.getHours())}:${two(time.getMinutes())}`;
}

/** 95 → `1:35`. */
export function formatSeconds(seconds: number): string {
  const whole = Math.max(0, Math.round(seconds));
  const [hours, minutes, rest] = [Math.floor(whole / 3600), Math.floor((whole % 3600) / 60), whole % 60];
  const two = (value: number) => String(value).padStart(2, "0");
  return hours > 0 ? `${hours}:${two(minutes)}:${two(rest)}` : `${minutes}:${two(rest)}`;
}
