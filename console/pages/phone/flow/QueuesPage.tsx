import { useT } from "../../../i18n/i18n.ts";
import { ElementsPage } from "../shared/Elements.tsx";
import { queueForm } from "./queueForm.tsx";

export default function QueuesPage() {
  const t = useT();
  return (
    <ElementsPage
      {...queueForm}
      tab="queues"
      text={t("phone.queues.text")}
      words="queues"
      address={({ id }, { home }) => `${home}/queues/${id}`}
      columns={() => [
        { key: "strategy", header: t("phone.strategy"), cell: ({ strategy }) => t(`phoneFlow.strategy.${strategy}`) },
        { key: "agents", header: t("phoneFlow.agents"), align: "right", cell: ({ agents }) => agents.length },
      ]}
    />
  );
}
