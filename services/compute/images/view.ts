import { isoTime } from "../../../kernel/clock.ts";
import type { RequestContext } from "../../../kernel/service.ts";
import { mayChange } from "./access.ts";
import { type Image, type ImageAction, imageAction, imageActions, imageRoutes } from "./contract.ts";
import type { ImageRow } from "./store.ts";

const routeOf = {
  update: imageRoutes.imageUpdate,
  share: imageRoutes.imageShare,
  download: imageRoutes.imageDownload,
  export: imageRoutes.imageExport,
  delete: imageRoutes.imageDelete,
} as const;

/** What somebody may do with an image now: what its state allows and their role. */
const allowedActions = (caller: Pick<RequestContext, "allows">, row: ImageRow): ImageAction[] =>
  imageAction.options.filter(
    (action) => imageActions[action].includes(row.state) && (action === "use" || mayChange(caller, row, routeOf[action])),
  );

export const viewImage = (
  caller: Pick<RequestContext, "allows">,
  row: ImageRow,
  sharedProjects?: Image["sharedProjects"],
): Image => ({
  id: row.id,
  scope: row.projectId === null ? "cloud" : "project",
  organisationId: row.organisationId ?? undefined,
  projectId: row.projectId ?? undefined,
  name: row.name,
  description: row.description,
  kind: row.kind,
  state: row.state,
  stateReason: row.stateReason ?? undefined,
  allowedActions: allowedActions(caller, row),
  operationId: row.operationId ?? undefined,
  architecture: row.architecture ?? undefined,
  sizeBytes: row.sizeBytes,
  minimumDiskBytes: row.minimumDiskBytes,
  defaultUser: row.defaultUser,
  fingerprint: row.fingerprint ?? undefined,
  visibility: row.visibility,
  sharedProjects,
  source: { kind: row.sourceKind, name: row.sourceName },
  createdAt: isoTime(row.createdAt),
  revision: row.revision,
});
