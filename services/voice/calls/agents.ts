import { setAgentState } from "../elements/agents.ts";
import { missedReason } from "../elements/shapes/contract.ts";
import { type AgentActivity, activeCallStore } from "../live/store/activeCalls.ts";
import type { PhonePlan, PlanExtension } from "../plan.ts";
import type { Board } from "./board.ts";
import { shuffled } from "./groups.ts";
import type { Party } from "./party.ts";

/** Who waits in a queue, what its agents do, and which of them is called next. */

export type Queue = PhonePlan["elements"]["queues"][number];

/** Of a caller who waits, or of one who is to be called back. Times are milliseconds since 1970. */
export interface Place {
  readonly since: number;
  /** Agents are called for it. */
  rings: boolean;
  /** Who was called for it and did not answer: the others go first. */
  readonly missedBy: Set<string>;
  notBefore: number;
}

/** What an agent did in a queue, as long as the process lives. */
interface Agent {
  state: "free" | "ringing" | "talking" | "wrap_up";
  until: number;
  calls: number;
  idleSince: number;
  /** Calls that were not answered, one after the other. */
  misses: number;
}

export interface QueueState {
  readonly waiting: Place[];
  readonly agents: Map<string, Agent>;
  /** With whom `round_robin` goes on. */
  turn: number;
  /** How long agents had their last calls, with the rest after each: milliseconds. */
  handledMs: number[];
}

const states = new WeakMap<Board, Map<string, QueueState>>();
/** Who did not answer is not called again at once. */
const missedMs = 3000;
const mostHandled = 20;

export function stateOf(board: Board, queueId: string): QueueState {
  const ofBoard = states.get(board) ?? new Map<string, QueueState>();
  states.set(board, ofBoard);
  const state = ofBoard.get(queueId) ?? { waiting: [], agents: new Map(), turn: 0, handledMs: [] };
  ofBoard.set(queueId, state);
  return state;
}

/** Nothing happens when it is not there any more. */
export function giveUp(state: QueueState, place: Place): void {
  const at = state.waiting.indexOf(place);
  if (at >= 0) state.waiting.splice(at, 1);
}

/** Nobody who is to have an agent now stands before it. */
export const isNext = (state: QueueState, place: Place): boolean =>
  state.waiting.find(({ rings, notBefore }) => !rings && notBefore <= Date.now()) === place;

/** From 1 on; who is to be called back later is not in the way. */
export const positionOf = (state: QueueState, place: Place): number =>
  1 + state.waiting.slice(0, state.waiting.indexOf(place)).filter(({ notBefore }) => notBefore <= Date.now()).length;

/** Logged in, and not paused. */
export const worksNow = (queue: Queue, extensionId: string): boolean =>
  queue.states.some((state) => state.extensionId === extensionId && state.loggedIn && !state.paused);

/** How long it is until this place has an agent, by the last calls; undefined before the first of them. */
export function secondsUntil(queue: Queue, state: QueueState, place: Place): number | undefined {
  const working = queue.agents.filter(({ extension }) => worksNow(queue, extension)).length;
  if (state.handledMs.length === 0 || working === 0) return undefined;
  const mean = state.handledMs.reduce((sum, ms) => sum + ms, 0) / state.handledMs.length;
  return (positionOf(state, place) * mean) / working / 1000;
}

function agentOf(state: QueueState, extensionId: string): Agent {
  const agent = state.agents.get(extensionId) ?? { state: "free" as const, until: 0, calls: 0, idleSince: 0, misses: 0 };
  state.agents.set(extensionId, agent);
  return agent;
}

/** In any of its queues: who rests after a call of one is not called by another. */
const isOccupied = (board: Board, extensionId: string): boolean =>
  [...(states.get(board)?.values() ?? [])].some(({ agents }) => {
    const agent = agents.get(extensionId);
    return agent !== undefined && (agent.state !== "free" || Date.now() < agent.until);
  });

/** Who is called now: those that have not missed this caller yet, of the best priority that has somebody free, as the strategy says. */
export function chosenAgents(board: Board, plan: PhonePlan, queue: Queue, state: QueueState, place: Place): PlanExtension[] {
  const isFree = (extensionId: string) => {
    const extension = plan.extensions.find(({ id }) => id === extensionId);
    if (!extension || extension.doNotDisturb || !worksNow(queue, extensionId)) return undefined;
    if (isOccupied(board, extensionId) || board.partiesOf(extensionId).length > 0) return undefined;
    const enabled = new Set(extension.devices.filter((device) => device.enabled).map(({ id }) => id));
    return board.locations.ofExtension(extensionId).some(({ deviceId }) => enabled.has(deviceId)) ? extension : undefined;
  };
  const free = queue.agents.flatMap(({ extension, priority }) => {
    const found = isFree(extension);
    return found ? [{ extension: found, priority, agent: agentOf(state, extension) }] : [];
  });
  const untried = free.filter(({ extension }) => !place.missedBy.has(extension.id));
  if (untried.length === 0) place.missedBy.clear();
  const next = untried.length > 0 ? untried : free;
  const best = Math.min(...next.map(({ priority }) => priority));
  const able = next.filter(({ priority }) => priority === best);
  if (able.length === 0) return [];
  const extensions = (list: typeof able) => list.map(({ extension }) => extension);
  switch (queue.strategy) {
    case "ring_all":
      return extensions(able);
    case "longest_idle":
      return extensions(able.toSorted((a, b) => a.agent.idleSince - b.agent.idleSince)).slice(0, 1);
    case "fewest_calls":
      return extensions(able.toSorted((a, b) => a.agent.calls - b.agent.calls)).slice(0, 1);
    case "random":
      return extensions(shuffled(able)).slice(0, 1);
    case "in_order":
      return extensions(able).slice(0, 1);
    case "round_robin": {
      const ids = queue.agents.map(({ extension }) => extension as string);
      const after = (id: string) => (ids.indexOf(id) - state.turn + ids.length) % ids.length;
      const next = extensions(able).toSorted((a, b) => after(a.id) - after(b.id))[0] as PlanExtension;
      state.turn = (ids.indexOf(next.id) + 1) % ids.length;
      return [next];
    }
  }
}

