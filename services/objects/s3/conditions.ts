import type { ByteRange, Preconditions, StoredObject } from "../driver.ts";
import { S3Error } from "./errors.ts";
import type { S3Request } from "./request.ts";

/** Conditional requests and ranges: RFC 9110, 13 and 14. */

type Tagged = Pick<StoredObject, "etag" | "modifiedAtMs">;

/** The validators of a read, under the names of one family of headers (its own, or x-amz-copy-source-*). */
export interface ReadConditions {
  ifMatch?: string | undefined;
  ifNoneMatch?: string | undefined;
  ifModifiedSince?: string | undefined;
  ifUnmodifiedSince?: string | undefined;
}

export const readConditions = (request: S3Request, prefix = ""): ReadConditions => ({
  ifMatch: request.headers.get(`${prefix}if-match`),
  ifNoneMatch: request.headers.get(`${prefix}if-none-match`),
  ifModifiedSince: request.headers.get(`${prefix}if-modified-since`),
  ifUnmodifiedSince: request.headers.get(`${prefix}if-unmodified-since`),
});

/**
 * RFC 9110, 13.2.2: a tag outranks the date beside it, and a failed "match" outranks "not modified". A date in the future says
 * nothing of what was not modified since (S3, and RFC 2616, 14.25). The result names the header that failed.
 */
export function evaluate(
  conditions: ReadConditions,
  object: Tagged,
  nowMs = Date.now(),
): "pass" | "not_modified" | { failed: string } {
  const { ifMatch, ifNoneMatch, ifModifiedSince, ifUnmodifiedSince } = conditions;
  // Last-Modified has whole seconds, so what is compared to it has too.
  const modified = Math.floor(object.modifiedAtMs / 1000);
  if (ifMatch !== undefined) {
    if (!matches(ifMatch, object.etag)) return { failed: "If-Match" };
  } else {
    const since = seconds(ifUnmodifiedSince);
    if (since !== undefined && modified > since) return { failed: "If-Unmodified-Since" };
  }
  if (ifNoneMatch !== undefined) return matches(ifNoneMatch, object.etag) ? "not_modified" : "pass";
  const since = seconds(ifModifiedSince);
  return since !== undefined && modified <= since && since * 1000 <= nowMs ? "not_modified" : "pass";
}

/** "*", or a list of tags; weak ones compare by their value (13.1.2). */
function matches(list: string, etag: string): boolean {
  if (list.trim() === "*") return true;
  return list.split(",").some((tag) => unquote(tag) === etag);
}

/** A date that cannot be read is no condition (13.1.3). */
function seconds(date: string | undefined): number | undefined {
  const timeMs = date === undefined ? Number.NaN : Date.parse(date);
  return Number.isNaN(timeMs) ? undefined : Math.floor(timeMs / 1000);
}

/** An entity tag without quotes and weakness; clients send it either way, and S3 takes one quote alone. */
export const unquote = (tag: string): string => tag.trim().replace(/^W\//, "").replace(/^"|"$/g, "");

export const preconditionFailed = (condition: string): S3Error =>
  new S3Error("PreconditionFailed", undefined, { fields: { Condition: condition } });

/**
 * If-Match or If-None-Match of a write, which the store checks in its transaction. S3 knows two kinds: nothing is there yet ("*"), or exactly this is
 * ("Conditional writes", S3 User Guide); a condition it does not know is refused, as whoever sent it relies on it.
 */
export function writeConditions(request: S3Request): Preconditions {
  const ifMatch = request.headers.get("if-match");
  const ifNoneMatch = request.headers.get("if-none-match");
  if (ifMatch !== undefined && ifNoneMatch !== undefined)
    throw unknownCondition("If-Match,If-None-Match", "Multiple conditional request headers present in the request");
  if (ifMatch?.trim() === "*") throw unknownValue("If-Match");
  if (ifNoneMatch !== undefined && ifNoneMatch.trim() !== "*") throw unknownValue("If-None-Match");
  return {
    ...(ifMatch === undefined ? {} : { ifMatch: unquote(ifMatch) }),
    ...(ifNoneMatch === undefined ? {} : { ifNoneMatch: "*" }),
  };
}

const unknownValue = (header: string): S3Error =>
  unknownCondition(header, `We don't accept the provided value of ${header} header for this API`);

const unknownCondition = (header: string, additionalMessage: string): S3Error =>
  new S3Error("NotImplemented", undefined, { fields: { Header: header, additionalMessage } });

/** One byte range, without blanks; several, or what is none, mean the whole object, as S3 does it. */
export function parseRange(header: string | undefined): ByteRange | undefined {
  const match = header === undefined ? null : /^bytes=(\d*)-(\d*)$/i.exec(header);
  if (!match) return undefined;
  const [, first, last] = match as unknown as [string, string, string];
  if (first === "") return last === "" ? undefined : { suffix: Number(last) };
  if (last === "") return { from: Number(first) };
  return Number(last) < Number(first) ? undefined : { from: Number(first), to: Number(last) };
}

/** First and last position of a range in an object of this size; undefined when it is not satisfiable (14.1.2). */
export function resolveRange(range: ByteRange, sizeBytes: number): { from: number; to: number } | undefined {
  if ("suffix" in range) {
    if (range.suffix === 0 || sizeBytes === 0) return undefined;
    return { from: Math.max(0, sizeBytes - range.suffix), to: sizeBytes - 1 };
  }
  if (range.from >= sizeBytes) return undefined;
  return { from: range.from, to: Math.min(range.to ?? sizeBytes - 1, sizeBytes - 1) };
}

export const rangeNotSatisfiable = (sizeBytes: number, asked: string): S3Error =>
  new S3Error("InvalidRange", undefined, {
    fields: { RangeRequested: asked, ActualObjectSize: String(sizeBytes) },
    headers: { "Content-Range": `bytes */${sizeBytes}` },
  });

/** If-Range (13.1.5): the range counts only while the object is the one that the client has a piece of. */
export function ifRangeHolds(header: string, object: Tagged): boolean {
  const date = seconds(header);
  if (!header.includes('"') && date !== undefined && header.includes(":")) return date === Math.floor(object.modifiedAtMs / 1000);
  return !header.startsWith("W/") && unquote(header) === object.etag;
}
