import type {
  DatabaseAction,
  DatabaseBackupState,
  DatabaseState,
  DatabaseVersion,
  DatabaseView,
} from "../../../services/databases/contract.ts";
import { callApi, invalidate, type RouteKey } from "../../api/api.ts";
import { queries } from "../../frame/queries.ts";
import { translate } from "../../i18n/i18n.ts";
import type { Tone } from "../../ui/StatusBadge.tsx";
import { toastError } from "../../ui/toast.ts";

const MiB = 1024 ** 2;
export const GiB = 1024 ** 3;

export const databaseTones: Record<DatabaseState, Tone> = {
  creating: "busy",
  running: "good",
  failing: "bad",
  restarting: "busy",
  stopping: "busy",
  stopped: "off",
  starting: "busy",
  renaming: "busy",
  resizing: "busy",
  upgrading: "busy",
  deleting: "busy",
  error: "bad",
};
export const backupTones: Record<DatabaseBackupState, Tone> = {
  creating: "busy",
  available: "good",
  deleting: "busy",
  error: "bad",
};

/** As the contract has them, which would bring zod into the bundle; the newest first. */
export const versions: readonly DatabaseVersion[] = ["18", "15"];

export const sizes = [
  { name: "tiny", memoryBytes: 256 * MiB, cpus: 0.5 },
  { name: "small", memoryBytes: 512 * MiB, cpus: 1 },
  { name: "medium", memoryBytes: 2 * GiB, cpus: 2 },
  { name: "large", memoryBytes: 8 * GiB, cpus: 4 },
  { name: "huge", memoryBytes: 32 * GiB, cpus: 8 },
] as const;
export type SizeName = (typeof sizes)[number]["name"];

/** Connections that a server of this memory takes, as the driver sets it up. */
export const connectionsOf = (memoryBytes: number): number => Math.round(Math.min(500, Math.max(25, memoryBytes / MiB / 10)));

/** What a page of one database shows that changes with it. */
export const databaseRoutes = [
  "databaseGet",
  "databaseList",
  "databaseConnectionGet",
  "databaseUserList",
  "databaseBackupList",
] as const satisfies readonly RouteKey[];

/** Why an action cannot be done now, for the disabled button; nothing when it can. */
export function whyNot(database: DatabaseView, action: DatabaseAction, may: boolean): string | undefined {
  if (!may) return translate("ui.needsRole", { role: translate("ui.role.editor") });
  if (action === "delete" && database.protected) return translate("databases.why.protected");
  if (database.allowedActions.includes(action)) return undefined;
  if (database.operationId !== undefined) return translate("databases.why.busy");
  if ((action === "backup" || action === "clone" || action === "recover") && database.bucket === undefined)
    return translate("databases.why.noBucket");
  return translate("databases.why.state", { state: translate(`databases.state.${database.state}`) });
}

/** Of its disk; undefined before it was first measured. */
export const fullness = ({ usedBytes, diskBytes }: Pick<DatabaseView, "usedBytes" | "diskBytes">): number | undefined =>
  usedBytes === undefined ? undefined : usedBytes / diskBytes;
const nearly = 0.85;
export const isNearlyFull = (database: Pick<DatabaseView, "usedBytes" | "diskBytes">): boolean =>
  (fullness(database) ?? 0) >= nearly;
export const isFull = (database: Pick<DatabaseView, "usedBytes" | "diskBytes">): boolean => (fullness(database) ?? 0) >= 1;

/** Says what is wrong with a name before it is sent. */
export const nameProblem = (name: string): string | undefined =>
  /^[a-z][a-z0-9-]{1,38}[a-z0-9]$/.test(name) ? undefined : translate("ui.slugInvalid");

/** Starts what takes a while; how it goes is seen in the state of the database. */
export const runAction = (
  key: "databaseStart" | "databaseStop" | "databaseRestart" | "databaseBackupCreate",
  database: string,
): void =>
  void callApi(key, { database } as never)
    .then(() => invalidate(queries, databaseRoutes))
    .catch(toastError);
