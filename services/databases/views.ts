import { isoTime } from "../../kernel/clock.ts";
import type { DatabaseUser } from "./content/contract.ts";
import type { DatabaseBackupView, DatabaseView } from "./contract.ts";
import { internalHostOf } from "./parts.ts";
import { allowedActions, allowedBackupActions } from "./states.ts";
import type { BackupRow, DatabaseRow, UserRow } from "./store.ts";

export const viewDatabase = (row: DatabaseRow, publicHost: string): DatabaseView => ({
  id: row.id,
  projectId: row.projectId,
  organisationId: row.organisationId,
  name: row.name,
  engine: row.engine,
  version: row.version,
  state: row.state,
  stateReason: row.stateReason ?? undefined,
  allowedActions: allowedActions(row),
  operationId: row.operationId ?? undefined,
  memoryBytes: row.memoryBytes,
  cpus: row.cpus,
  diskBytes: row.diskBytes,
  usedBytes: row.usedBytes ?? undefined,
  host: publicHost,
  port: row.port ?? undefined,
  internalHost: internalHostOf(row),
  databaseName: row.databaseName,
  owner: row.ownerName,
  bucket: row.bucketId === null ? undefined : { id: row.bucketId, name: row.bucketName ?? "" },
  backupHour: row.backupHour,
  keepDays: row.keepDays,
  recoverableFrom: row.recoverableFrom ? isoTime(row.recoverableFrom) : undefined,
  recoverableUntil: row.recoverableFrom && row.recoverableUntil ? isoTime(row.recoverableUntil) : undefined,
  protected: row.protected,
  createdAt: isoTime(row.createdAt),
  revision: row.revision,
});

export const viewUser = (row: UserRow): DatabaseUser => ({
  id: row.id,
  databaseId: row.databaseId,
  name: row.name,
  access: row.access,
  state: row.state,
  createdAt: isoTime(row.createdAt),
});

export const viewBackup = (row: BackupRow): DatabaseBackupView => ({
  id: row.id,
  projectId: row.projectId,
  organisationId: row.organisationId,
  databaseId: row.databaseId,
  databaseName: row.databaseName,
  version: row.version,
  state: row.state,
  stateReason: row.stateReason ?? undefined,
  allowedActions: allowedBackupActions(row.state),
  operationId: row.operationId ?? undefined,
  bucket: { id: row.bucketId, name: row.bucketName },
  sizeBytes: row.sizeBytes ?? undefined,
  automatic: row.automatic,
  verification: row.verification ?? undefined,
  verificationMessage: row.verificationMessage ?? undefined,
  verifiedAt: row.verifiedAt ? isoTime(row.verifiedAt) : undefined,
  createdAt: isoTime(row.createdAt),
  finishedAt: row.finishedAt ? isoTime(row.finishedAt) : undefined,
});

/** libpq's URLs; names are plain, and so are the passwords that are made here. */
export const urls = (
  row: Pick<DatabaseRow, "name" | "port" | "databaseName">,
  publicHost: string,
  internalPort: number,
  user: string,
  password?: string,
): { url: string; internalUrl: string } => {
  const who = password === undefined ? user : `${user}:${encodeURIComponent(password)}`;
  const host = publicHost.includes(":") ? `[${publicHost}]` : publicHost;
  return {
    url: `postgresql://${who}@${host}:${row.port ?? 5432}/${row.databaseName}?sslmode=require`,
    internalUrl: `postgresql://${who}@${internalHostOf(row)}:${internalPort}/${row.databaseName}?sslmode=require`,
  };
};
