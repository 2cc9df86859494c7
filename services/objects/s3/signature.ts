import { createHmac, hash, timingSafeEqual } from "node:crypto";
import { queryPairs, type S3Request } from "./request.ts";

/** Signature Version 4, the pure part ("Signature Calculations for the Authorization Header", S3 API Reference). */

export const algorithm = "AWS4-HMAC-SHA256";

export interface Scope {
  /** YYYYMMDD. */
  date: string;
  region: string;
  service: string;
}

export const scopeText = (scope: Scope): string => `${scope.date}/${scope.region}/${scope.service}/aws4_request`;

export const sha256Hex = (data: string | Uint8Array): string => hash("sha256", data, "hex");

const hmac = (key: string | Buffer, data: string): Buffer => createHmac("sha256", key).update(data).digest();

/** Compares without telling by its time how much matched. */
export function sameSignature(expected: string, given: string): boolean {
  const left = Buffer.from(expected);
  const right = Buffer.from(given);
  return left.length === right.length && timingSafeEqual(left, right);
}

/** Signing keys hold for a day, so each is derived once; the oldest go when the cache is full. */
export class SigningKeys {
  readonly #keys = new Map<string, { secret: string; key: Buffer }>();
  readonly #limit: number;

  constructor(limit = 1000) {
    this.#limit = limit;
  }

  get size(): number {
    return this.#keys.size;
  }

  derive(accessKeyId: string, secretAccessKey: string, scope: Scope): Buffer {
    const name = `${accessKeyId}/${scopeText(scope)}`;
    const cached = this.#keys.get(name);
    // A secret that was replaced must not go on working through the cache.
    if (cached?.secret === secretAccessKey) return cached.key;
    const dated = hmac(`AWS4${secretAccessKey}`, scope.date);
    const key = hmac(hmac(hmac(dated, scope.region), scope.service), "aws4_request");
    this.#keys.delete(name);
    this.#keys.set(name, { secret: secretAccessKey, key });
    if (this.#keys.size > this.#limit) this.#keys.delete(this.#keys.keys().next().value!);
    return key;
  }
}

/** What was signed besides the request itself. */
export interface Signed {
  /** Lower-case names in the order given. */
  headers: string[];
  payloadHash: string;
  /** Presigned: the signature's own parameter is no part of what it signs. */
  presigned: boolean;
  /** As in x-amz-date: YYYYMMDDTHHMMSSZ. */
  timestamp: string;
  scope: Scope;
}

/**
 * The signatures that are right for this request. The first is the canonical form; the others say the same request in
 * forms that clients are known to sign: the path as sent (%2F or unescaped characters kept), "+" in a query meant as
 * itself, header bytes read as Latin-1 (botocore) rather than UTF-8.
 */
export function* acceptableSignatures(request: S3Request, signed: Signed, key: Buffer): Generator<string> {
  const canonicalPath = encodePath(request.rawPath);
  const paths = canonicalPath === request.rawPath ? [canonicalPath] : [canonicalPath, request.rawPath];
  const queries = [canonicalQuery(request.rawQuery, signed.presigned)];
  if (request.rawQuery.includes("+")) queries.push(canonicalQuery(request.rawQuery.replaceAll("+", "%2B"), signed.presigned));
  const headerText = canonicalHeaders(request.headers, signed.headers);
  const readings = /[\u0080-\uffff]/.test(headerText) ? (["latin1", "utf8"] as const) : (["latin1"] as const);
  for (const reading of readings)
    for (const path of paths)
      for (const query of queries) {
        // All but the headers is ASCII, which both write alike.
        const canonical = Buffer.from(canonicalText(request, signed, path, query, headerText), reading);
        yield createHmac("sha256", key).update(stringToSign(signed, canonical)).digest("hex");
      }
}

const canonicalText = (request: S3Request, signed: Signed, path: string, query: string, headerText: string): string =>
  `${request.method}\n${path}\n${query}\n${headerText}\n${signed.headers.join(";")}\n${signed.payloadHash}`;

const stringToSign = ({ timestamp, scope }: Signed, canonical: Buffer): string =>
  `${algorithm}\n${timestamp}\n${scopeText(scope)}\n${sha256Hex(canonical)}`;

/** What was signed here, for a client whose signature is another to find out where the two differ ("Troubleshooting signature mismatch errors"). */
export function explainSignature(request: S3Request, signed: Signed): Record<string, string> {
  const query = canonicalQuery(request.rawQuery, signed.presigned);
  const headerText = canonicalHeaders(request.headers, signed.headers);
  const canonical = Buffer.from(canonicalText(request, signed, encodePath(request.rawPath), query, headerText), "latin1");
  const text = stringToSign(signed, canonical);
  return {
    StringToSign: text,
    StringToSignBytes: hexBytes(Buffer.from(text)),
    CanonicalRequest: canonical.toString(),
    CanonicalRequestBytes: hexBytes(canonical),
  };
}

/** As S3 shows bytes. */
export const hexBytes = (bytes: Buffer): string => bytes.toString("hex").replace(/..(?=.)/g, "$& ");

/** Percent-encodes all but RFC 3986's unreserved characters, upper-case hex, as UriEncode() of the specification. */
export const uriEncode = (text: string): string =>
  encodeURIComponent(text).replace(/[!'()*]/g, (character) => `%${character.charCodeAt(0).toString(16).toUpperCase()}`);

/** S3 encodes the path once and keeps its slashes, doubled or not: no normalisation. */
function encodePath(rawPath: string): string {
  if (/^[A-Za-z0-9\-._~/]*$/.test(rawPath)) return rawPath;
  // Bytes that are not escaped arrive as Latin-1 characters, one per byte.
  const bytes = decodePercent(rawPath);
  let encoded = "";
  for (const byte of bytes) encoded += byte === 0x2f ? "/" : encodedBytes[byte];
  return encoded;
}

const encodedBytes: string[] = Array.from({ length: 256 }, (_, byte) => {
  const character = String.fromCharCode(byte);
  return /[A-Za-z0-9\-._~]/.test(character) ? character : `%${byte.toString(16).toUpperCase().padStart(2, "0")}`;
});

function decodePercent(text: string): Buffer {
  const bytes = Buffer.alloc(text.length);
  let length = 0;
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i);
    const escaped = code === 0x25 ? /^[0-9a-fA-F]{2}/.exec(text.slice(i + 1, i + 3)) : null;
    bytes[length++] = escaped ? Number.parseInt(escaped[0], 16) : code;
    if (escaped) i += 2;
  }
  return bytes.subarray(0, length);
}

/** Sorted by encoded name, then encoded value; a parameter without "=" has an empty value. */
function canonicalQuery(rawQuery: string, presigned: boolean): string {
  if (rawQuery === "") return "";
  return queryPairs(rawQuery)
    .filter(([name]) => !(presigned && name === "X-Amz-Signature"))
    .map(([name, value]): [string, string] => [uriEncode(name), uriEncode(value)])
    .sort((a, b) => compare(a[0], b[0]) || compare(a[1], b[1]))
    .map(([name, value]) => `${name}=${value}`)
    .join("&");
}

const compare = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0);

