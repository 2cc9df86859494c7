import type { Tx } from "../../kernel/db/database.ts";

export interface UsageFilter {
  organisationId: string;
  projectId: string | undefined;
  resourceId?: string | undefined;
  from: string;
  to: string;
}

export interface UsageRow {
  id: string;
  organisationId: string;
  projectId: string | null;
  meter: string;
  unit: string;
  resourceKind: string;
  resourceId: string;
  resourceName: string | null;
  fromAt: Date;
  toAt: Date;
  /** Exact, as text. */
  quantity: string;
}

// What of a record falls into [from, to): a counted fact belongs to the moment it begins in; a span is cut at both ends and its rate
// multiplied by the seconds left. Sums stay exact numerics; PostgreSQL's own interval arithmetic has microseconds.
const amount = (sql: Tx["sql"], from: unknown, to: unknown) => sql`
  case when is_span then quantity * extract(epoch from (least(coalesce(to_at, now()), ${to as string}::timestamptz) - greatest(from_at, ${from as string}::timestamptz)))
    else quantity end`;

const within = (sql: Tx["sql"], filter: UsageFilter) => sql`
  organisation_id = ${filter.organisationId}
  ${filter.projectId ? sql`and project_id = ${filter.projectId}` : sql``}
  ${filter.resourceId ? sql`and resource_id = ${filter.resourceId}` : sql``}
  and case when is_span then from_at < ${filter.to}::timestamptz and coalesce(to_at, now()) > ${filter.from}::timestamptz
    else from_at >= ${filter.from}::timestamptz and from_at < ${filter.to}::timestamptz end`;

/** A span is of a rate (`byte`), what it comes to is counted over time (`byte_seconds`); some name it in that unit from the beginning. */
const unit = (sql: Tx["sql"]) => sql`case when is_span and unit !~ 'seconds$' then unit || '_seconds' else unit end as unit`;

// numeric → text without trailing zeros: 1.500 → 1.5.
const asText = "trim_scale(sum(amount))::text";

export const usageStore = {
  list: (
    tx: Tx,
    filter: UsageFilter & { meter: string | undefined; before: { at: string; id: string } | undefined; limit: number },
  ): Promise<UsageRow[]> => tx.sql<UsageRow[]>`
    select id, organisation_id as "organisationId", project_id as "projectId", meter, ${unit(tx.sql)},
      resource_kind as "resourceKind", resource_id as "resourceId", resource_name as "resourceName",
      from_at as "fromAt", coalesce(to_at, now()) as "toAt", trim_scale(${amount(tx.sql, filter.from, filter.to)})::text as quantity
    from kernel.usage_records where ${within(tx.sql, filter)}
      ${filter.meter ? tx.sql`and meter = ${filter.meter}` : tx.sql``}
      ${filter.before ? tx.sql`and (from_at, id) < (${filter.before.at}::timestamptz, ${filter.before.id})` : tx.sql``}
    order by from_at desc, id desc limit ${filter.limit}`,

  /** Sums by meter and step of time, in UTC. */
  series: (
    tx: Tx,
    filter: UsageFilter,
    step: "hour" | "day" | "month",
  ): Promise<{ meter: string; unit: string; at: Date; total: string }[]> => tx.sql`
    with steps as (
      select s as at, s + ${`1 ${step}`}::interval as until
      from generate_series(date_trunc(${step}, ${filter.from}::timestamptz, 'UTC'), ${filter.to}::timestamptz - interval '1 microsecond', ${`1 ${step}`}::interval) s
    ), parts as (
      select meter, ${unit(tx.sql)}, steps.at,
        case when is_span then quantity * extract(epoch from (
            least(coalesce(to_at, now()), steps.until, ${filter.to}::timestamptz) - greatest(from_at, steps.at, ${filter.from}::timestamptz)))
          else quantity end as amount
      from kernel.usage_records join steps on case when is_span then from_at < steps.until and coalesce(to_at, now()) > steps.at
        else from_at >= steps.at and from_at < steps.until end
      where ${within(tx.sql, filter)}
    )
    select meter, unit, at, ${tx.sql.unsafe(asText)} as total from parts where amount > 0 group by meter, unit, at order by meter, at`,

  totals: (tx: Tx, filter: UsageFilter): Promise<{ meter: string; unit: string; total: string }[]> => tx.sql`
    with parts as (
      select meter, ${unit(tx.sql)}, ${amount(tx.sql, filter.from, filter.to)} as amount
      from kernel.usage_records where ${within(tx.sql, filter)})
    select meter, unit, ${tx.sql.unsafe(asText)} as total from parts group by meter, unit order by meter`,

  byResource: (
    tx: Tx,
    filter: UsageFilter,
    limit: number,
  ): Promise<{ meter: string; unit: string; kind: string; id: string; name: string | null; total: string }[]> => tx.sql`
    with parts as (
      select meter, ${unit(tx.sql)}, resource_kind as kind, resource_id as id, resource_name as name,
        ${amount(tx.sql, filter.from, filter.to)} as amount
      from kernel.usage_records where ${within(tx.sql, filter)})
    select meter, unit, kind, id, max(name) as name, ${tx.sql.unsafe(asText)} as total
    from parts where amount > 0 group by meter, unit, kind, id order by meter, sum(amount) desc limit ${limit}`,
};
