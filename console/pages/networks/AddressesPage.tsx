import { Alert, Button, Select, TextInput } from "@mantine/core";
import { IconPlugConnected, IconPlugConnectedX, IconPlus, IconTrash } from "@tabler/icons-react";
import { useState } from "react";
import type { Address } from "../../../services/compute/networks/edge/contract.ts";
import { callApi, invalidate, useApiList } from "../../api/api.ts";
import { projectAddress } from "../../frame/address.ts";
import { useCan, useOrganisation, useProject } from "../../frame/identity.ts";
import { queries } from "../../frame/queries.ts";
import { useT } from "../../i18n/i18n.ts";
import { ApiHint } from "../../ui/ApiHint.tsx";
import { useAddressFlag } from "../../ui/addressFlag.ts";
import { ConfirmDestroy } from "../../ui/ConfirmDestroy.tsx";
import { CopyButton } from "../../ui/CopyField.tsx";
import { EmptyState } from "../../ui/EmptyState.tsx";
import { FormDialog } from "../../ui/FormDialog.tsx";
import { required, useForm } from "../../ui/form.ts";
import { DataList } from "../../ui/list/DataList.tsx";
import { TimeAgo } from "../../ui/TimeAgo.tsx";
import { toastError } from "../../ui/toast.ts";
import { NetworksHeader } from "./NetworksHeader.tsx";

const refresh = () => invalidate(queries, ["addressList", "portList", "instanceGet", "instanceList", "addressPoolList"]);

export default function AddressesPage() {
  const t = useT();
  const organisation = useOrganisation();
  const project = useProject();
  const may = useCan()("editor");
  const [creating, setCreating] = useAddressFlag("new");
  const [dialog, setDialog] = useState<{ address: Address; kind: "attach" | "release" }>();
  const addresses = useApiList("addressList", { project: project.id });
  const create = may ? (
    <Button leftSection={<IconPlus size={16} aria-hidden />} onClick={() => setCreating(true)}>
      {t("networks.address.create")}
    </Button>
  ) : undefined;
  return (
    <>
      <NetworksHeader tab="addresses" actions={create} />
      {addresses.rows?.some(({ reach }) => reach === "local") && (
        <Alert color="blue" mb="lg">
          {t("networks.address.localText")}
        </Alert>
      )}
      <DataList
        id="addresses"
        label={t("networks.tab.addresses")}
        list={addresses}
        rowKey={({ id }) => id}
        rowName={({ address }) => address}
        rowAddress={({ instanceId }) =>
          instanceId ? projectAddress(organisation.slug, project.slug, `instances/${instanceId}/network`) : undefined
        }
        columns={[
          {
            key: "address",
            header: t("networks.address"),
            primary: true,
            cell: ({ address }) => (
              <span style={{ display: "inline-flex", alignItems: "center", gap: 4 }}>
                <code>{address}</code>
                <CopyButton value={address} />
              </span>
            ),
            sort: ({ address }) => address,
          },
          {
            key: "leads",
            header: t("networks.address.leadsTo"),
            width: "minmax(160px, 2fr)",
            cell: ({ instanceName, loadBalancerIds }) =>
              instanceName ??
              (loadBalancerIds.length > 0
                ? t("networks.address.balancers", { count: loadBalancerIds.length })
                : t("networks.address.nowhere")),
          },
          { key: "pool", header: t("networks.address.pool"), cell: ({ poolName }) => poolName },
          { key: "description", header: t("networks.description"), cell: ({ description }) => description || "–" },
          { key: "since", header: t("networks.address.since"), cell: ({ createdAt }) => <TimeAgo at={createdAt} /> },
        ]}
        {...(may
          ? {
              rowActions: (address: Address) => [
                address.portId
                  ? {
                      label: t("networks.address.detach"),
                      icon: IconPlugConnectedX,
                      onClick: () =>
                        void callApi("addressDetach", { address: address.id } as never)
                          .then(refresh)
                          .catch(toastError),
                    }
                  : {
                      label: t("networks.address.attach"),
                      icon: IconPlugConnected,
                      disabledReason: address.loadBalancerIds.length > 0 ? t("networks.address.hasBalancer") : undefined,
                      onClick: () => setDialog({ address, kind: "attach" }),
                    },
                {
                  label: t("networks.address.release"),
                  icon: IconTrash,
                  danger: true,
                  disabledReason: address.loadBalancerIds.length > 0 ? t("networks.address.hasBalancer") : undefined,
                  onClick: () => setDialog({ address, kind: "release" }),
                },
              ],
            }
          : {})}
        empty={
          <EmptyState
            picture="network"
            title={t("networks.address.empty")}
            text={t("networks.address.emptyText")}
            action={create}
            command={may ? "khmara address create" : undefined}
          />
        }
      />
      {creating && <AddressCreate onClose={() => setCreating(false)} />}
      {dialog?.kind === "attach" && <AddressAttach address={dialog.address} onClose={() => setDialog(undefined)} />}
      {dialog?.kind === "release" && (
        <ConfirmDestroy
          opened
          onClose={() => setDialog(undefined)}
          title={t("networks.address.releaseTitle", { address: dialog.address.address })}
          text={t("networks.address.releaseText")}
          action={t("networks.address.release")}
          onConfirm={async () => {
            await callApi("addressDelete", { address: dialog.address.id });
            await refresh();
          }}
        />
      )}
    </>
  );
}

