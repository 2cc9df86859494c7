import { Button, TextInput } from "@mantine/core";
import { IconPlus, IconTrash, IconUpload } from "@tabler/icons-react";
import { useNavigate } from "@tanstack/react-router";
import { useState } from "react";
import type { Extension } from "../../../../services/voice/extensions/contract.ts";
import { callApi, invalidate, useApi, useApiList } from "../../../api/api.ts";
import { queries } from "../../../frame/queries.ts";
import { useT } from "../../../i18n/i18n.ts";
import { ApiHint } from "../../../ui/ApiHint.tsx";
import { CopyField } from "../../../ui/CopyField.tsx";
import { EmptyState } from "../../../ui/EmptyState.tsx";
import { FormDialog } from "../../../ui/FormDialog.tsx";
import { required, useForm } from "../../../ui/form.ts";
import { DataList } from "../../../ui/list/DataList.tsx";
import { useListState } from "../../../ui/list/state.ts";
import { SecretOnce } from "../../../ui/SecretOnce.tsx";
import { CallNumber } from "../shared/CallNumber.tsx";
import { ImportDialog } from "../shared/ImportDialog.tsx";
import { narrow } from "../shared/narrow.ts";
import { PhonePage, type PhonePlace } from "../shared/PhonePage.tsx";
import { ExtensionDelete } from "./ExtensionDelete.tsx";
import { MemberSelect } from "./MemberSelect.tsx";
import { PresenceBadge } from "./PresenceBadge.tsx";

export default function ExtensionsPage() {
  const t = useT();
  const [dialog, setDialog] = useState<"new" | "import">();
  return (
    <PhonePage
      tab="extensions"
      text={t("phone.extensions.text")}
      actions={({ may }) =>
        may && (
          <>
            <Button variant="default" leftSection={<IconUpload size={16} aria-hidden />} onClick={() => setDialog("import")}>
              {t("phone.extensions.import")}
            </Button>
            <Button leftSection={<IconPlus size={16} aria-hidden />} onClick={() => setDialog("new")}>
              {t("phone.extensions.new")}
            </Button>
          </>
        )
      }
    >
      {(place) => (
        <>
          <Extensions {...place} onNew={() => setDialog("new")} />
          {dialog === "new" && <New place={place} onClose={() => setDialog(undefined)} />}
          {dialog === "import" && <Import place={place} onClose={() => setDialog(undefined)} />}
        </>
      )}
    </PhonePage>
  );
}

function Extensions({ system, home, may, onNew }: PhonePlace & { onNew: () => void }) {
  const t = useT();
  const { words } = useListState();
  const [removing, setRemoving] = useState<Extension[]>();
  const list = useApiList("extensionList", { phoneSystem: system.id, ...(words ? { search: words } : {}) });
  const presences = useApi("extensionPresenceList", { phoneSystem: system.id, limit: 200 }).data?.items;
  const presenceOf = (one: Extension) => presences?.find(({ extensionId }) => extensionId === one.id)?.presence ?? one.presence;
  return (
    <>
      <DataList
        id="phone-extensions"
        label={t("phone.tab.extensions")}
        list={list}
        rowKey={({ id }) => id}
        rowName={({ name }) => name}
        rowAddress={({ id }) => `${home}/extensions/${id}`}
        search="server"
        columns={[
          {
            key: "name",
            header: t("ui.name"),
            primary: true,
            width: "minmax(160px, 1.6fr)",
            cell: ({ name }) => name,
            sort: ({ name }) => name,
          },
          {
            key: "number",
            header: t("phone.number"),
            width: "minmax(100px, 140px)",
            cell: ({ number }) => <CallNumber number={number} />,
            sort: ({ number }) => number,
          },
          {
            key: "presence",
            header: t("phone.state"),
            width: "minmax(130px, 170px)",
            phone: "bare",
            cell: (one) => <PresenceBadge presence={presenceOf(one)} />,
            sort: presenceOf,
          },
          {
            key: "voicemail",
            header: t("phone.tab.voicemail"),
            width: "minmax(110px, 130px)",
            cell: ({ voicemail }) => t(voicemail.enabled ? "phone.on" : "phone.off"),
          },
          {
            key: "group",
            header: t("phone.extension.pickupGroup"),
            optional: true,
            cell: ({ pickupGroup }) => pickupGroup ?? null,
          },
        ]}
        {...(may
          ? {
              rowActions: (one: Extension) => [
                { label: t("phone.extension.delete"), icon: IconTrash, danger: true, onClick: () => setRemoving([one]) },
              ],
              bulkActions: [{ label: t("phone.extension.delete"), icon: IconTrash, danger: true, run: setRemoving }],
            }
          : {})}
        empty={
          <EmptyState
            picture="people"
            title={t("phone.extensions.empty")}
            text={t("phone.extensions.emptyText")}
            action={may && <Button onClick={onNew}>{t("phone.extensions.new")}</Button>}
            command={may ? `khmara extension create --phone-system ${system.id} --name Reception` : undefined}
          />
        }
      />
      {removing && <ExtensionDelete extensions={removing} onClose={() => setRemoving(undefined)} />}
    </>
  );
}

