import { useApi } from "../../../api/api.ts";
import { useT } from "../../../i18n/i18n.ts";
import { StatusBadge } from "../../../ui/StatusBadge.tsx";
import { ElementsPage } from "../shared/Elements.tsx";
import { useRoomForm } from "./roomForm.tsx";

export default function ConferencesPage() {
  const t = useT();
  return (
    <ElementsPage
      {...useRoomForm()}
      tab="conferences"
      text={t("phone.conferences.text")}
      words="conferences"
      address={({ id }, { home }) => `${home}/conferences/${id}`}
      columns={() => [
        { key: "now", header: t("phoneFlow.conference.now"), phone: "bare", cell: ({ id }) => <Now room={id} /> },
        { key: "pin", header: t("phoneFlow.pin"), cell: ({ pin }) => (pin ? "••••" : t("phoneFlow.noPin")) },
        { key: "most", header: t("phoneFlow.maxParties"), align: "right", cell: ({ maxParties }) => maxParties },
      ]}
    />
  );
}

/** How many are in it. */
function Now({ room }: { room: string }) {
  const t = useT();
  const live = useApi("conferenceLiveGet", { conferenceRoom: room as never }, { refetchInterval: 20_000 });
  const count = live.data?.members.length ?? 0;
  if (count === 0) return <StatusBadge tone="off">{t("phoneFlow.conference.nobody")}</StatusBadge>;
  return <StatusBadge tone="good">{t("phoneFlow.conference.count", { count })}</StatusBadge>;
}
