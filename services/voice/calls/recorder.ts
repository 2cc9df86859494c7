import type { Database, Tx } from "../../../kernel/db/database.ts";
import { emitAll } from "../../../kernel/events.ts";
import type { Id } from "../../../kernel/ids.ts";
import type { Log } from "../../../kernel/log.ts";
import { type News, tellAllWebhooks } from "../live/deliveries.ts";
import { type ActiveCallRow, activeCallStore } from "../live/store/activeCalls.ts";
import { pushStore } from "../push/store.ts";
import type { CallOutcome } from "../records/contract.ts";
import { saveCallRecords } from "../records/saving.ts";
import type { CallRowWithLegs } from "../records/store/calls.ts";
import type { Call } from "./call.ts";

/** Writes down what goes on, and the record of each call when it is over. */
export interface Recorder {
  changed(call: Call): void;
  /** Never rejects: a record that cannot be written is written again until it can. */
  finish(call: Call): Promise<void>;
  /** Resolves when what is being written now is. Never rejects. */
  settled(): Promise<void>;
  /** Waits for what is being written. */
  close(): Promise<void>;
}

/** Changes of a call come in bursts. */
const settleMs = 150;
const retryMs = 1000;
const attempts = 60;
/** Records in one transaction. */
const atOnce = 50;
/** The record of a call waits so long for others that end: a transaction costs more than what is in it. */
const gatherMs = 40;

/** What a process left when it died: its own at its next start, that of one phone system when another takes that over. */
export async function closeLeft(tx: Tx, processId: string, systemId?: string): Promise<void> {
  await saveCallRecords(tx, (await activeCallStore.clear(tx, processId, systemId)).map(cutOff));
}

export async function openRecorder({
  database,
  log,
  processId,
}: {
  database: Database;
  log: Log;
  processId: string;
}): Promise<Recorder> {
  const dirty = new Set<Call>();
  /** What webhooks have been told of each call that runs. */
  const told = new Map<string, Set<"call.started" | "call.answered">>();
  /** Whose browsers have been told that it rings. */
  const rung = new Map<string, readonly string[]>();
  const over = new Set<string>();
  const writing = new Set<Promise<void>>();
  /** Those of them that write what goes on. */
  const noting = new Set<Promise<void>>();
  const ended: { record: CallRowWithLegs; written: () => void }[] = [];
  let isEnding = false;
  let timer: NodeJS.Timeout | undefined;
  let isClosed = false;

  await database.transaction("system", (tx) => closeLeft(tx, processId));

  async function write(): Promise<void> {
    const calls = [...dirty].filter(({ id }) => !over.has(id));
    dirty.clear();
    if (calls.length === 0) return;
    const rows = calls.map((call) => rowOf(call, processId));
    await database.transaction("system", async (tx) => {
      await Promise.all([activeCallStore.put(tx, rows), tellAllWebhooks(tx, rows.flatMap(news)), emitAll(tx, changesOf(rows))]);
      for (const row of rows)
        await pushStore.tell(tx, ringsAnew(row), {
          kind: "ringing",
          callId: row.id,
          from: row.from,
          fromName: row.fromName ?? undefined,
        });
    });
  }
  /** What of a call is new to webhooks; what lasts less than a moment is only told as ended. */
  function news(row: ActiveCallRow): News[] {
    const known = told.get(row.id) ?? new Set();
    const events = (["call.started", ...(row.answeredAt === null ? [] : ["call.answered" as const])] as const).filter(
      (event) => !known.has(event),
    );
    told.set(row.id, new Set([...known, ...events]));
    return events.map((event) => ({ systemId: row.systemId, event, data: { call: activeCallTold(row) } }));
  }
  /** Extensions that it rings now and that nobody was told of; the caller's own is none. */
  function ringsAnew(row: ActiveCallRow): string[] {
    if (row.state !== "ringing") return [];
    const known = rung.get(row.id) ?? [];
    rung.set(row.id, row.extensionIds);
    return row.extensionIds.filter((id, index) => !known.includes(id) && !(row.direction !== "inbound" && index === 0));
  }
  /** Those that are over and wait for it, several in one transaction: a connection for each would leave none for calls that begin. */
  async function writeEnded(): Promise<void> {
    if (isEnding) return;
    isEnding = true;
    await new Promise((resolve) => setTimeout(resolve, gatherMs));
    while (ended.length > 0) {
      const batch = ended.splice(0, atOnce);
      // One that is being written as going on must not come back after it was taken away.
      await Promise.allSettled([...noting]);
      try {
        await keep(batch.map(({ record }) => record));
        for (const { written } of batch) written();
      } catch {
        // One of them may be why: each by itself.
        for (const { record, written } of batch) void keepAlone(record).then(written);
      }
    }
    isEnding = false;
  }
  function keep(records: CallRowWithLegs[]): Promise<void> {
    return database.transaction("system", async (tx) => {
      const ids = records.map(({ id }) => id);
      const [, fresh] = await Promise.all([activeCallStore.remove(tx, ids), saveCallRecords(tx, records)]);
      await Promise.all([tellAllWebhooks(tx, fresh.flatMap(endOf)), emitAll(tx, changesOf(records))]);
    });
  }
  async function keepAlone(record: CallRowWithLegs): Promise<void> {
    for (let attempt = 1; ; attempt++) {
      try {
        return await keep([record]);
      } catch (error) {
        log.warn({ err: error, call: record.id, attempt }, "the record of a call cannot be written");
        if (attempt === attempts || isClosed) return;
        await new Promise((resolve) => setTimeout(resolve, retryMs));
      }
    }
  }
  const track = (work: Promise<void>) => {
    writing.add(work);
    void work.finally(() => writing.delete(work));
  };

  return {
    changed(call) {
      dirty.add(call);
      timer ??= setTimeout(() => {
        timer = undefined;
        const note = write().catch((error) => log.warn({ err: error }, "what goes on cannot be written down"));
        noting.add(note);
        track(note.finally(() => noting.delete(note)));
      }, settleMs);
    },
    async finish(call) {
      const record = recordOf(call);
      over.add(call.id);
      // Else it is written as going on when it is over, and stays so.
      dirty.delete(call);
      const written = Promise.withResolvers<void>();
      ended.push({ record, written: written.resolve });
      track(written.promise);
      void writeEnded();
      await written.promise;
      over.delete(call.id);
      told.delete(call.id);
      rung.delete(call.id);
    },
    async settled() {
      await Promise.allSettled(writing);
    },
    async close() {
      clearTimeout(timer);
      await Promise.allSettled(writing);
      // Agents who rest: nobody here ends that any more.
      await database
        .transaction("system", (tx) => closeLeft(tx, processId))
        .catch((error) => log.warn({ err: error }, "what this process leaves is not cleared until it starts again"));
      isClosed = true;
    },
  };
}