/** Agents ring for this place; whether one of them answered and had it, to its end. @throws what `ring` and `talk` throw */
export async function offer(
  at: { board: Board; organisationId: string; queue: Queue; state: QueueState; place: Place },
  agents: PlanExtension[],
  work: {
    ring(): Promise<Party | undefined>;
    talk(party: Party): Promise<void>;
    /** They ring for a shorter time than agents have: not to answer is no miss. */
    isShort?: boolean;
  },
): Promise<boolean> {
  const { queue, state, place } = at;
  place.rings = true;
  for (const { id } of agents) setAgent(at, id, "ringing");
  let answeredBy: string | undefined;
  let began = 0;
  let isMissed = false;
  try {
    const party = await work.ring();
    isMissed = !party;
    if (!party) return false;
    began = Date.now();
    answeredBy = party.who.extensionId;
    if (answeredBy) {
      agentOf(state, answeredBy).misses = 0;
      setAgent(at, answeredBy, "talking");
    }
    for (const { id } of agents) if (id !== answeredBy) rest(at, id, 0);
    await work.talk(party);
    return true;
  } finally {
    place.rings = false;
    if (answeredBy) {
      const wrapUpMs = queue.wrapUpSeconds * 1000;
      state.handledMs = [...state.handledMs, Date.now() - began + wrapUpMs].slice(-mostHandled);
      wrapUp(at, answeredBy, wrapUpMs);
    }
    for (const { id } of agents) {
      if (id === answeredBy || agentOf(state, id).state !== "ringing") continue;
      rest(at, id, isMissed ? missedMs : 0);
      if (!isMissed) continue;
      place.missedBy.add(id);
      if (!work.isShort) missed(at, id);
    }
  }
}

type At = Parameters<typeof offer>[0];

/** Who is not at their desk keeps callers waiting: after so many misses they pause, until they say that they are back. */
function missed(at: At, extensionId: string): void {
  const agent = agentOf(at.state, extensionId);
  agent.misses++;
  const { pauseAfterMisses, id } = at.queue;
  if (pauseAfterMisses === 0 || agent.misses < pauseAfterMisses) return;
  agent.misses = 0;
  write(at.board, async (tx) => void (await setAgentState(tx, id, extensionId, { paused: true, pauseReason: missedReason })));
}

function wrapUp(at: At, extensionId: string, ms: number): void {
  const agent = agentOf(at.state, extensionId);
  agent.calls++;
  agent.idleSince = Date.now();
  if (ms === 0) {
    rest(at, extensionId, 0);
    return;
  }
  setAgent(at, extensionId, "wrap_up");
  setTimeout(() => agent.state === "wrap_up" && rest(at, extensionId, 0), ms).unref();
}

/** Free again, from then on. */
function rest({ board, queue, state }: At, extensionId: string, ms: number): void {
  const agent = agentOf(state, extensionId);
  agent.state = "free";
  agent.until = Date.now() + ms;
  write(board, (tx) => activeCallStore.removeAgent(tx, board.processId, queue.id, extensionId));
  tell(board, queue.id);
}

function setAgent({ board, organisationId, queue, state }: At, extensionId: string, activity: AgentActivity["state"]): void {
  agentOf(state, extensionId).state = activity;
  const row: AgentActivity = { queueId: queue.id, extensionId, organisationId, state: activity, since: new Date() };
  write(board, (tx) => activeCallStore.putAgent(tx, board.processId, row));
  tell(board, queue.id);
}

const told = new WeakMap<Board, Set<string>>();
/** Many agents begin to ring at once. */
const settleMs = 150;

/** The wallboards of a queue, once what its agents do now is written down. */
function tell(board: Board, queueId: string): void {
  const due = told.get(board);
  if (due) return void due.add(queueId);
  const queueIds = new Set([queueId]);
  told.set(board, queueIds);
  setTimeout(() => {
    told.delete(board);
    if (!board.closing.aborted) write(board, (tx) => activeCallStore.tellQueues(tx, [...queueIds]));
  }, settleMs).unref();
}

const writes = new WeakMap<Board, Promise<unknown>>();

/** One after the other: what an agent did last holds. */
function write(board: Board, work: Parameters<Board["database"]["transaction"]>[1]): void {
  const next = (writes.get(board) ?? Promise.resolve())
    .then(() => board.database.transaction("system", work))
    .catch((error) => board.log.warn({ err: error }, "what agents do cannot be written down"));
  writes.set(board, next);
  board.track(next);
}
