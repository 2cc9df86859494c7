/**
 * What the SIP library offers to those who use it. Types only, besides the names of the transports.
 * It knows nothing of phone systems: it speaks RFC 3261 and its kin, and hands on what it hears.
 *
 * Ways in: `openSipStack(options: StackOptions): Promise<SipStack>` in stack.ts; `openDigestServer({ key: Buffer }): DigestServer` in digest.ts;
 * `parseUri`, `formatUri`, `parseNameAddress`, `formatNameAddress` in uri.ts (parsers answer undefined for what is not well-formed).
 */
import type { SecureContextOptions } from "node:tls";
import type { WebSocket } from "ws";

export type { DigestAlgorithm, DigestServer, DigestVerdict } from "./digestPorts.ts";

// ---------------------------------------------------------------------------------------------------------------------
// Words

export const transports = ["udp", "tcp", "tls", "ws", "wss"] as const;
export type Transport = (typeof transports)[number];

/** RFC 3261 section 19.1 and RFC 3966. Parameters without a value are `true`; names of parameters are in lower case. */
export interface SipUri {
  scheme: "sip" | "sips" | "tel";
  /** Unescaped. For tel: the number, with its "+" and without visual separators. */
  user?: string | undefined;
  password?: string | undefined;
  /** In lower case; IPv6 without brackets. Empty for tel. */
  host: string;
  port?: number | undefined;
  params: Record<string, string | true>;
  /** What follows "?", such as Replaces in a Refer-To. Unescaped; names as written. */
  headers?: Record<string, string> | undefined;
}

/** RFC 3261 section 20.10: From, To, Contact, Route, P-Asserted-Identity, Refer-To … */
export interface NameAddress {
  displayName?: string | undefined;
  uri: SipUri;
  /** Parameters of the header, not of the URI: tag, expires, +sip.instance (with its quotes taken off), reg-id, q … */
  params: Record<string, string | true>;
}

/** Headers to send, by name. A list is sent as that many headers. Undefined ones are left out. */
export type HeaderInput = Record<string, string | readonly string[] | undefined>;

export interface Body {
  /** Such as application/dtmf-relay. */
  type: string;
  content: string | Buffer;
}

/** Where a message came from. */
export interface Source {
  transport: Transport;
  address: string;
  port: number;
  /**
   * The way back: a connection, or for UDP our socket and the other's address. Calls and requests can be sent on it. That of UDP is written
   * as `udp|<our port>|<address>|<port>` and keeps its meaning over restarts; that of a connection ends with it (`onFlowClosed`).
   */
  flow: string;
}

/** Headers are found by any spelling of their name, short forms included; nothing is parsed before it is asked for. */
export interface SipMessage {
  /** The first one's value. */
  header(name: string): string | undefined;
  /** Every value, those in one line with commas taken apart (but for headers whose values have commas themselves, as Authorization). */
  headers(name: string): string[];
  /** Names in lower case long form, and values, in the order received. */
  entries(): IterableIterator<[name: string, value: string]>;
  readonly from: NameAddress;
  readonly to: NameAddress;
  readonly contacts: NameAddress[];
  readonly callId: string;
  readonly cseq: { number: number; method: string };
  readonly content: Buffer;
  /** As text (UTF-8). */
  readonly body: string;
  /** In lower case and without parameters; "" when there is none. */
  readonly contentType: string;
  /** The session description, also when it is a part of a multipart body. */
  readonly sdp: string | undefined;
  readonly source: Source;
}

export interface SipRequest extends SipMessage {
  readonly method: string;
  readonly uri: SipUri;
  readonly maxForwards: number;
}

export interface SipResponse extends SipMessage {
  readonly status: number;
  readonly reason: string;
}

// ---------------------------------------------------------------------------------------------------------------------
// The stack

export interface Binding {
  transport: Transport;
  /** An address of this machine, or 0.0.0.0 or :: for all. */
  host: string;
  /** 0 takes a free one: see `SipStack.bindings`. */
  port: number;
  /** What others are told in Via and Contact: the first of their own family (IPv4, IPv6), else the first. Without it the address of this machine that the other one is reached from. */
  advertisedHosts?: readonly string[];
  advertisedPort?: number;
}

