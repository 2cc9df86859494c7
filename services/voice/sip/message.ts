/** Messages as they came. A message is cut into headers once; what a header means is read when someone asks. */
import { sdpOf } from "./bodies.ts";
import { headerName, isList, phraseOf, splitList } from "./headers.ts";
import type { NameAddress, SipMessage, SipRequest, SipResponse, SipUri, Source } from "./ports.ts";
import { parseNameAddress, parseUri } from "./uri.ts";
import { parseVia, type Via } from "./via.ts";

/** What an address is that cannot be read. */
export const nobody: NameAddress = { uri: { scheme: "sip", host: "invalid", params: {} }, params: {} };

/** Names (lower case, long form) and values at the same places. */
export interface HeaderTable {
  names: string[];
  values: string[];
}

export abstract class Message implements SipMessage {
  readonly names: string[];
  readonly values: string[];
  readonly content: Buffer;
  source: Source;
  #from: NameAddress | undefined;
  #to: NameAddress | undefined;
  #via: Via | undefined | null = null;
  #cseq: { number: number; method: string } | undefined;
  #contacts: NameAddress[] | undefined;

  constructor(table: HeaderTable, content: Buffer, source: Source) {
    this.names = table.names;
    this.values = table.values;
    this.content = content;
    this.source = source;
  }

  header(name: string): string | undefined {
    const at = this.names.indexOf(headerName(name));
    return at < 0 ? undefined : this.values[at];
  }

  headers(name: string): string[] {
    const wanted = headerName(name);
    const divided = isList(wanted);
    const found: string[] = [];
    for (let at = this.names.indexOf(wanted); at >= 0; at = this.names.indexOf(wanted, at + 1))
      if (divided) found.push(...splitList(this.values[at]!));
      else found.push(this.values[at]!);
    return found;
  }

  *entries(): IterableIterator<[string, string]> {
    for (let at = 0; at < this.names.length; at++) yield [this.names[at]!, this.values[at]!];
  }

  /** Whether an option tag is in Supported, Require and the like. */
  lists(name: string, option: string): boolean {
    return this.headers(name).some((value) => value.toLowerCase() === option);
  }

  get from(): NameAddress {
    this.#from ??= parseNameAddress(this.header("from") ?? "") ?? nobody;
    return this.#from;
  }

  get to(): NameAddress {
    this.#to ??= parseNameAddress(this.header("to") ?? "") ?? nobody;
    return this.#to;
  }

  get fromTag(): string {
    return tagOf(this.from);
  }

  get toTag(): string {
    return tagOf(this.to);
  }

  /** The top one; undefined when it cannot be read. */
  get via(): Via | undefined {
    if (this.#via === null) this.#via = parseVia(splitList(this.header("via") ?? "")[0] ?? "");
    return this.#via;
  }

  get contacts(): NameAddress[] {
    this.#contacts ??= this.headers("contact").flatMap((value) => parseNameAddress(value) ?? []);
    return this.#contacts;
  }

  get callId(): string {
    return this.header("call-id") ?? "";
  }

  /** Without a method when it cannot be read. */
  get cseq(): { number: number; method: string } {
    this.#cseq ??= parseCseq(this.header("cseq") ?? "") ?? { number: 0, method: "" };
    return this.#cseq;
  }

  get body(): string {
    return this.content.toString("utf8");
  }

  get contentType(): string {
    return (this.header("content-type") ?? "").split(";", 1)[0]!.trim().toLowerCase();
  }

  get sdp(): string | undefined {
    return sdpOf(this);
  }

  /** Values of Reason (RFC 3326). */
  get reasons(): string[] {
    return this.headers("reason");
  }
}

export class RequestMessage extends Message implements SipRequest {
  readonly method: string;
  readonly uriText: string;
  #uri: SipUri | undefined;

  constructor(method: string, uriText: string, table: HeaderTable, content: Buffer, source: Source) {
    super(table, content, source);
    this.method = method;
    this.uriText = uriText;
  }

  /** A request whose URI cannot be read is refused before anyone asks for it. */
  get uri(): SipUri {
    this.#uri ??= parseUri(this.uriText) ?? nobody.uri;
    return this.#uri;
  }

  get maxForwards(): number {
    const value = Number(this.header("max-forwards"));
    return Number.isInteger(value) && value >= 0 && value <= 255 ? value : 70;
  }
}

export class ResponseMessage extends Message implements SipResponse {
  readonly status: number;
  readonly reason: string;

  constructor(status: number, reason: string, table: HeaderTable, content: Buffer, source: Source) {
    super(table, content, source);
    this.status = status;
    this.reason = reason === "" ? phraseOf(status) : reason;
  }
}

const tagOf = (address: NameAddress): string => {
  const tag = address.params["tag"];
  return typeof tag === "string" ? tag : "";
};

export function parseCseq(text: string): { number: number; method: string } | undefined {
  const match = /^(\d{1,10})\s+(\S+)$/.exec(text);
  if (!match || Number(match[1]) >= 2 ** 31) return undefined;
  return { number: Number(match[1]), method: match[2]! };
}
