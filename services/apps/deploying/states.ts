import { CloudError } from "../../../kernel/errors.ts";
import type { AppView } from "../parts.ts";
import { type AppAction, type AppState, appActions } from "./contract.ts";
import type { AppRow } from "./store/apps.ts";

const words: Record<AppState, string> = {
  new: "has nothing deployed to it yet",
  running: "is running",
  failing: "is failing",
  stopped: "is stopped",
  deleting: "is being deleted",
};

/** failed_precondition with the reason. */
export function checkAction(app: Pick<AppView, "name" | "state">, action: string): void {
  const states = appActions[action as AppAction];
  if (states === undefined) throw new Error(`There is no action ${action}.`);
  if (states.includes(app.state)) return;
  throw new CloudError("failed_precondition", `The app ${app.name} ${words[app.state]}; that does not go together with this.`, {
    details: { resource: "app", reason: "app_state", state: app.state, action },
  });
}

export const allowedActions = (app: Pick<AppRow, "state" | "protected">): AppAction[] =>
  (Object.keys(appActions) as AppAction[]).filter(
    (action) => appActions[action].includes(app.state) && !(action === "delete" && app.protected),
  );

export const viewOf = (row: AppRow): AppView => ({
  id: row.id,
  name: row.name,
  organisationId: row.organisationId,
  projectId: row.projectId,
  state: row.state,
  liveReleaseId: row.liveReleaseId ?? undefined,
  protected: row.protected,
  parentId: row.parentId ?? undefined,
});
