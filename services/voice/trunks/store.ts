import type { Tx } from "../../../kernel/db/database.ts";
import { emit } from "../../../kernel/events.ts";
import { type Id, newId } from "../../../kernel/ids.ts";
import { systemOf } from "../extensions/store.ts";
import { raisePlanVersion } from "../systems/store.ts";
import type { NumberSettings, RouteSettings, Trunk, TrunkSettings } from "./contract.ts";
import { withNumberDefaults, withRouteDefaults, withTrunkDefaults } from "./defaults.ts";

interface Place {
  systemId: Id<"phoneSystem">;
  organisationId: Id<"organisation">;
  projectId: Id<"project">;
}

export interface NumberRow extends Place {
  id: Id<"phoneNumber">;
  number: string;
  settings: NumberSettings;
  createdAt: Date;
  revision: number;
}

const place = `t.system_id as "systemId", t.organisation_id as "organisationId", t.project_id as "projectId"`;
const common = `t.id, ${place}, t.settings, t.created_at as "createdAt", t.revision`;

const openNumber = (row: NumberRow): NumberRow => ({ ...row, settings: withNumberDefaults(row.settings) });

async function announceNumber(tx: Tx, row: NumberRow): Promise<void> {
  await raisePlanVersion(tx, systemOf(row));
  await emit(tx, {
    type: "voice.phone_number.changed",
    organisationId: row.organisationId,
    projectId: row.projectId,
    payload: { phoneNumberId: row.id, phoneSystemId: row.systemId, number: row.number },
  });
}

export const numberStore = {
  async find(tx: Tx, id: string): Promise<NumberRow | undefined> {
    const [row] = await tx.sql<NumberRow[]>`select ${tx.sql.unsafe(common)}, t.number from voice.numbers t where t.id = ${id}`;
    return row && openNumber(row);
  },

  /** By number; all of them without a limit. */
  async page(tx: Tx, systemId: string, page: { after?: string | undefined; limit?: number } = {}): Promise<NumberRow[]> {
    const rows = await tx.sql<
      NumberRow[]
    >`select ${tx.sql.unsafe(common)}, t.number from voice.numbers t where t.system_id = ${systemId}
      ${page.after === undefined ? tx.sql`` : tx.sql`and t.number > ${page.after}`} order by t.number
      ${page.limit === undefined ? tx.sql`` : tx.sql`limit ${page.limit}`}`;
    return rows.map(openNumber);
  },

  /** False when the phone system has it. */
  async insert(tx: Tx, row: NumberRow): Promise<boolean> {
    const rows = await tx.sql`insert into voice.numbers (id, system_id, organisation_id, project_id, number, settings, created_at)
      values (${row.id}, ${row.systemId}, ${row.organisationId}, ${row.projectId}, ${row.number}, ${tx.sql.json(row.settings as never)}, ${row.createdAt})
      on conflict (system_id, number) do nothing returning id`;
    if (rows.length > 0) await announceNumber(tx, row);
    return rows.length > 0;
  },

  /** Those that the phone system does not have. */
  async insertAll(tx: Tx, rows: readonly NumberRow[]): Promise<void> {
    const [first] = rows;
    if (!first) return;
    const values = rows.map(({ id, number, settings }) => ({ id, number, settings }));
    await tx.sql`insert into voice.numbers (id, system_id, organisation_id, project_id, number, settings, created_at)
      select v.id, ${first.systemId}, ${first.organisationId}, ${first.projectId}, v.number, v.settings, ${first.createdAt}
      from jsonb_to_recordset(${tx.sql.json(values as never)}) v (id text, number text, settings jsonb)`;
    await announceNumber(tx, first);
  },

  async update(tx: Tx, row: NumberRow): Promise<NumberRow> {
    await tx.sql`update voice.numbers set settings = ${tx.sql.json(row.settings as never)}, revision = revision + 1 where id = ${row.id}`;
    await announceNumber(tx, row);
    return { ...row, revision: row.revision + 1 };
  },

  async delete(tx: Tx, row: NumberRow): Promise<void> {
    await tx.sql`delete from voice.numbers where id = ${row.id}`;
    await announceNumber(tx, row);
  },
};

export interface TrunkRow extends Place {
  id: Id<"trunk">;
  name: string;
  settings: TrunkSettings;
  /** Sealed. */
  password: Uint8Array | null;
  state: Trunk["state"] | null;
  stateReason: string | null;
  stateAt: Date | null;
  createdAt: Date;
  revision: number;
}

const trunkColumns = `${common}, t.name, t.password, st.state, st.reason as "stateReason", st.at as "stateAt"`;
const trunks = `voice.trunks t left join voice.trunk_states st on st.trunk_id = t.id`;
const openTrunk = (row: TrunkRow): TrunkRow => ({ ...row, settings: withTrunkDefaults(row.settings) });

async function announceTrunk(tx: Tx, row: TrunkRow): Promise<void> {
  await emit(tx, {
    type: "voice.trunk.changed",
    organisationId: row.organisationId,
    projectId: row.projectId,
    payload: { trunkId: row.id, phoneSystemId: row.systemId, state: row.state ?? "unknown" },
  });
}

