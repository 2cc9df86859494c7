import { Group, NumberInput, SegmentedControl, Select, Stack, Text, TextInput } from "@mantine/core";
import type { SnapshotSchedule } from "../../../services/compute/volumes/schedules/contract.ts";
import { callApi, useApiList } from "../../api/api.ts";
import { useProject } from "../../frame/identity.ts";
import { useT } from "../../i18n/i18n.ts";
import { ApiHint } from "../../ui/ApiHint.tsx";
import { FormDialog } from "../../ui/FormDialog.tsx";
import { required, useForm } from "../../ui/form.ts";
import type { Disk } from "./words.ts";

const weekdays = ["monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"] as const;

export function ScheduleDialog(props: {
  disk: Disk;
  schedule: SnapshotSchedule | undefined;
  onClose: () => void;
  onDone: () => Promise<void>;
}) {
  const t = useT();
  const project = useProject();
  const { schedule } = props;
  const buckets = useApiList("bucketList", { project: project.id });
  const form = useForm({
    initial: {
      name: schedule?.name ?? t("disks.schedule.suggested"),
      kind: schedule?.kind ?? ("snapshot" as "snapshot" | "backup"),
      frequency: schedule?.frequency ?? ("day" as "hours" | "day" | "week"),
      everyHours: String(schedule?.everyHours ?? 6),
      at: schedule?.at ?? "03:30",
      weekday: schedule?.weekday ?? ("sunday" as (typeof weekdays)[number]),
      timeZone: schedule?.timeZone ?? Intl.DateTimeFormat().resolvedOptions().timeZone,
      keepLast: schedule?.keepLast ?? 7,
      keepDays: (schedule?.keepDays ?? "") as number | "",
      bucket: schedule?.bucketId ?? "",
      verify: schedule?.verify ?? ("weekly" as "never" | "each" | "weekly"),
    },
    checks: { name: required },
    submit: async () => {
      await (schedule
        ? callApi("snapshotScheduleUpdate", { snapshotSchedule: schedule.id, ...request } as never)
        : callApi("snapshotScheduleCreate", { ...props.disk, kind: values.kind, ...request } as never));
      await props.onDone();
      props.onClose();
    },
  });
  const { values } = form;
  const request = {
    name: values.name,
    frequency: values.frequency,
    ...(values.frequency === "hours" ? { everyHours: Number(values.everyHours) } : { at: values.at }),
    ...(values.frequency === "week" ? { weekday: values.weekday } : {}),
    timeZone: values.timeZone,
    keepLast: values.keepLast,
    ...(values.keepDays === "" ? (schedule ? { keepDays: null } : {}) : { keepDays: values.keepDays }),
    ...(values.kind === "backup" ? { ...(values.bucket ? { bucket: values.bucket } : {}), verify: values.verify } : {}),
  };
  return (
    <FormDialog
      opened
      onClose={props.onClose}
      size="lg"
      title={schedule ? t("disks.schedule.edit", { name: schedule.name }) : t("disks.schedule.create")}
      form={form}
      action={schedule ? t("ui.save") : t("disks.schedule.create")}
      disabled={values.kind === "backup" && values.bucket === ""}
      hint={
        schedule ? undefined : <ApiHint route="snapshotScheduleCreate" args={{ ...props.disk, kind: values.kind, ...request }} />
      }
    >
      {!schedule && (
        <SegmentedControl
          aria-label={t("disks.schedule.what")}
          value={values.kind}
          onChange={(kind) => form.set("kind", kind as "snapshot" | "backup")}
          data={[
            { value: "snapshot", label: t("disks.schedule.kind.snapshot") },
            { value: "backup", label: t("disks.schedule.kind.backup") },
          ]}
        />
      )}
      <Text size="sm" c="dimmed">
        {t(values.kind === "backup" ? "disks.backups.what" : "disks.snapshots.text")}
      </Text>
      <TextInput label={t("ui.name")} data-autofocus {...form.field("name")} />
      <Group grow align="flex-start">
        <Select
          label={t("disks.schedule.when")}
          allowDeselect={false}
          data={(["hours", "day", "week"] as const).map((value) => ({ value, label: t(`disks.schedule.frequency.${value}`) }))}
          {...form.choice("frequency")}
        />
        {values.frequency === "hours" ? (
          <Select
            label={t("disks.schedule.hours")}
            allowDeselect={false}
            data={["1", "2", "3", "4", "6", "8", "12"]}
            {...form.choice("everyHours")}
          />
        ) : (
          <TextInput type="time" label={t("disks.schedule.at")} {...form.field("at")} />
        )}
        {values.frequency === "week" && (
          <Select
            label={t("disks.schedule.weekday")}
            allowDeselect={false}
            data={weekdays.map((value) => ({ value, label: t(`disks.weekday.${value}`) }))}
            {...form.choice("weekday")}
          />
        )}
      </Group>
      <Select
        label={t("disks.schedule.timeZone")}
        searchable
        allowDeselect={false}
        data={["UTC", ...Intl.supportedValuesOf("timeZone").filter((zone) => zone !== "UTC")]}
        {...form.choice("timeZone")}
      />
      <Group grow align="flex-start">
        <NumberInput
          label={t("disks.schedule.keepLastLabel")}
          min={1}
          max={1000}
          value={values.keepLast}
          onChange={(value) => form.set("keepLast", Number(value) || 1)}
        />
        <NumberInput
          label={t("disks.schedule.keepDaysLabel")}
          placeholder={t("disks.schedule.keepDaysNone")}
          min={1}
          max={3650}
          value={values.keepDays}
          onChange={(value) => form.set("keepDays", value === "" ? "" : Number(value))}
        />
      </Group>
      {values.kind === "backup" && (
        <Stack gap="md">
          <Select
            label={t("disks.bucket")}
            description={t("disks.bucketText")}
            searchable
            nothingFoundMessage={t("disks.bucketNone")}
            data={(buckets.rows ?? []).map(({ id, name }) => ({ value: id, label: name }))}
            value={values.bucket || null}
            onChange={(bucket) => form.set("bucket", bucket ?? "")}
          />
          <Select
            label={t("disks.drill")}
            description={t("disks.drillText")}
            allowDeselect={false}
            data={(["never", "each", "weekly"] as const).map((value) => ({ value, label: t(`disks.drill.${value}`) }))}
            {...form.choice("verify")}
          />
        </Stack>
      )}
    </FormDialog>
  );
}
