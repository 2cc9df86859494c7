import { Checkbox, Group, Input, Select, Stack, Text, TextInput } from "@mantine/core";
import { useDebouncedValue } from "@mantine/hooks";
import type { ReactNode } from "react";
import { useFormat } from "../../../i18n/format.ts";
import { useT } from "../../../i18n/i18n.ts";
import { ApiHint } from "../../../ui/ApiHint.tsx";
import { FormDialog } from "../../../ui/FormDialog.tsx";
import { required, useForm } from "../../../ui/form.ts";
import { toastDone } from "../../../ui/toast.ts";
import { TagRows } from "../TagRows.tsx";
import { tagProblem } from "../tags.ts";
import { LifecyclePreview } from "./LifecyclePreview.tsx";
import {
  daysOf,
  endsLater,
  filterUnits,
  hasConditions,
  isDay,
  isNewest,
  isSize,
  ruleOf,
  type Step,
  sizesFit,
  stepProblem,
  type Values,
  valuesOf,
} from "./lifecycleForm.ts";
import { StepRows } from "./StepRows.tsx";
import { type LifecycleRule, useSentences } from "./sentences.ts";

const mostTags = 10;

/** What is wrong with the form, each thing at its field. */
function useChecks(taken: (id: string) => boolean) {
  const t = useT();
  const format = useFormat();
  const steps = (given: Step[], timing: Values["timing"]): string | undefined => {
    const problem = stepProblem(given, timing);
    if (problem === undefined) return undefined;
    if (problem.kind !== "order") return t(`bucketSettings.lifecycle.class.problem.${problem.kind}`);
    const { earlier, later, days: count } = problem;
    return t("bucketSettings.lifecycle.class.problem.order", { earlier, later, count });
  };
  const end = t("bucketSettings.lifecycle.class.problem.end");
  const of = (all: never): Values => all as Values;
  return {
    id: (id: string, all: never) => required(id, all) ?? (taken(id.trim()) ? t("bucketSettings.lifecycle.nameTaken") : undefined),
    tags: (rows: Values["tags"]) => tagProblem(rows, t),
    larger: (text: string) => (isSize(text) ? undefined : t("bucketSettings.lifecycle.sizeRule")),
    smaller: (text: string, all: never) =>
      !isSize(text)
        ? t("bucketSettings.lifecycle.sizeRule")
        : sizesFit(of(all))
          ? undefined
          : t("bucketSettings.lifecycle.sizesRule"),
    steps: (given: Step[], all: never) => (of(all).moves ? steps(given, of(all).timing) : undefined),
    oldSteps: (given: Step[], all: never) => (of(all).oldMoves ? steps(given, "days") : undefined),
    days: (text: string, all: never) => {
      const values = of(all);
      if (!values.expires || values.timing === "day") return undefined;
      if (daysOf(text) === undefined) return t("bucketSettings.lifecycle.daysRule", { most: format.number(36_500) });
      return values.moves && !endsLater(values.steps, "days", values) ? end : undefined;
    },
    day: (text: string, all: never) => {
      const values = of(all);
      if (!values.expires || values.timing === "days") return undefined;
      if (!isDay(text)) return t("bucketSettings.lifecycle.dayRule");
      return values.moves && !endsLater(values.steps, "day", values) ? end : undefined;
    },
    oldDays: (text: string, all: never) => {
      const values = of(all);
      if (!values.old) return undefined;
      if (daysOf(text) === undefined) return t("bucketSettings.lifecycle.daysRule", { most: format.number(36_500) });
      return values.oldMoves && !endsLater(values.oldSteps, "days", { days: text, day: "" }) ? end : undefined;
    },
    newest: (text: string, all: never) => (!of(all).old || isNewest(text) ? undefined : t("bucketSettings.lifecycle.keepRule")),
    uploadDays: (text: string, all: never) =>
      !of(all).uploads || hasConditions(of(all)) || daysOf(text) !== undefined
        ? undefined
        : t("bucketSettings.lifecycle.daysRule", { most: format.number(36_500) }),
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
  const sentences = useSentences();
  const enabled = props.rule?.enabled ?? true;
  const form = useForm<Values>({
    initial: valuesOf(props.rule),
    checks: useChecks(props.taken),
    submit: async (values): Promise<void> => {
      const rule = ruleOf(values, enabled);
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
  const rule = ruleOf(values, enabled);
  const [settled] = useDebouncedValue(rule, 400);
  const conditions = hasConditions(values);
  type Switched = "moves" | "expires" | "markers" | "oldMoves" | "old" | "uploads";
  const check = (name: Switched, label: string, isPossible = true) => (
    <Checkbox
      label={label}
      checked={values[name] && isPossible}
      disabled={!isPossible}
      {...(conditions && !isPossible && { description: t("bucketSettings.lifecycle.noConditions") })}
      onChange={(event) => form.set(name, event.currentTarget.checked)}
    />
  );
  const number = (name: "days" | "oldDays" | "newest" | "uploadDays", label: string, description?: string): ReactNode => (
    <TextInput ml={28} maw={280} label={label} description={description} inputMode="numeric" {...form.field(name)} />
  );
  const size = (name: "larger" | "smaller") => (
    <Group align="start" wrap="nowrap" gap="xs" flex="1 1 220px">
      <TextInput
        flex={1}
        label={t(`bucketSettings.lifecycle.${name}`)}
        placeholder={t("bucketSettings.lifecycle.anySize")}
        inputMode="decimal"
        {...form.field(name)}
      />
      <Select
        w={84}
        mt={24}
        aria-label={t("bucketSettings.lifecycle.unitOf", { size: t(`bucketSettings.lifecycle.${name}`) })}
        allowDeselect={false}
        data={filterUnits.map((unit) => ({ value: unit, label: t(`bucketRules.quota.unit.${unit}`) }))}
        {...form.choice(`${name}Unit`)}
      />
    </Group>
  );
  const group = (title: string, children: ReactNode) => (
    <Stack gap="sm" role="group" aria-label={title}>
      <Text fw={600}>{title}</Text>
      {children}
    </Stack>
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
      {group(
        t("bucketSettings.lifecycle.which"),
        <>
          <TextInput
            label={t("bucketSettings.lifecycle.prefix")}
            description={t("bucketSettings.lifecycle.prefixText")}
            spellCheck={false}
            maxLength={1024}
            {...form.field("prefix")}
          />
          <Group align="start" gap="md">
            {size("larger")}
            {size("smaller")}
          </Group>
          <Input.Wrapper label={t("bucketSettings.lifecycle.tags")} labelElement="div" error={form.choice("tags").error}>
            <Stack gap="xs" mt={4}>
              <TagRows rows={values.tags} most={mostTags} onChange={(rows) => form.set("tags", rows)} />
            </Stack>
          </Input.Wrapper>
        </>,
      )}
      {group(
        t("bucketSettings.lifecycle.current"),
        <>
          {(values.moves || values.expires) && (
            <Select
              maw={320}
              label={t("bucketSettings.lifecycle.timing")}
              allowDeselect={false}
              data={(["days", "day"] as const).map((value) => ({ value, label: t(`bucketSettings.lifecycle.timing.${value}`) }))}
              {...form.choice("timing")}
            />
          )}
          {check("moves", t("bucketSettings.lifecycle.moveLabel"))}
          {values.moves && (
            <StepRows
              steps={values.steps}
              timing={values.timing}
              error={form.choice("steps").error}
              onChange={(steps) => form.set("steps", steps)}
            />
          )}
          {check("expires", t("bucketSettings.lifecycle.expireLabel"))}
          {values.expires && values.timing === "days" && number("days", t("bucketSettings.lifecycle.expireDays"))}
          {values.expires && values.timing === "day" && (
            <TextInput ml={28} maw={280} type="date" label={t("bucketSettings.lifecycle.onDay")} {...form.field("day")} />
          )}
        </>,
      )}
      {group(
        t("bucketSettings.lifecycle.olds"),
        <>
          {check("oldMoves", t("bucketSettings.lifecycle.oldMoveLabel"))}
          {values.oldMoves && (
            <StepRows
              steps={values.oldSteps}
              timing="days"
              ofOld
              error={form.choice("oldSteps").error}
              onChange={(steps) => form.set("oldSteps", steps)}
            />
          )}
          {check("old", t("bucketSettings.lifecycle.oldLabel"))}
          {values.old && number("oldDays", t("bucketSettings.lifecycle.oldDays"))}
          {values.old && number("newest", t("bucketSettings.lifecycle.oldKeep"), t("bucketSettings.lifecycle.oldKeepText"))}
        </>,
      )}
      {group(
        t("bucketSettings.lifecycle.remains"),
        <>
          {check("markers", t("bucketSettings.lifecycle.markersLabel"), !values.expires && !conditions)}
          {check("uploads", t("bucketSettings.lifecycle.uploadsLabel"), !conditions)}
          {values.uploads && !conditions && number("uploadDays", t("bucketSettings.lifecycle.uploadsDays"))}
        </>,
      )}
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
