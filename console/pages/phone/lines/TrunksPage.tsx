import { Button } from "@mantine/core";
import { IconPencil, IconPlus, IconPower, IconTrash } from "@tabler/icons-react";
import { useState } from "react";
import type { Trunk } from "../../../../services/voice/trunks/contract.ts";
import { callApi, invalidate, useApiList } from "../../../api/api.ts";
import { queries } from "../../../frame/queries.ts";
import { useT } from "../../../i18n/i18n.ts";
import { ConfirmDestroy } from "../../../ui/ConfirmDestroy.tsx";
import { EmptyState } from "../../../ui/EmptyState.tsx";
import { DataList } from "../../../ui/list/DataList.tsx";
import { StatusBadge, type Tone } from "../../../ui/StatusBadge.tsx";
import { TimeAgo } from "../../../ui/TimeAgo.tsx";
import { toastError } from "../../../ui/toast.ts";
import { PhonePage, type PhonePlace } from "../shared/PhonePage.tsx";
import { FailedTrunks } from "./FailedTrunks.tsx";
import { TrunkDialog } from "./TrunkDialog.tsx";

const tones: Record<Trunk["state"], Tone> = {
  unknown: "off",
  ready: "good",
  registering: "busy",
  failed: "bad",
  disabled: "off",
};
const refresh = () => invalidate(queries, ["trunkList", "trunkGet"]);

export default function TrunksPage() {
  const t = useT();
  const [making, setMaking] = useState(false);
  return (
    <PhonePage
      tab="trunks"
      text={t("phoneLines.trunks.text")}
      actions={({ may }) =>
        may && (
          <Button leftSection={<IconPlus size={16} aria-hidden />} onClick={() => setMaking(true)}>
            {t("phoneLines.trunks.new")}
          </Button>
        )
      }
    >
      {(place) => (
        <>
          <Trunks {...place} onNew={() => setMaking(true)} />
          {making && <TrunkDialog place={place} onClose={() => setMaking(false)} />}
        </>
      )}
    </PhonePage>
  );
}

function Trunks({ onNew, ...place }: PhonePlace & { onNew: () => void }) {
  const t = useT();
  const { system, may } = place;
  const [changing, setChanging] = useState<Trunk>();
  const [removing, setRemoving] = useState<Trunk>();
  const list = useApiList("trunkList", { phoneSystem: system.id });
  return (
    <>
      <FailedTrunks trunks={list.rows ?? []} />
      <DataList<Trunk>
        id="phone-trunks"
        label={t("phone.tab.trunks")}
        list={list}
        rowKey={({ id }) => id}
        rowName={({ name }) => name}
        {...(may ? { onOpen: setChanging } : {})}
        columns={[
          { key: "name", header: t("ui.name"), primary: true, width: "minmax(140px, 1.2fr)", cell: ({ name }) => name },
          {
            key: "state",
            header: t("phone.state"),
            width: "minmax(130px, 170px)",
            phone: "bare",
            cell: ({ state }) => <StatusBadge tone={tones[state]}>{t(`phoneLines.trunkState.${state}`)}</StatusBadge>,
          },
          {
            key: "host",
            header: t("phoneLines.host"),
            width: "minmax(160px, 1.2fr)",
            cell: ({ host, port }) => (port ? `${host}:${port}` : host),
          },
          { key: "kind", header: t("phone.kind"), cell: ({ kind }) => t(`phoneLines.trunkKind.${kind}`) },
          { key: "since", header: t("phone.since"), optional: true, cell: ({ stateAt }) => <TimeAgo at={stateAt} /> },
        ]}
        {...(may
          ? {
              rowActions: (row) => [
                { label: t("phone.edit"), icon: IconPencil, onClick: () => setChanging(row) },
                {
                  label: t(row.enabled ? "phoneLines.turnOff" : "phoneLines.turnOn"),
                  icon: IconPower,
                  onClick: () =>
                    void callApi("trunkUpdate", { trunk: row.id, enabled: !row.enabled }).then(refresh).catch(toastError),
                },
                { label: t("phone.delete"), icon: IconTrash, danger: true, onClick: () => setRemoving(row) },
              ],
            }
          : {})}
        empty={
          <EmptyState
            picture="phone"
            title={t("phoneLines.trunks.empty")}
            text={t("phoneLines.trunks.emptyText")}
            action={may && <Button onClick={onNew}>{t("phoneLines.trunks.new")}</Button>}
          />
        }
      />
      {changing && <TrunkDialog place={place} known={changing} onClose={() => setChanging(undefined)} />}
      {removing && (
        <ConfirmDestroy
          opened
          onClose={() => setRemoving(undefined)}
          title={t("phone.deleteTitle", { name: removing.name })}
          destroyed={[t("phoneLines.trunks.deleteText"), t("phoneLines.trunks.deleteRates")]}
          kept={[t("phone.deleteKept")]}
          typeName={removing.name}
          action={t("phone.delete")}
          onConfirm={async () => {
            await callApi("trunkDelete", { trunk: removing.id });
            await refresh();
          }}
        />
      )}
    </>
  );
}
