/** When a bucket is backed up by itself: the five fields of crontab(5), or @hourly, @daily, @weekly, @monthly; in UTC. */
import { nextAfter, wrongWith } from "../../../kernel/cron.ts";
import { invalid } from "../../../kernel/errors.ts";

/** The first moment after this one. @throws CloudError invalid_argument */
export function nextBackupAt(schedule: string, after: Date): Date {
  const next = wrongWith(schedule) === undefined ? nextAfter(schedule, "UTC", after) : undefined;
  if (next) return next;
  throw invalid(
    "body.schedule",
    'A schedule has five fields (minute, hour, day, month, weekday), such as "0 2 * * *", or is @hourly, @daily, @weekly, @monthly.',
  );
}
