import type { Destination } from "../destinations/contract.ts";
import { type AgentActivity, activeCallStore } from "../live/store/activeCalls.ts";
import type { Playback, PlaySource } from "../media/engine.ts";
import type { PhonePlan, PlanExtension } from "../plan.ts";
import { queuePosition } from "../prompts/sayings.ts";
import { pause } from "./abort.ts";
import type { Board } from "./board.ts";
import type { Call } from "./call.ts";
import { connect, ring, targetsOf } from "./connect.ts";
import { shuffled } from "./groups.ts";
import { say } from "./say.ts";
import { music } from "./sounds.ts";
import { announcementSource, speechSource } from "./spoken.ts";

type Queue = PhonePlan["elements"]["queues"][number];

interface Waiting {
  call: Call;
  since: number;
  /** Agents are called for it. */
  rings: boolean;
}

/** What an agent did in a queue, as long as the process lives. */
interface Agent {
  state: "free" | "ringing" | "talking" | "wrap_up";
  until: number;
  calls: number;
  idleSince: number;
}

interface QueueState {
  waiting: Waiting[];
  agents: Map<string, Agent>;
  turn: number;
}

const states = new WeakMap<Board, Map<string, QueueState>>();
const roundMs = 300;
/** Who did not answer is not called again at once. */
const missedMs = 3000;
const processId = "voice";

function stateOf(board: Board, queueId: string): QueueState {
  const ofBoard = states.get(board) ?? new Map<string, QueueState>();
  states.set(board, ofBoard);
  const state = ofBoard.get(queueId) ?? { waiting: [], agents: new Map(), turn: 0 };
  ofBoard.set(queueId, state);
  return state;
}

/** Waits until an agent takes the call. Returns where it goes otherwise. @throws the reason of `signal` */
export async function callQueue(call: Call, queueId: string, signal: AbortSignal): Promise<Destination | undefined> {
  const queue = queueNow(call, queueId);
  if (!queue) {
    call.refuse(404, "failed", "There is no such queue.");
    return undefined;
  }
  const { board, subject } = call;
  const state = stateOf(board, queueId);
  call.note("queue", queue.id, queue.name);
  call.queueId = queue.id;
  call.serviceLevelSeconds = queue.serviceLevelSeconds;
  call.namePrefix = queue.namePrefix ?? call.namePrefix;
  if (state.waiting.length >= queue.maxWaiting) return queue.overflow;
  await subject.answer();
  call.setState("queued");
  const entry: Waiting = { call, since: Date.now(), rings: false };
  state.waiting.push(entry);
  const hold = new HoldMusic(call, queue.music ? await announcementSource(call, queue.music) : music(call.plan));
  try {
    if (queue.joinMessage) await subject.listen(await speechSource(call, queue.joinMessage), signal);
    return await wait(call, queue, state, entry, hold, signal);
  } finally {
    state.waiting.splice(state.waiting.indexOf(entry), 1);
    await hold.stop();
  }
}

/** Who has logged in meanwhile counts: the plan of now, not that of the call's beginning. */
const queueNow = (call: Call, queueId: string): Queue | undefined =>
  (call.board.plans.of(call.plan.system.id) ?? call.plan).elements.queues.find(({ id }) => id === queueId);

async function wait(
  call: Call,
  first: Queue,
  state: QueueState,
  entry: Waiting,
  hold: HoldMusic,
  signal: AbortSignal,
): Promise<Destination | undefined> {
  let told = entry.since;
  for (;;) {
    signal.throwIfAborted();
    const queue = queueNow(call, first.id) ?? first;
    const waitedMs = Date.now() - entry.since;
    if (waitedMs >= queue.maxWaitSeconds * 1000) return queue.overflow;
    if (queue.leaveWhenEmpty && !queue.agents.some(({ extension }) => isLoggedIn(queue, extension))) return queue.overflow;
    const isNext = state.waiting.find(({ rings }) => !rings) === entry;
    const agents = isNext ? chosen(call, queue, state) : [];
    if (agents.length > 0) {
      hold.start();
      if (await offer(call, queue, state, entry, agents, hold, queue.maxWaitSeconds * 1000 - waitedMs, signal)) return undefined;
      continue;
    }
    if (queue.announcePosition && Date.now() - told >= queue.announceEverySeconds * 1000) {
      await hold.stop();
      await say(call, queuePosition(state.waiting.indexOf(entry) + 1), signal);
      if (queue.repeatMessage) await call.subject.listen(await speechSource(call, queue.repeatMessage), signal);
      told = Date.now();
    }
    hold.start();
    await pause(roundMs, signal);
  }
}

const isLoggedIn = (queue: Queue, extensionId: string): boolean =>
  queue.states.some((state) => state.extensionId === extensionId && state.loggedIn && !state.paused);

