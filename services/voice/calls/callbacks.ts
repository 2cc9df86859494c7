import type { Destination } from "../destinations/contract.ts";
import { type CallbackRow, callbackStore } from "../live/store/callbacks.ts";
import type { PhonePlan, PlanExtension } from "../plan.ts";
import { pause } from "./abort.ts";
import { chosenAgents, giveUp, isNext, offer, type Place, type Queue, type QueueState, stateOf } from "./agents.ts";
import type { Board } from "./board.ts";
import { Call } from "./call.ts";
import { targetsOf } from "./connect.ts";
import { dial } from "./dial.ts";
import { outsideNumber } from "./outside.ts";
import type { Follow } from "./programs.ts";
import { say } from "./say.ts";
import { ringback } from "./sounds.ts";

/**
 * Callers who would rather be called than wait: they keep their place in the queue, and when it is their turn an agent is called, and then they are. It is
 * the agent who calls them, so only where the agent may call. Promises are rows: they outlive the process.
 */

const roundMs = 300;
const mostAttempts = 3;
const againMs = 5 * 60_000;
/** The promise of yesterday helps nobody. */
const keptMs = 24 * 3600_000;

/** Only who shows a number that can be called. */
export const canBeCalledBack = (call: Call): boolean => destinationOf(call.plan, call.other.number) !== undefined;

function destinationOf(plan: PhonePlan, number: string | undefined): Destination | undefined {
  if (number === undefined) return undefined;
  const extension = plan.extensions.find((each) => each.number === number);
  if (extension) return { kind: "extension", id: extension.id as never };
  const e164 = outsideNumber(number, plan.system.country)?.e164;
  return e164 === undefined ? undefined : { kind: "number", number: e164 };
}

/** The caller's place is kept by a promise; the caller is told so. @throws the reason of `signal` */
export async function promiseCallback(
  call: Call,
  queue: Queue,
  state: QueueState,
  place: Place,
  follow: Follow,
  signal: AbortSignal,
): Promise<void> {
  const { board, plan, other: from } = call;
  const number = from.number as string;
  const row: CallbackRow = {
    callId: call.id,
    queueId: queue.id,
    systemId: plan.system.id,
    organisationId: plan.system.organisationId,
    number,
    name: from.name ?? null,
    language: call.language,
    since: new Date(place.since),
    attempts: 0,
    dueAt: new Date(),
  };
  // Who has been promised it before keeps that place.
  if (await board.database.transaction("system", (tx) => callbackStore.insert(tx, row))) {
    const kept: Place = { since: place.since, rings: false, missedBy: new Set(), notBefore: 0 };
    state.waiting.splice(state.waiting.indexOf(place), 1, kept);
    board.track(serve(board, row, kept, follow));
  } else giveUp(state, place);
  call.outcome = "callback";
  call.setState("menu");
  await say(call, ["queue_callback_number", { digits: number }, "queue_callback_kept", "goodbye"], signal);
}

/** Goes on with what was promised in the phone systems that this process serves, now and whenever it comes to serve another. */
export async function resumeCallbacks(board: Board, follow: Follow): Promise<void> {
  const served = new Set<string>();
  const resume = async (systemId: string) => {
    served.add(systemId);
    for (const row of await board.database.transaction("system", (tx) => callbackStore.list(tx, { systemId }))) {
      if (awaited.get(board)?.has(row.callId)) continue;
      const place: Place = { since: row.since.getTime(), rings: false, missedBy: new Set(), notBefore: row.dueAt.getTime() };
      stateOf(board, row.queueId).waiting.push(place);
      board.track(serve(board, row, place, follow));
    }
  };
  board.plans.onChange((systemId, plan) => {
    if (!plan) served.delete(systemId);
    else if (!served.has(systemId))
      board.track(
        resume(systemId).catch((error) => board.log.error({ err: error, systemId }, "callers will not be called back")),
      );
  });
  for (const { system } of board.plans.all()) await resume(system.id);
}

/** By the calls in which it was promised. */
const awaited = new WeakMap<Board, Set<string>>();

