import { defineOperation } from "../../../../kernel/operations/definition.ts";
import { reserveQuota } from "../../../../kernel/quota.ts";
import type { Capacity } from "../../driver.ts";
import type { ComputeParts, ProjectPlace } from "../../parts.ts";
import { changeCapacity, settle } from "../states.ts";
import { instanceStore } from "../store/instances.ts";
import { endWith, lookAgain, momentIn, type OnInstance } from "./outcome.ts";

export type ResizeInput = OnInstance & {
  before: Capacity;
  after: Capacity;
  sizeId: string;
  sizeName: string;
  from: string;
  place: ProjectPlace;
  hidden: boolean;
};

/** Quotas by what an instance takes of them; always in this order, so that two who reserve never wait for each other. */
export const capacityQuotas = [
  ["compute.vcpus", "vcpus"],
  ["compute.memory", "memoryBytes"],
  ["compute.disk", "diskBytes"],
] as const;

export function defineResize(parts: ComputeParts) {
  const driver = () => parts.engine();
  const look = lookAgain(driver);
  return defineOperation<ResizeInput>({
    kind: "compute.instance.resize",
    steps: [
      {
        name: "resize",
        deadlineSeconds: 600,
        async run({ input, memory, signal }) {
          const { restartNeeded } = await driver().instanceResize(input.engineName, input.after, { signal });
          memory["restartNeeded"] = restartNeeded;
          memory["at"] = Date.now();
        },
        async undo(context) {
          const { input, signal } = context;
          const report = await driver().instanceGet(input.engineName, { signal });
          if (report) {
            // The disk may have grown before the rest failed, and it never shrinks.
            const diskBytes = Math.max(input.before.diskBytes, report.size.diskBytes ?? 0);
            await driver().instanceResize(input.engineName, { ...input.before, diskBytes }, { signal });
          }
          await look(context);
        },
      },
    ],
    async finish(tx, context, outcome) {
      const { input, memory } = context;
      const { before, after } = input;
      const row = await instanceStore.find(tx, input.instanceId, { lock: true });
      // What grows was reserved when it was asked for; what shrinks is free only now. Deleting gives back what the record says.
      const kept = row !== undefined && outcome === "succeeded";
      for (const [quota, field] of capacityQuotas) {
        const grown = after[field] - before[field];
        const back = kept ? Math.min(0, grown) : -Math.max(0, grown);
        if (back < 0 && !input.hidden) await reserveQuota(tx, input.place, quota, back);
      }
      if (!row) return undefined;
      if (outcome === "succeeded") await changeCapacity(tx, row, after, momentIn(memory, "at"));
      await endWith(tx, context, outcome, async (resized) => {
        const state = input.from === "running" ? ("running" as const) : ("stopped" as const);
        return settle(
          tx,
          resized,
          { state, at: momentIn(memory, "at") },
          {
            sizeId: input.sizeId as never,
            sizeName: input.sizeName,
            restartNeeded: resized.restartNeeded || memory["restartNeeded"] === true,
          },
        );
      });
      return undefined;
    },
  });
}
