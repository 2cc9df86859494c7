import type { Tx } from "../../../kernel/db/database.ts";
import { notFound } from "../../../kernel/errors.ts";
import { type AppsParts, type Area, placeOf } from "../parts.ts";
import type { deployingRoutes } from "./contract.ts";
import type { DeploymentLogs } from "./log.ts";
import { appStore } from "./store/apps.ts";
import { deploymentStore } from "./store/deployments.ts";

type Handlers = Area<typeof deployingRoutes>["handlers"];

/** One that waits looks at the record so often: its end is told nowhere in the log. */
const lookAgainMs = 1000;

export function logRoute(logs: DeploymentLogs): Pick<Handlers, "deploymentLog"> {
  return {
    async deploymentLog(context, { params, query }) {
      const isFinished = async (tx: Tx): Promise<boolean> => {
        const row = await deploymentStore.find(tx, params.deployment);
        if (!row) throw notFound("deployment");
        context.authorize(placeOf(row), "deployment");
        return row.finishedAt !== null;
      };
      const until = Date.now() + query.waitSeconds * 1000;
      for (;;) {
        // The record first: what was written before its end is read after it.
        const finished = await context.transaction(isFinished);
        const part = await logs.read(params.deployment, query.offset);
        const isAll = finished && part.nextOffset >= (await logs.size(params.deployment));
        const left = until - Date.now();
        if (part.text !== "" || finished || left <= 0 || context.signal.aborted) return { ...part, finished: isAll };
        const signal = AbortSignal.any([context.signal, AbortSignal.timeout(Math.min(left, lookAgainMs))]);
        await logs.grown(params.deployment, query.offset, signal);
      }
    },
  };
}

/** What is written from now on and what was before, and at the end why it failed. Ends with the deployment, or with the signal. */
export async function* followLog(
  parts: Pick<AppsParts, "database" | "routing">,
  logs: DeploymentLogs,
  deploymentId: string,
  signal: AbortSignal,
): AsyncGenerator<string> {
  for (let offset = 0; !signal.aborted; ) {
    const { row, url } = await parts.database.transaction("system", async (tx) => {
      const row = await deploymentStore.find(tx, deploymentId);
      const app = row?.state === "succeeded" ? await appStore.find(tx, row.appId) : undefined;
      return { row, url: app && (await parts.routing.hosts(tx, [app])).get(app.id)?.url };
    });
    const part = await logs.read(deploymentId, offset);
    offset = part.nextOffset;
    if (part.text !== "") yield part.text;
    else if (row === undefined || row.finishedAt !== null) {
      if (row?.state === "superseded") yield "A newer deployment has taken its place.\n";
      else if (row?.state === "cancelled") yield "It was cancelled.\n";
      else if (url !== undefined) yield `Live at ${url}\n`;
      else if (row?.state === "failed") yield `It failed: ${row.error ?? ""}\n`;
      return;
    } else await logs.grown(deploymentId, offset, AbortSignal.any([signal, AbortSignal.timeout(lookAgainMs)]));
  }
}
