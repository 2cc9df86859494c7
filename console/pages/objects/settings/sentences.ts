import type { Answer } from "../../../api/api.ts";
import { type Format, useFormat } from "../../../i18n/format.ts";
import { useT } from "../../../i18n/i18n.ts";

export type LifecycleRule = Answer<"bucketLifecycleGet">["rules"][number];
type T = ReturnType<typeof useT>;

/** Smaller objects keep their storage class, unless the rule asks for sizes itself (services/objects/lifecycle/transitions.ts). */
const smallestMoved = 128 * 1024;

/** What a rule asks of files besides where they lie. */
export function conditionsOf({ filter }: LifecycleRule, t: T, format: Format): string {
  const { tags = {}, largerThanBytes, smallerThanBytes } = filter ?? {};
  const named = Object.entries(tags).map(([name, value]) => `${name}=${value}`);
  return [
    ...(named.length > 0 ? [t("bucketSettings.lifecycle.with.tags", { tags: named.join(", ") })] : []),
    ...(largerThanBytes === undefined
      ? []
      : [t("bucketSettings.lifecycle.with.larger", { size: format.bytes(largerThanBytes) })]),
    ...(smallerThanBytes === undefined
      ? []
      : [t("bucketSettings.lifecycle.with.smaller", { size: format.bytes(smallerThanBytes) })]),
  ].join("; ");
}

/** A rule as a person would say it, one sentence for each thing that it does. */
export function sentencesOf(rule: LifecycleRule, t: T, format: Format): string[] {
  const prefix = rule.filter?.prefix ?? "";
  const conditions = conditionsOf(rule, t, format);
  const named = (form: "what" | "whatOf") => {
    const base =
      prefix === "" ? t(`bucketSettings.lifecycle.${form}.all`) : t(`bucketSettings.lifecycle.${form}.prefix`, { prefix });
    return conditions === "" ? base : `${base} (${conditions})`;
  };
  const { expiration, noncurrent, abortUploadsDays, transitions = [], noncurrentTransitions = [] } = rule;
  const { largerThanBytes, smallerThanBytes } = rule.filter ?? {};
  const asksForSizes = largerThanBytes !== undefined || smallerThanBytes !== undefined;
  // A date may end with a full stop of its own: “1 січ. 2020 р.”
  const fullStop = (text: string): string => text.replace(/\.\.$/, ".");
  const classSentence = (what: string, storageClass: string, days = 0, at?: string): string => {
    if (at !== undefined) return fullStop(t("bucketSettings.lifecycle.class.at", { what, storageClass, date: format.date(at) }));
    return days === 0
      ? t("bucketSettings.lifecycle.class.soon", { what, storageClass })
      : t("bucketSettings.lifecycle.class.days", { what, storageClass, count: days });
  };
  const sentences: string[] = [];
  if (expiration?.days !== undefined)
    sentences.push(t("bucketSettings.lifecycle.expire.days", { what: named("what"), count: expiration.days }));
  if (expiration?.at !== undefined)
    sentences.push(fullStop(t("bucketSettings.lifecycle.expire.at", { what: named("what"), date: format.date(expiration.at) })));
  if (expiration?.expiredMarkers) sentences.push(t("bucketSettings.lifecycle.expire.markers", { what: named("whatOf") }));
  if (noncurrent) {
    const old = t("bucketSettings.lifecycle.old", { what: named("whatOf"), count: noncurrent.days });
    const newest = noncurrent.newerVersions;
    sentences.push(newest === undefined ? old : `${old} ${t("bucketSettings.lifecycle.old.newest", { count: newest })}`);
  }
  for (const { days, at, storageClass } of transitions) sentences.push(classSentence(named("what"), storageClass, days, at));
  for (const { days: count, storageClass, newerVersions: newest } of noncurrentTransitions) {
    const words = { what: named("whatOf"), storageClass };
    const old =
      count === 0
        ? t("bucketSettings.lifecycle.class.oldSoon", words)
        : t("bucketSettings.lifecycle.class.old", { ...words, count });
    sentences.push(newest === undefined ? old : `${old} ${t("bucketSettings.lifecycle.class.old.newest", { count: newest })}`);
  }
  if (transitions.length + noncurrentTransitions.length > 0 && !asksForSizes)
    sentences.push(t("bucketSettings.lifecycle.class.small", { size: format.bytes(smallestMoved) }));
  if (abortUploadsDays !== undefined)
    sentences.push(t("bucketSettings.lifecycle.uploads", { what: named("whatOf"), count: abortUploadsDays }));
  return sentences;
}

/** The sentences in the language and the forms of numbers of whoever looks. */
export function useSentences(): (rule: LifecycleRule) => string[] {
  const t = useT();
  const format = useFormat();
  return (rule) => sentencesOf(rule, t, format);
}
