import type { Tx } from "../../../kernel/db/database.ts";
import { emit } from "../../../kernel/events.ts";
import { type Id, newId } from "../../../kernel/ids.ts";
import type { EngineMember } from "../driver.ts";
import type { DifferenceKind } from "./contract.ts";

/** What differs and is not put right by itself. */
export interface Finding {
  kind: DifferenceKind;
  resource: { kind: string; id: string; name: string };
  organisationId?: string | undefined;
  projectId?: string | undefined;
  member?: string | undefined;
  /** For people. */
  detail: string;
}

export interface DifferenceRow {
  id: Id<"difference">;
  kind: DifferenceKind;
  resourceKind: string;
  resourceId: string;
  resourceName: string;
  organisationId: Id<"organisation"> | null;
  projectId: Id<"project"> | null;
  member: string | null;
  detail: string;
  ignored: boolean;
  operationId: Id<"operation"> | null;
  firstSeenAt: Date;
  lastSeenAt: Date;
}

export interface MemberRow {
  name: string;
  address: string;
  state: EngineMember["state"];
  message: string;
  offlineSince: Date | null;
  /** Ids of instances that ran on it when it was seen offline. */
  running: string[];
  /** Whether they have been seen to. */
  failedOver: boolean;
}

/** What instances on one member were promised. */
export interface Promised {
  member: string | null;
  instances: number;
  running: number;
  vcpus: number;
  memoryBytes: number;
}

const differenceColumns = `id, kind, resource_kind as "resourceKind", resource_id as "resourceId", resource_name as "resourceName",
  organisation_id as "organisationId", project_id as "projectId", member, detail, ignored, operation_id as "operationId",
  first_seen_at as "firstSeenAt", last_seen_at as "lastSeenAt"`;
const memberColumns = `name, address, state, message, offline_since as "offlineSince", running, failed_over as "failedOver"`;

const announce = (tx: Tx, row: Pick<DifferenceRow, "id" | "resourceName">, state: "open" | "ignored" | "gone") =>
  emit(tx, {
    type: "compute.difference.changed",
    payload: { differenceId: row.id, name: row.resourceName, state },
  });

export const differenceStore = {
  async find(tx: Tx, id: string, options: { lock?: boolean } = {}): Promise<DifferenceRow | undefined> {
    const [row] = await tx.sql<
      DifferenceRow[]
    >`select ${tx.sql.unsafe(differenceColumns)} from compute.differences where id = ${id}
      ${options.lock ? tx.sql`for update` : tx.sql``}`;
    return row;
  },

  /** The latest first. */
  page: (
    tx: Tx,
    filter: {
      kind?: string | undefined;
      ignored?: boolean | undefined;
      before?: { at: string; id: string } | undefined;
      limit: number;
    },
  ): Promise<DifferenceRow[]> => tx.sql<DifferenceRow[]>`
    select ${tx.sql.unsafe(differenceColumns)} from compute.differences where true
      ${filter.kind ? tx.sql`and kind = ${filter.kind}` : tx.sql``}
      ${filter.ignored === undefined ? tx.sql`` : tx.sql`and ignored = ${filter.ignored}`}
      ${filter.before ? tx.sql`and (first_seen_at, id) < (${filter.before.at}::timestamptz, ${filter.before.id})` : tx.sql``}
    order by first_seen_at desc, id desc limit ${filter.limit}`,

  /**
   * What there is of these kinds now. What was known keeps its id, what is there no longer goes, except while a repair of it is under
   * way, which ends it itself.
   */
  async replace(tx: Tx, kinds: readonly DifferenceKind[], findings: readonly Finding[], at: Date): Promise<void> {
    for (const finding of findings) {
      const { kind, resource } = finding;
      const [row] = await tx.sql<{ id: Id<"difference">; isNew: boolean }[]>`
        insert into compute.differences as d (id, kind, resource_kind, resource_id, resource_name, organisation_id, project_id, member, detail,
          first_seen_at, last_seen_at)
        values (${newId("difference")}, ${kind}, ${resource.kind}, ${resource.id}, ${resource.name}, ${finding.organisationId ?? null},
          ${finding.projectId ?? null}, ${finding.member ?? null}, ${finding.detail}, ${at}, ${at})
        on conflict on constraint differences_once do update set detail = excluded.detail, member = excluded.member,
          resource_name = excluded.resource_name, last_seen_at = excluded.last_seen_at
        returning id, (xmax = 0) as "isNew"`;
      if (row?.isNew) await announce(tx, { id: row.id, resourceName: resource.name }, "open");
    }
    const gone = await tx.sql<DifferenceRow[]>`
      delete from compute.differences where kind in ${tx.sql([...kinds])} and last_seen_at < ${at} and operation_id is null
      returning ${tx.sql.unsafe(differenceColumns)}`;
    for (const row of gone) await announce(tx, row, "gone");
  },

  async setIgnored(tx: Tx, row: DifferenceRow, ignored: boolean): Promise<void> {
    await tx.sql`update compute.differences set ignored = ${ignored} where id = ${row.id}`;
    await announce(tx, row, ignored ? "ignored" : "open");
  },

  async setOperation(tx: Tx, row: DifferenceRow, operationId: string | null): Promise<void> {
    await tx.sql`update compute.differences set operation_id = ${operationId} where id = ${row.id}`;
    await announce(tx, row, row.ignored ? "ignored" : "open");
  },

  async delete(tx: Tx, row: DifferenceRow): Promise<void> {
    await tx.sql`delete from compute.differences where id = ${row.id}`;
    await announce(tx, row, "gone");
  },

  async countOpen(tx: Tx): Promise<number> {
    const [row] = await tx.sql<{ count: number }[]>`select count(*)::int as count from compute.differences where not ignored`;
    return row?.count ?? 0;
  },
};

