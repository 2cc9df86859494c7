import { Accordion, Button, NumberInput, PasswordInput, Radio, Select, Stack, TagsInput, TextInput } from "@mantine/core";
import { IconPencil, IconPlus, IconPower, IconTrash } from "@tabler/icons-react";
import { useState } from "react";
import type { Trunk } from "../../../../services/voice/trunks/contract.ts";
import { callApi, invalidate, useApiList } from "../../../api/api.ts";
import { queries } from "../../../frame/queries.ts";
import { useT } from "../../../i18n/i18n.ts";
import { ApiHint } from "../../../ui/ApiHint.tsx";
import { ConfirmDestroy } from "../../../ui/ConfirmDestroy.tsx";
import { EmptyState } from "../../../ui/EmptyState.tsx";
import { FormDialog } from "../../../ui/FormDialog.tsx";
import { required, useForm } from "../../../ui/form.ts";
import { DataList } from "../../../ui/list/DataList.tsx";
import { StatusBadge, type Tone } from "../../../ui/StatusBadge.tsx";
import { TimeAgo } from "../../../ui/TimeAgo.tsx";
import { toastError } from "../../../ui/toast.ts";
import { PhonePage, type PhonePlace } from "../shared/PhonePage.tsx";

const tones: Record<Trunk["state"], Tone> = {
  unknown: "off",
  ready: "good",
  registering: "busy",
  failed: "bad",
  disabled: "off",
};
const refresh = () => invalidate(queries, ["trunkList", "trunkGet"]);

export default function TrunksPage() {
  const t = useT();
  const [making, setMaking] = useState(false);
  return (
    <PhonePage
      tab="trunks"
      text={t("phoneLines.trunks.text")}
      actions={({ may }) =>
        may && (
          <Button leftSection={<IconPlus size={16} aria-hidden />} onClick={() => setMaking(true)}>
            {t("phoneLines.trunks.new")}
          </Button>
        )
      }
    >
      {(place) => (
        <>
          <Trunks {...place} onNew={() => setMaking(true)} />
          {making && <TrunkDialog place={place} onClose={() => setMaking(false)} />}
        </>
      )}
    </PhonePage>
  );
}

function Trunks({ onNew, ...place }: PhonePlace & { onNew: () => void }) {
  const t = useT();
  const { system, may } = place;
  const [changing, setChanging] = useState<Trunk>();
  const [removing, setRemoving] = useState<Trunk>();
  const list = useApiList("trunkList", { phoneSystem: system.id });
  return (
    <>
      <DataList<Trunk>
        id="phone-trunks"
        label={t("phone.tab.trunks")}
        list={list}
        rowKey={({ id }) => id}
        rowName={({ name }) => name}
        {...(may ? { onOpen: setChanging } : {})}
        columns={[
          { key: "name", header: t("ui.name"), primary: true, width: "minmax(140px, 1.2fr)", cell: ({ name }) => name },
          {
            key: "state",
            header: t("phone.state"),
            width: "minmax(130px, 170px)",
            phone: "bare",
            cell: ({ state, stateReason }) => (
              <span title={stateReason}>
                <StatusBadge tone={tones[state]}>{t(`phoneLines.trunkState.${state}`)}</StatusBadge>
              </span>
            ),
          },
          {
            key: "host",
            header: t("phoneLines.host"),
            width: "minmax(160px, 1.2fr)",
            cell: ({ host, port }) => (port ? `${host}:${port}` : host),
          },
          { key: "kind", header: t("phone.kind"), cell: ({ kind }) => t(`phoneLines.trunkKind.${kind}`) },
          { key: "since", header: t("phone.since"), optional: true, cell: ({ stateAt }) => <TimeAgo at={stateAt} /> },
        ]}
        {...(may
          ? {
              rowActions: (row) => [
                { label: t("phone.edit"), icon: IconPencil, onClick: () => setChanging(row) },
                {
                  label: t(row.enabled ? "phoneLines.turnOff" : "phoneLines.turnOn"),
                  icon: IconPower,
                  onClick: () =>
                    void callApi("trunkUpdate", { trunk: row.id, enabled: !row.enabled }).then(refresh).catch(toastError),
                },
                { label: t("phone.delete"), icon: IconTrash, danger: true, onClick: () => setRemoving(row) },
              ],
            }
          : {})}
        empty={
          <EmptyState
            picture="key"
            title={t("phoneLines.trunks.empty")}
            text={t("phoneLines.trunks.emptyText")}
            action={may && <Button onClick={onNew}>{t("phoneLines.trunks.new")}</Button>}
          />
        }
      />
      {changing && <TrunkDialog place={place} known={changing} onClose={() => setChanging(undefined)} />}
      {removing && (
        <ConfirmDestroy
          opened
          onClose={() => setRemoving(undefined)}
          title={t("phone.deleteTitle", { name: removing.name })}
          destroyed={[t("phoneLines.trunks.deleteText"), t("phoneLines.trunks.deleteRates")]}
          kept={[t("phone.deleteKept")]}
          typeName={removing.name}
          action={t("phone.delete")}
          onConfirm={async () => {
            await callApi("trunkDelete", { trunk: removing.id });
            await refresh();
          }}
        />
      )}
    </>
  );
}

const formats = ["e164_plus", "e164", "national"] as const;

