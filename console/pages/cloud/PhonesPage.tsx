import type { VoiceProcess } from "../../../services/voice/processes/contract.ts";
import { useApiList } from "../../api/api.ts";
import { useCan } from "../../frame/identity.ts";
import { NotFoundPage } from "../../frame/NotFoundPage.tsx";
import { useFormat } from "../../i18n/format.ts";
import { useT } from "../../i18n/i18n.ts";
import { EmptyState } from "../../ui/EmptyState.tsx";
import { DataList } from "../../ui/list/DataList.tsx";
import { Section } from "../../ui/Section.tsx";
import { StatusBadge } from "../../ui/StatusBadge.tsx";
import { CloudHeader } from "./CloudHeader.tsx";

/** The processes that serve phones, and the engines before their media. */
export default function PhonesPage() {
  const t = useT();
  const format = useFormat();
  const admin = useCan("cloud")("admin");
  const processes = useApiList("voiceProcessList", {}, { refetchInterval: 5000 });
  if (!admin) return <NotFoundPage />;
  return (
    <>
      <CloudHeader />
      <Section title={t("cloud.phones")} text={t("cloud.phonesText")} flush>
        <DataList
          id="voice-processes"
          label={t("cloud.phones")}
          list={processes}
          rowKey={({ name }) => name}
          rowName={({ name }) => name}
          columns={[
            { key: "name", header: t("ui.name"), primary: true, width: "minmax(180px, 2fr)", cell: ({ name }) => name },
            {
              key: "state",
              header: t("cloud.phonesState"),
              phone: "bare",
              cell: ({ state }) => (
                <StatusBadge tone={state === "running" ? "good" : "bad"}>{t(`cloud.phones.${state}`)}</StatusBadge>
              ),
            },
            {
              key: "systems",
              header: t("cloud.phoneSystems"),
              align: "right",
              cell: ({ phoneSystems }) => format.number(phoneSystems),
            },
            { key: "calls", header: t("cloud.phoneCalls"), align: "right", cell: ({ calls }) => format.number(calls) },
            {
              key: "engines",
              header: t("cloud.phoneMedia"),
              width: "minmax(220px, 2fr)",
              cell: (process) => <Media process={process} />,
            },
          ]}
          empty={<EmptyState picture="server" title={t("cloud.noPhones")} text={t("cloud.noPhonesText")} />}
        />
      </Section>
    </>
  );
}

function Media({ process: { mediaWorkers, rtpengines } }: { process: VoiceProcess }) {
  const t = useT();
  const format = useFormat();
  if (rtpengines.length === 0) return <>{t("cloud.phoneWorkers", { count: mediaWorkers.length })}</>;
  return (
    <div>
      {rtpengines.map(({ address, state, calls }) => (
        <div key={address}>
          <StatusBadge tone={state === "up" ? "good" : "bad"}>
            {t(`cloud.rtpengine.${state}`, { address, calls: format.number(calls) })}
          </StatusBadge>
        </div>
      ))}
    </div>
  );
}
