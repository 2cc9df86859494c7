/** Requests on their way: to a flow, or to the places that a URI names, one after the other (RFC 3263 section 4.3). */
import type { HeaderLine, OutgoingRequest } from "./build.ts";
import type { ResponseMessage } from "./message.ts";
import type { Hop, Resolver, SipUri, Way } from "./ports.ts";
import { hopsOf } from "./resolve.ts";
import type { ClientTransaction } from "./transactions/client.ts";
import type { TransactionTable } from "./transactions/table.ts";
import type { Timers } from "./transactions/timers.ts";
import type { Flow } from "./transport/flow.ts";
import type { TransportLayer } from "./transport/layer.ts";
import { parseNameAddress } from "./uri.ts";

/** Silence, a way that broke or is not to be found, a flow that has ended. */
export type Failure = "timeout" | "transport" | "flow";

export const failureStatus: Record<Failure, number> = { timeout: 408, transport: 503, flow: 430 };

export interface SendEvents {
  provisional?(response: ResponseMessage): void;
  final(response: ResponseMessage): void;
  failed(why: Failure): void;
}

export class Sender {
  readonly layer: TransportLayer;
  readonly transactions: TransactionTable;
  readonly timers: Timers;
  readonly #resolver: Resolver;

  constructor(layer: TransportLayer, transactions: TransactionTable, timers: Timers, resolver: Resolver) {
    this.layer = layer;
    this.transactions = transactions;
    this.timers = timers;
    this.#resolver = resolver;
  }

  send(way: Way, target: SipUri, request: OutgoingRequest, events: SendEvents, timeoutMs?: number): Sending {
    const sending = new Sending(this, request, events, timeoutMs);
    if (way.flow !== undefined) sending.onFlow(this.layer.flow(way.flow));
    else if (way.hop) sending.toHops([way.hop]);
    else {
      const first = way.routes?.[0];
      const uri = first === undefined ? target : (parseNameAddress(first)?.uri ?? target);
      hopsOf(uri, this.#resolver).then(
        (hops) => sending.toHops(hops),
        () => sending.toHops([]),
      );
    }
    return sending;
  }

  /** Where an ACK for a 2xx goes: a message without an answer. */
  async flowFor(way: Way, target: SipUri): Promise<Flow | undefined> {
    if (way.flow !== undefined) return this.layer.flow(way.flow);
    if (way.hop) return this.layer.flowTo(way.hop);
    const first = way.routes?.[0];
    const uri = first === undefined ? target : (parseNameAddress(first)?.uri ?? target);
    const [hop] = await hopsOf(uri, this.#resolver);
    return hop && this.layer.flowTo(hop);
  }
}

/** One request, and the tries it takes. */
export class Sending {
  readonly #sender: Sender;
  readonly #request: OutgoingRequest;
  readonly #events: SendEvents;
  readonly #timeoutMs: number | undefined;
  #transaction: ClientTransaction | undefined;
  #cancelled: HeaderLine[] | undefined;
  #abandoned = false;

  constructor(sender: Sender, request: OutgoingRequest, events: SendEvents, timeoutMs: number | undefined) {
    this.#sender = sender;
    this.#request = request;
    this.#events = events;
    this.#timeoutMs = timeoutMs;
  }

  /** Of the try that runs. */
  get flow(): Flow | undefined {
    return this.#transaction?.flow;
  }

  onFlow(flow: Flow | undefined): void {
    if (flow) this.#try(flow, []);
    else queueMicrotask(() => this.#fail("flow"));
  }

  toHops(hops: Hop[]): void {
    if (this.#abandoned) return;
    const [hop, ...rest] = hops;
    const flow = hop && this.#sender.layer.flowTo(hop);
    if (!hop) this.#fail("transport");
    else if (flow) this.#try(flow, rest);
    else this.toHops(rest);
  }

  #try(flow: Flow, rest: Hop[]): void {
    const { timers, transactions } = this.#sender;
    const isLast = rest.length === 0;
    // One of several places gets less time: RFC 3261 gives each 32 seconds, in which the caller is gone.
    const timeoutMs = isLast ? this.#timeoutMs : 8 * timers.t1;
    this.#transaction = transactions.send(
      flow,
      this.#request,
      {
        provisional: (response) => {
          if (this.#cancelled) this.#transaction?.cancel(this.#cancelled);
          this.#events.provisional?.(response);
        },
        final: (response) => {
          if (response.status === 503 && !isLast && !this.#cancelled) this.toHops(rest);
          else this.#events.final(response);
        },
        failed: (why) => {
          if (isLast || this.#cancelled) this.#fail(why);
          else this.toHops(rest);
        },
      },
      timeoutMs,
    );
  }

  #fail(why: Failure): void {
    if (!this.#abandoned) this.#events.failed(why);
  }

  /** An INVITE: at once if something has come back, else as soon as it does (RFC 3261 section 9.1). */
  cancel(headers: HeaderLine[]): void {
    this.#cancelled = headers;
    this.#transaction?.cancel(headers);
  }

  /** Nobody waits any more. */
  abandon(): void {
    this.#abandoned = true;
    this.#transaction?.terminate();
  }
}