function agentOf(state: QueueState, extensionId: string): Agent {
  const agent = state.agents.get(extensionId) ?? { state: "free" as const, until: 0, calls: 0, idleSince: 0 };
  state.agents.set(extensionId, agent);
  return agent;
}

/** Who is called now: of the best priority that has somebody free, as the strategy says. */
function chosen(call: Call, queue: Queue, state: QueueState): PlanExtension[] {
  const { board } = call;
  const plan = board.plans.of(call.plan.system.id) ?? call.plan;
  const isFree = (extensionId: string) => {
    const extension = plan.extensions.find(({ id }) => id === extensionId);
    if (!extension || extension.doNotDisturb || !isLoggedIn(queue, extensionId)) return undefined;
    const agent = agentOf(state, extensionId);
    if (agent.state !== "free" || Date.now() < agent.until || board.partiesOf(extensionId).length > 0) return undefined;
    return targetsOf(call, extension).length > 0 ? extension : undefined;
  };
  const free = queue.agents.flatMap(({ extension, priority }) => {
    const found = isFree(extension);
    return found ? [{ extension: found, priority, agent: agentOf(state, extension) }] : [];
  });
  const best = Math.min(...free.map(({ priority }) => priority));
  const able = free.filter(({ priority }) => priority === best);
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

/** Calls these agents; whether one of them had the call, to its end. */
async function offer(
  call: Call,
  queue: Queue,
  state: QueueState,
  entry: Waiting,
  agents: PlanExtension[],
  hold: HoldMusic,
  leftMs: number,
  signal: AbortSignal,
): Promise<boolean> {
  entry.rings = true;
  for (const { id } of agents) setAgent(call, queue, state, id, "ringing");
  let answeredBy: string | undefined;
  try {
    const targets = agents.flatMap((extension) => targetsOf(call, extension));
    const ringSeconds = Math.max(1, Math.min(queue.ringSeconds, leftMs / 1000));
    const result = await ring(call, targets, { ringSeconds, quiet: true }, signal);
    if (!result.party) return false;
    answeredBy = result.party.who.extensionId;
    if (answeredBy) setAgent(call, queue, state, answeredBy, "talking");
    for (const { id } of agents) if (id !== answeredBy) rest(call, queue, state, id, 0);
    state.waiting.splice(state.waiting.indexOf(entry), 1);
    await hold.stop();
    await connect(call, result.party, signal);
    return true;
  } finally {
    entry.rings = false;
    for (const { id } of agents) {
      const agent = agentOf(state, id);
      if (id === answeredBy) {
        agent.calls++;
        agent.idleSince = Date.now();
        setAgent(call, queue, state, id, "wrap_up", queue.wrapUpSeconds * 1000);
        setTimeout(() => agent.state === "wrap_up" && rest(call, queue, state, id, 0), queue.wrapUpSeconds * 1000 + 10).unref();
      } else if (agent.state === "ringing") rest(call, queue, state, id, missedMs);
    }
  }
}

/** Free again, from then on. */
function rest(call: Call, queue: Queue, state: QueueState, extensionId: string, ms: number): void {
  const agent = agentOf(state, extensionId);
  agent.state = "free";
  agent.until = Date.now() + ms;
  write(call, (tx) => activeCallStore.removeAgent(tx, queue.id, extensionId));
}

function setAgent(
  call: Call,
  queue: Queue,
  state: QueueState,
  extensionId: string,
  activity: AgentActivity["state"],
  ms = 0,
): void {
  const agent = agentOf(state, extensionId);
  agent.state = activity;
  agent.until = Date.now() + ms;
  const { organisationId } = call.plan.system;
  const row: AgentActivity = { queueId: queue.id, extensionId, organisationId, state: activity, since: new Date() };
  write(call, (tx) => activeCallStore.putAgent(tx, processId, row));
}

const writes = new WeakMap<Board, Promise<unknown>>();

/** One after the other: what an agent did last holds. */
function write({ board }: Call, work: Parameters<Board["database"]["transaction"]>[1]): void {
  const next = (writes.get(board) ?? Promise.resolve())
    .then(() => board.database.transaction("system", work))
    .catch((error) => board.log.warn({ err: error }, "what agents do cannot be written down"));
  writes.set(board, next);
  board.track(next);
}

class HoldMusic {
  private playback: Playback | undefined;
  private readonly call: Call;
  private readonly source: PlaySource;

  constructor(call: Call, source: PlaySource) {
    this.call = call;
    this.source = source;
  }

  start(): void {
    this.playback ??= this.call.subject.play(this.source, { repeat: 0 });
  }

  async stop(): Promise<void> {
    const { playback } = this;
    this.playback = undefined;
    await playback?.stop();
  }
}
