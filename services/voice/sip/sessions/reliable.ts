/** Reliable provisional answers, as the one called: RFC 3262. One at a time, sent again until its PRACK comes. */
import { type AnswerOptions, answer, type Host } from "../host.ts";
import type { RequestMessage } from "../message.ts";
import type { ServerTransaction } from "../transactions/server.ts";
import { Retransmission } from "../transactions/timers.ts";

interface Waiting {
  status: number;
  options: AnswerOptions;
}

export class ReliableAnswers {
  readonly #host: Host;
  readonly #transaction: ServerTransaction;
  readonly #lost: () => void;
  readonly #again = new Retransmission();
  readonly #first = Math.floor(Math.random() * 100_000) + 1;
  #rseq = this.#first - 1;
  #timeout: NodeJS.Timeout | undefined;
  /** Sent, and what comes after it has to wait. */
  #pending = false;
  #isAcknowledged = false;
  #queue: Waiting[] = [];
  #whenClear: (() => void) | undefined;

  constructor(host: Host, transaction: ServerTransaction, lost: () => void) {
    this.#host = host;
    this.#transaction = transaction;
    this.#lost = lost;
  }

  send(status: number, options: AnswerOptions): void {
    if (this.#pending) this.#queue.push({ status, options });
    else this.#sendNow(status, options);
  }

  #sendNow(status: number, options: AnswerOptions): void {
    const { t1 } = this.#host.timers;
    this.#pending = true;
    const text = answer(this.#host, this.#transaction, status, {
      ...options,
      more: [["Require", "100rel"], ["RSeq", String(++this.#rseq)], ...(options.more ?? [])],
    });
    this.#again.start(t1, Number.POSITIVE_INFINITY, () => this.#transaction.flow.send(text));
    this.#timeout = setTimeout(() => {
      this.stop();
      this.#lost();
    }, 64 * t1);
  }

  /** False: it acknowledges nothing that was sent. A late one, of an answer that is done, is well. What waits for it goes out with `goOn`, after the PRACK's own answer. */
  acknowledge(prack: RequestMessage): boolean {
    const match = /^(\d{1,10})\s+(\d{1,10})\s+(\S+)$/.exec(prack.header("rack") ?? "");
    if (!match || Number(match[2]) !== this.#transaction.request.cseq.number || match[3] !== "INVITE") return false;
    const acknowledged = Number(match[1]);
    if (acknowledged < this.#first || acknowledged > this.#rseq) return false;
    if (this.#pending && acknowledged === this.#rseq) {
      this.#again.stop();
      clearTimeout(this.#timeout);
      this.#isAcknowledged = true;
    }
    return true;
  }

  /** Nothing happens while an answer of ours has no PRACK. */
  goOn(): void {
    if (!this.#pending || !this.#isAcknowledged) return;
    this.#pending = this.#isAcknowledged = false;
    const next = this.#queue.shift();
    if (next) this.#sendNow(next.status, next.options);
    else {
      this.#whenClear?.();
      this.#whenClear = undefined;
    }
  }

  /** A 2xx must wait for the PRACK of an answer with a description (section 3); what is still queued is overtaken by it. */
  whenClear(action: () => void): void {
    this.#queue = [];
    if (this.#pending) this.#whenClear = action;
    else action();
  }

  stop(): void {
    this.#again.stop();
    clearTimeout(this.#timeout);
    this.#pending = this.#isAcknowledged = false;
    this.#queue = [];
    this.#whenClear = undefined;
  }
}
