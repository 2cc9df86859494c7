/** The whole: what comes is told apart, and handed to whom it concerns. */
import { Authenticator } from "./authenticator.ts";
import { hasUnknownBody } from "./bodies.ts";
import { responseText } from "./build.ts";
import { allow, methods, understood } from "./capabilities.ts";
import { type AnswerOptions, answer, type DialogOwner, type Host } from "./host.ts";
import type { RequestMessage } from "./message.ts";
import { type Parsed, parseMessage } from "./parse.ts";
import type {
  Binding,
  CallOptions,
  IncomingRequest,
  OutgoingCall,
  Replaces,
  RequestOptions,
  RequestResult,
  Session,
  SipStack,
  StackOptions,
  Subscription,
  SubscriptionOptions,
} from "./ports.ts";
import { ReceivedRequest } from "./receivedRequest.ts";
import { sendRequest } from "./requests.ts";
import { resolveByDns } from "./resolve.ts";
import { Sender } from "./sender.ts";
import { IncomingSession } from "./sessions/incoming.ts";
import { OutgoingSession } from "./sessions/outgoing.ts";
import { parseReplaces } from "./sessions/refer.ts";
import { SessionCore } from "./sessions/session.ts";
import { ServerSubscription } from "./subscriptions.ts";
import type { ServerTransaction } from "./transactions/server.ts";
import { TransactionTable } from "./transactions/table.ts";
import { standardTimers, type Timers } from "./transactions/timers.ts";
import type { Flow } from "./transport/flow.ts";
import { TransportLayer } from "./transport/layer.ts";
import { newTag } from "./via.ts";

export async function openSipStack(options: StackOptions): Promise<SipStack> {
  const stack = new Stack(options);
  await stack.open();
  return stack;
}

class Stack implements SipStack, Host {
  readonly timers: Timers;
  readonly userAgent: string;
  readonly sessionExpires: number;
  readonly minimumSessionExpires: number;
  readonly sender: Sender;
  readonly #options: StackOptions;
  readonly #layer: TransportLayer;
  readonly #transactions: TransactionTable;
  readonly #owners = new Map<string, DialogOwner>();
  readonly #sessions = new Map<string, Session>();
  #draining = false;
  #closed: Promise<void> | undefined;

  constructor(options: StackOptions) {
    this.#options = options;
    this.timers = { ...standardTimers, ...options.timers };
    this.userAgent = options.userAgent;
    this.sessionExpires = options.sessionExpires ?? 1800;
    this.minimumSessionExpires = options.minimumSessionExpires ?? 90;
    this.#layer = new TransportLayer(
      {
        bindings: options.bindings,
        certificate: options.certificate,
        maximumMessageBytes: options.maximumMessageBytes ?? 65_536,
        maximumConnections: options.maximumConnections ?? 20_000,
        maximumConnectionsPerAddress: options.maximumConnectionsPerAddress ?? 1000,
        verifyCertificates: options.verifyCertificates ?? true,
        admit: (source) => options.admit?.(source) ?? true,
      },
      {
        message: (data, flow) => this.#receive(data, flow),
        closed: (flow) => options.onFlowClosed?.(flow.id),
        malformed: (source, why) => options.onMalformed?.(source, why),
      },
    );
    this.#transactions = new TransactionTable(this.timers);
    this.sender = new Sender(this.#layer, this.#transactions, this.timers, options.resolver ?? resolveByDns);
  }

  open(): Promise<void> {
    return this.#layer.open();
  }

  get bindings(): readonly Binding[] {
    return this.#layer.bindings;
  }

  get sessions(): ReadonlyMap<string, Session> {
    return this.#sessions;
  }

  add(owner: DialogOwner): void {
    this.#owners.set(owner.localTag, owner);
    if (owner instanceof SessionCore) this.#sessions.set(owner.id, owner as unknown as Session);
  }

  remove(owner: DialogOwner): void {
    this.#owners.delete(owner.localTag);
    if (owner instanceof SessionCore) this.#sessions.delete(owner.id);
  }

  error(error: unknown, during: string): void {
    this.#options.onError?.(error, during);
  }

  // What comes

