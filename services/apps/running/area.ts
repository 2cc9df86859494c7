import type { AppsParts, Area, RunningPart } from "../parts.ts";
import { directConnect } from "./checks.ts";
import type { runningRoutes } from "./contract.ts";
import { diskRoutes } from "./diskRoutes.ts";
import { logRoutes } from "./logRoutes.ts";
import type { LogLimits } from "./logs/book.ts";
import { createCollector } from "./logs/collector.ts";
import { metricRoutes } from "./metricRoutes.ts";
import { createOneOffs } from "./oneOffs.ts";
import { createPart } from "./part.ts";
import { processRoutes } from "./processRoutes.ts";
import { type Connect, defaultTimes, type RunningTimes, type Runtime } from "./runtime.ts";
import { createScaling } from "./scaling.ts";
import { sessionRoutes } from "./sessionRoutes.ts";
import { createStarting } from "./starting.ts";
import { createStopping } from "./stopping.ts";
import { processStore } from "./store/processes.ts";
import { createWatching } from "./watching.ts";

export interface RunningOptions {
  /** How a container is reached from here; absent: as any address is. */
  connect?: Connect;
  times?: Partial<RunningTimes>;
  logLimits?: LogLimits;
}

/** What runs of apps: containers, their health, scale, disks, logs, figures, and commands beside them. */
export function createRunning(
  parts: AppsParts,
  options: RunningOptions = {},
): Area<typeof runningRoutes> & { part: RunningPart; times: RunningTimes } {
  const collector = createCollector(parts, options.logLimits);
  const runtime: Runtime = {
    parts,
    times: { ...defaultTimes, ...options.times },
    connect: options.connect ?? directConnect,
    logs: collector,
    leaving: new Set(),
    engine: () => parts.engine(),
  };
  const starting = createStarting(runtime);
  const stopping = createStopping(runtime);
  const scaling = createScaling(runtime, starting, stopping);
  const oneOffs = createOneOffs(runtime);
  return {
    times: runtime.times,
    part: createPart(runtime, starting, stopping, oneOffs),
    handlers: {
      ...processRoutes(runtime, scaling),
      ...logRoutes(runtime),
      ...metricRoutes(runtime),
      ...sessionRoutes(runtime, oneOffs),
      ...diskRoutes(runtime),
    },
    operations: scaling.operations,
    workers: [createWatching(runtime, collector, starting, stopping, scaling, oneOffs)],
    async metrics() {
      const { containers, healthy, memoryBytes } = await parts.database.transaction("system", processStore.totals);
      return [
        { name: "khmara_apps_containers", help: "Containers of apps that are meant to run.", value: containers },
        { name: "khmara_apps_containers_healthy", help: "Those of them that are healthy.", value: healthy },
        { name: "khmara_apps_memory_bytes", help: "Memory that they may use.", value: memoryBytes },
      ];
    },
    async stop() {
      oneOffs.stop();
      await collector.stop();
    },
  };
}
