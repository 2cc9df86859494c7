import type { Tx } from "../../../../kernel/db/database.ts";
import { emit } from "../../../../kernel/events.ts";
import type { ElementKind } from "../contract.ts";
import type { ElementRow } from "./rows.ts";

const columns = `id, organisation_id as "organisationId", project_id as "projectId", system_id as "systemId", kind, name, number, settings, sealed,
  created_at as "createdAt", revision`;

const announce = (tx: Tx, row: ElementRow): Promise<void> =>
  emit(tx, {
    type: "voice.element.changed",
    organisationId: row.organisationId,
    projectId: row.projectId,
    payload: { kind: row.kind, id: row.id, phoneSystemId: row.systemId },
  });

export const elementStore = {
  async find(tx: Tx, id: string, options: { lock?: boolean } = {}): Promise<ElementRow | undefined> {
    const [row] = await tx.sql<ElementRow[]>`select ${tx.sql.unsafe(columns)} from voice.elements where id = ${id}
      ${options.lock ? tx.sql`for update` : tx.sql``}`;
    return row;
  },

  async insert(tx: Tx, row: ElementRow): Promise<void> {
    await tx.sql`insert into voice.elements (id, organisation_id, project_id, system_id, kind, name, number, settings, sealed, created_at)
      values (${row.id}, ${row.organisationId}, ${row.projectId}, ${row.systemId}, ${row.kind}, ${row.name}, ${row.number},
        ${tx.sql.json(row.settings as never)}, ${row.sealed}, ${row.createdAt})`;
    await announce(tx, row);
  },

  /** Name, number, settings and PINs; answers the row with its new revision. */
  async update(tx: Tx, row: ElementRow): Promise<ElementRow> {
    const [changed] = await tx.sql<ElementRow[]>`
      update voice.elements set name = ${row.name}, number = ${row.number}, settings = ${tx.sql.json(row.settings as never)},
        sealed = ${row.sealed}, revision = revision + 1
      where id = ${row.id} returning ${tx.sql.unsafe(columns)}`;
    await announce(tx, changed as ElementRow);
    return changed as ElementRow;
  },

  async delete(tx: Tx, row: ElementRow): Promise<void> {
    await tx.sql`delete from voice.elements where id = ${row.id}`;
    await announce(tx, row);
  },

  /** By name. */
  page: (
    tx: Tx,
    filter: {
      systemId: string;
      kind: ElementKind;
      search?: string | undefined;
      after?: { name: string; id: string } | undefined;
      limit: number;
    },
  ): Promise<ElementRow[]> => tx.sql<ElementRow[]>`
    select ${tx.sql.unsafe(columns)} from voice.elements where system_id = ${filter.systemId} and kind = ${filter.kind}
      ${filter.search ? tx.sql`and (position(lower(${filter.search}) in lower(name)) > 0 or position(${filter.search} in number) > 0)` : tx.sql``}
      ${filter.after ? tx.sql`and (lower(name), id) > (lower(${filter.after.name}), ${filter.after.id})` : tx.sql``}
    order by lower(name), id limit ${filter.limit}`,

  /** Those of these ids that this phone system does not have, of elements, extensions, numbers and applications. */
  async missing(tx: Tx, systemId: string, ids: readonly string[]): Promise<string[]> {
    if (ids.length === 0) return [];
    const rows = await tx.sql<{ id: string }[]>`
      select id from unnest(${ids as string[]}::text[]) id where not exists (
        select 1 from voice.elements e where e.id = id.id and e.system_id = ${systemId}
        union all select 1 from voice.extensions x where x.id = id.id and x.system_id = ${systemId}
        union all select 1 from voice.numbers n where n.id = id.id and n.system_id = ${systemId}
        union all select 1 from voice.applications a where a.id = id.id and a.system_id = ${systemId})`;
    return rows.map(({ id }) => id);
  },
};

/** What has a number of a phone system, as people call it. */
export interface NumberHolder {
  id: string;
  kind: string;
  name: string;
}

/**
 * Who has one of these internal numbers: an extension, an element, or a parking lot whose places are among them. The phone system's row
 * is locked until the commit, so that two do not take a number at once.
 */
export async function findNumberHolder(
  tx: Tx,
  systemId: string,
  numbers: readonly string[],
  besides: string | undefined,
): Promise<(NumberHolder & { number: string }) | undefined> {
  if (numbers.length === 0) return undefined;
  await tx.sql`select 1 from voice.systems where id = ${systemId} for update`;
  const [row] = await tx.sql<(NumberHolder & { number: string })[]>`
    select * from (
      select id, 'extension' as kind, name, number from voice.extensions where system_id = ${systemId}
      union all select id, kind, name, number from voice.elements where system_id = ${systemId} and number is not null
      union all select e.id, e.kind, e.name, lpad((n + (settings->>'firstSlot')::int)::text, length(settings->>'firstSlot'), '0')
        from voice.elements e, generate_series(0, (settings->>'slots')::int - 1) n where system_id = ${systemId} and kind = 'parkingLot'
    ) held where number = any (${numbers as string[]}::text[]) ${besides === undefined ? tx.sql`` : tx.sql`and id <> ${besides}`} limit 1`;
  return row;
}

export interface DirectoryRow {
  kind: ElementKind | "extension" | "contact";
  id: string;
  name: string;
  number: string;
  /** Null: no extension. */
  doNotDisturb: boolean | null;
}

/** Who and what can be dialled, by name. */
export const directoryPage = (
  tx: Tx,
  filter: { systemId: string; search?: string | undefined; after?: { name: string; id: string } | undefined; limit: number },
): Promise<DirectoryRow[]> => tx.sql<DirectoryRow[]>`
  select * from (
    select 'extension' as kind, id, name, number, coalesce((settings->>'doNotDisturb')::boolean, false) as "doNotDisturb" from voice.extensions
    where system_id = ${filter.systemId} and (settings->>'inDirectory')::boolean is distinct from false
    union all select kind, id, name, number, null from voice.elements where system_id = ${filter.systemId} and number is not null
      and kind in ('ringGroup', 'callQueue', 'phoneMenu', 'conferenceRoom', 'pagingGroup', 'speedDial')
    union all select 'contact', c.id, case c.company when '' then c.name else c.name || ' (' || c.company || ')' end, n->>'number', null
      from voice.contacts c, jsonb_array_elements(c.numbers) n where c.system_id = ${filter.systemId}
  ) d where true
    ${filter.search ? tx.sql`and (position(lower(${filter.search}) in lower(name)) > 0 or position(${filter.search} in number) > 0)` : tx.sql``}
    ${filter.after ? tx.sql`and (lower(name), id || ' ' || number) > (lower(${filter.after.name}), ${filter.after.id})` : tx.sql``}
  order by lower(name), id || ' ' || number limit ${filter.limit}`;
