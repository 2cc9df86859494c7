/** Offers in a running call, both ways: re-INVITE (RFC 3261 section 14), UPDATE (RFC 3311), and who waits when both do it at once. */
import { setTimeout as delay } from "node:timers/promises";
import { type HeaderLine, headerLines } from "../build.ts";
import { allow, supported } from "../capabilities.ts";
import type { Dialog } from "../dialog.ts";
import { type AnswerOptions, answer, type Host } from "../host.ts";
import type { RequestMessage } from "../message.ts";
import type { EndCause, HeaderInput, IncomingOffer, Negotiation } from "../ports.ts";
import type { ServerTransaction } from "../transactions/server.ts";
import type { Acknowledgement, DialogRequests, DialogResult } from "./requests.ts";
import type { SessionTimer } from "./timer.ts";
import { UnacknowledgedAnswer } from "./unacknowledged.ts";

/** What a negotiation has of its session. */
export interface Negotiating {
  readonly host: Host;
  readonly timer: SessionTimer;
  readonly requests: DialogRequests;
  readonly dialog: Dialog | undefined;
  readonly ended: boolean;
  readonly direction: "incoming" | "outgoing";
  localSdp: string | undefined;
  remoteSdp: string | undefined;
  contactFor(transaction: ServerTransaction): string;
  /** False: nobody listens. */
  offered(offer: IncomingOffer): boolean;
  acknowledged(sdp: string | undefined): void;
  lost(cause: EndCause): void;
}

interface Offering {
  sdp?: string | (() => Promise<string>);
  answerOffer?: (offer: string) => string | Promise<string>;
  headers?: HeaderInput;
}

const sdpBody = (sdp: string | undefined) => (sdp === undefined ? undefined : { type: "application/sdp", content: sdp });
const glareTries = 6;
const gone: Negotiation = { status: 481, reason: "Call/Transaction Does Not Exist", sdp: undefined };

export class Negotiator {
  readonly #session: Negotiating;
  #turn: Promise<unknown> = Promise.resolve();
  #ours = false;
  #theirs: PendingOffer | undefined;
  #unacknowledged: UnacknowledgedAnswer | undefined;
  #waiting: (() => void)[] = [];
  #afterAck: (() => void) | undefined;

  constructor(session: Negotiating) {
    this.#session = session;
  }

  // Ours

  reinvite(options: Offering): Promise<Negotiation> {
    return this.#inTurn(() => this.#reinvite(options));
  }

  update(options: { sdp?: string; headers?: HeaderInput }): Promise<Negotiation> {
    return this.#inTurn(() => this.#untilNoGlare(() => this.#update(options)));
  }

