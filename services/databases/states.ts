import { CloudError } from "../../kernel/errors.ts";
import {
  type DatabaseAction,
  type DatabaseBackupAction,
  type DatabaseBackupState,
  type DatabaseState,
  databaseActions,
  databaseBackupActions,
} from "./contract.ts";

const words: Record<DatabaseState | DatabaseBackupState, string> = {
  creating: "is being made",
  running: "is running",
  failing: "does not take connections at the moment",
  restarting: "is being restarted",
  stopping: "is being stopped",
  stopped: "is stopped",
  starting: "is being started",
  renaming: "is being given another name",
  resizing: "is being given another size",
  upgrading: "is being upgraded",
  deleting: "is being deleted",
  error: "is in error",
  available: "is available",
};
const isPassing = (state: string): boolean => state.endsWith("ing") && state !== "running";

function refuse(resource: string, name: string, state: DatabaseState | DatabaseBackupState): never {
  const passing = isPassing(state);
  const next =
    state === "failing"
      ? "It is being started again; or restart it."
      : state === "stopped"
        ? "Start it first."
        : passing
          ? "Wait until that is finished."
          : "It can only be deleted.";
  throw new CloudError("failed_precondition", `The ${resource} ${name} ${words[state]}. ${next}`, {
    details: { resource, reason: `state_${state}`, ...(passing ? { retryAfterSeconds: 5 } : {}) },
  });
}

interface Checked {
  name: string;
  state: DatabaseState;
  protected: boolean;
  bucketId: string | null;
}

/** Throws what the API answers with 409 when the rules of states do not allow it. */
export function checkDatabase(row: Checked, action: DatabaseAction): void {
  if (!(databaseActions[action] as readonly string[]).includes(row.state)) refuse("database", row.name, row.state);
  if (action === "delete" && row.protected)
    throw new CloudError(
      "failed_precondition",
      `The database ${row.name} is protected from deletion. Take the protection off first.`,
      {
        details: { resource: "database", reason: "protected" },
      },
    );
  if (needsBucket.has(action) && row.bucketId === null)
    throw new CloudError("failed_precondition", `The database ${row.name} has no bucket for its backups. Give it one first.`, {
      details: { resource: "database", reason: "bucket_missing" },
    });
}
const needsBucket = new Set<DatabaseAction>(["backup", "clone", "recover"]);

export function checkBackup(row: { databaseName: string; state: DatabaseBackupState }, action: DatabaseBackupAction): void {
  if (!(databaseBackupActions[action] as readonly string[]).includes(row.state)) refuse("backup of", row.databaseName, row.state);
}

const allowed = <A extends string>(actions: Record<A, readonly string[]>, state: string): A[] =>
  (Object.keys(actions) as A[]).filter((action) => actions[action].includes(state));

export const allowedActions = (row: Checked): DatabaseAction[] =>
  allowed(databaseActions, row.state).filter(
    (action) => (action !== "delete" || !row.protected) && (row.bucketId !== null || !needsBucket.has(action)),
  );
export const allowedBackupActions = (state: DatabaseBackupState): DatabaseBackupAction[] => allowed(databaseBackupActions, state);
