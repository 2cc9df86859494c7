import type { Answer, Item } from "../../../api/api.ts";
import { type Format, useFormat } from "../../../i18n/format.ts";
import { useT } from "../../../i18n/i18n.ts";

export type NotificationRule = Answer<"bucketNotificationGet">["rules"][number];
export type EventName = NotificationRule["events"][number];
export type Webhook = Item<"bucketWebhookList">;
type T = ReturnType<typeof useT>;

/** Kinds of events that a person chooses among; programs may name single ones of a kind. */
export const families = ["ObjectCreated", "ObjectRemoved", "ObjectTagging", "LifecycleExpiration"] as const;
export type Family = (typeof families)[number];
const [kindAt, oneAt] = [1, 2];

/** Of `s3:ObjectCreated:Put`; undefined for kinds that people are not asked about. */
export const familyOf = (event: string): Family | undefined => families.find((each) => each === event.split(":")[kindAt]);

function happens(event: string, t: T): string {
  const [family, one] = [familyOf(event), event.split(":")[oneAt]];
  if (!family) return t("bucketRules.notify.happens.other", { event });
  const words = t(`bucketRules.notify.happens.${family}`);
  return one === "*" || one === undefined ? words : `${words} (${one})`;
}

/** A rule as a person would say it. */
function sentenceOf(rule: Pick<NotificationRule, "events" | "prefix" | "suffix">, to: string, t: T, format: Format): string {
  const { prefix = "", suffix = "" } = rule;
  const form = prefix === "" ? (suffix === "" ? "any" : "suffix") : suffix === "" ? "prefix" : "both";
  return t("bucketRules.notify.rule", {
    what: t(`bucketRules.notify.what.${form}`, { prefix, suffix }),
    happens: format.either(rule.events.map((event) => happens(event, t))),
    to,
  });
}

export function useNotificationSentence() {
  const t = useT();
  const format = useFormat();
  return (rule: Parameters<typeof sentenceOf>[0], to: string) => sentenceOf(rule, to, t, format);
}
