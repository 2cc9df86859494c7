import { CloudError } from "../../../kernel/errors.ts";
import { type BackupAction, type BackupState, backupActions } from "./backups/contract.ts";
import { type VolumeAction, type VolumeState, volumeActions } from "./contract.ts";
import { type SnapshotAction, type SnapshotState, snapshotActions } from "./snapshots/contract.ts";

const stateWords: Record<VolumeState | SnapshotState | BackupState, string> = {
  creating: "is being created",
  available: "is attached to nothing",
  attaching: "is being attached",
  attached: "is attached",
  detaching: "is being detached",
  resizing: "is being made larger",
  restoring: "is being restored",
  deleting: "is being deleted",
  error: "is in error",
  missing: "is gone",
};
/** What has an operation at work ends by itself. */
const isPassing = (state: string): boolean => state.endsWith("ing") && state !== "missing";

function check(
  resource: string,
  { name, state }: { name: string; state: VolumeState | SnapshotState | BackupState },
  allowed: readonly string[],
  advice: string,
): void {
  if (allowed.includes(state)) return;
  const passing = isPassing(state);
  const next = passing
    ? "Wait until that is finished."
    : state === "error" || state === "missing"
      ? "It can only be deleted."
      : advice;
  throw new CloudError("failed_precondition", `The ${resource} ${name} ${stateWords[state]}. ${next}`, {
    details: { resource, reason: `state_${state}`, ...(passing ? { retryAfterSeconds: 5 } : {}) },
  });
}

const volumeAdvice: Partial<Record<VolumeAction, string>> = {
  attach: "Detach it there first: a volume is attached to one instance at a time.",
  detach: "There is nothing to detach it from.",
  delete: "Detach it first.",
};

/** Throws what the API answers with 409 when the rules of states do not allow it. */
export function checkVolume(volume: { name: string; state: VolumeState; protected: boolean }, action: VolumeAction): void {
  check("volume", volume, volumeActions[action], volumeAdvice[action] ?? "");
  if (action === "delete" && volume.protected) {
    throw new CloudError(
      "failed_precondition",
      `The volume ${volume.name} is protected from deletion. Take the protection off first.`,
      {
        details: { resource: "volume", reason: "protected" },
      },
    );
  }
}
export const checkSnapshot = (snapshot: { name: string; state: SnapshotState }, action: SnapshotAction): void =>
  check("snapshot", snapshot, snapshotActions[action], "");
export const checkBackup = (backup: { name: string; state: BackupState }, action: BackupAction): void =>
  check("backup", backup, backupActions[action], "");

const allowed = <A extends string>(actions: Record<A, readonly string[]>, state: string): A[] =>
  (Object.keys(actions) as A[]).filter((action) => actions[action].includes(state));

export const allowedVolumeActions = (volume: { state: VolumeState; protected: boolean }): VolumeAction[] =>
  allowed(volumeActions, volume.state).filter((action) => action !== "delete" || !volume.protected);
export const allowedSnapshotActions = (state: SnapshotState): SnapshotAction[] => allowed(snapshotActions, state);
export const allowedBackupActions = (state: BackupState): BackupAction[] => allowed(backupActions, state);
