/** What the gateway tells of requests: figures by app and minute, and what is to be paid for. */
import type { RequestRecord } from "../../../gateway/log/record.ts";
import type { Tx } from "../../../kernel/db/database.ts";
import { addUsage } from "../../../kernel/metering/journal.ts";
import type { AppsParts, AppView, RequestSample } from "../parts.ts";
import type { GatewayDoor } from "./area.ts";
import { routingMeters } from "./contract.ts";
import { addDuration, percentile } from "./durations.ts";
import { requestStore } from "./store.ts";

const minuteMs = 60_000;
const hourMs = 3_600_000;
const keptMs = 30 * 24 * hourMs;
/** Nothing more comes for so long: all is read for now. */
const quietMs = 300;
/** Of a round, so that others get the worker's connection back. */
const longestRoundMs = 20_000;

/** Counts what has come since the last time; each request once, whoever is killed when: figures and position are one transaction. */
export async function countRequests(parts: AppsParts, gateway: GatewayDoor, signal: AbortSignal): Promise<void> {
  const { database } = parts;
  const stop = new AbortController();
  const end = AbortSignal.any([signal, stop.signal]);
  const began = Date.now();
  let quiet = setTimeout(() => stop.abort(), quietMs);
  try {
    const after = (log: string) => database.transaction("system", (tx) => requestStore.position(tx, log));
    for await (const { records, log, until, done } of gateway.requests(end, after)) {
      clearTimeout(quiet);
      await database.transaction("system", async (tx) => {
        // The lock of the row keeps a second one out, which would count the same lines.
        if (((await requestStore.position(tx, log)) ?? 0) >= until) return;
        await count(parts, tx, records);
        await requestStore.setPosition(tx, log, until);
      });
      await done();
      if (Date.now() - began > longestRoundMs) return;
      quiet = setTimeout(() => stop.abort(), quietMs);
    }
  } finally {
    clearTimeout(quiet);
    stop.abort();
  }
}

interface Minute {
  requests: number;
  errors: number;
  sentBytes: number;
  durations: number[];
}

/** By app, then by the beginning of the minute in which they ended. */
export function figuresOf(records: readonly RequestRecord[]): Map<string, Map<number, Minute>> {
  const apps = new Map<string, Map<number, Minute>>();
  for (const { route, status, time, durationMs, bytesOut } of records) {
    // Names that lead elsewhere are no app's work.
    if (route?.startsWith("app_") !== true) continue;
    const minutes = apps.get(route) ?? new Map<number, Minute>();
    apps.set(route, minutes);
    const at = Math.floor((time.getTime() + durationMs) / minuteMs) * minuteMs;
    const minute = minutes.get(at) ?? { requests: 0, errors: 0, sentBytes: 0, durations: [] };
    minutes.set(at, minute);
    minute.requests++;
    if (status >= 500) minute.errors++;
    minute.sentBytes += bytesOut;
    // How long a WebSocket was open says nothing about how quick the app is.
    if (status !== 101) addDuration(minute.durations, durationMs);
  }
  return apps;
}

async function count(parts: AppsParts, tx: Tx, records: readonly RequestRecord[]): Promise<void> {
  for (const [appId, minutes] of figuresOf(records)) {
    const app = await parts.deploying.find(tx, appId);
    // Deleted since: nobody looks at its figures any more.
    if (app === undefined) continue;
    const { organisationId, projectId } = app;
    const hours = new Map<number, { requests: number; sentBytes: number; from: number; to: number }>();
    for (const [at, minute] of minutes) {
      await requestStore.add(tx, { appId, organisationId, projectId, at: new Date(at), ...minute });
      const hour = Math.floor(at / hourMs) * hourMs;
      const sum = hours.get(hour) ?? { requests: 0, sentBytes: 0, from: at, to: at };
      hours.set(hour, {
        requests: sum.requests + minute.requests,
        sentBytes: sum.sentBytes + minute.sentBytes,
        from: Math.min(sum.from, at),
        to: Math.max(sum.to, at + minuteMs),
      });
    }
    for (const [hour, sum] of hours) await addUsage(tx, usageOf(app, hour, sum));
  }
}

const usageOf = (app: AppView, hour: number, sum: { requests: number; sentBytes: number; from: number; to: number }) =>
  ([["apps.requests", sum.requests] as const, ["apps.sent", sum.sentBytes] as const] as const).map(([meter, quantity]) => ({
    id: `${meter}:${app.id}:${hour / hourMs}`,
    organisationId: app.organisationId,
    projectId: app.projectId,
    service: "apps",
    resource: { kind: "app", id: app.id, name: app.name },
    meter,
    unit: routingMeters[meter].unit,
    from: new Date(sum.from),
    to: new Date(sum.to),
    quantity,
  }));

export async function samplesOf(tx: Tx, appId: string, from: Date, to: Date, stepSeconds: number): Promise<RequestSample[]> {
  const step = Math.max(60, Math.ceil(stepSeconds / 60) * 60);
  const sums = await requestStore.sums(tx, appId, from, to, step);
  const counts = new Map<number, number[]>();
  for (const { slot, step: index, count } of await requestStore.durations(tx, appId, from, to, step)) {
    const list = counts.get(slot) ?? [];
    counts.set(slot, list);
    while (list.length <= index) list.push(0);
    list[index] = count;
  }
  return sums.map(({ slot, ...sum }) => {
    const durations = counts.get(slot) ?? [];
    return {
      at: new Date(slot * step * 1000),
      ...sum,
      p50: percentile(durations, 0.5),
      p95: percentile(durations, 0.95),
      p99: percentile(durations, 0.99),
    };
  });
}

export const forgetRequests = (parts: Pick<AppsParts, "database">): Promise<void> =>
  parts.database.transaction("system", (tx) => requestStore.forgetBefore(tx, new Date(Date.now() - keptMs)));
