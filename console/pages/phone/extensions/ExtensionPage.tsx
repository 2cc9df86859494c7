import { Button, NumberInput, Select, Switch, TextInput } from "@mantine/core";
import { IconPhone, IconTrash } from "@tabler/icons-react";
import { useNavigate, useParams } from "@tanstack/react-router";
import { useState } from "react";
import type { Extension } from "../../../../services/voice/extensions/contract.ts";
import { callApi, useApi } from "../../../api/api.ts";
import { useCan } from "../../../frame/identity.ts";
import { NotFoundPage } from "../../../frame/NotFoundPage.tsx";
import { useT } from "../../../i18n/i18n.ts";
import { ErrorPage } from "../../../ui/ErrorPage.tsx";
import { FormSection } from "../../../ui/FormSection.tsx";
import { required, useForm } from "../../../ui/form.ts";
import { PageHeader } from "../../../ui/PageHeader.tsx";
import { PageSkeleton } from "../../../ui/PageSkeleton.tsx";
import { Facts, Section } from "../../../ui/Section.tsx";
import { CallList } from "../records/CallList.tsx";
import { narrow } from "../shared/narrow.ts";
import { usePhoneHome } from "../shared/PhonePage.tsx";
import { useCall } from "../softphone/callWith.ts";
import { Devices } from "./Devices.tsx";
import { ExtensionDelete } from "./ExtensionDelete.tsx";
import { MemberSelect } from "./MemberSelect.tsx";
import { ForwardingForm, refreshExtension, VoicemailForm } from "./Personal.tsx";
import { type PinChange, PinField, pinBody, pinFits } from "./PinField.tsx";
import { PresenceBadge } from "./PresenceBadge.tsx";

const tabs = ["overview", "devices", "forwarding", "voicemail", "permissions", "activity"] as const;

export default function ExtensionPage() {
  const t = useT();
  const navigate = useNavigate();
  const params = useParams({ strict: false }) as { extension: string; tab?: string };
  const home = usePhoneHome();
  const may = useCan()("editor");
  const call = useCall();
  const [removing, setRemoving] = useState(false);
  const query = useApi("extensionGet", { extension: params.extension as never });
  if (query.error && !query.data) return <ErrorPage error={query.error} reset={() => void query.refetch()} />;
  if (!query.data) return <PageSkeleton />;
  const extension = query.data;
  const tab = tabs.find((one) => one === params.tab) ?? (params.tab === undefined ? "overview" : undefined);
  if (tab === undefined) return <NotFoundPage />;
  const here = `${home}/extensions/${extension.id}`;
  const given = { extension, may, own: false };
  return (
    <>
      <PageHeader
        title={extension.name}
        badge={<PresenceBadge presence={extension.presence} />}
        text={t("phone.extension.text", { number: extension.number })}
        back={{ to: `${home}/extensions`, label: t("phone.tab.extensions") }}
        tabs={tabs.map((one) => ({
          to: one === "overview" ? here : `${here}/${one}`,
          label: t(`phone.extension.tab.${one}`),
          active: one === tab,
        }))}
        actions={
          <>
            {call && (
              <Button leftSection={<IconPhone size={16} aria-hidden />} onClick={() => call(extension.number)}>
                {t("phone.call")}
              </Button>
            )}
            {may && (
              <Button variant="default" leftSection={<IconTrash size={16} aria-hidden />} onClick={() => setRemoving(true)}>
                {t("phone.extension.delete")}
              </Button>
            )}
          </>
        }
      />
      {tab === "overview" && <Overview key={extension.revision} {...given} />}
      {tab === "devices" && <Devices extension={extension.id} may={may} own={false} />}
      {tab === "forwarding" && <ForwardingForm key={extension.revision} {...given} />}
      {tab === "voicemail" && <VoicemailForm key={extension.revision} {...given} />}
      {tab === "permissions" && <Permissions key={extension.revision} {...given} />}
      {tab === "activity" && <CallList phoneSystem={extension.phoneSystemId} extension={extension.id} mine={false} />}
      {removing && (
        <ExtensionDelete
          extensions={[extension]}
          onClose={() => setRemoving(false)}
          onGone={() => void navigate({ to: `${home}/extensions` })}
        />
      )}
    </>
  );
}

