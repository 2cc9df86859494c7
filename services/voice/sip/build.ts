/** From what is to be said to text. */
import { phraseOf } from "./headers.ts";
import type { RequestMessage } from "./message.ts";
import type { Body, HeaderInput, Transport } from "./ports.ts";
import { bracketed } from "./uri.ts";
import { viaAsReceived } from "./via.ts";

export type HeaderLine = readonly [name: string, value: string];

/** All of a request but its Via and Contact, which depend on the way it takes. */
export interface OutgoingRequest {
  method: string;
  uri: string;
  headers: HeaderLine[];
  body?: Body | undefined;
  /** The Contact of ours, where one belongs, for the place that the way starts at. */
  contact?: ((local: { host: string; port: number }, transport: Transport) => string) | undefined;
}

/** What must not end a header early. */
const safe = (value: string): string => (/[\r\n]/.test(value) ? value.replace(/[\r\n]+/g, " ") : value);

export function headerLines(input: HeaderInput | undefined): HeaderLine[] {
  const lines: HeaderLine[] = [];
  for (const [name, value] of Object.entries(input ?? {}))
    if (typeof value === "string") lines.push([name, value]);
    else if (value !== undefined) for (const one of value) lines.push([name, one]);
  return lines;
}

const writeHeaders = (lines: readonly HeaderLine[]): string => {
  let text = "";
  for (const [name, value] of lines) text += `${name}: ${safe(value)}\r\n`;
  return text;
};

function withBody(head: string, body: Body | undefined): string | Buffer {
  if (!body) return `${head}Content-Length: 0\r\n\r\n`;
  const bytes = Buffer.byteLength(body.content);
  const whole = `${head}Content-Type: ${safe(body.type)}\r\nContent-Length: ${bytes}\r\n\r\n`;
  return typeof body.content === "string" ? whole + body.content : Buffer.concat([Buffer.from(whole), body.content]);
}

export function viaLine(transport: Transport, local: { host: string; port: number }, branch: string): string {
  return `SIP/2.0/${transport.toUpperCase()} ${bracketed(local.host)}:${local.port};branch=${branch};rport`;
}

export function requestText(
  request: OutgoingRequest,
  way: { transport: Transport; local: { host: string; port: number }; branch: string },
): string | Buffer {
  let head = `${request.method} ${safe(request.uri)} SIP/2.0\r\nVia: ${viaLine(way.transport, way.local, way.branch)}\r\n`;
  if (request.contact) head += `Contact: ${safe(request.contact(way.local, way.transport))}\r\n`;
  return withBody(head + writeHeaders(request.headers), request.body);
}

/** Headers of a request that go back with every answer (RFC 3261 sections 8.2.6.1 and 8.2.6.2), in its words. */
function echoed(request: RequestMessage, toTag: string | undefined, recordRoute: boolean, isTrying: boolean): string {
  let head = "";
  let viaSeen = false;
  for (let at = 0; at < request.names.length; at++) {
    const name = request.names[at];
    const value = request.values[at]!;
    if (name === "via") {
      head += `Via: ${viaSeen || !request.via ? value : firstVia(request, value)}\r\n`;
      viaSeen = true;
    } else if (name === "to") head += `To: ${value}${toTag === undefined || request.toTag !== "" ? "" : `;tag=${toTag}`}\r\n`;
    else if (name === "from") head += `From: ${value}\r\n`;
    else if (name === "call-id") head += `Call-ID: ${value}\r\n`;
    else if (name === "cseq") head += `CSeq: ${value}\r\n`;
    else if (recordRoute && name === "record-route") head += `Record-Route: ${value}\r\n`;
    else if (isTrying && name === "timestamp") head += `Timestamp: ${value}\r\n`;
  }
  return head;
}

function firstVia(request: RequestMessage, value: string): string {
  const comma = value.indexOf(",");
  if (comma < 0) return viaAsReceived(value, request.via!, request.source);
  return viaAsReceived(value.slice(0, comma).trimEnd(), request.via!, request.source) + value.slice(comma);
}

export function responseText(
  request: RequestMessage,
  status: number,
  options: {
    reason?: string | undefined;
    toTag?: string | undefined;
    /** For answers that make a dialog. */
    recordRoute?: boolean;
    headers: readonly HeaderLine[];
    body?: Body | undefined;
  },
): string | Buffer {
  const head = `SIP/2.0 ${status} ${safe(options.reason ?? phraseOf(status))}\r\n`;
  const echo = echoed(request, options.toTag, options.recordRoute === true, status === 100);
  return withBody(head + echo + writeHeaders(options.headers), options.body);
}
