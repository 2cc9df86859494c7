import type { StoredObject, Upload } from "../driver.ts";
import type { NoncurrentTransition, Transition } from "./transitions.ts";

/** One rule of a bucket's lifecycle, as S3's LifecycleRule says it. Days are counted to the next midnight (UTC). */
export interface LifecycleRule {
  id: string;
  enabled: boolean;
  filter: {
    prefix?: string;
    tags?: Record<string, string>;
    largerThanBytes?: number;
    smallerThanBytes?: number;
  };
  /** The prefix was written beside the filter's place, as S3 had it first; it is shown again like that. */
  prefixAlone?: boolean;
  /** Of current objects. `expiredMarkers`: delete markers behind which nothing is left. */
  expiration?: { days: number } | { atMs: number } | { expiredMarkers: boolean };
  /** Of versions since they are noncurrent; so many of the newest stay whatever their age. */
  noncurrent?: { days: number; newerVersions?: number };
  abortUploadsDays?: number;
  transitions?: Transition[];
  /** Of versions since they are noncurrent. */
  noncurrentTransitions?: NoncurrentTransition[];
}

const dayMs = 24 * 3_600_000;

/** S3 rounds up to the midnight (UTC) after so many days ("Lifecycle rules: Based on an object's age"). */
export const dueAfter = (sinceMs: number, days: number): number => Math.ceil((sinceMs + days * dayMs) / dayMs) * dayMs;

type Matched = Pick<StoredObject, "key" | "tags" | "sizeBytes">;

export function matches({ filter }: LifecycleRule, object: Matched): boolean {
  const { prefix = "", tags = {}, largerThanBytes, smallerThanBytes } = filter;
  return (
    object.key.startsWith(prefix) &&
    Object.entries(tags).every(([key, value]) => object.tags?.[key] === value) &&
    (largerThanBytes === undefined || object.sizeBytes > largerThanBytes) &&
    (smallerThanBytes === undefined || object.sizeBytes < smallerThanBytes)
  );
}

/** A delete marker has no size and no tags, so rules that ask for one do not mean it. */
export const matchesMarker = (rule: LifecycleRule, key: string): boolean =>
  Object.keys(rule.filter).every((name) => name === "prefix") && key.startsWith(rule.filter.prefix ?? "");

/** When an object expires, by the first rule that says so. */
export function expiryOf(
  rules: readonly LifecycleRule[],
  object: Matched & Pick<StoredObject, "modifiedAtMs">,
): { atMs: number; ruleId: string } | undefined {
  let first: { atMs: number; ruleId: string } | undefined;
  for (const rule of rules) {
    const { expiration } = rule;
    if (!rule.enabled || expiration === undefined || "expiredMarkers" in expiration || !matches(rule, object)) continue;
    const atMs = "days" in expiration ? dueAfter(object.modifiedAtMs, expiration.days) : expiration.atMs;
    if (first === undefined || atMs < first.atMs) first = { atMs, ruleId: rule.id };
  }
  return first;
}

export const markerExpired = (rules: readonly LifecycleRule[], key: string, sinceMs: number, nowMs: number): boolean =>
  rules.some((rule) => {
    const { expiration } = rule;
    if (!rule.enabled || expiration === undefined || !matchesMarker(rule, key)) return false;
    if ("expiredMarkers" in expiration) return expiration.expiredMarkers;
    return ("days" in expiration ? dueAfter(sinceMs, expiration.days) : expiration.atMs) <= nowMs;
  });

/** `newer`: how many noncurrent versions of the key are newer than this one. */
export const versionExpired = (
  rules: readonly LifecycleRule[],
  version: { key: string; object: Matched | undefined; noncurrentSinceMs: number; newer: number },
  nowMs: number,
): boolean =>
  rules.some((rule) => {
    const { noncurrent } = rule;
    if (!rule.enabled || noncurrent === undefined) return false;
    if (!(version.object ? matches(rule, version.object) : matchesMarker(rule, version.key))) return false;
    return version.newer >= (noncurrent.newerVersions ?? 0) && dueAfter(version.noncurrentSinceMs, noncurrent.days) <= nowMs;
  });

/** When an upload is given up, by the first rule that says so. */
export function abortOf(
  rules: readonly LifecycleRule[],
  { key, startedAtMs }: Pick<Upload, "key" | "startedAtMs">,
): { atMs: number; ruleId: string } | undefined {
  let first: { atMs: number; ruleId: string } | undefined;
  for (const { id, enabled, filter, abortUploadsDays } of rules) {
    if (!enabled || abortUploadsDays === undefined || !key.startsWith(filter.prefix ?? "")) continue;
    const atMs = dueAfter(startedAtMs, abortUploadsDays);
    if (first === undefined || atMs < first.atMs) first = { atMs, ruleId: id };
  }
  return first;
}

/** The prefixes that have to be walked, none inside another. */
export function prefixesOf(rules: readonly LifecycleRule[]): string[] {
  const all = rules.filter(({ enabled }) => enabled).map(({ filter }) => filter.prefix ?? "");
  return [...new Set(all)]
    .sort()
    .filter((prefix, index, sorted) => !sorted.slice(0, index).some((other) => prefix.startsWith(other)));
}
