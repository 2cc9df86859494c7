import { IconPower, IconSend, IconTrash } from "@tabler/icons-react";
import { useState } from "react";
import type { Bucket } from "../../../../services/objects/contract.ts";
import { client, invalidate, useApiList } from "../../../api/api.ts";
import { queries } from "../../../frame/queries.ts";
import { useT } from "../../../i18n/i18n.ts";
import { ConfirmDestroy } from "../../../ui/ConfirmDestroy.tsx";
import { DataList } from "../../../ui/list/DataList.tsx";
import { Section } from "../../../ui/Section.tsx";
import { StatusBadge } from "../../../ui/StatusBadge.tsx";
import { toastDone, toastError } from "../../../ui/toast.ts";
import type { Webhook } from "./notificationWords.ts";
import css from "./settings.module.css";

const refresh = () => invalidate(queries, ["bucketWebhookList", "bucketNotificationDeliveryList"]);

/** Where buckets of the project send their notifications: tried, turned off, deleted. */
export function NotificationAddresses({ bucket, readOnly }: { bucket: Bucket; readOnly: boolean }) {
  const t = useT();
  const list = useApiList("bucketWebhookList", { project: bucket.projectId });
  const [removing, setRemoving] = useState<Webhook>();
  const test = async ({ id, name }: Webhook) => {
    await client.bucketWebhookTest({ bucketWebhook: id, bucket: bucket.name });
    await refresh();
    toastDone(t("bucketRules.address.tested", { name }));
  };
  const turn = async ({ id, enabled }: Webhook) => {
    await client.bucketWebhookUpdate({ bucketWebhook: id, enabled: !enabled });
    await refresh();
  };
  return (
    <Section title={t("bucketRules.address.title")} text={t("bucketRules.address.text")} flush>
      <DataList<Webhook>
        id="bucket-webhooks"
        label={t("bucketRules.address.title")}
        list={list}
        rowKey={({ id }) => id}
        rowName={({ name }) => name}
        columns={[
          { key: "name", header: t("ui.name"), primary: true, width: "minmax(140px, 1fr)", cell: ({ name }) => name },
          {
            key: "state",
            header: t("bucketRules.address.state"),
            width: "minmax(110px, 140px)",
            phone: "bare",
            cell: ({ enabled }) => (
              <StatusBadge tone={enabled ? "good" : "off"}>
                {t(enabled ? "bucketRules.address.on" : "bucketRules.address.off")}
              </StatusBadge>
            ),
          },
          {
            key: "url",
            header: t("bucketRules.address.url"),
            width: "minmax(180px, 2fr)",
            cell: ({ url }) => <span className={css.address}>{url}</span>,
          },
        ]}
        {...(readOnly
          ? {}
          : {
              rowActions: (webhook: Webhook) => [
                {
                  label: t("bucketRules.address.test"),
                  icon: IconSend,
                  disabledReason: webhook.enabled ? undefined : t("bucketRules.notify.off", { name: webhook.name }),
                  onClick: () => void test(webhook).catch(toastError),
                },
                {
                  label: t(webhook.enabled ? "bucketRules.address.turnOff" : "bucketRules.address.turnOn"),
                  icon: IconPower,
                  onClick: () => void turn(webhook).catch(toastError),
                },
                { label: t("ui.delete"), icon: IconTrash, danger: true, onClick: () => setRemoving(webhook) },
              ],
            })}
        empty={<p className={css.empty}>{t("bucketRules.address.none")}</p>}
      />
      {removing && (
        <ConfirmDestroy
          opened
          onClose={() => setRemoving(undefined)}
          title={t("bucketRules.address.deleteTitle", { name: removing.name })}
          destroyed={[t("bucketRules.address.deleteGone", { url: removing.url }), t("bucketRules.address.deleteWaiting")]}
          kept={[t("bucketRules.address.deleteKept")]}
          action={t("ui.delete")}
          onConfirm={async () => {
            await client.bucketWebhookDelete({ bucketWebhook: removing.id });
            await refresh();
          }}
        />
      )}
    </Section>
  );
}
