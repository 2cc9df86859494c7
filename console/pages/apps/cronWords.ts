import type { CronJob, CronRun } from "../../../services/apps/cron/contract.ts";
import { invalidate } from "../../api/api.ts";
import { queries } from "../../frame/queries.ts";
import { useFormat } from "../../i18n/format.ts";
import { useLanguage, useT } from "../../i18n/i18n.ts";
import type { Tone } from "../../ui/StatusBadge.tsx";
import { readSchedule } from "./cronSchedule.ts";

export const runTones: Record<CronRun["state"], Tone> = {
  starting: "busy",
  running: "busy",
  succeeded: "good",
  failed: "bad",
  timed_out: "bad",
  cancelled: "off",
  skipped: "warn",
};

export const isAtWork = (run: CronRun | undefined): boolean => run?.state === "starting" || run?.state === "running";

/** Runs are no events: they are asked for again while one looks at them. */
export const againMs = 5_000;

export const refreshCron = (): Promise<void> => invalidate(queries, ["cronJobList", "cronRunList", "cronRunGet"]);

/** Why it cannot be changed here. */
export const isOfManifest = ({ origin }: CronJob): boolean => origin === "manifest";

/** "Every day at 03:00"; undefined where the expression says it best. */
export function useScheduleWords(): (schedule: string) => string | undefined {
  const t = useT();
  const format = useFormat();
  const language = useLanguage();
  return (schedule) => {
    const read = readSchedule(schedule);
    if (read === undefined) return undefined;
    const times = "at" in read ? format.list(read.at) : "";
    switch (read.kind) {
      case "minutes":
        return t("cron.words.minutes", { count: read.every });
      case "hours":
        return read.minute === 0
          ? t("cron.words.hours", { count: read.every })
          : t("cron.words.hoursPast", { count: read.every, minute: read.minute });
      case "days":
        return t("cron.words.days", { times });
      case "weekdays": {
        if (read.days.join() === "1,2,3,4,5") return t("cron.words.workdays", { times });
        const name = new Intl.DateTimeFormat(language, { weekday: "long", timeZone: "UTC" });
        // The 1st of February 2026 is a Sunday.
        const days = format.list(read.days.map((day) => name.format(Date.UTC(2026, 1, 1 + day))));
        return t("cron.words.weekdays", { days, times });
      }
      case "months":
        return t("cron.words.months", { day: read.day, times });
      case "years": {
        const form = new Intl.DateTimeFormat(language, { day: "numeric", month: "long", timeZone: "UTC" });
        // A leap year: the 29th of February is a day as well.
        const date = form.format(Date.UTC(2028, read.month - 1, read.day));
        return t("cron.words.years", { date, times });
      }
    }
  };
}
