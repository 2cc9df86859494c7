/** Calls that go out: RFC 3261 section 13.2, with forks, challenges and reliable answers. */
import { Authenticator } from "../authenticator.ts";
import { type HeaderLine, headerLines, type OutgoingRequest } from "../build.ts";
import { allow, supported } from "../capabilities.ts";
import { calledBack, contactOf, type Dialog } from "../dialog.ts";
import { phraseOf } from "../headers.ts";
import { answer, type Host } from "../host.ts";
import type { Message, RequestMessage, ResponseMessage } from "../message.ts";
import type { CallOptions, HangUpOptions, NameAddress, OutgoingCall, SipUri, Source } from "../ports.ts";
import { type Failure, failureStatus, type Sending } from "../sender.ts";
import type { ServerTransaction } from "../transactions/server.ts";
import { formatUri, parseNameAddress, parseUri } from "../uri.ts";
import { newCallId, newTag } from "../via.ts";
import type { Acknowledgement } from "./requests.ts";
import { SessionCore } from "./session.ts";

interface Branch {
  dialog: Dialog;
  /** Number of the last reliable answer acknowledged. */
  rseq: number;
  acknowledgement?: Acknowledgement;
  seen2xx: boolean;
}

export class OutgoingSession extends SessionCore implements OutgoingCall {
  readonly direction = "outgoing";
  readonly callId: string;
  readonly localTag = newTag();
  readonly #options: CallOptions;
  readonly #target: SipUri;
  readonly #localText: string;
  readonly #remoteText: string;
  readonly #authenticator: Authenticator | undefined;
  readonly #answered = new Set<string>();
  readonly #branches = new Map<string, Branch>();
  #dialog: Dialog | undefined;
  #seq = 0;
  #sending: Sending | undefined;
  #patience: NodeJS.Timeout | undefined;
  #cancelling: HangUpOptions | undefined;
  /** No answer in time: the cancelled call is told as that. */
  #timedOut = false;

  constructor(host: Host, options: CallOptions) {
    const authenticator = options.credentials && new Authenticator(options.credentials);
    super(host, authenticator);
    this.#authenticator = authenticator;
    this.#options = options;
    const target = typeof options.target === "string" ? parseUri(options.target) : options.target;
    const from = parseNameAddress(options.from);
    if (!target) throw new TypeError(`${String(options.target)} is no SIP URI: write sip:user@host.`);
    if (!from) throw new TypeError(`${options.from} is no address: write "Name" <sip:user@host>.`);
    this.#target = target;
    this.#localText = `${withBrackets(options.from)};tag=${this.localTag}`;
    this.#remoteText = options.to ?? `<${formatUri({ ...target, headers: undefined })}>`;
    this.callId = options.callId ?? newCallId();
    this.localSdp = options.sdp;
    host.add(this);
    this.#invite();
    this.#patience = setTimeout(() => this.#tooLate(), options.timeoutMs ?? host.timers.invite);
  }

  get dialog(): Dialog | undefined {
    return this.#dialog;
  }

  protected get initialLocal(): NameAddress {
    return parseNameAddress(this.#localText)!;
  }

  protected get initialRemote(): NameAddress {
    return parseNameAddress(this.#remoteText) ?? { uri: this.#target, params: {} };
  }

  override get source(): Source | undefined {
    return this.#dialog?.source;
  }

  #invite(): void {
    const { flow, hop, routes, silenceMs } = this.#options;
    // The number is taken from the dialog's own, as an in-dialog request may come before the answer.
    this.#seq++;
    this.#branches.clear();
    this.#dialog = undefined;
    this.#sending = this.host.sender.send(
      { flow, hop, routes },
      this.#target,
      this.#request(),
      {
        provisional: (response) => this.#progressed(response),
        final: (response) => this.#final(response),
        failed: (why) => this.#failed(why),
      },
      silenceMs,
    );
  }

