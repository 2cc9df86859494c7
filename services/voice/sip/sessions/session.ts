/** What calls of both directions have in common once there is a dialog. */
import type { Authenticator } from "../authenticator.ts";
import { type HeaderLine, headerLines } from "../build.ts";
import { accept, allow, supported } from "../capabilities.ts";
import { contactOf, type Dialog } from "../dialog.ts";
import { type AnswerOptions, answer, type DialogOwner, type Host } from "../host.ts";
import type { Message, RequestMessage } from "../message.ts";
import type {
  Body,
  EndCause,
  HangUpOptions,
  HeaderInput,
  IncomingOffer,
  NameAddress,
  Negotiation,
  RequestResult,
  Session,
  SessionEnd,
  SessionState,
  SipUri,
  Source,
} from "../ports.ts";
import type { ServerTransaction } from "../transactions/server.ts";
import { parseNameAddress } from "../uri.ts";
import { dtmfOf } from "./dtmf.ts";
import { Emitting } from "./events.ts";
import { type Negotiating, Negotiator } from "./negotiation.ts";
import { Peer } from "./peer.ts";
import { ReceivedRefer, readRefer, referTo, sipfragStatus } from "./refer.ts";
import { DialogRequests } from "./requests.ts";
import { SessionTimer } from "./timer.ts";

let count = 0;

const notThere: RequestResult = { status: 481, reason: "Call/Transaction Does Not Exist" };

export abstract class SessionCore extends Emitting implements DialogOwner, Negotiating {
  readonly id = `call${++count}`;
  abstract readonly direction: "incoming" | "outgoing";
  abstract readonly callId: string;
  abstract readonly localTag: string;
  /** The one that requests of ours go to: confirmed, or the latest early one. */
  abstract readonly dialog: Dialog | undefined;
  readonly host: Host;
  readonly timer: SessionTimer;
  readonly requests: DialogRequests;
  readonly peer = new Peer();
  localSdp: string | undefined;
  remoteSdp: string | undefined;
  data: unknown;
  state: SessionState = "early";
  protected readonly negotiator: Negotiator;
  #refers = 0;
  #isDoubted = false;

  constructor(host: Host, authenticator: Authenticator | undefined) {
    super();
    this.host = host;
    this.requests = new DialogRequests(host, authenticator);
    this.negotiator = new Negotiator(this);
    this.timer = new SessionTimer(
      { wanted: host.sessionExpires, minimum: host.minimumSessionExpires },
      {
        refresh: () => void this.#refresh(),
        expired: () => this.lost("session_expired"),
        ask: () => void this.#askWhetherThere(),
      },
    );
  }

  /** It must not take the call with it, and who asked for a decision gets one. */
  protected listenerFailed(error: unknown, event: string, subject: unknown): void {
    this.host.error(error, event);
    if (event === "offer" || event === "refer") (subject as IncomingOffer).reject(500);
  }

  get ended(): boolean {
    return this.state === "ended";
  }

  get remoteTag(): string {
    return this.dialog?.remoteTag ?? "";
  }

  get local(): NameAddress {
    return parseNameAddress(this.dialog?.localText ?? "") ?? this.initialLocal;
  }

  get remote(): NameAddress {
    return parseNameAddress(this.dialog?.remoteText ?? "") ?? this.initialRemote;
  }

  protected abstract readonly initialLocal: NameAddress;
  protected abstract readonly initialRemote: NameAddress;

  get remoteTarget(): SipUri {
    return this.dialog?.target ?? this.initialRemote.uri;
  }

  get source(): Source | undefined {
    return this.dialog?.source;
  }

  contactFor(transaction: ServerTransaction): string {
    const { flow } = transaction;
    return contactOf(flow.local, flow.transport, this.dialog?.contactUser, this.dialog?.secure ?? false);
  }

  offered(offer: IncomingOffer): boolean {
    return this.tell("offer", offer);
  }

  acknowledged(sdp: string | undefined): void {
    if (!this.ended) this.tell("acknowledged", sdp);
  }

  lost(cause: EndCause): void {
    if (this.ended) return;
    if (cause === "dialog_lost") this.finish({ cause, reasons: [] });
    else this.hangUp({ cause });
  }

