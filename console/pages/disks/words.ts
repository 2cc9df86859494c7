import type { BackupState } from "../../../services/compute/volumes/backups/contract.ts";
import type { Volume, VolumeAction, VolumeState } from "../../../services/compute/volumes/contract.ts";
import type { SnapshotState } from "../../../services/compute/volumes/snapshots/contract.ts";
import { translate } from "../../i18n/i18n.ts";
import type { Tone } from "../../ui/StatusBadge.tsx";

export const volumeTones: Record<VolumeState, Tone> = {
  creating: "busy",
  available: "off",
  attaching: "busy",
  attached: "good",
  detaching: "busy",
  resizing: "busy",
  restoring: "busy",
  deleting: "busy",
  error: "bad",
  missing: "bad",
};
export const snapshotTones: Record<SnapshotState, Tone> = {
  creating: "busy",
  available: "good",
  restoring: "busy",
  deleting: "busy",
  error: "bad",
  missing: "bad",
};
export const backupTones: Record<BackupState, Tone> = {
  creating: "busy",
  available: "good",
  deleting: "busy",
  error: "bad",
  missing: "bad",
};

/** What snapshots, schedules and backups are of: their routes take one of the two. */
export type Disk = { instance: string } | { volume: string };

/** Why an action cannot be done now, for the disabled button; nothing when it can. */
export function whyNot(
  thing: { allowedActions: readonly string[]; operationId?: string | undefined },
  action: string,
  may: boolean,
  state: string,
): string | undefined {
  if (!may) return translate("ui.needsRole", { role: translate("ui.role.editor") });
  if (thing.allowedActions.includes(action)) return undefined;
  return thing.operationId === undefined ? translate("disks.why.state", { state }) : translate("disks.why.busy");
}

export const whyNotVolume = (volume: Volume, action: VolumeAction, may: boolean): string | undefined =>
  action === "delete" && volume.protected
    ? translate("disks.why.protected")
    : action === "delete" && volume.attachment
      ? translate("disks.why.attached", { name: volume.attachment.instanceName })
      : whyNot(volume, action, may, translate(`disks.state.${volume.state}`));

export const gib = 1024 ** 3;
