/** From bytes to messages: RFC 3261 section 7, tolerant where phones are known to stray, and never throwing. */
import { headerName, single } from "./headers.ts";
import { type HeaderTable, nobody, RequestMessage, ResponseMessage } from "./message.ts";
import type { Source } from "./ports.ts";
import { isToken } from "./uri.ts";

export type Parsed =
  | { kind: "request"; request: RequestMessage }
  | { kind: "response"; response: ResponseMessage }
  /** To be refused with that status: enough of it is readable to answer. */
  | { kind: "bad"; request: RequestMessage; status: number; why: string }
  /** To be met with silence. */
  | { kind: "noise"; why: string };

const maximumHeaders = 256;
const maximumHeaderBytes = 32_768;
const requestLine = /^([^\s]+) ([^\s<>]+) (SIP\/\d+\.\d+)$/i;
const looseRequestLine = /^([^\s]+)\s+(.*?)\s*(SIP\/\d+\.\d+)\s*$/i;
const statusLine = /^SIP\/2\.0 (\d{3})(?: (.*))?$/i;

const noise = (why: string): Parsed => ({ kind: "noise", why });

/**
 * Reads one message: a datagram, a WebSocket message, or what `Framing` cut out of a stream. Bytes beyond Content-Length are ignored
 * (RFC 3261 section 18.3).
 */