export const trunkStore = {
  async find(tx: Tx, id: string): Promise<TrunkRow | undefined> {
    const [row] = await tx.sql<
      TrunkRow[]
    >`select ${tx.sql.unsafe(trunkColumns)} from ${tx.sql.unsafe(trunks)} where t.id = ${id}`;
    return row && openTrunk(row);
  },

  /** By name; all of them without a limit. */
  async page(tx: Tx, systemId: string, page: { after?: string | undefined; limit?: number } = {}): Promise<TrunkRow[]> {
    const rows = await tx.sql<
      TrunkRow[]
    >`select ${tx.sql.unsafe(trunkColumns)} from ${tx.sql.unsafe(trunks)} where t.system_id = ${systemId}
      ${page.after === undefined ? tx.sql`` : tx.sql`and t.name > ${page.after}`} order by t.name
      ${page.limit === undefined ? tx.sql`` : tx.sql`limit ${page.limit}`}`;
    return rows.map(openTrunk);
  },

  /** False when the phone system has one of this name. */
  async insert(tx: Tx, row: TrunkRow): Promise<boolean> {
    const rows =
      await tx.sql`insert into voice.trunks (id, system_id, organisation_id, project_id, name, settings, password, created_at)
      values (${row.id}, ${row.systemId}, ${row.organisationId}, ${row.projectId}, ${row.name}, ${tx.sql.json(row.settings as never)}, ${row.password},
        ${row.createdAt}) on conflict (system_id, name) do nothing returning id`;
    if (rows.length === 0) return false;
    await raisePlanVersion(tx, systemOf(row));
    await announceTrunk(tx, row);
    return true;
  },

  async update(tx: Tx, row: TrunkRow): Promise<TrunkRow> {
    await tx.sql`update voice.trunks set name = ${row.name}, settings = ${tx.sql.json(row.settings as never)}, password = ${row.password},
      revision = revision + 1 where id = ${row.id}`;
    await raisePlanVersion(tx, systemOf(row));
    await announceTrunk(tx, row);
    return { ...row, revision: row.revision + 1 };
  },

  async delete(tx: Tx, row: TrunkRow): Promise<void> {
    await tx.sql`delete from voice.trunks where id = ${row.id}`;
    await raisePlanVersion(tx, systemOf(row));
    await announceTrunk(tx, row);
  },

  /** For the voice process: what it sees of a trunk. Told only when it differs. */
  async noteState(tx: Tx, trunkId: string, state: Trunk["state"], reason?: string): Promise<void> {
    const changed = await tx.sql`
      insert into voice.trunk_states as s (trunk_id, organisation_id, project_id, state, reason, at)
      select id, organisation_id, project_id, ${state}, ${reason ?? null}, now() from voice.trunks where id = ${trunkId}
      on conflict (trunk_id) do update set state = excluded.state, reason = excluded.reason, at = excluded.at
        where s.state <> excluded.state or s.reason is distinct from excluded.reason
      returning trunk_id`;
    if (changed.length === 0) return;
    const row = await trunkStore.find(tx, trunkId);
    if (row) await announceTrunk(tx, row);
  },
};

export interface RouteRow extends Place {
  id: Id<"outboundRoute">;
  name: string;
  settings: RouteSettings;
  createdAt: Date;
  revision: number;
}

const openRoute = (row: RouteRow): RouteRow => ({ ...row, settings: withRouteDefaults(row.settings) });

export const routeStore = {
  async find(tx: Tx, id: string): Promise<RouteRow | undefined> {
    const [row] = await tx.sql<
      RouteRow[]
    >`select ${tx.sql.unsafe(common)}, t.name from voice.outbound_routes t where t.id = ${id}`;
    return row && openRoute(row);
  },

  /** By name; all of them without a limit. */
  async page(tx: Tx, systemId: string, page: { after?: string | undefined; limit?: number } = {}): Promise<RouteRow[]> {
    const rows = await tx.sql<
      RouteRow[]
    >`select ${tx.sql.unsafe(common)}, t.name from voice.outbound_routes t where t.system_id = ${systemId}
      ${page.after === undefined ? tx.sql`` : tx.sql`and t.name > ${page.after}`} order by t.name
      ${page.limit === undefined ? tx.sql`` : tx.sql`limit ${page.limit}`}`;
    return rows.map(openRoute);
  },

  /** False when the phone system has one of this name. */
  async insert(tx: Tx, row: RouteRow): Promise<boolean> {
    const rows =
      await tx.sql`insert into voice.outbound_routes (id, system_id, organisation_id, project_id, name, settings, created_at)
      values (${row.id}, ${row.systemId}, ${row.organisationId}, ${row.projectId}, ${row.name}, ${tx.sql.json(row.settings as never)}, ${row.createdAt})
      on conflict (system_id, name) do nothing returning id`;
    if (rows.length > 0) await raisePlanVersion(tx, systemOf(row));
    return rows.length > 0;
  },

  async update(tx: Tx, row: RouteRow): Promise<RouteRow> {
    await tx.sql`update voice.outbound_routes set name = ${row.name}, settings = ${tx.sql.json(row.settings as never)}, revision = revision + 1
      where id = ${row.id}`;
    await raisePlanVersion(tx, systemOf(row));
    return { ...row, revision: row.revision + 1 };
  },

  async delete(tx: Tx, row: RouteRow): Promise<void> {
    await tx.sql`delete from voice.outbound_routes where id = ${row.id}`;
    await raisePlanVersion(tx, systemOf(row));
  },
};

