import type { Tx } from "../../../../kernel/db/database.ts";
import type { Id } from "../../../../kernel/ids.ts";

export interface SizeRow {
  id: Id<"size">;
  name: string;
  vcpus: number;
  memoryBytes: number;
  diskBytes: number;
  pricePerHour: string;
  retired: boolean;
  revision: number;
}

const columns = `id, name, vcpus, memory_bytes as "memoryBytes", disk_bytes as "diskBytes", trim_scale(price_per_hour)::text as "pricePerHour", retired, revision`;

export const sizeStore = {
  async find(tx: Tx, idOrName: string, options: { lock?: boolean } = {}): Promise<SizeRow | undefined> {
    const [row] = await tx.sql<SizeRow[]>`select ${tx.sql.unsafe(columns)} from compute.sizes
      where ${idOrName.includes("_") ? tx.sql`id = ${idOrName}` : tx.sql`name = ${idOrName}`} ${options.lock ? tx.sql`for update` : tx.sql``}`;
    return row;
  },

  /** The names of those that are offered, the smallest first. */
  async offered(tx: Tx): Promise<string[]> {
    const rows = await tx.sql<
      { name: string }[]
    >`select name from compute.sizes where not retired order by vcpus, memory_bytes, disk_bytes, name limit 50`;
    return rows.map(({ name }) => name);
  },

  async insert(tx: Tx, row: SizeRow): Promise<boolean> {
    const rows =
      await tx.sql`insert into compute.sizes (id, name, vcpus, memory_bytes, disk_bytes, price_per_hour, retired, revision)
      values (${row.id}, ${row.name}, ${row.vcpus}, ${row.memoryBytes}, ${row.diskBytes}, ${row.pricePerHour}, ${row.retired}, ${row.revision})
      on conflict (name) do nothing returning id`;
    return rows.length > 0;
  },

  async update(
    tx: Tx,
    id: string,
    change: { pricePerHour?: string | undefined; retired?: boolean | undefined },
  ): Promise<SizeRow> {
    const [row] = await tx.sql<
      SizeRow[]
    >`update compute.sizes set price_per_hour = coalesce(${change.pricePerHour ?? null}, price_per_hour),
      retired = coalesce(${change.retired ?? null}, retired), revision = revision + 1 where id = ${id} returning ${tx.sql.unsafe(columns)}`;
    return row as SizeRow;
  },

  async instances(tx: Tx, id: string): Promise<number> {
    const [row] = await tx.sql<{ count: number }[]>`select count(*) as count from compute.instances where size_id = ${id}`;
    return row?.count ?? 0;
  },

  async delete(tx: Tx, id: string): Promise<void> {
    await tx.sql`delete from compute.sizes where id = ${id}`;
  },

  /** The smallest first. */
  page: (
    tx: Tx,
    filter: { retired: boolean; after?: readonly (string | number)[] | undefined; limit: number },
  ): Promise<SizeRow[]> => {
    const [vcpus, memory, disk, name] = filter.after ?? [];
    return tx.sql<SizeRow[]>`select ${tx.sql.unsafe(columns)} from compute.sizes where true
      ${filter.retired ? tx.sql`` : tx.sql`and not retired`}
      ${filter.after ? tx.sql`and (vcpus, memory_bytes, disk_bytes, name) > (${Number(vcpus)}::integer, ${Number(memory)}::bigint, ${Number(disk)}::bigint, ${String(name)}::text)` : tx.sql``}
      order by vcpus, memory_bytes, disk_bytes, name limit ${filter.limit}`;
  },
};
