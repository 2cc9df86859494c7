import { covers } from "../../kernel/auth/authorize.ts";
import type { Place, Principal } from "../../kernel/auth/principal.ts";
import { type Role, roleIncludes } from "../../kernel/contract.ts";
import { CloudError, notFound } from "../../kernel/errors.ts";
import type { RequestContext } from "../../kernel/service.ts";

/** Whether somebody holds a role, or one that includes it, at a place. */
export const holds = (principal: Principal, role: Role, place: Place): boolean =>
  principal.bindings.some(
    (binding) => binding.suspendedReason === undefined && covers(binding, place) && roleIncludes[binding.role].includes(role),
  );

/** Nobody gives, takes away or comes to use more than they hold themselves: else the lesser role would be the greater one. */
export function assertHolds(principal: Principal, bindings: readonly { role: Role; place: Place }[], what: string): void {
  const missing = bindings.find(({ role, place }) => !holds(principal, role, place));
  if (missing) {
    throw new CloudError("permission_denied", `${what} needs the role ${missing.role}, which you do not have here yourself.`, {
      details: { reason: "role_too_high", roles: [missing.role] },
    });
  }
}

export const placeOf = (row: { organisationId: string | null; projectId: string | null }): Place => ({
  organisationId: row.organisationId ?? undefined,
  projectId: row.projectId ?? undefined,
});

/** Whether somebody may know that an organisation exists. */
export const knowsOrganisation = (principal: Principal, organisationId: string): boolean =>
  principal.bindings.some((binding) => binding.organisationId === undefined || binding.organisationId === organisationId);

/** For what only the cloud's own administrators may do to an organisation: others are refused, and strangers are told of nothing. */
export function authorizeAtCloud(context: RequestContext, organisationId: string): void {
  if (!knowsOrganisation(context.principal, organisationId)) throw notFound("organisation");
  context.authorize({}, "organisation");
}

/** The projects of an organisation that somebody sees; undefined: all of them. */
export function visibleProjects(principal: Pick<Principal, "bindings">, organisationId: string): string[] | undefined {
  const here = principal.bindings.filter(
    (binding) => binding.organisationId === undefined || binding.organisationId === organisationId,
  );
  return here.some((binding) => binding.projectId === undefined) ? undefined : here.map((binding) => binding.projectId as string);
}
