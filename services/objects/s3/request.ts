import type { IncomingMessage } from "node:http";
import { plainAddress } from "../../../kernel/peerAddress.ts";
import { S3Error } from "./errors.ts";

/** One request, taken apart once: what is addressed, and what was said about it. */
export interface S3Request {
  method: string;
  /** The Host header as sent, for URLs in answers. */
  host: string;
  /** "" when the service itself is addressed. */
  bucketName: string;
  /** "" when the bucket itself is addressed. */
  key: string;
  /** The bucket is named by the host, not by the path. */
  isHosted: boolean;
  /** The path as sent, percent-encoded: part of what was signed. */
  rawPath: string;
  /** The query as sent, without "?". */
  rawQuery: string;
  /** Query parameters, decoded; the first of a name counts. */
  query: Map<string, string>;
  /** Header values by lower-case name, repeated ones joined by ",". A presigned query may add x-amz-* to them. */
  headers: Map<string, string>;
  /** Where it comes from, and whether by TLS: what the connection says, or a proxy on this machine. */
  remoteAddress?: string | undefined;
  secure?: boolean;
  tlsVersion?: string;
}

/** Splits the URL and finds the bucket: in the host name (virtual-host style) or first in the path (path style). */
export function parseRequest(
  message: Pick<IncomingMessage, "method" | "url" | "rawHeaders"> & { socket?: { remoteAddress?: string | undefined } },
  hosts: string[],
): S3Request {
  const headers = new Map<string, string>();
  const raw = message.rawHeaders;
  for (let i = 0; i + 1 < raw.length; i += 2) {
    const name = raw[i]!.toLowerCase();
    const before = headers.get(name);
    headers.set(name, before === undefined ? raw[i + 1]! : `${before},${raw[i + 1]}`);
  }

  const host = headers.get("host") ?? "";
  const target = withoutOrigin(message.url ?? "/");
  const mark = target.indexOf("?");
  const rawPath = mark < 0 ? target : target.slice(0, mark);
  const rawQuery = mark < 0 ? "" : target.slice(mark + 1);

  const hosted = bucketOfHost(host, hosts);
  const path = rawPath.startsWith("/") ? rawPath.slice(1) : rawPath;
  const slash = path.indexOf("/");
  const bucketName = hosted ?? decodePath(slash < 0 ? path : path.slice(0, slash));
  const key = hosted === undefined ? (slash < 0 ? "" : decodePath(path.slice(slash + 1))) : decodePath(path);
  // "GET //key" addresses a bucket without a name.
  if (bucketName === "" && path !== "") throw new S3Error("InvalidBucketName", undefined, { fields: { BucketName: "" } });

  const query = parseQuery(rawQuery);
  const from = sourceOf(message.socket?.remoteAddress, headers);
  const isHosted = hosted !== undefined;
  return { method: message.method ?? "GET", host, bucketName, key, isHosted, rawPath, rawQuery, query, headers, ...from };
}

/** By which the client came, for URLs in answers. */
export const schemeOf = ({ secure }: Pick<S3Request, "secure">): string => (secure ? "https" : "http");

/** The gateway and other proxies of this machine say whom they speak for; what comes from elsewhere says nothing that counts. */
function sourceOf(
  peer: string | undefined,
  headers: Map<string, string>,
): Pick<S3Request, "remoteAddress" | "secure" | "tlsVersion"> {
  const address = peer && plainAddress(peer);
  if (address !== "127.0.0.1" && address !== "::1") return { remoteAddress: address, secure: false };
  const told = headers.get("x-forwarded-for")?.split(",").at(-1)?.trim();
  const tlsVersion = headers.get("x-forwarded-tls-version");
  return {
    remoteAddress: told || address,
    secure: headers.get("x-forwarded-proto")?.toLowerCase() === "https",
    ...(tlsVersion !== undefined && { tlsVersion }),
  };
}

/** Proxies may send the absolute form (RFC 9112, 3.2.2), and clients the source of a copy, as AWS lets them. */
export const withoutOrigin = (url: string): string => {
  if (url.startsWith("/")) return url;
  const origin = /^https?:\/\/[^/?]*/i.exec(url);
  if (!origin) return url;
  const rest = url.slice(origin[0].length);
  return rest.startsWith("/") ? rest : `/${rest}`;
};

function bucketOfHost(host: string, bases: string[]): string | undefined {
  const name = host.replace(/:\d*$/, "").toLowerCase();
  let found: string | undefined;
  // The longest base wins: "s3.example.org" before "example.org".
  for (const base of bases) {
    if (name === base) return undefined;
    if (!name.endsWith(`.${base}`)) continue;
    const bucketName = name.slice(0, -base.length - 1);
    if (found === undefined || bucketName.length < found.length) found = bucketName;
  }
  return found;
}

/** Percent-decodes as UTF-8. "+" stands for itself in a path. */
function decodePath(text: string): string {
  try {
    return decodeURIComponent(rawBytesAsUtf8(text));
  } catch {
    throw new S3Error("InvalidURI", undefined, { fields: { URI: text } });
  }
}

/** Node gives bytes over 0x7f of the request line as Latin-1; clients that send them unescaped mean UTF-8. */
const rawBytesAsUtf8 = (text: string): string =>
  /[\u0080-\u00ff]/.test(text) ? new TextDecoder("utf-8", { fatal: true }).decode(Buffer.from(text, "latin1")) : text;

function parseQuery(rawQuery: string): Map<string, string> {
  const query = new Map<string, string>();
  for (const [name, value] of queryPairs(rawQuery)) if (!query.has(name)) query.set(name, value);
  return query;
}

/** Name and value of each parameter, decoded, as sent in order; "+" is a space (WHATWG URL, 5.1), as S3 reads it. */
export function queryPairs(rawQuery: string): [string, string][] {
  if (rawQuery === "") return [];
  const pairs: [string, string][] = [];
  for (const pair of rawQuery.split("&")) {
    if (pair === "") continue;
    const equals = pair.indexOf("=");
    pairs.push(
      equals < 0
        ? [decodeParameter(pair), ""]
        : [decodeParameter(pair.slice(0, equals)), decodeParameter(pair.slice(equals + 1))],
    );
  }
  return pairs;
}

const decodeParameter = (text: string): string => decodePath(text.includes("+") ? text.replaceAll("+", " ") : text);
