import { type Permission, type Role, roleIncludes } from "../contract.ts";
import type { Visibility } from "../db/visibility.ts";
import { CloudError, notFound } from "../errors.ts";
import type { Binding, Place, Principal } from "./principal.ts";

/** Whether a binding holds at a place: it is inherited downward, cloud > organisation > project. */
export const covers = (binding: Binding, place: Place): boolean =>
  binding.organisationId === undefined ||
  (binding.organisationId === place.organisationId && (binding.projectId === undefined || binding.projectId === place.projectId));

/** A member of one project knows of its organisation; nobody knows of what they have no role in. */
const knows = (binding: Binding, place: Place): boolean =>
  covers(binding, place) ||
  (place.projectId === undefined && binding.organisationId !== undefined && binding.organisationId === place.organisationId);

/** Whether a token's scopes let a permission through: `*`, `*.read`, `objects.*`, `objects.bucket.*` or the permission itself. */
export function scopeAllows(scopes: readonly string[], permission: string): boolean {
  const verb = permission.slice(permission.lastIndexOf(".") + 1);
  return scopes.some(
    (scope) =>
      scope === "*" ||
      scope === permission ||
      (scope === "*.read" && readVerbs.has(verb)) ||
      (scope.endsWith(".*") && permission.startsWith(scope.slice(0, -1))),
  );
}
export const readVerbs: ReadonlySet<string> = new Set(["read", "list", "watch", "verify"]);

/**
 * Lets a call through or throws: not_found when the caller may not know of the place, permission_denied when they may know of it but
 * not do this. `roles` are the lowest roles that hold the permission.
 */
export function authorize(
  principal: Principal,
  permission: Permission,
  roles: readonly Role[],
  place: Place,
  resource: string,
): void {
  const confined = principal.projectId !== undefined && place.projectId !== principal.projectId;
  const known = principal.bindings.filter((binding) => knows(binding, place));
  // The cloud itself is no secret: who has no role there is told so.
  const isCloud = place.organisationId === undefined;
  if ((known.length === 0 && !isCloud) || confined) throw notFound(resource);
  const holding = principal.bindings.filter(
    (binding) => covers(binding, place) && roles.some((role) => roleIncludes[binding.role].includes(role)),
  );
  if (holding.length === 0) {
    throw new CloudError(
      "permission_denied",
      `You may not do this: it needs the role ${orList(roles)} here. Ask an administrator of the organisation.`,
      {
        details: { permission, roles: [...roles] },
      },
    );
  }
  const verb = permission.slice(permission.lastIndexOf(".") + 1);
  if ((principal.scopes && !scopeAllows(principal.scopes, permission)) || (principal.readOnly && !readVerbs.has(verb))) {
    throw new CloudError(
      "permission_denied",
      `The token or key that you use does not allow ${permission}. Make one with a wider scope.`,
      {
        details: { permission, reason: "token_scope" },
      },
    );
  }
  const open = holding.find((binding) => binding.suspendedReason === undefined);
  if (!open && permission !== "identity.organisation.read") {
    throw new CloudError("permission_denied", `This organisation is suspended: ${holding[0]?.suspendedReason}`, {
      details: { reason: "organisation_suspended", suspendedReason: holding[0]?.suspendedReason },
    });
  }
}

/** What row-level security lets a caller see. */
export function visibilityOf(principal: Principal | undefined): Visibility {
  if (!principal) return { organisationIds: [] };
  if (principal.bindings.some((binding) => binding.organisationId === undefined)) return { all: true };
  return { organisationIds: [...new Set(principal.bindings.map((binding) => binding.organisationId as string))] };
}

const orList = (words: readonly string[]): string =>
  words.length < 2 ? words.join("") : `${words.slice(0, -1).join(", ")} or ${words.at(-1)}`;
