import { createHash } from "node:crypto";
import type { Actor } from "./contract.ts";
import type { Sql, Tx } from "./db/database.ts";
import { newId } from "./ids.ts";

/** What a change tells the audit log. Secrets have no place in `before` and `after`. */
export interface AuditFact {
  action: string;
  actor: Actor;
  organisationId?: string | undefined;
  projectId?: string | undefined;
  resource: { kind: string; id: string; name?: string | undefined };
  sourceIp?: string | undefined;
  userAgent?: string | undefined;
  requestId?: string | undefined;
  before?: Record<string, unknown> | undefined;
  after?: Record<string, unknown> | undefined;
}

const pending = new WeakMap<Tx, AuditFact[]>();

/**
 * Records a change in the transaction of the change itself. The rows are written last, since the chain of the organisation stays
 * locked from then to the commit.
 */
export function audit(tx: Tx, fact: AuditFact): void {
  const facts = pending.get(tx);
  if (facts) {
    facts.push(fact);
    return;
  }
  const list = [fact];
  pending.set(tx, list);
  tx.beforeCommit(() => write(tx, list));
}

const genesis = "0".repeat(64);
export const cloudChain = "cloud";

async function write(tx: Tx, facts: AuditFact[]): Promise<void> {
  // The heads belong to no tenant.
  await tx.sql`select set_config('role', 'none', true)`;
  const chains = [...new Set(facts.map((fact) => fact.organisationId ?? cloudChain))].sort();
  for (const chain of chains) {
    await tx.sql`insert into kernel.audit_heads (chain, sequence, hash) values (${chain}, 0, ${genesis}) on conflict do nothing`;
    const [head] = await tx.sql<
      { sequence: number; hash: string }[]
    >`select sequence, hash from kernel.audit_heads where chain = ${chain} for update`;
    let { sequence, hash } = head as { sequence: number; hash: string };
    const rows = facts
      .filter((fact) => (fact.organisationId ?? cloudChain) === chain)
      .map((fact) => {
        const at = new Date();
        const row: AuditRow = {
          id: newId("auditEntry"),
          chain,
          sequence: ++sequence,
          at,
          actor_kind: fact.actor.kind,
          actor_id: fact.actor.id ?? null,
          actor_name: fact.actor.name,
          action: fact.action,
          organisation_id: fact.organisationId ?? null,
          project_id: fact.projectId ?? null,
          resource_kind: fact.resource.kind,
          resource_id: fact.resource.id,
          resource_name: fact.resource.name ?? null,
          source_ip: fact.sourceIp ?? null,
          user_agent: fact.userAgent?.slice(0, 300) ?? null,
          request_id: fact.requestId ?? null,
          before: fact.before ?? null,
          after: fact.after ?? null,
          hash: "",
        };
        row.hash = hash = chainHash(hash, row);
        return row;
      });
    await tx.sql`insert into kernel.audit_entries ${tx.sql(rows.map((row) => ({ ...row, before: json(tx, row.before), after: json(tx, row.after) })) as never)}`;
    await tx.sql`update kernel.audit_heads set sequence = ${sequence}, hash = ${hash} where chain = ${chain}`;
  }
}

const json = (tx: Tx, value: Record<string, unknown> | null) => (value === null ? null : tx.sql.json(value as never));

interface AuditRow {
  id: string;
  chain: string;
  sequence: number;
  at: Date;
  actor_kind: string;
  actor_id: string | null;
  actor_name: string;
  action: string;
  organisation_id: string | null;
  project_id: string | null;
  resource_kind: string;
  resource_id: string;
  resource_name: string | null;
  source_ip: string | null;
  user_agent: string | null;
  request_id: string | null;
  before: Record<string, unknown> | null;
  after: Record<string, unknown> | null;
  hash: string;
}

/** SHA-256 over the hash before and every column, in canonical form: the same after a round trip through PostgreSQL. */
export function chainHash(previous: string, row: AuditRow): string {
  const { hash: _hash, ...content } = row;
  return createHash("sha256").update(previous).update(canonical(content)).digest("hex");
}

/** JSON with sorted keys and without undefined members (after RFC 8785). */
function canonical(value: unknown): string {
  if (value instanceof Date) return JSON.stringify(value.toISOString());
  if (Array.isArray(value)) return `[${value.map((each) => canonical(each ?? null)).join(",")}]`;
  if (value !== null && typeof value === "object") {
    const members = Object.entries(value)
      .filter(([, member]) => member !== undefined)
      .sort(([a], [b]) => (a < b ? -1 : 1));
    return `{${members.map(([key, member]) => `${JSON.stringify(key)}:${canonical(member)}`).join(",")}}`;
  }
  return JSON.stringify(value);
}

export interface ChainReport {
  chain: string;
  sequence: number;
  hash: string;
  firstInvalid?: { sequence: number; problem: string };
}

/** Walks one chain from its beginning and tells the first entry that was changed, removed or slipped in. */
export async function verifyChain(sql: Sql | Tx["sql"], chain: string): Promise<ChainReport> {
  let hash = genesis;
  let sequence = 0;
  const [head] = await sql<
    { sequence: number; hash: string }[]
  >`select sequence, hash from kernel.audit_heads where chain = ${chain}`;
  const report = (problem?: string): ChainReport => ({
    chain,
    sequence,
    hash,
    ...(problem ? { firstInvalid: { sequence: sequence + 1, problem } } : {}),
  });
  const end = head?.sequence ?? 0;
  while (sequence < end) {
    const rows = await sql<AuditRow[]>`
      select id, chain, sequence, at, actor_kind, actor_id, actor_name, action, organisation_id, project_id, resource_kind, resource_id,
             resource_name, source_ip, user_agent, request_id, before, after, hash
      from kernel.audit_entries where chain = ${chain} and sequence > ${sequence} and sequence <= ${end} order by sequence limit 1000`;
    if (rows.length === 0) return report("The entry is missing.");
    for (const row of rows) {
      if (row.sequence !== sequence + 1) return report("The entry is missing.");
      const expected = chainHash(hash, { ...row });
      if (expected !== row.hash) return report("The entry was changed after it was written.");
      hash = expected;
      sequence = row.sequence;
    }
  }
  if (head && head.hash !== hash) return report("The head of the chain does not fit its last entry.");
  return report();
}