/** Allocates an address and, when an instance is chosen, lets it lead there at once. */
export function AddressCreate({ onClose, instance }: { onClose: () => void; instance?: string }) {
  const t = useT();
  const project = useProject();
  const pools = useApiList("addressPoolList", {});
  const instances = useApiList("instanceList", { project: project.id }, { enabled: instance === undefined });
  const form = useForm({
    initial: { pool: "", instance: instance ?? "", description: "" },
    submit: async (values) => {
      const made = await callApi("addressCreate", {
        project: project.id,
        ...(values.pool ? { pool: values.pool } : {}),
        ...(values.description ? { description: values.description } : {}),
      } as never);
      if (values.instance) await callApi("addressAttach", { address: made.id, instance: values.instance as never });
      await refresh();
      onClose();
    },
  });
  const free = (pools.rows ?? []).filter(({ used, total }) => used < total);
  return (
    <FormDialog
      opened
      onClose={onClose}
      title={t("networks.address.create")}
      text={t("networks.address.createText")}
      form={form}
      action={t("networks.address.create")}
      disabled={pools.rows !== undefined && free.length === 0}
      hint={<ApiHint route="addressCreate" args={{ project: project.id, pool: form.values.pool || undefined }} />}
    >
      {pools.rows !== undefined && free.length === 0 && <Alert color="yellow">{t("networks.address.noPool")}</Alert>}
      {free.length > 1 && (
        <Select
          label={t("networks.address.pool")}
          placeholder={t("networks.address.anyPool")}
          clearable
          data={free.map(({ id, name, range }) => ({ value: id, label: `${name} · ${range}` }))}
          value={form.values.pool || null}
          onChange={(pool) => form.set("pool", pool ?? "")}
        />
      )}
      {instance === undefined && (
        <Select
          label={t("networks.address.leadsTo")}
          placeholder={t("networks.address.nowhere")}
          clearable
          searchable
          data={(instances.rows ?? []).map(({ id, name }) => ({ value: id, label: name }))}
          value={form.values.instance || null}
          onChange={(chosen) => form.set("instance", chosen ?? "")}
        />
      )}
      <TextInput label={t("networks.description")} {...form.field("description")} />
    </FormDialog>
  );
}

function AddressAttach({ address, onClose }: { address: Address; onClose: () => void }) {
  const t = useT();
  const project = useProject();
  const instances = useApiList("instanceList", { project: project.id });
  const form = useForm({
    initial: { instance: "" },
    checks: { instance: required },
    submit: async ({ instance }) => {
      await callApi("addressAttach", { address: address.id, instance: instance as never });
      await refresh();
      onClose();
    },
  });
  return (
    <FormDialog
      opened
      onClose={onClose}
      title={t("networks.address.attachTitle", { address: address.address })}
      text={t("networks.address.attachText")}
      form={form}
      action={t("networks.address.attach")}
    >
      <Select
        label={t("networks.instance")}
        searchable
        data-autofocus
        data={(instances.rows ?? []).map(({ id, name }) => ({ value: id, label: name }))}
        {...form.choice("instance")}
      />
    </FormDialog>
  );
}
