import { Button, TextInput } from "@mantine/core";
import { IconPencil, IconPhoneOutgoing, IconPlus, IconTrash } from "@tabler/icons-react";
import { useState } from "react";
import type { Destination } from "../../../../services/voice/destinations/contract.ts";
import type { PhoneApplication } from "../../../../services/voice/live/contract.ts";
import { callApi, invalidate, useApiList } from "../../../api/api.ts";
import { queries } from "../../../frame/queries.ts";
import { useT } from "../../../i18n/i18n.ts";
import { ApiHint } from "../../../ui/ApiHint.tsx";
import { ConfirmDestroy } from "../../../ui/ConfirmDestroy.tsx";
import { CopyField } from "../../../ui/CopyField.tsx";
import { FormDialog } from "../../../ui/FormDialog.tsx";
import { required, useForm } from "../../../ui/form.ts";
import { DataList } from "../../../ui/list/DataList.tsx";
import { SecretOnce } from "../../../ui/SecretOnce.tsx";
import { Section } from "../../../ui/Section.tsx";
import css from "../phone.module.css";
import { DestinationSelect } from "../shared/DestinationSelect.tsx";
import { useDestinations } from "../shared/destinations.ts";
import type { PhonePlace } from "../shared/PhonePage.tsx";
import { CallOut } from "./CallOut.tsx";

const refresh = () => invalidate(queries, ["phoneApplicationList"]);

/** Programs that are asked what is to happen to a call. */
export function Applications({ system, may }: PhonePlace) {
  const t = useT();
  const [changing, setChanging] = useState<PhoneApplication | "new">();
  const [removing, setRemoving] = useState<PhoneApplication>();
  const [calling, setCalling] = useState<PhoneApplication>();
  const [secret, setSecret] = useState<string>();
  const { nameOf } = useDestinations(system.id);
  const list = useApiList("phoneApplicationList", { phoneSystem: system.id });
  return (
    <Section
      title={t("phonePrograms.applications")}
      text={t("phonePrograms.applicationsText")}
      flush
      actions={
        may && (
          <Button variant="default" leftSection={<IconPlus size={16} aria-hidden />} onClick={() => setChanging("new")}>
            {t("phonePrograms.newApplication")}
          </Button>
        )
      }
    >
      <DataList<PhoneApplication>
        id="phone-applications"
        label={t("phonePrograms.applications")}
        list={list}
        rowKey={({ id }) => id}
        rowName={({ name }) => name}
        {...(may ? { onOpen: setChanging } : {})}
        columns={[
          { key: "name", header: t("ui.name"), primary: true, width: "minmax(140px, 1fr)", cell: ({ name }) => name },
          {
            key: "url",
            header: t("phonePrograms.url"),
            width: "minmax(180px, 1.6fr)",
            cell: ({ url }) => <span className={css.address}>{url}</span>,
          },
          {
            key: "fallback",
            header: t("phonePrograms.fallback"),
            width: "minmax(160px, 1.2fr)",
            cell: ({ fallback }) => nameOf(fallback),
          },
        ]}
        {...(may
          ? {
              rowActions: (one) => [
                { label: t("phonePrograms.call"), icon: IconPhoneOutgoing, onClick: () => setCalling(one) },
                { label: t("phone.edit"), icon: IconPencil, onClick: () => setChanging(one) },
                { label: t("phone.delete"), icon: IconTrash, danger: true, onClick: () => setRemoving(one) },
              ],
            }
          : {})}
        empty={<p className={css.empty}>{t("phonePrograms.noApplications")}</p>}
      />
      {changing && (
        <ApplicationDialog
          system={system}
          {...(changing === "new" ? {} : { known: changing })}
          onClose={() => setChanging(undefined)}
          onSecret={setSecret}
        />
      )}
      {calling && <CallOut system={system} application={calling} onClose={() => setCalling(undefined)} />}
      {removing && (
        <ConfirmDestroy
          opened
          onClose={() => setRemoving(undefined)}
          title={t("phone.deleteTitle", { name: removing.name })}
          destroyed={[t("phonePrograms.applicationGone", { url: removing.url })]}
          kept={[t("phone.deleteKept")]}
          action={t("phone.delete")}
          onConfirm={async () => {
            await callApi("phoneApplicationDelete", { phoneApplication: removing.id });
            await refresh();
          }}
        />
      )}
      {secret && (
        <SecretOnce title={t("phonePrograms.secret")} text={t("phonePrograms.secretText")} onClose={() => setSecret(undefined)}>
          <CopyField label={t("phonePrograms.secret")} value={secret} secret />
        </SecretOnce>
      )}
    </Section>
  );
}

function ApplicationDialog(props: {
  system: PhonePlace["system"];
  known?: PhoneApplication;
  onClose: () => void;
  onSecret: (secret: string) => void;
}) {
  const t = useT();
  const { known, system } = props;
  const form = useForm({
    initial: {
      name: known?.name ?? "",
      url: known?.url ?? "",
      fallback: (known?.fallback ?? { kind: "hang_up" }) as Destination,
    },
    checks: {
      name: required,
      url: (url) => (/^https?:\/\/\S+$/.test(url) ? undefined : t("phonePrograms.urlRule")),
    },
    submit: async (values) => {
      if (known) await callApi("phoneApplicationUpdate", { phoneApplication: known.id, ...values });
      else props.onSecret((await callApi("phoneApplicationCreate", { phoneSystem: system.id, ...values })).secret);
      await refresh();
      props.onClose();
    },
  });
  return (
    <FormDialog
      opened
      onClose={props.onClose}
      title={known?.name ?? t("phonePrograms.newApplication")}
      text={known ? undefined : t("phonePrograms.newApplicationText")}
      form={form}
      size="lg"
      action={t(known ? "ui.save" : "phonePrograms.newApplication")}
      hint={
        <ApiHint
          route={known ? "phoneApplicationUpdate" : "phoneApplicationCreate"}
          args={{ ...(known ? { phoneApplication: known.id } : { phoneSystem: system.id }), ...form.values }}
        />
      }
    >
      <TextInput label={t("ui.name")} data-autofocus autoComplete="off" {...form.field("name")} />
      <TextInput
        label={t("phonePrograms.url")}
        type="url"
        placeholder={"https://example.org/answer"}
        autoComplete="off"
        {...form.field("url")}
      />
      <DestinationSelect
        phoneSystem={system.id}
        label={t("phonePrograms.fallback")}
        description={t("phonePrograms.fallbackText")}
        value={form.values.fallback}
        onChange={(fallback) => fallback && form.set("fallback", fallback)}
      />
    </FormDialog>
  );
}
