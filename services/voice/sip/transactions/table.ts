/** All transactions of a stack, found by what RFC 3261 section 17.1.3 and 17.2.3 say. */
import type { OutgoingRequest } from "../build.ts";
import type { RequestMessage, ResponseMessage } from "../message.ts";
import type { Flow } from "../transport/flow.ts";
import { type ClientEvents, ClientTransaction } from "./client.ts";
import { ServerTransaction } from "./server.ts";
import type { Timers } from "./timers.ts";

export class TransactionTable {
  readonly #timers: Timers;
  readonly #servers = new Map<string, ServerTransaction>();
  readonly #clients = new Map<string, ClientTransaction>();
  /** Of requests outside of dialogs: the same one by two ways is refused the second time (RFC 3261 section 8.2.2.2). */
  readonly #merged = new Map<string, ServerTransaction>();

  constructor(timers: Timers) {
    this.#timers = timers;
  }

  get size(): number {
    return this.#servers.size + this.#clients.size;
  }

  /** The one that a request repeats, or acknowledges. */
  find(request: RequestMessage): ServerTransaction | undefined {
    return this.#servers.get(keyOf(request, request.method === "ACK" ? "INVITE" : request.method));
  }

  /** The INVITE that a CANCEL means. */
  findCancelled(cancel: RequestMessage): ServerTransaction | undefined {
    return this.#servers.get(keyOf(cancel, "INVITE"));
  }

  /** Whether the same request came by another way before. */
  isMerged(request: RequestMessage): boolean {
    return this.#merged.has(mergeKey(request));
  }

  serve(request: RequestMessage, flow: Flow): ServerTransaction {
    const transaction = new ServerTransaction(keyOf(request, request.method), request, flow, this.#timers);
    this.#servers.set(transaction.key, transaction);
    const merge = request.toTag === "" ? mergeKey(request) : undefined;
    if (merge !== undefined) this.#merged.set(merge, transaction);
    transaction.onEnded = () => {
      this.#servers.delete(transaction.key);
      if (merge !== undefined && this.#merged.get(merge) === transaction) this.#merged.delete(merge);
    };
    return transaction;
  }

  send(flow: Flow, request: OutgoingRequest, events: ClientEvents, timeoutMs?: number): ClientTransaction {
    const transaction = new ClientTransaction(flow, request, this.#timers, events, (ended) => this.#clients.delete(ended.key));
    this.#clients.set(transaction.key, transaction);
    transaction.start(timeoutMs);
    return transaction;
  }

  /** False: nobody waits for it. */
  receive(response: ResponseMessage): boolean {
    const { branch } = response.via!;
    if (branch === undefined) return false;
    if (response.cseq.method === "CANCEL") {
      this.#clients.get(`${branch}|INVITE`)?.cancelAnswered();
      return true;
    }
    const transaction = this.#clients.get(`${branch}|${response.cseq.method}`);
    transaction?.receive(response);
    return transaction !== undefined;
  }

  close(): void {
    for (const transaction of [...this.#servers.values()]) transaction.terminate();
    for (const transaction of [...this.#clients.values()]) transaction.terminate();
  }
}

function keyOf(request: RequestMessage, method: string): string {
  const via = request.via!;
  // Some phones say the same branch again and again: Call-ID and number keep their requests apart.
  if (via.branch !== undefined)
    return `${via.branch}|${via.host}:${via.port ?? ""}|${request.callId}|${request.cseq.number}|${method}`;
  // One of RFC 2543: the ACK's To has a tag that the INVITE's lacks, so To is left out.
  return `${request.uriText}|${request.fromTag}|${request.callId}|${request.cseq.number}|${via.host}:${via.port ?? ""}|${method}`;
}

const mergeKey = (request: RequestMessage): string =>
  `${request.fromTag}|${request.callId}|${request.cseq.number}|${request.method}`;
