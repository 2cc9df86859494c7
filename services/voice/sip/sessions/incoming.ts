/** Calls that come in. */
import { allow, supported } from "../capabilities.ts";
import { Dialog } from "../dialog.ts";
import { type AnswerOptions, answer, type Host } from "../host.ts";
import type { RequestMessage } from "../message.ts";
import type { HangUpOptions, HeaderInput, IncomingCall, NameAddress, RespondOptions, Session } from "../ports.ts";
import type { ServerTransaction } from "../transactions/server.ts";
import { ReliableAnswers } from "./reliable.ts";
import { SessionCore } from "./session.ts";

export class IncomingSession extends SessionCore implements IncomingCall {
  readonly direction = "incoming";
  readonly callId: string;
  readonly localTag: string;
  readonly dialog: Dialog;
  readonly request: RequestMessage;
  readonly replaces: Session | undefined;
  readonly #transaction: ServerTransaction;
  readonly #reliable: ReliableAnswers;
  #answering = false;

  constructor(host: Host, transaction: ServerTransaction, replaces: Session | undefined) {
    super(host, undefined);
    const { request } = transaction;
    this.#transaction = transaction;
    this.localTag = transaction.localTag;
    this.request = request;
    this.replaces = replaces;
    this.callId = request.callId;
    this.dialog = Dialog.called(request, this.localTag, request.uri.user);
    this.remoteSdp = request.sdp;
    this.peer.heard(request);
    this.#reliable = new ReliableAnswers(host, transaction, () => {
      this.reject(504);
    });
    transaction.onCancel = (cancel) => this.#cancelled(cancel);
    host.add(this);
  }

  protected get initialLocal(): NameAddress {
    return this.request.to;
  }

  protected get initialRemote(): NameAddress {
    return this.request.from;
  }

  get #open(): boolean {
    return this.state === "early" && !this.#answering;
  }

  progress(status: number, options: { reason?: string; sdp?: string; headers?: HeaderInput; reliable?: boolean } = {}): void {
    if (!this.#open || status <= 100 || status >= 200) return;
    const answerOptions: AnswerOptions = {
      ...(options.reason !== undefined && { reason: options.reason }),
      ...(options.headers && { headers: options.headers }),
      ...(options.sdp !== undefined && { body: { type: "application/sdp", content: options.sdp } }),
      contact: this.contactFor(this.#transaction),
      recordRoute: true,
      toTag: this.localTag,
      more: [
        ["Allow", allow],
        ["Supported", supported],
      ],
    };
    if (options.sdp !== undefined) this.localSdp = options.sdp;
    if (this.#isReliable(options)) this.#reliable.send(status, answerOptions);
    else answer(this.host, this.#transaction, status, answerOptions);
  }

  #isReliable({ sdp, reliable }: { sdp?: string; reliable?: boolean }): boolean {
    if (this.request.lists("require", "100rel")) return true;
    if (!this.request.lists("supported", "100rel") || reliable === false) return false;
    return reliable === true || sdp !== undefined;
  }

  answer(options: { sdp: string; headers?: HeaderInput }): void {
    if (!this.#open) return;
    this.#answering = true;
    // An offer of theirs (PRACK, UPDATE) gets its answer first.
    this.#reliable.whenClear(() => this.negotiator.whenIdle(() => this.#accept(options)));
  }

  #accept({ sdp, headers }: { sdp: string; headers?: HeaderInput }): void {
    if (this.state !== "early") return;
    this.state = "confirmed";
    // Where another offer was answered since, what the caller got to the INVITE's holds no more.
    const isAgreedAnew = this.request.sdp !== undefined && this.remoteSdp !== this.request.sdp;
    this.negotiator.accept(this.#transaction, isAgreedAnew ? undefined : sdp, headers, this.localTag);
  }

  reject(status: number, options: RespondOptions = {}): void {
    this.#refuse(status, options, { cause: "rejected" });
  }

  redirect(contacts: string[], options: { status?: number; headers?: HeaderInput } = {}): void {
    this.#refuse(options.status ?? 302, { headers: { ...options.headers, Contact: contacts } }, { cause: "redirected" });
  }

  #refuse(
    status: number,
    options: RespondOptions,
    end: { cause: "rejected" | "redirected" | "local_hangup" | "replaced" | "failed" },
  ): void {
    if (this.state !== "early") return;
    this.#reliable.stop();
    answer(this.host, this.#transaction, status, { ...options, toTag: this.localTag });
    this.finish({ ...end, status, reasons: [] });
  }

  hangUp(options: HangUpOptions = {}): void {
    if (this.state === "confirmed") void this.bye(options).catch((error: unknown) => this.host.error(error, "BYE"));
    else if (this.state === "early") {
      const headers: HeaderInput = { ...options.headers, Reason: options.reason };
      this.#refuse(480, { headers }, { cause: options.cause === "replaced" ? "replaced" : "local_hangup" });
    }
  }

  #cancelled(cancel: RequestMessage): void {
    if (this.state !== "early") return;
    this.#reliable.stop();
    answer(this.host, this.#transaction, 487, { toTag: this.localTag });
    this.finish({ cause: "cancelled", reasons: cancel.reasons, message: cancel });
  }

  protected override beforeRemoteBye(): void {
    if (this.state === "early") answer(this.host, this.#transaction, 487, { toTag: this.localTag });
    this.#reliable.stop();
  }

  protected dialogOf(request: RequestMessage): Dialog | undefined {
    return request.fromTag === this.dialog.remoteTag ? this.dialog : undefined;
  }

  protected override receiveOffer(request: RequestMessage, transaction: ServerTransaction): void {
    // A second INVITE before the first is answered: RFC 3261 section 14.2.
    if (request.method === "INVITE" && this.state === "early") answer(this.host, transaction, 500, waitABit());
    // RFC 3311 section 5.2: the INVITE's own offer has no answer yet.
    else if (request.sdp !== undefined && this.request.sdp !== undefined && this.localSdp === undefined)
      answer(this.host, transaction, 500, waitABit());
    else super.receiveOffer(request, transaction);
  }

  protected override receivePrack(request: RequestMessage, transaction: ServerTransaction): void {
    if (!this.#reliable.acknowledge(request)) {
      answer(this.host, transaction, 481);
      return;
    }
    const { sdp } = request;
    const isOffer = sdp !== undefined && this.request.sdp !== undefined;
    if (isOffer) {
      this.negotiator.receive(request, transaction);
      // Its answer goes first: whoever offers in PRACK takes no other description meanwhile.
      this.negotiator.whenIdle(() => this.#reliable.goOn());
    } else {
      answer(this.host, transaction, 200);
      // Our answer had the offer: this is the answer to it.
      if (sdp !== undefined) {
        this.remoteSdp = sdp;
        this.acknowledged(sdp);
      }
      this.#reliable.goOn();
    }
  }

  protected override dispose(): void {
    this.#reliable.stop();
    super.dispose();
  }
}

const waitABit = (): AnswerOptions => ({ headers: { "Retry-After": String(Math.floor(Math.random() * 10)) } });
