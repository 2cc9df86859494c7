import { Button, NumberInput, Select, TextInput } from "@mantine/core";
import { IconPencil, IconPlus, IconTrash, IconUpload } from "@tabler/icons-react";
import { useState } from "react";
import type { PhoneRate } from "../../../../services/voice/trunks/contract.ts";
import { callApi, invalidate, useApi, useApiList } from "../../../api/api.ts";
import { queries } from "../../../frame/queries.ts";
import { useFormat } from "../../../i18n/format.ts";
import { useT } from "../../../i18n/i18n.ts";
import { ApiHint } from "../../../ui/ApiHint.tsx";
import { EmptyState } from "../../../ui/EmptyState.tsx";
import { FormDialog } from "../../../ui/FormDialog.tsx";
import { useForm } from "../../../ui/form.ts";
import { DataList } from "../../../ui/list/DataList.tsx";
import { useListState } from "../../../ui/list/state.ts";
import { toastDone, toastError } from "../../../ui/toast.ts";
import { ImportDialog } from "../shared/ImportDialog.tsx";
import { PhonePage, type PhonePlace } from "../shared/PhonePage.tsx";

const refresh = () => invalidate(queries, ["phoneRateList"]);
type Dialog = { rate?: PhoneRate } | "import";

/** Prices of the phone system, or what one of its trunks costs. */
export default function RatesPage() {
  const t = useT();
  const [dialog, setDialog] = useState<Dialog>();
  const trunk = useListState().filter("trunk");
  return (
    <PhonePage
      tab="rates"
      text={t("phoneLines.rates.text")}
      actions={({ may }) =>
        may && (
          <>
            <Button variant="default" leftSection={<IconUpload size={16} aria-hidden />} onClick={() => setDialog("import")}>
              {t("phoneLines.rates.import")}
            </Button>
            <Button leftSection={<IconPlus size={16} aria-hidden />} onClick={() => setDialog({})}>
              {t("phoneLines.rates.new")}
            </Button>
          </>
        )
      }
    >
      {(place) => (
        <>
          <Rates place={place} trunk={trunk} onDialog={setDialog} />
          {dialog === "import" && <Import place={place} trunk={trunk} onClose={() => setDialog(undefined)} />}
          {dialog !== undefined && dialog !== "import" && (
            <RateDialog place={place} trunk={trunk} {...dialog} onClose={() => setDialog(undefined)} />
          )}
        </>
      )}
    </PhonePage>
  );
}

interface Of {
  place: PhonePlace;
  trunk: string | undefined;
}

function Rates({ place, trunk, onDialog }: Of & { onDialog: (dialog: Dialog) => void }) {
  const t = useT();
  const format = useFormat();
  const { system, may } = place;
  const trunks = useApi("trunkList", { phoneSystem: system.id, limit: 200 }).data?.items ?? [];
  const list = useApiList("phoneRateList", { phoneSystem: system.id, ...(trunk ? { trunk: trunk as never } : {}) });
  const money = (amount: string) => format.money(Number(amount), system.currency);
  return (
    <DataList<PhoneRate>
      id="phone-rates"
      label={t("phone.tab.rates")}
      list={list}
      rowKey={({ id }) => id}
      rowName={({ prefix }) => prefix}
      search={({ prefix, label }) => `${prefix} ${label}`}
      filters={
        trunks.length > 0
          ? [
              {
                key: "trunk",
                label: t("phoneLines.costOf"),
                options: trunks.map(({ id, name }) => ({ value: id as string, label: name })),
              },
            ]
          : []
      }
      columns={[
        {
          key: "prefix",
          header: t("phoneLines.prefix"),
          primary: true,
          width: "minmax(110px, 150px)",
          cell: ({ prefix }) => prefix,
        },
        { key: "label", header: t("phoneLines.label"), cell: ({ label }) => label || null },
        {
          key: "minute",
          header: t("phoneLines.perMinute"),
          align: "right",
          cell: ({ perMinute }) => money(perMinute),
          sort: ({ perMinute }) => Number(perMinute),
        },
        { key: "fee", header: t("phoneLines.fee"), align: "right", cell: ({ connectionFee }) => money(connectionFee) },
        {
          key: "steps",
          header: t("phoneLines.counted"),
          cell: ({ firstSeconds, stepSeconds }) => t("phoneLines.steps", { first: firstSeconds, step: stepSeconds }),
        },
      ]}
      {...(may
        ? {
            rowActions: (rate) => [
              { label: t("phone.edit"), icon: IconPencil, onClick: () => onDialog({ rate }) },
              {
                label: t("phone.delete"),
                icon: IconTrash,
                danger: true,
                onClick: () => void callApi("phoneRateDelete", { phoneRate: rate.id }).then(refresh).catch(toastError),
              },
            ],
          }
        : {})}
      empty={
        <EmptyState
          picture="chart"
          title={t("phoneLines.rates.empty")}
          text={t("phoneLines.rates.emptyText")}
          action={may && <Button onClick={() => onDialog({})}>{t("phoneLines.rates.new")}</Button>}
        />
      }
    />
  );
}

