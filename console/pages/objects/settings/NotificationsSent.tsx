import { IconRepeat } from "@tabler/icons-react";
import type { Bucket } from "../../../../services/objects/contract.ts";
import { client, type Item, invalidate, useApiList } from "../../../api/api.ts";
import { queries } from "../../../frame/queries.ts";
import { useT } from "../../../i18n/i18n.ts";
import { DataList } from "../../../ui/list/DataList.tsx";
import { Section } from "../../../ui/Section.tsx";
import { StatusBadge, type Tone } from "../../../ui/StatusBadge.tsx";
import { TimeAgo } from "../../../ui/TimeAgo.tsx";
import { toastDone, toastError } from "../../../ui/toast.ts";
import { familyOf } from "./notificationEvents.ts";
import css from "./settings.module.css";

type Sent = Item<"bucketNotificationDeliveryList">;
const tones: Record<Sent["state"], Tone> = { pending: "busy", delivered: "good", failed: "bad" };
const atOnce = 20;

/** What the bucket told lately, what was answered, and how often it was tried. */
export function NotificationsSent({ bucket, readOnly }: { bucket: Bucket; readOnly: boolean }) {
  const t = useT();
  const list = useApiList("bucketNotificationDeliveryList", { bucket: bucket.name }, { limit: atOnce });
  const what = ({ event, key = "" }: Sent) => {
    const family = familyOf(event);
    if (event === "s3:TestEvent") return t("bucketRules.sent.event.test");
    return family ? t(`bucketRules.sent.event.${family}`, { key }) : t("bucketRules.sent.event.other", { event, key });
  };
  const answer = ({ status, attempts }: Sent) => {
    if (status !== undefined) return t("bucketRules.sent.answered", { status });
    return attempts > 0 ? t("bucketRules.sent.noAnswer") : "—";
  };
  const again = async ({ id, bucketWebhook }: Sent) => {
    await client.bucketWebhookDeliverySend({ bucketWebhook, delivery: id });
    await invalidate(queries, ["bucketNotificationDeliveryList"]);
    toastDone(t("bucketRules.sent.againDone"));
  };
  return (
    <Section title={t("bucketRules.sent.title")} text={t("bucketRules.sent.text")} flush>
      <DataList<Sent>
        id="bucket-notifications-sent"
        label={t("bucketRules.sent.title")}
        list={list}
        rowKey={({ id }) => id}
        rowName={what}
        columns={[
          {
            key: "what",
            header: t("bucketRules.sent.what"),
            primary: true,
            width: "minmax(180px, 2fr)",
            cell: (sent) => <span className={css.address}>{what(sent)}</span>,
          },
          {
            key: "state",
            header: t("bucketRules.sent.state"),
            width: "minmax(120px, 140px)",
            phone: "bare",
            cell: ({ state }) => <StatusBadge tone={tones[state]}>{t(`bucketRules.sent.state.${state}`)}</StatusBadge>,
          },
          { key: "to", header: t("bucketRules.sent.to"), width: "minmax(100px, 1fr)", cell: ({ webhook }) => webhook },
          {
            key: "answer",
            header: t("bucketRules.sent.answer"),
            width: "100px",
            cell: (sent) => <span title={sent.message}>{answer(sent)}</span>,
          },
          { key: "tries", header: t("bucketRules.sent.tries"), width: "70px", align: "right", cell: ({ attempts }) => attempts },
          {
            key: "at",
            header: t("bucketRules.sent.at"),
            width: "minmax(110px, 140px)",
            cell: ({ createdAt, triedAt }) => <TimeAgo at={triedAt ?? createdAt} />,
          },
        ]}
        {...(readOnly
          ? {}
          : {
              rowActions: (sent: Sent) => [
                { label: t("bucketRules.sent.again"), icon: IconRepeat, onClick: () => void again(sent).catch(toastError) },
              ],
            })}
        empty={<p className={css.empty}>{t("bucketRules.sent.none")}</p>}
      />
    </Section>
  );
}
