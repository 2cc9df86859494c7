import type { JobState, TaskState } from "../../../services/compute/jobs/contract.ts";
import type { Format } from "../../i18n/format.ts";
import type { Tone } from "../../ui/StatusBadge.tsx";

export const jobTones: Record<JobState, Tone> = {
  queued: "off",
  running: "busy",
  cancelling: "warn",
  succeeded: "good",
  failed: "bad",
  cancelled: "off",
};
export const taskTones: Record<TaskState, Tone> = {
  queued: "off",
  starting: "busy",
  running: "busy",
  uploading: "busy",
  succeeded: "good",
  failed: "bad",
  cancelled: "off",
  timed_out: "bad",
};

/** How long it ran, or has run so far. */
export function took(
  { startedAt, finishedAt }: { startedAt?: string | undefined; finishedAt?: string | undefined },
  format: Format,
): string {
  if (startedAt === undefined) return "–";
  return format.duration((finishedAt === undefined ? Date.now() : Date.parse(finishedAt)) - Date.parse(startedAt));
}
