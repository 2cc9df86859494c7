// Only stores know the database; the routes beside it ask them which rule of its tables was broken.
export { brokenConstraint } from "../../../kernel/db/database.ts";

import type { Actor } from "../../../kernel/contract.ts";
import type { Sql, Tx } from "../../../kernel/db/database.ts";
import { emit } from "../../../kernel/events.ts";
import { type Id, newId } from "../../../kernel/ids.ts";
import { closeUsageSpansOf } from "../../../kernel/metering/journal.ts";
import type { PhoneCredit, PhoneSystemSettings } from "./contract.ts";
import { withSystemDefaults } from "./defaults.ts";

export interface SystemRow {
  id: Id<"phoneSystem">;
  organisationId: Id<"organisation">;
  projectId: Id<"project">;
  name: string;
  domain: string;
  settings: PhoneSystemSettings;
  planVersion: number;
  createdAt: Date;
  revision: number;
  /** A decimal. */
  balance: string;
}

export interface CreditRow {
  id: Id<"phoneCredit">;
  kind: PhoneCredit["kind"];
  amount: string;
  balance: string;
  note: string | null;
  callId: Id<"call"> | null;
  by: Actor | null;
  at: Date;
}

const columns = `s.id, s.organisation_id as "organisationId", s.project_id as "projectId", s.name, s.domain, s.settings, s.plan_version::int as "planVersion",
  s.created_at as "createdAt", s.revision, (select trim_scale(balance)::text from voice.balances b where b.system_id = s.id) as balance`;
const creditColumns = `id, kind, trim_scale(amount)::text as amount, trim_scale(balance)::text as balance, note, call_id as "callId", by_actor as "by", at`;

/** Settings that were stored before a field was there have its default. */
const open = (row: SystemRow): SystemRow => ({ ...row, settings: withSystemDefaults(row.settings) });

/** The channel on which a new plan of a phone system is told: its id, a space, the version. */
export const planChannel = "voice_plan";

const raised = new WeakMap<Tx, Set<string>>();

/** In the transaction of each change that calls depend on: once in it, however many changes it makes. */
export async function raisePlanVersion(tx: Tx, system: Pick<SystemRow, "id" | "organisationId" | "projectId">): Promise<void> {
  const already = raised.get(tx) ?? new Set();
  if (already.has(system.id)) return;
  raised.set(tx, already.add(system.id));
  const [row] = await tx.sql<{ version: number }[]>`
    update voice.systems set plan_version = plan_version + 1 where id = ${system.id} returning plan_version::int as version`;
  if (row === undefined) return;
  await tx.sql`select pg_notify(${planChannel}, ${`${system.id} ${row.version}`})`;
  await emit(tx, {
    type: "voice.phone_system.changed",
    organisationId: system.organisationId,
    projectId: system.projectId,
    payload: { phoneSystemId: system.id, planVersion: row.version },
  });
}

export const systemStore = {
  async find(tx: Tx, id: string, options: { lock?: boolean } = {}): Promise<SystemRow | undefined> {
    const [row] = await tx.sql<SystemRow[]>`select ${tx.sql.unsafe(columns)} from voice.systems s where s.id = ${id}
      ${options.lock ? tx.sql`for update of s` : tx.sql``}`;
    return row && open(row);
  },

  async ofProject(tx: Tx, projectId: string): Promise<SystemRow | undefined> {
    const [row] = await tx.sql<
      SystemRow[]
    >`select ${tx.sql.unsafe(columns)} from voice.systems s where s.project_id = ${projectId}`;
    return row && open(row);
  },

  /** For the voice process, of the whole cloud: by the domain that a request is for. */
  async ofDomain(tx: Tx, domain: string): Promise<{ id: string; planVersion: number } | undefined> {
    const [row] = await tx.sql<{ id: string; planVersion: number }[]>`
      select id, plan_version::int as "planVersion" from voice.systems where domain = ${domain.toLowerCase()}`;
    return row;
  },

  /** For the voice process: all of the cloud. */
  versions: (tx: Tx): Promise<{ id: string; domain: string; planVersion: number }[]> =>
    tx.sql<
      { id: string; domain: string; planVersion: number }[]
    >`select id, domain, plan_version::int as "planVersion" from voice.systems order by id`,

  /** Of those that are there. */
  async planVersions(sql: Sql, ids: readonly string[]): Promise<Map<string, number>> {
    const rows = await sql<
      { id: string; version: number }[]
    >`select id, plan_version::int as version from voice.systems where id = any(${ids})`;
    return new Map(rows.map(({ id, version }) => [id, version]));
  },

  async domainsLike(tx: Tx, domain: string): Promise<string[]> {
    const [name, ...rest] = domain.split(".");
    const rows = await tx.sql<
      { domain: string }[]
    >`select domain from voice.systems where domain like ${`${name}%.${rest.join(".")}`}`;
    return rows.map((row) => row.domain);
  },

  /** Throws what brokenConstraint tells: systems_project, systems_domain. */
  async insert(tx: Tx, row: Omit<SystemRow, "balance" | "planVersion" | "revision">): Promise<void> {
    await tx.sql`insert into voice.systems (id, organisation_id, project_id, name, domain, settings, created_at)
      values (${row.id}, ${row.organisationId}, ${row.projectId}, ${row.name}, ${row.domain}, ${tx.sql.json(row.settings as never)}, ${row.createdAt})`;
    await tx.sql`insert into voice.balances (system_id, organisation_id, project_id) values (${row.id}, ${row.organisationId}, ${row.projectId})`;
    await raisePlanVersion(tx, row);
  },

  async update(tx: Tx, row: SystemRow): Promise<void> {
    await tx.sql`update voice.systems set name = ${row.name}, domain = ${row.domain}, settings = ${tx.sql.json(row.settings as never)},
      revision = revision + 1 where id = ${row.id}`;
    await raisePlanVersion(tx, row);
  },

  async delete(tx: Tx, row: SystemRow): Promise<void> {
    await raisePlanVersion(tx, row);
    await tx.sql`delete from voice.systems where id = ${row.id}`;
  },

  /** Of all that is in it: a project has one phone system. */
  async closeUsage(tx: Tx, row: SystemRow, at: Date): Promise<void> {
    const spans = await tx.sql<{ id: string }[]>`
      select id from kernel.usage_records where project_id = ${row.projectId} and service = 'voice' and is_span and to_at is null`;
    await closeUsageSpansOf(
      tx,
      spans.map(({ id }) => id),
      at,
    );
  },

  async count(tx: Tx): Promise<number> {
    const [row] = await tx.sql<{ count: number }[]>`select count(*)::int as count from voice.systems`;
    return row?.count ?? 0;
  },
};

