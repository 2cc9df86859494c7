import { Button, NumberInput, Select, Switch, TagsInput, TextInput } from "@mantine/core";
import { IconChevronLeft, IconChevronRight } from "@tabler/icons-react";
import { Link, useParams } from "@tanstack/react-router";
import { useState } from "react";
import type { FeatureCode } from "../../../../services/voice/systems/contract.ts";
import { callApi, invalidate, useApi, useApiList } from "../../../api/api.ts";
import { useCan } from "../../../frame/identity.ts";
import { queries } from "../../../frame/queries.ts";
import { useFormat } from "../../../i18n/format.ts";
import { languageNames, languages, useLanguage, useT } from "../../../i18n/i18n.ts";
import { ConfirmDestroy } from "../../../ui/ConfirmDestroy.tsx";
import { FormDialog } from "../../../ui/FormDialog.tsx";
import { FormSection } from "../../../ui/FormSection.tsx";
import { required, useForm } from "../../../ui/form.ts";
import { DataList } from "../../../ui/list/DataList.tsx";
import { Section } from "../../../ui/Section.tsx";
import { TimeAgo } from "../../../ui/TimeAgo.tsx";
import { countries, timeZones } from "../shared/countries.ts";
import { useExtensionOptions } from "../shared/destinations.ts";
import { narrow } from "../shared/narrow.ts";
import { PhonePage, type PhonePlace, usePhoneHome } from "../shared/PhonePage.tsx";
import { Limits } from "./Limits.tsx";
import { isEmail, MailSettings } from "./MailSettings.tsx";
import { SitePhones } from "./SitePhones.tsx";
import css from "./settings.module.css";

const refresh = () => invalidate(queries, ["phoneSystemList", "phoneSystemGet", "phoneCreditList"]);

/** In the order of the list; each has an address of its own. */
const sections = {
  general: General,
  emergency: Emergency,
  recording: Recording,
  mail: MailSettings,
  limits: Limits,
  balance: Balance,
  codes: Codes,
  site: SitePhones,
  delete: Unmake,
};
type SectionName = keyof typeof sections;

/** On a phone first the list, then one of them; where there is room both. */
export default function PhoneSettingsPage() {
  const t = useT();
  const home = usePhoneHome();
  const admin = useCan()("admin");
  const { section } = useParams({ strict: false });
  const names = (Object.keys(sections) as SectionName[]).filter((name) => admin || name !== "delete");
  const chosen = names.find((name) => name === section);
  const Shown = sections[chosen ?? "general"];
  return (
    <PhonePage tab="settings" text={t("phoneSettings.text")}>
      {(place) => (
        <div className={css.settings} data-chosen={chosen !== undefined || undefined}>
          <nav className={css.list} aria-label={t("phone.tab.settings")}>
            {names.map((name) => (
              <Link
                key={name}
                to={`${home}/settings/${name}`}
                aria-current={name === (chosen ?? "general") ? "page" : undefined}
                data-danger={name === "delete" || undefined}
              >
                {t(name === "balance" ? "phone.overview.balance" : `phoneSettings.${name}`)}
                <IconChevronRight size={16} stroke={1.6} aria-hidden />
              </Link>
            ))}
          </nav>
          {/* What was saved, here or elsewhere, is what the forms begin with. */}
          <div className={css.shown} key={`${chosen} ${place.system.revision}`}>
            <Link to={`${home}/settings`} className={css.back}>
              <IconChevronLeft size={16} aria-hidden />
              {t("phoneSettings.all")}
            </Link>
            <Shown {...place} />
          </div>
        </div>
      )}
    </PhonePage>
  );
}

