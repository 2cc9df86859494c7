/** Server transactions: RFC 3261 section 17.2, with the Accepted state of RFC 6026. */
import type { RequestMessage } from "../message.ts";
import type { Flow } from "../transport/flow.ts";
import { newTag } from "../via.ts";
import { Retransmission, TimerSet, type Timers } from "./timers.ts";

type State = "proceeding" | "completed" | "confirmed" | "accepted" | "terminated";

export class ServerTransaction {
  readonly key: string;
  readonly request: RequestMessage;
  /** Where answers go. */
  readonly flow: Flow;
  /** INVITE only: taken back. */
  onCancel: ((cancel: RequestMessage) => void) | undefined;
  /** INVITE only: no ACK came for a refusal; nobody can do anything about it. */
  onEnded: (() => void) | undefined;
  #state: State = "proceeding";
  #localTag: string | undefined;
  #last: string | Buffer | undefined;
  readonly #timers: Timers;
  readonly #running = new TimerSet();
  readonly #again = new Retransmission();

  constructor(key: string, request: RequestMessage, flow: Flow, timers: Timers) {
    this.key = key;
    this.request = request;
    this.flow = flow;
    this.#timers = timers;
  }

  /** For the To of answers that belong to no dialog. */
  get localTag(): string {
    this.#localTag ??= newTag();
    return this.#localTag;
  }

  get answered(): boolean {
    return this.#state !== "proceeding";
  }

  /** An INVITE that got a 2xx: its ACK is a transaction of its own, whatever its branch says (RFC 6026 section 7.1). */
  get accepted(): boolean {
    return this.#state === "accepted";
  }

  get #isInvite(): boolean {
    return this.request.method === "INVITE";
  }

  /** Sends an answer; a second final one is none. */
  respond(status: number, text: string | Buffer): boolean {
    if (this.#state !== "proceeding") return false;
    this.#last = text;
    this.flow.send(text);
    if (status >= 200) this.#finish(status);
    return true;
  }

  #finish(status: number): void {
    const { t1, t2 } = this.#timers;
    // It is kept for half a minute, and must not keep the whole call that long.
    this.onCancel = undefined;
    if (this.#isInvite && status < 300) {
      // Sending it again is the session's, which knows when the ACK came.
      this.#state = "accepted";
      this.#running.set("L", 64 * t1, () => this.terminate());
    } else if (this.#isInvite) {
      this.#state = "completed";
      if (!this.flow.reliable) this.#again.start(t1, t2, () => this.#resend());
      this.#running.set("H", 64 * t1, () => this.terminate());
    } else if (this.flow.reliable) {
      // Timer J is 0: nothing comes twice on a connection.
      this.terminate();
    } else {
      this.#state = "completed";
      this.#running.set("J", 64 * t1, () => this.terminate());
    }
  }

  /** The request came again, or the ACK of a refusal. */
  receive(request: RequestMessage): void {
    if (request.method === "ACK") {
      if (this.#state !== "completed") return;
      this.#state = "confirmed";
      this.#again.stop();
      this.#running.clearAll();
      if (this.flow.reliable) this.terminate();
      else this.#running.set("I", this.#timers.t4, () => this.terminate());
    } else if (this.#state === "proceeding" || this.#state === "completed") this.#resend();
  }

  #resend(): void {
    if (this.#last !== undefined) this.flow.send(this.#last);
  }

  terminate(): void {
    if (this.#state === "terminated") return;
    this.#state = "terminated";
    this.#again.stop();
    this.#running.clearAll();
    this.#last = undefined;
    this.onEnded?.();
  }
}
