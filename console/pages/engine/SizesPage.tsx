import { Button, NumberInput, Switch, TextInput } from "@mantine/core";
import { IconPencil, IconPlus, IconTrash } from "@tabler/icons-react";
import { useState } from "react";
import type { Size } from "../../../services/compute/instances/contract.ts";
import { callApi, invalidate, useApiList } from "../../api/api.ts";
import { useCan, useCloud } from "../../frame/identity.ts";
import { NotFoundPage } from "../../frame/NotFoundPage.tsx";
import { queries } from "../../frame/queries.ts";
import { useFormat } from "../../i18n/format.ts";
import { useT } from "../../i18n/i18n.ts";
import { useAddressFlag } from "../../ui/addressFlag.ts";
import { ConfirmDestroy } from "../../ui/ConfirmDestroy.tsx";
import { EmptyState } from "../../ui/EmptyState.tsx";
import { FormDialog } from "../../ui/FormDialog.tsx";
import { useForm } from "../../ui/form.ts";
import { DataList } from "../../ui/list/DataList.tsx";
import { StatusBadge } from "../../ui/StatusBadge.tsx";
import { CloudHeader } from "../cloud/CloudHeader.tsx";
import { hoursPerMonth } from "../compute/words.ts";

const gib = 1024 ** 3;
const refresh = () => invalidate(queries, ["sizeList"]);

export default function SizesPage() {
  const t = useT();
  const format = useFormat();
  const admin = useCan("cloud")("admin");
  const currency = useCloud()?.currency ?? "EUR";
  const sizes = useApiList("sizeList", { retired: "true" } as never);
  const [creating, setCreating] = useAddressFlag("new");
  const [editing, setEditing] = useState<Size>();
  const [removing, setRemoving] = useState<Size>();
  if (!admin) return <NotFoundPage />;
  const create = (
    <Button leftSection={<IconPlus size={16} aria-hidden />} onClick={() => setCreating(true)}>
      {t("engine.size.create")}
    </Button>
  );
  return (
    <>
      <CloudHeader actions={create} />
      <DataList
        id="sizes"
        label={t("cloud.sizes")}
        list={sizes}
        rowKey={({ id }) => id}
        rowName={({ name }) => name}
        onOpen={setEditing}
        columns={[
          { key: "name", header: t("ui.name"), primary: true, cell: ({ name }) => name },
          { key: "vcpus", header: "vCPU", align: "right", cell: ({ vcpus }) => format.number(vcpus), sort: ({ vcpus }) => vcpus },
          {
            key: "memory",
            header: t("engine.memory"),
            align: "right",
            cell: ({ memoryBytes }) => format.memory(memoryBytes),
            sort: ({ memoryBytes }) => memoryBytes,
          },
          {
            key: "disk",
            header: t("engine.disk"),
            align: "right",
            cell: ({ diskBytes }) => format.memory(diskBytes),
            sort: ({ diskBytes }) => diskBytes,
          },
          {
            key: "hour",
            header: t("engine.perHour"),
            align: "right",
            cell: ({ pricePerHour }) => format.money(Number(pricePerHour), currency),
            sort: ({ pricePerHour }) => Number(pricePerHour),
          },
          {
            key: "month",
            header: t("engine.perMonth"),
            align: "right",
            cell: ({ pricePerHour }) => format.money(Number(pricePerHour) * hoursPerMonth, currency),
          },
          {
            key: "offered",
            header: t("engine.size.offered"),
            cell: ({ retired }) => (
              <StatusBadge tone={retired ? "off" : "good"}>{t(retired ? "engine.size.retired" : "engine.yes")}</StatusBadge>
            ),
          },
        ]}
        rowActions={(size: Size) => [
          { label: t("ui.edit"), icon: IconPencil, onClick: () => setEditing(size) },
          { label: t("engine.size.delete"), icon: IconTrash, danger: true, onClick: () => setRemoving(size) },
        ]}
        empty={<EmptyState picture="server" title={t("engine.size.empty")} action={create} />}
      />
      {creating && <SizeCreate onClose={() => setCreating(false)} />}
      {editing && <SizeEdit size={editing} onClose={() => setEditing(undefined)} />}
      {removing && (
        <ConfirmDestroy
          opened
          onClose={() => setRemoving(undefined)}
          title={t("engine.size.deleteTitle", { name: removing.name })}
          text={t("engine.size.deleteText")}
          action={t("engine.size.delete")}
          onConfirm={async () => {
            await callApi("sizeDelete", { size: removing.id });
            await refresh();
          }}
        />
      )}
    </>
  );
}

function SizeCreate({ onClose }: { onClose: () => void }) {
  const t = useT();
  const format = useFormat();
  const currency = useCloud()?.currency ?? "EUR";
  const form = useForm({
    initial: { name: "", vcpus: 2, memory: 4, disk: 40, pricePerHour: "0.02" },
    submit: async (values) => {
      await callApi("sizeCreate", {
        name: values.name,
        vcpus: values.vcpus,
        memoryBytes: Math.round(values.memory * gib),
        diskBytes: Math.round(values.disk * gib),
        pricePerHour: values.pricePerHour,
      });
      await refresh();
      onClose();
    },
  });
  const { values } = form;
  const number = (name: "vcpus" | "memory" | "disk", label: string, suffix: string) => (
    <NumberInput label={label} suffix={suffix} min={0} value={values[name]} onChange={(value) => form.set(name, Number(value))} />
  );
  return (
    <FormDialog opened onClose={onClose} title={t("engine.size.create")} form={form} action={t("engine.size.create")}>
      <TextInput label={t("ui.name")} data-autofocus {...form.field("name")} />
      {number("vcpus", "vCPU", "")}
      {number("memory", t("engine.memory"), format.gibibytes)}
      {number("disk", t("engine.disk"), format.gibibytes)}
      <TextInput label={`${t("engine.perHour")} (${currency})`} inputMode="decimal" {...form.field("pricePerHour")} />
    </FormDialog>
  );
}

function SizeEdit({ size, onClose }: { size: Size; onClose: () => void }) {
  const t = useT();
  const currency = useCloud()?.currency ?? "EUR";
  const form = useForm({
    initial: { pricePerHour: size.pricePerHour, offered: !size.retired },
    submit: async ({ pricePerHour, offered }) => {
      await callApi("sizeUpdate", { size: size.id, pricePerHour, retired: !offered });
      await refresh();
      onClose();
    },
  });
  return (
    <FormDialog
      opened
      onClose={onClose}
      title={t("engine.size.edit", { name: size.name })}
      text={t("engine.size.editText")}
      form={form}
      action={t("ui.save")}
    >
      <TextInput
        label={`${t("engine.perHour")} (${currency})`}
        inputMode="decimal"
        data-autofocus
        {...form.field("pricePerHour")}
      />
      <Switch
        label={t("engine.size.offered")}
        checked={form.values.offered}
        onChange={(event) => form.set("offered", event.currentTarget.checked)}
      />
    </FormDialog>
  );
}
