/** Requests of ours outside of any dialog: REGISTER to trunks, OPTIONS, MESSAGE, NOTIFY. */
import type { Authenticator } from "./authenticator.ts";
import { type HeaderLine, headerLines, type OutgoingRequest } from "./build.ts";
import { allow, supported } from "./capabilities.ts";
import { contactOf } from "./dialog.ts";
import { phraseOf } from "./headers.ts";
import type { Host } from "./host.ts";
import type { ContactOptions, RequestOptions, RequestResult, SipUri } from "./ports.ts";
import { failureStatus, type Sending } from "./sender.ts";
import { formatParams, formatUri, parseNameAddress, parseUri } from "./uri.ts";
import { newCallId, newTag } from "./via.ts";

const withContact = new Set(["SUBSCRIBE", "REFER", "OPTIONS"]);

let lastSeq = 0;

/** Grows over restarts too, so that a Call-ID that is used again goes on where it was (RFC 3261 section 10.2). */
function nextSeq(): number {
  lastSeq = Math.max(lastSeq + 1, Math.floor(Date.now() / 1000) % 2 ** 31);
  return lastSeq;
}

export function sendRequest(
  host: Host,
  options: RequestOptions,
  authenticator: Authenticator | undefined,
): Promise<RequestResult> {
  const target = typeof options.target === "string" ? parseUri(options.target) : options.target;
  if (!target) throw new TypeError(`${String(options.target)} is no SIP URI: write sip:user@host.`);
  const callId = options.callId ?? newCallId();
  const tag = newTag();
  const answered = new Set<string>();
  return new Promise((resolve) => {
    let sending: Sending | undefined;
    const attempt = () => {
      const request = build(host, { ...options, callId }, target, tag);
      request.headers.push(...(authenticator?.headers(options.method, request.uri) ?? []));
      const { flow, hop, routes } = options;
      sending = host.sender.send(
        { flow, hop, routes },
        target,
        request,
        {
          final: (response) => {
            const asks = response.status === 401 || response.status === 407;
            if (asks && authenticator?.learn(response, answered)) attempt();
            else resolve({ status: response.status, reason: response.reason, response });
          },
          failed: (why) => resolve(silence(failureStatus[why])),
        },
        options.timeoutMs,
      );
    };
    options.signal?.addEventListener("abort", () => {
      sending?.abandon();
      resolve(silence(408));
    });
    if (options.signal?.aborted) resolve(silence(408));
    else attempt();
  });
}

const silence = (status: number): RequestResult => ({ status, reason: phraseOf(status) });

function build(host: Host, options: RequestOptions & { callId: string }, target: SipUri, tag: string): OutgoingRequest {
  const from = options.from.includes("<") ? options.from : `<${options.from}>`;
  const uri = formatUri({ ...target, headers: undefined });
  const headers: HeaderLine[] = (options.routes ?? []).map((route) => ["Route", route] as const);
  headers.push(
    ["Max-Forwards", "70"],
    ["From", `${from};tag=${tag}`],
    ["To", options.to ?? `<${uri}>`],
    ["Call-ID", options.callId],
    ["CSeq", `${nextSeq()} ${options.method}`],
    ["User-Agent", host.userAgent],
    ["Allow", allow],
    ["Supported", options.method === "REGISTER" ? "path, outbound" : supported],
    ...headerLines(options.headers),
  );
  const contact = contactOptions(options);
  if (!contact) return { method: options.method, uri, headers, body: options.body };
  const user = contact.user ?? parseNameAddress(from)?.uri.user;
  const params = formatParams(contact.params ?? {});
  return {
    method: options.method,
    uri,
    headers,
    body: options.body,
    contact: (local, transport) => contactOf(local, transport, user, target.scheme === "sips") + params,
  };
}

function contactOptions({ contact, method, headers }: RequestOptions): ContactOptions | undefined {
  if (headers && Object.keys(headers).some((name) => name.toLowerCase() === "contact")) return undefined;
  if (typeof contact === "object") return contact;
  return (contact ?? withContact.has(method)) ? {} : undefined;
}
