import { Button, NumberInput, Select, TextInput } from "@mantine/core";
import { IconPencil, IconPlus, IconTrash } from "@tabler/icons-react";
import { useState } from "react";
import type { Destination } from "../../../../services/voice/destinations/contract.ts";
import type { PhoneNumber } from "../../../../services/voice/trunks/contract.ts";
import { callApi, invalidate, useApi, useApiList } from "../../../api/api.ts";
import { queries } from "../../../frame/queries.ts";
import { languageNames, languages, useT } from "../../../i18n/i18n.ts";
import { ApiHint } from "../../../ui/ApiHint.tsx";
import { ConfirmDestroy } from "../../../ui/ConfirmDestroy.tsx";
import { EmptyState } from "../../../ui/EmptyState.tsx";
import { FormDialog } from "../../../ui/FormDialog.tsx";
import { required, useForm } from "../../../ui/form.ts";
import { DataList } from "../../../ui/list/DataList.tsx";
import { toastDone } from "../../../ui/toast.ts";
import { DestinationSelect } from "../shared/DestinationSelect.tsx";
import { useDestinations } from "../shared/destinations.ts";
import { narrow } from "../shared/narrow.ts";
import { PhonePage, type PhonePlace } from "../shared/PhonePage.tsx";
import { readable } from "../softphone/numbers.ts";

export default function NumbersPage() {
  const t = useT();
  const [making, setMaking] = useState(false);
  return (
    <PhonePage
      tab="numbers"
      text={t("phoneLines.numbers.text")}
      actions={({ may }) =>
        may && (
          <Button leftSection={<IconPlus size={16} aria-hidden />} onClick={() => setMaking(true)}>
            {t("phoneLines.numbers.new")}
          </Button>
        )
      }
    >
      {(place) => (
        <>
          <Numbers {...place} onNew={() => setMaking(true)} />
          {making && <NumberDialog place={place} onClose={() => setMaking(false)} />}
        </>
      )}
    </PhonePage>
  );
}

function Numbers({ onNew, ...place }: PhonePlace & { onNew: () => void }) {
  const t = useT();
  const { system, may } = place;
  const [changing, setChanging] = useState<PhoneNumber>();
  const [removing, setRemoving] = useState<PhoneNumber>();
  const list = useApiList("phoneNumberList", { phoneSystem: system.id });
  const { nameOf } = useDestinations(system.id);
  return (
    <>
      <DataList<PhoneNumber>
        id="phone-numbers"
        label={t("phone.tab.numbers")}
        list={list}
        rowKey={({ id }) => id}
        rowName={({ number }) => number}
        search={({ number, label }) => `${number} ${label}`}
        {...(may ? { onOpen: setChanging } : {})}
        columns={[
          {
            key: "number",
            header: t("phone.number"),
            primary: true,
            width: "minmax(170px, 1fr)",
            cell: ({ number }) => readable(number),
            sort: ({ number }) => number,
          },
          { key: "label", header: t("phoneLines.label"), cell: ({ label }) => label || null },
          {
            key: "destination",
            header: t("phone.goesTo"),
            width: "minmax(180px, 1.4fr)",
            cell: ({ destination }) => nameOf(destination),
          },
        ]}
        {...(may
          ? {
              rowActions: (row) => [
                { label: t("phone.edit"), icon: IconPencil, onClick: () => setChanging(row) },
                { label: t("phone.delete"), icon: IconTrash, danger: true, onClick: () => setRemoving(row) },
              ],
            }
          : {})}
        empty={
          <EmptyState
            picture="phone"
            title={t("phoneLines.numbers.empty")}
            text={t("phoneLines.numbers.emptyText")}
            action={may && <Button onClick={onNew}>{t("phoneLines.numbers.new")}</Button>}
          />
        }
      />
      {changing && <NumberDialog place={place} known={changing} onClose={() => setChanging(undefined)} />}
      {removing && (
        <ConfirmDestroy
          opened
          onClose={() => setRemoving(undefined)}
          title={t("phone.deleteTitle", { name: readable(removing.number) })}
          destroyed={[t("phoneLines.numbers.deleteText")]}
          kept={[t("phone.deleteKept")]}
          action={t("phone.delete")}
          onConfirm={async () => {
            await callApi("phoneNumberDelete", { phoneNumber: removing.id });
            await invalidate(queries, ["phoneNumberList"]);
          }}
        />
      )}
    </>
  );
}