function RateDialog({ place, trunk, rate, onClose }: Of & { rate?: PhoneRate; onClose: () => void }) {
  const t = useT();
  const decimal = (value: string) =>
    /^\d{1,9}(\.\d{1,6})?$/.test(value.replace(",", ".")) ? undefined : t("phoneLines.decimal");
  const form = useForm({
    initial: {
      prefix: (rate?.prefix ?? "+") as string,
      label: rate?.label ?? "",
      perMinute: (rate?.perMinute ?? "") as string,
      connectionFee: (rate?.connectionFee ?? "0") as string,
      firstSeconds: rate?.firstSeconds ?? 60,
      stepSeconds: rate?.stepSeconds ?? 60,
    },
    checks: {
      prefix: (prefix) => (/^(\+\d{0,15}|\d{1,6})$/.test(prefix) ? undefined : t("phoneLines.prefixRule")),
      perMinute: decimal,
      connectionFee: decimal,
    },
    submit: async () => {
      await callApi("phoneRateSet", request as never);
      await refresh();
      onClose();
    },
  });
  const { values } = form;
  const request = {
    phoneSystem: place.system.id,
    ...(trunk ? { trunk } : {}),
    ...values,
    perMinute: values.perMinute.replace(",", "."),
    connectionFee: values.connectionFee.replace(",", "."),
  };
  return (
    <FormDialog
      opened
      onClose={onClose}
      title={rate?.prefix ?? t("phoneLines.rates.new")}
      form={form}
      action={t("ui.save")}
      hint={<ApiHint route="phoneRateSet" args={request} />}
    >
      <TextInput label={t("phoneLines.prefix")} readOnly={rate !== undefined} data-autofocus {...form.field("prefix")} />
      <TextInput label={t("phoneLines.label")} placeholder={t("phoneLines.rateExample")} {...form.field("label")} />
      <TextInput
        label={`${t("phoneLines.perMinute")} (${place.system.currency})`}
        inputMode="decimal"
        {...form.field("perMinute")}
      />
      <TextInput
        label={`${t("phoneLines.fee")} (${place.system.currency})`}
        inputMode="decimal"
        {...form.field("connectionFee")}
      />
      {(["firstSeconds", "stepSeconds"] as const).map((name) => (
        <NumberInput
          key={name}
          label={t(`phoneLines.${name}`)}
          min={1}
          max={3600}
          {...form.choice(name)}
          onChange={(value) => form.set(name, Number(value))}
        />
      ))}
    </FormDialog>
  );
}

const columns = ["prefix", "per_minute", "connection_fee", "first_seconds", "step_seconds", "label"];
const needed = ["prefix", "per_minute"];
const example = "prefix,per_minute,connection_fee,label\n+380,0.04,,Ukraine\n+38067,0.09,0.01,Ukraine mobile";

function Import({ place, trunk, onClose }: Of & { onClose: () => void }) {
  const t = useT();
  const [mode, setMode] = useState<"merge" | "replace">("merge");
  const [bareDigits, setBareDigits] = useState<"international" | "national">("international");
  const request = (csv: string) => ({
    phoneSystem: place.system.id,
    ...(trunk ? { trunk: trunk as never } : {}),
    csv,
    mode,
    bareDigits,
  });
  return (
    <ImportDialog
      onClose={onClose}
      title={t("phoneLines.rates.import")}
      text={t("phoneLines.rates.importText")}
      columns={columns}
      needed={needed}
      example={example}
      action={(count) => t("phoneLines.rates.importAction", { count })}
      hint={(csv) => <ApiHint route="phoneRateImport" args={request(csv || example)} />}
      send={async (csv) => {
        const { set, removed } = await callApi("phoneRateImport", request(csv));
        await refresh();
        toastDone(t("phoneLines.rates.imported", { set, removed }));
        onClose();
      }}
    >
      <Select
        label={t("phoneLines.rates.bareDigits")}
        allowDeselect={false}
        value={bareDigits}
        onChange={(value) => value && setBareDigits(value as "national")}
        data={[
          { value: "international", label: t("phoneLines.rates.international") },
          { value: "national", label: t("phoneLines.rates.national") },
        ]}
      />
      <Select
        label={t("phoneLines.rates.mode")}
        allowDeselect={false}
        value={mode}
        onChange={(value) => value && setMode(value as "merge")}
        data={[
          { value: "merge", label: t("phoneLines.rates.merge") },
          { value: "replace", label: t("phoneLines.rates.replace") },
        ]}
      />
    </ImportDialog>
  );
}
