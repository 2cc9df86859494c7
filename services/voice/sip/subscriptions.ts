/** Subscriptions, as the one who is asked for news: RFC 6665. What the news are is the user's matter. */
import { type HeaderLine, headerLines } from "./build.ts";
import { contactOf, Dialog } from "./dialog.ts";
import { answer, type DialogOwner, type Host } from "./host.ts";
import type { RequestMessage } from "./message.ts";
import type { Body, HeaderInput, NameAddress, Source, Subscription, SubscriptionOptions } from "./ports.ts";
import { DialogRequests } from "./sessions/requests.ts";
import type { ServerTransaction } from "./transactions/server.ts";
import { newTag } from "./via.ts";

let count = 0;

export class ServerSubscription implements Subscription, DialogOwner {
  readonly id = `subscription${++count}`;
  readonly event: string;
  readonly request: RequestMessage;
  readonly callId: string;
  readonly localTag: string;
  readonly #host: Host;
  readonly #options: SubscriptionOptions;
  readonly #dialog: Dialog;
  readonly #requests: DialogRequests;
  #endsAt = 0;
  #timer: NodeJS.Timeout | undefined;
  #ended = false;
  #sending = false;
  #next: { body: Body | undefined; headers: HeaderLine[]; state: string } | undefined;

  constructor(host: Host, transaction: ServerTransaction, options: SubscriptionOptions) {
    this.#host = host;
    this.#options = options;
    this.request = transaction.request;
    this.callId = this.request.callId;
    this.localTag = newTag();
    this.event = this.request.header("event") ?? "";
    this.#dialog = Dialog.called(this.request, this.localTag, this.request.uri.user);
    this.#requests = new DialogRequests(host, undefined);
    this.#grant(options.expires);
    if (options.expires > 0) host.add(this);
    this.#accept(transaction, options.expires, options.headers);
    // After its 200 has left (the first news are due at once), also for one that asks for a single look.
    queueMicrotask(() => this.#due());
  }

  get subscriber(): NameAddress {
    return this.request.from;
  }

  get source(): Source {
    return this.#dialog.source;
  }

  get expires(): number {
    return this.#ended ? 0 : Math.max(0, Math.round((this.#endsAt - performance.now()) / 1000));
  }

  get ended(): boolean {
    return this.#ended;
  }

  #accept(transaction: ServerTransaction, expires: number, headers: HeaderInput | undefined): void {
    const { flow } = transaction;
    answer(this.#host, transaction, 200, {
      contact: contactOf(flow.local, flow.transport, this.#dialog.contactUser, this.#dialog.secure),
      recordRoute: true,
      toTag: this.localTag,
      headers: { ...headers, Expires: String(expires) },
    });
  }

  #grant(seconds: number): void {
    clearTimeout(this.#timer);
    this.#endsAt = performance.now() + seconds * 1000;
    if (seconds > 0) this.#timer = setTimeout(() => this.#end("expired"), seconds * 1000);
  }

  #due(): void {
    // One look, or the last one: it is over with the news.
    const told = () => {
      if (!this.#ended && this.expires === 0) this.#close();
    };
    try {
      const telling = this.#options.onNotifyDue(this);
      if (telling === undefined) told();
      else void telling.catch((error: unknown) => this.#host.error(error, "onNotifyDue")).finally(told);
    } catch (error) {
      this.#host.error(error, "onNotifyDue");
      told();
    }
  }

  receive(request: RequestMessage, transaction: ServerTransaction): void {
    if (request.method !== "SUBSCRIBE" || request.fromTag !== this.#dialog.remoteTag || this.#ended) {
      answer(this.#host, transaction, 481);
      return;
    }
    if (request.cseq.number < this.#dialog.remoteSeq) {
      answer(this.#host, transaction, 500, { reason: "CSeq is out of order" });
      return;
    }
    this.#dialog.remoteSeq = request.cseq.number;
    this.#dialog.heard(request, true);
    const asked = Number.parseInt(request.header("expires") ?? String(this.#options.expires), 10);
    const wanted = Number.isFinite(asked) && asked >= 0 ? asked : this.#options.expires;
    const granted = wanted === 0 ? 0 : (this.#options.onRefresh?.(wanted, request) ?? Math.min(wanted, this.#options.expires));
    this.#accept(transaction, granted, undefined);
    this.#grant(granted);
    this.#due();
    if (granted === 0) this.#options.onEnded?.("unsubscribed");
  }

  receiveAck(): void {}

  notify(body: Body, headers?: HeaderInput): void {
    const left = this.expires;
    const state = left > 0 ? `active;expires=${left}` : "terminated;reason=timeout";
    this.#queue(body, headerLines(headers), state);
  }

  terminate(reason: "deactivated" | "rejected" | "noresource" | "timeout" | "probation" = "noresource", body?: Body): void {
    if (this.#ended) return;
    this.#queue(body, [], `terminated;reason=${reason}`);
    this.#close();
  }

  #queue(body: Body | undefined, headers: HeaderLine[], state: string): void {
    if (this.#ended) return;
    this.#next = { body, headers, state };
    if (!this.#sending) void this.#sendNext().catch((error: unknown) => this.#host.error(error, "NOTIFY"));
  }

  /** One after the other: they must not overtake each other, and only the newest matters. */
  async #sendNext(): Promise<void> {
    this.#sending = true;
    while (this.#next) {
      const { body, headers, state } = this.#next;
      this.#next = undefined;
      const { status } = await this.#requests.send(this.#dialog, {
        method: "NOTIFY",
        headers: [["Event", this.event], ["Subscription-State", state], ...headers],
        body,
        contact: true,
      });
      // RFC 6665 section 4.2.2: it is known no more, or not there.
      if (status >= 300 && !this.#ended) this.#end("failed");
    }
    this.#sending = false;
  }

  #end(why: "expired" | "failed"): void {
    if (this.#ended) return;
    if (why === "expired") this.#queue(undefined, [], "terminated;reason=timeout");
    this.#close();
    this.#options.onEnded?.(why);
  }

  #close(): void {
    this.#ended = true;
    clearTimeout(this.#timer);
    this.#host.remove(this);
  }

  shutDown(): void {
    this.terminate("deactivated");
  }
}
