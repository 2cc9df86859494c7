import { isoTime } from "../../../kernel/clock.ts";
import type { Tx } from "../../../kernel/db/database.ts";
import type { AppsParts } from "../parts.ts";
import { type PreviewRow, previewStore } from "../previews/store.ts";
import type { App, Capability, Deployment, Release } from "./contract.ts";
import type { DeploymentLogs } from "./log.ts";
import { allowedActions } from "./states.ts";
import type { AppRow } from "./store/apps.ts";
import { type DeploymentRow, deploymentStore } from "./store/deployments.ts";
import { type ReleaseRow, releaseStore } from "./store/releases.ts";

export async function viewApps(tx: Tx, parts: AppsParts, rows: readonly AppRow[]): Promise<App[]> {
  const ids = rows.map(({ id }) => id);
  const hosts = await parts.routing.hosts(tx, rows);
  const counts = await parts.running.counts(tx, ids);
  const deployments = await deploymentStore.unfinished(tx, ids);
  const previews = await previewStore.of(
    tx,
    rows.flatMap(({ id, parentId }) => (parentId === null ? [] : id)),
  );
  const numbers = await releaseStore.numbers(
    tx,
    rows.flatMap(({ liveReleaseId }) => liveReleaseId ?? []),
  );
  const views: App[] = [];
  for (const row of rows) {
    const own = deployments.filter(({ appId }) => appId === row.id);
    // The one at work, else the newest that waits.
    const deployment = own.find(({ turnAt }) => turnAt !== null) ?? own.at(-1);
    const releaseNumber = row.liveReleaseId === null ? undefined : numbers.get(row.liveReleaseId);
    const { url, hosts: names } = hosts.get(row.id) ?? { url: "", hosts: [] };
    views.push({
      id: row.id,
      organisationId: row.organisationId,
      projectId: row.projectId,
      name: row.name,
      description: row.description,
      state: row.state,
      ...(row.stateReason === null ? {} : { stateReason: row.stateReason }),
      allowedActions: allowedActions(row),
      url,
      hosts: names,
      ...(row.runtime === null ? {} : { runtime: row.runtime }),
      ...(row.liveReleaseId === null ? {} : { releaseId: row.liveReleaseId }),
      ...(releaseNumber === undefined ? {} : { releaseNumber }),
      ...(deployment === undefined
        ? {}
        : { deployment: { id: deployment.id, number: deployment.number, state: deployment.state } }),
      processes: counts.get(row.id) ?? [],
      hasDisks: await parts.running.hasDisks(tx, row.id),
      protected: row.protected,
      ...(row.capabilities === null ? {} : { capabilities: row.capabilities as Capability[] }),
      ...(row.runUser === null ? {} : { user: row.runUser }),
      ...previewOf(previews.get(row.id)),
      createdAt: isoTime(row.createdAt),
      ...(row.deployedAt === null ? {} : { deployedAt: isoTime(row.deployedAt) }),
      revision: row.revision,
    });
  }
  return views;
}

const previewOf = (row: PreviewRow | undefined): Pick<App, "preview"> =>
  row === undefined ? {} : { preview: { appId: row.parentId, branch: row.branch, expiresAt: isoTime(row.expiresAt) } };

export async function viewDeployment(logs: DeploymentLogs, row: DeploymentRow): Promise<Deployment> {
  return {
    id: row.id,
    appId: row.appId,
    projectId: row.projectId,
    number: row.number,
    state: row.state,
    ...(row.error === null ? {} : { error: row.error }),
    source: row.source,
    ...(row.runtime === null ? {} : { runtime: row.runtime }),
    ...(row.releaseId === null ? {} : { releaseId: row.releaseId }),
    ...(row.releaseNumber === null ? {} : { releaseNumber: row.releaseNumber }),
    ...(row.operationId === null ? {} : { operationId: row.operationId }),
    logBytes: await logs.size(row.id),
    createdBy: row.createdBy,
    createdAt: isoTime(row.createdAt),
    ...(row.startedAt === null ? {} : { startedAt: isoTime(row.startedAt) }),
    ...(row.finishedAt === null ? {} : { finishedAt: isoTime(row.finishedAt) }),
  };
}

export const viewRelease = (app: Pick<AppRow, "liveReleaseId">, row: ReleaseRow & { hasImage: boolean }): Release => ({
  id: row.id,
  appId: row.appId,
  projectId: row.projectId,
  number: row.number,
  isLive: row.id === app.liveReleaseId,
  canRollBack: row.hasImage && row.id !== app.liveReleaseId,
  imageDigest: row.imageId,
  imageBytes: row.imageBytes,
  runtime: row.runtime,
  source: row.source,
  processes: Object.entries(row.processes).map(([name, { command }]) => ({
    name,
    ...(command === undefined ? {} : { command }),
  })),
  settings: row.settingNames,
  port: row.port,
  ...(row.healthCheck.path === undefined ? {} : { healthPath: row.healthCheck.path }),
  ...(row.releaseCommand === null ? {} : { releaseCommand: row.releaseCommand }),
  capabilities: row.capabilities,
  ...(row.runUser === null ? {} : { user: row.runUser }),
  createdBy: row.createdBy,
  createdAt: isoTime(row.createdAt),
});
