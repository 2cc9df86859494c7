/** Transfer: RFC 3515, RFC 3891, RFC 3892, RFC 4488. */

import { phraseOf } from "../headers.ts";
import { answer, type Host } from "../host.ts";
import type { RequestMessage } from "../message.ts";
import type { HeaderInput, IncomingRefer, NameAddress, ReferProgress, Replaces, RequestResult, Session } from "../ports.ts";
import type { ServerTransaction } from "../transactions/server.ts";
import { parseNameAddress, parseParams } from "../uri.ts";

/** Value of a Replaces header: `call-id;to-tag=…;from-tag=…;early-only`. */
export function parseReplaces(text: string): Replaces | undefined {
  const semicolon = text.indexOf(";");
  const params = semicolon < 0 ? undefined : parseParams(text.slice(semicolon));
  const toTag = params?.["to-tag"];
  const fromTag = params?.["from-tag"];
  if (typeof toTag !== "string" || typeof fromTag !== "string") return undefined;
  return {
    callId: text.slice(0, semicolon).trim(),
    toTag,
    fromTag,
    ...(params!["early-only"] !== undefined && { earlyOnly: true }),
  };
}

export const formatReplaces = ({ callId, toTag, fromTag, earlyOnly }: Replaces): string =>
  `${callId};to-tag=${toTag};from-tag=${fromTag}${earlyOnly ? ";early-only" : ""}`;

/** The words by which the other one of that session finds it. */
export const replacesOf = (session: Session): Replaces => ({
  callId: session.callId,
  toTag: session.remoteTag,
  fromTag: session.localTag,
});

/** `<sip:103@example.org?Replaces=…>`: a Refer-To for an attended transfer. */
export function referTo(target: string, replaced: Session | undefined): string {
  const bare = parseNameAddress(target);
  const uri = target.includes("<") ? /<([^>]*)>/.exec(target)![1]! : target;
  if (!replaced || !bare) return `<${uri}>`;
  const words = encodeURIComponent(formatReplaces(replacesOf(replaced)));
  return `<${uri}${uri.includes("?") ? "&" : "?"}Replaces=${words}>`;
}

/** Undefined: it was refused, since nobody could tell what it wants. */
export function readRefer(host: Host, request: RequestMessage, transaction: ServerTransaction): Parsed | undefined {
  const values = request.headers("refer-to");
  const target = values.length === 1 ? parseNameAddress(values[0]!) : undefined;
  const words = target?.uri.headers && findIgnoringCase(target.uri.headers, "replaces");
  const replaces = words === undefined ? undefined : parseReplaces(words);
  const method = target?.uri.params["method"];
  if (!target || (words !== undefined && !replaces)) answer(host, transaction, 400, { reason: "Refer-To cannot be read" });
  else if (method !== undefined && method !== true && method.toUpperCase() !== "INVITE") answer(host, transaction, 501);
  else return { target, replaces };
  return undefined;
}

interface Parsed {
  target: NameAddress;
  replaces: Replaces | undefined;
}

const findIgnoringCase = (headers: Record<string, string>, name: string): string | undefined =>
  Object.entries(headers).find(([one]) => one.toLowerCase() === name)?.[1];

export class ReceivedRefer implements IncomingRefer {
  readonly target: NameAddress;
  readonly replaces: Replaces | undefined;
  readonly request: RequestMessage;
  readonly #host: Host;
  readonly #transaction: ServerTransaction;
  readonly #contact: string;
  readonly #send: (id: number, body: string, state: string) => Promise<RequestResult>;

  constructor(
    host: Host,
    parsed: Parsed,
    transaction: ServerTransaction,
    contact: string,
    send: (id: number, body: string, state: string) => Promise<RequestResult>,
  ) {
    this.target = parsed.target;
    this.replaces = parsed.replaces;
    this.request = transaction.request;
    this.#host = host;
    this.#transaction = transaction;
    this.#contact = contact;
    this.#send = send;
  }

  get replacedSession(): Session | undefined {
    return this.replaces && this.#host.findSession(this.replaces);
  }

  get referredBy(): string | undefined {
    return this.request.header("referred-by");
  }

  accept(): ReferProgress {
    const silent = this.request.header("refer-sub")?.toLowerCase().trim() === "false";
    answer(this.#host, this.#transaction, silent ? 200 : 202, {
      contact: this.#contact,
      ...(silent && { headers: { "Refer-Sub": "false" } }),
    });
    let finished = silent;
    const progress: ReferProgress = {
      notify: (status, reason = phraseOf(status)) => {
        if (finished) return;
        finished = status >= 200;
        const state = finished ? "terminated;reason=noresource" : "active;expires=120";
        void this.#send(this.request.cseq.number, `SIP/2.0 ${status} ${reason.replace(/[\r\n]+/g, " ")}\r\n`, state);
      },
    };
    progress.notify(100);
    return progress;
  }

  reject(status: number, headers?: HeaderInput): void {
    answer(this.#host, this.#transaction, status, headers ? { headers } : {});
  }
}

/** Of a NOTIFY's message/sipfrag. */
export function sipfragStatus(body: string): { status: number; reason: string } | undefined {
  const match = /^SIP\/2\.0 (\d{3})(?: ([^\r\n]*))?/.exec(body.trimStart());
  return match ? { status: Number(match[1]), reason: match[2]?.trim() || phraseOf(Number(match[1])) } : undefined;
}