  #request(): OutgoingRequest {
    const { options, target } = { options: this.#options, target: this.#target };
    const uri = formatUri({ ...target, headers: undefined });
    const headers: HeaderLine[] = (options.routes ?? []).map((route) => ["Route", route] as const);
    headers.push(
      ["Max-Forwards", String(options.maxForwards ?? 70)],
      ["From", this.#localText],
      ["To", this.#remoteText],
      ["Call-ID", this.callId],
      ["CSeq", `${this.#seq} INVITE`],
      ["Allow", allow],
      ["Supported", supported],
      ["User-Agent", this.host.userAgent],
      ...this.timer.requestHeaders(),
      ...(this.#authenticator?.headers("INVITE", uri) ?? []),
      ...headerLines(options.headers),
    );
    return {
      method: "INVITE",
      uri,
      headers,
      body: options.sdp === undefined ? undefined : { type: "application/sdp", content: options.sdp },
      contact: (local, transport) =>
        contactOf(local, transport, options.contactUser ?? this.initialLocal.uri.user, target.scheme === "sips"),
    };
  }

  #branchOf(response: ResponseMessage): Branch {
    const tag = response.toTag;
    let branch = this.#branches.get(tag);
    if (!branch) {
      const { contactUser, flow, hop } = this.#options;
      const dialog = calledBack(response, {
        localText: this.#localText,
        localTag: this.localTag,
        seq: this.#seq,
        contactUser: contactUser ?? this.initialLocal.uri.user,
        secure: this.#target.scheme === "sips",
        byFlow: flow !== undefined || (hop !== undefined && response.headers("record-route").length === 0),
        target: this.#target,
      });
      branch = { dialog, rseq: 0, seen2xx: false };
      this.#branches.set(tag, branch);
    } else branch.dialog.heard(response, true);
    return branch;
  }

  #progressed(response: ResponseMessage): void {
    if (response.status === 100 || this.state !== "early") return;
    this.peer.heard(response);
    const branch = this.#branchOf(response);
    if (response.lists("require", "100rel") && !this.#isNews(branch, response)) return;
    if (this.#cancelling) return;
    this.#dialog = branch.dialog;
    const { sdp, status, reason } = response;
    if (sdp !== undefined && this.#options.sdp !== undefined) this.remoteSdp = sdp;
    this.tell("progress", { status, reason, sdp, branch: response.toTag, response });
  }

  /** A reliable answer: acknowledged in its order, once (RFC 3262 section 4). False: seen before, or one is missing before it. */
  #isNews(branch: Branch, response: ResponseMessage): boolean {
    const rseq = Number.parseInt(response.header("rseq") ?? "", 10);
    if (!Number.isFinite(rseq) || (branch.rseq !== 0 && rseq !== branch.rseq + 1)) return false;
    branch.rseq = rseq;
    void this.#acknowledgeReliably(branch, response, rseq).catch((error: unknown) => this.host.error(error, "PRACK"));
    return true;
  }

  async #acknowledgeReliably(branch: Branch, response: ResponseMessage, rseq: number): Promise<void> {
    const { sdp } = response;
    const isOffer = this.#options.sdp === undefined && sdp !== undefined && this.localSdp === undefined;
    const answerSdp = isOffer ? await this.#answerTo(sdp) : undefined;
    const headers: HeaderLine[] = [["RAck", `${rseq} ${response.cseq.number} INVITE`]];
    await this.requests.send(branch.dialog, { method: "PRACK", headers, body: sdpBody(answerSdp) });
  }

  async #answerTo(offer: string): Promise<string | undefined> {
    this.remoteSdp = offer;
    try {
      this.localSdp = await this.#options.answerOffer?.(offer);
    } catch (error) {
      this.host.error(error, "answerOffer");
    }
    return this.localSdp;
  }

  #final(response: ResponseMessage): void {
    this.peer.heard(response);
    if (response.status < 300) this.#accepted(response);
    else if (this.state === "early" && !this.#triesAgain(response)) this.#refused(response);
  }

  #triesAgain(response: ResponseMessage): boolean {
    if (this.#cancelling) return false;
    const asks = response.status === 401 || response.status === 407;
    const again =
      (asks && this.#authenticator?.learn(response, this.#answered)) || (response.status === 422 && this.timer.raise(response));
    if (again) this.#invite();
    return again === true;
  }

  #accepted(response: ResponseMessage): void {
    const branch = this.#branchOf(response);
    if (branch.seen2xx) {
      branch.acknowledgement?.again();
      return;
    }
    branch.seen2xx = true;
    if (this.state === "early" && !this.#cancelling) this.#confirm(branch, response);
    else this.#decline(branch, response);
  }

  #confirm(branch: Branch, response: ResponseMessage): void {
    clearTimeout(this.#patience);
    this.#dialog = branch.dialog;
    this.state = "confirmed";
    this.timer.agreed(response);
    void this.#complete(branch, response).catch((error: unknown) => this.host.error(error, "answered"));
  }

  async #complete(branch: Branch, response: ResponseMessage): Promise<void> {
    const { sdp } = response;
    const isOffer = this.#options.sdp === undefined && this.localSdp === undefined && sdp !== undefined;
    const answerSdp = isOffer ? await this.#answerTo(sdp) : undefined;
    if (!isOffer && sdp !== undefined) this.remoteSdp = sdp;
    branch.acknowledgement = this.requests.acknowledge(branch.dialog, response.cseq.number, sdpBody(answerSdp));
    if (this.ended) return;
    this.tell("answered", { sdp, branch: response.toTag, response });
    // An offer that nobody could answer is no call.
    if (isOffer && answerSdp === undefined) this.hangUp({ reason: 'SIP;cause=488;text="Not Acceptable Here"', cause: "failed" });
  }

  /** Answered too late, or by a second phone: it is told that it is over (section 13.2.2.4). */
  #decline(branch: Branch, response: ResponseMessage): void {
    branch.acknowledgement = this.requests.acknowledge(branch.dialog, response.cseq.number, undefined);
    const reasons = this.#reasonsOf(this.#cancelling ?? { reason: 'SIP;cause=200;text="Call completed elsewhere"' });
    void this.requests.send(branch.dialog, { method: "BYE", headers: reasons }).then(() => {
      if (this.ended) this.dispose();
    });
    if (this.state === "early") this.#over(487, phraseOf(487), undefined, true);
  }

