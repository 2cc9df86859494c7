import type { Board } from "./board.ts";
import type { CallStartInput } from "./commands.ts";

/** Who waits for whom to be free. Kept in memory: a restart of the voice process forgets it. */
export interface WhenFree {
  /** Calls the extension for the caller once both are free, within half an hour. */
  wait(systemId: string, callerId: string, wantedId: string): void;
  close(): void;
}

interface Wish {
  systemId: string;
  callerId: string;
  wantedId: string;
  until: number;
}

const wishMs = 1_800_000;
/** So that receivers are down again. */
const breathMs = 1500;

export function openWhenFree(
  board: Pick<Board, "plans" | "locations" | "partiesOf" | "log">,
  onExtension: (listener: (extensionId: string) => void) => void,
  start: (systemId: string, input: CallStartInput) => Promise<unknown>,
): WhenFree {
  const wishes = new Map<string, Wish>();
  const timers = new Set<NodeJS.Timeout>();

  const isFree = (systemId: string, extensionId: string): boolean =>
    board.plans.of(systemId)?.extensions.find(({ id }) => id === extensionId)?.doNotDisturb === false &&
    board.locations.ofExtension(extensionId).length > 0 &&
    board.partiesOf(extensionId).length === 0;

  function tryOne(key: string, wish: Wish): void {
    const { systemId, callerId, wantedId } = wish;
    if (wishes.get(key) !== wish || !isFree(systemId, callerId) || !isFree(systemId, wantedId)) return;
    wishes.delete(key);
    const number = board.plans.of(systemId)?.extensions.find(({ id }) => id === wantedId)?.number;
    if (number === undefined) return;
    start(systemId, { extension: callerId, to: number, answerAutomatically: false }).catch((error) =>
      board.log.debug({ err: error }, "somebody who waited for another one to be free does not answer"),
    );
  }

  function look(extensionId: string): void {
    for (const [key, wish] of wishes) {
      if (wish.until < Date.now()) wishes.delete(key);
      else if (wish.callerId === extensionId || wish.wantedId === extensionId) {
        const timer = setTimeout(() => {
          timers.delete(timer);
          tryOne(key, wish);
        }, breathMs);
        timers.add(timer);
      }
    }
  }
  onExtension(look);
  board.locations.onChange(look);

  return {
    wait(systemId, callerId, wantedId) {
      wishes.set(`${callerId} ${wantedId}`, { systemId, callerId, wantedId, until: Date.now() + wishMs });
    },
    close() {
      for (const timer of timers) clearTimeout(timer);
      wishes.clear();
    },
  };
}
