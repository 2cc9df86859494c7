import type { Tx } from "../db/database.ts";

export interface UsageSubject {
  organisationId: string;
  projectId?: string | undefined;
  service: string;
  resource: { kind: string; id: string; name?: string | undefined };
}

/**
 * A counted fact: this much of this happened between two moments. `id` is derived from the fact, so that recording it twice
 * counts once. `quantity` is an exact decimal, as a string where it may pass 2^53.
 */
export interface UsageCount extends UsageSubject {
  id: string;
  meter: string;
  unit: string;
  from: Date;
  to: Date;
  quantity: string | number | bigint;
}

export async function recordUsage(tx: Tx, counts: readonly UsageCount[]): Promise<void> {
  if (counts.length === 0) return;
  await tx.sql`insert into kernel.usage_records ${tx.sql(
    counts.map((count) => ({
      id: count.id,
      organisation_id: count.organisationId,
      project_id: count.projectId ?? null,
      service: count.service,
      meter: count.meter,
      unit: count.unit,
      resource_kind: count.resource.kind,
      resource_id: count.resource.id,
      resource_name: count.resource.name ?? null,
      from_at: count.from,
      to_at: count.to,
      quantity: String(count.quantity),
      is_span: false,
    })) as never,
  )} on conflict (id) do nothing`;
}

/**
 * Adds to the counted fact of this id, or begins it: for what comes in pieces, many a minute, of which nobody needs each.
 * Unlike recordUsage it counts again when it is called again: the caller keeps, in the same transaction, what it has added.
 */
export async function addUsage(tx: Tx, counts: readonly UsageCount[]): Promise<void> {
  for (const count of counts) {
    await tx.sql`insert into kernel.usage_records as u
        (id, organisation_id, project_id, service, meter, unit, resource_kind, resource_id, resource_name, from_at, to_at, quantity)
      values (${count.id}, ${count.organisationId}, ${count.projectId ?? null}, ${count.service}, ${count.meter}, ${count.unit}, ${count.resource.kind},
        ${count.resource.id}, ${count.resource.name ?? null}, ${count.from}, ${count.to}, ${String(count.quantity)})
      on conflict (id) do update set quantity = u.quantity + excluded.quantity, from_at = least(u.from_at, excluded.from_at),
        to_at = greatest(u.to_at, excluded.to_at), recorded_at = now()`;
  }
}

/** Opens a half-open span [from, …) in the transaction that takes the capacity: `rate` of it is held until the span is closed. */
export async function openUsageSpan(
  tx: Tx,
  span: UsageSubject & { id: string; meter: string; unit: string; from: Date; rate: string | number },
): Promise<void> {
  await tx.sql`insert into kernel.usage_records (id, organisation_id, project_id, service, meter, unit, resource_kind, resource_id, resource_name, from_at, quantity, is_span)
    values (${span.id}, ${span.organisationId}, ${span.projectId ?? null}, ${span.service}, ${span.meter}, ${span.unit}, ${span.resource.kind}, ${span.resource.id},
      ${span.resource.name ?? null}, ${span.from}, ${String(span.rate)}, true) on conflict (id) do nothing`;
}

/** Closes the open spans of a resource (of one meter, when given), in the transaction that gives the capacity back. */
export async function closeUsageSpans(tx: Tx, resourceId: string, to: Date, meter?: string): Promise<void> {
  await tx.sql`update kernel.usage_records set to_at = greatest(${to}, from_at)
    where resource_id = ${resourceId} and is_span and to_at is null ${meter ? tx.sql`and meter = ${meter}` : tx.sql``}`;
}

/** The same for spans by their ids: where several that are written down under one resource end at different times. */
export async function closeUsageSpansOf(tx: Tx, ids: readonly string[], to: Date): Promise<void> {
  if (ids.length === 0) return;
  await tx.sql`update kernel.usage_records set to_at = greatest(${to}, from_at)
    where id = any (${ids as string[]}::text[]) and is_span and to_at is null`;
}
