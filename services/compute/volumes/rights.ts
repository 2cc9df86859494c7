import type { RouteDefinition } from "../../../kernel/contract.ts";
import { CloudError } from "../../../kernel/errors.ts";
import type { RequestContext } from "../../../kernel/service.ts";
import objects from "../../objects/contract.ts";
import { type ProjectPlace, placeOf } from "../parts.ts";
import { backupRoutes } from "./backups/contract.ts";

/** What else somebody must be allowed to do, for a token or key that has not all the rights of its person. */
const rights = {
  writeObjects: [objects.routes.objectUpload, "write objects: a backup is one"],
  readObjects: [objects.routes.objectDownload, "read objects: a backup is one"],
  deleteObjects: [objects.routes.objectDelete, "delete objects: a backup is one"],
  drill: [backupRoutes.backupVerify, "begin restore drills"],
} as const satisfies Record<string, readonly [RouteDefinition, string]>;

export function checkRight(context: Pick<RequestContext, "allows">, right: keyof typeof rights, place: ProjectPlace): void {
  const [{ permission, roles }, words] = rights[right];
  if (context.allows(permission, roles, placeOf(place))) return;
  throw new CloudError("permission_denied", `For this you have to be allowed to ${words}.`, {
    details: { permission, roles: [...roles] },
  });
}
