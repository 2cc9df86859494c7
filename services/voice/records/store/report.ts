import type { Tx } from "../../../../kernel/db/database.ts";
import type { ReportGroup } from "../contract.ts";
import { type CallFilter, callConditions } from "./calls.ts";

export interface ReportRow {
  key: string;
  name: string | null;
  calls: number;
  answered: number;
  talkSeconds: number;
  waitSeconds: number;
  queued: number;
  inServiceLevel: number;
  /** Decimals. */
  cost: string;
  price: string;
}

const sums = `count(*)::int as calls, (count(*) filter (where c.outcome = 'answered'))::int as answered, coalesce(sum(c.talk_seconds), 0) as "talkSeconds",
  coalesce(sum(c.wait_seconds), 0) as "waitSeconds", (count(*) filter (where c.queue_id is not null and c.outcome <> 'callback'))::int as queued,
  (count(*) filter (where c.queue_id is not null and c.outcome = 'answered' and c.wait_seconds <= c.service_level_seconds))::int as "inServiceLevel",
  coalesce(sum(c.cost), 0)::text as cost, coalesce(sum(c.price), 0)::text as price`;

const local = (tx: Tx, timeZone: string) => tx.sql`(c.started_at at time zone ${timeZone})`;
const keyOf = (tx: Tx, by: ReportGroup, timeZone: string) => {
  if (by === "day") return tx.sql`to_char(${local(tx, timeZone)}, 'YYYY-MM-DD')`;
  if (by === "hour") return tx.sql`extract(hour from ${local(tx, timeZone)})::int::text`;
  if (by === "weekday") return tx.sql`extract(isodow from ${local(tx, timeZone)})::int::text`;
  const column = { extension: "x.id", queue: "c.queue_id", trunk: "c.trunk_id" }[by as string] ?? `c.${by}`;
  return tx.sql`coalesce(${tx.sql.unsafe(column)}, '')`;
};
/** Where the name of a line's thing is, while it is there. */
const nameOf = (tx: Tx, by: ReportGroup) => {
  if (by === "extension") return tx.sql`(select e.number || ' ' || e.name from voice.extensions e where e.id = t.key)`;
  if (by === "queue") return tx.sql`(select e.name from voice.elements e where e.id = t.key)`;
  if (by === "trunk") return tx.sql`(select k.name from voice.trunks k where k.id = t.key)`;
  return tx.sql`null`;
};

/** One line for each group that has a call; a call of two extensions is in the lines of both. Calls without such a thing are in none. */
export const reportLines = (
  tx: Tx,
  filter: CallFilter,
  by: ReportGroup,
  timeZone: string,
  limit: number,
): Promise<ReportRow[]> => tx.sql<ReportRow[]>`
  select t.*, ${nameOf(tx, by)} as name from (
    select ${keyOf(tx, by, timeZone)} as key, ${tx.sql.unsafe(sums)} from voice.calls c
      ${by === "extension" ? tx.sql`cross join unnest(c.extension_ids) x(id)` : tx.sql``}
    where ${callConditions(tx, filter)} group by 1
  ) t where t.key <> ''
  order by ${by === "hour" || by === "weekday" ? tx.sql`t.key::int` : by === "day" ? tx.sql`t.key` : tx.sql`t.calls desc, t.key`} limit ${limit}`;

export async function reportTotal(tx: Tx, filter: CallFilter): Promise<ReportRow> {
  const [row] = await tx.sql<
    ReportRow[]
  >`select '' as key, null as name, ${tx.sql.unsafe(sums)} from voice.calls c where ${callConditions(tx, filter)}`;
  return row as ReportRow;
}