export interface StackOptions extends StackHandlers {
  /** An empty list is a stack that is given its connections (`acceptWebSocket`). */
  bindings: Binding[];
  /** For tls and wss bindings. */
  certificate?: Pick<SecureContextOptions, "cert" | "key">;
  /** Value of User-Agent and Server. */
  userAgent: string;
  /** Names and addresses that are ours, besides the advertised ones: a Route to them is taken off. */
  domains?: string[];
  /** RFC 3261 section 17.1.1.1, milliseconds; tests make them short. */
  timers?: Partial<{ t1: number; t2: number; t4: number; invite: number }>;
  /** RFC 4028, seconds. Default 1800 and 90. 0 turns session timers off. */
  sessionExpires?: number;
  minimumSessionExpires?: number;
  /** Bytes of one message, default 65536. */
  maximumMessageBytes?: number;
  /** Connections at once, default 20000; of one address, default 1000. */
  maximumConnections?: number;
  maximumConnectionsPerAddress?: number;
  resolver?: Resolver;
  /** Whether a certificate that others show over TLS must be valid. Default true. */
  verifyCertificates?: boolean;
}

export interface StackHandlers {
  /** Requests outside of any dialog, other than INVITE: REGISTER, SUBSCRIBE, MESSAGE, OPTIONS, PUBLISH, REFER, NOTIFY, INFO. If it throws: 500. */
  onRequest(request: IncomingRequest): void | Promise<void>;
  /** A new call. 100 has been sent. If it throws: 500. */
  onInvite(call: IncomingCall): void | Promise<void>;
  onFlowClosed?(flow: string): void;
  /** Asked before a message is read, and for every new connection: false drops it without an answer. Must be quick. */
  admit?(source: Source): boolean;
  /** A message that no one could read, or that was not to be answered: for counting scanners. */
  onMalformed?(source: Source, why: string): void;
  /** What went wrong inside a handler. */
  onError?(error: unknown, during: string): void;
}

export interface SipStack {
  /** With the ports really taken. */
  readonly bindings: readonly Binding[];
  readonly sessions: ReadonlyMap<string, Session>;
  call(options: CallOptions): OutgoingCall;
  /** A request outside of any dialog, until its last answer; no answer is 408, and one that could not be sent 503. Answers a challenge once. */
  request(options: RequestOptions): Promise<RequestResult>;
  /** Answers a SUBSCRIBE with 200 and keeps its dialog. Send the first NOTIFY at once (RFC 6665 section 4.2.1.1). */
  subscribe(request: IncomingRequest, options: SubscriptionOptions): Subscription;
  /** By the words of a Replaces header (RFC 3891): `to-tag` is ours. */
  findSession(replaces: Replaces): Session | undefined;
  /** A WebSocket of subprotocol "sip" that someone else has upgraded (a door before us). */
  acceptWebSocket(socket: WebSocket, remote: { address: string; port: number; secure: boolean }): void;
  isFlowOpen(flow: string): boolean;
  /** Ends a connection, so that the other side looks for a better place to be. Nothing happens to UDP. */
  closeFlow(flow: string): void;
  replaceCertificate(certificate: Pick<SecureContextOptions, "cert" | "key">): void;
  /** New calls get 503 from now on; running ones go on for at most `drainMs`, then they are hung up. Then everything is closed. Twice is once. */
  close(options?: { drainMs?: number }): Promise<void>;
}

/** Finds where a domain's SIP servers are (RFC 3263). Given by tests; by default DNS: SRV, then A and AAAA. */
export type Resolver = (host: string, port: number | undefined, transport: Transport | undefined) => Promise<Hop[]>;

/** A place to send to. */
export interface Hop {
  transport: Transport;
  address: string;
  port: number;
  /** Its name for TLS. */
  serverName?: string;
}

export interface RespondOptions {
  /** The words after the status; the RFC's by default. */
  reason?: string;
  headers?: HeaderInput;
  body?: Body;
}

export interface IncomingRequest extends SipRequest {
  /** 1xx any number of times, then one last answer; what comes after that is ignored. */
  respond(status: number, options?: RespondOptions): void;
  /** Whoever sent it hears nothing at all. */
  ignore(): void;
  readonly answered: boolean;
}

// ---------------------------------------------------------------------------------------------------------------------
// Sending

/** How a request leaves. The first of these that is given: a flow, an address, routes, else the target itself. */
export interface Way {
  /** A flow that something came on (a registered phone). Closed: 430 Flow Failed (RFC 5626) at once. */
  flow?: string | undefined;
  /** An address to send to whatever the URIs say, as an outbound proxy without "lr" trickery. */
  hop?: Hop | undefined;
  /** Values of Route headers, in order; the first one is where it is sent, unless there is a flow or hop. */
  routes?: string[] | undefined;
}

