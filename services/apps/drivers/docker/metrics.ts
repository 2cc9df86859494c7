import type { AppEngine, ContainerMetrics } from "../../driver.ts";
import { at } from "./client.ts";
import { type EngineContainer, findContainer } from "./lookup.ts";
import type { Engine } from "./ownership.ts";

export type Metrics = Pick<AppEngine, "containerMetrics" | "containerWritten">;

/** `GET /containers/{id}/stats`: what is used of it. Times are nanoseconds. */
export interface EngineStats {
  cpu_stats?: { cpu_usage?: { total_usage?: number } };
  memory_stats?: { usage?: number; limit?: number; stats?: Record<string, number> };
  pids_stats?: { current?: number };
  networks?: Record<string, { rx_bytes: number; tx_bytes: number }>;
  blkio_stats?: { io_service_bytes_recursive?: { op: string; value: number }[] | null };
}

export function createMetrics(engine: Engine): Metrics {
  return {
    async containerMetrics(name, options) {
      const container = await findContainer(engine, engine.ownership.engineName(name), options);
      if (container === undefined || (container.State.Status !== "running" && container.State.Status !== "paused"))
        return undefined;
      // Without `one-shot` the engine measures for a second or two first.
      const query = { stream: false, "one-shot": true };
      const stats = await engine.client.find<EngineStats>(at`/containers/${container.Id}/stats`, {
        query,
        signal: options?.signal,
      });
      // Of one that ended meanwhile all is empty.
      return stats?.memory_stats?.usage === undefined ? undefined : metricsOf(stats);
    },

    async containerWritten(name, options) {
      const query = { size: true };
      const path = at`/containers/${engine.ownership.engineName(name)}/json`;
      const found = await engine.client.find<EngineContainer & { SizeRw?: number }>(path, { query, signal: options?.signal });
      return found !== undefined && engine.ownership.isOurs(found.Config.Labels) ? (found.SizeRw ?? 0) : undefined;
    },
  };
}

export function metricsOf({ cpu_stats, memory_stats, pids_stats, networks, blkio_stats }: EngineStats): ContainerMetrics {
  const { usage = 0, limit = 0, stats = {} } = memory_stats ?? {};
  // As `docker stats` does: control groups 1 and 2 call it differently.
  const kept = stats["total_inactive_file"] ?? stats["inactive_file"] ?? 0;
  const sum = (op: string) =>
    (blkio_stats?.io_service_bytes_recursive ?? [])
      .filter((each) => each.op.toLowerCase() === op)
      .reduce((total, { value }) => total + value, 0);
  const cards = Object.values(networks ?? {});
  return {
    cpuSeconds: (cpu_stats?.cpu_usage?.total_usage ?? 0) / 1e9,
    memoryBytes: kept < usage ? usage - kept : usage,
    memoryLimitBytes: limit,
    processes: pids_stats?.current ?? 0,
    receivedBytes: cards.reduce((total, { rx_bytes }) => total + rx_bytes, 0),
    sentBytes: cards.reduce((total, { tx_bytes }) => total + tx_bytes, 0),
    diskReadBytes: sum("read"),
    diskWrittenBytes: sum("write"),
  };
}