/** Until they have been called, or it is too late. Never rejects. */
async function serve(board: Board, row: CallbackRow, place: Place, follow: Follow): Promise<void> {
  const state = stateOf(board, row.queueId);
  const all = awaited.get(board) ?? new Set();
  awaited.set(board, all.add(row.callId));
  try {
    for (;;) {
      await pause(roundMs, board.closing);
      try {
        if (await isDone(board, row, state, place, follow)) return;
      } catch (error) {
        board.closing.throwIfAborted();
        board.log.warn({ err: error, call: row.callId }, "a caller could not be called back");
        await pause(againMs, board.closing);
      }
    }
  } catch (error) {
    if (!board.closing.aborted) board.log.error({ err: error, call: row.callId }, "a caller will not be called back");
  } finally {
    all.delete(row.callId);
    giveUp(state, place);
  }
}

/** Looks whether it is their turn, and calls them. @throws what the database throws */
async function isDone(board: Board, row: CallbackRow, state: QueueState, place: Place, follow: Follow): Promise<boolean> {
  const plan = board.plans.of(row.systemId);
  const queue = plan?.elements.queues.find(({ id }) => id === row.queueId);
  // Its row went with the queue, or another process serves it.
  if (!plan || !queue) return true;
  const isLate = Date.now() - place.since > keptMs;
  if (!isLate) {
    const agents = isNext(state, place) ? chosenAgents(board, plan, queue, state, place) : [];
    if (agents.length === 0) return false;
    const came = await attempt({ board, plan, queue, state, place, row }, agents, follow);
    if (came === "no_agent") return false;
    row.attempts++;
    if (came === "missed" && row.attempts < mostAttempts) {
      row.dueAt = new Date(Date.now() + againMs);
      place.notBefore = row.dueAt.getTime();
      state.waiting.unshift(place);
      // Unless they have asked for it anew meanwhile.
      return !(await board.database.transaction("system", (tx) => callbackStore.insert(tx, row)));
    }
    return true;
  }
  await board.database.transaction("system", (tx) => callbackStore.remove(tx, row.callId));
  return true;
}

interface Turn {
  board: Board;
  plan: PhonePlan;
  queue: Queue;
  state: QueueState;
  place: Place;
  row: CallbackRow;
}

/** An agent is called, and by the agent who waits. */
async function attempt(turn: Turn, agents: PlanExtension[], follow: Follow): Promise<"no_agent" | "missed" | "reached"> {
  const { board, plan, queue, state, place, row } = turn;
  const waiting = { number: row.number, name: row.name ?? undefined };
  const to = destinationOf(plan, row.number);
  const call = new Call(board, {
    plan,
    direction: "internal",
    from: waiting,
    to: { number: queue.number ?? queue.name, name: queue.name },
    language: row.language,
    waitingSince: row.since,
  });
  call.queueId = queue.id;
  call.serviceLevelSeconds = queue.serviceLevelSeconds;
  call.namePrefix = queue.namePrefix ?? "";
  const answered = await offer({ ...turn, organisationId: row.organisationId }, agents, {
    async ring() {
      const options = {
        stack: board.stack,
        media: call.media,
        caller: undefined,
        ringSeconds: queue.ringSeconds,
        ringback: ringback(plan),
        events: call.partyEvents,
        onParty: (party: Parameters<Call["add"]>[0]) => call.add(party, "extension"),
      };
      const targets = agents.flatMap((extension) => targetsOf(call, extension));
      return (await dial(targets, options, board.closing)).party;
    },
    async talk(party) {
      giveUp(state, place);
      await board.database.transaction("system", (tx) => callbackStore.remove(tx, row.callId));
      call.from = party.who;
      call.payer = call.extension(party.who.extensionId);
      call.to = waiting;
      call.note("queue", queue.id, queue.name);
      await call.run(party, async (signal) => {
        await say(call, "transferring", signal);
        if (to) await follow(call, to, signal);
        if (!call.answeredAt) await say(call, "no_answer", signal);
      });
    },
  });
  if (!answered) return "no_agent";
  return call.answeredAt ? "reached" : "missed";
}