export const memberStore = {
  all: (tx: Tx): Promise<MemberRow[]> =>
    tx.sql<MemberRow[]>`select ${tx.sql.unsafe(memberColumns)} from compute.engine_members order by name`,

  async write(tx: Tx, row: MemberRow, changed: boolean): Promise<void> {
    await tx.sql`insert into compute.engine_members (name, address, state, message, offline_since, running, failed_over, seen_at)
      values (${row.name}, ${row.address}, ${row.state}, ${row.message}, ${row.offlineSince}, ${row.running}, ${row.failedOver}, now())
      on conflict (name) do update set address = excluded.address, state = excluded.state, message = excluded.message,
        offline_since = excluded.offline_since, running = excluded.running, failed_over = excluded.failed_over, seen_at = excluded.seen_at`;
    if (!changed) return;
    await emit(tx, { type: "compute.engine_member.changed", payload: { name: row.name, state: row.state } });
  },

  async countByState(tx: Tx): Promise<{ state: string; count: number }[]> {
    return tx.sql<
      { state: string; count: number }[]
    >`select state, count(*)::int as count from compute.engine_members group by state`;
  },

  /** Those that are members no longer. */
  async keepOnly(tx: Tx, names: readonly string[]): Promise<void> {
    await tx.sql`delete from compute.engine_members where not name = any (${names as string[]}::text[])`;
  },
};

const heldStates = ["running", "frozen", "restarting", "stopping", "moving"];

export const capacityStore = {
  /** By member; hidden instances hold what they hold too. */
  promised: (tx: Tx): Promise<Promised[]> => tx.sql<Promised[]>`
    select member, count(*)::int as instances, (count(*) filter (where state in ${tx.sql(heldStates)}))::int as running,
      coalesce(sum(vcpus) filter (where state in ${tx.sql(heldStates)}), 0)::int as vcpus,
      coalesce(sum(memory_bytes) filter (where state in ${tx.sql(heldStates)}), 0)::bigint as "memoryBytes"
    from compute.instances where state <> 'missing' group by member`,

  async promisedDisk(tx: Tx): Promise<number> {
    const [row] = await tx.sql<{ bytes: number }[]>`
      select ((select coalesce(sum(disk_bytes), 0) from compute.instances where state <> 'missing')
        + (select coalesce(sum(size_bytes), 0) from compute.volumes where state <> 'missing'))::bigint as bytes`;
    return row?.bytes ?? 0;
  },
};

/** What other parts have written down, as far as it is a difference; only read here. */
export const recordStore = {
  missingVolumes: (tx: Tx): Promise<{ id: string; name: string; organisationId: string; projectId: string }[]> =>
    tx.sql<
      { id: string; name: string; organisationId: string; projectId: string }[]
    >`select id, name, organisation_id as "organisationId", project_id as "projectId" from compute.volumes where state = 'missing'`,

  brokenRouters: (tx: Tx): Promise<{ organisationId: string; projectId: string; projectName: string; error: string }[]> => tx.sql<
    { organisationId: string; projectId: string; projectName: string; error: string }[]
  >`select r.organisation_id as "organisationId", r.project_id as "projectId", p.name as "projectName", r.error
    from compute.routers r join identity.projects p on p.id = r.project_id where r.error is not null order by r.project_id`,
};
