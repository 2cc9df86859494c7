import { CloudError, notFound } from "../../../../kernel/errors.ts";
import { defineOperation, type StepContext } from "../../../../kernel/operations/definition.ts";
import type { ComputeParts } from "../../parts.ts";
import { cloudInitOf, specOf } from "../spec.ts";
import { setState, settle } from "../states.ts";
import { type InstanceRow, instanceStore } from "../store/instances.ts";
import { endWith, lookAgain, momentIn, type OnInstance, observe } from "./outcome.ts";
import type { PowerOperations } from "./power.ts";

export type RebuildInput = OnInstance & {
  image: { id: string; name: string; engineName: string; defaultUser: string };
  /** Whether it runs afterwards: as before. */
  start: boolean;
  /** It is gone from the engine, and made there anew. */
  recreate?: boolean;
};

export function defineRebuild(parts: ComputeParts, power: Pick<PowerOperations, "start">) {
  const driver = () => parts.engine();
  const undo = lookAgain(driver);

  /** With its cards, addresses and volumes, wherever in the engine there is room now. */
  async function recreate({ input, signal, database, projectId }: StepContext<RebuildInput>): Promise<void> {
    const { spec, volumes } = await database.transaction("system", async (tx) => {
      const row = await instanceStore.find(tx, input.instanceId);
      if (!row) throw notFound("instance");
      const { member: _, ...anywhere } = await specOf(tx, parts, row, input.image.defaultUser);
      return { spec: anywhere, volumes: await parts.volumes.attachments(tx, row.id) };
    });
    await parts.networks.apply(projectId as string, signal);
    await driver().instanceCreate({ ...spec, image: { name: input.image.engineName } }, { signal });
    for (const { engineName, path } of volumes) await driver().volumeAttach(engineName, input.engineName, path, { signal });
  }

  return defineOperation<RebuildInput>({
    kind: "compute.instance.rebuild",
    steps: [
      {
        name: "stop",
        deadlineSeconds: 120,
        async run({ input, memory, signal, attempt, begunAt }) {
          const { state, at } = await observe(driver(), input.engineName, signal);
          if (state === "missing") {
            if (!input.recreate)
              throw new CloudError("failed_precondition", "The engine does not have it any more: create a new instance instead.");
            memory["stoppedAt"] ??= at.getTime();
            return;
          }
          // Its disk is lost anyway: no need to shut down in good order.
          if (state !== "stopped") await driver().instanceStop(input.engineName, { timeoutSeconds: 0, signal });
          // Begun before, it stopped while nobody looked, soon after it was told to.
          const stoppedAt = state !== "stopped" ? new Date() : attempt > 1 ? begunAt : at;
          memory["stoppedAt"] ??= stoppedAt.getTime();
        },
        async undo(context) {
          // Its old disk is still there: it goes on as before.
          if (context.input.start && context.memory["begun"] !== true) {
            await power.start(context);
            context.memory["resumed"] = true;
          }
          await undo(context);
        },
      },
      {
        name: "rebuild",
        deadlineSeconds: 900,
        async run(context) {
          const { input, memory, signal, database } = context;
          memory["begun"] = true;
          if (input.recreate && !(await driver().instanceGet(input.engineName, { signal }))) {
            await recreate(context);
            memory["rebuilt"] = true;
            return;
          }
          await driver().instanceRebuild(input.engineName, { name: input.image.engineName }, { signal });
          const cloudInit = await database.transaction("system", async (tx) => {
            const row = await instanceStore.find(tx, input.instanceId);
            return row && cloudInitOf(tx, parts, row, input.image.defaultUser);
          });
          if (cloudInit) await driver().instanceConfigure(input.engineName, { cloudInit }, { signal });
          memory["rebuilt"] = true;
        },
        undo,
      },
      {
        name: "start",
        deadlineSeconds: 300,
        async run(context) {
          if (context.input.start) await power.start(context);
        },
        undo,
      },
    ],
    async finish(tx, context, outcome) {
      const { input, memory, error } = context;
      const before = await instanceStore.find(tx, input.instanceId, { lock: true });
      if (!before || before.state === "deleting") return undefined;
      const stoppedAt = momentIn(memory, "stoppedAt");
      let row = memory["stoppedAt"] === undefined ? before : await settle(tx, before, { state: "stopped", at: stoppedAt });
      if (memory["rebuilt"] === true)
        row = await instanceStore.update(tx, row.id, {
          imageId: input.image.id as never,
          imageName: input.image.name,
          restartNeeded: false,
        });
      if (memory["at"] !== undefined && (outcome === "succeeded" || memory["resumed"] === true))
        row = await settle(tx, row, { state: "running", at: momentIn(memory, "at") });
      await endWith(tx, context, outcome, async (same) => same);
      if (outcome === "succeeded" || memory["begun"] !== true || memory["rebuilt"] === true) return undefined;
      if ((memory["observed"] as { state?: string } | undefined)?.state === "missing") return undefined;
      row = (await instanceStore.find(tx, input.instanceId, { lock: true })) as InstanceRow;
      const why = error?.message ?? "It was cancelled.";
      await setState(tx, row, "error", `Its root disk is not what it was: rebuild it again. ${why}`);
      return undefined;
    },
  });
}