export interface Credentials {
  username: string;
  password: string;
}

export interface RequestOptions extends Way {
  method: string;
  /** The Request-URI. */
  target: string | SipUri;
  /** Name-addr as text, such as `"Ann" <sip:101@example.org>`; a tag is added. */
  from: string;
  /** Default: the target. */
  to?: string;
  headers?: HeaderInput;
  body?: Body;
  credentials?: Credentials | undefined;
  /** For REGISTER, that refreshes keep their number: otherwise made up. CSeq grows by itself per Call-ID. */
  callId?: string;
  /** Default 32 s, as the RFC's timer F. */
  timeoutMs?: number;
  /** Put a Contact of ours there: default only for SUBSCRIBE, REFER, OPTIONS. `user` and `params` are its. */
  contact?: ContactOptions | boolean;
  signal?: AbortSignal;
}

export interface ContactOptions {
  user?: string;
  /** Of the header: `{ expires: "300", "+sip.instance": "\"<urn:uuid:…>\"" }`. */
  params?: Record<string, string>;
}

export interface RequestResult {
  status: number;
  reason: string;
  /** Absent when nothing came: then status is 408 (silence), 430 (flow gone) or 503 (could not be sent). */
  response?: SipResponse;
}

export interface CallOptions extends Way {
  target: string | SipUri;
  from: string;
  to?: string;
  /** P-Asserted-Identity, Diversion, Privacy, Alert-Info, Call-Info, User-to-User, Replaces … as they are. */
  headers?: HeaderInput;
  /** Our offer. Without it the other one offers in its 2xx (or reliable 18x) and `answerOffer` answers. */
  sdp?: string;
  answerOffer?: (offer: string) => string | Promise<string>;
  credentials?: Credentials | undefined;
  /** Without a final answer after this the call is cancelled and refused with 408. Default 180 s. */
  timeoutMs?: number;
  /** Without any answer at all, not even 100, after this the call is refused with 408. Default 32 s, as the RFC's timer B. */
  silenceMs?: number;
  contactUser?: string;
  /** What the call that this one continues had, less one. Default 70. */
  maxForwards?: number;
  callId?: string;
}

// ---------------------------------------------------------------------------------------------------------------------
// Sessions: dialogs that an INVITE made

export type SessionState = "early" | "confirmed" | "ended";

export type EndCause =
  /** The other one hung up (BYE), or took its call back (CANCEL). */
  | "remote_hangup"
  | "cancelled"
  /** We did: hangUp, reject, cancel. */
  | "local_hangup"
  | "rejected"
  /** The other one refused our call: see the event `refused`. */
  | "refused"
  /** Nobody answered our refresh, or none came (RFC 4028). */
  | "session_expired"
  /** No ACK for our 2xx, or no PRACK, within 64·T1. */
  | "no_acknowledgement"
  /** 481 or 408 to a request of ours: the other one lost the call. */
  | "dialog_lost"
  /** Redirected by us (3xx). */
  | "redirected"
  /** Another one took its place (Replaces), and it was hung up for that. */
  | "replaced"
  | "failed";

export interface SessionEnd {
  cause: EndCause;
  /** Of the final answer, where there was one. */
  status?: number;
  /** Reason headers that came with it (RFC 3326), such as `SIP;cause=200;text="Call completed elsewhere"` or `Q.850;cause=16`. */
  reasons: string[];
  message?: SipMessage;
}

export interface SessionEvents {
  /** It is over, by whatever cause. Always emitted, once, and last. */
  ended: [end: SessionEnd];
  /** A new offer in the running call. `sdp` undefined: the other one wants us to offer. Without a listener: 488. */
  offer: [offer: IncomingOffer];
  /** INFO: DTMF among others. Answered with 200 by itself. */
  info: [request: SipRequest];
  /** DTMF out of an INFO (application/dtmf-relay, application/dtmf). Also emitted as `info`. */
  dtmf: [digit: string, durationMs: number];
  /** MESSAGE in the dialog. Answered with 200 by itself. */
  message: [request: SipRequest];
  /** Transfer asked for. Without a listener: 603. */
  refer: [refer: IncomingRefer];
  /** How the transfer goes that we asked for with `refer()`. `finished` with the last one. */
  transfer: [progress: { status: number; reason: string; finished: boolean }];
  /** Another NOTIFY in the dialog, answered with 200. */
  notify: [request: SipRequest];
  /** The ACK for our 2xx; with the other one's answer when our 2xx was the offer. */
  acknowledged: [sdp: string | undefined];
  /** The other one changed who it is (P-Asserted-Identity in a re-INVITE or UPDATE). */
  identity: [request: SipRequest];
}

