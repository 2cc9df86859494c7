/** URIs and addresses as SIP writes them: RFC 3261 section 25.1, RFC 3966. Parsers answer undefined for what is not well-formed. */
import type { NameAddress, SipUri } from "./ports.ts";

type Params = Record<string, string | true>;

const escaped = /%([0-9a-fA-F]{2})/g;
// "unreserved" and "user-unreserved" of the RFC.
const userKept = /[^A-Za-z0-9\-_.!~*'()&=+$,;?/]/g;
const paramKept = /[^A-Za-z0-9\-_.!~*'()[\]/:&+$]/g;
const hostName = /^[A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9.])?$/;
const token = /^[A-Za-z0-9\-.!%*_+`'~]+$/;
const onlyDigits = /^[0-9]{1,5}$/;

export function percentDecode(text: string): string {
  if (!text.includes("%")) return text;
  try {
    return decodeURIComponent(text);
  } catch {
    return text.replace(escaped, (_, hex: string) => String.fromCharCode(Number.parseInt(hex, 16)));
  }
}

const percentEncode = (text: string, others: RegExp): string => text.replace(others, (character) => percent(character));

function percent(character: string): string {
  return [...Buffer.from(character, "utf8")].map((byte) => `%${byte.toString(16).toUpperCase().padStart(2, "0")}`).join("");
}

export function isToken(text: string): boolean {
  return token.test(text);
}

/** "host", "host:port", "[v6]:port". Spaces around the colon are for Via's tortuous ones. */
export function parseHostPort(text: string): { host: string; port: number | undefined } | undefined {
  let host = text;
  let port: string | undefined;
  if (text.startsWith("[")) {
    const end = text.indexOf("]");
    if (end < 0 || !/^[0-9a-fA-F:.]+(%\w+)?$/.test(text.slice(1, end))) return undefined;
    host = text.slice(1, end);
    const rest = text.slice(end + 1).trim();
    if (rest !== "" && !rest.startsWith(":")) return undefined;
    if (rest !== "") port = rest.slice(1).trim();
  } else {
    const colon = text.indexOf(":");
    if (colon >= 0) {
      host = text.slice(0, colon).trim();
      port = text.slice(colon + 1).trim();
    }
    if (!hostName.test(host)) return undefined;
  }
  if (port === undefined) return { host: host.toLowerCase(), port: undefined };
  if (!onlyDigits.test(port) || Number(port) > 65535) return undefined;
  return { host: host.toLowerCase(), port: Number(port) };
}

export function parseUri(text: string): SipUri | undefined {
  const colon = text.indexOf(":");
  if (colon < 0) return undefined;
  const scheme = text.slice(0, colon).toLowerCase();
  const rest = text.slice(colon + 1);
  if (/[\s<>"]/.test(rest)) return undefined;
  if (scheme === "tel") return parseTel(rest);
  if (scheme !== "sip" && scheme !== "sips") return undefined;
  // The user may have "?" and ";" of its own: what is before the last "@" that comes before any header is the user.
  const at = rest.lastIndexOf("@");
  const user = at < 0 ? undefined : rest.slice(0, at);
  if (user === "") return undefined;
  const parts = cutUri(rest.slice(at + 1));
  const place = parseHostPort(parts.place);
  if (!place) return undefined;
  const uri: SipUri = { scheme, host: place.host, port: place.port, params: uriParams(parts.params) };
  if (user !== undefined) readUser(uri, user);
  if (parts.headers !== undefined) uri.headers = uriHeaders(parts.headers);
  return uri;
}

function cutUri(text: string): { place: string; params: string; headers: string | undefined } {
  const question = text.indexOf("?");
  const before = question < 0 ? text : text.slice(0, question);
  const semicolon = before.indexOf(";");
  return {
    place: semicolon < 0 ? before : before.slice(0, semicolon),
    params: semicolon < 0 ? "" : before.slice(semicolon + 1),
    headers: question < 0 ? undefined : text.slice(question + 1),
  };
}

function readUser(uri: SipUri, text: string): void {
  const colon = text.indexOf(":");
  uri.user = percentDecode(colon < 0 ? text : text.slice(0, colon));
  if (colon >= 0) uri.password = percentDecode(text.slice(colon + 1));
}

function parseTel(rest: string): SipUri | undefined {
  const semicolon = rest.indexOf(";");
  const number = (semicolon < 0 ? rest : rest.slice(0, semicolon)).replace(/[-.()]/g, "");
  if (!/^\+?[0-9A-Fa-f*#]+$/.test(number)) return undefined;
  return { scheme: "tel", user: number, host: "", params: uriParams(semicolon < 0 ? "" : rest.slice(semicolon + 1)) };
}

function uriParams(text: string): Params {
  const params: Params = {};
  if (text === "") return params;
  for (const part of text.split(";")) {
    if (part === "") continue;
    const equals = part.indexOf("=");
    const name = percentDecode(equals < 0 ? part : part.slice(0, equals)).toLowerCase();
    if (name !== "__proto__") params[name] = equals < 0 ? true : percentDecode(part.slice(equals + 1));
  }
  return params;
}

function uriHeaders(text: string): Record<string, string> {
  const headers: Record<string, string> = {};
  for (const part of text.split("&")) {
    const equals = part.indexOf("=");
    if (equals <= 0) continue;
    const name = percentDecode(part.slice(0, equals));
    if (name !== "__proto__") headers[name] = percentDecode(part.slice(equals + 1));
  }
  return headers;
}

export const bracketed = (host: string): string => (host.includes(":") ? `[${host}]` : host);

export function formatUri(uri: SipUri): string {
  let text = `${uri.scheme}:`;
  if (uri.scheme === "tel") text += uri.user ?? "";
  else {
    if (uri.user !== undefined) {
      text += percentEncode(uri.user, userKept);
      if (uri.password !== undefined) text += `:${percentEncode(uri.password, userKept)}`;
      text += "@";
    }
    text += bracketed(uri.host);
    if (uri.port !== undefined) text += `:${uri.port}`;
  }
  for (const [name, value] of Object.entries(uri.params))
    text +=
      value === true
        ? `;${percentEncode(name, paramKept)}`
        : `;${percentEncode(name, paramKept)}=${percentEncode(value, paramKept)}`;
  return text + formatHeaders(uri.headers);
}

function formatHeaders(headers: Record<string, string> | undefined): string {
  if (!headers) return "";
  const kept = /[^A-Za-z0-9\-_.!~*'()[\]/?:+$]/g;
  const parts = Object.entries(headers).map(([name, value]) => `${percentEncode(name, kept)}=${percentEncode(value, kept)}`);
  return parts.length === 0 ? "" : `?${parts.join("&")}`;
}

/** `"Display" <uri>;params`, `<uri>;params` or `uri;params`, where params are the header's (RFC 3261 section 20.10). */
export function parseNameAddress(input: string): NameAddress | undefined {
  const text = input.trim();
  const open = openingBracket(text);
  if (open === undefined) return undefined;
  if (open >= 0) {
    const close = text.indexOf(">", open);
    if (close < 0) return undefined;
    const uri = parseUri(text.slice(open + 1, close).trim());
    const params = parseParams(text.slice(close + 1));
    const displayName = parseDisplayName(text.slice(0, open).trim());
    if (!uri || !params || displayName === undefined) return undefined;
    return displayName === "" ? { uri, params } : { displayName, uri, params };
  }
  // Without brackets "?" and "," cannot be told from the header's own: RFC 4475 section 3.1.2.13.
  if (/[?,]/.test(text.slice(text.lastIndexOf("@") + 1))) return undefined;
  const at = text.lastIndexOf("@");
  const semicolon = text.indexOf(";", Math.max(at, 0));
  const uri = parseUri((semicolon < 0 ? text : text.slice(0, semicolon)).trim());
  const params = parseParams(semicolon < 0 ? "" : text.slice(semicolon));
  return uri && params ? { uri, params } : undefined;
}

/** -1 when there is none; undefined for a quote that does not end. */
function openingBracket(text: string): number | undefined {
  if (!text.startsWith('"')) return text.indexOf("<");
  const end = endOfQuote(text, 0);
  if (end < 0) return undefined;
  const open = text.indexOf("<", end);
  return open < 0 ? undefined : open;
}

function endOfQuote(text: string, start: number): number {
  for (let at = start + 1; at < text.length; at++) {
    if (text[at] === "\\") at++;
    else if (text[at] === '"') return at;
  }
  return -1;
}

function parseDisplayName(text: string): string | undefined {
  if (text === "") return "";
  if (!text.startsWith('"')) return text.includes('"') ? undefined : text;
  if (endOfQuote(text, 0) !== text.length - 1) return undefined;
  return unquote(text);
}

export function unquote(text: string): string {
  if (text.length < 2 || !text.startsWith('"')) return text;
  const inner = text.slice(1, text.endsWith('"') ? -1 : undefined);
  return inner.includes("\\") ? inner.replace(/\\(.)/gs, "$1") : inner;
}

/** Control characters would end the header. */
export const quote = (text: string): string =>
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what must not pass.
  `"${text.replace(/[\u0000-\u001f\u007f]/g, " ").replace(/["\\]/g, "\\$&")}"`;