/** A call as webhooks are told of it while it runs. */
const activeCallTold = ({ id, direction, state, from, fromName, to, toName, startedAt, answeredAt }: ActiveCallRow) => ({
  ...{ id, direction, state, from, fromName, to, toName },
  startedAt: startedAt.toISOString(),
  answeredAt: answeredAt?.toISOString() ?? null,
});

/** That the list of calls of each of these phone systems is another one. */
const changesOf = (calls: readonly { organisationId: string; projectId: string; systemId: string }[]) =>
  [...new Map(calls.map((call) => [call.systemId, call])).values()].map(({ organisationId, projectId, systemId }) => ({
    type: "voice.active_calls.changed",
    organisationId,
    projectId,
    payload: { phoneSystemId: systemId },
  }));

/** What webhooks are told of a call that is over. */
function endOf(record: CallRowWithLegs): News[] {
  const { id, direction, outcome, reason, fromNumber, fromName, toNumber, toName, queueId, waitSeconds, talkSeconds } = record;
  const call = {
    ...{ id, direction, outcome, reason, from: fromNumber, fromName, to: toNumber, toName, queueId, waitSeconds, talkSeconds },
    startedAt: record.startedAt.toISOString(),
    answeredAt: record.answeredAt?.toISOString() ?? null,
    endedAt: record.endedAt.toISOString(),
  };
  const { systemId } = record;
  const ended: News = { systemId, event: "call.ended", data: { call } };
  return record.queueId !== null && record.outcome === "abandoned" ? [ended, { ...ended, event: "queue.abandoned" }] : [ended];
}

const placeOf = (call: Call) => ({
  organisationId: call.plan.system.organisationId as Id<"organisation">,
  projectId: call.plan.system.projectId as Id<"project">,
  systemId: call.plan.system.id as Id<"phoneSystem">,
});

/** What is shown of somebody who hides. */
const hidden = "anonymous";

