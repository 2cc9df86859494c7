/** The LifecycleConfiguration document (S3 API Reference, PutBucketLifecycleConfiguration), with the refusals of S3. */
import { randomUUID } from "node:crypto";
import type { LifecycleRule } from "../lifecycle/rules.ts";
import { invalidArgument, S3Error } from "./errors.ts";
import { tagElement } from "./tagging.ts";
import { carriedByXml, childrenOf, element, group, parseXml, textOf, type XmlNode, xmlDocument, xmlTime } from "./xml.ts";

const mostRules = 1000;
const malformed = (): S3Error => new S3Error("MalformedXML");
const invalid = (message: string): S3Error => new S3Error("InvalidArgument", message);

export function readLifecycle(document: string): LifecycleRule[] {
  const rules = childrenOf(parseXml(document, "LifecycleConfiguration"), "Rule").map(readRule);
  if (rules.length === 0 || rules.length > mostRules) throw malformed();
  if (new Set(rules.map(({ id }) => id)).size < rules.length)
    throw invalid("Rule ID must be unique. Found same ID for more than one rule");
  return rules;
}

/** Text that can be written again: in no document stands what is no character. */
function plainText(node: XmlNode, name: string): string | undefined {
  const text = textOf(node, name);
  if (text !== undefined && !(carriedByXml(text) && text.isWellFormed())) throw malformed();
  return text;
}

function readRule(node: XmlNode): LifecycleRule {
  const id = plainText(node, "ID") || randomUUID();
  if (id.length > 255) throw invalid("ID length should not exceed allowed limit of 255");
  const status = textOf(node, "Status");
  if (status !== "Enabled" && status !== "Disabled") throw malformed();
  const transitions = [...childrenOf(node, "Transition"), ...childrenOf(node, "NoncurrentVersionTransition")];
  // What is not well written is told before what is not done.
  for (const transition of transitions)
    if (textOf(transition, "Date") !== undefined) midnight(textOf(transition, "Date") as string);
  if (transitions.length > 0) throw new S3Error("NotImplemented", "Transitions are not implemented: there is one storage class.");
  const [filterNode] = childrenOf(node, "Filter");
  const prefix = plainText(node, "Prefix");
  if ((filterNode === undefined) === (prefix === undefined)) throw malformed();
  const [expiration, noncurrent, abort] = ["Expiration", "NoncurrentVersionExpiration", "AbortIncompleteMultipartUpload"].map(
    (name) => childrenOf(node, name)[0],
  );
  const rule: LifecycleRule = {
    id,
    enabled: status === "Enabled",
    filter: filterNode === undefined ? { prefix: checkPrefix(prefix as string) } : readFilter(filterNode),
    ...(filterNode === undefined && { prefixAlone: true }),
    ...(expiration !== undefined && { expiration: readExpiration(expiration) }),
    ...(noncurrent !== undefined && { noncurrent: readNoncurrent(noncurrent) }),
    ...(abort !== undefined && {
      abortUploadsDays: positive(abort, "DaysAfterInitiation", "AbortIncompleteMultipartUpload") ?? fail(malformed()),
    }),
  };
  checkTogether(rule);
  return rule;
}

function fail(error: S3Error): never {
  throw error;
}

function checkTogether({ filter, expiration, noncurrent, abortUploadsDays }: LifecycleRule): void {
  if (expiration === undefined && noncurrent === undefined && abortUploadsDays === undefined)
    throw new S3Error("InvalidRequest", "At least one action needs to be specified in a rule");
  const bySize = filter.largerThanBytes !== undefined || filter.smallerThanBytes !== undefined;
  const what = filter.tags !== undefined ? "Tags" : bySize ? "Object Size" : undefined;
  if (what !== undefined && abortUploadsDays !== undefined)
    throw new S3Error("InvalidRequest", `AbortIncompleteMultipartUpload cannot be specified with ${what}.`);
  if (what !== undefined && expiration !== undefined && "expiredMarkers" in expiration)
    throw new S3Error("InvalidRequest", `ExpiredObjectDeleteMarker cannot be specified with ${what}.`);
}

function readFilter(node: XmlNode): LifecycleRule["filter"] {
  const [and] = childrenOf(node, "And");
  const parent = and ?? node;
  const tags = childrenOf(parent, "Tag").map((tag): [string, string] => {
    const [key, value] = [plainText(tag, "Key"), plainText(tag, "Value")];
    if (!key || value === undefined) throw malformed();
    return [key, value];
  });
  const [prefix, larger, smaller] = [
    plainText(parent, "Prefix"),
    bytes(parent, "ObjectSizeGreaterThan"),
    bytes(parent, "ObjectSizeLessThan"),
  ];
  const conditions = tags.length + [prefix, larger, smaller].filter((each) => each !== undefined).length;
  // One condition stands alone, several stand in And.
  if (and === undefined ? conditions > 1 : conditions < 2) throw malformed();
  if (prefix !== undefined) checkPrefix(prefix);
  if (new Set(tags.map(([key]) => key)).size < tags.length)
    throw new S3Error("InvalidRequest", "Duplicate Tag Keys are not allowed.");
  if (larger !== undefined && smaller !== undefined && larger >= smaller)
    throw new S3Error("InvalidRequest", "'ObjectSizeLessThan' has to be a value greater than 'ObjectSizeGreaterThan'.");
  return {
    ...(prefix !== undefined && { prefix }),
    ...(tags.length > 0 && { tags: Object.fromEntries(tags) }),
    ...(larger !== undefined && { largerThanBytes: larger }),
    ...(smaller !== undefined && { smallerThanBytes: smaller }),
  };
}

