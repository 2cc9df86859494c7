import { setTimeout as sleep } from "node:timers/promises";
import type { SipStack } from "../sip/ports.ts";
import type { Locations } from "./locations.ts";
import type { Location } from "./store.ts";

/** Routers forget the way to a phone behind them after half a minute or more (RFC 5626 section 4.4.2 counts on 30 s). */
const everyMs = 25_000;
const answerWithinMs = 6000;
/** One that is lost on the way says nothing. */
const silencesAllowed = 3;

export interface KeepAlive {
  /** It has answered before, and does so no more: calls need not wait for it. Until it registers anew. */
  isSilent(location: Location): boolean;
  close(): void;
}

/** Asks every phone that registered over UDP whether it is there (OPTIONS, RFC 3261 section 11); connections end by themselves. */
export function openKeepAlive(parts: { stack: SipStack; locations: Locations; everyMs?: number | undefined }): KeepAlive {
  const interval = parts.everyMs ?? everyMs;
  /** By registration: how often it said nothing, since it registered last. */
  const silences = new Map<string, { count: number; registeredAt: number }>();
  const stop = new AbortController();

  async function ask(location: Location): Promise<void> {
    const { id, contact, flow } = location;
    const registeredAt = location.registeredAt.getTime();
    const address = `<${contact}>`;
    const { response } = await parts.stack.request({
      ...{ method: "OPTIONS", target: contact, from: address, to: address, flow, signal: stop.signal },
      timeoutMs: answerWithinMs,
    });
    const before = silences.get(id);
    // A phone that never answers OPTIONS is not known to be gone.
    if (response) silences.set(id, { count: 0, registeredAt });
    else if (before) silences.set(id, { count: before.registeredAt === registeredAt ? before.count + 1 : 1, registeredAt });
  }

  async function round(): Promise<void> {
    const phones = parts.locations.all().filter(({ transport }) => transport === "udp");
    const there = new Set(phones.map(({ id }) => id));
    for (const id of silences.keys()) if (!there.has(id)) silences.delete(id);
    // Spread over the interval: thousands at once would be a burst.
    const apart = interval / Math.max(1, phones.length);
    for (const location of phones) {
      void ask(location).catch(() => {});
      await sleep(apart, undefined, { signal: stop.signal, ref: false });
    }
    if (phones.length === 0) await sleep(interval, undefined, { signal: stop.signal, ref: false });
  }
  const go = async () => {
    while (!stop.signal.aborted) await round();
  };
  void go().catch(() => {});

  return {
    isSilent({ id, registeredAt }) {
      const known = silences.get(id);
      return known !== undefined && known.registeredAt === registeredAt.getTime() && known.count >= silencesAllowed;
    },
    close: () => stop.abort(),
  };
}
