import { Checkbox, Stack, Text, TextInput } from "@mantine/core";
import { useDebouncedValue } from "@mantine/hooks";
import type { ReactNode } from "react";
import { useFormat } from "../../../i18n/format.ts";
import { useT } from "../../../i18n/i18n.ts";
import { ApiHint } from "../../../ui/ApiHint.tsx";
import { FormDialog } from "../../../ui/FormDialog.tsx";
import { required, useForm } from "../../../ui/form.ts";
import { toastDone } from "../../../ui/toast.ts";
import { LifecyclePreview } from "./LifecyclePreview.tsx";
import { wholeNumber } from "./numbers.ts";
import { conditionsOf, type LifecycleRule, useSentences } from "./sentences.ts";

interface Values {
  id: string;
  prefix: string;
  expires: boolean;
  days: string;
  markers: boolean;
  old: boolean;
  oldDays: string;
  newest: string;
  uploads: boolean;
  uploadDays: string;
}
const mostDays = 36_500;
const days = (text: string) => wholeNumber(text, 1, mostDays);

const valuesOf = (rule: LifecycleRule | undefined): Values => ({
  id: rule?.id ?? "",
  prefix: rule?.filter?.prefix ?? "",
  expires: rule === undefined || rule.expiration?.days !== undefined,
  days: String(rule?.expiration?.days ?? 30),
  markers: rule?.expiration?.expiredMarkers ?? false,
  old: rule?.noncurrent !== undefined,
  oldDays: String(rule?.noncurrent?.days ?? 30),
  newest: String(rule?.noncurrent?.newerVersions ?? ""),
  uploads: rule?.abortUploadsDays !== undefined,
  uploadDays: String(rule?.abortUploadsDays ?? 7),
});

/** The rule that is meant, or undefined while it says nothing or something is missing. */
function ruleOf(values: Values, before: LifecycleRule | undefined): LifecycleRule | undefined {
  const { prefix: _, ...conditions } = before?.filter ?? {};
  const [expiry, old, uploads] = [days(values.days), days(values.oldDays), days(values.uploadDays)];
  const newest = values.newest.trim() === "" ? undefined : wholeNumber(values.newest, 1, 100);
  if ((values.expires && !expiry) || (values.old && !old) || (values.uploads && !uploads)) return undefined;
  if (values.old && values.newest.trim() !== "" && newest === undefined) return undefined;
  const at = before?.expiration?.at;
  const expiration = values.expires
    ? { days: expiry }
    : values.markers
      ? { expiredMarkers: true }
      : at === undefined
        ? undefined
        : { at };
  const { transitions, noncurrentTransitions } = before ?? {};
  if (!expiration && !values.old && !values.uploads && !transitions && !noncurrentTransitions) return undefined;
  return {
    id: values.id.trim() || "rule",
    enabled: before?.enabled ?? true,
    filter: { ...(values.prefix === "" ? {} : { prefix: values.prefix }), ...conditions },
    ...(expiration && { expiration }),
    ...(values.old && { noncurrent: { days: old as number, ...(newest !== undefined && { newerVersions: newest }) } }),
    ...(values.uploads && { abortUploadsDays: uploads as number }),
    // What a program has said stays.
    ...(transitions && { transitions }),
    ...(noncurrentTransitions && { noncurrentTransitions }),
  };
}

