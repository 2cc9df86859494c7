import type { StoredObject } from "../driver.ts";
import { dueAfter, type LifecycleRule, matches } from "./rules.ts";

/**
 * Another storage class after a while ("Transitioning objects using Amazon S3 Lifecycle", S3 User Guide). All bytes lie alike here, so it is a label
 * that changes; the archives, from which one reads only after restoring, are not among them.
 */
export const transitionClasses = ["STANDARD_IA", "INTELLIGENT_TIERING", "ONEZONE_IA", "GLACIER_IR"] as const;
export type TransitionClass = (typeof transitionClasses)[number];

export type Transition = ({ days: number } | { atMs: number }) & { storageClass: TransitionClass };
export interface NoncurrentTransition {
  days: number;
  storageClass: TransitionClass;
  /** So many of the newest old versions stay as they are. */
  newerVersions?: number;
}

/** Down the waterfall only: what has none of these names is above all. */
const depthOf = (storageClass: string | undefined): number => (transitionClasses as readonly unknown[]).indexOf(storageClass);

/** Smaller ones cost more than they spare: they go only where the rule asks for sizes itself. */
const smallestBytes = 128 * 1024;
const takes = (rule: LifecycleRule, object: StoredObject): boolean =>
  rule.enabled &&
  matches(rule, object) &&
  (object.sizeBytes >= smallestBytes || rule.filter.largerThanBytes !== undefined || rule.filter.smallerThanBytes !== undefined);

function deepest(object: StoredObject, due: readonly TransitionClass[]): TransitionClass | undefined {
  const [last] = [...due].sort((a, b) => depthOf(b) - depthOf(a));
  return last !== undefined && depthOf(last) > depthOf(object.headers.storageClass) ? last : undefined;
}

/** The class that a current object is to have by now; undefined: it keeps its own. */
export const transitionOf = (rules: readonly LifecycleRule[], object: StoredObject, nowMs: number): TransitionClass | undefined =>
  deepest(
    object,
    rules.flatMap((rule) =>
      !rule.transitions || !takes(rule, object)
        ? []
        : rule.transitions
            .filter((each) => ("days" in each ? dueAfter(object.modifiedAtMs, each.days) : each.atMs) <= nowMs)
            .map(({ storageClass }) => storageClass),
    ),
  );

/** The same of an old version. `newer`: how many noncurrent versions of the key are newer than this one. */
export const noncurrentTransitionOf = (
  rules: readonly LifecycleRule[],
  { object, noncurrentSinceMs, newer }: { object: StoredObject; noncurrentSinceMs: number; newer: number },
  nowMs: number,
): TransitionClass | undefined =>
  deepest(
    object,
    rules.flatMap((rule) =>
      !rule.noncurrentTransitions || !takes(rule, object)
        ? []
        : rule.noncurrentTransitions
            .filter(({ days, newerVersions = 0 }) => newer >= newerVersions && dueAfter(noncurrentSinceMs, days) <= nowMs)
            .map(({ storageClass }) => storageClass),
    ),
  );

interface Problem {
  code: "InvalidArgument" | "InvalidRequest";
  message: string;
}

/** What S3 refuses of the transitions of a rule, in its words. */
export function transitionProblem({
  filter,
  transitions = [],
  noncurrentTransitions = [],
  ...rule
}: LifecycleRule): Problem | undefined {
  const about = `filter '(prefix=${filter.prefix ?? ""})'`;
  const { expiration } = rule;
  const times = [...transitions, ...(expiration && !("expiredMarkers" in expiration) ? [expiration] : [])];
  if (times.some((each) => "days" in each) && times.some((each) => "atMs" in each))
    return {
      code: "InvalidRequest",
      message: `Found mixed 'Date' and 'Days' based Expiration and Transition actions in lifecycle rule for ${about}`,
    };
  return (
    problemOf("Transition", "Days", about, transitions, expiration) ??
    problemOf("NoncurrentVersionTransition", "NoncurrentDays", about, noncurrentTransitions, rule.noncurrent)
  );
}

function problemOf(
  action: "Transition" | "NoncurrentVersionTransition",
  field: string,
  about: string,
  given: readonly { storageClass: TransitionClass; days?: number; atMs?: number }[],
  expiration: object | undefined,
): Problem | undefined {
  const wrong = (message: string): Problem => ({ code: "InvalidArgument", message });
  if (new Set(given.map(({ storageClass }) => storageClass)).size < given.length)
    return {
      code: "InvalidRequest",
      message: `'StorageClass' must be different for '${action}' actions in same 'Rule' with ${about}`,
    };
  const sorted = [...given].sort((a, b) => depthOf(a.storageClass) - depthOf(b.storageClass));
  for (const [index, { storageClass, days, atMs }] of sorted.entries()) {
    if (storageClass.endsWith("_IA") && days !== undefined && days < 30)
      return wrong(`'${field}' in ${action} action must be greater than or equal to 30 for storageClass '${storageClass}'`);
    const before = sorted[index - 1];
    if (before === undefined) continue;
    // What is seldom read is kept for a month at least.
    const more = before.storageClass.endsWith("_IA") ? 30 : 1;
    const isLater = days !== undefined ? days >= (before.days ?? 0) + more : (atMs ?? 0) > (before.atMs ?? 0);
    if (!isLater)
      return wrong(
        `'${field}' in the '${action}' action for StorageClass '${storageClass}' for ${about} must be ${more === 30 ? "30 days more than" : "greater than"} ${about} in the '${action}' action for StorageClass '${before.storageClass}'`,
      );
  }
  const last = (name: "days" | "atMs"): number => Math.max(-1, ...given.map((each) => each[name] ?? -1));
  const ending = action === "Transition" ? "Expiration" : "NoncurrentVersionExpiration";
  for (const [name, wire] of [
    ["days", field],
    ["atMs", "Date"],
  ] as const) {
    const end = (expiration as Record<string, unknown> | undefined)?.[name];
    if (typeof end === "number" && end <= last(name))
      return wrong(`'${wire}' in the ${ending} action for ${about} must be greater than '${wire}' in the ${action} action`);
  }
  return undefined;
}
