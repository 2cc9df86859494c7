import type { PhonePlan } from "../plan.ts";
import { parkedAt } from "../prompts/sayings.ts";
import { aborted, pause, unless } from "./abort.ts";
import type { Call } from "./call.ts";
import { connect, ring, targetsOf } from "./connect.ts";
import { answerAfter } from "./paging.ts";
import type { Party } from "./party.ts";
import { say } from "./say.ts";
import { heldMusic } from "./spoken.ts";

type Lot = PhonePlan["elements"]["parkingLots"][number];

const slotNumbers = ({ firstSlot, slots: count }: Lot): string[] =>
  Array.from({ length: count }, (_, i) => String(Number(firstSlot) + i).padStart(firstSlot.length, "0"));

/** The lot that is meant by its own number or by the code for parking. */
export function lotOf(plan: PhonePlan, dialled: string): Lot | undefined {
  const lots = plan.elements.parkingLots;
  return lots.find(({ number }) => number === dialled) ?? (dialled === plan.system.featureCodes.park ? lots[0] : undefined);
}

export const isSlot = (plan: PhonePlan, dialled: string): boolean =>
  plan.elements.parkingLots.some((lot) => slotNumbers(lot).includes(dialled));

/** Waits in a free slot until somebody fetches it; after a while it goes back to whoever parked it. @throws the reason of `signal` */
export async function park(
  call: Call,
  lot: Lot,
  parkerId: string | undefined,
  signal: AbortSignal,
): Promise<"fetched" | "late" | "full"> {
  const { subject, board } = call;
  const systemId = call.plan.system.id;
  await subject.answer();
  const fetched = Promise.withResolvers<Party>();
  const parked = { party: subject, fetch: fetched.resolve };
  const music = await heldMusic(call, lot.music);
  const slot = board.parked.put(systemId, slotNumbers(lot), parked);
  if (slot === undefined) {
    await say(call, "parking_full", signal);
    return "full";
  }
  call.note("parking", lot.id, slot);
  call.setState("parked");
  const leave = () => board.parked.remove(systemId, slot, parked);
  const playback = subject.play(music, { repeat: 0 });
  const stop = new AbortController();
  const told = tellSlot(call, parkerId, slot, stop.signal);
  try {
    const late = pause(lot.timeoutSeconds * 1000, stop.signal).then(() => undefined);
    late.catch(() => {});
    const by = await unless(signal, Promise.race([fetched.promise, late]));
    leave();
    await playback.stop();
    if (!by) return "late";
    call.add(by, "extension");
    await connect(call, by, signal);
    return "fetched";
  } finally {
    stop.abort();
    leave();
    await Promise.all([playback.stop(), told]);
  }
}

/** Whoever parked it is called back and told where. */
async function tellSlot(call: Call, parkerId: string | undefined, slot: string, signal: AbortSignal): Promise<void> {
  const parker = call.extension(parkerId);
  if (!parker) return;
  try {
    const targets = targetsOf(call, parker, answerAfter);
    const { party } = await ring(call, targets, { ringSeconds: 20, quiet: true }, signal);
    if (!party) return;
    const held = party.take();
    try {
      await say(call, parkedAt(slot), AbortSignal.any([signal, held]), { party });
    } finally {
      if (!held.aborted) party.hangUp();
    }
  } catch (error) {
    if (!signal.aborted) call.board.log.debug({ err: error, call: call.id }, "nobody was told where a call is parked");
  }
}

/** The subject takes the call that is parked there. @throws the reason of `signal` */
export async function fetchParked(call: Call, slot: string, signal: AbortSignal): Promise<void> {
  const parked = call.board.parked.at(call.plan.system.id, slot);
  if (!parked) {
    await call.subject.answer();
    return say(call, "parking_empty", signal);
  }
  parked.fetch(call.subject);
  // It belongs to the parked call from here on, which takes it.
  await unless(signal, aborted(signal));
}
