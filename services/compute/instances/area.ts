import type { Area, ComputeParts, InstancesPart } from "../parts.ts";
import { actionRoutes } from "./actionRoutes.ts";
import type { instanceRoutes as routes } from "./contract.ts";
import { createCreation } from "./creation.ts";
import { createRemoval } from "./deletion.ts";
import { groupRoutes } from "./groupRoutes.ts";
import { instanceRoutes } from "./instanceRoutes.ts";
import { keyRoutes } from "./keyRoutes.ts";
import { defineInstanceOperations } from "./operations.ts";
import { createPart } from "./part.ts";
import { createReconciling } from "./reconciling.ts";
import { restartDue } from "./restarts.ts";
import { sizeRoutes } from "./sizeRoutes.ts";
import { instanceStore } from "./store/instances.ts";
import { createWatching } from "./watching.ts";

export function createInstances(parts: ComputeParts): Area<typeof routes> & { part: InstancesPart } {
  const operations = defineInstanceOperations(parts);
  const creation = createCreation(parts, operations);
  const removal = createRemoval(operations);
  const reconciling = createReconciling(parts);
  const watching = createWatching(parts, reconciling);
  return {
    handlers: {
      ...sizeRoutes(),
      ...keyRoutes(parts),
      ...groupRoutes(parts),
      ...instanceRoutes(parts, operations, creation),
      ...actionRoutes(parts, operations, removal),
    },
    operations: operations.all,
    workers: [
      { name: "compute.instances.watch", everySeconds: 2, run: watching.round },
      { name: "compute.instances.restart", everySeconds: 2, run: () => restartDue(parts.database, operations) },
    ],
    async metrics() {
      const rows = await parts.database.transaction("system", instanceStore.countByState);
      return rows.map(({ state, kind, count }) => ({
        name: "khmara_compute_instances",
        help: "Instances by state and kind.",
        value: count,
        labels: { state, kind },
      }));
    },
    stop: watching.stop,
    part: createPart(parts, { creation, removal, reconciling, operations }),
  };
}
