import { Button, TextInput } from "@mantine/core";
import { IconPlus, IconTrash } from "@tabler/icons-react";
import { useState } from "react";
import type { AddressPool } from "../../../services/compute/networks/edge/contract.ts";
import { callApi, invalidate, useApiList } from "../../api/api.ts";
import { useCan } from "../../frame/identity.ts";
import { NotFoundPage } from "../../frame/NotFoundPage.tsx";
import { queries } from "../../frame/queries.ts";
import { useFormat } from "../../i18n/format.ts";
import { useT } from "../../i18n/i18n.ts";
import { ApiHint } from "../../ui/ApiHint.tsx";
import { useAddressFlag } from "../../ui/addressFlag.ts";
import { ConfirmDestroy } from "../../ui/ConfirmDestroy.tsx";
import { EmptyState } from "../../ui/EmptyState.tsx";
import { FormDialog } from "../../ui/FormDialog.tsx";
import { required, useForm } from "../../ui/form.ts";
import { DataList } from "../../ui/list/DataList.tsx";
import { CloudHeader } from "../cloud/CloudHeader.tsx";

const refresh = () => invalidate(queries, ["addressPoolList"]);

export default function AddressPoolsPage() {
  const t = useT();
  const format = useFormat();
  const admin = useCan("cloud")("admin");
  const pools = useApiList("addressPoolList", {});
  const [creating, setCreating] = useAddressFlag("new");
  const [removing, setRemoving] = useState<AddressPool>();
  if (!admin) return <NotFoundPage />;
  const create = (
    <Button leftSection={<IconPlus size={16} aria-hidden />} onClick={() => setCreating(true)}>
      {t("engine.addresses.create")}
    </Button>
  );
  return (
    <>
      <CloudHeader actions={create} />
      <DataList
        id="address-pools"
        label={t("cloud.pools")}
        list={pools}
        rowKey={({ id }) => id}
        rowName={({ name }) => name}
        columns={[
          { key: "name", header: t("ui.name"), primary: true, cell: ({ name }) => name },
          {
            key: "range",
            header: t("engine.addresses.range"),
            width: "minmax(180px, 2fr)",
            cell: ({ range }) => <code>{range}</code>,
          },
          { key: "interface", header: t("engine.addresses.interface"), cell: (pool) => pool.interface ?? "–" },
          { key: "reach", header: t("engine.addresses.reach"), cell: ({ reach }) => t(`engine.reach.${reach}`) },
          {
            key: "used",
            header: t("engine.addresses.used"),
            align: "right",
            cell: ({ used, total }) => `${format.number(used)} / ${format.number(total)}`,
          },
        ]}
        rowActions={(pool: AddressPool) => [
          {
            label: t("engine.addresses.delete"),
            icon: IconTrash,
            danger: true,
            disabledReason: pool.used > 0 ? t("engine.addresses.inUse") : undefined,
            onClick: () => setRemoving(pool),
          },
        ]}
        empty={
          <EmptyState picture="network" title={t("engine.addresses.empty")} text={t("engine.addresses.text")} action={create} />
        }
      />
      {creating && <PoolCreate onClose={() => setCreating(false)} />}
      {removing && (
        <ConfirmDestroy
          opened
          onClose={() => setRemoving(undefined)}
          title={t("engine.addresses.deleteTitle", { name: removing.name })}
          text={t("engine.addresses.deleteText")}
          action={t("engine.addresses.delete")}
          onConfirm={async () => {
            await callApi("addressPoolDelete", { addressPool: removing.id });
            await refresh();
          }}
        />
      )}
    </>
  );
}

function PoolCreate({ onClose }: { onClose: () => void }) {
  const t = useT();
  const form = useForm({
    initial: { name: "", range: "", interface: "" },
    checks: { name: required, range: required },
    submit: async () => {
      await callApi("addressPoolCreate", request as never);
      await refresh();
      onClose();
    },
  });
  const { values } = form;
  const request = { name: values.name, range: values.range, ...(values.interface ? { interface: values.interface } : {}) };
  return (
    <FormDialog
      opened
      onClose={onClose}
      title={t("engine.addresses.create")}
      text={t("engine.addresses.text")}
      form={form}
      action={t("engine.addresses.create")}
      hint={<ApiHint route="addressPoolCreate" args={request} />}
    >
      <TextInput label={t("ui.name")} data-autofocus {...form.field("name")} />
      <TextInput label={t("engine.addresses.range")} description={t("engine.addresses.rangeText")} {...form.field("range")} />
      <TextInput
        label={t("engine.addresses.interface")}
        description={t("engine.addresses.interfaceText")}
        {...form.field("interface")}
      />
    </FormDialog>
  );
}
