import type { Board } from "./board.ts";
import type { Party } from "./party.ts";
import { lengthWarning } from "./sounds.ts";

const lookMs = 1000;
/** So long before its end a call is told, or half its length where that is less. */
const warnSeconds = 60;

/**
 * Ends calls outside that have the greatest length: each party outside counts from its answer, in whatever calls it is, also while it waits or is in a
 * conference. Returns what ends the watch.
 */
export function watchLengths(board: Board): () => void {
  const warned = new WeakSet<Party>();
  const timer = setInterval(() => {
    for (const { plan, parties } of board.calls.values()) {
      const most = plan.system.limits.maxCallSeconds;
      if (most !== null) for (const party of parties) look(party, most, warned);
    }
  }, lookMs);
  return () => clearInterval(timer);
}

function look(party: Party, most: number, warned: WeakSet<Party>): void {
  const { who, answeredAt, charge, call, peer, gone } = party;
  if (who.trunkId === undefined || !answeredAt || gone.aborted || charge?.isEmergency) return;
  const seconds = (Date.now() - answeredAt.getTime()) / 1000;
  if (seconds >= most) {
    if (call) call.endReason ??= "The call had the greatest length that is allowed.";
    party.hangUp(480, 'Q.850;cause=16;text="Greatest length of a call"');
    return;
  }
  if (warned.has(party) || seconds < most - Math.min(warnSeconds, most / 2)) return;
  warned.add(party);
  for (const each of [party, peer]) if (each?.hears) each.play(lengthWarning, { over: true });
}
