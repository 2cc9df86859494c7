import { isoTime } from "../../../../kernel/clock.ts";
import { allowedSnapshotActions } from "../states.ts";
import type { Snapshot } from "./contract.ts";
import type { SnapshotRow } from "./store.ts";

export const viewSnapshot = (row: SnapshotRow): Snapshot => ({
  id: row.id,
  projectId: row.projectId,
  organisationId: row.organisationId,
  name: row.name,
  description: row.description,
  source: { kind: row.instanceId ? "instance" : "volume", id: row.sourceId, name: row.sourceName },
  state: row.state,
  stateReason: row.stateReason ?? undefined,
  allowedActions: allowedSnapshotActions(row.state),
  operationId: row.operationId ?? undefined,
  diskBytes: row.diskBytes,
  usedBytes: row.usedBytes ?? undefined,
  scheduleId: row.scheduleId ?? undefined,
  createdAt: isoTime(row.createdAt),
  revision: row.revision,
});
