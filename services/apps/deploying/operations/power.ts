/** Start and stop by a person's word. While one of them is at work no deployment begins. */
import type { Tx } from "../../../../kernel/db/database.ts";
import { CloudError } from "../../../../kernel/errors.ts";
import type { Id } from "../../../../kernel/ids.ts";
import { defineOperation, type OperationDefinition, type StepContext } from "../../../../kernel/operations/definition.ts";
import type { AppsParts } from "../../parts.ts";
import type { AppState } from "../contract.ts";
import type { ImageSweep } from "../imageSweep.ts";
import { nextTurn } from "../queue.ts";
import { type AppRow, appStore } from "../store/apps.ts";

export type AppInput = { appId: Id<"app"> };
export interface PowerOperations {
  start: OperationDefinition<AppInput>;
  stop: OperationDefinition<AppInput>;
  /** Containers of earlier releases that were to go and are still there. */
  tidy: OperationDefinition<AppInput>;
}

type Context = StepContext<AppInput>;
const minute = 60;

export function definePower(parts: AppsParts, sweep: ImageSweep): PowerOperations {
  const set = (context: Context, state: AppState): Promise<AppRow> =>
    context.database.transaction("system", async (tx) => {
      const row = await appStore.find(tx, context.input.appId, { lock: true });
      if (!row || row.state === "deleting") throw new CloudError("cancelled", "The app was deleted.");
      await appStore.setState(tx, row, state);
      return row;
    });

  async function stop(context: Context): Promise<void> {
    await set(context, "stopped");
    const { signal } = context;
    await parts.routing.apply({ signal });
    await parts.running.retire(context.input.appId, { signal });
  }

  async function finish(tx: Tx, { input }: { input: AppInput }): Promise<Record<string, unknown> | undefined> {
    const row = await appStore.find(tx, input.appId, { lock: true });
    if (!row) return undefined;
    await appStore.setOperation(tx, row.id, null);
    await nextTurn(tx, row.id);
    return { appId: row.id };
  }

  return {
    start: defineOperation<AppInput>({
      kind: "apps.app.start",
      steps: [
        {
          name: "start",
          deadlineSeconds: 40 * minute,
          async run(context) {
            // First of all, lest the reconciler takes for left over what is being started.
            const row = await set(context, "running");
            const { signal } = context;
            await parts.running.start(row.liveReleaseId as string, { signal });
            await parts.running.awaitHealthy(row.liveReleaseId as string, { signal });
          },
          undo: stop,
        },
        {
          name: "route",
          deadlineSeconds: 5 * minute,
          run: ({ signal }) => parts.routing.apply({ signal }),
        },
      ],
      finish,
    }),
    stop: defineOperation<AppInput>({
      kind: "apps.app.stop",
      steps: [{ name: "stop", deadlineSeconds: 30 * minute, run: stop }],
      finish,
    }),
    tidy: defineOperation<AppInput>({
      kind: "apps.app.tidy",
      steps: [
        {
          name: "retire",
          deadlineSeconds: 30 * minute,
          // The engine may be away for minutes.
          attempts: 20,
          async run({ input, signal, database }) {
            const row = await database.transaction("system", (tx) => appStore.find(tx, input.appId));
            if (!row || row.liveReleaseId === null || row.state === "deleting") return;
            await parts.running.retire(row.id, {
              signal,
              ...(row.state === "stopped" ? {} : { keepReleaseId: row.liveReleaseId }),
            });
            await sweep.app(row.id, signal);
          },
        },
      ],
      finish,
    }),
  };
}
