/** What other parts do with whole apps, without a person's request: installing and removing those of the catalogue. */
import type { Actor } from "../../../kernel/contract.ts";
import type { Tx } from "../../../kernel/db/database.ts";
import { CloudError, notFound } from "../../../kernel/errors.ts";
import { type Id, newId } from "../../../kernel/ids.ts";
import type { OperationDefinition } from "../../../kernel/operations/definition.ts";
import type { OperationRecord } from "../../../kernel/operations/store.ts";
import { reserveQuota } from "../../../kernel/quota.ts";
import type { AppsParts } from "../parts.ts";
import type { DeploymentSource } from "./contract.ts";
import type { DeploymentLogs } from "./log.ts";
import type { AppInput } from "./operations/power.ts";
import { beginRemoval } from "./operations/removal.ts";
import { cancelDeployment, checkIdle, type DeploymentOperations, enqueue } from "./queue.ts";
import type { DeploymentRequest } from "./requests.ts";
import { changeSettings, type SettingChange } from "./settings.ts";
import { checkAction } from "./states.ts";
import { type AppRow, appStore } from "./store/apps.ts";
import { type DeploymentRow, deploymentStore } from "./store/deployments.ts";
import type { Uploads } from "./uploads.ts";

export interface AppLifecycle {
  /** already_exists, quota_exceeded. */
  create(
    tx: Tx,
    place: { organisationId: string; projectId: string },
    wanted: { name: string; description: string },
  ): Promise<AppRow>;
  find(tx: Tx, appId: string, options?: { lock?: boolean }): Promise<AppRow | undefined>;
  /** failed_precondition in a state that does not go together with it; conflict while anything else is done with it. */
  checkFree(tx: Tx, app: AppRow, action: "deploy" | "delete"): Promise<void>;
  configure(tx: Tx, app: AppRow, change: SettingChange): Promise<void>;
  /** With a source, a copy of the folder is what is built. Harmless to repeat with the same id. */
  deploy(
    appId: string,
    wanted: {
      id: Id<"deployment">;
      folder?: string | undefined;
      source: DeploymentSource;
      request: DeploymentRequest;
      actor: Actor;
    },
  ): Promise<void>;
  deployment(tx: Tx, id: string): Promise<DeploymentRow | undefined>;
  /** The last of its log, for people: about so many lines. */
  lastLines(deploymentId: string, lines: number): Promise<string>;
  cancel(tx: Tx, deploymentId: string): Promise<void>;
  /** Begins its deletion, or answers the one that has begun; undefined when the app is gone. What is deployed to it is cancelled. */
  remove(tx: Tx, appId: string, actor: Actor): Promise<string | undefined>;
  /** The same of one that is not being deleted yet; conflict while it is being started or stopped. */
  removal(tx: Tx, appId: string, actor: Actor): Promise<OperationRecord | undefined>;
}

export function createLifecycle(
  parts: AppsParts,
  operations: { deployments: DeploymentOperations; remove: OperationDefinition<AppInput> },
  { uploads, logs }: { uploads: Uploads; logs: DeploymentLogs },
): AppLifecycle {
  return {
    async create(tx, place, { name, description }) {
      const row = {
        id: newId("app"),
        organisationId: place.organisationId as AppRow["organisationId"],
        projectId: place.projectId as AppRow["projectId"],
        name,
        description,
        createdAt: new Date(),
      };
      if (!(await appStore.insert(tx, row)))
        throw new CloudError("already_exists", `The project has an app ${name} already. Choose another name.`, {
          details: { resource: "app", fields: [{ path: "body.name", message: "There is one of this name." }] },
        });
      await reserveQuota(tx, row, "apps.apps", 1);
      return (await appStore.find(tx, row.id)) as AppRow;
    },

    find: (tx, appId, options) => appStore.find(tx, appId, options),

    async checkFree(tx, app, action) {
      checkAction(app, action);
      await checkIdle(tx, app);
    },

    async configure(tx, app, change) {
      if (await changeSettings(tx, parts.secrets, app, change)) await appStore.touch(tx, app);
    },

    async deploy(appId, { id, folder, source, request, actor }) {
      const begun = await parts.database.transaction("system", (tx) => deploymentStore.find(tx, id));
      if (begun) return;
      if (folder !== undefined) await uploads.copy(id, folder);
      await parts.database.transaction("system", async (tx) => {
        const app = await appStore.find(tx, appId, { lock: true });
        if (!app) throw notFound("app");
        if (await deploymentStore.find(tx, id)) return;
        parts.engine();
        checkAction(app, "deploy");
        await enqueue(tx, operations.deployments, app, { id, source, request, actor });
      });
    },

    deployment: (tx, id) => deploymentStore.find(tx, id),

    async lastLines(deploymentId, lines) {
      const size = await logs.size(deploymentId);
      const { text } = await logs.read(deploymentId, Math.max(0, size - 8192));
      return text.trimEnd().split("\n").slice(-lines).join("\n");
    },

    async cancel(tx, deploymentId) {
      const found = await deploymentStore.find(tx, deploymentId);
      if (!found) return;
      await appStore.find(tx, found.appId, { lock: true });
      const row = await deploymentStore.find(tx, deploymentId, { lock: true });
      if (row && row.finishedAt === null && row.state !== "switching") await cancelDeployment(tx, row);
    },

    async removal(tx, appId, actor) {
      const app = await appStore.find(tx, appId, { lock: true });
      if (app && app.operationId !== null) await checkIdle(tx, app);
      return app && beginRemoval(tx, operations.remove, app, actor);
    },

    async remove(tx, appId, actor) {
      const app = await appStore.find(tx, appId, { lock: true });
      if (!app) return undefined;
      if (app.state === "deleting") return app.operationId ?? undefined;
      return (await beginRemoval(tx, operations.remove, app, actor)).id;
    },
  };
}
