import { MultiSelect, NumberInput, Stack, Switch, TagsInput, TextInput } from "@mantine/core";
import { callApi, invalidate } from "../../../api/api.ts";
import { queries } from "../../../frame/queries.ts";
import { useLanguage, useT } from "../../../i18n/i18n.ts";
import { FormSection } from "../../../ui/FormSection.tsx";
import { useForm } from "../../../ui/form.ts";
import { countries } from "../shared/countries.ts";
import { narrow } from "../shared/narrow.ts";
import type { PhonePlace } from "../shared/PhonePage.tsx";

/** What keeps a stolen password from costing much: how many, how much, where to and when. */
export function Limits({ system, may }: PhonePlace) {
  const t = useT();
  const language = useLanguage();
  const weekday = new Intl.DateTimeFormat(language, { weekday: "long", timeZone: "UTC" });
  const { limits } = system;
  const form = useForm({
    initial: {
      maxExternalCalls: limits.maxExternalCalls,
      maxCostPerDay: (limits.maxCostPerDay ?? "") as string,
      callMinutes: (limits.maxCallSeconds === null ? "" : limits.maxCallSeconds / 60) as number | string,
      // None is not all: a new phone system calls no other country.
      everywhere: limits.allowedCountries === null,
      allowedCountries: (limits.allowedCountries ?? []) as string[],
      blockedPrefixes: limits.blockedPrefixes as string[],
      atHours: limits.internationalHours !== null,
      days: (limits.internationalHours?.days ?? [1, 2, 3, 4, 5]).map(String),
      from: (limits.internationalHours?.from ?? "08:00") as string,
      to: (limits.internationalHours?.to ?? "18:00") as string,
    },
    checks: {
      maxCostPerDay: (amount) => (/^(\d{1,9}([.,]\d{1,6})?)?$/.test(amount) ? undefined : t("phoneSettings.decimal")),
      callMinutes: (minutes) =>
        minutes === "" || (Number(minutes) * 60 >= 10 && Number(minutes) <= 1440)
          ? undefined
          : t("phoneSettings.callMinutesRule"),
      blockedPrefixes: (all) => (all.every((one) => /^\+\d{1,15}$/.test(one)) ? undefined : t("phoneSettings.prefixRule")),
      days: (days) => (days.length > 0 ? undefined : t("ui.required")),
    },
    submit: async ({
      maxExternalCalls,
      maxCostPerDay,
      callMinutes,
      everywhere,
      allowedCountries,
      blockedPrefixes,
      atHours,
      days,
      from,
      to,
    }) => {
      await callApi("phoneSystemUpdate", {
        phoneSystem: system.id,
        limits: {
          maxExternalCalls,
          maxCostPerDay: maxCostPerDay === "" ? null : maxCostPerDay.replace(",", "."),
          maxCallSeconds: callMinutes === "" ? null : Math.round(Number(callMinutes) * 60),
          allowedCountries: everywhere ? null : allowedCountries,
          blockedPrefixes,
          internationalHours: atHours ? { days: days.map(Number).sort(), from, to } : null,
        },
      });
      await invalidate(queries, ["phoneSystemList", "phoneSystemGet"]);
    },
  });
  const { values } = form;
  const names = countries(language);
  const turn = (name: "everywhere" | "atHours") => (
    <Switch
      label={t(`phoneSettings.${name}`)}
      checked={values[name]}
      disabled={!may}
      onChange={(event) => form.set(name, event.currentTarget.checked)}
    />
  );
  return (
    <FormSection title={t("phoneSettings.limits")} text={t("phoneSettings.limitsText")} form={form} disabled={!may}>
      <NumberInput
        label={t("phoneSettings.maxExternalCalls")}
        min={0}
        max={10_000}
        classNames={narrow}
        disabled={!may}
        {...form.choice("maxExternalCalls")}
        onChange={(value) => form.set("maxExternalCalls", Number(value))}
      />
      <TextInput
        label={`${t("phoneSettings.maxCostPerDay")} (${system.currency})`}
        description={t("phoneSettings.maxCostPerDayText")}
        placeholder={t("phoneSettings.noLimit")}
        inputMode="decimal"
        classNames={narrow}
        disabled={!may}
        {...form.field("maxCostPerDay")}
      />
      <NumberInput
        label={t("phoneSettings.callMinutes")}
        description={t("phoneSettings.callMinutesText")}
        placeholder={t("phoneSettings.noLimit")}
        min={0}
        max={1440}
        maw={280}
        disabled={!may}
        {...form.choice("callMinutes")}
        onChange={(value) => form.set("callMinutes", value)}
      />
      {turn("everywhere")}
      {!values.everywhere && (
        <MultiSelect
          label={t("phoneSettings.allowedCountries")}
          description={t("phoneSettings.allowedCountriesText")}
          searchable
          disabled={!may}
          data={names}
          limit={60}
          {...form.choice("allowedCountries")}
        />
      )}
      <TagsInput
        label={t("phoneSettings.blockedPrefixes")}
        {...(values.blockedPrefixes.length > 0 ? {} : { placeholder: "+1900" })}
        disabled={!may}
        {...form.choice("blockedPrefixes")}
      />
      {turn("atHours")}
      {values.atHours && (
        <Stack gap="sm">
          <MultiSelect
            label={t("phoneSettings.days")}
            disabled={!may}
            data={[1, 2, 3, 4, 5, 6, 7].map((day) => ({ value: String(day), label: weekday.format(Date.UTC(2024, 0, day)) }))}
            {...form.choice("days")}
          />
          <TextInput
            label={t("phoneSettings.hoursFrom")}
            type="time"
            classNames={narrow}
            disabled={!may}
            {...form.field("from")}
          />
          <TextInput label={t("phoneSettings.hoursTo")} type="time" classNames={narrow} disabled={!may} {...form.field("to")} />
        </Stack>
      )}
    </FormSection>
  );
}