/** `;name=value;name="quoted"`, with what spaces there are. Quotes are taken off. Undefined when it is no list of parameters. */
export function parseParams(text: string): Params | undefined {
  const params: Params = {};
  let at = skipSpace(text, 0);
  while (at < text.length) {
    if (text[at] !== ";") return undefined;
    at = skipSpace(text, at + 1);
    const nameEnd = endOf(text, at, ";=");
    const name = text.slice(at, nameEnd).trim().toLowerCase();
    at = nameEnd;
    if (text[at] !== "=") {
      // ";;" has been seen from phones, but not where it would hide a fault: RFC 4475 section 3.1.2.1 wants it refused.
      if (name === "") return undefined;
      params[name] = true;
      continue;
    }
    at = skipSpace(text, at + 1);
    let valueEnd: number;
    if (text[at] === '"') {
      valueEnd = endOfQuote(text, at);
      if (valueEnd < 0) return undefined;
      if (name !== "__proto__") params[name] = unquote(text.slice(at, valueEnd + 1));
      at = skipSpace(text, valueEnd + 1);
    } else {
      valueEnd = endOf(text, at, ";");
      if (name !== "__proto__") params[name] = text.slice(at, valueEnd).trim();
      at = valueEnd;
    }
  }
  return params;
}

function skipSpace(text: string, from: number): number {
  let at = from;
  while (text[at] === " " || text[at] === "\t") at++;
  return at;
}

function endOf(text: string, from: number, stops: string): number {
  let at = from;
  while (at < text.length && !stops.includes(text[at]!)) at++;
  return at;
}

export function formatNameAddress(address: NameAddress): string {
  const name = address.displayName === undefined || address.displayName === "" ? "" : `${quote(address.displayName)} `;
  return `${name}<${formatUri(address.uri)}>${formatParams(address.params)}`;
}

export function formatParams(params: Params): string {
  let text = "";
  for (const [name, value] of Object.entries(params)) {
    if (value === true) text += `;${name}`;
    else text += `;${name}=${isToken(value) || /^\[[0-9a-fA-F:.]+\]$/.test(value) ? value : quote(value)}`;
  }
  return text;
}

/** RFC 3261 section 19.1.4, as far as it matters for finding a place: scheme, user, host, port, transport. */
export function sameUri(a: SipUri, b: SipUri): boolean {
  return (
    a.scheme === b.scheme &&
    a.user === b.user &&
    a.host === b.host &&
    a.port === b.port &&
    a.params["transport"] === b.params["transport"]
  );
}
