import type { PhoneCall } from "./contract.ts";

const columns = {
  id: (call) => call.id,
  started_at: (call) => call.startedAt,
  answered_at: (call) => call.answeredAt,
  ended_at: (call) => call.endedAt,
  direction: (call) => call.direction,
  outcome: (call) => call.outcome,
  from_number: (call) => call.fromNumber,
  from_name: (call) => call.fromName,
  to_number: (call) => call.toNumber,
  to_name: (call) => call.toName,
  wait_seconds: (call) => call.waitSeconds,
  talk_seconds: (call) => call.talkSeconds,
  cause: (call) => call.cause,
  reason: (call) => call.reason,
  hung_up_by: (call) => call.hungUpBy,
  trunk: (call) => call.trunkId,
  queue: (call) => call.queueId,
  country: (call) => call.country,
  cost: (call) => call.cost,
  price: (call) => call.price,
  currency: (call) => call.currency,
  mos: (call) => call.quality?.mos,
  loss_percent: (call) => call.quality?.lossPercent,
  jitter_ms: (call) => call.quality?.jitterMs,
} as const satisfies Record<string, (call: PhoneCall) => string | number | undefined>;

/** RFC 4180. Names come from strangers: one that a spreadsheet would take for a formula gets an apostrophe; a number stays as it is. */
function field(value: string | number | undefined): string {
  if (value === undefined) return "";
  const text = String(value);
  const safe = /^[=@\t\r]|^[+-](?![0-9.]+$)/.test(text) ? `'${text}` : text;
  return /[",\r\n]/.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe;
}

export const csvLineOf = (values: readonly (string | number | undefined)[]): string => `${values.map(field).join(",")}\r\n`;

export const csvHead = (): string => csvLineOf(Object.keys(columns));
export const csvLine = (call: PhoneCall): string => csvLineOf(Object.values(columns).map((value) => value(call)));