function TrunkDialog({ place, known, onClose }: { place: PhonePlace; known?: Trunk; onClose: () => void }) {
  const t = useT();
  const form = useForm({
    initial: {
      name: known?.name ?? "",
      kind: known?.kind ?? ("registration" as Trunk["kind"]),
      host: known?.host ?? "",
      port: (known?.port ?? "") as number | "",
      transport: known?.transport ?? ("udp" as Trunk["transport"]),
      userName: known?.userName ?? "",
      password: "",
      sourceAddresses: (known?.sourceAddresses ?? []) as string[],
      maxCalls: (known?.maxCalls ?? "") as number | "",
      mediaEncryption: known?.mediaEncryption ?? ("off" as Trunk["mediaEncryption"]),
      callerIdFormat: known?.callerIdFormat ?? ("e164_plus" as Trunk["callerIdFormat"]),
      dialFormat: known?.dialFormat ?? ("e164_plus" as Trunk["dialFormat"]),
      stripDigits: known?.stripDigits ?? 0,
      addPrefix: known?.addPrefix ?? "",
      outboundProxy: known?.outboundProxy ?? "",
      fromDomain: known?.fromDomain ?? "",
    },
    checks: { name: required, host: required },
    submit: async () => {
      await callApi(route, request as never);
      await refresh();
      onClose();
    },
  });
  const { password, port, maxCalls, outboundProxy, fromDomain, userName, ...values } = form.values;
  const route = known ? "trunkUpdate" : "trunkCreate";
  const shown = {
    ...(known ? { trunk: known.id } : { phoneSystem: place.system.id }),
    ...values,
    port: port === "" ? null : port,
    maxCalls: maxCalls === "" ? null : maxCalls,
    userName: userName || null,
    outboundProxy: outboundProxy || null,
    fromDomain: fromDomain || null,
  };
  const request = { ...shown, ...(password ? { password } : {}) };
  const choice = <K extends "transport" | "mediaEncryption">(name: K, all: readonly string[]) => (
    <Select
      label={t(`phoneLines.${name}` as "phoneLines.transport")}
      data={all.map((value) => ({ value, label: t(`phoneLines.${name}.${value}` as "phoneLines.transport.udp") }))}
      {...(form.choice(name) as object)}
    />
  );
  return (
    <FormDialog
      opened
      onClose={onClose}
      title={known?.name ?? t("phoneLines.trunks.new")}
      text={known ? undefined : t("phoneLines.trunks.newText")}
      form={form}
      size="lg"
      action={t(known ? "ui.save" : "phoneLines.trunks.new")}
      hint={<ApiHint route={route} args={shown} />}
    >
      <TextInput label={t("ui.name")} data-autofocus autoComplete="off" {...form.field("name")} />
      <Radio.Group label={t("phone.kind")} {...form.choice("kind")} onChange={(kind) => form.set("kind", kind as "ip")}>
        <Stack gap="sm" mt="xs">
          {(["registration", "ip"] as const).map((kind) => (
            <Radio
              key={kind}
              value={kind}
              label={t(`phoneLines.trunkKind.${kind}`)}
              description={t(`phoneLines.trunkKind.${kind}Text`)}
            />
          ))}
        </Stack>
      </Radio.Group>
      <TextInput
        label={t("phoneLines.host")}
        placeholder={"sip.example.org"}
        autoCapitalize="none"
        autoComplete="off"
        spellCheck={false}
        {...form.field("host")}
      />
      {form.values.kind === "registration" ? (
        <>
          <TextInput label={t("phoneLines.userName")} autoComplete="off" {...form.field("userName")} />
          <PasswordInput
            label={t("ui.password")}
            description={known?.hasPassword ? t("phoneLines.passwordKept") : undefined}
            autoComplete="new-password"
            {...form.field("password")}
          />
        </>
      ) : (
        <TagsInput
          label={t("phoneLines.sources")}
          description={t("phoneLines.sourcesText")}
          placeholder="203.0.113.0/28"
          {...form.choice("sourceAddresses")}
        />
      )}
      <Accordion variant="contained">
        <Accordion.Item value="more">
          <Accordion.Control>{t("phone.more")}</Accordion.Control>
          <Accordion.Panel>
            <Stack gap="md">
              {choice("transport", ["udp", "tcp", "tls"])}
              <NumberInput
                label={t("phoneLines.port")}
                description={t("phoneLines.portText")}
                min={1}
                max={65_535}
                {...form.choice("port")}
                onChange={(value) => form.set("port", value === "" ? "" : Number(value))}
              />
              {choice("mediaEncryption", ["off", "optional", "required"])}
              <NumberInput
                label={t("phoneLines.maxCalls")}
                description={t("phoneLines.maxCallsText")}
                min={1}
                {...form.choice("maxCalls")}
                onChange={(value) => form.set("maxCalls", value === "" ? "" : Number(value))}
              />
              {(["callerIdFormat", "dialFormat"] as const).map((name) => (
                <Select
                  key={name}
                  label={t(`phoneLines.${name}`)}
                  data={formats.map((value) => ({ value, label: t(`phoneLines.format.${value}`) }))}
                  {...form.choice(name)}
                />
              ))}
              <NumberInput
                label={t("phoneLines.stripDigits")}
                min={0}
                max={15}
                {...form.choice("stripDigits")}
                onChange={(value) => form.set("stripDigits", Number(value))}
              />
              <TextInput label={t("phoneLines.addPrefix")} {...form.field("addPrefix")} />
              <TextInput
                label={t("phoneLines.outboundProxy")}
                placeholder={"proxy.example.org:5060"}
                {...form.field("outboundProxy")}
              />
              <TextInput label={t("phoneLines.fromDomain")} {...form.field("fromDomain")} />
            </Stack>
          </Accordion.Panel>
        </Accordion.Item>
      </Accordion>
    </FormDialog>
  );
}
