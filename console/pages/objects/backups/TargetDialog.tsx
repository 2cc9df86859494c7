import { Checkbox, Group, NumberInput, PasswordInput, Select, Stack, TextInput } from "@mantine/core";
import type { Bucket } from "../../../../services/objects/contract.ts";
import { type Answer, client, invalidate } from "../../../api/api.ts";
import { queries } from "../../../frame/queries.ts";
import { useFormat } from "../../../i18n/format.ts";
import { useT } from "../../../i18n/i18n.ts";
import { FormDialog } from "../../../ui/FormDialog.tsx";
import { required, useForm } from "../../../ui/form.ts";
import { toastDone } from "../../../ui/toast.ts";

type Target = NonNullable<Answer<"bucketBackupTargetGet">["target"]>;
export type Every = "never" | "hour" | "day" | "week" | "other";
const hours = Array.from({ length: 24 }, (_, hour) => ({
  value: String(hour),
  label: `${String(hour).padStart(2, "0")}:00 UTC`,
}));

/** What a schedule means in words; "other" is one that somebody wrote by hand. */
export function momentOf(schedule: string | undefined): { every: Every; hour: number } {
  if (schedule === undefined) return { every: "never", hour: 2 };
  if (schedule === "@hourly") return { every: "hour", hour: 2 };
  const [, hour, weekday] = /^0 (\d{1,2}) \* \* (\*|0)$/.exec(schedule) ?? [];
  if (hour === undefined) return { every: "other", hour: 2 };
  return { every: weekday === "*" ? "day" : "week", hour: Number(hour) };
}

function scheduleOf(every: Every, hour: number, before: string | undefined): string | undefined {
  if (every === "hour") return "@hourly";
  if (every === "day") return `0 ${hour} * * *`;
  if (every === "week") return `0 ${hour} * * 0`;
  return every === "other" ? before : undefined;
}