function General({ system, may }: PhonePlace) {
  const t = useT();
  const language = useLanguage();
  const numbers = useApi("phoneNumberList", { phoneSystem: system.id, limit: 200 }).data?.items ?? [];
  const sounds = useApi("announcementList", { phoneSystem: system.id, limit: 200 }).data?.items ?? [];
  const form = useForm({
    initial: {
      name: system.name,
      domain: system.domain,
      country: system.country,
      language: system.language,
      timeZone: system.timeZone,
      currency: system.currency,
      extensionDigits: system.extensionDigits,
      outsidePrefix: system.outsidePrefix,
      musicOnHold: (system.musicOnHold ?? "") as string,
      defaultNumber: (system.defaultNumber ?? "") as string,
    },
    checks: {
      name: required,
      domain: required,
      currency: (currency) => (/^[A-Z]{3}$/.test(currency) ? undefined : t("phoneSettings.currencyRule")),
      outsidePrefix: (prefix) => (/^\d{0,2}$/.test(prefix) ? undefined : t("phoneSettings.outsidePrefixRule")),
    },
    submit: async ({ defaultNumber, musicOnHold, ...values }) => {
      await callApi("phoneSystemUpdate", {
        phoneSystem: system.id,
        ...values,
        musicOnHold: (musicOnHold || null) as never,
        defaultNumber: (defaultNumber || null) as never,
      });
      await refresh();
    },
  });
  return (
    <FormSection title={t("phoneSettings.general")} form={form} disabled={!may}>
      <TextInput label={t("ui.name")} disabled={!may} {...form.field("name")} />
      <TextInput
        label={t("phone.domain")}
        description={t("phoneSettings.domainText")}
        disabled={!may}
        {...form.field("domain")}
      />
      <Select
        label={t("phone.country")}
        searchable
        limit={50}
        disabled={!may}
        data={countries(language)}
        {...form.choice("country")}
      />
      <Select
        label={t("phone.promptLanguage")}
        disabled={!may}
        data={languages.map((value) => ({ value, label: languageNames[value] }))}
        {...form.choice("language")}
      />
      <Select
        label={t("phone.timeZone")}
        searchable
        limit={50}
        disabled={!may}
        data={timeZones(system.timeZone)}
        {...form.choice("timeZone")}
      />
      <NumberInput
        label={t("phoneSettings.extensionDigits")}
        min={2}
        max={8}
        classNames={narrow}
        disabled={!may}
        {...form.choice("extensionDigits")}
        onChange={(value) => form.set("extensionDigits", Number(value))}
      />
      <TextInput
        label={t("phoneSettings.outsidePrefix")}
        description={t("phoneSettings.outsidePrefixText")}
        inputMode="numeric"
        classNames={narrow}
        disabled={!may}
        {...form.field("outsidePrefix")}
      />
      <TextInput
        label={t("phoneSettings.currency")}
        description={t("phoneSettings.currencyText")}
        classNames={narrow}
        maxLength={3}
        disabled={!may}
        {...form.field("currency")}
      />
      <Select
        label={t("phoneSettings.musicOnHold")}
        description={t("phoneSettings.musicOnHoldText")}
        searchable
        limit={60}
        disabled={!may}
        data={[
          { value: "", label: t("phoneSettings.usualMusic") },
          ...sounds.map(({ id, name }) => ({ value: id as string, label: name })),
        ]}
        {...form.choice("musicOnHold")}
      />
      <Select
        label={t("phoneSettings.defaultNumber")}
        description={t("phoneSettings.defaultNumberText")}
        disabled={!may}
        data={[
          { value: "", label: t("phoneSettings.noNumber") },
          ...numbers.map(({ id, number }) => ({ value: id as string, label: number })),
        ]}
        {...form.choice("defaultNumber")}
      />
    </FormSection>
  );
}

function Emergency({ system, may }: PhonePlace) {
  const t = useT();
  const options = useExtensionOptions(system.id);
  const form = useForm({
    initial: {
      numbers: system.emergency.numbers,
      alertEmails: system.emergency.alertEmails as string[],
      alertExtension: (system.emergency.alertExtension ?? "") as string,
    },
    checks: {
      numbers: (numbers) =>
        numbers.length > 0 && numbers.every((one) => /^\d{2,6}$/.test(one)) ? undefined : t("phoneSettings.emergencyRule"),
      alertEmails: (emails) => (emails.every(isEmail) ? undefined : t("ui.emailInvalid")),
    },
    submit: async ({ numbers, alertEmails, alertExtension }) => {
      await callApi("phoneSystemUpdate", {
        phoneSystem: system.id,
        emergency: { numbers, alertEmails, alertExtension: (alertExtension || null) as never },
      });
      await refresh();
    },
  });
  return (
    <FormSection title={t("phoneSettings.emergency")} text={t("phoneSettings.emergencyText")} form={form} disabled={!may}>
      <TagsInput label={t("phone.emergencyNumbers")} disabled={!may} {...form.choice("numbers")} />
      <TagsInput label={t("phoneSettings.alertEmail")} maxTags={10} disabled={!may} {...form.choice("alertEmails")} />
      <Select
        label={t("phoneSettings.alertExtension")}
        searchable
        limit={60}
        disabled={!may}
        data={[{ value: "", label: t("phoneSettings.nobody") }, ...options]}
        {...form.choice("alertExtension")}
      />
    </FormSection>
  );
}

