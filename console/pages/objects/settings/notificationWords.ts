import type { Item } from "../../../api/api.ts";
import { type Format, useFormat } from "../../../i18n/format.ts";
import { useT } from "../../../i18n/i18n.ts";
import { familyOf, isWhole, type NotificationRule } from "./notificationEvents.ts";

export type Webhook = Item<"bucketWebhookList">;
type T = ReturnType<typeof useT>;

function happens(event: string, t: T): string {
  const family = familyOf(event);
  if (!family) return t("bucketRules.notify.happens.other", { event });
  const words = t(`bucketRules.notify.happens.${family}`);
  return isWhole(event) ? words : `${words} (${event.split(":")[2]})`;
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