const rowOf = (call: Call, processId: string): ActiveCallRow => ({
  id: call.id,
  ...placeOf(call),
  processId,
  direction: call.direction,
  state: call.state,
  from: call.from.number ?? hidden,
  fromName: call.from.name ?? null,
  to: call.to.number,
  toName: call.to.name ?? null,
  extensionIds: [...call.extensionIds] as Id<"extension">[],
  queueId: call.queueId ?? null,
  recording: call.isRecorded,
  startedAt: call.startedAt,
  answeredAt: call.answeredAt ?? null,
});

function outcomeOf(call: Call): CallOutcome {
  if (call.outcome) return call.outcome;
  if (call.answeredAt) return "answered";
  if (call.hungUpBy === "caller" && (call.state === "queued" || call.state === "menu")) return "abandoned";
  return call.refusal.outcome;
}

function recordOf(call: Call): CallRowWithLegs {
  const endedAt = new Date();
  const seconds = (from: Date, to: Date) => Math.max(0, (to.getTime() - from.getTime()) / 1000);
  const [cost, price] = [call.amount("cost"), call.amount("price")];
  const outcome = outcomeOf(call);
  const extensionIds = new Set([...call.extensionIds, ...(outcome === "answered" ? [] : call.missedBy)]);
  const worst = call.qualities.toSorted((a, b) => a.mos - b.mos)[0];
  return {
    id: call.id,
    ...placeOf(call),
    direction: call.direction,
    outcome,
    fromNumber: call.from.number ?? hidden,
    fromName: call.from.name ?? null,
    toNumber: call.to.number,
    toName: call.to.name ?? null,
    extensionIds: [...extensionIds] as Id<"extension">[],
    trunkId: (call.trunkId as Id<"trunk"> | undefined) ?? null,
    phoneNumberId: (call.phoneNumberId as Id<"phoneNumber"> | undefined) ?? null,
    queueId: (call.queueId as Id<"callQueue"> | undefined) ?? null,
    serviceLevelSeconds: call.serviceLevelSeconds ?? null,
    country: call.country ?? null,
    startedAt: call.startedAt,
    answeredAt: call.answeredAt ?? null,
    endedAt,
    waitSeconds: seconds(call.waitingSince, call.answeredAt ?? endedAt),
    talkSeconds: call.answeredAt ? seconds(call.answeredAt, endedAt) : 0,
    cause: call.answeredAt ? 200 : call.hungUpBy === "caller" ? 487 : call.refusal.status,
    reason: (call.answeredAt ? call.endReason : call.refusal.reason) ?? null,
    hungUpBy: call.hungUpBy ?? "system",
    cost: cost ?? null,
    price: price ?? null,
    currency: cost === undefined && price === undefined ? null : call.plan.system.currency,
    quality: worst ? { mos: worst.mos, lossPercent: worst.lossReceived * 100, jitterMs: worst.jitterMs } : null,
    legs: call.legs,
    spending: call.spending,
  };
}

/** One that ran when the voice process ended: when is not known, so it counts as ended when that is seen. */
function cutOff(row: ActiveCallRow): CallRowWithLegs {
  const endedAt = new Date();
  return {
    id: row.id as Id<"call">,
    organisationId: row.organisationId as Id<"organisation">,
    projectId: row.projectId as Id<"project">,
    systemId: row.systemId as Id<"phoneSystem">,
    direction: row.direction,
    outcome: "failed",
    fromNumber: row.from,
    fromName: row.fromName,
    toNumber: row.to,
    toName: row.toName,
    extensionIds: row.extensionIds as Id<"extension">[],
    trunkId: null,
    phoneNumberId: null,
    queueId: (row.queueId as Id<"callQueue"> | null) ?? null,
    serviceLevelSeconds: null,
    country: null,
    startedAt: row.startedAt,
    answeredAt: row.answeredAt,
    endedAt,
    waitSeconds: Math.max(0, ((row.answeredAt ?? endedAt).getTime() - row.startedAt.getTime()) / 1000),
    talkSeconds: row.answeredAt ? Math.max(0, (endedAt.getTime() - row.answeredAt.getTime()) / 1000) : 0,
    cause: 500,
    reason: "The phone service was ended while the call ran.",
    hungUpBy: "system",
    cost: null,
    price: null,
    currency: null,
    quality: null,
    legs: [],
  };
}
