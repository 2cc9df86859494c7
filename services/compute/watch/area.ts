import type { Area, ComputeParts } from "../parts.ts";
import type { watchRoutes } from "./contract.ts";
import { createDeliveries } from "./deliveries.ts";
import { watchRouteHandlers } from "./routes.ts";
import { createSampler } from "./sampler.ts";
import { alertStore } from "./store/alerts.ts";
import { metricStore } from "./store/metrics.ts";
import { webhookStore } from "./store/webhooks.ts";

const alertsKeptDays = 90;
const forgottenAtOnce = 100;

export function createWatch(parts: ComputeParts): Area<typeof watchRoutes> {
  const { database } = parts;
  const deliveries = createDeliveries(parts);
  const sampler = createSampler(parts);
  return {
    handlers: watchRouteHandlers(parts, deliveries),
    workers: [
      {
        // Every ten seconds by the clock; it looks more often, so that no ten seconds are left out.
        name: "compute.watch",
        everySeconds: 2,
        run: async (signal) => void (await sampler.round(signal)),
      },
      {
        name: "compute.watch.webhooks",
        everySeconds: 2,
        async run(signal) {
          while (!signal.aborted && (await deliveries.round(signal)) > 0);
        },
      },
      {
        name: "compute.watch.forget",
        everySeconds: 600,
        async run(signal) {
          const before = new Date(Date.now() - alertsKeptDays * 24 * 3_600_000);
          for (let more = true; more && !signal.aborted; ) {
            more = await database.transaction("system", async (tx) => {
              const gone = await metricStore.orphans(tx, forgottenAtOnce);
              if (gone.length > 0)
                await metricStore.forget(
                  tx,
                  gone.map(({ id }) => id),
                );
              const alerts = await alertStore.forgetOld(tx, before, 1000);
              return gone.length === forgottenAtOnce || alerts === 1000;
            });
          }
        },
      },
    ],
    metrics: () =>
      database.transaction("system", async (tx) => {
        const members = (await metricStore.allSeries(tx)).filter(({ key }) => key.startsWith("member:"));
        const ofMembers = (name: string, help: string, of: (row: (typeof members)[number]) => number | null) =>
          members.flatMap((row) => {
            const value = of(row);
            return value === null ? [] : [{ name, help, value, labels: { member: row.key.slice("member:".length) } }];
          });
        return [
          ...ofMembers("khmara_compute_member_cpus", "Processors of a member of the engine.", (row) => row.cpus),
          ...ofMembers("khmara_compute_member_cpu_percent", "What the instances use of its processors.", (row) => row.cpuPercent),
          ...ofMembers("khmara_compute_member_memory_bytes", "Memory of a member.", (row) => row.memoryLimitBytes),
          ...ofMembers(
            "khmara_compute_member_memory_used_bytes",
            "Memory that is used, instances and all.",
            (row) => row.memoryBytes,
          ),
          ...ofMembers("khmara_compute_member_pool_bytes", "Size of the storage pool.", (row) => row.diskLimitBytes),
          ...ofMembers("khmara_compute_member_pool_used_bytes", "What is used of the storage pool.", (row) => row.diskBytes),
          ...ofMembers(
            "khmara_compute_member_instances_running",
            "Instances that run there, those of jobs too.",
            (row) => row.processes,
          ),
          { name: "khmara_compute_alerts_firing", help: "Alerts that are firing.", value: await alertStore.countFiring(tx) },
          {
            name: "khmara_compute_webhooks_pending",
            help: "Calls of webhooks that are due or wait.",
            value: await webhookStore.countPending(tx),
          },
        ];
      }),
  };
}
