import type { Destination } from "../destinations/contract.ts";
import type { Playback, PlaySource } from "../media/engine.ts";
import type { PlanExtension } from "../plan.ts";
import { queuePosition, queueWait } from "../prompts/sayings.ts";
import { pause } from "./abort.ts";
import {
  chosenAgents,
  giveUp,
  isNext,
  offer,
  type Place,
  positionOf,
  type Queue,
  type QueueState,
  secondsUntil,
  stateOf,
  worksNow,
} from "./agents.ts";
import type { Call } from "./call.ts";
import { canBeCalledBack, promiseCallback } from "./callbacks.ts";
import { connect, ring, targetsOf } from "./connect.ts";
import type { Follow } from "./programs.ts";
import { say } from "./say.ts";
import { heldMusic, speechSource } from "./spoken.ts";

const roundMs = 300;

/** One caller in a queue. */
interface Waiting {
  call: Call;
  state: QueueState;
  place: Place;
  hold: HoldMusic;
  /** Pressed the key for it. */
  wantsCallback: boolean;
}

/** Waits until an agent takes the call. Returns where it goes otherwise. @throws the reason of `signal` */
export async function callQueue(
  call: Call,
  queueId: string,
  follow: Follow,
  signal: AbortSignal,
): Promise<Destination | undefined> {
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
  const place: Place = { since: Date.now(), rings: false, missedBy: new Set(), notBefore: 0 };
  state.waiting.push(place);
  const hold = new HoldMusic(call, await heldMusic(call, queue.music));
  const waiting: Waiting = { call, state, place, hold, wantsCallback: false };
  const stop = subject.digits.listen((digit) => {
    waiting.wantsCallback ||= digit === queue.callbackDigit && canBeCalledBack(call);
  });
  let next: Destination | undefined;
  try {
    if (queue.joinMessage) await subject.listen(await speechSource(call, queue.joinMessage), signal);
    next = await wait(waiting, queue, follow, signal);
  } finally {
    stop();
    giveUp(state, place);
    await hold.stop();
  }
  // It waits no more: it rings elsewhere.
  if (next) call.setState("ringing");
  return next;
}

/** Who has logged in meanwhile counts: the plan of now, not that of the call's beginning. */
const planNow = (call: Call) => call.board.plans.of(call.plan.system.id) ?? call.plan;
const queueNow = (call: Call, queueId: string): Queue | undefined =>
  planNow(call).elements.queues.find(({ id }) => id === queueId);

async function wait(waiting: Waiting, first: Queue, follow: Follow, signal: AbortSignal): Promise<Destination | undefined> {
  const { call, state, place, hold } = waiting;
  // The place is told at once, a message that is repeated after the first while.
  let told = first.announcePosition ? 0 : Date.now();
  for (;;) {
    signal.throwIfAborted();
    const queue = queueNow(call, first.id) ?? first;
    if (waiting.wantsCallback) {
      await hold.stop();
      await promiseCallback(call, queue, state, place, follow, signal);
      return undefined;
    }
    const leftMs = queue.maxWaitSeconds * 1000 - (Date.now() - place.since);
    if (leftMs <= 0) return queue.overflow;
    if (queue.leaveWhenEmpty && !queue.agents.some(({ extension }) => worksNow(queue, extension))) return queue.overflow;
    const agents = isNext(state, place) ? chosenAgents(call.board, planNow(call), queue, state, place) : [];
    if (agents.length > 0) {
      hold.start();
      if (await offerCaller(waiting, queue, agents, leftMs, signal)) return undefined;
      continue;
    }
    if ((queue.announcePosition || queue.repeatMessage) && Date.now() - told >= queue.announceEverySeconds * 1000) {
      await hold.stop();
      await tell(waiting, queue, signal);
      told = Date.now();
    }
    hold.start();
    await pause(roundMs, signal);
  }
}

/** The place, how long it will take, what else can be done, and what the queue says of itself. */
async function tell({ call, state, place }: Waiting, queue: Queue, signal: AbortSignal): Promise<void> {
  const seconds = queue.announceWait ? secondsUntil(queue, state, place) : undefined;
  const { callbackDigit } = queue;
  const key = callbackDigit !== undefined && canBeCalledBack(call) ? callbackDigit : undefined;
  const sayings = [
    ...(queue.announcePosition ? queuePosition(positionOf(state, place)) : []),
    ...(seconds === undefined ? [] : queueWait(seconds)),
    ...(key === undefined ? [] : ["queue_callback" as const, { digits: key }]),
  ];
  const untilDtmf = key === undefined ? {} : { untilDtmf: key };
  await say(call, sayings, signal, untilDtmf);
  if (queue.repeatMessage) await call.subject.listen(await speechSource(call, queue.repeatMessage), signal, untilDtmf);
}

/** Calls these agents; whether one of them had the caller, to the end. */
function offerCaller(
  { call, state, place, hold }: Waiting,
  queue: Queue,
  agents: PlanExtension[],
  leftMs: number,
  signal: AbortSignal,
): Promise<boolean> {
  const { organisationId } = call.plan.system;
  const ringSeconds = Math.max(1, Math.min(queue.ringSeconds, leftMs / 1000));
  return offer({ board: call.board, organisationId, queue, state, place }, agents, {
    async ring() {
      const targets = agents.flatMap((extension) => targetsOf(call, extension));
      return (await ring(call, targets, { ringSeconds, quiet: true }, signal)).party;
    },
    isShort: ringSeconds < queue.ringSeconds,
    async talk(party) {
      giveUp(state, place);
      await hold.stop();
      await connect(call, party, signal);
    },
  });
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
