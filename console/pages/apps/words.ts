import type {
  App,
  AppAction,
  AppState,
  Deployment,
  DeploymentSource,
  DeploymentState,
} from "../../../services/apps/deploying/contract.ts";
import type { Domain } from "../../../services/apps/routing/contract.ts";
import type { AppContainer } from "../../../services/apps/running/contract.ts";
import type { Operation } from "../../../services/operations/contract.ts";
import type { RouteKey } from "../../api/api.ts";
import type { Format } from "../../i18n/format.ts";
import { translate } from "../../i18n/i18n.ts";
import type { Tone } from "../../ui/StatusBadge.tsx";

export const appTones: Record<AppState, Tone> = { new: "off", running: "good", failing: "bad", stopped: "off", deleting: "busy" };
export const deploymentTones: Record<DeploymentState, Tone> = {
  queued: "off",
  building: "busy",
  releasing: "busy",
  starting: "busy",
  switching: "busy",
  succeeded: "good",
  failed: "bad",
  cancelled: "off",
  superseded: "off",
};
export const containerTones: Record<AppContainer["state"], Tone> = {
  starting: "busy",
  running: "busy",
  healthy: "good",
  unhealthy: "bad",
  restarting: "warn",
  draining: "warn",
  exited: "off",
};
export const certificateTones: Record<Domain["certificate"]["state"], Tone> = {
  internal: "off",
  waiting: "busy",
  issued: "good",
  failed: "bad",
};

/** As finishedDeploymentStates of the contract, which would bring zod into the bundle. */
export const isOver = (state: DeploymentState): boolean =>
  state === "succeeded" || state === "failed" || state === "cancelled" || state === "superseded";

/** What an app's pages show that changes with it. */
export const appRoutes = [
  "appGet",
  "appList",
  "processList",
  "containerList",
  "releaseList",
] as const satisfies readonly RouteKey[];

/** Why an action cannot be done now, for the disabled button; nothing when it can. */
export function whyNot(app: App, action: AppAction, may: boolean): string | undefined {
  if (!may) return translate("ui.needsRole", { role: translate("ui.role.editor") });
  if (action === "delete" && app.protected) return translate("apps.why.protected");
  if (app.allowedActions.includes(action)) return undefined;
  if (app.state === "new" && action !== "delete") return translate("apps.why.new");
  if (app.deployment) return translate("apps.why.deploying", { number: app.deployment.number });
  return translate("apps.why.state", { state: translate(`apps.state.${app.state}`) });
}

/** What was deployed, in a few words: the name of a file, of an image, the release that came back. */
export function sourceTitle(source: DeploymentSource): string {
  switch (source.kind) {
    case "image":
      return source.image ?? source.description;
    case "rollback":
      return source.releaseNumber === undefined
        ? source.description || translate("apps.source.rollback")
        : translate("apps.source.rollbackTo", { number: source.releaseNumber });
    case "settings":
      return translate("apps.source.settings");
    case "git":
      return source.description || source.commit?.slice(0, 10) || source.branch || translate("apps.source.git");
    case "archive":
      return source.description || translate("apps.source.archive");
  }
}

/** How long it took, or has taken so far. */
export function took({ startedAt, finishedAt }: Pick<Deployment, "startedAt" | "finishedAt">, format: Format): string {
  if (startedAt === undefined) return "–";
  return format.duration((finishedAt === undefined ? Date.now() : Date.parse(finishedAt)) - Date.parse(startedAt));
}

/** `web 2/2, worker 1/1`. */
export const processesLine = (processes: App["processes"], format: Format): string =>
  processes.map(({ name, running, wanted }) => `${name} ${format.number(running)}/${format.number(wanted)}`).join(", ");

/** An address without what everybody's addresses have. */
export const shortAddress = (url: string): string => url.replace(/^https?:\/\//, "").replace(/\/$/, "");

/** For commands to copy. */
export const quoted = (text: string): string => (/^[\w./:-]+$/.test(text) ? text : `'${text.replaceAll("'", "'\\''")}'`);

/** The deployment that an operation brings, so that one can follow it. */
export const deploymentOf = ({ resource }: Operation): string | undefined =>
  resource?.id.startsWith("dpl_") ? resource.id : undefined;
