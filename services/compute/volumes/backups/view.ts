import { isoTime } from "../../../../kernel/clock.ts";
import { allowedBackupActions } from "../states.ts";
import type { Backup, BackupVerification } from "./contract.ts";
import type { BackupRow, VerificationRow } from "./store.ts";

export const viewBackup = (row: BackupRow): Backup => ({
  id: row.id,
  projectId: row.projectId,
  organisationId: row.organisationId,
  name: row.name,
  description: row.description,
  source: { kind: row.sourceKind, id: row.sourceId, name: row.sourceName },
  state: row.state,
  stateReason: row.stateReason ?? undefined,
  // While it is tried out it is neither deleted nor tried out again.
  allowedActions: allowedBackupActions(row.state).filter((action) => action === "restore" || row.operationId === null),
  operationId: row.operationId ?? undefined,
  bucketId: row.bucketId,
  bucketName: row.bucketName,
  key: row.key,
  sizeBytes: row.sizeBytes ?? undefined,
  sha256: row.sha256 ?? undefined,
  diskBytes: row.diskBytes,
  scheduleId: row.scheduleId ?? undefined,
  verification: row.verification ?? undefined,
  verifiedAt: row.verifiedAt ? isoTime(row.verifiedAt) : undefined,
  verificationMessage: row.verificationMessage ?? undefined,
  createdAt: isoTime(row.createdAt),
  revision: row.revision,
});

export const viewVerification = (row: VerificationRow): BackupVerification => ({
  id: row.id,
  backupId: row.backupId,
  state: row.state,
  message: row.message,
  startedAt: isoTime(row.startedAt),
  finishedAt: row.finishedAt ? isoTime(row.finishedAt) : undefined,
  durationSeconds: row.finishedAt ? (row.finishedAt.getTime() - row.startedAt.getTime()) / 1000 : undefined,
  command: row.command ?? undefined,
  log: row.log,
});