export function parseMessage(data: Buffer, source: Source): Parsed {
  const start = skipNewlines(data);
  const end = endOfHead(data, start);
  if (end.head - start > maximumHeaderBytes) return noise("its headers are too long");
  const lines = cutLines(data.toString("utf8", start, end.head));
  const first = lines[0];
  if (first === undefined || first === "") return noise("it is empty");
  if (lines.length > maximumHeaders) return noise("it has too many headers");
  const headers = readHeaders(lines);
  const content = data.subarray(end.body);
  if (/^SIP\//i.test(first)) return readResponse(first, headers, content, source);
  return readRequest(first, headers, content, source);
}

function skipNewlines(data: Buffer): number {
  let at = 0;
  while (data[at] === 13 || data[at] === 10) at++;
  return at;
}

/** Some send bare newlines. */
function endOfHead(data: Buffer, start: number): { head: number; body: number } {
  const crlf = data.indexOf("\r\n\r\n", start, "latin1");
  if (crlf >= 0) return { head: crlf, body: crlf + 4 };
  const lf = data.indexOf("\n\n", start, "latin1");
  return lf >= 0 ? { head: lf, body: lf + 2 } : { head: data.length, body: data.length };
}

/** With folded lines put together (RFC 3261 section 7.3.1). */
function cutLines(head: string): string[] {
  const lines = head.split(/\r?\n/);
  if (!/\n[ \t]/.test(head)) return lines;
  const whole: string[] = [];
  for (const line of lines)
    if (whole.length > 1 && (line.startsWith(" ") || line.startsWith("\t"))) whole[whole.length - 1] += ` ${line.trim()}`;
    else whole.push(line);
  return whole;
}

interface ReadHeaders extends HeaderTable {
  fault: string | undefined;
}

function readHeaders(lines: string[]): ReadHeaders {
  const result: ReadHeaders = { names: [], values: [], fault: undefined };
  for (let at = 1; at < lines.length; at++) {
    const line = lines[at]!;
    if (line === "") continue;
    const colon = line.indexOf(":");
    const name = colon < 0 ? "" : line.slice(0, colon).trim();
    if (!isToken(name)) {
      result.fault ??= "A line is no header";
      continue;
    }
    const known = headerName(name);
    if (single.has(known) && result.names.includes(known)) result.fault ??= `There is more than one ${name}`;
    result.names.push(known);
    result.values.push(line.slice(colon + 1).trim());
  }
  return result;
}

function readResponse(line: string, headers: ReadHeaders, content: Buffer, source: Source): Parsed {
  const match = statusLine.exec(line);
  if (!match) return noise("its status line cannot be read");
  const status = Number(match[1]);
  if (status < 100 || status > 699) return noise("its status is out of range");
  if (headers.fault !== undefined) return noise(headers.fault);
  const length = contentLength(headers, content);
  if (length === undefined || length > content.length) return noise("its length is wrong");
  const response = new ResponseMessage(status, match[2]?.trim() ?? "", headers, content.subarray(0, length), source);
  if (response.cseq.method === "" || response.callId === "" || !response.via) return noise("it lacks what a response needs");
  return { kind: "response", response };
}

/** Undefined when it cannot be read. Without one it is all that is there. */
function contentLength(headers: HeaderTable, content: Buffer): number | undefined {
  const at = headers.names.indexOf("content-length");
  if (at < 0) return content.length;
  const text = headers.values[at]!;
  return /^\d{1,9}$/.test(text) ? Number(text) : undefined;
}

function readRequest(line: string, headers: ReadHeaders, content: Buffer, source: Source): Parsed {
  const strict = requestLine.exec(line);
  const match = strict ?? looseRequestLine.exec(line);
  if (!match || !isToken(match[1]!)) return noise("its first line is no request");
  const length = contentLength(headers, content);
  const table = { names: headers.names, values: headers.values };
  const request = new RequestMessage(match[1]!, match[2]!, table, content.subarray(0, length ?? 0), source);
  const fault = faultOf(request, strict !== null, match[3]!, headers.fault, length, content.length);
  if (fault === undefined) return { kind: "request", request };
  // An answer needs these, and an ACK gets none.
  const answerable =
    request.via && request.callId !== "" && request.header("from") && request.header("to") && request.header("cseq");
  if (!answerable || request.method === "ACK") return noise(fault.why);
  return { kind: "bad", request, ...fault };
}

function faultOf(
  request: RequestMessage,
  strict: boolean,
  version: string,
  headerFault: string | undefined,
  length: number | undefined,
  received: number,
): { status: number; why: string } | undefined {
  const bad = (why: string) => ({ status: 400, why });
  if (version.toUpperCase() !== "SIP/2.0") return { status: 505, why: "Version Not Supported" };
  if (!strict) return bad("The request line is malformed");
  if (headerFault !== undefined) return bad(headerFault);
  if (length === undefined) return bad("Content-Length cannot be read");
  if (length > received) return bad("The body is shorter than Content-Length");
  return identityFault(request) ?? uriFault(request);
}

/** What every request must have: RFC 3261 section 8.1.1. Max-Forwards is left out by old ones. */
function identityFault(request: RequestMessage): { status: number; why: string } | undefined {
  const bad = (why: string) => ({ status: 400, why });
  if (!request.via) return bad("Via cannot be read");
  if (request.callId === "") return bad("Call-ID is missing");
  const { cseq } = request;
  if (cseq.method === "") return bad("CSeq cannot be read");
  if (cseq.method !== request.method) return bad("CSeq has another method");
  if (request.from === nobody) return bad("From cannot be read");
  if (request.to === nobody) return bad("To cannot be read");
  const hops = request.header("max-forwards");
  if (hops !== undefined && !/^\d{1,6}$/.test(hops)) return bad("Max-Forwards cannot be read");
  return undefined;
}

function uriFault(request: RequestMessage): { status: number; why: string } | undefined {
  const { uri } = request;
  if (uri !== nobody.uri) {
    if (uri.headers) return { status: 400, why: "The Request-URI has headers" };
    return undefined;
  }
  const scheme = /^([A-Za-z][A-Za-z0-9+.-]*):/.exec(request.uriText)?.[1]?.toLowerCase();
  if (scheme !== undefined && scheme !== "sip" && scheme !== "sips" && scheme !== "tel")
    return { status: 416, why: "Unsupported URI Scheme" };
  return { status: 400, why: "The Request-URI cannot be read" };
}
