/** The LifecycleConfiguration document (S3 API Reference, PutBucketLifecycleConfiguration), with the refusals of S3. */
import { randomUUID } from "node:crypto";
import type { LifecycleRule } from "../lifecycle/rules.ts";
import {
  type NoncurrentTransition,
  type Transition,
  type TransitionClass,
  transitionClasses,
  transitionProblem,
} from "../lifecycle/transitions.ts";
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
  // What is not well written is told before what is not done.
  const transitions = childrenOf(node, "Transition").map(readTransition);
  const noncurrentTransitions = childrenOf(node, "NoncurrentVersionTransition").map(readNoncurrentTransition);
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
    ...(transitions.length > 0 && { transitions }),
    ...(noncurrentTransitions.length > 0 && { noncurrentTransitions }),
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

function checkTogether(rule: LifecycleRule): void {
  const { filter, expiration, noncurrent, abortUploadsDays, transitions, noncurrentTransitions } = rule;
  if ([expiration, noncurrent, abortUploadsDays, transitions, noncurrentTransitions].every((each) => each === undefined))
    throw new S3Error("InvalidRequest", "At least one action needs to be specified in a rule");
  const bySize = filter.largerThanBytes !== undefined || filter.smallerThanBytes !== undefined;
  const what = filter.tags !== undefined ? "Tags" : bySize ? "Object Size" : undefined;
  if (what !== undefined && abortUploadsDays !== undefined)
    throw new S3Error("InvalidRequest", `AbortIncompleteMultipartUpload cannot be specified with ${what}.`);
  if (what !== undefined && expiration !== undefined && "expiredMarkers" in expiration)
    throw new S3Error("InvalidRequest", `ExpiredObjectDeleteMarker cannot be specified with ${what}.`);
  const problem = transitionProblem(rule);
  if (problem !== undefined) throw new S3Error(problem.code, problem.message);
}

function readFilter(node: XmlNode): LifecycleRule["filter"] {
  const [and] = childrenOf(node, "And");
  const parent = and ?? node;
  const tags = childrenOf(parent, "Tag").map((tag): [string, string] => {
    const [key, value] = [plainText(tag, "Key"), plainText(tag, "Value")];
    if (!key || value === undefined) throw malformed();
    if (key.length > 128) throw new S3Error("InvalidRequest", "A Tag's Key must be a length between 1 and 128.");
    if (value.length > 256) throw new S3Error("InvalidRequest", "A Tag's Value must be a length between 0 and 256.");
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

function readTransition(node: XmlNode): Transition {
  const days = nonnegative(node, "Days", "Transition");
  const date = textOf(node, "Date")?.trim();
  if ((days === undefined) === (date === undefined)) throw malformed();
  const atMs = date === undefined ? undefined : midnight(date);
  const storageClass = readClass(node);
  return days === undefined ? { atMs: atMs as number, storageClass } : { days, storageClass };
}

function readNoncurrentTransition(node: XmlNode): NoncurrentTransition {
  const days = nonnegative(node, "NoncurrentDays", "NoncurrentVersionTransition");
  if (days === undefined) throw malformed();
  const newerVersions = newest(node, "NoncurrentVersionTransition");
  return { days, storageClass: readClass(node), ...(newerVersions !== undefined && { newerVersions }) };
}

function readClass(node: XmlNode): TransitionClass {
  const name = textOf(node, "StorageClass")?.trim();
  if (name === "GLACIER" || name === "DEEP_ARCHIVE")
    throw new S3Error("NotImplemented", `Archives (${name}) are not implemented. Use another storage class.`);
  if (!transitionClasses.includes(name as TransitionClass)) throw malformed();
  return name as TransitionClass;
}

function newest(node: XmlNode, action: string): number | undefined {
  const newerVersions = positive(node, "NewerNoncurrentVersions", action);
  if (newerVersions !== undefined && newerVersions > 100)
    throw invalid(`'NewerNoncurrentVersions' for ${action} action must be at most 100`);
  return newerVersions;
}

function nonnegative(node: XmlNode, name: string, action: string): number | undefined {
  const text = textOf(node, name)?.trim();
  if (text === undefined) return undefined;
  if (!/^-?\d{1,9}$/.test(text)) throw malformed();
  if (Number(text) < 0) throw invalid(`'${name}' in ${action} action must be nonnegative`);
  return Number(text);
}

function readNoncurrent(node: XmlNode): NonNullable<LifecycleRule["noncurrent"]> {
  const days = positive(node, "NoncurrentDays", "NoncurrentVersionExpiration");
  if (days === undefined) throw malformed();
  const newerVersions = newest(node, "NoncurrentVersionExpiration");
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

function writeRule(rule: LifecycleRule): string {
  const { id, enabled, filter, prefixAlone, expiration, noncurrent, abortUploadsDays } = rule;
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
    ...(rule.transitions ?? []).map((each) =>
      group("Transition", writeExpiration(each), element("StorageClass", each.storageClass)),
    ),
    ...(rule.noncurrentTransitions ?? []).map(({ days, storageClass, newerVersions }) =>
      group(
        "NoncurrentVersionTransition",
        element("NoncurrentDays", days),
        element("NewerNoncurrentVersions", newerVersions),
        element("StorageClass", storageClass),
      ),
    ),
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

type SmallestTransition = "all_storage_classes_128K" | "varies_by_storage_class";

/** How small an object a transition takes: among the classes that are here the two mean the same, so it is only told again. */
export const smallestTransition = (value: SmallestTransition = "all_storage_classes_128K") => ({
  "x-amz-transition-default-minimum-object-size": value,
});

export function readSmallestTransition(value: string | undefined): SmallestTransition {
  if (value === undefined || value === "all_storage_classes_128K") return "all_storage_classes_128K";
  if (value === "varies_by_storage_class") return value;
  throw new S3Error("InvalidRequest", `Invalid TransitionDefaultMinimumObjectSize found: ${value}`);
}