function Recording({ system, may }: PhonePlace) {
  const t = useT();
  const form = useForm({
    initial: { ...system.recording, maxSeconds: system.voicemail.maxSeconds, voicemailDays: system.voicemail.retentionDays },
    submit: async ({ mode, announce, mayPause, retentionDays, maxSeconds, voicemailDays }) => {
      await callApi("phoneSystemUpdate", {
        phoneSystem: system.id,
        recording: { mode, announce, mayPause, retentionDays },
        voicemail: { maxSeconds, retentionDays: voicemailDays },
      });
      await refresh();
    },
  });
  const days = (name: "retentionDays" | "voicemailDays" | "maxSeconds", most: number) => (
    <NumberInput
      label={t(`phoneSettings.${name}`)}
      min={name === "maxSeconds" ? 10 : 1}
      max={most}
      classNames={narrow}
      disabled={!may}
      {...form.choice(name)}
      onChange={(value) => form.set(name, Number(value))}
    />
  );
  return (
    <FormSection title={t("phoneSettings.recording")} text={t("phoneSettings.recordingText")} form={form} disabled={!may}>
      <Select
        label={t("phone.recording")}
        disabled={!may}
        data={(["off", "on_demand", "all"] as const).map((value) => ({ value, label: t(`phone.recording.${value}`) }))}
        {...form.choice("mode")}
      />
      <Switch
        label={t("phoneSettings.announce")}
        description={t("phoneSettings.announceText")}
        checked={form.values.announce}
        disabled={!may}
        onChange={(event) => form.set("announce", event.currentTarget.checked)}
      />
      <Switch
        label={t("phoneSettings.mayPause")}
        description={t("phoneSettings.mayPauseText")}
        checked={form.values.mayPause}
        disabled={!may}
        onChange={(event) => form.set("mayPause", event.currentTarget.checked)}
      />
      {days("retentionDays", 3650)}
      {days("voicemailDays", 3650)}
      {days("maxSeconds", 1800)}
    </FormSection>
  );
}

function Balance({ system, may }: PhonePlace) {
  const t = useT();
  const format = useFormat();
  const admin = useCan()("admin");
  const [adding, setAdding] = useState(false);
  const credits = useApiList("phoneCreditList", { phoneSystem: system.id });
  return (
    <Section
      title={t("phoneSettings.balance", { amount: format.money(Number(system.balance), system.currency) })}
      text={t(system.isPrepaid ? "phoneSettings.prepaidText" : "phoneSettings.postpaidText")}
      flush
      actions={
        <>
          <Switch
            label={t("phoneSettings.prepaid")}
            checked={system.isPrepaid}
            disabled={!may}
            onChange={(event) =>
              void callApi("phoneSystemUpdate", { phoneSystem: system.id, isPrepaid: event.currentTarget.checked }).then(refresh)
            }
          />
          {admin && (
            <Button variant="default" onClick={() => setAdding(true)}>
              {t("phoneSettings.topUp")}
            </Button>
          )}
        </>
      }
    >
      <DataList
        id="phone-credits"
        label={t("phoneSettings.topUp")}
        list={credits}
        rowKey={({ id }) => id}
        rowName={({ note, kind }) => note ?? kind}
        columns={[
          { key: "kind", header: t("phone.kind"), primary: true, cell: ({ kind }) => t(`phoneSettings.credit.${kind}`) },
          {
            key: "amount",
            header: t("phoneSettings.amount"),
            align: "right",
            cell: ({ amount }) => format.money(Number(amount), system.currency),
          },
          {
            key: "after",
            header: t("phoneSettings.after"),
            align: "right",
            cell: ({ balance }) => format.money(Number(balance), system.currency),
          },
          { key: "note", header: t("phoneSettings.note"), cell: ({ note, by }) => note ?? by?.name ?? "—" },
          { key: "at", header: t("ui.created"), cell: ({ at }) => <TimeAgo at={at} /> },
        ]}
        empty={<p style={{ margin: 0, padding: 20, color: "var(--k-muted)" }}>{t("phoneSettings.noCredits")}</p>}
      />
      {adding && <TopUp system={system} onClose={() => setAdding(false)} />}
    </Section>
  );
}

