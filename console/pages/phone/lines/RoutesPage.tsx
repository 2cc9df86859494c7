import { Button, MultiSelect, NumberInput, Select, TagsInput, TextInput } from "@mantine/core";
import { IconPencil, IconPlus, IconPower, IconTrash } from "@tabler/icons-react";
import { useState } from "react";
import type { OutboundRoute } from "../../../../services/voice/trunks/contract.ts";
import { callApi, invalidate, useApi, useApiList } from "../../../api/api.ts";
import { queries } from "../../../frame/queries.ts";
import { useFormat } from "../../../i18n/format.ts";
import { useT } from "../../../i18n/i18n.ts";
import { ApiHint } from "../../../ui/ApiHint.tsx";
import { ConfirmDestroy } from "../../../ui/ConfirmDestroy.tsx";
import { EmptyState } from "../../../ui/EmptyState.tsx";
import { FormDialog } from "../../../ui/FormDialog.tsx";
import { required, useForm } from "../../../ui/form.ts";
import { DataList } from "../../../ui/list/DataList.tsx";
import { StatusBadge } from "../../../ui/StatusBadge.tsx";
import { toastError } from "../../../ui/toast.ts";
import { narrow } from "../shared/narrow.ts";
import { PhonePage, type PhonePlace } from "../shared/PhonePage.tsx";

const refresh = () => invalidate(queries, ["outboundRouteList"]);

export default function RoutesPage() {
  const t = useT();
  const [making, setMaking] = useState(false);
  return (
    <PhonePage
      tab="routes"
      text={t("phoneLines.routes.text")}
      actions={({ may }) =>
        may && (
          <Button leftSection={<IconPlus size={16} aria-hidden />} onClick={() => setMaking(true)}>
            {t("phoneLines.routes.new")}
          </Button>
        )
      }
    >
      {(place) => (
        <>
          <Routes {...place} onNew={() => setMaking(true)} />
          {making && <RouteDialog place={place} onClose={() => setMaking(false)} />}
        </>
      )}
    </PhonePage>
  );
}

function Routes({ onNew, ...place }: PhonePlace & { onNew: () => void }) {
  const t = useT();
  const format = useFormat();
  const { system, may } = place;
  const [changing, setChanging] = useState<OutboundRoute>();
  const [removing, setRemoving] = useState<OutboundRoute>();
  const list = useApiList("outboundRouteList", { phoneSystem: system.id });
  const trunks = useApi("trunkList", { phoneSystem: system.id, limit: 200 }).data?.items;
  const nameOf = (id: string) => trunks?.find((trunk) => trunk.id === id)?.name ?? "…";
  return (
    <>
      <DataList<OutboundRoute>
        id="phone-routes"
        label={t("phone.tab.routes")}
        list={list}
        rowKey={({ id }) => id}
        rowName={({ name }) => name}
        {...(may ? { onOpen: setChanging } : {})}
        columns={[
          { key: "name", header: t("ui.name"), primary: true, width: "minmax(140px, 1fr)", cell: ({ name }) => name },
          { key: "prefixes", header: t("phoneLines.prefix"), cell: ({ prefixes }) => format.list(prefixes) },
          {
            key: "trunks",
            header: t("phone.tab.trunks"),
            width: "minmax(160px, 1.3fr)",
            cell: (route) => route.trunks.map(nameOf).join(" → "),
          },
          { key: "strategy", header: t("phone.strategy"), cell: ({ strategy }) => t(`phoneLines.strategy.${strategy}`) },
          {
            key: "state",
            header: t("phone.state"),
            width: "minmax(90px, 120px)",
            cell: ({ enabled }) => (
              <StatusBadge tone={enabled ? "good" : "off"}>{t(enabled ? "phone.enabled" : "phone.disabled")}</StatusBadge>
            ),
          },
        ]}
        {...(may
          ? {
              rowActions: (row) => [
                { label: t("phone.edit"), icon: IconPencil, onClick: () => setChanging(row) },
                {
                  label: t(row.enabled ? "phoneLines.turnOff" : "phoneLines.turnOn"),
                  icon: IconPower,
                  onClick: () =>
                    void callApi("outboundRouteUpdate", { outboundRoute: row.id, enabled: !row.enabled })
                      .then(refresh)
                      .catch(toastError),
                },
                { label: t("phone.delete"), icon: IconTrash, danger: true, onClick: () => setRemoving(row) },
              ],
            }
          : {})}
        empty={
          <EmptyState
            picture="phone"
            title={t("phoneLines.routes.empty")}
            text={t("phoneLines.routes.emptyText")}
            action={may && <Button onClick={onNew}>{t("phoneLines.routes.new")}</Button>}
          />
        }
      />
      {changing && <RouteDialog place={place} known={changing} onClose={() => setChanging(undefined)} />}
      {removing && (
        <ConfirmDestroy
          opened
          onClose={() => setRemoving(undefined)}
          title={t("phone.deleteTitle", { name: removing.name })}
          destroyed={[t("phoneLines.routes.deleteText", { prefixes: removing.prefixes.join(", ") })]}
          kept={[t("phone.deleteKept")]}
          action={t("phone.delete")}
          onConfirm={async () => {
            await callApi("outboundRouteDelete", { outboundRoute: removing.id });
            await refresh();
          }}
        />
      )}
    </>
  );
}

