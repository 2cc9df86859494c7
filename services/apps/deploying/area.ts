import { audit } from "../../../kernel/audit.ts";
import { CloudError, notFound } from "../../../kernel/errors.ts";
import type { Id } from "../../../kernel/ids.ts";
import { newId } from "../../../kernel/ids.ts";
import type { Worker } from "../../../kernel/service.ts";
import type { Copying } from "../backups/copying.ts";
import type { AppsParts, Area, DeployingPart } from "../parts.ts";
import { subjectOf } from "../subjects.ts";
import { appRoutes } from "./appRoutes.ts";
import { type Bases, openBases } from "./bases.ts";
import { deployingRoutes } from "./contract.ts";
import { deployRoutes } from "./deployRoutes.ts";
import { openImageSweep } from "./imageSweep.ts";
import { type AppLifecycle, createLifecycle } from "./lifecycle.ts";
import { openDeploymentLogs } from "./log.ts";
import { followLog, logRoute } from "./logRoute.ts";
import { defineDeployments } from "./operations/deployment.ts";
import { definePower } from "./operations/power.ts";
import { defineRemoval } from "./operations/removal.ts";
import { deployAgain, enqueue } from "./queue.ts";
import { viewRelease, without } from "./releases.ts";
import { settingRoutes } from "./settingRoutes.ts";
import { checkLinkNames, environmentOf, linkSettings } from "./settings.ts";
import { checkAction, viewOf } from "./states.ts";
import { appStore } from "./store/apps.ts";
import { deploymentStore } from "./store/deployments.ts";
import { releaseStore } from "./store/releases.ts";
import { settingStore } from "./store/settings.ts";
import { openUploads } from "./uploads.ts";

/** For a part that is tested alone. */
const noBackups: Pick<Copying, "copy" | "putBack"> = {
  copy: () => Promise.reject(new Error("There are no backups here.")),
  putBack: () => Promise.reject(new Error("There are no backups here.")),
};

/** `bases` is for tests. */
export function createDeploying(
  parts: AppsParts,
  { bases = openBases(parts), copying = noBackups }: { bases?: Bases; copying?: Pick<Copying, "copy" | "putBack"> } = {},
): Area<typeof deployingRoutes> & { part: DeployingPart; lifecycle: AppLifecycle } {
  const logs = openDeploymentLogs(parts.dataDirectory);
  const uploads = openUploads(parts.dataDirectory);
  const sweep = openImageSweep(parts);
  const power = definePower(parts, sweep);
  const deployments = defineDeployments(parts, { logs, uploads, bases, sweep, tidy: power.tidy, copying });
  const remove = defineRemoval(parts, { logs, uploads, sweep });

  /** Nothing to do while there is no engine. */
  const withEngine = async (work: () => Promise<void>): Promise<void> => {
    try {
      parts.engine();
    } catch (error) {
      if (CloudError.is(error, "failed_precondition")) return;
      throw error;
    }
    await work();
  };
  const sweepUploads = () =>
    uploads.sweep((ids) => parts.database.transaction("system", (tx) => deploymentStore.unfinishedOf(tx, ids)));
  const workers: Worker[] = [
    {
      name: "apps.uploads",
      everySeconds: 600,
      async run() {
        await sweepUploads();
        await bases.sweep();
      },
    },
    { name: "apps.images", everySeconds: 600, run: (signal) => withEngine(() => sweep.all(signal)) },
    { name: "apps.base-images", everySeconds: 24 * 3600, run: (signal) => withEngine(() => bases.refresh(signal)) },
  ];
  // What a process left that was killed, at once: disks may be full of it.
  sweepUploads().catch((error) => parts.log.debug({ err: error }, "what was uploaded before is not swept yet"));

  return {
    handlers: {
      ...appRoutes(parts, { ...power, remove }, deployments),
      ...deployRoutes(parts, deployments, { logs, uploads }),
      ...settingRoutes(parts, deployments),
      ...logRoute(logs),
    },
    operations: [deployments.build, deployments.release, ...Object.values(power), remove],
    workers,
    lifecycle: createLifecycle(parts, { deployments, remove }, { uploads, logs }),
    part: {
      async find(tx, id, options) {
        const row = await appStore.find(tx, id, options);
        return row && viewOf(row);
      },
      list: async (tx, filter) => (await appStore.list(tx, filter)).map(viewOf),
      named: async (tx, name) => (await appStore.named(tx, name)).map(viewOf),
      checkAction,
      follow: (deploymentId, signal) => followLog(parts, logs, deploymentId, signal),
      async release(tx, releaseId) {
        const row = await releaseStore.find(tx, releaseId);
        if (row === undefined) return undefined;
        const view = viewRelease(parts, row);
        if (row.links.length === 0) return view;
        const environment = without(view.environment, await parts.linking.gone(tx, row.links));
        return { ...view, environment, files: await parts.linking.files(tx, row.links) };
      },
      async deployAgain(tx, appId, what, actor) {
        const row = await appStore.find(tx, appId, { lock: true });
        if (!row) return undefined;
        const begun = await deployAgain(tx, deployments, row, what, actor);
        return begun && { deploymentId: begun.deployment.id, operationId: begun.operation.id as Id<"operation"> };
      },
      checkLinkNames,
      async linkSettings(tx, appId, variables) {
        const row = await appStore.find(tx, appId);
        if (row) await linkSettings(tx, parts.secrets, row, variables);
      },
      linkedValues: async (tx, appId) =>
        environmentOf(
          parts.secrets,
          (await settingStore.list(tx, appId)).filter(({ origin }) => origin === "link"),
        ),
      async setHealth(tx, appId, health) {
        const row = await appStore.find(tx, appId, { lock: true });
        if (row?.state !== "running" && row?.state !== "failing") return;
        await appStore.setState(tx, row, health.state, health.state === "failing" ? health.reason : undefined);
      },
      async deployFolder({ appId, actor, sourceIp, folder, source }) {
        const id = newId("deployment");
        await uploads.take(id, folder);
        try {
          return await parts.database.transaction("system", async (tx) => {
            const row = await appStore.find(tx, appId, { lock: true });
            if (!row) throw notFound("app");
            parts.engine();
            checkAction(row, "deploy");
            const { deployment, operation } = await enqueue(tx, deployments, row, {
              id,
              source,
              request: { what: "source", from: "folder" },
              actor,
            });
            const after = { deployment: deployment.number, source };
            audit(tx, { ...subjectOf(row), action: deployingRoutes.appDeploy.permission, actor, sourceIp, after });
            return { deploymentId: id, operationId: operation.id as Id<"operation"> };
          });
        } catch (error) {
          await uploads.remove(id);
          throw error;
        }
      },
    },
  };
}
