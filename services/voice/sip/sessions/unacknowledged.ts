import { Retransmission, type Timers } from "../transactions/timers.ts";

/** Our 2xx to an INVITE, sent again until its ACK comes (RFC 3261 section 13.3.1.4): on every kind of way, since proxies may lose it. */
export class UnacknowledgedAnswer {
  readonly seq: number;
  readonly #again = new Retransmission();
  readonly #timeout: NodeJS.Timeout;

  constructor(seq: number, timers: Timers, actions: { send(): void; lost(): void }) {
    this.seq = seq;
    this.#again.start(timers.t1, timers.t2, actions.send);
    this.#timeout = setTimeout(() => {
      this.stop();
      actions.lost();
    }, 64 * timers.t1);
  }

  stop(): void {
    this.#again.stop();
    clearTimeout(this.#timeout);
  }
}