function RouteDialog({ place, known, onClose }: { place: PhonePlace; known?: OutboundRoute; onClose: () => void }) {
  const t = useT();
  const of = { phoneSystem: place.system.id, limit: 200 };
  const trunks = useApi("trunkList", of).data?.items ?? [];
  const numbers = useApi("phoneNumberList", of).data?.items ?? [];
  const form = useForm({
    initial: {
      name: known?.name ?? "",
      prefixes: (known?.prefixes ?? ["+"]) as string[],
      trunks: (known?.trunks ?? []) as string[],
      strategy: known?.strategy ?? ("in_order" as OutboundRoute["strategy"]),
      priority: known?.priority ?? 100,
      callerNumber: (known?.callerNumber ?? "") as string,
    },
    checks: {
      name: required,
      trunks: (list) => (list.length > 0 ? undefined : t("ui.required")),
      prefixes: (list) =>
        list.length > 0 && list.every((one) => /^(\+\d{0,15}|\d{1,6})$/.test(one)) ? undefined : t("phoneLines.prefixRule"),
    },
    submit: async () => {
      await callApi(route, request as never);
      await refresh();
      onClose();
    },
  });
  const route = known ? "outboundRouteUpdate" : "outboundRouteCreate";
  const request = {
    ...(known ? { outboundRoute: known.id } : { phoneSystem: place.system.id }),
    ...form.values,
    callerNumber: form.values.callerNumber || null,
  };
  return (
    <FormDialog
      opened
      onClose={onClose}
      title={known?.name ?? t("phoneLines.routes.new")}
      form={form}
      size="lg"
      action={t(known ? "ui.save" : "phoneLines.routes.new")}
      hint={<ApiHint route={route} args={request} />}
    >
      <TextInput label={t("ui.name")} data-autofocus autoComplete="off" {...form.field("name")} />
      <TagsInput
        label={t("phoneLines.prefixes")}
        description={t("phoneLines.prefixesText")}
        {...(form.values.prefixes.length > 0 ? {} : { placeholder: "+380" })}
        {...form.choice("prefixes")}
      />
      <MultiSelect
        label={t("phone.tab.trunks")}
        description={t("phoneLines.routeTrunksText")}
        data={trunks.map(({ id, name }) => ({ value: id as string, label: name }))}
        {...form.choice("trunks")}
      />
      <Select
        label={t("phone.strategy")}
        data={(["in_order", "least_cost"] as const).map((value) => ({ value, label: t(`phoneLines.strategy.${value}`) }))}
        {...form.choice("strategy")}
      />
      <NumberInput
        label={t("phoneLines.priority")}
        description={t("phoneLines.priorityText")}
        min={0}
        max={1000}
        classNames={narrow}
        {...form.choice("priority")}
        onChange={(value) => form.set("priority", Number(value))}
      />
      <Select
        label={t("phoneLines.shownNumber")}
        data={[
          { value: "", label: t("phoneLines.ofExtension") },
          ...numbers.map(({ id, number }) => ({ value: id as string, label: number })),
        ]}
        {...form.choice("callerNumber")}
      />
    </FormDialog>
  );
}
