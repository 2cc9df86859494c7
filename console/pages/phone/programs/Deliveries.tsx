import { Modal } from "@mantine/core";
import type { CallWebhook, CallWebhookDelivery } from "../../../../services/voice/live/contract.ts";
import { useApiList } from "../../../api/api.ts";
import { useT } from "../../../i18n/i18n.ts";
import { DataList } from "../../../ui/list/DataList.tsx";
import { StatusBadge, type Tone } from "../../../ui/StatusBadge.tsx";
import { TimeAgo } from "../../../ui/TimeAgo.tsx";
import css from "../phone.module.css";

const tones: Record<CallWebhookDelivery["state"], Tone> = { pending: "busy", delivered: "good", failed: "bad" };

/** What a webhook was told of the last days, how often it was tried, and what the address answered. */
export function Deliveries({ webhook, onClose }: { webhook: CallWebhook; onClose: () => void }) {
  const t = useT();
  const list = useApiList("callWebhookDeliveryList", { callWebhook: webhook.id }, { refetchInterval: 5000 });
  return (
    <Modal
      opened
      onClose={onClose}
      size="xl"
      title={t("phonePrograms.toldOf", { name: webhook.name })}
      closeButtonProps={{ "aria-label": t("ui.close") }}
    >
      <p className={css.muted}>{t("phonePrograms.toldText")}</p>
      <DataList<CallWebhookDelivery>
        id="phone-webhook-deliveries"
        label={t("phonePrograms.told")}
        list={list}
        rowKey={({ id }) => id}
        rowName={({ event }) => t(`phonePrograms.event.${event}`)}
        columns={[
          {
            key: "event",
            header: t("phonePrograms.event"),
            primary: true,
            width: "minmax(130px, 1fr)",
            cell: ({ event }) => t(`phonePrograms.event.${event}`),
          },
          {
            key: "state",
            header: t("phone.state"),
            width: "minmax(110px, 150px)",
            phone: "bare",
            cell: ({ state }) => <StatusBadge tone={tones[state]}>{t(`phonePrograms.delivery.${state}`)}</StatusBadge>,
          },
          {
            key: "attempts",
            header: t("phonePrograms.attempts"),
            width: "80px",
            align: "right",
            cell: ({ attempts }) => attempts,
          },
          {
            key: "message",
            header: t("phonePrograms.answer"),
            width: "minmax(140px, 1.6fr)",
            cell: ({ message }) => <span className={css.address}>{message ?? "—"}</span>,
          },
          {
            key: "at",
            header: t("phone.at"),
            width: "minmax(100px, 130px)",
            cell: ({ createdAt, triedAt }) => <TimeAgo at={triedAt ?? createdAt} />,
          },
        ]}
        empty={<p className={css.empty}>{t("phonePrograms.nothingTold")}</p>}
      />
    </Modal>
  );
}
