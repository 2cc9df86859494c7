import { unless } from "./abort.ts";

/** Digits that a party pressed and nobody has taken yet. */
export class Digits {
  private waiting: string[] = [];
  private readonly listeners = new Set<(digit: string) => void>();

  push(digit: string): void {
    // What is pressed while nobody asks is for the next question, but not for one an hour later.
    if (this.listeners.size === 0) this.waiting = [...this.waiting, digit].slice(-20);
    for (const listener of [...this.listeners]) listener(digit);
  }

  /** The one that is taken next, if it is there already. */
  get first(): string | undefined {
    return this.waiting[0];
  }

  clear(): void {
    this.waiting = [];
  }

  /** Every digit from now on, whoever else takes it; returns how to stop listening. */
  listen(listener: (digit: string) => void): () => void {
    this.listeners.add(listener);
    return () => void this.listeners.delete(listener);
  }

  /** The next one; undefined when none came in time. Rejects when the signal is aborted. */
  async next(timeoutMs: number, signal: AbortSignal): Promise<string | undefined> {
    const early = this.waiting.shift();
    if (early !== undefined) return early;
    const { promise, resolve } = Promise.withResolvers<string | undefined>();
    const stop = this.listen(resolve);
    const timer = setTimeout(() => resolve(undefined), timeoutMs);
    try {
      return await unless(signal, promise);
    } finally {
      clearTimeout(timer);
      stop();
    }
  }
}
