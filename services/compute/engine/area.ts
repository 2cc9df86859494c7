import type { Worker } from "../../../kernel/service.ts";
import type { Area, ComputeParts } from "../parts.ts";
import type { engineRoutes } from "./contract.ts";
import { routesOfDifferences } from "./differenceRoutes.ts";
import { routesOfEngine } from "./engineRoutes.ts";
import { createMemberWatch } from "./members.ts";
import { defineEngineOperations } from "./operations.ts";
import { createReconciler, type Reconciler } from "./reconciler.ts";
import { defineRepair } from "./repairs.ts";
import { differenceStore, memberStore } from "./store.ts";

const roundSeconds = 30;
/** The worker comes round this often, so that the first round is not long after a start. */
const beatSeconds = 2;

export function createEngine(parts: ComputeParts): Area<typeof engineRoutes> {
  const operations = defineEngineOperations(parts);
  const repair = defineRepair(parts);
  const reconciler = createReconciler(parts, createMemberWatch(parts, operations));
  return {
    handlers: { ...routesOfEngine(parts, operations, reconciler), ...routesOfDifferences(parts, repair) },
    operations: [...Object.values(operations), repair],
    workers: [reconcileWorker(reconciler)],
    async metrics() {
      const { open, members } = await parts.database.transaction("system", async (tx) => ({
        open: await differenceStore.countOpen(tx),
        members: await memberStore.countByState(tx),
      }));
      return [
        {
          name: "khmara_compute_differences",
          help: "Differences between records and engine that wait for a person.",
          value: open,
        },
        ...members.map(({ state, count }) => ({
          name: "khmara_compute_engine_members",
          help: "Members of the engine by state.",
          value: count,
          labels: { state },
        })),
      ];
    },
  };
}

function reconcileWorker(reconciler: Reconciler): Worker {
  let nextAt = 0;
  return {
    name: "compute.engine.reconcile",
    everySeconds: beatSeconds,
    async run(signal) {
      if (Date.now() < nextAt) return;
      nextAt = Date.now() + roundSeconds * 1000;
      await reconciler.run(signal);
    },
  };
}
