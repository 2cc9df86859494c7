import { ActionIcon, Button, Group, Input, Select, Stack, Textarea, TextInput } from "@mantine/core";
import { IconDownload, IconPencil, IconPlus, IconTrash, IconUpload } from "@tabler/icons-react";
import { useState } from "react";
import type { PhoneContact } from "../../../../services/voice/contacts/contract.ts";
import { callApi, client, invalidate, useApiList } from "../../../api/api.ts";
import { queries } from "../../../frame/queries.ts";
import { useT } from "../../../i18n/i18n.ts";
import { ApiHint } from "../../../ui/ApiHint.tsx";
import { ConfirmDestroy } from "../../../ui/ConfirmDestroy.tsx";
import { EmptyState } from "../../../ui/EmptyState.tsx";
import { FormDialog } from "../../../ui/FormDialog.tsx";
import { required, useForm } from "../../../ui/form.ts";
import { DataList } from "../../../ui/list/DataList.tsx";
import { useListState } from "../../../ui/list/state.ts";
import { toastDone } from "../../../ui/toast.ts";
import css from "../phone.module.css";
import { CallNumber } from "../shared/CallNumber.tsx";
import { ImportDialog } from "../shared/ImportDialog.tsx";
import { PhonePage, type PhonePlace } from "../shared/PhonePage.tsx";

const refresh = () => invalidate(queries, ["phoneContactList", "phoneDirectoryList"]);
const kinds = ["mobile", "work", "home", "other"] as const;
type Dialog = { contact?: PhoneContact } | "import";

/** People outside, whom all of the phone system know by name. */
export default function ContactsPage() {
  const t = useT();
  const [dialog, setDialog] = useState<Dialog>();
  return (
    <PhonePage
      tab="contacts"
      text={t("phone.contacts.text")}
      actions={({ may }) =>
        may && (
          <>
            <Button variant="default" leftSection={<IconUpload size={16} aria-hidden />} onClick={() => setDialog("import")}>
              {t("phone.contacts.import")}
            </Button>
            <Button leftSection={<IconPlus size={16} aria-hidden />} onClick={() => setDialog({})}>
              {t("phone.contacts.new")}
            </Button>
          </>
        )
      }
    >
      {(place) => (
        <>
          <Contacts place={place} onDialog={setDialog} />
          {dialog === "import" && <Import place={place} onClose={() => setDialog(undefined)} />}
          {dialog !== undefined && dialog !== "import" && (
            <ContactDialog place={place} {...dialog} onClose={() => setDialog(undefined)} />
          )}
        </>
      )}
    </PhonePage>
  );
}

function Contacts({ place, onDialog }: { place: PhonePlace; onDialog: (dialog: Dialog) => void }) {
  const t = useT();
  const { system, may } = place;
  const { words } = useListState();
  const [removing, setRemoving] = useState<PhoneContact>();
  const list = useApiList("phoneContactList", { phoneSystem: system.id, ...(words ? { search: words } : {}) });
  return (
    <>
      <DataList<PhoneContact>
        id="phone-contacts"
        label={t("phone.tab.contacts")}
        list={list}
        rowKey={({ id }) => id}
        rowName={({ name }) => name}
        search="server"
        tools={
          <Button
            component="a"
            href={client.url("phoneContactExport", { phoneSystem: system.id })}
            download
            variant="default"
            leftSection={<IconDownload size={16} aria-hidden />}
          >
            CSV
          </Button>
        }
        columns={[
          { key: "name", header: t("ui.name"), primary: true, width: "minmax(160px, 1.2fr)", cell: ({ name }) => name },
          { key: "company", header: t("phone.contacts.company"), cell: ({ company }) => company || null },
          {
            key: "numbers",
            header: t("phone.contacts.numbers"),
            width: "minmax(180px, 1.6fr)",
            cell: ({ numbers }) =>
              numbers.length === 0 ? null : (
                <span className={css.numbers}>
                  {numbers.map(({ number }) => (
                    <CallNumber key={number} number={number} />
                  ))}
                </span>
              ),
          },
          { key: "note", header: t("phone.contacts.note"), optional: true, cell: ({ note }) => note || null },
        ]}
        {...(may
          ? {
              onOpen: (contact: PhoneContact) => onDialog({ contact }),
              rowActions: (contact: PhoneContact) => [
                { label: t("phone.edit"), icon: IconPencil, onClick: () => onDialog({ contact }) },
                { label: t("phone.delete"), icon: IconTrash, danger: true, onClick: () => setRemoving(contact) },
              ],
            }
          : {})}
        empty={
          <EmptyState
            picture="people"
            title={t("phone.contacts.empty")}
            text={t("phone.contacts.emptyText")}
            action={may && <Button onClick={() => onDialog({})}>{t("phone.contacts.new")}</Button>}
          />
        }
      />
      {removing && (
        <ConfirmDestroy
          opened
          onClose={() => setRemoving(undefined)}
          title={t("phone.deleteTitle", { name: removing.name })}
          destroyed={[t("phone.contacts.deleteText")]}
          kept={[t("phone.deleteKept")]}
          action={t("phone.delete")}
          onConfirm={async () => {
            await callApi("phoneContactDelete", { phoneContact: removing.id });
            await refresh();
          }}
        />
      )}
    </>
  );
}

