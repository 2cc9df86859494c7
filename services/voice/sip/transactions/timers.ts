/** RFC 3261 section 17 and its table 4. Milliseconds. */
export interface Timers {
  /** Round trip. */
  t1: number;
  /** Longest wait between retransmissions. */
  t2: number;
  /** How long a message may be on its way. */
  t4: number;
  /** Timer C: how long a call may ring without a word. */
  invite: number;
}

export const standardTimers: Timers = { t1: 500, t2: 4000, t4: 5000, invite: 180_000 };

/** Of one transaction or session: what is set is cleared with it. */
export class TimerSet {
  readonly #running = new Map<string, NodeJS.Timeout>();

  /** One of each name: setting it again replaces it. */
  set(name: string, ms: number, action: () => void): void {
    this.clear(name);
    this.#running.set(
      name,
      setTimeout(() => {
        this.#running.delete(name);
        action();
      }, ms),
    );
  }

  clear(name: string): void {
    const timer = this.#running.get(name);
    if (timer === undefined) return;
    clearTimeout(timer);
    this.#running.delete(name);
  }

  clearAll(): void {
    for (const timer of this.#running.values()) clearTimeout(timer);
    this.#running.clear();
  }
}

/** Sends again with growing distance until told to stop: timers A, E, G and those of reliable answers. */
export class Retransmission {
  #timer: NodeJS.Timeout | undefined;

  /** The first time after `first` ms, then twice as long each time, at most `longest`. */
  start(first: number, longest: number, send: () => void): void {
    this.stop();
    let distance = first;
    const next = () => {
      send();
      distance = Math.min(distance * 2, longest);
      this.#timer = setTimeout(next, distance);
    };
    this.#timer = setTimeout(next, distance);
  }

  stop(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
  }
}