export function TargetDialog({ bucket, target, onClose }: { bucket: Bucket; target: Target | undefined; onClose: () => void }) {
  const t = useT();
  const format = useFormat();
  const moment = momentOf(target ? target.schedule : "0 2 * * *");
  const form = useForm({
    initial: {
      targetEndpoint: target?.targetEndpoint ?? "",
      region: target?.region ?? "us-east-1",
      targetBucket: target?.targetBucket ?? "",
      prefix: target?.prefix ?? `${bucket.name}/`,
      pathStyle: target?.pathStyle ?? true,
      accessKeyId: target?.accessKeyId ?? "",
      secretAccessKey: "",
      every: moment.every as Every,
      hour: String(moment.hour),
      keepDays: target?.keepDays ?? 30,
      keepLast: target?.keepLast ?? 3,
      takeOver: false,
    },
    checks: {
      targetEndpoint: (text, all) =>
        required(text, all) ?? (/^https?:\/\/[^/]+\/?$/.test(text.trim()) ? undefined : t("bucketBackups.target.endpointRule")),
      region: required,
      targetBucket: required,
      accessKeyId: required,
      ...(target ? {} : { secretAccessKey: required }),
    },
    submit: async ({ every, hour, secretAccessKey, targetEndpoint, ...rest }) => {
      const schedule = scheduleOf(every, Number(hour), target?.schedule);
      await client.bucketBackupTargetUpdate({
        ...rest,
        bucket: bucket.name,
        targetEndpoint: targetEndpoint.trim(),
        ...(secretAccessKey !== "" && { secretAccessKey }),
        ...(schedule !== undefined && { schedule }),
      });
      toastDone(t("bucketBackups.target.saved"));
      onClose();
      await invalidate(queries, ["bucketBackupTargetGet", "bucketBackupList"]);
    },
  });
  const { values } = form;
  const setEndpoint = (event: { currentTarget: { value: string } }) => {
    const endpoint = event.currentTarget.value;
    form.set("targetEndpoint", endpoint);
    const amazon = /^https:\/\/s3[.-]([a-z]+-[a-z-]+-\d)\.amazonaws\.com/.exec(endpoint)?.[1];
    if (amazon !== undefined) form.set("region", amazon);
  };
  const here = new Date();
  here.setUTCHours(Number(values.hour), 0, 0, 0);
  const plain = { spellCheck: false, autoComplete: "off" } as const;
  const everies = (["never", "hour", "day", "week"] as const).map((value) => ({
    value,
    label: t(`bucketBackups.when.${value}`),
  }));
  return (
    <FormDialog
      opened
      size="lg"
      onClose={onClose}
      title={target ? t("bucketBackups.target.changeTitle", { bucket: bucket.name }) : t("bucketBackups.target.set")}
      text={t("bucketBackups.target.text")}
      form={form}
      action={t("bucketBackups.target.save")}
    >
      <TextInput
        label={t("bucketBackups.target.endpoint")}
        description={t("bucketBackups.target.endpointText")}
        placeholder="https://s3.example.org"
        data-autofocus
        {...plain}
        {...form.field("targetEndpoint")}
        onChange={setEndpoint}
      />
      <Group grow align="flex-start">
        <TextInput label={t("bucketBackups.target.bucket")} {...plain} {...form.field("targetBucket")} />
        <TextInput label={t("bucketBackups.target.region")} {...plain} {...form.field("region")} />
      </Group>
      <TextInput
        label={t("bucketBackups.target.prefix")}
        description={t("bucketBackups.target.prefixText")}
        {...plain}
        {...form.field("prefix")}
      />
      <Group grow align="flex-start">
        <TextInput label={t("bucketBackups.target.key")} {...plain} {...form.field("accessKeyId")} />
        <PasswordInput
          label={t("bucketBackups.target.secret")}
          {...(target && { placeholder: t("bucketBackups.target.secretKept") })}
          autoComplete="new-password"
          {...form.field("secretAccessKey")}
        />
      </Group>
      <Group grow align="flex-start">
        <Select
          label={t("bucketBackups.target.every")}
          allowDeselect={false}
          data={moment.every === "other" ? [...everies, { value: "other", label: target?.schedule ?? "" }] : everies}
          {...form.choice("every")}
          onChange={(every) => every !== null && form.set("every", every as Every)}
        />
        {(values.every === "day" || values.every === "week") && (
          <Select
            label={t("bucketBackups.target.hour")}
            allowDeselect={false}
            data={hours}
            inputWrapperOrder={["label", "input", "description", "error"]}
            {...(here.getTimezoneOffset() !== 0 && {
              description: t("bucketBackups.target.hourHere", { time: format.time(here) }),
            })}
            {...form.choice("hour")}
          />
        )}
      </Group>
      <Group grow align="flex-start">
        <NumberInput
          label={t("bucketBackups.target.keepDays")}
          min={1}
          max={3650}
          allowDecimal={false}
          {...form.choice("keepDays")}
          onChange={(value) => form.set("keepDays", Number(value))}
        />
        <NumberInput
          label={t("bucketBackups.target.keepLast")}
          min={1}
          max={1000}
          allowDecimal={false}
          {...form.choice("keepLast")}
          onChange={(value) => form.set("keepLast", Number(value))}
        />
      </Group>
      <details open={form.problem !== undefined || !values.pathStyle}>
        <summary>{t("bucketBackups.target.more")}</summary>
        <Stack gap="sm" mt="sm">
          <Checkbox
            label={t("bucketBackups.target.pathStyle")}
            description={t("bucketBackups.target.pathStyleText")}
            checked={values.pathStyle}
            onChange={(event) => form.set("pathStyle", event.currentTarget.checked)}
          />
          <Checkbox
            label={t("bucketBackups.target.takeOver")}
            description={t("bucketBackups.target.takeOverText")}
            checked={values.takeOver}
            onChange={(event) => form.set("takeOver", event.currentTarget.checked)}
          />
        </Stack>
      </details>
    </FormDialog>
  );
}
