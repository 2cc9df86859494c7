import { type ChainReport, cloudChain, verifyChain } from "../../kernel/audit.ts";
import type { Tx } from "../../kernel/db/database.ts";

export interface AuditRecord {
  id: string;
  sequence: number;
  at: Date;
  actorKind: "user" | "service_account" | "system" | "anonymous";
  actorId: string | null;
  actorName: string;
  action: string;
  organisationId: string | null;
  projectId: string | null;
  resourceKind: string;
  resourceId: string;
  resourceName: string | null;
  sourceIp: string | null;
  userAgent: string | null;
  requestId: string | null;
  before: Record<string, unknown> | null;
  after: Record<string, unknown> | null;
  hash: string;
}

export interface AuditFilter {
  /** Absent: the chain of the cloud itself. */
  organisationId: string | undefined;
  projectId: string | undefined;
  action: string | undefined;
  actor: string | undefined;
  resource: string | undefined;
  search: string | undefined;
  from: string | undefined;
  to: string | undefined;
  before: number | undefined;
  limit: number;
}

const likePattern = (text: string) => text.replace(/[\\%_]/g, "\\$&");

export const auditStore = {
  /** Newest first; the sequence of the organisation's own chain is the order. */
  list: (tx: Tx, filter: AuditFilter): Promise<AuditRecord[]> => {
    const { sql } = tx;
    const search = filter.search ? `%${likePattern(filter.search)}%` : undefined;
    return sql<AuditRecord[]>`
      select id, sequence, at, actor_kind as "actorKind", actor_id as "actorId", actor_name as "actorName", action, organisation_id as "organisationId",
        project_id as "projectId", resource_kind as "resourceKind", resource_id as "resourceId", resource_name as "resourceName", source_ip as "sourceIp",
        user_agent as "userAgent", request_id as "requestId", before, after, hash
      from kernel.audit_entries where chain = ${filter.organisationId ?? cloudChain} and organisation_id is not distinct from ${filter.organisationId ?? null}
        ${filter.projectId ? sql`and project_id = ${filter.projectId}` : sql``}
        ${filter.action ? sql`and (action = ${filter.action} or action like ${`${likePattern(filter.action)}.%`})` : sql``}
        ${filter.actor ? sql`and actor_id = ${filter.actor}` : sql``}
        ${filter.resource ? sql`and resource_id = ${filter.resource}` : sql``}
        ${search ? sql`and (actor_name ilike ${search} or action ilike ${search} or resource_name ilike ${search} or resource_kind ilike ${search})` : sql``}
        ${filter.from ? sql`and at >= ${filter.from}::timestamptz` : sql``}
        ${filter.to ? sql`and at < ${filter.to}::timestamptz` : sql``}
        ${filter.before !== undefined ? sql`and sequence < ${filter.before}` : sql``}
      order by sequence desc limit ${filter.limit}`;
  },

  /** One chain, or all of them. The heads belong to no tenant, hence the kernel's own role. */
  async verify(tx: Tx, organisationId: string | undefined): Promise<ChainReport[]> {
    await tx.sql`select set_config('role', 'none', true), set_config('statement_timeout', '600000', true)`;
    if (organisationId) return [await verifyChain(tx.sql, organisationId)];
    const heads = await tx.sql<{ chain: string }[]>`select chain from kernel.audit_heads order by chain`;
    const reports: ChainReport[] = [];
    for (const { chain } of heads.length > 0 ? heads : [{ chain: cloudChain }]) reports.push(await verifyChain(tx.sql, chain));
    return reports;
  },
};
