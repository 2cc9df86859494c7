import { setTimeout as sleep } from "node:timers/promises";
import { CloudError } from "../../../kernel/errors.ts";
import { defineOperation, type StepContext } from "../../../kernel/operations/definition.ts";
import { becauseOf } from "../../../kernel/operations/failure.ts";
import { finishedStates, operationOutcome } from "../../../kernel/operations/store.ts";
import type { ComputeParts } from "../parts.ts";
import type { DifferenceAction, DifferenceKind } from "./contract.ts";
import { differenceStore } from "./store.ts";

export type RepairInput = {
  differenceId: string;
  kind: DifferenceKind;
  action: DifferenceAction;
  /** An id of ours where there is a record, else the name in the engine. */
  resourceId: string;
};

type Context = StepContext<RepairInput>;

export type DifferenceRepair = ReturnType<typeof defineRepair>;

/** What a person chose to be done about a difference. Each is harmless when it is done already. */
export function defineRepair(parts: ComputeParts) {
  const { database } = parts;

  /** Begins another operation, once, and waits for its end. */
  async function finished(context: Context, name: string, begin: () => Promise<string | undefined>): Promise<void> {
    let id = context.memory[name] as string | undefined;
    if (id === undefined) {
      id = await begin();
      if (id === undefined) return;
      context.memory[name] = id;
      await context.remember();
    }
    for (;;) {
      const outcome = await operationOutcome(database, id);
      if (!outcome || outcome.state === "succeeded") return;
      if (finishedStates.has(outcome.state)) throw becauseOf(outcome.error, "part_failed");
      await sleep(200, undefined, { signal: context.signal });
    }
  }

  /** An orphan that is none any more is left alone. */
  async function orphanInstance(context: Context) {
    const { orphans } = await parts.instances.reconcile(context.signal);
    const orphan = orphans.find(({ name }) => name === context.input.resourceId);
    if (orphan || !(await parts.engine().instanceGet(context.input.resourceId, { signal: context.signal }))) return orphan;
    throw stale();
  }

  const ways: Partial<Record<`${DifferenceKind} ${DifferenceAction}`, (context: Context) => Promise<void>>> = {
    "instance_missing forget": (context) =>
      finished(context, "removal", () =>
        database.transaction("system", async (tx) => {
          const instance = await parts.instances.find(tx, context.input.resourceId, { lock: true });
          if (!instance) return undefined;
          if (instance.state !== "missing") throw stale();
          return (await parts.instances.remove(tx, { instanceId: instance.id, actor: context.actor })).operationId;
        }),
      ),

    "instance_missing recreate": (context) =>
      finished(context, "recreation", () =>
        database.transaction("system", async (tx) => {
          const request = { instanceId: context.input.resourceId, actor: context.actor };
          return (await parts.instances.recreate(tx, request)).operationId;
        }),
      ),

    "instance_orphan delete": async (context) => {
      const orphan = await orphanInstance(context);
      if (orphan) await parts.engine().instanceDelete(orphan.name, { signal: context.signal });
    },

    /** Its disk goes into a new instance, with a record, cards and addresses of its own; then the orphan goes. */
    "instance_orphan adopt": async (context) => {
      const { input, memory } = context;
      const orphan = await orphanInstance(context);
      if (!orphan && memory["creation"] === undefined) throw stale();
      await finished(context, "creation", async () => {
        const report = await parts.engine().instanceGet(input.resourceId, { signal: context.signal });
        return database.transaction("system", async (tx) => {
          const projectId = orphan?.labels["project"] ?? "";
          const place = await parts.identity.projectPlace(tx, projectId);
          if (!place || !report) {
            throw new CloudError(
              "failed_precondition",
              "The project that it belonged to is not there any more: it can only be deleted.",
            );
          }
          const { vcpus = 1, memoryBytes = 1024 ** 3, diskBytes = 10 * 1024 ** 3 } = report.size;
          const { operationId } = await parts.instances.create(tx, {
            place,
            actor: context.actor,
            name: `adopted-${input.resourceId.replace(/^kh-/, "")}`,
            imageId: "",
            imageName: "adopted",
            kind: report.kind,
            capacity: { vcpus, memoryBytes, diskBytes },
            source: { kind: "clone", instance: input.resourceId },
            start: false,
          });
          return operationId;
        });
      });
      await parts.engine().instanceDelete(input.resourceId, { signal: context.signal });
    },

    "volume_missing forget": ({ input }) =>
      unlessGone(database.transaction("system", (tx) => parts.volumes.forget(tx, input.resourceId))),

    "volume_orphan delete": async ({ input, signal }) => {
      const { orphans } = await parts.volumes.reconcile(signal);
      if (orphans.some(({ name }) => name === input.resourceId)) await parts.engine().volumeDelete(input.resourceId, { signal });
      else if ((await parts.engine().volumeList({ signal })).some(({ name }) => name === input.resourceId)) throw stale();
    },

    "image_missing forget": ({ input }) =>
      unlessGone(database.transaction("system", (tx) => parts.images.forget(tx, input.resourceId))),

    "image_orphan delete": async ({ input, signal }) => {
      const { orphans } = await parts.images.reconcile(signal);
      if (orphans.some(({ name }) => name === input.resourceId)) await parts.engine().imageDelete(input.resourceId, { signal });
      else if ((await parts.engine().imageList({ signal })).some(({ name }) => name === input.resourceId)) throw stale();
    },

    "router_broken retry": ({ input, signal }) => parts.networks.apply(input.resourceId, signal),
  };

  return defineOperation<RepairInput>({
    kind: "compute.difference.repair",
    steps: [
      {
        name: "repair",
        deadlineSeconds: 3600,
        async run(context) {
          const way = ways[`${context.input.kind} ${context.input.action}`];
          if (!way) throw new CloudError("failed_precondition", "This cannot be done about such a difference.");
          await way(context);
        },
      },
    ],
    async finish(tx, { input }, outcome) {
      const row = await differenceStore.find(tx, input.differenceId, { lock: true });
      if (!row) return undefined;
      if (outcome === "succeeded") await differenceStore.delete(tx, row);
      else await differenceStore.setOperation(tx, row, null);
      return undefined;
    },
  });
}

const stale = (): CloudError =>
  new CloudError("failed_precondition", "This is not so any more: compare records and engine again.", {
    details: { reason: "difference_gone" },
  });

async function unlessGone(work: Promise<void>): Promise<void> {
  try {
    await work;
  } catch (error) {
    if (!CloudError.is(error, "not_found")) throw error;
  }
}
