import { isoTime } from "../../../kernel/clock.ts";
import type { Volume } from "./contract.ts";
import { allowedVolumeActions } from "./states.ts";
import type { VolumeRow } from "./store.ts";

export const viewVolume = (row: VolumeRow): Volume => ({
  id: row.id,
  projectId: row.projectId,
  organisationId: row.organisationId,
  name: row.name,
  description: row.description,
  sizeBytes: row.sizeBytes,
  usedBytes: row.usedBytes ?? undefined,
  state: row.state,
  stateReason: row.stateReason ?? undefined,
  allowedActions: allowedVolumeActions(row),
  operationId: row.operationId ?? undefined,
  attachment:
    row.instanceId && row.mountPath
      ? { instanceId: row.instanceId, instanceName: row.instanceName ?? "", path: row.mountPath }
      : undefined,
  labels: row.labels,
  protected: row.protected,
  snapshots: row.snapshots,
  createdAt: isoTime(row.createdAt),
  revision: row.revision,
});
