import type { Database } from "../../../kernel/db/database.ts";
import type { Log } from "../../../kernel/log.ts";
import { tellWebhooks } from "../live/deliveries.ts";
import type { LimitKind } from "../mails/store.ts";
import { mailLimit } from "../mails/telling.ts";
import type { Call } from "./call.ts";

/** Whoever dials all night with a stolen password is told of once an hour. */
const againMs = 3_600_000;

/** A limit against abuse refused or ended a call. Nothing of telling it may stop anything. */
export type LimitAlerts = (call: Call, limit: LimitKind) => void;

export function openLimitAlerts(parts: {
  log: Log;
  database: Pick<Database, "transaction">;
  track(work: Promise<unknown>): void;
  now?: () => number;
}): LimitAlerts {
  const { log, database, track, now = Date.now } = parts;
  const toldAt = new Map<string, number>();
  return (call, limit) => {
    const { id: systemId } = call.plan.system;
    // Those of an extension are its own.
    const key = `${systemId} ${limit}${limit.startsWith("extension") ? ` ${call.payer?.id}` : ""}`;
    const time = now();
    if (time - (toldAt.get(key) ?? Number.NEGATIVE_INFINITY) < againMs) return;
    toldAt.set(key, time);
    const { number: fromNumber = "anonymous", name: fromName = null, extensionId = null } = call.from;
    const { number } = call.to;
    log.warn({ call: call.id, limit, from: fromNumber, number }, "a limit against abuse stops a call");
    const told = database.transaction("system", async (tx) => {
      await mailLimit(tx, systemId, { limit, fromNumber, fromName, number });
      await tellWebhooks(tx, systemId, "limit.reached", {
        limit: { kind: limit, callId: call.id, number, from: fromNumber, fromName, extensionId },
      });
    });
    track(
      told.catch((error) => {
        toldAt.delete(key);
        log.error({ err: error, call: call.id, limit }, "nobody could be told that a limit stops calls");
      }),
    );
  };
}