interface Numbered {
  kind: (typeof kinds)[number];
  number: string;
}

function ContactDialog({ place, contact, onClose }: { place: PhonePlace; contact?: PhoneContact; onClose: () => void }) {
  const t = useT();
  const form = useForm({
    initial: {
      name: contact?.name ?? "",
      company: contact?.company ?? "",
      note: contact?.note ?? "",
      numbers: (contact && contact.numbers.length > 0 ? contact.numbers : [{ kind: "mobile", number: "" }]) as Numbered[],
    },
    checks: { name: required },
    submit: async () => {
      await callApi(route, request as never);
      await refresh();
      onClose();
    },
  });
  const { values } = form;
  const route = contact ? "phoneContactUpdate" : "phoneContactCreate";
  const request = {
    ...(contact ? { phoneContact: contact.id } : { phoneSystem: place.system.id }),
    ...values,
    numbers: values.numbers.filter(({ number }) => number.trim() !== ""),
  };
  const change = (at: number, more: Partial<Numbered>) =>
    form.set(
      "numbers",
      values.numbers.map((each, index) => (index === at ? { ...each, ...more } : each)),
    );
  return (
    <FormDialog
      opened
      onClose={onClose}
      title={contact?.name ?? t("phone.contacts.new")}
      form={form}
      action={t(contact ? "ui.save" : "phone.contacts.new")}
      hint={<ApiHint route={route} args={request} />}
    >
      <TextInput label={t("phone.contacts.name")} data-autofocus autoComplete="off" {...form.field("name")} />
      <TextInput label={t("phone.contacts.company")} autoComplete="off" {...form.field("company")} />
      <Input.Wrapper label={t("phone.contacts.numbers")} labelElement="div" error={form.choice("numbers").error}>
        <Stack gap="xs">
          {values.numbers.map((each, at) => (
            // biome-ignore lint/suspicious/noArrayIndexKey: lines have no name of their own, and are added at the end only.
            <Group key={at} gap="xs" wrap="nowrap">
              <Select
                aria-label={t("phone.contacts.kind")}
                w={130}
                allowDeselect={false}
                data={kinds.map((value) => ({ value, label: t(`phone.contacts.${value}`) }))}
                value={each.kind}
                onChange={(kind) => kind && change(at, { kind: kind as Numbered["kind"] })}
              />
              <TextInput
                aria-label={t("phone.number")}
                placeholder="+380 44 123 45 67"
                inputMode="tel"
                autoComplete="off"
                flex={1}
                value={each.number}
                onChange={(event) => change(at, { number: event.currentTarget.value })}
              />
              <ActionIcon
                variant="subtle"
                color="gray"
                aria-label={t("phone.contacts.removeNumber")}
                onClick={() =>
                  form.set(
                    "numbers",
                    values.numbers.filter((_, index) => index !== at),
                  )
                }
              >
                <IconTrash size={16} aria-hidden />
              </ActionIcon>
            </Group>
          ))}
          {values.numbers.length < 10 && (
            <Button
              variant="subtle"
              size="compact-sm"
              w="fit-content"
              leftSection={<IconPlus size={14} aria-hidden />}
              onClick={() => form.set("numbers", [...values.numbers, { kind: "work", number: "" }])}
            >
              {t("phone.contacts.addNumber")}
            </Button>
          )}
        </Stack>
      </Input.Wrapper>
      <Textarea label={t("phone.contacts.note")} autosize minRows={2} maxRows={6} maxLength={1000} {...form.field("note")} />
    </FormDialog>
  );
}

const example = "name,company,mobile,work,note\nOlena Kovalchuk,Mriya,+380441234567,,Calls on Mondays";

const columns = ["name", "company", "mobile", "work", "home", "other", "note"];
const needed = ["name"];

function Import({ place, onClose }: { place: PhonePlace; onClose: () => void }) {
  const t = useT();
  const phoneSystem = place.system.id;
  return (
    <ImportDialog
      onClose={onClose}
      title={t("phone.contacts.import")}
      text={t("phone.contacts.importText")}
      columns={columns}
      needed={needed}
      example={example}
      action={(count) => t("phone.contacts.importAction", { count })}
      hint={(csv) => <ApiHint route="phoneContactImport" args={{ phoneSystem, csv: csv || example }} />}
      send={async (csv) => {
        const { created, changed } = await callApi("phoneContactImport", { phoneSystem, csv });
        await refresh();
        toastDone(t("phone.contacts.imported", { created, changed }));
        onClose();
      }}
    />
  );
}
