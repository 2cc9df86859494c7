import type { Tx } from "../../../../kernel/db/database.ts";
import type { Id } from "../../../../kernel/ids.ts";

export type ContainerRowState = "starting" | "healthy" | "unhealthy" | "draining";

export interface Mount {
  disk: string;
  volume: string;
  path: string;
}

export interface ContainerRow {
  engineName: string;
  appId: string;
  releaseId: Id<"release">;
  releaseNumber: number;
  organisationId: string;
  projectId: string;
  process: string;
  number: number;
  memoryBytes: number;
  cpus: number;
  mounts: Mount[];
  state: ContainerRowState;
  stateReason: string | null;
  address: string | null;
  port: number;
  crashes: number;
  createdAt: Date;
  drainingSince: Date | null;
  /** Where it is, with several machines. */
  node: string | null;
  /** Its node is to be empty: another one takes its place. */
  leaving: boolean;
}

const columns = `engine_name as "engineName", app_id as "appId", release_id as "releaseId", release_number as "releaseNumber",
  organisation_id as "organisationId", project_id as "projectId", process, number, memory_bytes as "memoryBytes", cpus, mounts, state,
  state_reason as "stateReason", address, port, crashes, created_at as "createdAt", draining_since as "drainingSince",
  node, leaving`;

/** The name that people know: `web-1`. */
export const containerName = ({ process, number }: Pick<ContainerRow, "process" | "number">): string => `${process}-${number}`;