function NumberDialog({ place, known, onClose }: { place: PhonePlace; known?: PhoneNumber; onClose: () => void }) {
  const t = useT();
  const trunks = useApi("trunkList", { phoneSystem: place.system.id, limit: 200 }).data?.items ?? [];
  const form = useForm({
    initial: {
      number: (known?.number ?? "") as string,
      label: known?.label ?? "",
      destination: (known?.destination ?? null) as Destination | null,
      trunkId: (known?.trunkId ?? "") as string,
      language: (known?.language ?? "") as string,
      callerNamePrefix: known?.callerNamePrefix ?? "",
      count: 1,
      extensionDigits: "" as string,
    },
    checks: { number: required, destination: (value) => (value === null ? t("ui.required") : undefined) },
    submit: async () => {
      const made = await callApi(route, request as never);
      await invalidate(queries, ["phoneNumberList"]);
      if ("created" in made) toastDone(t("phoneLines.numbers.added", { count: made.created }));
      onClose();
    },
  });
  const { values } = form;
  const isBlock = !known && values.count > 1;
  const route = known ? "phoneNumberUpdate" : isBlock ? "phoneNumberBlockCreate" : "phoneNumberCreate";
  const { number, count, extensionDigits } = values;
  const block = { first: number, count, ...(extensionDigits ? { extensionDigits: Number(extensionDigits) } : {}) };
  const request = {
    ...(known ? { phoneNumber: known.id } : { phoneSystem: place.system.id, ...(isBlock ? block : { number }) }),
    label: values.label,
    destination: values.destination,
    trunkId: values.trunkId || null,
    language: values.language || null,
    callerNamePrefix: values.callerNamePrefix,
  };
  return (
    <FormDialog
      opened
      onClose={onClose}
      title={known ? readable(known.number) : t("phoneLines.numbers.new")}
      form={form}
      size="lg"
      action={t(known ? "ui.save" : "phoneLines.numbers.new")}
      hint={<ApiHint route={route} args={request} />}
    >
      {!known && (
        <TextInput
          label={t("phone.number")}
          placeholder="+380 44 123 45 67"
          inputMode="tel"
          data-autofocus
          {...form.field("number")}
        />
      )}
      {!known && (
        <NumberInput
          label={t("phoneLines.numbers.count")}
          description={t("phoneLines.numbers.countText")}
          min={1}
          max={1000}
          classNames={narrow}
          {...form.choice("count")}
          onChange={(value) => form.set("count", Number(value))}
        />
      )}
      <TextInput label={t("phoneLines.label")} placeholder={t("phoneLines.labelExample")} {...form.field("label")} />
      <DestinationSelect
        phoneSystem={place.system.id}
        label={t("phone.goesTo")}
        value={values.destination}
        error={form.choice("destination").error}
        onChange={(destination) => form.set("destination", destination)}
      />
      {isBlock && (
        <Select
          label={t("phoneLines.numbers.byDigits")}
          data={[
            { value: "", label: t("phoneLines.numbers.oneForAll") },
            ...[2, 3, 4, 5].map((digits) => ({
              value: String(digits),
              label: t("phoneLines.numbers.lastDigits", { count: digits }),
            })),
          ]}
          {...form.choice("extensionDigits")}
        />
      )}
      <Select
        label={t("phoneLines.trunk")}
        data={[
          { value: "", label: t("phoneLines.anyTrunk") },
          ...trunks.map(({ id, name }) => ({ value: id as string, label: name })),
        ]}
        {...form.choice("trunkId")}
      />
      <Select
        label={t("phone.promptLanguage")}
        data={[
          { value: "", label: t("phone.asSystem") },
          ...languages.map((value) => ({ value: value as string, label: languageNames[value] })),
        ]}
        {...form.choice("language")}
      />
      <TextInput
        label={t("phone.namePrefix")}
        description={t("phone.namePrefixText")}
        maxLength={20}
        classNames={narrow}
        {...form.field("callerNamePrefix")}
      />
    </FormDialog>
  );
}
