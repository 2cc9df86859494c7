import type { Tx } from "../../../../kernel/db/database.ts";
import type { Id } from "../../../../kernel/ids.ts";
import type { CallDirection, CallLeg, CallOutcome, PhoneCall } from "../contract.ts";

export interface CallRow {
  /** Made when the call began: calls are sorted by it. */
  id: Id<"call">;
  organisationId: Id<"organisation">;
  projectId: Id<"project">;
  systemId: Id<"phoneSystem">;
  direction: CallDirection;
  outcome: CallOutcome;
  fromNumber: string;
  fromName: string | null;
  toNumber: string;
  toName: string | null;
  extensionIds: Id<"extension">[];
  trunkId: Id<"trunk"> | null;
  phoneNumberId: Id<"phoneNumber"> | null;
  queueId: Id<"callQueue"> | null;
  serviceLevelSeconds: number | null;
  country: string | null;
  startedAt: Date;
  answeredAt: Date | null;
  endedAt: Date;
  waitSeconds: number;
  talkSeconds: number;
  cause: number | null;
  reason: string | null;
  hungUpBy: PhoneCall["hungUpBy"] | null;
  /** Decimals. */
  cost: string | null;
  price: string | null;
  currency: string | null;
  quality: NonNullable<PhoneCall["quality"]> | null;
}
export type CallRowWithLegs = CallRow & {
  legs: CallLeg[];
  /** What it took of the limits of extensions; absent: nothing. */
  spending?: { extensionId: string; amount: string }[];
};
/** With the recordings that are kept. */
export type CallListRow = CallRow & { recordingIds: Id<"recording">[] };

export interface CallFilter {
  systemId?: string | undefined;
  /** Calls that any of them took part in. */
  extensionIds?: readonly string[] | undefined;
  direction?: string | undefined;
  outcome?: string | undefined;
  trunkId?: string | undefined;
  queueId?: string | undefined;
  number?: string | undefined;
  from?: string | undefined;
  to?: string | undefined;
}

const columns = `c.id, c.organisation_id as "organisationId", c.project_id as "projectId", c.system_id as "systemId", c.direction, c.outcome,
  c.from_number as "fromNumber", c.from_name as "fromName", c.to_number as "toNumber", c.to_name as "toName", c.extension_ids as "extensionIds",
  c.trunk_id as "trunkId", c.phone_number_id as "phoneNumberId", c.queue_id as "queueId", c.service_level_seconds as "serviceLevelSeconds", c.country,
  c.started_at as "startedAt", c.answered_at as "answeredAt", c.ended_at as "endedAt", c.wait_seconds as "waitSeconds",
  c.talk_seconds as "talkSeconds", c.cause, c.reason, c.hung_up_by as "hungUpBy", c.cost::text, c.price::text, c.currency, c.quality,
  array(select r.id from voice.recordings r where r.call_id = c.id order by r.id) as "recordingIds"`;

export const callConditions = (tx: Tx, filter: CallFilter) => tx.sql`
  true ${filter.systemId === undefined ? tx.sql`` : tx.sql`and c.system_id = ${filter.systemId}`}
  ${filter.extensionIds === undefined ? tx.sql`` : tx.sql`and c.extension_ids && ${filter.extensionIds as string[]}::text[]`}
  ${filter.direction === undefined ? tx.sql`` : tx.sql`and c.direction = ${filter.direction}`}
  ${filter.outcome === undefined ? tx.sql`` : tx.sql`and c.outcome = ${filter.outcome}`}
  ${filter.trunkId === undefined ? tx.sql`` : tx.sql`and c.trunk_id = ${filter.trunkId}`}
  ${filter.queueId === undefined ? tx.sql`` : tx.sql`and c.queue_id = ${filter.queueId}`}
  ${
    filter.number === undefined
      ? tx.sql``
      : tx.sql`and (position(${filter.number} in c.from_number) > 0 or position(${filter.number} in c.to_number) > 0)`
  }
  ${filter.from === undefined ? tx.sql`` : tx.sql`and c.started_at >= ${filter.from}::timestamptz`}
  ${filter.to === undefined ? tx.sql`` : tx.sql`and c.started_at < ${filter.to}::timestamptz`}`;