  /** Half of the agreed time is over (RFC 4028). */
  async #refresh(): Promise<void> {
    if (this.ended) return;
    const { status } = await this.#offerSame();
    if (this.ended || status < 300) return;
    // Refused is alive: ask again in the time that is left.
    this.timer.retry();
  }

  /** By UPDATE where the other one can, as that needs no description. */
  #offerSame(): Promise<Negotiation> {
    const sdp = this.localSdp;
    if (this.peer.allows("UPDATE")) return this.negotiator.update({});
    return this.negotiator.reinvite(sdp === undefined ? {} : { sdp });
  }

  /**
   * One that knows no timers. Whatever it answers, it is there; where nothing comes, or it says that it knows no such call, it has a while to come back, as
   * a phone whose connection broke does. Then it is asked by what it must understand, and the call ends if that fails too (RFC 5057 section 5).
   */
  async #askWhetherThere(): Promise<void> {
    if (this.ended || !this.dialog) return;
    const asked = await this.requests.send(this.dialog, { method: "OPTIONS" });
    const isThere = asked.response !== undefined && asked.status !== 481 && asked.status !== 408;
    const mayComeBack = !isThere && !this.#isDoubted;
    this.#isDoubted = mayComeBack;
    if (isThere || mayComeBack) return this.timer.askAgain(mayComeBack ? 64 * this.host.timers.t1 : undefined);
    const { status, response } = await this.#offerSame();
    if (this.ended || status < 300) return;
    if (response) this.timer.askAgain();
    else this.lost("dialog_lost");
  }

  // Ours

  abstract hangUp(options?: HangUpOptions): void;

  /** BYE for a confirmed call. */
  protected async bye(options: HangUpOptions): Promise<void> {
    const reasons = typeof options.reason === "string" ? [options.reason] : (options.reason ?? []);
    const headers: HeaderLine[] = [...reasons.map((reason) => ["Reason", reason] as const), ...headerLines(options.headers)];
    const { dialog } = this;
    this.finish({ cause: options.cause ?? "local_hangup", reasons: [] }, true);
    await new Promise<void>((resolve) => this.negotiator.whenAcknowledged(resolve));
    if (dialog) await this.requests.send(dialog, { method: "BYE", headers });
    this.host.remove(this);
  }

  /** Over. `lingers`: the dialog is needed for a goodbye. */
  protected finish(end: SessionEnd, lingers = false): void {
    if (this.ended) return;
    this.state = "ended";
    this.timer.end();
    this.negotiator.end();
    if (!lingers) this.dispose();
    this.tell("ended", end);
    this.silence();
    this.data = undefined;
  }

  protected dispose(): void {
    this.negotiator.dispose();
    this.host.remove(this);
  }

  async reinvite(options: Parameters<Session["reinvite"]>[0]): Promise<Negotiation> {
    return this.ended ? { ...notThere, sdp: undefined } : this.negotiator.reinvite(options);
  }

  async update(options: Parameters<Session["update"]>[0]): Promise<Negotiation> {
    return this.ended ? { ...notThere, sdp: undefined } : this.negotiator.update(options);
  }

  async #send(method: string, headers: HeaderLine[], body?: Body, contact = false): Promise<RequestResult> {
    if (!this.dialog) return notThere;
    const result = await this.requests.send(this.dialog, { method, headers, body, contact });
    // RFC 5057 section 5: no such call any more.
    if (result.status === 481 && !this.ended && method !== "NOTIFY") this.lost("dialog_lost");
    return result;
  }

  async info(body: Body, headers?: HeaderInput): Promise<RequestResult> {
    return this.ended ? notThere : this.#send("INFO", headerLines(headers), body);
  }

  async message(body: Body, headers?: HeaderInput): Promise<RequestResult> {
    return this.ended ? notThere : this.#send("MESSAGE", headerLines(headers), body);
  }

  async notify(options: Parameters<Session["notify"]>[0]): Promise<RequestResult> {
    const headers: HeaderLine[] = [
      ["Event", options.event],
      ["Subscription-State", options.subscriptionState],
    ];
    return this.#send("NOTIFY", [...headers, ...headerLines(options.headers)], options.body, true);
  }

  async refer(options: Parameters<Session["refer"]>[0]): Promise<RequestResult> {
    if (this.ended) return notThere;
    const headers: HeaderLine[] = [["Refer-To", referTo(options.target, options.replaces)]];
    if (options.referredBy !== undefined) headers.push(["Referred-By", options.referredBy]);
    return this.#send("REFER", [...headers, ...headerLines(options.headers)], undefined, true);
  }

  // Theirs

  /** The dialog that a request of theirs is in. */
  protected abstract dialogOf(request: RequestMessage): Dialog | undefined;

  receive(request: RequestMessage, transaction: ServerTransaction): void {
    const dialog = this.dialogOf(request);
    const reply = (status: number, options: AnswerOptions = {}) => answer(this.host, transaction, status, options);
    if (!dialog) reply(481);
    else if (request.cseq.number < dialog.remoteSeq) reply(500, { reason: "CSeq is out of order" });
    else {
      dialog.remoteSeq = request.cseq.number;
      dialog.heard(request, ["INVITE", "UPDATE", "SUBSCRIBE", "REFER"].includes(request.method));
      this.peer.heard(request);
      this.#dispatch(request, transaction);
    }
  }

  #dispatch(request: RequestMessage, transaction: ServerTransaction): void {
    const reply = (status: number, options: AnswerOptions = {}) => answer(this.host, transaction, status, options);
    if (request.method === "BYE") this.#receiveBye(request, transaction);
    else if (this.ended && request.method !== "NOTIFY") reply(481);
    else if (request.method === "INVITE" || request.method === "UPDATE") this.receiveOffer(request, transaction);
    else if (request.method === "PRACK") this.receivePrack(request, transaction);
    else if (request.method === "REFER") this.#receiveRefer(request, transaction);
    else if (request.method === "NOTIFY") this.#receiveNotify(request, transaction);
    else if (request.method === "INFO") {
      reply(200);
      this.tell("info", request);
      const dtmf = dtmfOf(request);
      if (dtmf) this.tell("dtmf", dtmf.digit, dtmf.durationMs);
    } else if (request.method === "MESSAGE") {
      reply(200);
      this.tell("message", request);
    } else if (request.method === "OPTIONS") reply(200, { headers: { Allow: allow, Supported: supported, Accept: accept } });
    else if (request.method === "SUBSCRIBE" && this.#isRefer(request))
      reply(200, { headers: { Expires: "120" }, contact: this.contactFor(transaction) });
    else reply(request.method === "SUBSCRIBE" ? 489 : 405, { headers: { Allow: allow } });
  }

  protected receiveOffer(request: RequestMessage, transaction: ServerTransaction): void {
    if (request.header("p-asserted-identity") !== undefined) this.tell("identity", request);
    this.negotiator.receive(request, transaction);
  }

  /** Reliable answers are of calls that came in. */
  protected receivePrack(_request: RequestMessage, transaction: ServerTransaction): void {
    answer(this.host, transaction, 481);
  }

  receiveAck(request: RequestMessage): void {
    this.negotiator.receiveAck(request);
  }

  #receiveBye(request: RequestMessage, transaction: ServerTransaction): void {
    answer(this.host, transaction, 200);
    if (this.ended) return;
    this.beforeRemoteBye();
    this.finish({ cause: "remote_hangup", reasons: request.reasons, message: request });
  }

  /** A BYE may end an early dialog (RFC 3261 section 15): the INVITE still wants its answer. */
  protected beforeRemoteBye(): void {}

  #receiveRefer(request: RequestMessage, transaction: ServerTransaction): void {
    const parsed = readRefer(this.host, request, transaction);
    if (!parsed) return;
    const isFirst = ++this.#refers === 1;
    const send = (id: number, content: string, subscriptionState: string) =>
      this.notify({
        event: isFirst ? "refer" : `refer;id=${id}`,
        subscriptionState,
        body: { type: "message/sipfrag;version=2.0", content },
      });
    const refer = new ReceivedRefer(this.host, parsed, transaction, this.contactFor(transaction), send);
    if (!this.tell("refer", refer)) refer.reject(603);
  }

  #isRefer(request: Message): boolean {
    return (request.header("event") ?? "").split(";")[0]!.trim().toLowerCase() === "refer";
  }

  #receiveNotify(request: RequestMessage, transaction: ServerTransaction): void {
    answer(this.host, transaction, 200);
    if (this.ended) return;
    const progress = this.#isRefer(request) ? sipfragStatus(request.body) : undefined;
    const finished = /^terminated/i.test(request.header("subscription-state") ?? "");
    if (progress) this.tell("transfer", { ...progress, finished: finished || progress.status >= 200 });
    else this.tell("notify", request);
  }

  shutDown(): void {
    this.hangUp({ reason: 'SIP;cause=503;text="The server stops"' });
  }
}
