import { Button } from "@mantine/core";
import { IconPlus, IconTrash } from "@tabler/icons-react";
import { useState } from "react";
import type { Network } from "../../../services/compute/networks/contract.ts";
import { callApi, invalidate, useApiList } from "../../api/api.ts";
import { projectAddress } from "../../frame/address.ts";
import { useCan, useOrganisation, useProject } from "../../frame/identity.ts";
import { queries } from "../../frame/queries.ts";
import { Reasoned } from "../../frame/Reasoned.tsx";
import { useFormat } from "../../i18n/format.ts";
import { useT } from "../../i18n/i18n.ts";
import { useAddressFlag } from "../../ui/addressFlag.ts";
import { ConfirmDestroy } from "../../ui/ConfirmDestroy.tsx";
import { EmptyState } from "../../ui/EmptyState.tsx";
import { DataList } from "../../ui/list/DataList.tsx";
import { StatusBadge } from "../../ui/StatusBadge.tsx";
import { NetworkCreate } from "./NetworkCreate.tsx";
import { NetworkMap } from "./NetworkMap.tsx";
import { NetworksHeader } from "./NetworksHeader.tsx";

export default function NetworksPage() {
  const t = useT();
  const format = useFormat();
  const organisation = useOrganisation();
  const project = useProject();
  const may = useCan()("editor");
  const [creating, setCreating] = useAddressFlag("new");
  const [removing, setRemoving] = useState<Network>();
  const networks = useApiList("networkList", { project: project.id });
  const create = may ? (
    <Button leftSection={<IconPlus size={16} aria-hidden />} onClick={() => setCreating(true)}>
      {t("networks.create")}
    </Button>
  ) : undefined;
  return (
    <>
      <NetworksHeader tab="networks" actions={create} />
      {(networks.rows?.length ?? 0) > 0 && <NetworkMap networks={networks.rows ?? []} />}
      <DataList
        id="networks"
        label={t("networks.tab.networks")}
        list={networks}
        rowKey={({ id }) => id}
        rowName={({ name }) => name}
        rowAddress={({ id }) => projectAddress(organisation.slug, project.slug, `networks/${id}`)}
        search={({ name, cidr }) => `${name} ${cidr}`}
        columns={[
          {
            key: "name",
            header: t("ui.name"),
            primary: true,
            width: "minmax(150px, 1.5fr)",
            cell: ({ name }) => name,
            sort: ({ name }) => name,
          },
          {
            key: "state",
            header: t("networks.state"),
            phone: "bare",
            cell: ({ id, state, stateReason }) => (
              <Reasoned of={id} reason={stateReason}>
                <StatusBadge tone={state === "ready" ? "good" : state === "error" ? "bad" : "busy"}>
                  {t(`networks.state.${state}`)}
                </StatusBadge>
              </Reasoned>
            ),
          },
          { key: "cidr", header: t("networks.range"), cell: ({ cidr }) => <code>{cidr}</code>, sort: ({ cidr }) => cidr },
          {
            key: "ports",
            header: t("networks.instances"),
            align: "right",
            cell: ({ ports, capacity }) => t("networks.ofCapacity", { used: format.number(ports), all: format.number(capacity) }),
            sort: ({ ports }) => ports,
          },
          { key: "domain", header: t("networks.domain"), cell: ({ dnsDomain }) => dnsDomain },
          {
            key: "reach",
            header: t("networks.reach"),
            width: "minmax(160px, 1.5fr)",
            cell: ({ internet, routed }) =>
              [t(internet ? "networks.internet.on" : "networks.internet.off"), ...(routed ? [t("networks.routed.on")] : [])].join(
                ", ",
              ),
          },
        ]}
        {...(may
          ? {
              rowActions: (network: Network) => [
                {
                  label: t("networks.delete"),
                  icon: IconTrash,
                  danger: true,
                  disabledReason: network.ports > 0 ? t("networks.why.ports") : undefined,
                  onClick: () => setRemoving(network),
                },
              ],
            }
          : {})}
        empty={
          <EmptyState
            picture="network"
            title={t("networks.empty")}
            text={t("networks.emptyText")}
            action={create}
            command={may ? "khmara network create office" : undefined}
          />
        }
      />
      {creating && <NetworkCreate onClose={() => setCreating(false)} />}
      {removing && (
        <ConfirmDestroy
          opened
          onClose={() => setRemoving(undefined)}
          title={t("networks.deleteTitle", { name: removing.name })}
          text={t("networks.deleteText", { range: removing.cidr })}
          action={t("networks.delete")}
          onConfirm={async () => {
            await callApi("networkDelete", { network: removing.id });
            await invalidate(queries, ["networkList"]);
          }}
        />
      )}
    </>
  );
}
