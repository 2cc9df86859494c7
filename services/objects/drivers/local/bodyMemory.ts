/** So much may wait for its collection: at 200 MiB a second that is two dozen collections, of half a millisecond each. */
const mostBytes = 8 * 2 ** 20;
let waitingBytes = 0;

/**
 * Buffers of so many bytes that nobody looks at any more, and that are not of the pool. V8 goes by its heap, where each is two hundred bytes: it would
 * let a hundred MiB of them lie, and then look through all there is. They are young, so a collection of what is young finds them. Only where
 * V8 exposes `gc` (`server/node-words.ts`).
 */
export function letGo(bytes: number): void {
  waitingBytes += bytes;
  if (waitingBytes < mostBytes) return;
  waitingBytes = 0;
  globalThis.gc?.({ type: "minor" });
}