export interface IncomingOffer {
  readonly method: "INVITE" | "UPDATE" | "PRACK";
  readonly sdp: string | undefined;
  readonly request: SipRequest;
  /** 200 with our answer (or our offer, if there was none: then the other's answer comes with `acknowledged`). */
  answer(sdp: string, headers?: HeaderInput): void;
  /** Such as 488. */
  reject(status: number, headers?: HeaderInput): void;
}

export interface Replaces {
  callId: string;
  toTag: string;
  fromTag: string;
  earlyOnly?: boolean;
}

export interface IncomingRefer {
  readonly target: NameAddress;
  /** Attended transfer: the words, and the session of ours they name, when it is one. */
  readonly replaces: Replaces | undefined;
  readonly replacedSession: Session | undefined;
  readonly referredBy: string | undefined;
  readonly request: SipRequest;
  /** 202, and NOTIFY with 100 Trying (none of it if the other one wants no news: RFC 4488). */
  accept(): ReferProgress;
  reject(status: number, headers?: HeaderInput): void;
}

export interface ReferProgress {
  /** NOTIFY with a sipfrag of this status; a final one (200 and above) ends the subscription. */
  notify(status: number, reason?: string): void;
}

export interface Negotiation {
  status: number;
  reason: string;
  /** The other one's answer; or its offer, which `answerOffer` has answered. */
  sdp: string | undefined;
  response?: SipResponse;
  /** Both sides wanted a change at once: ours may be tried again after this (RFC 3261 section 14.1). Only of an offer that was made for its moment. */
  againMs?: number;
}

export interface HangUpOptions {
  /** `SIP;cause=200;text="Call completed elsewhere"`, `Q.850;cause=16`. */
  reason?: string | string[] | undefined;
  headers?: HeaderInput;
  /** Written to `ended`. Default local_hangup. */
  cause?: EndCause;
}

export interface Session {
  /** Unique in this process. */
  readonly id: string;
  readonly direction: "incoming" | "outgoing";
  readonly state: SessionState;
  readonly callId: string;
  readonly localTag: string;
  /** "" while nothing came from the other one. */
  readonly remoteTag: string;
  readonly local: NameAddress;
  readonly remote: NameAddress;
  /** Where the other one wants to be reached: its Contact. */
  readonly remoteTarget: SipUri;
  /** Where its last message came from. Undefined before the first one of an outgoing call. */
  readonly source: Source | undefined;
  /** Methods, lower case extensions and user agent of the other one, as last heard. */
  readonly peer: {
    allows(method: string): boolean;
    supports(extension: string): boolean;
    readonly userAgent: string | undefined;
  };
  /** What we sent last. */
  readonly localSdp: string | undefined;
  readonly remoteSdp: string | undefined;
  /** Anything the user of the library wants to find again. */
  data: unknown;

  /** BYE when confirmed; before that CANCEL (ours) or 480 (theirs). Harmless when it is over. */
  hangUp(options?: HangUpOptions): void;
  /** Waits its turn behind another one of ours; tries again when both did it at once (491). Fails never but when `sdp` does: look at status. */
  reinvite(options: {
    /** Without it the other one offers. A function is asked when the turn has come; what it said is not sent again after 491: see `againMs`. */
    sdp?: string | (() => Promise<string>);
    answerOffer?: (offer: string) => string | Promise<string>;
    headers?: HeaderInput;
  }): Promise<Negotiation>;
  /** UPDATE (RFC 3311), also in early dialogs. With 405 or 501 use reinvite. */
  update(options: { sdp?: string; headers?: HeaderInput }): Promise<Negotiation>;
  info(body: Body, headers?: HeaderInput): Promise<RequestResult>;
  message(body: Body, headers?: HeaderInput): Promise<RequestResult>;
  /** Asks the other one to call `target`, in place of `replaces` if given (attended). Progress comes as `transfer`. */
  refer(options: { target: string; replaces?: Session; referredBy?: string; headers?: HeaderInput }): Promise<RequestResult>;
  notify(options: { event: string; subscriptionState: string; body?: Body; headers?: HeaderInput }): Promise<RequestResult>;
}

