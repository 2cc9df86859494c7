import type { QuotaDefinition, Quotas } from "./contract.ts";
import type { Tx } from "./db/database.ts";
import { CloudError } from "./errors.ts";

/** The quotas of all services of this process, by name. */
const definitions = new Map<string, QuotaDefinition>();

export function registerQuotas(quotas: Quotas): void {
  for (const [name, definition] of Object.entries(quotas)) definitions.set(name, definition);
}
export const quotaDefinitions = (): ReadonlyMap<string, QuotaDefinition> => definitions;

export interface QuotaScope {
  organisationId: string;
  projectId?: string | undefined;
}

/**
 * Reserves `amount` (or gives it back, when negative) at the project and the organisation, in the transaction of the create or delete:
 * the row stays locked until the commit, so parallel creates line up and never pass the limit together. quota_exceeded says which one.
 */
export async function reserveQuota(tx: Tx, scope: QuotaScope, name: string, amount: number): Promise<void> {
  const definition = definitions.get(name);
  if (!definition) throw new Error(`No service declares the quota ${name}.`);
  // Always the organisation first: one order, no deadlock.
  for (const scopeId of [scope.organisationId, scope.projectId]) {
    if (scopeId === undefined) continue;
    const [row] = await tx.sql<{ used: number; limitValue: number | null }[]>`
      insert into kernel.quota_usage as u (scope_id, organisation_id, name, used)
      values (${scopeId}, ${scope.organisationId}, ${name}, greatest(${amount}::bigint, 0))
      on conflict (scope_id, name) do update set used = greatest(u.used + ${amount}::bigint, 0)
      returning used, (select limit_value from kernel.quota_limits l where l.scope_id = u.scope_id and l.name = u.name) as "limitValue"`;
    const used = row?.used ?? 0;
    // A project without a limit of its own is bound by its organisation only.
    const limit = row?.limitValue ?? (scopeId === scope.organisationId ? definition.default : undefined);
    if (amount > 0 && limit !== undefined && used > limit) {
      const where = scopeId === scope.organisationId ? "organisation" : "project";
      throw new CloudError(
        "quota_exceeded",
        `The ${where} may have ${limit} ${definition.summary.toLowerCase()}, and that is used up. Delete what is not needed, or ask an administrator for a higher quota.`,
        { details: { quota: name, limit, scope: where } },
      );
    }
  }
}

export interface QuotaUse extends QuotaScope {
  used: number;
}

/**
 * Writes down what is used of a quota that is measured from time to time instead of reserved with each change: of every scope
 * that has something; all others have nothing.
 */
export async function reportQuotaUse(tx: Tx, name: string, uses: readonly QuotaUse[]): Promise<void> {
  const ids = uses.map(({ organisationId, projectId }) => projectId ?? organisationId);
  await tx.sql`update kernel.quota_usage set used = 0 where name = ${name} and used <> 0 and not scope_id = any (${ids}::text[])`;
  if (uses.length === 0) return;
  await tx.sql`insert into kernel.quota_usage as u (scope_id, organisation_id, name, used)
    select * from unnest(${ids}::text[], ${uses.map(({ organisationId }) => organisationId)}::text[],
      array_fill(${name}::text, array[${ids.length}::int]), ${uses.map(({ used }) => used)}::bigint[])
    on conflict (scope_id, name) do update set used = excluded.used where u.used <> excluded.used`;
}

export interface QuotaState {
  name: string;
  definition: QuotaDefinition;
  limit: number;
  used: number;
  custom: boolean;
}

/** Limits and use at one scope: of the project when it is given, else of the organisation. */
export async function quotaStates(tx: Tx, scope: QuotaScope): Promise<QuotaState[]> {
  const ids = [scope.organisationId, ...(scope.projectId ? [scope.projectId] : [])];
  const limits = await tx.sql<{ scopeId: string; name: string; value: number }[]>`
    select scope_id as "scopeId", name, limit_value as value from kernel.quota_limits where scope_id in ${tx.sql(ids)}`;
  const scopeId = scope.projectId ?? scope.organisationId;
  const usage = await tx.sql<
    { name: string; used: number }[]
  >`select name, used from kernel.quota_usage where scope_id = ${scopeId}`;
  const limitAt = (at: string, name: string) => limits.find((each) => each.scopeId === at && each.name === name)?.value;
  return [...definitions].map(([name, definition]) => {
    const own = limitAt(scopeId, name);
    return {
      name,
      definition,
      limit: own ?? limitAt(scope.organisationId, name) ?? definition.default,
      used: usage.find((each) => each.name === name)?.used ?? 0,
      custom: own !== undefined,
    };
  });
}

/** `limit` null: back to the default. */
export async function setQuota(tx: Tx, scope: QuotaScope, name: string, limit: number | null): Promise<void> {
  if (!definitions.has(name)) {
    throw new CloudError("invalid_argument", `There is no quota ${name}. There are: ${[...definitions.keys()].join(", ")}.`, {
      details: { fields: [{ path: "body.name", message: "Unknown quota." }] },
    });
  }
  const scopeId = scope.projectId ?? scope.organisationId;
  if (limit === null) await tx.sql`delete from kernel.quota_limits where scope_id = ${scopeId} and name = ${name}`;
  else {
    await tx.sql`insert into kernel.quota_limits (scope_id, organisation_id, name, limit_value) values (${scopeId}, ${scope.organisationId}, ${name}, ${limit})
      on conflict (scope_id, name) do update set limit_value = excluded.limit_value`;
  }
}
