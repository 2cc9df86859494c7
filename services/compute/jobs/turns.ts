/** Lets a few pieces of work at a time through; the others wait for their turn, or until they are told to stop. */
export type Turns = <T>(signal: AbortSignal, work: () => Promise<T>) => Promise<T>;

export function createTurns(atOnce: number): Turns {
  let busy = 0;
  const waiting = new Set<() => void>();
  return async (signal, work) => {
    while (busy >= atOnce) {
      signal.throwIfAborted();
      await new Promise<void>((resolve) => {
        const go = () => {
          waiting.delete(go);
          signal.removeEventListener("abort", go);
          resolve();
        };
        waiting.add(go);
        signal.addEventListener("abort", go);
      });
    }
    busy++;
    try {
      return await work();
    } finally {
      busy--;
      // All of them look again: whoever was told to stop meanwhile must not keep the turn.
      for (const go of [...waiting]) go();
    }
  };
}