/** Amounts are decimals. */
export interface Rate {
  trunkId: Id<"trunk"> | null;
  prefix: string;
  label: string;
  perMinute: string;
  connectionFee: string;
  firstSeconds: number;
  stepSeconds: number;
}
export interface RateRow extends Rate, Place {
  id: Id<"phoneRate">;
}

const amounts = `t.trunk_id as "trunkId", t.prefix, t.label, trim_scale(t.per_minute)::text as "perMinute",
  trim_scale(t.connection_fee)::text as "connectionFee", t.first_seconds as "firstSeconds", t.step_seconds as "stepSeconds"`;

export const rateStore = {
  async find(tx: Tx, id: string): Promise<RateRow | undefined> {
    const [row] = await tx.sql<
      RateRow[]
    >`select t.id, ${tx.sql.unsafe(place)}, ${tx.sql.unsafe(amounts)} from voice.rates t where t.id = ${id}`;
    return row;
  },

  /** By prefix. */
  page: (
    tx: Tx,
    filter: { systemId: string; trunkId: string | null; after?: string | undefined; limit: number },
  ): Promise<RateRow[]> => tx.sql<RateRow[]>`
    select t.id, ${tx.sql.unsafe(place)}, ${tx.sql.unsafe(amounts)} from voice.rates t
    where t.system_id = ${filter.systemId} and t.trunk_id is not distinct from ${filter.trunkId}
      ${filter.after === undefined ? tx.sql`` : tx.sql`and t.prefix > ${filter.after}`} order by t.prefix limit ${filter.limit}`,

  async ofPrefix(tx: Tx, systemId: string, trunkId: string | null, prefix: string): Promise<RateRow | undefined> {
    const [row] = await tx.sql<RateRow[]>`select t.id, ${tx.sql.unsafe(place)}, ${tx.sql.unsafe(amounts)} from voice.rates t
      where t.system_id = ${systemId} and t.trunk_id is not distinct from ${trunkId} and t.prefix = ${prefix}`;
    return row;
  },

  /** All of a phone system and its trunks, for its plan. */
  all: (tx: Tx, systemId: string): Promise<Rate[]> => tx.sql<Rate[]>`
    select ${tx.sql.unsafe(amounts)} from voice.rates t where t.system_id = ${systemId}`,

  /** Those of prefixes that have one are changed. Each prefix stands once among them. */
  async set(tx: Tx, where: Place, trunkId: string | null, rates: readonly Omit<Rate, "trunkId">[]): Promise<void> {
    const column = <K extends keyof Omit<Rate, "trunkId">>(name: K) => rates.map((rate) => rate[name]) as never;
    await tx.sql`
      insert into voice.rates (id, system_id, organisation_id, project_id, trunk_id, prefix, label, per_minute, connection_fee, first_seconds, step_seconds)
      select id, ${where.systemId}, ${where.organisationId}, ${where.projectId}, ${trunkId}, prefix, label, per_minute::numeric, connection_fee::numeric,
        first_seconds, step_seconds
      from unnest(${rates.map(() => newId("phoneRate")) as string[]}::text[], ${column("prefix")}::text[], ${column("label")}::text[],
        ${column("perMinute")}::text[], ${column("connectionFee")}::text[], ${column("firstSeconds")}::int[], ${column("stepSeconds")}::int[])
        as given (id, prefix, label, per_minute, connection_fee, first_seconds, step_seconds)
      on conflict (system_id, trunk_id, prefix) do update set label = excluded.label, per_minute = excluded.per_minute,
        connection_fee = excluded.connection_fee, first_seconds = excluded.first_seconds, step_seconds = excluded.step_seconds`;
    await raisePlanVersion(tx, systemOf(where));
  },

  /** How many they were. */
  async deleteOthers(tx: Tx, where: Place, trunkId: string | null, prefixes: readonly string[]): Promise<number> {
    const rows =
      await tx.sql`delete from voice.rates where system_id = ${where.systemId} and trunk_id is not distinct from ${trunkId}
      and not prefix = any (${prefixes as string[]}::text[]) returning id`;
    return rows.length;
  },

  async count(tx: Tx, systemId: string): Promise<number> {
    const [row] = await tx.sql<{ count: number }[]>`select count(*)::int as count from voice.rates where system_id = ${systemId}`;
    return row?.count ?? 0;
  },

  async delete(tx: Tx, row: RateRow): Promise<void> {
    await tx.sql`delete from voice.rates where id = ${row.id}`;
    await raisePlanVersion(tx, systemOf(row));
  },
};
