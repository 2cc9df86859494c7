import { isoTime } from "../clock.ts";
import type { Id } from "../ids.ts";
import type { OperationRecord } from "./store.ts";

/** An operation as the API shows it: what every route that answers 202 returns. */
export const viewOperation = (record: OperationRecord) => ({
  id: record.id,
  kind: record.kind,
  state: record.state,
  organisationId: (record.organisationId ?? undefined) as Id<"organisation"> | undefined,
  projectId: (record.projectId ?? undefined) as Id<"project"> | undefined,
  resource:
    record.resourceKind && record.resourceId
      ? { kind: record.resourceKind, id: record.resourceId, ...(record.resourceName ? { name: record.resourceName } : {}) }
      : undefined,
  progress: record.progress,
  message: record.message ?? undefined,
  steps: record.steps,
  result: record.result ?? undefined,
  error: record.error ?? undefined,
  cancelRequested: record.cancelRequested,
  createdBy: record.actor,
  createdAt: isoTime(record.createdAt),
  updatedAt: isoTime(record.updatedAt),
  finishedAt: record.finishedAt ? isoTime(record.finishedAt) : undefined,
});