/** `on`, `once`, `off` as with node's EventEmitter. */
export interface Emits<Events extends Record<keyof Events, unknown[]>> {
  on<Name extends keyof Events>(event: Name, listener: (...args: Events[Name]) => void): this;
  once<Name extends keyof Events>(event: Name, listener: (...args: Events[Name]) => void): this;
  off<Name extends keyof Events>(event: Name, listener: (...args: Events[Name]) => void): this;
}

export interface IncomingCall extends Session, Emits<SessionEvents> {
  readonly direction: "incoming";
  readonly request: IncomingInvite;
  /** The session that it wants to take the place of (RFC 3891). If none matches the library has answered 481 and there is no call. */
  readonly replaces: Session | undefined;
  /** 101 to 199. Sent reliably if the other one requires it, or supports it and there is a description, unless `reliable` is false. */
  progress(status: number, options?: { reason?: string; sdp?: string; headers?: HeaderInput; reliable?: boolean }): void;
  /** 200. The ACK comes as `acknowledged`. Waits for a PRACK that is due. */
  answer(options: { sdp: string; headers?: HeaderInput }): void;
  /** 400 to 699. A 401 or 407 carries a challenge in its headers; the next try is a new call. */
  reject(status: number, options?: RespondOptions): void;
  /** 302 by default. */
  redirect(contacts: string[], options?: { status?: number; headers?: HeaderInput }): void;
}

export type IncomingInvite = SipRequest;

export interface OutgoingEvents extends SessionEvents {
  /**
   * 101 to 199. `branch` tells apart the phones behind a proxy that forks: each has a session description of its own. Reliable ones are
   * acknowledged by themselves.
   */
  progress: [progress: { status: number; reason: string; sdp: string | undefined; branch: string; response: SipResponse }];
  /** The first 2xx. The ACK has been sent (after `answerOffer`, if it was an offer). Later ones of others are ended by themselves. */
  answered: [answer: { sdp: string | undefined; branch: string; response: SipResponse }];
  /**
   * 300 and above; 408 when nothing came, 430, 503 (not to be reached), 487 after cancel. Challenges have been answered before, where there
   * are credentials. `contacts` of a 3xx say where else to try. `ended` follows.
   */
  refused: [
    refusal: { status: number; reason: string; reasons: string[]; contacts: NameAddress[]; response: SipResponse | undefined },
  ];
}

export interface OutgoingCall extends Session, Emits<OutgoingEvents> {
  readonly direction: "outgoing";
  /** Takes the call back; a 2xx that crosses it is acknowledged and hung up. Harmless when it is over; a confirmed call is hung up. */
  cancel(options?: HangUpOptions): void;
}

// ---------------------------------------------------------------------------------------------------------------------
// Subscriptions, as a server (RFC 6665)

export interface SubscriptionOptions {
  /** Seconds granted. */
  expires: number;
  headers?: HeaderInput;
  /** Called for refreshes: seconds asked for; returns seconds granted (0 ends it). Default: what was asked, at most `expires`. */
  onRefresh?: (expires: number, request: SipRequest) => number;
  /** Over: by the subscriber, by time, or since a NOTIFY failed. Not called for `terminate`. */
  onEnded?: (why: "unsubscribed" | "expired" | "failed") => void;
  /** After a subscription and each refresh the state must be sent: called then (also for the NOTIFY after unsubscribing). */
  onNotifyDue: (subscription: Subscription) => void | Promise<void>;
}

export interface Subscription {
  readonly id: string;
  /** Name of the package (dialog, presence, message-summary), and its id parameter. */
  readonly event: string;
  readonly subscriber: NameAddress;
  readonly request: SipRequest;
  readonly source: Source;
  /** Seconds left; 0 when over. */
  readonly expires: number;
  readonly ended: boolean;
  /** Sends the state; one waits for the answer of the one before it, and only the newest of those waiting is sent. */
  notify(body: Body, headers?: HeaderInput): void;
  /** NOTIFY with Subscription-State: terminated. */
  terminate(reason?: "deactivated" | "rejected" | "noresource" | "timeout" | "probation", body?: Body): void;
}
