/** Client transactions: RFC 3261 section 17.1, with the Accepted state of RFC 6026. */
import { type HeaderLine, type OutgoingRequest, requestText, viaLine } from "../build.ts";
import type { ResponseMessage } from "../message.ts";
import type { Flow } from "../transport/flow.ts";
import { newBranch } from "../via.ts";
import { Retransmission, TimerSet, type Timers } from "./timers.ts";

export interface ClientEvents {
  provisional?(response: ResponseMessage): void;
  /** Once; for an INVITE once for each 2xx, as several phones may have answered, and again when one of them repeats it. */
  final(response: ResponseMessage): void;
  /** No answer, or the way broke. Once, instead of `final`. */
  failed(why: "timeout" | "transport"): void;
}

type State = "calling" | "proceeding" | "completed" | "accepted" | "terminated";

export class ClientTransaction {
  readonly branch = newBranch();
  readonly flow: Flow;
  readonly request: OutgoingRequest;
  readonly #events: ClientEvents;
  readonly #timers: Timers;
  readonly #text: string | Buffer;
  readonly #running = new TimerSet();
  readonly #again = new Retransmission();
  readonly #onEnded: (transaction: ClientTransaction) => void;
  readonly #flowClosed = (): void => this.#fail("transport");
  #state: State = "calling";
  #ack: string | undefined;

  constructor(
    flow: Flow,
    request: OutgoingRequest,
    timers: Timers,
    events: ClientEvents,
    onEnded: (transaction: ClientTransaction) => void,
  ) {
    this.flow = flow;
    this.request = request;
    this.#timers = timers;
    this.#events = events;
    this.#onEnded = onEnded;
    this.#text = requestText(request, { transport: flow.transport, local: flow.local, branch: this.branch });
  }

  get key(): string {
    return `${this.branch}|${this.request.method}`;
  }

  get state(): State {
    return this.#state;
  }

  get #isInvite(): boolean {
    return this.request.method === "INVITE";
  }

  start(timeoutMs = 64 * this.#timers.t1): void {
    const { t1, t2 } = this.#timers;
    this.flow.closing.add(this.#flowClosed);
    if (!this.flow.send(this.#text)) {
      queueMicrotask(() => this.#fail("transport"));
      return;
    }
    const longest = this.#isInvite ? Number.POSITIVE_INFINITY : t2;
    if (!this.flow.reliable) this.#again.start(t1, longest, () => this.flow.send(this.#text));
    this.#running.set("timeout", timeoutMs, () => this.#fail("timeout"));
  }

  receive(response: ResponseMessage): void {
    if (this.#state === "terminated") return;
    if (response.status < 200) this.#receiveProvisional(response);
    else if (this.#isInvite) this.#receiveInviteFinal(response);
    else if (this.#state !== "completed") {
      this.#stop();
      this.#state = "completed";
      // Late copies of the answer find nobody, and are dropped: no state is needed for that (timer K).
      this.terminate();
      this.#events.final(response);
    }
  }

  #receiveProvisional(response: ResponseMessage): void {
    if (this.#state !== "calling" && this.#state !== "proceeding") return;
    this.#state = "proceeding";
    if (this.#isInvite) {
      // From here on only the caller's own patience counts.
      this.#stop();
    } else if (!this.flow.reliable) {
      this.#again.start(this.#timers.t2, this.#timers.t2, () => this.flow.send(this.#text));
    }
    this.#events.provisional?.(response);
  }

  #receiveInviteFinal(response: ResponseMessage): void {
    if (response.status < 300) {
      if (this.#state === "completed") return;
      this.#stop();
      if (this.#state !== "accepted") this.#running.set("M", 64 * this.#timers.t1, () => this.terminate());
      this.#state = "accepted";
      this.#events.final(response);
      return;
    }
    if (this.#state === "accepted") return;
    this.#ack ??= this.#ackText(response);
    this.flow.send(this.#ack);
    if (this.#state === "completed") return;
    this.#stop();
    this.#state = "completed";
    if (this.flow.reliable) this.terminate();
    else this.#running.set("D", 64 * this.#timers.t1, () => this.terminate());
    this.#events.final(response);
  }

  /** RFC 3261 section 17.1.1.3. */
  #ackText(response: ResponseMessage): string {
    return this.#sibling("ACK", [["To", response.header("to") ?? ""]]);
  }

  /** A request that belongs to this INVITE: of the same Via, From, Call-ID, number and routes. */
  #sibling(method: "ACK" | "CANCEL", more: HeaderLine[]): string {
    const kept = new Set(["From", "Call-ID", "Route", "Max-Forwards", ...(more.some(([name]) => name === "To") ? [] : ["To"])]);
    const number = this.request.headers.find(([name]) => name === "CSeq")![1].split(" ")[0];
    let text = `${method} ${this.request.uri} SIP/2.0\r\nVia: ${viaLine(this.flow.transport, this.flow.local, this.branch)}\r\n`;
    for (const [name, value] of this.request.headers) if (kept.has(name)) text += `${name}: ${value}\r\n`;
    for (const [name, value] of more) text += `${name}: ${value.replace(/[\r\n]+/g, " ")}\r\n`;
    return `${text}CSeq: ${number} ${method}\r\nContent-Length: 0\r\n\r\n`;
  }

  /** RFC 3261 section 9.1. Only after a provisional answer; its own answer says nothing of use, so it is sent again a few times at most. */
  cancel(headers: HeaderLine[]): void {
    if (this.#state !== "proceeding") return;
    const text = this.#sibling("CANCEL", headers);
    this.flow.send(text);
    const { t1 } = this.#timers;
    if (!this.flow.reliable) this.#again.start(t1, this.#timers.t2, () => this.flow.send(text));
    this.#running.set("timeout", 64 * t1, () => this.#fail("timeout"));
  }

  /** The CANCEL was heard. */
  cancelAnswered(): void {
    if (this.#state === "proceeding") this.#again.stop();
  }

  #stop(): void {
    this.#again.stop();
    this.#running.clear("timeout");
  }

  #fail(why: "timeout" | "transport"): void {
    if (this.#state === "terminated") return;
    const decided = this.#state === "completed" || this.#state === "accepted";
    this.terminate();
    if (!decided) this.#events.failed(why);
  }

  terminate(): void {
    if (this.#state === "terminated") return;
    this.#stop();
    this.#state = "terminated";
    this.#running.clearAll();
    this.flow.closing.delete(this.#flowClosed);
    this.#onEnded(this);
  }
}
