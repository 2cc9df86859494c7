/** When a bucket is backed up by itself: the five fields of crontab(5), or @hourly, @daily, @weekly, @monthly; in UTC. */
import { Cron } from "croner";
import { CloudError, invalid } from "../../../kernel/errors.ts";

const open = (schedule: string): Cron => new Cron(schedule.trim(), { timezone: "UTC", paused: true, mode: "5-part" });

/** The first moment after this one. @throws CloudError invalid_argument */
export function nextBackupAt(schedule: string, after: Date): Date {
  try {
    const next = open(schedule).nextRun(after);
    if (next) return next;
  } catch (error) {
    if (CloudError.is(error)) throw error;
  }
  throw invalid(
    "body.schedule",
    'A schedule has five fields (minute, hour, day, month, weekday), such as "0 2 * * *", or is @hourly, @daily, @weekly, @monthly.',
  );
}