/** As long as a key may be. */
function checkPrefix(prefix: string): string {
  if (Buffer.byteLength(prefix) > 1024) throw new S3Error("InvalidRequest", "The maximum size of a prefix is 1024.");
  return prefix;
}

function readExpiration(node: XmlNode): NonNullable<LifecycleRule["expiration"]> {
  const days = positive(node, "Days", "Expiration");
  const date = textOf(node, "Date")?.trim();
  const marker = textOf(node, "ExpiredObjectDeleteMarker")?.trim();
  if ([days, date, marker].filter((each) => each !== undefined).length !== 1) throw malformed();
  if (days !== undefined) return { days };
  if (marker !== undefined) {
    if (marker !== "true" && marker !== "false") throw malformed();
    return { expiredMarkers: marker === "true" };
  }
  return { atMs: midnight(date as string) };
}

/** Milliseconds since 1970. */
function midnight(date: string): number {
  const atMs = /^\d{4}-\d\d-\d\d(T|$)/.test(date) ? Date.parse(date) : Number.NaN;
  if (Number.isNaN(atMs)) throw malformed();
  if (atMs % (24 * 3_600_000) !== 0)
    throw invalidArgument("Date", new Date(atMs).toISOString(), "'Date' must be at midnight GMT");
  return atMs;
}

function readNoncurrent(node: XmlNode): NonNullable<LifecycleRule["noncurrent"]> {
  const days = positive(node, "NoncurrentDays", "NoncurrentVersionExpiration");
  if (days === undefined) throw malformed();
  const newerVersions = positive(node, "NewerNoncurrentVersions", "NoncurrentVersionExpiration");
  if (newerVersions !== undefined && newerVersions > 100)
    throw invalid("'NewerNoncurrentVersions' for NoncurrentVersionExpiration action must be at most 100");
  return { days, ...(newerVersions !== undefined && { newerVersions }) };
}

function positive(node: XmlNode, name: string, action: string): number | undefined {
  const text = textOf(node, name)?.trim();
  if (text === undefined) return undefined;
  if (!/^-?\d{1,9}$/.test(text)) throw malformed();
  if (Number(text) < 1) throw invalid(`'${name}' for ${action} action must be a positive integer`);
  return Number(text);
}

function bytes(node: XmlNode, name: string): number | undefined {
  const text = textOf(node, name)?.trim();
  if (text === undefined) return undefined;
  if (!/^\d{1,15}$/.test(text)) throw malformed();
  return Number(text);
}

export const writeLifecycle = (rules: readonly LifecycleRule[]): string =>
  xmlDocument("LifecycleConfiguration", ...rules.map(writeRule));

function writeRule({ id, enabled, filter, prefixAlone, expiration, noncurrent, abortUploadsDays }: LifecycleRule): string {
  const conditions = [
    ...(filter.prefix === undefined ? [] : [element("Prefix", filter.prefix)]),
    ...Object.entries(filter.tags ?? {}).map(([key, value]) => tagElement(key, value)),
    ...(filter.largerThanBytes === undefined ? [] : [element("ObjectSizeGreaterThan", filter.largerThanBytes)]),
    ...(filter.smallerThanBytes === undefined ? [] : [element("ObjectSizeLessThan", filter.smallerThanBytes)]),
  ];
  const inFilter = conditions.length > 1 ? group("And", ...conditions) : conditions.join("");
  return group(
    "Rule",
    element("ID", id),
    prefixAlone ? conditions.join("") : group("Filter", inFilter),
    element("Status", enabled ? "Enabled" : "Disabled"),
    expiration === undefined ? "" : group("Expiration", writeExpiration(expiration)),
    noncurrent === undefined
      ? ""
      : group(
          "NoncurrentVersionExpiration",
          element("NoncurrentDays", noncurrent.days),
          element("NewerNoncurrentVersions", noncurrent.newerVersions),
        ),
    abortUploadsDays === undefined
      ? ""
      : group("AbortIncompleteMultipartUpload", element("DaysAfterInitiation", abortUploadsDays)),
  );
}

function writeExpiration(expiration: NonNullable<LifecycleRule["expiration"]>): string {
  if ("days" in expiration) return element("Days", expiration.days);
  if ("atMs" in expiration) return element("Date", xmlTime(expiration.atMs));
  return element("ExpiredObjectDeleteMarker", expiration.expiredMarkers);
}

/** How small an object a transition takes; the one that goes without saying. There are no transitions, so no other is taken. */
export const smallestTransition = { "x-amz-transition-default-minimum-object-size": "all_storage_classes_128K" };

export function checkSmallestTransition(value: string | undefined): void {
  if (value === undefined || value === "all_storage_classes_128K") return;
  if (value === "varies_by_storage_class")
    throw new S3Error("NotImplemented", "Transitions are not implemented: there is one storage class.");
  throw new S3Error("InvalidRequest", `Invalid TransitionDefaultMinimumObjectSize found: ${value}`);
}
