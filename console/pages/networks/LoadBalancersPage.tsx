import { Button } from "@mantine/core";
import { IconPencil, IconPlus, IconTrash } from "@tabler/icons-react";
import { useState } from "react";
import type { LoadBalancer } from "../../../services/compute/networks/edge/contract.ts";
import { callApi, invalidate, useApiList } from "../../api/api.ts";
import { useCan, useProject } from "../../frame/identity.ts";
import { queries } from "../../frame/queries.ts";
import { useT } from "../../i18n/i18n.ts";
import { useAddressFlag } from "../../ui/addressFlag.ts";
import { ConfirmDestroy } from "../../ui/ConfirmDestroy.tsx";
import { EmptyState } from "../../ui/EmptyState.tsx";
import { DataList } from "../../ui/list/DataList.tsx";
import { StatusBadge } from "../../ui/StatusBadge.tsx";
import { LoadBalancerDialog } from "./LoadBalancerDialog.tsx";
import { NetworksHeader } from "./NetworksHeader.tsx";

export default function LoadBalancersPage() {
  const t = useT();
  const project = useProject();
  const may = useCan()("editor");
  const [creating, setCreating] = useAddressFlag("new");
  const [editing, setEditing] = useState<LoadBalancer>();
  const [removing, setRemoving] = useState<LoadBalancer>();
  const balancers = useApiList("loadBalancerList", { project: project.id });
  const create = may ? (
    <Button leftSection={<IconPlus size={16} aria-hidden />} onClick={() => setCreating(true)}>
      {t("networks.balancer.create")}
    </Button>
  ) : undefined;
  return (
    <>
      <NetworksHeader tab="load-balancers" actions={create} />
      <DataList
        id="load-balancers"
        label={t("networks.tab.load-balancers")}
        list={balancers}
        rowKey={({ id }) => id}
        rowName={({ name }) => name}
        onOpen={setEditing}
        search={({ name }) => name}
        columns={[
          { key: "name", header: t("ui.name"), primary: true, cell: ({ name }) => name, sort: ({ name }) => name },
          {
            key: "listens",
            header: t("networks.balancer.listens"),
            cell: ({ listen, listenAddress, listenPort }) => (
              <code>{`${listen === "host" ? location.hostname : listenAddress}:${listenPort}`}</code>
            ),
          },
          {
            key: "members",
            header: t("networks.balancer.members"),
            width: "minmax(220px, 3fr)",
            phone: "bare",
            cell: ({ members }) =>
              members.length === 0 ? (
                t("networks.balancer.nobody")
              ) : (
                <span style={{ display: "flex", flexWrap: "wrap", gap: 8 }}>
                  {members.map((member) => (
                    <span key={member.portId} style={{ display: "flex", flexWrap: "wrap", gap: "2px 8px" }}>
                      {`${member.instanceName}:${member.targetPort}`}
                      <StatusBadge tone={member.health === "up" ? "good" : member.health === "down" ? "bad" : "off"}>
                        {t(`networks.health.${member.health}`)}
                      </StatusBadge>
                    </span>
                  ))}
                </span>
              ),
          },
          {
            key: "algorithm",
            header: t("networks.balancer.algorithm"),
            cell: ({ algorithm }) => t(`networks.algorithm.${algorithm}`),
          },
        ]}
        {...(may
          ? {
              rowActions: (balancer: LoadBalancer) => [
                { label: t("ui.edit"), icon: IconPencil, onClick: () => setEditing(balancer) },
                { label: t("networks.balancer.delete"), icon: IconTrash, danger: true, onClick: () => setRemoving(balancer) },
              ],
            }
          : {})}
        empty={
          <EmptyState
            picture="network"
            title={t("networks.balancer.empty")}
            text={t("networks.balancer.emptyText")}
            action={create}
          />
        }
      />
      {(creating || editing) && (
        <LoadBalancerDialog
          balancer={editing}
          may={may}
          onClose={() => {
            setEditing(undefined);
            if (creating) setCreating(false);
          }}
        />
      )}
      {removing && (
        <ConfirmDestroy
          opened
          onClose={() => setRemoving(undefined)}
          title={t("networks.balancer.deleteTitle", { name: removing.name })}
          text={t("networks.balancer.deleteText")}
          kept={removing.members.map(({ instanceName }) => instanceName)}
          action={t("networks.balancer.delete")}
          onConfirm={async () => {
            await callApi("loadBalancerDelete", { loadBalancer: removing.id });
            await invalidate(queries, ["loadBalancerList", "addressList"]);
          }}
        />
      )}
    </>
  );
}
