/** What sessions and subscriptions have of the stack that they are in. */
import { type HeaderLine, headerLines, responseText } from "./build.ts";
import type { RequestMessage } from "./message.ts";
import type { Replaces, RespondOptions, Session } from "./ports.ts";
import type { Sender } from "./sender.ts";
import type { ServerTransaction } from "./transactions/server.ts";
import type { Timers } from "./transactions/timers.ts";

/** Whoever owns a dialog. Found by the tag that is ours. */
export interface DialogOwner {
  readonly callId: string;
  readonly localTag: string;
  receive(request: RequestMessage, transaction: ServerTransaction): void;
  receiveAck(request: RequestMessage): void;
  /** The stack closes: hang up. */
  shutDown(): void;
}

export interface Host {
  readonly sender: Sender;
  readonly timers: Timers;
  readonly userAgent: string;
  /** Seconds; 0 when session timers are off. */
  readonly sessionExpires: number;
  readonly minimumSessionExpires: number;
  add(owner: DialogOwner): void;
  remove(owner: DialogOwner): void;
  findSession(replaces: Replaces): Session | undefined;
  error(error: unknown, during: string): void;
}

export interface AnswerOptions extends RespondOptions {
  /** Answers that make or refresh a dialog carry these. */
  contact?: string | undefined;
  recordRoute?: boolean;
  toTag?: string;
  more?: readonly HeaderLine[];
}

/** Answers a request. Returns what was sent, for those that must send it again. */
export function answer(host: Host, transaction: ServerTransaction, status: number, options: AnswerOptions = {}): string | Buffer {
  const headers: HeaderLine[] = [];
  if (options.contact !== undefined) headers.push(["Contact", options.contact]);
  if (status > 100) headers.push(["Server", host.userAgent]);
  headers.push(...(options.more ?? []), ...headerLines(options.headers));
  const text = responseText(transaction.request, status, {
    reason: options.reason,
    toTag: status === 100 ? undefined : (options.toTag ?? transaction.localTag),
    recordRoute: options.recordRoute === true,
    headers,
    body: options.body,
  });
  transaction.respond(status, text);
  return text;
}
