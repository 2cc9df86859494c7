import { useT } from "../../../i18n/i18n.ts";
import { StatusBadge } from "../../../ui/StatusBadge.tsx";
import { useDestinations } from "../shared/destinations.ts";
import { ElementsPage } from "../shared/Elements.tsx";
import type { PhonePlace } from "../shared/PhonePage.tsx";
import { conditionForm } from "./conditionForm.tsx";

export default function HoursPage() {
  const t = useT();
  return (
    <ElementsPage
      {...conditionForm}
      tab="hours"
      text={t("phone.hours.text")}
      words="hours"
      address={({ id }, { home }) => `${home}/hours/${id}`}
      columns={(place) => [
        {
          key: "now",
          header: t("phone.state"),
          width: "minmax(120px, 160px)",
          cell: ({ override }) => (
            <StatusBadge tone={override === "none" ? "good" : "warn"}>{t(`phoneFlow.override.${override}`)}</StatusBadge>
          ),
        },
        { key: "open", header: t("phoneFlow.open"), cell: ({ open }) => <Goes place={place} to={open} /> },
        { key: "closed", header: t("phoneFlow.closed"), cell: ({ closed }) => <Goes place={place} to={closed} /> },
      ]}
    />
  );
}

function Goes({ place, to }: { place: PhonePlace; to: Parameters<ReturnType<typeof useDestinations>["nameOf"]>[0] }) {
  return useDestinations(place.system.id).nameOf(to);
}
