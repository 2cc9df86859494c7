import type { Instance, InstanceAction, InstanceState } from "../../../services/compute/instances/contract.ts";
import { translate } from "../../i18n/i18n.ts";
import type { Tone } from "../../ui/StatusBadge.tsx";

export const instanceTones: Record<InstanceState, Tone> = {
  creating: "busy",
  running: "good",
  stopped: "off",
  frozen: "warn",
  starting: "busy",
  stopping: "busy",
  restarting: "busy",
  resizing: "busy",
  rebuilding: "busy",
  restoring: "busy",
  moving: "busy",
  deleting: "busy",
  error: "bad",
  missing: "bad",
};

/** Why an action cannot be done now, for the disabled button; nothing when it can. */
export function whyNot(instance: Instance, action: InstanceAction, may: boolean): string | undefined {
  if (!may) return translate("ui.needsRole", { role: translate("ui.role.editor") });
  if (instance.protected && (action === "delete" || action === "rebuild" || action === "forceDelete"))
    return translate("compute.why.protected");
  if (instance.allowedActions.includes(action)) return undefined;
  if (instance.operationId !== undefined) return translate("compute.why.busy");
  return translate("compute.why.state", { state: translate(`compute.state.${instance.state}`) });
}

/** Hours of a month, as clouds count it: 8,760 of a year, by twelve. */
export const hoursPerMonth = 730;
