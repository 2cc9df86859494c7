import { Button, Checkbox, Stack, TextInput } from "@mantine/core";
import { IconHistory, IconPencil, IconPlus, IconPower, IconTrash } from "@tabler/icons-react";
import { useState } from "react";
import type { CallWebhook } from "../../../../services/voice/live/contract.ts";
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
import { StatusBadge } from "../../../ui/StatusBadge.tsx";
import { toastError } from "../../../ui/toast.ts";
import css from "../phone.module.css";
import type { PhonePlace } from "../shared/PhonePage.tsx";
import { Deliveries } from "./Deliveries.tsx";

type Told = CallWebhook["events"][number];
/** Complete by its type: the console runs no code of a contract. */
const toldOf: Record<Told, true> = {
  "call.started": true,
  "call.answered": true,
  "call.ended": true,
  "voicemail.left": true,
  "recording.saved": true,
  "queue.abandoned": true,
  "emergency.called": true,
  "limit.reached": true,
};
const callWebhookEvents = Object.keys(toldOf) as Told[];

const refresh = () => invalidate(queries, ["callWebhookList"]);

/** Addresses that are told of calls. */
export function Webhooks({ system, may }: PhonePlace) {
  const t = useT();
  const [dialog, setDialog] = useState<{ kind: "edit" | "told" | "delete"; webhook: CallWebhook } | { kind: "new" }>();
  const [secret, setSecret] = useState<string>();
  const list = useApiList("callWebhookList", { phoneSystem: system.id });
  const close = () => setDialog(undefined);
  return (
    <Section
      title={t("phonePrograms.webhooks")}
      text={t("phonePrograms.webhooksText")}
      flush
      actions={
        may && (
          <Button variant="default" leftSection={<IconPlus size={16} aria-hidden />} onClick={() => setDialog({ kind: "new" })}>
            {t("phonePrograms.newWebhook")}
          </Button>
        )
      }
    >
      <DataList<CallWebhook>
        id="phone-webhooks"
        label={t("phonePrograms.webhooks")}
        list={list}
        rowKey={({ id }) => id}
        rowName={({ name }) => name}
        onOpen={(webhook) => setDialog({ kind: "told", webhook })}
        columns={[
          { key: "name", header: t("ui.name"), primary: true, width: "minmax(140px, 1fr)", cell: ({ name }) => name },
          {
            key: "state",
            header: t("phone.state"),
            width: "minmax(90px, 120px)",
            phone: "bare",
            cell: ({ enabled }) => (
              <StatusBadge tone={enabled ? "good" : "off"}>{t(enabled ? "phone.enabled" : "phone.disabled")}</StatusBadge>
            ),
          },
          {
            key: "url",
            header: t("phonePrograms.url"),
            width: "minmax(180px, 1.6fr)",
            cell: ({ url }) => <span className={css.address}>{url}</span>,
          },
          {
            key: "events",
            header: t("phonePrograms.events"),
            width: "minmax(160px, 1.4fr)",
            cell: ({ events }) => t("phone.of", { part: events.length, all: callWebhookEvents.length }),
          },
        ]}
        rowActions={(webhook) => [
          { label: t("phonePrograms.told"), icon: IconHistory, onClick: () => setDialog({ kind: "told", webhook }) },
          ...(may
            ? [
                { label: t("phone.edit"), icon: IconPencil, onClick: () => setDialog({ kind: "edit", webhook }) },
                {
                  label: t(webhook.enabled ? "phonePrograms.turnOff" : "phonePrograms.turnOn"),
                  icon: IconPower,
                  onClick: () =>
                    void callApi("callWebhookUpdate", { callWebhook: webhook.id, enabled: !webhook.enabled })
                      .then(refresh)
                      .catch(toastError),
                },
                {
                  label: t("phone.delete"),
                  icon: IconTrash,
                  danger: true,
                  onClick: () => setDialog({ kind: "delete", webhook }),
                },
              ]
            : []),
        ]}
        empty={<p className={css.empty}>{t("phonePrograms.noWebhooks")}</p>}
      />
      {dialog?.kind === "new" && <WebhookDialog system={system} onClose={close} onSecret={setSecret} />}
      {dialog?.kind === "edit" && <WebhookDialog system={system} known={dialog.webhook} onClose={close} onSecret={setSecret} />}
      {dialog?.kind === "told" && <Deliveries webhook={dialog.webhook} onClose={close} />}
      {dialog?.kind === "delete" && (
        <ConfirmDestroy
          opened
          onClose={close}
          title={t("phone.deleteTitle", { name: dialog.webhook.name })}
          destroyed={[t("phonePrograms.webhookGone", { url: dialog.webhook.url }), t("phonePrograms.untoldGone")]}
          kept={[t("phonePrograms.callsKept")]}
          action={t("phone.delete")}
          onConfirm={async () => {
            await callApi("callWebhookDelete", { callWebhook: dialog.webhook.id });
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

function WebhookDialog(props: {
  system: PhonePlace["system"];
  known?: CallWebhook;
  onClose: () => void;
  onSecret: (secret: string) => void;
}) {
  const t = useT();
  const { known } = props;
  const form = useForm({
    initial: {
      name: known?.name ?? "",
      url: known?.url ?? "",
      events: (known?.events ?? ["call.started", "call.ended"]) as string[],
    },
    checks: {
      name: required,
      url: (url) => (/^https?:\/\/\S+$/.test(url) ? undefined : t("phonePrograms.urlRule")),
      events: (events) => (events.length > 0 ? undefined : t("ui.required")),
    },
    submit: async () => {
      if (known) await callApi("callWebhookUpdate", { callWebhook: known.id, ...request });
      else props.onSecret((await callApi("callWebhookCreate", { phoneSystem: props.system.id, ...request })).secret);
      await refresh();
      props.onClose();
    },
  });
  const request = { ...form.values, events: form.values.events as CallWebhook["events"] };
  return (
    <FormDialog
      opened
      onClose={props.onClose}
      title={known?.name ?? t("phonePrograms.newWebhook")}
      text={known ? undefined : t("phonePrograms.newWebhookText")}
      form={form}
      size="lg"
      action={t(known ? "ui.save" : "phonePrograms.newWebhook")}
      hint={
        <ApiHint
          route={known ? "callWebhookUpdate" : "callWebhookCreate"}
          args={{ ...(known ? { callWebhook: known.id } : { phoneSystem: props.system.id }), ...request }}
        />
      }
    >
      <TextInput label={t("ui.name")} data-autofocus autoComplete="off" {...form.field("name")} />
      <TextInput
        label={t("phonePrograms.url")}
        type="url"
        placeholder={"https://example.org/calls"}
        autoComplete="off"
        {...form.field("url")}
      />
      <Checkbox.Group label={t("phonePrograms.events")} {...form.choice("events")}>
        <Stack gap="xs" mt="xs">
          {callWebhookEvents.map((event) => (
            <Checkbox key={event} value={event} label={t(`phonePrograms.event.${event}`)} description={event} />
          ))}
        </Stack>
      </Checkbox.Group>
    </FormDialog>
  );
}
