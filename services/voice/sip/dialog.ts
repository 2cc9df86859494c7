/** Dialogs: RFC 3261 section 12. */
import type { HeaderLine, OutgoingRequest } from "./build.ts";
import type { Message, RequestMessage, ResponseMessage } from "./message.ts";
import type { Body, NameAddress, SipUri, Source, Transport, Way } from "./ports.ts";
import { isSecure } from "./transport/flow.ts";
import { formatUri, parseNameAddress } from "./uri.ts";

/** Our Contact, for the place that a message leaves from. */
export function contactOf(
  local: { host: string; port: number },
  transport: Transport,
  user: string | undefined,
  secure: boolean,
): string {
  const params: Record<string, string> = {};
  // A sips URI says itself that it is TLS, and names what is below that (RFC 5630).
  const isSips = secure && isSecure(transport);
  if (isSips) params["transport"] = transport === "wss" ? "ws" : "tcp";
  else if (transport !== "udp") params["transport"] = transport === "wss" ? "ws" : transport;
  return `<${formatUri({ scheme: isSips ? "sips" : "sip", user: user === "" ? undefined : user, ...local, params })}>`;
}

export interface DialogParts {
  callId: string;
  localTag: string;
  remoteTag: string;
  /** Values of From and To as we send them. */
  localText: string;
  remoteText: string;
  localSeq: number;
  remoteSeq: number;
  target: SipUri;
  routes: string[];
  contactUser: string | undefined;
  secure: boolean;
  source: Source;
  /** Whatever its URIs say, the other one is reached where it came from: it is behind address translation, or was called on a flow. */
  byFlow: boolean;
}

export class Dialog {
  readonly callId: string;
  readonly localTag: string;
  remoteTag: string;
  readonly localText: string;
  readonly remoteText: string;
  localSeq: number;
  remoteSeq: number;
  target: SipUri;
  readonly routes: string[];
  readonly contactUser: string | undefined;
  readonly secure: boolean;
  source: Source;
  readonly #byFlow: boolean;

  constructor(parts: DialogParts) {
    this.callId = parts.callId;
    this.localTag = parts.localTag;
    this.remoteTag = parts.remoteTag;
    this.localText = parts.localText;
    this.remoteText = parts.remoteText;
    this.localSeq = parts.localSeq;
    this.remoteSeq = parts.remoteSeq;
    this.target = parts.target;
    this.routes = parts.routes;
    this.contactUser = parts.contactUser;
    this.secure = parts.secure;
    this.source = parts.source;
    this.#byFlow = parts.byFlow;
  }

  /** As the one called (section 12.1.1). */
  static called(request: RequestMessage, localTag: string, contactUser: string | undefined): Dialog {
    const contact = request.contacts[0];
    const routes = request.headers("record-route");
    return new Dialog({
      callId: request.callId,
      localTag,
      remoteTag: request.fromTag,
      localText: request.toTag === "" ? `${request.header("to")};tag=${localTag}` : request.header("to")!,
      remoteText: request.header("from")!,
      localSeq: Math.floor(Math.random() * 10_000) + 1,
      remoteSeq: request.cseq.number,
      target: contact?.uri ?? request.from.uri,
      routes,
      contactUser,
      secure: request.uri.scheme === "sips",
      source: request.source,
      byFlow: routes.length === 0 && isTranslated(request, contact),
    });
  }

  /** Takes what a message of the other one changes: where it is, and where it wants to be reached (section 12.2). */
  heard(message: Message, refreshesTarget: boolean): void {
    this.source = message.source;
    const contact = refreshesTarget ? message.contacts[0] : undefined;
    if (contact) this.target = contact.uri;
  }

  /** How a request gets there. */
  get way(): Way {
    const isConnection = this.source.transport !== "udp";
    if (this.#byFlow || (isConnection && this.routes.length === 0)) return { flow: this.source.flow };
    return this.routes.length === 0 ? {} : { routes: this.routes };
  }

  request(
    method: string,
    options: { headers?: readonly HeaderLine[]; body?: Body | undefined; contact?: boolean; seq?: number },
  ): OutgoingRequest {
    const { uri, routes } = this.#addressing();
    const headers: HeaderLine[] = routes.map((route) => ["Route", route] as const);
    headers.push(
      ["Max-Forwards", "70"],
      ["From", this.localText],
      ["To", this.remoteText],
      ["Call-ID", this.callId],
      ["CSeq", `${options.seq ?? ++this.localSeq} ${method}`],
      ...(options.headers ?? []),
    );
    const request: OutgoingRequest = { method, uri, headers, body: options.body };
    if (options.contact) request.contact = (local, transport) => contactOf(local, transport, this.contactUser, this.secure);
    return request;
  }

  /** A first route without "lr" is one of RFC 2543: it wants itself as the Request-URI (section 12.2.1.1). */
  #addressing(): { uri: string; routes: string[] } {
    const target = formatUri(this.target);
    const first = this.routes[0] === undefined ? undefined : parseNameAddress(this.routes[0]);
    if (!first || first.uri.params["lr"] !== undefined) return { uri: target, routes: this.routes };
    return { uri: formatUri(first.uri), routes: [...this.routes.slice(1), `<${target}>`] };
  }
}

/** As the caller, for one of those who answered (section 12.1.2). */
export function calledBack(
  response: ResponseMessage,
  parts: {
    localText: string;
    localTag: string;
    seq: number;
    contactUser: string | undefined;
    secure: boolean;
    byFlow: boolean;
    target: SipUri;
  },
): Dialog {
  return new Dialog({
    callId: response.callId,
    localTag: parts.localTag,
    remoteTag: response.toTag,
    localText: parts.localText,
    remoteText: response.header("to")!,
    localSeq: parts.seq,
    remoteSeq: -1,
    target: response.contacts[0]?.uri ?? parts.target,
    routes: response.headers("record-route").reverse(),
    contactUser: parts.contactUser,
    secure: parts.secure,
    source: response.source,
    byFlow: parts.byFlow,
  });
}

/** Its own idea of where it is differs from where it was seen: an answer to that idea would be lost. */
function isTranslated(request: RequestMessage, contact: NameAddress | undefined): boolean {
  const via = request.via!;
  const { address, port } = request.source;
  if (request.source.transport !== "udp") return true;
  if (!contact || contact.uri.host === address)
    return via.host === address && via.port !== undefined && via.port !== port && via.rport;
  return via.host !== address;
}