  #inTurn(work: () => Promise<Negotiation>): Promise<Negotiation> {
    const result = this.#turn.then(work);
    this.#turn = result.catch(() => {});
    return result;
  }

  #reinvite(options: Offering): Promise<Negotiation> {
    const isOfItsMoment = typeof options.sdp === "function";
    return this.#untilNoGlare(async () => {
      const offered = typeof options.sdp === "function" ? await options.sdp() : options.sdp;
      if (this.#session.ended) return undefined;
      const dialog = this.#session.dialog!;
      const { requests, host, timer } = this.#session;
      let acknowledgement: Acknowledgement | undefined;
      let patience: NodeJS.Timeout | undefined;
      const result = await requests.send(
        dialog,
        { method: "INVITE", headers: this.#headers(options.headers), body: sdpBody(offered), contact: true },
        {
          again: () => acknowledgement?.again(),
          started: (sending) => {
            clearTimeout(patience);
            patience = setTimeout(() => sending.cancel([]), 64 * host.timers.t1);
          },
        },
      );
      clearTimeout(patience);
      if (result.status >= 300 || !result.response) return result;
      dialog.heard(result.response, true);
      timer.agreed(result.response);
      const { sdp } = result.response;
      const answerSdp = offered === undefined && sdp !== undefined ? await this.#answerTo(sdp, options) : undefined;
      acknowledgement = requests.acknowledge(dialog, result.seq, sdpBody(answerSdp));
      this.#agreed(offered ?? answerSdp, sdp);
      return result;
    }, isOfItsMoment);
  }

  /** A late offer must be answered with something: what ran before, if its user fails. */
  async #answerTo(offer: string, options: Offering): Promise<string | undefined> {
    try {
      return await options.answerOffer?.(offer);
    } catch (error) {
      this.#session.host.error(error, "answerOffer");
      return this.#session.localSdp;
    }
  }

  async #update(options: { sdp?: string; headers?: HeaderInput }): Promise<DialogResult> {
    const dialog = this.#session.dialog!;
    const { requests, timer } = this.#session;
    const result = await requests.send(dialog, {
      method: "UPDATE",
      headers: this.#headers(options.headers),
      body: sdpBody(options.sdp),
      contact: true,
    });
    if (result.status >= 300 || !result.response) return result;
    dialog.heard(result.response, true);
    timer.agreed(result.response);
    if (options.sdp !== undefined) this.#agreed(options.sdp, result.response.sdp);
    return result;
  }

  #headers(more: HeaderInput | undefined): HeaderLine[] {
    return [["Allow", allow], ["Supported", supported], ...this.#session.timer.requestHeaders(), ...headerLines(more)];
  }

  #agreed(local: string | undefined, remote: string | undefined): void {
    if (local !== undefined) this.#session.localSdp = local;
    if (remote !== undefined) this.#session.remoteSdp = remote;
  }

  async #untilNoGlare(work: () => Promise<DialogResult | undefined>, once = false): Promise<Negotiation> {
    for (let tries = 1; ; tries++) {
      await new Promise<void>((resolve) => this.whenIdle(resolve));
      if (this.#session.ended || !this.#session.dialog) return gone;
      this.#ours = true;
      const result = await work().finally(() => {
        this.#ours = false;
      });
      if (result === undefined) return gone;
      if (result.status === 422 && result.response && this.#session.timer.raise(result.response)) continue;
      if (result.status === 491 && tries < glareTries && !once) {
        await delay(this.#glareMs());
        continue;
      }
      // RFC 5057: the call is not there any more, or its other end is not.
      if (result.status === 481 || result.status === 408) this.#session.lost("dialog_lost");
      return {
        status: result.status,
        reason: result.reason,
        sdp: result.response?.sdp,
        ...(result.response && { response: result.response }),
        ...(once && this.#againMs(result)),
      };
    }
  }

  /** RFC 3261 section 14.1: whoever made the Call-ID waits longer, so that they do not meet again. */
  #glareMs(): number {
    const { t1 } = this.#session.host.timers;
    return this.#session.direction === "outgoing" ? t1 * (4.2 + Math.random() * 3.8) : t1 * Math.random() * 4;
  }

  /** Also when the other one is not done with an offer of its own (RFC 3261 section 14.2). */
  #againMs({ status, response }: DialogResult): { againMs?: number } {
    if (status === 491) return { againMs: this.#glareMs() };
    const retryAfter = Number.parseInt(response?.header("Retry-After") ?? "", 10);
    return status === 500 && retryAfter >= 0 ? { againMs: 1000 * Math.min(retryAfter, 10) } : {};
  }

  /** At once, or when no offer of theirs waits for its answer and no answer of ours to an INVITE for its ACK. */
  whenIdle(action: () => void): void {
    if (this.#session.ended || (!this.#theirs && !this.#unacknowledged)) action();
    else this.#waiting.push(() => this.whenIdle(action));
  }

  #settled(): void {
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const resolve of waiting) resolve();
  }

  // Theirs

  /** A re-INVITE, or an UPDATE, or a PRACK with a description. */
  receive(request: RequestMessage, transaction: ServerTransaction): void {
    const { host, timer } = this.#session;
    const isOffer = request.method === "INVITE" || request.sdp !== undefined;
    const refusal = this.#refusal(request, isOffer);
    const small = timer.tooSmall(request);
    if (refusal) answer(host, transaction, refusal.status, refusal.options);
    else if (small) answer(host, transaction, 422, { more: [small] });
    else this.#consider(request, transaction, isOffer);
  }

  /** Both at once, or one before the last is done: RFC 3261 section 14.2, RFC 3311 section 5.2. */
  #refusal(request: RequestMessage, isOffer: boolean): { status: number; options: AnswerOptions } | undefined {
    if (isOffer && this.#ours) return { status: 491, options: {} };
    const isBusy = this.#theirs !== undefined || (request.method === "INVITE" && this.#unacknowledged !== undefined);
    if (!isOffer || !isBusy) return undefined;
    return { status: 500, options: { headers: { "Retry-After": String(Math.floor(Math.random() * 10)) } } };
  }

  #consider(request: RequestMessage, transaction: ServerTransaction, isOffer: boolean): void {
    const offer = new PendingOffer(request, (status, options) => this.#decide(transaction, offer, status, options));
    if (!isOffer) {
      offer.accept(undefined, {});
      return;
    }
    this.#theirs = offer;
    if (request.method === "INVITE") transaction.onCancel = () => offer.reject(487);
    if (!this.#answersItself(offer) && !this.#session.offered(offer)) offer.reject(488);
  }

  /** What says nothing new is a refresh (RFC 4028), and gets what it got before; but no "actpass", which is for offers (RFC 5763). */
  #answersItself(offer: PendingOffer): boolean {
    const { localSdp, remoteSdp } = this.#session;
    if (localSdp === undefined || offer.sdp === undefined || offer.sdp !== remoteSdp || localSdp.includes("actpass"))
      return false;
    offer.answer(localSdp);
    return true;
  }

  #decide(
    transaction: ServerTransaction,
    offer: PendingOffer,
    status: number,
    options: { sdp?: string | undefined; headers?: HeaderInput | undefined },
  ): void {
    if (this.#theirs === offer) this.#theirs = undefined;
    const { request } = offer;
    if (status >= 300) answer(this.#session.host, transaction, status, options.headers ? { headers: options.headers } : {});
    else if (request.method === "INVITE") this.accept(transaction, options.sdp, options.headers);
    else {
      const refreshes = request.method === "UPDATE";
      answer(this.#session.host, transaction, status, {
        ...(refreshes && { contact: this.#session.contactFor(transaction) }),
        more: refreshes ? [["Allow", allow], ["Supported", supported], ...this.#session.timer.agree(request)] : [],
        ...(options.headers && { headers: options.headers }),
        ...(options.sdp !== undefined && { body: sdpBody(options.sdp)! }),
      });
      if (offer.sdp !== undefined) this.#agreed(options.sdp, offer.sdp);
    }
    this.#settled();
  }

  /** 200 to an INVITE, the first one or a later one, and what follows until its ACK. Without a description where all is agreed already. */
  accept(transaction: ServerTransaction, sdp: string | undefined, headers: HeaderInput | undefined, toTag?: string): void {
    const { host, timer } = this.#session;
    const { request } = transaction;
    const text = answer(host, transaction, 200, {
      contact: this.#session.contactFor(transaction),
      recordRoute: true,
      more: [["Allow", allow], ["Supported", supported], ...timer.agree(request)],
      ...(headers && { headers }),
      ...(sdp !== undefined && { body: sdpBody(sdp)! }),
      ...(toTag !== undefined && { toTag }),
    });
    if (sdp !== undefined) this.#agreed(sdp, request.sdp);
    this.#unacknowledged = new UnacknowledgedAnswer(request.cseq.number, host.timers, {
      send: () => transaction.flow.send(text),
      lost: () => {
        this.#acknowledge();
        this.#session.lost("no_acknowledgement");
      },
    });
  }

  receiveAck(request: RequestMessage): void {
    if (this.#unacknowledged?.seq !== request.cseq.number) return;
    const { sdp } = request;
    if (sdp !== undefined) this.#session.remoteSdp = sdp;
    this.#acknowledge();
    this.#session.acknowledged(sdp);
  }

  #acknowledge(): void {
    this.#unacknowledged?.stop();
    this.#unacknowledged = undefined;
    this.#settled();
    this.#afterAck?.();
    this.#afterAck = undefined;
  }

  /** At once, or when the ACK has come or will not: before it the other one knows of no call to end (RFC 3261 section 15). */
  whenAcknowledged(action: () => void): void {
    if (this.#unacknowledged) this.#afterAck = action;
    else action();
  }

  /** The session is over. */
  end(): void {
    this.#theirs?.reject(487);
    this.#settled();
  }

  /** Nothing may run on. */
  dispose(): void {
    this.#unacknowledged?.stop();
    this.#unacknowledged = undefined;
    this.end();
  }
}

type Decide = (status: number, options: { sdp?: string | undefined; headers?: HeaderInput | undefined }) => void;

class PendingOffer implements IncomingOffer {
  readonly request: RequestMessage;
  #decide: Decide | undefined;

  constructor(request: RequestMessage, decide: Decide) {
    this.request = request;
    this.#decide = decide;
  }

  get method(): IncomingOffer["method"] {
    return this.request.method as IncomingOffer["method"];
  }

  get sdp(): string | undefined {
    return this.request.sdp;
  }

  answer(sdp: string, headers?: HeaderInput): void {
    this.accept(sdp, headers);
  }

  accept(sdp: string | undefined, headers: HeaderInput | undefined): void {
    this.#once(200, { sdp, headers });
  }

  reject(status: number, headers?: HeaderInput): void {
    this.#once(status, { headers });
  }

  /** The first decision counts. */
  #once(...decision: Parameters<Decide>): void {
    const decide = this.#decide;
    this.#decide = undefined;
    decide?.(...decision);
  }
}