export function LifecycleDialog(props: {
  bucket: string;
  rule: LifecycleRule | undefined;
  taken: (id: string) => boolean;
  onClose: () => void;
  onSave: (rule: LifecycleRule) => Promise<void>;
}) {
  const t = useT();
  const format = useFormat();
  const sentences = useSentences();
  const daysCheck = (on: keyof Values) => (text: string, all: never) =>
    !(all as Values)[on] || days(text) !== undefined ? undefined : t("bucketSettings.lifecycle.daysRule");
  const form = useForm<Values>({
    initial: valuesOf(props.rule),
    checks: {
      id: (id, all) => required(id, all) ?? (props.taken(id.trim()) ? t("bucketSettings.lifecycle.nameTaken") : undefined),
      days: daysCheck("expires"),
      oldDays: daysCheck("old"),
      uploadDays: daysCheck("uploads"),
      newest: (text, all) =>
        !(all as Values).old || text.trim() === "" || wholeNumber(text, 1, 100) !== undefined
          ? undefined
          : t("bucketSettings.lifecycle.keepRule"),
    },
    submit: async (values): Promise<void> => {
      const rule = ruleOf(values, props.rule);
      if (!rule) {
        form.setProblem(t("bucketSettings.lifecycle.nothing"));
        return;
      }
      await props.onSave(rule);
      toastDone(t("bucketSettings.lifecycle.saved", { name: rule.id }));
      props.onClose();
    },
  });
  const { values } = form;
  const rule = ruleOf(values, props.rule);
  const [settled] = useDebouncedValue(rule, 400);
  const conditions = props.rule ? conditionsOf(props.rule, t, format) : "";
  const at = props.rule?.expiration?.at;
  const check = (name: "expires" | "markers" | "old" | "uploads", label: string, disabled = false) => (
    <Checkbox
      label={label}
      checked={values[name]}
      disabled={disabled}
      onChange={(event) => form.set(name, event.currentTarget.checked)}
    />
  );
  const number = (name: "days" | "oldDays" | "newest" | "uploadDays", label: string, description?: string): ReactNode => (
    <TextInput ml={28} maw={280} label={label} description={description} inputMode="numeric" {...form.field(name)} />
  );
  return (
    <FormDialog
      opened
      size="lg"
      onClose={props.onClose}
      title={props.rule ? t("bucketSettings.lifecycle.edit", { name: props.rule.id }) : t("bucketSettings.lifecycle.new")}
      form={form}
      action={t("ui.save")}
      hint={<ApiHint route="bucketLifecycleUpdate" args={{ bucket: props.bucket, rules: rule ? [rule] : [] }} />}
    >
      <TextInput label={t("bucketSettings.lifecycle.name")} maxLength={255} data-autofocus {...form.field("id")} />
      <TextInput
        label={t("bucketSettings.lifecycle.prefix")}
        description={t("bucketSettings.lifecycle.prefixText")}
        spellCheck={false}
        maxLength={1024}
        {...form.field("prefix")}
      />
      {conditions !== "" && <Text size="sm">{t("bucketSettings.lifecycle.conditions", { conditions })}</Text>}
      <Stack gap="sm">
        {check("expires", t("bucketSettings.lifecycle.expireLabel"))}
        {values.expires && number("days", t("bucketSettings.lifecycle.expireDays"))}
        {!values.expires && at !== undefined && (
          <Text size="sm" ml={28}>
            {t("bucketSettings.lifecycle.dateStays", { date: format.date(at) })}
          </Text>
        )}
        {(props.rule?.transitions ?? props.rule?.noncurrentTransitions) && (
          <Text size="sm">{t("bucketSettings.lifecycle.class.stays")}</Text>
        )}
        {check("old", t("bucketSettings.lifecycle.oldLabel"))}
        {values.old && number("oldDays", t("bucketSettings.lifecycle.oldDays"))}
        {values.old && number("newest", t("bucketSettings.lifecycle.oldKeep"), t("bucketSettings.lifecycle.oldKeepText"))}
        {check("markers", t("bucketSettings.lifecycle.markersLabel"), values.expires || conditions !== "")}
        {check("uploads", t("bucketSettings.lifecycle.uploadsLabel"), conditions !== "")}
        {values.uploads && number("uploadDays", t("bucketSettings.lifecycle.uploadsDays"))}
      </Stack>
      {rule && (
        <div>
          {sentences(rule).map((sentence) => (
            <Text key={sentence}>{sentence}</Text>
          ))}
          {settled && <LifecyclePreview bucket={props.bucket} rule={settled} />}
        </div>
      )}
    </FormDialog>
  );
}
