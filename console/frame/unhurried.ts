/** Whether something runs that leaving would cut off, as a call; the end of a session waits for it. */
const running = new Set<() => boolean>();

/** Asked again until it says no; the function returned takes it back. */
export function keepsHere(runs: () => boolean): () => void {
  running.add(runs);
  return () => running.delete(runs);
}

const everyMs = 1000;

/** Resolves when nothing would be cut off. */
export async function unhurried(): Promise<void> {
  while ([...running].some((runs) => runs())) await new Promise((waited) => setTimeout(waited, everyMs));
}
