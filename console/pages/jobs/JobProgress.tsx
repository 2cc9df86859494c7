import { Progress, Text } from "@mantine/core";
import type { Job } from "../../../services/compute/jobs/contract.ts";
import { useFormat } from "../../i18n/format.ts";
import { useT } from "../../i18n/i18n.ts";

/** How many tasks are over, as a bar in parts: done, failed, at work. */
export function JobProgress({ job }: { job: Job }) {
  const t = useT();
  const format = useFormat();
  const { tasks } = job;
  const share = (count: number) => (count / job.array) * 100;
  const working = tasks.starting + tasks.running + tasks.uploading;
  const over = tasks.succeeded + tasks.failed + tasks.timed_out + tasks.cancelled;
  const words = t("jobs.done", { done: format.number(over), all: format.number(job.array) });
  return (
    <div style={{ display: "grid", gap: 4, minWidth: 96 }}>
      <Progress.Root size="sm" aria-label={words}>
        <Progress.Section value={share(tasks.succeeded)} color="green" aria-label={t("jobs.state.succeeded")} />
        <Progress.Section value={share(tasks.failed + tasks.timed_out)} color="red" aria-label={t("jobs.state.failed")} />
        <Progress.Section value={share(working)} color="blue" animated aria-label={t("jobs.state.running")} />
      </Progress.Root>
      <Text size="xs" c="dimmed">
        {words}
      </Text>
    </div>
  );
}