function Overview({ extension, may }: { extension: Extension; may: boolean }) {
  const t = useT();
  const form = useForm({
    initial: {
      name: extension.name,
      number: extension.number as string,
      user: (extension.userId ?? "") as string,
      callerName: extension.callerName ?? "",
      pickupGroup: extension.pickupGroup ?? "",
      inDirectory: extension.inDirectory,
      hotDeskPin: "" as PinChange,
    },
    checks: {
      name: required,
      number: (number) => (/^\d{2,8}$/.test(number) ? undefined : t("phone.numberRule")),
      hotDeskPin: (pin) => (pinFits(pin) ? undefined : t("phone.pinRule")),
    },
    submit: async ({ user, callerName, pickupGroup, hotDeskPin, ...values }) => {
      await callApi("extensionUpdate", {
        extension: extension.id,
        ...values,
        user: (user || null) as never,
        callerName: callerName || null,
        pickupGroup: pickupGroup || null,
        ...pinBody("hotDeskPin", hotDeskPin),
      });
      form.set("hotDeskPin", "");
      await refreshExtension();
    },
  });
  return (
    <>
      <Section title={t("phone.overview")}>
        <Facts
          items={[
            [t("phone.number"), extension.number],
            [t("phone.state"), <PresenceBadge key="state" presence={extension.presence} />],
            [t("phone.tab.voicemail"), t(extension.voicemail.enabled ? "phone.on" : "phone.off")],
            [t("phone.doNotDisturb"), t(extension.doNotDisturb ? "phone.on" : "phone.off")],
          ]}
        />
      </Section>
      <FormSection title={t("phone.extension.who")} form={form} disabled={!may}>
        <TextInput label={t("ui.name")} disabled={!may} autoComplete="off" {...form.field("name")} />
        <TextInput label={t("phone.number")} disabled={!may} inputMode="numeric" classNames={narrow} {...form.field("number")} />
        {may && <MemberSelect value={form.values.user} onChange={(user) => form.set("user", user)} />}
        <TextInput
          label={t("phone.extension.callerName")}
          placeholder={form.values.name}
          disabled={!may}
          {...form.field("callerName")}
        />
        <TextInput
          label={t("phone.extension.pickupGroup")}
          description={t("phone.extension.pickupGroupText")}
          disabled={!may}
          classNames={narrow}
          {...form.field("pickupGroup")}
        />
        <PinField
          label={t("phone.extension.hotDeskPin")}
          isSet={extension.hasHotDeskPin}
          none={t("phone.extension.hotDeskNone")}
          value={form.values.hotDeskPin}
          error={form.choice("hotDeskPin").error}
          disabled={!may}
          onChange={(pin) => form.set("hotDeskPin", pin)}
        />
        <Switch
          label={t("phone.extension.inDirectory")}
          checked={form.values.inDirectory}
          disabled={!may}
          onChange={(event) => form.set("inDirectory", event.currentTarget.checked)}
        />
      </FormSection>
    </>
  );
}

const permissions = ["internal", "national", "mobile", "international", "premium"] as const;
const recordings = ["", "off", "on_demand", "all"] as const;

function Permissions({ extension, may }: { extension: Extension; may: boolean }) {
  const t = useT();
  const system = useApi("phoneSystemGet", { phoneSystem: extension.phoneSystemId }).data;
  const numbers = useApi("phoneNumberList", { phoneSystem: extension.phoneSystemId, limit: 200 }).data?.items ?? [];
  const isAmount = (amount: string) => (/^(\d{1,9}([.,]\d{1,6})?)?$/.test(amount) ? undefined : t("phoneSettings.decimal"));
  const amountOf = (amount: string) => (amount === "" ? null : amount.replace(",", "."));
  const form = useForm({
    initial: {
      ...extension.permissions,
      callerNumber: (extension.callerNumber ?? "") as string,
      hideNumber: extension.hideNumber,
      recording: (extension.recording ?? "") as (typeof recordings)[number],
      maxCalls: extension.maxCalls,
      maxCostPerDay: (extension.limits.maxCostPerDay ?? "") as string,
      maxCostPerMonth: (extension.limits.maxCostPerMonth ?? "") as string,
    },
    checks: { maxCostPerDay: isAmount, maxCostPerMonth: isAmount },
    submit: async ({ callerNumber, hideNumber, recording, maxCalls, maxCostPerDay, maxCostPerMonth, ...allowed }) => {
      await callApi("extensionUpdate", {
        extension: extension.id,
        permissions: allowed,
        callerNumber: (callerNumber || null) as never,
        hideNumber,
        recording: recording === "" ? null : recording,
        maxCalls,
        limits: { maxCostPerDay: amountOf(maxCostPerDay), maxCostPerMonth: amountOf(maxCostPerMonth) },
      });
      await refreshExtension();
    },
  });
  return (
    <FormSection title={t("phone.permissions")} text={t("phone.permissionsText")} form={form} disabled={!may}>
      {permissions.map((name) => (
        <Switch
          key={name}
          label={t(`phone.permission.${name}`)}
          checked={form.values[name]}
          disabled={!may}
          onChange={(event) => form.set(name, event.currentTarget.checked)}
        />
      ))}
      <Select
        label={t("phone.extension.callerNumber")}
        disabled={!may}
        data={[
          { value: "", label: t("phone.extension.defaultNumber") },
          ...numbers.map(({ id, number, label }) => ({ value: id as string, label: label ? `${number} · ${label}` : number })),
        ]}
        {...form.choice("callerNumber")}
      />
      <Switch
        label={t("phone.extension.hideNumber")}
        checked={form.values.hideNumber}
        disabled={!may}
        onChange={(event) => form.set("hideNumber", event.currentTarget.checked)}
      />
      <Select
        label={t("phone.recording")}
        disabled={!may}
        data={recordings.map((value) => ({ value, label: t(value === "" ? "phone.asSystem" : `phone.recording.${value}`) }))}
        {...form.choice("recording")}
      />
      <NumberInput
        label={t("phone.extension.maxCalls")}
        min={1}
        max={20}
        classNames={narrow}
        disabled={!may}
        {...form.choice("maxCalls")}
        onChange={(value) => form.set("maxCalls", Number(value))}
      />
      {(["maxCostPerDay", "maxCostPerMonth"] as const).map((name) => (
        <TextInput
          key={name}
          label={`${t(`phone.extension.${name}`)}${system ? ` (${system.currency})` : ""}`}
          description={t("phone.extension.maxCostText")}
          placeholder={t("phoneSettings.noLimit")}
          inputMode="decimal"
          maw={280}
          disabled={!may}
          {...form.field(name)}
        />
      ))}
    </FormSection>
  );
}