/** By the names of the columns. */
const asStored = (row: CallRowWithLegs) => ({
  id: row.id,
  organisation_id: row.organisationId,
  project_id: row.projectId,
  system_id: row.systemId,
  direction: row.direction,
  outcome: row.outcome,
  from_number: row.fromNumber,
  from_name: row.fromName,
  to_number: row.toNumber,
  to_name: row.toName,
  extension_ids: row.extensionIds,
  trunk_id: row.trunkId,
  phone_number_id: row.phoneNumberId,
  queue_id: row.queueId,
  service_level_seconds: row.serviceLevelSeconds,
  country: row.country,
  started_at: row.startedAt,
  answered_at: row.answeredAt,
  ended_at: row.endedAt,
  wait_seconds: row.waitSeconds,
  talk_seconds: row.talkSeconds,
  cause: row.cause,
  reason: row.reason,
  hung_up_by: row.hungUpBy,
  cost: row.cost,
  price: row.price,
  currency: row.currency,
  quality: row.quality,
  legs: row.legs,
});

export const callStore = {
  /** Those that were not written yet: a record is written once. One statement for all of them, the same however many they are. */
  async insert(tx: Tx, calls: readonly CallRowWithLegs[]): Promise<CallRowWithLegs[]> {
    const rows = JSON.stringify(calls.map(asStored));
    const inserted = await tx.sql<{ id: string }[]>`
      insert into voice.calls (id, organisation_id, project_id, system_id, direction, outcome, from_number, from_name, to_number, to_name,
        extension_ids, trunk_id, phone_number_id, queue_id, service_level_seconds, country, started_at, answered_at, ended_at, wait_seconds,
        talk_seconds, cause, reason, hung_up_by, cost, price, currency, quality, legs)
      select id, organisation_id, project_id, system_id, direction, outcome, from_number, from_name, to_number, to_name,
        extension_ids, trunk_id, phone_number_id, queue_id, service_level_seconds, country, started_at, answered_at, ended_at, wait_seconds,
        talk_seconds, cause, reason, hung_up_by, cost, price, currency, quality, legs
      from json_populate_recordset(null::voice.calls, ${rows}::text::json)
      on conflict (id) do nothing returning id`;
    const fresh = new Set(inserted.map(({ id }) => id));
    return calls.filter(({ id }) => fresh.has(id));
  },

  async find(tx: Tx, id: string): Promise<(CallListRow & { legs: CallLeg[] }) | undefined> {
    const [row] = await tx.sql<(CallListRow & { legs: CallLeg[] })[]>`
      select ${tx.sql.unsafe(columns)}, c.legs from voice.calls c where c.id = ${id}`;
    return row;
  },

  /** What an extension called, the newest first; not whom others passed it on to. */
  async dialledBy(tx: Tx, { id, number }: { id: string; number: string }, limit: number): Promise<string[]> {
    const rows = await tx.sql<{ to: string }[]>`
      select c.to_number as "to" from voice.calls c where c.extension_ids @> array[${id}]::text[] and c.from_number = ${number}
        and c.direction <> 'inbound' and not c.legs @> '[{"kind":"transfer"}]'
      order by c.id desc limit ${limit}`;
    return rows.map(({ to }) => to);
  },

  /** Who called an extension last. Undefined: nobody, or with a hidden number. */
  async lastCallerOf(tx: Tx, { id, number }: { id: string; number: string }): Promise<string | undefined> {
    const [row] = await tx.sql<{ from: string }[]>`
      select c.from_number as "from" from voice.calls c where c.extension_ids @> array[${id}]::text[] and c.from_number <> ${number}
      order by c.id desc limit 1`;
    return row && /^\+?\d+$/.test(row.from) ? row.from : undefined;
  },

  /** The newest first. */
  page: (tx: Tx, filter: CallFilter, below: string | undefined, limit: number): Promise<CallListRow[]> => tx.sql<CallListRow[]>`
    select ${tx.sql.unsafe(columns)} from voice.calls c where ${callConditions(tx, filter)}
      ${below === undefined ? tx.sql`` : tx.sql`and c.id < ${below}`} order by c.id desc limit ${limit}`,

  /** The oldest first. */
  pageUpward: (tx: Tx, filter: CallFilter, above: string | undefined, limit: number): Promise<CallListRow[]> => tx.sql<
    CallListRow[]
  >`
    select ${tx.sql.unsafe(columns)} from voice.calls c where ${callConditions(tx, filter)}
      ${above === undefined ? tx.sql`` : tx.sql`and c.id > ${above}`} order by c.id limit ${limit}`,
};