  #receive(data: Buffer, flow: Flow): void {
    try {
      this.#take(parseMessage(data, flow.source), flow);
    } catch (error) {
      // Nobody's message may stop a server.
      this.error(error, "a message");
    }
  }

  #take(parsed: Parsed, flow: Flow): void {
    if (parsed.kind === "request") this.#request(parsed.request, flow);
    else if (parsed.kind === "response") {
      if (!this.#transactions.receive(parsed.response)) return;
    } else {
      if (parsed.kind === "bad") this.#refuseWithoutState(parsed.request, flow, parsed.status, parsed.why);
      this.#options.onMalformed?.(flow.source, parsed.why);
    }
  }

  #refuseWithoutState(request: RequestMessage, flow: Flow, status: number, reason: string): void {
    const way = this.#wayBack(request, flow);
    way?.send(responseText(request, status, { reason, toTag: newTag(), headers: [["Server", this.userAgent]] }));
  }

  /** RFC 3261 section 18.2.2, RFC 3581; and one behind address translation that does not ask for it is answered where it is, too. */
  #wayBack(request: RequestMessage, flow: Flow): Flow | undefined {
    const via = request.via!;
    const { address, port } = flow.source;
    if (flow.reliable || via.rport || via.host !== address || (via.port ?? 5060) === port) return flow;
    return this.#layer.flowTo({ transport: "udp", address, port: via.port ?? 5060 });
  }

  #request(request: RequestMessage, flow: Flow): void {
    const known = this.#transactions.find(request);
    if (known && !(request.method === "ACK" && known.accepted)) known.receive(request);
    else if (request.method === "ACK") this.#ownerOf(request)?.receiveAck(request);
    else this.#newRequest(request, flow);
  }

  #ownerOf(request: RequestMessage): DialogOwner | undefined {
    const owner = this.#owners.get(request.toTag);
    return owner?.callId === request.callId ? owner : undefined;
  }

  #newRequest(request: RequestMessage, flow: Flow): void {
    const isMerged = request.toTag === "" && request.method !== "CANCEL" && this.#transactions.isMerged(request);
    const transaction = this.#transactions.serve(request, this.#wayBack(request, flow) ?? flow);
    const refuse = (status: number, options?: AnswerOptions) => answer(this, transaction, status, options);
    if (request.method === "CANCEL") this.#cancel(request, transaction);
    else if (!methods.has(request.method)) refuse(501, { headers: { Allow: allow } });
    else if (isMerged) refuse(482);
    else if (!this.#refusesExtensions(request, transaction)) {
      if (request.toTag !== "") this.#inDialog(request, transaction);
      else this.#outOfDialog(request, transaction);
    }
  }

  #cancel(request: RequestMessage, transaction: ServerTransaction): void {
    const invite = this.#transactions.findCancelled(request);
    // Section 9.2: with the tag that the answers to the INVITE have.
    answer(this, transaction, invite ? 200 : 481, invite ? { toTag: invite.localTag } : {});
    if (invite && !invite.answered) invite.onCancel?.(request);
  }

  /** RFC 3261 section 8.2.2.3, and what its body is wrapped in (8.2.3). */
  #refusesExtensions(request: RequestMessage, transaction: ServerTransaction): boolean {
    const unknown = [...request.headers("require"), ...request.headers("proxy-require")].filter(
      (option) => !understood.has(option.toLowerCase()),
    );
    const encoding = request.header("content-encoding")?.toLowerCase() ?? "identity";
    if (unknown.length > 0) answer(this, transaction, 420, { headers: { Unsupported: unknown.join(", ") } });
    else if (encoding !== "identity" && request.content.length > 0)
      answer(this, transaction, 415, { headers: { "Accept-Encoding": "identity" } });
    else return false;
    return true;
  }

  #inDialog(request: RequestMessage, transaction: ServerTransaction): void {
    const owner = this.#ownerOf(request);
    if (owner) owner.receive(request, transaction);
    // A phone may ask with a tag of an earlier life whether we are there.
    else if (request.method === "OPTIONS" || request.method === "REGISTER") this.#handOver(request, transaction);
    else answer(this, transaction, 481);
  }

  #outOfDialog(request: RequestMessage, transaction: ServerTransaction): void {
    const isOurs = request.method === "REGISTER" || request.method === "OPTIONS";
    if (request.maxForwards === 0 && !isOurs) answer(this, transaction, 483);
    else if (request.method === "INVITE") this.#invite(request, transaction);
    else if (["BYE", "PRACK", "UPDATE"].includes(request.method)) answer(this, transaction, 481);
    else this.#handOver(request, transaction);
  }

  #handOver(request: RequestMessage, transaction: ServerTransaction): void {
    const received = new ReceivedRequest(request, transaction, this);
    this.#guarded(
      request.method,
      () => this.#options.onRequest(received.view),
      () => received.view.respond(500),
    );
  }

  #invite(request: RequestMessage, transaction: ServerTransaction): void {
    if (this.#draining) {
      answer(this, transaction, 503, { headers: { "Retry-After": "30" } });
      return;
    }
    const [contact, ...others] = request.contacts;
    if (contact === undefined || others.length > 0 || contact.uri.scheme === "tel") {
      answer(this, transaction, 400, { reason: "An INVITE needs one Contact, a SIP URI" });
      return;
    }
    if (hasUnknownBody(request)) {
      answer(this, transaction, 415, { headers: { Accept: "application/sdp" } });
      return;
    }
    const replaced = this.#replaced(request);
    if (replaced.status !== undefined) {
      answer(this, transaction, replaced.status);
      return;
    }
    answer(this, transaction, 100);
    const call = new IncomingSession(this, transaction, replaced.session);
    const small = call.timer.tooSmall(request);
    if (small) call.reject(422, { headers: { [small[0]]: small[1] } });
    else
      this.#guarded(
        "INVITE",
        () => this.#options.onInvite(call),
        () => call.reject(500),
      );
  }

  /** RFC 3891 section 3. Who may take which call's place is for the user to say. */
  #replaced(request: RequestMessage): { session?: Session; status?: number } {
    const values = request.headers("replaces");
    if (values.length === 0) return {};
    const replaces = values.length === 1 ? parseReplaces(values[0]!) : undefined;
    if (!replaces) return { status: 400 };
    const session = this.findSession(replaces);
    if (!session) return { status: 481 };
    if (session.state === "ended") return { status: 603 };
    return replaces.earlyOnly && session.state === "confirmed" ? { status: 486 } : { session };
  }

  #guarded(during: string, work: () => void | Promise<void>, otherwise: () => void): void {
    const failed = (error: unknown) => {
      this.error(error, during);
      otherwise();
    };
    try {
      work()?.catch(failed);
    } catch (error) {
      failed(error);
    }
  }

  // What goes

  call(options: CallOptions): OutgoingCall {
    return new OutgoingSession(this, options);
  }

  request(options: RequestOptions): Promise<RequestResult> {
    const authenticator = options.credentials && new Authenticator(options.credentials);
    return sendRequest(this, options, authenticator);
  }

  subscribe(request: IncomingRequest, options: SubscriptionOptions): Subscription {
    return new ServerSubscription(this, ReceivedRequest.of(request).transaction, options);
  }

  findSession({ callId, toTag, fromTag }: Replaces): Session | undefined {
    const owner = this.#owners.get(toTag);
    if (!(owner instanceof SessionCore) || owner.callId !== callId) return undefined;
    // "0" stands for a tag of RFC 2543 (RFC 3891 section 3).
    const matches = owner.remoteTag === fromTag || (fromTag === "0" && owner.remoteTag === "");
    return matches ? (owner as unknown as Session) : undefined;
  }

  acceptWebSocket(...args: Parameters<SipStack["acceptWebSocket"]>): void {
    this.#layer.acceptWebSocket(...args);
  }

  isFlowOpen(flow: string): boolean {
    return this.#layer.flow(flow)?.open === true;
  }

  closeFlow(flow: string): void {
    this.#layer.closeFlow(flow);
  }

  replaceCertificate(...args: Parameters<SipStack["replaceCertificate"]>): void {
    this.#layer.replaceCertificate(...args);
  }

  close(options: { drainMs?: number } = {}): Promise<void> {
    this.#closed ??= this.#shutDown(options.drainMs ?? 0);
    return this.#closed;
  }

  async #shutDown(drainMs: number): Promise<void> {
    this.#draining = true;
    await this.#until(() => this.#sessions.size === 0, drainMs);
    for (const owner of [...this.#owners.values()]) owner.shutDown();
    // A moment for the goodbyes; who does not answer them finds out by its own timers.
    await this.#until(() => this.#owners.size === 0, 4 * this.timers.t1);
    this.#transactions.close();
    for (const owner of [...this.#owners.values()]) this.remove(owner);
    await this.#layer.close();
  }

  async #until(condition: () => boolean, limitMs: number): Promise<void> {
    const end = performance.now() + limitMs;
    while (!condition() && performance.now() < end) await new Promise((resolve) => setTimeout(resolve, 20));
  }
}
