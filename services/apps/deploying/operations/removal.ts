/** Deleting an app: nothing of it is left, the record last. */
import { setTimeout as sleep } from "node:timers/promises";
import type { Actor } from "../../../../kernel/contract.ts";
import type { Tx } from "../../../../kernel/db/database.ts";
import { CloudError } from "../../../../kernel/errors.ts";
import { defineOperation, NotYet, type OperationDefinition } from "../../../../kernel/operations/definition.ts";
import type { OperationRecord } from "../../../../kernel/operations/store.ts";
import { reserveQuota } from "../../../../kernel/quota.ts";
import { removeRepository } from "../../git/repository.ts";
import type { AppsParts } from "../../parts.ts";
import { registryStore } from "../../registry/store.ts";
import type { ImageSweep } from "../imageSweep.ts";
import type { DeploymentLogs } from "../log.ts";
import { beginOnApp, cancelDeployment, checkIdle } from "../queue.ts";
import { type AppRow, appStore } from "../store/apps.ts";
import { deploymentStore } from "../store/deployments.ts";
import { imageStore } from "../store/images.ts";
import type { Uploads } from "../uploads.ts";
import type { AppInput } from "./power.ts";

const lookAgainMs = 250;

export function defineRemoval(
  parts: AppsParts,
  { logs, uploads, sweep }: { logs: DeploymentLogs; uploads: Uploads; sweep: ImageSweep },
): OperationDefinition<AppInput> {
  const { database } = parts;
  return defineOperation<AppInput>({
    kind: "apps.app.delete",
    steps: [
      {
        name: "previews",
        deadlineSeconds: 3600,
        async run({ input }) {
          const left = await database.transaction("system", (tx) => appStore.previewsOf(tx, input.appId));
          const stuck = left.find(({ state }) => state !== "deleting");
          if (stuck)
            throw new CloudError(
              "failed_precondition",
              `Its preview ${stuck.name} could not be deleted. Delete that one first.`,
              {
                details: { reason: "preview_left" },
              },
            );
          if (left.length > 0) throw new NotYet();
        },
      },
      {
        name: "wait",
        deadlineSeconds: 600,
        async run({ input, signal }) {
          // They were told to stop, and tidy up.
          for (;;) {
            const left = await database.transaction("system", (tx) => deploymentStore.unfinished(tx, [input.appId]));
            if (left.length === 0) return;
            await sleep(lookAgainMs, undefined, { signal });
          }
        },
      },
      {
        name: "containers",
        deadlineSeconds: 1800,
        run: ({ input, signal }) => parts.running.remove(input.appId, { signal }),
      },
      {
        name: "images",
        deadlineSeconds: 600,
        async run({ input, signal }) {
          // Where nothing was ever deployed there may be no engine.
          const deployed = await database.transaction("system", (tx) => deploymentStore.ids(tx, input.appId));
          if (deployed.length > 0) await sweep.remove(input.appId, signal);
        },
      },
      {
        name: "records",
        deadlineSeconds: 60,
        async run({ input }) {
          const ids = await database.transaction("system", (tx) => deploymentStore.ids(tx, input.appId));
          await logs.remove(ids);
          await removeRepository(parts.dataDirectory, input.appId);
          for (const id of ids) await uploads.remove(id);
          await database.transaction("system", async (tx) => {
            const row = await appStore.find(tx, input.appId, { lock: true });
            if (!row) return;
            for (const { imageId } of await imageStore.ofApp(tx, row.id))
              await imageStore.remove(tx, row.id, imageId, new Date());
            await registryStore.removeAll(tx, row.id);
            await reserveQuota(tx, row, "apps.apps", -1);
            await parts.routing.appDeleted(tx, row.id);
            await parts.linking.appDeleted(tx, row.id);
            await appStore.delete(tx, row);
          });
        },
      },
      { name: "route", deadlineSeconds: 300, run: ({ signal }) => parts.routing.apply({ signal }) },
    ],
    async finish(tx, { input, error }, outcome) {
      const row = await appStore.find(tx, input.appId, { lock: true });
      if (!row) return undefined;
      // Of what runs nobody knows now: it can be deleted again.
      await appStore.setOperation(tx, row.id, null);
      if (outcome !== "succeeded")
        await appStore.setState(
          tx,
          row,
          row.liveReleaseId === null ? "new" : "stopped",
          `It could not be deleted: ${error?.message ?? "that was cancelled."} Delete it again.`,
        );
      return undefined;
    },
  });
}

/** In the transaction that holds the app's row: what is deployed to it is cancelled, and its previews go before it. Answers its operation. */
export async function beginRemoval(
  tx: Tx,
  remove: OperationDefinition<AppInput>,
  app: AppRow,
  actor: Actor,
): Promise<OperationRecord> {
  await appStore.setState(tx, app, "deleting");
  for (const deployment of await deploymentStore.unfinished(tx, [app.id]))
    if (deployment.state !== "switching") await cancelDeployment(tx, deployment);
  for (const preview of await appStore.previewsOf(tx, app.id)) {
    if (preview.state === "deleting") continue;
    if (preview.operationId !== null) await checkIdle(tx, preview);
    await beginRemoval(tx, remove, preview, actor);
  }
  return beginOnApp(tx, remove, app, actor, { appId: app.id });
}

/** failed_precondition for a protected one, invalid_argument when the name is not given as a word that it is meant. */
export function checkDeletable(app: { name: string; protected: boolean }, confirm: string): void {
  if (app.protected)
    throw new CloudError("failed_precondition", `The app ${app.name} is protected. Take the protection away first.`, {
      details: { resource: "app", reason: "protected" },
    });
  if (confirm !== app.name)
    throw new CloudError("invalid_argument", `Give the name of the app (${app.name}) to confirm that it is to be deleted.`, {
      details: { fields: [{ path: "query.confirm", message: `Expected ${app.name}.` }] },
    });
}
