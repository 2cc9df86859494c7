import type { Actor } from "../../../../kernel/contract.ts";
import type { Tx } from "../../../../kernel/db/database.ts";
import type { Id } from "../../../../kernel/ids.ts";
import type { CronJob } from "../../building/plan.ts";
import type { ReleaseLink, ReleaseProcess, ReleaseView } from "../../parts.ts";
import type { DeploymentSource } from "../contract.ts";

export interface ReleaseRow {
  id: Id<"release">;
  organisationId: Id<"organisation">;
  projectId: Id<"project">;
  appId: Id<"app">;
  number: number;
  deploymentId: Id<"deployment">;
  imageId: string;
  imageBytes: number;
  runtime: string;
  source: DeploymentSource;
  processes: Record<string, ReleaseProcess>;
  port: number;
  healthCheck: ReleaseView["healthCheck"];
  releaseCommand: string | null;
  disks: { name: string; path: string }[];
  capabilities: string[];
  runUser: string | null;
  asked: { capabilities: string[]; user?: string | undefined };
  links: ReleaseLink[];
  cron: CronJob[];
  /** Sealed. */
  environment: Uint8Array;
  settingNames: string[];
  createdBy: Actor;
  createdAt: Date;
}

const columns = `r.id, r.organisation_id as "organisationId", r.project_id as "projectId", r.app_id as "appId", r.number, r.deployment_id as "deploymentId",
  r.image_id as "imageId", r.image_bytes as "imageBytes", r.runtime, r.source, r.processes, r.port, r.health_check as "healthCheck",
  r.release_command as "releaseCommand", r.disks, r.capabilities, r.run_user as "runUser", r.asked, r.links, r.cron, r.environment, r.setting_names as "settingNames", r.created_by as "createdBy",
  r.created_at as "createdAt"`;

export const releaseStore = {
  async find(tx: Tx, id: string): Promise<ReleaseRow | undefined> {
    const [row] = await tx.sql<ReleaseRow[]>`select ${tx.sql.unsafe(columns)} from apps.releases r where r.id = ${id}`;
    return row;
  },

  async ofNumber(tx: Tx, appId: string, number: number): Promise<ReleaseRow | undefined> {
    const [row] = await tx.sql<
      ReleaseRow[]
    >`select ${tx.sql.unsafe(columns)} from apps.releases r where r.app_id = ${appId} and r.number = ${number}`;
    return row;
  },

  /** Newest first, with whether its image is there. */
  page: (
    tx: Tx,
    filter: { appId: string; below?: number | undefined; limit: number },
  ): Promise<(ReleaseRow & { hasImage: boolean })[]> => tx.sql<(ReleaseRow & { hasImage: boolean })[]>`
    select ${tx.sql.unsafe(columns)},
      exists (select from apps.images i where i.app_id = r.app_id and i.image_id = r.image_id) as "hasImage"
    from apps.releases r where r.app_id = ${filter.appId} ${filter.below === undefined ? tx.sql`` : tx.sql`and r.number < ${filter.below}`}
    order by r.number desc limit ${filter.limit}`,

  async numbers(tx: Tx, ids: readonly string[]): Promise<Map<string, number>> {
    const rows = await tx.sql<
      { id: string; number: number }[]
    >`select id, number from apps.releases where id = any (${ids as string[]}::text[])`;
    return new Map(rows.map(({ id, number }) => [id, number]));
  },

  /** One that never came to serve. */
  async delete(tx: Tx, id: string): Promise<void> {
    await tx.sql`delete from apps.releases where id = ${id}`;
  },

  async insert(tx: Tx, row: ReleaseRow): Promise<void> {
    await tx.sql`
      insert into apps.releases (id, organisation_id, project_id, app_id, number, deployment_id, image_id, image_bytes, runtime, source, processes, port,
        health_check, release_command, disks, capabilities, run_user, asked, links, cron, environment, setting_names, created_by, created_at)
      values (${row.id}, ${row.organisationId}, ${row.projectId}, ${row.appId}, ${row.number}, ${row.deploymentId}, ${row.imageId}, ${row.imageBytes},
        ${row.runtime}, ${tx.sql.json(row.source as never)}, ${tx.sql.json(row.processes as never)}, ${row.port},
        ${tx.sql.json(row.healthCheck as never)}, ${row.releaseCommand}, ${tx.sql.json(row.disks as never)},
        ${row.capabilities}, ${row.runUser}, ${tx.sql.json(row.asked as never)}, ${tx.sql.json(row.links as never)}, ${tx.sql.json(row.cron as never)}, ${Buffer.from(row.environment)},
        ${row.settingNames}, ${tx.sql.json(row.createdBy as never)}, ${row.createdAt})`;
  },
};