function TopUp({ system, onClose }: { system: PhonePlace["system"]; onClose: () => void }) {
  const t = useT();
  const form = useForm({
    initial: { amount: "", note: "" },
    checks: { amount: (amount) => (/^\d{1,9}([.,]\d{1,6})?$/.test(amount) ? undefined : t("phoneSettings.decimal")) },
    submit: async ({ amount, note }) => {
      await callApi("phoneCreditCreate", { phoneSystem: system.id, amount: amount.replace(",", "."), ...(note ? { note } : {}) });
      await refresh();
      onClose();
    },
  });
  return (
    <FormDialog opened onClose={onClose} title={t("phoneSettings.topUp")} form={form} action={t("phoneSettings.topUp")}>
      <TextInput
        label={`${t("phoneSettings.amount")} (${system.currency})`}
        inputMode="decimal"
        data-autofocus
        {...form.field("amount")}
      />
      <TextInput label={t("phoneSettings.note")} maxLength={200} {...form.field("note")} />
    </FormDialog>
  );
}

function Codes({ system, may }: PhonePlace) {
  const t = useT();
  const names = Object.keys(system.featureCodes) as FeatureCode[];
  const form = useForm<Record<FeatureCode, string>>({
    initial: Object.fromEntries(names.map((name) => [name, system.featureCodes[name] ?? ""])) as Record<FeatureCode, string>,
    checks: Object.fromEntries(
      names.map((name) => [name, (code: string) => (/^[0-9*#]{0,16}$/.test(code) ? undefined : t("phoneSettings.codeRule"))]),
    ),
    submit: async (values) => {
      await callApi("phoneSystemUpdate", {
        phoneSystem: system.id,
        featureCodes: Object.fromEntries(names.map((name) => [name, values[name] === "" ? null : values[name]])),
      });
      await refresh();
    },
  });
  return (
    <FormSection title={t("phoneSettings.codes")} text={t("phoneSettings.codesText")} form={form} disabled={!may}>
      <div style={{ display: "grid", gridTemplateColumns: "repeat(auto-fill, minmax(220px, 1fr))", gap: 12 }}>
        {names.map((name) => (
          <TextInput
            key={name}
            label={t(`phoneSettings.code.${name}`)}
            placeholder={t("phone.off")}
            disabled={!may}
            autoComplete="off"
            {...form.field(name)}
          />
        ))}
      </div>
    </FormSection>
  );
}

function Unmake({ system }: PhonePlace) {
  const t = useT();
  const admin = useCan()("admin");
  const [asking, setAsking] = useState(false);
  if (!admin) return null;
  return (
    <Section
      danger
      title={t("phoneSettings.delete")}
      text={t("phoneSettings.deleteText")}
      actions={
        <Button variant="default" c="var(--k-bad)" onClick={() => setAsking(true)}>
          {t("phoneSettings.delete")}
        </Button>
      }
    >
      <ConfirmDestroy
        opened={asking}
        onClose={() => setAsking(false)}
        title={t("phoneSettings.deleteTitle", { name: system.name })}
        destroyed={[t("phoneSettings.deleteExtensions"), t("phoneSettings.deleteRecords"), t("phoneSettings.deleteCalls")]}
        kept={[t("phoneSettings.deleteKept")]}
        typeName={system.name}
        action={t("phoneSettings.delete")}
        onConfirm={async () => {
          await callApi("phoneSystemDelete", { phoneSystem: system.id, confirm: system.name });
          await refresh();
        }}
      />
    </Section>
  );
}
