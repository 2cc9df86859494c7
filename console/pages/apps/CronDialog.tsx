import { Button, Group, NumberInput, Select, Switch, Text, Textarea, TextInput } from "@mantine/core";
import type { CronJob } from "../../../services/apps/cron/contract.ts";
import type { App } from "../../../services/apps/deploying/contract.ts";
import { callApi, client } from "../../api/api.ts";
import { useFormat } from "../../i18n/format.ts";
import { useT } from "../../i18n/i18n.ts";
import { ApiHint } from "../../ui/ApiHint.tsx";
import { FormDialog } from "../../ui/FormDialog.tsx";
import { useForm } from "../../ui/form.ts";
import css from "./cron.module.css";
import { comingTimes } from "./cronSchedule.ts";
import { refreshCron, useScheduleWords } from "./cronWords.ts";

const presets = ["*/15 * * * *", "0 * * * *", "0 3 * * *", "0 8 * * 1-5", "0 6 * * 1", "0 3 1 * *"];
const shownTimes = 3;
const mostMinutes = 24 * 60;

/** A new cron job, or another schedule and command of one. */
export function CronDialog({ app, job, onClose }: { app: App; job: CronJob | undefined; onClose: () => void }) {
  const t = useT();
  const inWords = useScheduleWords();
  const form = useForm({
    initial: {
      name: job?.name ?? "",
      schedule: job?.schedule ?? "0 3 * * *",
      timeZone: job?.timeZone ?? Intl.DateTimeFormat().resolvedOptions().timeZone,
      command: job?.command ?? "",
      minutes: (job ? job.timeoutSeconds / 60 : 60) as number | "",
      beside: job?.concurrency === "allow",
    },
    checks: {
      name: (name) => (job || /^[a-z][a-z0-9-]{0,30}$/.test(name) ? undefined : t("apps.disks.nameRules")),
      schedule: (schedule) => (comingTimes(schedule, "UTC", 1) ? undefined : t("cron.scheduleRules")),
      command: (command) => (command.trim() === "" ? t("ui.required") : undefined),
      minutes: (minutes) => (minutes === "" || minutes <= 0 ? t("ui.required") : undefined),
    },
    submit: async () => {
      await (job
        ? client.cronJobUpdate({ cronJob: job.id, ...request }, { ifMatch: job.revision })
        : callApi("cronJobCreate", { app: app.id, name: values.name, ...request }));
      await refreshCron();
      onClose();
    },
  });
  const { values } = form;
  const request = {
    schedule: values.schedule.trim(),
    timeZone: values.timeZone,
    command: values.command.trim(),
    timeoutSeconds: Math.min(86_400, Math.max(1, Math.round((Number(values.minutes) || 1) * 60))),
    concurrency: values.beside ? ("allow" as const) : ("skip" as const),
  };
  const zones = new Set(["UTC", values.timeZone, ...Intl.supportedValuesOf("timeZone")]);
  return (
    <FormDialog
      opened
      onClose={onClose}
      size="lg"
      title={job ? t("cron.editTitle", { name: job.name }) : t("cron.create")}
      text={job ? undefined : t("cron.createText")}
      form={form}
      action={job ? t("ui.save") : t("cron.create")}
      hint={
        job ? (
          <ApiHint route="cronJobUpdate" args={{ cronJob: job.id, ...request }} />
        ) : (
          <ApiHint route="cronJobCreate" args={{ app: app.id, name: values.name, ...request }} />
        )
      }
    >
      {!job && (
        <TextInput
          label={t("ui.name")}
          placeholder="nightly"
          autoCapitalize="none"
          autoComplete="off"
          spellCheck={false}
          data-autofocus
          {...form.field("name")}
        />
      )}
      <Textarea
        label={t("cron.command")}
        description={t("cron.commandText")}
        placeholder="npm run tidy"
        autosize
        minRows={1}
        maxRows={8}
        maxLength={4096}
        autoCapitalize="none"
        spellCheck={false}
        classNames={{ input: css.code as string }}
        {...form.field("command")}
      />
      <div className={css.when}>
        <TextInput
          label={t("cron.schedule")}
          description={t("cron.scheduleText")}
          maxLength={200}
          autoCapitalize="none"
          autoComplete="off"
          spellCheck={false}
          classNames={{ input: css.code as string }}
          {...form.field("schedule")}
        />
        <fieldset className={css.presets} aria-label={t("cron.presets")}>
          {presets.map((preset) => (
            <Button
              key={preset}
              size="compact-sm"
              fw={450}
              variant={values.schedule.trim() === preset ? "light" : "default"}
              aria-pressed={values.schedule.trim() === preset}
              onClick={() => form.set("schedule", preset)}
            >
              {inWords(preset) ?? preset}
            </Button>
          ))}
        </fieldset>
        <Coming schedule={values.schedule} timeZone={values.timeZone} />
      </div>
      <Select label={t("cron.timeZone")} searchable allowDeselect={false} data={[...zones]} {...form.choice("timeZone")} />
      <Group grow align="flex-start">
        <NumberInput
          label={t("cron.timeoutMinutes")}
          description={t("cron.timeoutText")}
          min={0.02}
          max={mostMinutes}
          decimalScale={2}
          {...form.field("minutes" as never)}
          value={values.minutes}
          onChange={(value) => form.set("minutes", value === "" ? "" : Number(value))}
        />
      </Group>
      <Switch
        label={t("cron.besideSwitch")}
        description={t("cron.besideText")}
        checked={values.beside}
        onChange={(event) => form.set("beside", event.currentTarget.checked)}
      />
    </FormDialog>
  );
}

/** What an expression means is best seen in what comes of it. */
function Coming({ schedule, timeZone }: { schedule: string; timeZone: string }) {
  const t = useT();
  const format = useFormat();
  const inWords = useScheduleWords();
  const times = comingTimes(schedule, timeZone, shownTimes);
  if (times === undefined) return null;
  const words = inWords(schedule);
  return (
    <Text size="sm" c="dimmed" aria-live="polite">
      {words && (
        <>
          <b>{words}</b> ({timeZone}).{" "}
        </>
      )}
      {times.length === 0
        ? t("cron.neverComes")
        : t("cron.coming", { times: times.map((time) => format.dateTime(time)).join(" · ") })}
    </Text>
  );
}