export const containerStore = {
  /** Of an app, or of the whole cloud. */
  list: (tx: Tx, filter: { appId?: string; releaseId?: string } = {}): Promise<ContainerRow[]> =>
    tx.sql<ContainerRow[]>`select ${tx.sql.unsafe(columns)} from apps.containers where true
      ${filter.appId === undefined ? tx.sql`` : tx.sql`and app_id = ${filter.appId}`}
      ${filter.releaseId === undefined ? tx.sql`` : tx.sql`and release_id = ${filter.releaseId}`}
      order by app_id, process, number`,

  page: (
    tx: Tx,
    filter: { appId: string; after?: readonly [string, number] | undefined; limit: number },
  ): Promise<ContainerRow[]> =>
    tx.sql<ContainerRow[]>`select ${tx.sql.unsafe(columns)} from apps.containers where app_id = ${filter.appId}
      ${filter.after === undefined ? tx.sql`` : tx.sql`and (process, number) > (${filter.after[0]}, ${filter.after[1]})`}
      order by process, number limit ${filter.limit}`,

  async find(tx: Tx, engineName: string): Promise<ContainerRow | undefined> {
    const [row] = await tx.sql<
      ContainerRow[]
    >`select ${tx.sql.unsafe(columns)} from apps.containers where engine_name = ${engineName}`;
    return row;
  },

  async named(tx: Tx, appId: string, process: string, number: number): Promise<ContainerRow | undefined> {
    const [row] = await tx.sql<ContainerRow[]>`select ${tx.sql.unsafe(columns)} from apps.containers
      where app_id = ${appId} and process = ${process} and number = ${number}`;
    return row;
  },

  /** What the gateway may send requests to, but for what only the app's record tells. */
  reachable: (
    tx: Tx,
  ): Promise<(Pick<ContainerRow, "appId" | "releaseId" | "process" | "number" | "port"> & { address: string })[]> =>
    tx.sql<(Pick<ContainerRow, "appId" | "releaseId" | "process" | "number" | "port"> & { address: string })[]>`
      select app_id as "appId", release_id as "releaseId", process, number, address, port from apps.containers
      where process = 'web' and state = 'healthy' and address is not null order by app_id, number`,

  healthy: (tx: Tx, appIds: readonly string[]): Promise<{ appId: string; process: string; count: number }[]> =>
    tx.sql<{ appId: string; process: string; count: number }[]>`select app_id as "appId", process, count(*)::int as count
      from apps.containers where app_id = any (${appIds as string[]}::text[]) and state = 'healthy' group by app_id, process`,

  async insert(tx: Tx, row: ContainerRow): Promise<void> {
    await tx.sql`insert into apps.containers (engine_name, app_id, release_id, release_number, organisation_id, project_id, process, number, memory_bytes,
        cpus, mounts, state, port, created_at)
      values (${row.engineName}, ${row.appId}, ${row.releaseId}, ${row.releaseNumber}, ${row.organisationId}, ${row.projectId}, ${row.process},
        ${row.number}, ${row.memoryBytes}, ${row.cpus}, ${tx.sql.json(row.mounts as never)}, ${row.state}, ${row.port}, ${row.createdAt})`;
  },

  /**
   * What is seen of one that is meant to run; one that is being drained stays so, and with `from` one that somebody else has seen otherwise
   * meanwhile. Tells whether anything changed.
   */
  async see(
    tx: Tx,
    engineName: string,
    seen: {
      state: Exclude<ContainerRowState, "draining">;
      from?: ContainerRowState;
      stateReason?: string | undefined;
      address?: string | undefined;
    },
  ): Promise<boolean> {
    const address = seen.address ?? null;
    const reason = seen.stateReason ?? null;
    const rows =
      await tx.sql`update apps.containers set state = ${seen.state}, state_reason = ${reason}, address = coalesce(${address}, address)
      where engine_name = ${engineName} and state <> 'draining' ${seen.from === undefined ? tx.sql`` : tx.sql`and state = ${seen.from}`}
        and (state, state_reason, address) is distinct from (${seen.state}, ${reason}, coalesce(${address}, address)) returning 1`;
    return rows.length > 0;
  },

  async setPlace(tx: Tx, engineName: string, node: string | null, leaving: boolean): Promise<void> {
    await tx.sql`update apps.containers set node = ${node}, leaving = ${leaving} where engine_name = ${engineName}`;
  },

  async setCrashes(tx: Tx, engineName: string, crashes: number): Promise<void> {
    await tx.sql`update apps.containers set crashes = ${crashes} where engine_name = ${engineName}`;
  },

  /** Answers those that the gateway may still send requests to, or is just letting go. */
  async drain(tx: Tx, engineNames: readonly string[], at: Date): Promise<void> {
    await tx.sql`update apps.containers set state = 'draining', state_reason = null, draining_since = coalesce(draining_since, ${at})
      where engine_name = any (${engineNames as string[]}::text[])`;
  },

  async remove(tx: Tx, engineName: string): Promise<ContainerRow | undefined> {
    const [row] = await tx.sql<
      ContainerRow[]
    >`delete from apps.containers where engine_name = ${engineName} returning ${tx.sql.unsafe(columns)}`;
    return row;
  },

  async startRelease(
    tx: Tx,
    release: { id: string; appId: string; organisationId: string; projectId: string },
    at: Date,
  ): Promise<void> {
    await tx.sql`insert into apps.started_releases (release_id, app_id, organisation_id, project_id, started_at)
      values (${release.id}, ${release.appId}, ${release.organisationId}, ${release.projectId}, ${at}) on conflict do nothing`;
  },

  async isStarted(tx: Tx, releaseId: string): Promise<boolean> {
    return (await tx.sql`select 1 from apps.started_releases where release_id = ${releaseId}`).length > 0;
  },

  started: (tx: Tx): Promise<{ releaseId: string; appId: string }[]> =>
    tx.sql<
      { releaseId: string; appId: string }[]
    >`select release_id as "releaseId", app_id as "appId" from apps.started_releases`,

  /** All of an app but one, or one. */
  async endReleases(
    tx: Tx,
    filter: { appId: string; keepReleaseId?: string | undefined } | { releaseId: string },
  ): Promise<void> {
    if ("releaseId" in filter) await tx.sql`delete from apps.started_releases where release_id = ${filter.releaseId}`;
    else
      await tx.sql`delete from apps.started_releases where app_id = ${filter.appId}
        ${filter.keepReleaseId === undefined ? tx.sql`` : tx.sql`and release_id <> ${filter.keepReleaseId}`}`;
  },
};
