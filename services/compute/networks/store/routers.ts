import { randomBytes } from "node:crypto";
import type { Tx } from "../../../../kernel/db/database.ts";
import type { ProjectPlace } from "../../parts.ts";

export interface RouterRow extends ProjectPlace {
  routerId: string;
  wanted: number;
  applied: number;
  error: string | null;
}

const columns = `project_id as "projectId", organisation_id as "organisationId", router_id as "routerId", wanted, applied, error`;

export const routerStore = {
  /**
   * A change of the project's network, in its transaction: until the commit no other one happens. The first one makes the router's
   * record.
   */
  async touch(tx: Tx, place: ProjectPlace): Promise<RouterRow> {
    for (;;) {
      const [row] = await tx.sql<RouterRow[]>`
        update compute.routers set wanted = wanted + 1 where project_id = ${place.projectId} returning ${tx.sql.unsafe(columns)}`;
      if (row) return row;
      const routerId = randomBytes(4).toString("hex");
      await tx.sql`insert into compute.routers (project_id, organisation_id, router_id)
        values (${place.projectId}, ${place.organisationId}, ${routerId}) on conflict do nothing`;
    }
  },

  async find(tx: Tx, projectId: string): Promise<RouterRow | undefined> {
    const [row] = await tx.sql<
      RouterRow[]
    >`select ${tx.sql.unsafe(columns)} from compute.routers where project_id = ${projectId}`;
    return row;
  },

  /** Whether what was read under `wanted` is now true on the host, or why not. */
  async setApplied(tx: Tx, projectId: string, wanted: number): Promise<void> {
    await tx.sql`update compute.routers set applied = greatest(applied, ${wanted}), error = null where project_id = ${projectId}`;
  },
  /** Answers whether that is news. */
  async setError(tx: Tx, projectId: string, error: string): Promise<boolean> {
    const rows = await tx.sql`update compute.routers set error = ${error}
      where project_id = ${projectId} and error is distinct from ${error} returning 1`;
    return rows.length > 0;
  },

  /** What waits to be applied: a change whose operation failed, or did not come to it. */
  async waiting(tx: Tx): Promise<string[]> {
    const rows = await tx.sql<
      { projectId: string }[]
    >`select project_id as "projectId" from compute.routers where wanted > applied`;
    return rows.map(({ projectId }) => projectId);
  },

  /** `inUse`: there is something on the host for it. */
  all: (tx: Tx): Promise<(RouterRow & { inUse: boolean })[]> =>
    tx.sql<(RouterRow & { inUse: boolean })[]>`select ${tx.sql.unsafe(columns)},
        exists (select 1 from compute.ports p where p.project_id = r.project_id)
          or exists (select 1 from compute.load_balancers b where b.project_id = r.project_id) as "inUse"
      from compute.routers r order by project_id`,
};