function New({ place, onClose }: { place: PhonePlace; onClose: () => void }) {
  const t = useT();
  const navigate = useNavigate();
  const form = useForm({
    initial: { name: "", number: "", user: "" },
    checks: {
      name: required,
      number: (number) => (number === "" || /^\d{2,8}$/.test(number) ? undefined : t("phone.numberRule")),
    },
    submit: async () => {
      const made = await callApi("extensionCreate", request as never);
      await invalidate(queries, ["extensionList", "phoneDirectoryList", "extensionPresenceList", "myExtensionList"]);
      await navigate({ to: `${place.home}/extensions/${made.id}` });
    },
  });
  const { name, number, user } = form.values;
  const request = { phoneSystem: place.system.id, name, ...(number ? { number } : {}), ...(user ? { user } : {}) };
  return (
    <FormDialog
      opened
      onClose={onClose}
      title={t("phone.extensions.new")}
      text={t("phone.extensions.newText")}
      form={form}
      action={t("phone.extensions.new")}
      hint={<ApiHint route="extensionCreate" args={request} />}
    >
      <TextInput label={t("ui.name")} data-autofocus autoComplete="off" {...form.field("name")} />
      <TextInput
        label={t("phone.number")}
        description={t("phone.extensions.numberText")}
        inputMode="numeric"
        classNames={narrow}
        autoComplete="off"
        {...form.field("number")}
      />
      <MemberSelect value={user} onChange={(value) => form.set("user", value)} />
    </FormDialog>
  );
}

const example =
  "number,name,email,voicemail,device,maker,mac_address\n201,Reception,,yes,desk,yealink,00:15:65:12:34:56\n202,Olena Kovalchuk,olena@example.org,yes,,,";

const columns = [
  ...["number", "name", "email", "language", "caller_number", "pickup_group", "voicemail", "voicemail_pin"],
  ...["device", "maker", "mac_address"],
];
const needed = ["name"];

function Import({ place, onClose }: { place: PhonePlace; onClose: () => void }) {
  const t = useT();
  const phoneSystem = place.system.id;
  const [made, setMade] = useState<Awaited<ReturnType<typeof callApi<"extensionImport">>>>();
  if (made)
    return (
      <SecretOnce
        title={t("phone.extensions.imported", { count: made.extensions.length })}
        text={made.devices.length > 0 ? t("phone.device.secretText") : t("phone.extensions.importedText")}
        onClose={onClose}
      >
        {made.devices.length > 0 && (
          <CopyField
            secret
            multiline
            label={t("phone.extensions.accounts")}
            value={made.devices
              .map(({ label, account }) => `${label},${account.userName},${account.password},${account.domain}`)
              .join("\n")}
          />
        )}
      </SecretOnce>
    );
  return (
    <ImportDialog
      onClose={onClose}
      title={t("phone.extensions.import")}
      text={t("phone.extensions.importText")}
      columns={columns}
      needed={needed}
      example={example}
      action={(count) => t("phone.extensions.importAction", { count })}
      hint={(csv) => <ApiHint route="extensionImport" args={{ phoneSystem, csv: csv || example }} />}
      send={async (csv) => {
        setMade(await callApi("extensionImport", { phoneSystem, csv }));
        await invalidate(queries, ["extensionList", "phoneDirectoryList", "extensionPresenceList"]);
      }}
    />
  );
}