/** Values trimmed, runs of spaces made one. A header that is signed but missing signs as empty, which does not match. */
const canonicalHeaders = (headers: Map<string, string>, names: string[]): string => {
  let text = "";
  for (const name of names) text += `${name}:${(headers.get(name) ?? "").trim().replace(/ {2,}/g, " ")}\n`;
  return text;
};

/** What the chunks of one streamed body are signed with, each over the signature before it. */
export interface ChunkSigning {
  key: Buffer;
  timestamp: string;
  scope: Scope;
  seedSignature: string;
}

const emptyHash = sha256Hex("");

/** "Signature Calculations … Transferring Payload in Multiple Chunks": the string to sign of one chunk. */
export const chunkSignature = (signing: ChunkSigning, previous: string, dataHash: string): string =>
  createHmac("sha256", signing.key)
    .update(`AWS4-HMAC-SHA256-PAYLOAD\n${signing.timestamp}\n${scopeText(signing.scope)}\n${previous}\n${emptyHash}\n${dataHash}`)
    .digest("hex");

/** The trailing headers are signed as one last chunk of their own, each line ended by "\n". */
export const trailerSignature = (signing: ChunkSigning, previous: string, lines: string[]): string =>
  createHmac("sha256", signing.key)
    .update(
      `AWS4-HMAC-SHA256-TRAILER\n${signing.timestamp}\n${scopeText(signing.scope)}\n${previous}\n${sha256Hex(lines.map((line) => `${line}\n`).join(""))}`,
    )
    .digest("hex");