  #reasonsOf({ reason, headers }: HangUpOptions): HeaderLine[] {
    const reasons = typeof reason === "string" ? [reason] : (reason ?? []);
    return [...reasons.map((one) => ["Reason", one] as const), ...headerLines(headers)];
  }

  #refused(response: ResponseMessage): void {
    if (this.#timedOut && response.status === 487) this.#over(408, phraseOf(408), response);
    else this.#over(response.status, response.reason, response);
  }

  #failed(why: Failure): void {
    if (this.state !== "early") return;
    const status = this.#cancelling && !this.#timedOut ? 487 : failureStatus[why];
    this.#over(status, phraseOf(status), undefined);
  }

  #over(status: number, reason: string, response: ResponseMessage | undefined, lingers = false): void {
    clearTimeout(this.#patience);
    const reasons = response?.reasons ?? [];
    const cause = this.#cancelling && !this.#timedOut ? (this.#cancelling.cause ?? "local_hangup") : "refused";
    this.tell("refused", { status, reason, reasons, contacts: response?.contacts ?? [], response });
    const message: { message?: Message } = response ? { message: response } : {};
    this.finish({ cause, status, reasons, ...message }, lingers);
  }

  #tooLate(): void {
    if (this.state !== "early" || this.#cancelling) return;
    this.#timedOut = true;
    this.#cancel({});
  }

  cancel(options: HangUpOptions = {}): void {
    if (this.state === "confirmed") this.hangUp(options);
    else if (this.state === "early" && (!this.#cancelling || this.#timedOut)) this.#cancel(options);
  }

  #cancel(options: HangUpOptions): void {
    clearTimeout(this.#patience);
    this.#cancelling = options;
    this.#sending?.cancel(this.#reasonsOf(options));
  }

  hangUp(options: HangUpOptions = {}): void {
    if (this.state === "confirmed") void this.bye(options).catch((error: unknown) => this.host.error(error, "BYE"));
    else this.cancel(options);
  }

  protected dialogOf(request: RequestMessage): Dialog | undefined {
    const dialog = this.#branches.get(request.fromTag)?.dialog;
    return this.state === "early" || dialog === this.#dialog ? dialog : undefined;
  }

  /** Before our own offer has an answer: RFC 3261 section 14.2, RFC 3311 section 5.2. */
  protected override receiveOffer(request: RequestMessage, transaction: ServerTransaction): void {
    const isOffer = request.method === "INVITE" || request.sdp !== undefined;
    const isOpen = this.state === "early" && (request.method === "INVITE" || this.remoteSdp === undefined);
    if (isOffer && isOpen) answer(this.host, transaction, 491);
    else super.receiveOffer(request, transaction);
  }

  protected override dispose(): void {
    clearTimeout(this.#patience);
    super.dispose();
  }
}

const sdpBody = (sdp: string | undefined) => (sdp === undefined ? undefined : { type: "application/sdp", content: sdp });

/** Parameters after a bare URI would be the header's (RFC 3261 section 20.10), and the tag is one of those. */
const withBrackets = (address: string): string => (address.includes("<") ? address : `<${address}>`);
