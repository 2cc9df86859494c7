import type { Tx } from "../../../../kernel/db/database.ts";
import type { Mount } from "./containers.ts";

export interface OneOffRow {
  engineName: string;
  appId: string;
  organisationId: string;
  projectId: string;
  /** cron: what became of it is told by its run. */
  kind: "run" | "release" | "cron";
  releaseId: string;
  memoryBytes: number;
  mounts: Mount[];
  seenAt: Date;
}

const columns = `engine_name as "engineName", app_id as "appId", organisation_id as "organisationId", project_id as "projectId", kind,
  release_id as "releaseId", memory_bytes as "memoryBytes", mounts, seen_at as "seenAt"`;

export const oneOffStore = {
  async insert(tx: Tx, row: OneOffRow): Promise<void> {
    await tx.sql`insert into apps.one_offs (engine_name, app_id, organisation_id, project_id, kind, release_id, memory_bytes, mounts, seen_at)
      values (${row.engineName}, ${row.appId}, ${row.organisationId}, ${row.projectId}, ${row.kind}, ${row.releaseId}, ${row.memoryBytes},
        ${tx.sql.json(row.mounts as never)}, ${row.seenAt})`;
  },

  async seen(tx: Tx, engineNames: readonly string[], at: Date): Promise<void> {
    await tx.sql`update apps.one_offs set seen_at = ${at} where engine_name = any (${engineNames as string[]}::text[])`;
  },

  list: (tx: Tx, filter: { appId?: string; releaseId?: string; seenBefore?: Date } = {}): Promise<OneOffRow[]> =>
    tx.sql<OneOffRow[]>`select ${tx.sql.unsafe(columns)} from apps.one_offs where true
      ${filter.appId === undefined ? tx.sql`` : tx.sql`and app_id = ${filter.appId}`}
      ${filter.releaseId === undefined ? tx.sql`` : tx.sql`and release_id = ${filter.releaseId} and kind = 'release'`}
      ${filter.seenBefore === undefined ? tx.sql`` : tx.sql`and seen_at < ${filter.seenBefore} and kind <> 'cron'`}`,

  async remove(tx: Tx, engineName: string): Promise<OneOffRow | undefined> {
    const [row] = await tx.sql<
      OneOffRow[]
    >`delete from apps.one_offs where engine_name = ${engineName} returning ${tx.sql.unsafe(columns)}`;
    return row;
  },
};