export const creditStore = {
  /** Newest first. */
  page: (tx: Tx, systemId: string, below: string | undefined, limit: number): Promise<CreditRow[]> => tx.sql<CreditRow[]>`
    select ${tx.sql.unsafe(creditColumns)} from voice.credits where system_id = ${systemId}
      ${below === undefined ? tx.sql`` : tx.sql`and id < ${below}`} order by id desc limit ${limit}`,

  /**
   * Adds a decimal (negative: takes) to the balance. A call is charged once: again it answers undefined. Not for balances that would pass
   * 12 digits: the database refuses.
   */
  async add(
    tx: Tx,
    system: Pick<SystemRow, "id" | "organisationId" | "projectId">,
    entry: {
      kind: PhoneCredit["kind"];
      amount: string;
      note?: string | undefined;
      callId?: string | undefined;
      by?: Actor | undefined;
    },
  ): Promise<CreditRow | undefined> {
    // The balance first: its row puts parallel charges in a line, so that each tells the balance after it.
    const [balance] = await tx.sql<{ balance: string }[]>`
      select balance::text from voice.balances where system_id = ${system.id} for update`;
    if (balance === undefined) return undefined;
    const [row] = await tx.sql<CreditRow[]>`
      insert into voice.credits (id, system_id, organisation_id, project_id, kind, amount, balance, note, call_id, by_actor, at)
      values (${newId("phoneCredit")}, ${system.id}, ${system.organisationId}, ${system.projectId}, ${entry.kind}, ${entry.amount}::numeric,
        ${balance.balance}::numeric + ${entry.amount}::numeric, ${entry.note ?? null}, ${entry.callId ?? null},
        ${entry.by === undefined ? null : tx.sql.json(entry.by as never)}, now())
      on conflict (call_id) do nothing returning ${tx.sql.unsafe(creditColumns)}`;
    if (row) await tx.sql`update voice.balances set balance = balance + ${entry.amount}::numeric where system_id = ${system.id}`;
    return row;
  },

  /**
   * For the voice process, before a call and while it goes on: decimals. `since`: the beginning of the day in the system's time zone. What nobody has set a
   * price for counts as what its trunk took.
   */
  async spending(tx: Tx, systemId: string, since: Date): Promise<{ balance: string; spent: string }> {
    const [row] = await tx.sql<{ balance: string; spent: string }[]>`
      select coalesce((select balance from voice.balances where system_id = ${systemId}), 0)::text as balance,
        (coalesce((select -sum(amount) from voice.credits where system_id = ${systemId} and kind = 'call' and at >= ${since}), 0)
          + coalesce((select sum(cost) from voice.calls where system_id = ${systemId} and started_at >= ${since} and price is null), 0))::text as spent`;
    return row ?? { balance: "0", spent: "0" };
  },

  /** What calls of an extension took since the beginning of the day and of the month: decimals. */
  async extensionSpending(tx: Tx, extensionId: string, day: Date, month: Date): Promise<{ day: string; month: string }> {
    const [row] = await tx.sql<{ day: string; month: string }[]>`
      select coalesce(sum(amount) filter (where at >= ${day}), 0)::text as day, coalesce(sum(amount), 0)::text as month
      from voice.extension_costs where extension_id = ${extensionId} and at >= ${month}`;
    return row ?? { day: "0", month: "0" };
  },

  /** What a call took of the limits of extensions; once for each. */
  async noteSpending(
    tx: Tx,
    call: { id: string; systemId: string; organisationId: string; projectId: string; startedAt: Date },
    spending: readonly { extensionId: string; amount: string }[],
  ): Promise<void> {
    for (const { extensionId, amount } of spending)
      await tx.sql`
        insert into voice.extension_costs (call_id, extension_id, system_id, organisation_id, project_id, amount, at)
        select ${call.id}, id, system_id, organisation_id, project_id, ${amount}::numeric, ${call.startedAt}
        from voice.extensions where id = ${extensionId} on conflict do nothing`;
  },

  /** What no limit counts any more. */
  async forgetSpending(tx: Tx, before: Date): Promise<void> {
    await tx.sql`delete from voice.extension_costs where at < ${before}`;
  },
};
