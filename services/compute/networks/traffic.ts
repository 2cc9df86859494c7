import { createHash } from "node:crypto";
import { addUsage, type UsageCount } from "../../../kernel/metering/journal.ts";
import type { ComputeParts } from "../parts.ts";
import { networkMeters } from "./contract.ts";
import { type CounterRow, counterStore } from "./store/traffic.ts";

type TrafficMeter = "compute.traffic_in" | "compute.traffic_out";
const hourMs = 3_600_000;

/** One record for each counter, meter and hour, which grows until the hour is over. */
function countOf(counter: CounterRow, meter: TrafficMeter, quantity: number, now: Date): UsageCount {
  const hour = Math.floor(now.getTime() / hourMs);
  return {
    id: `use_${createHash("sha256").update(`${counter.id} ${meter} ${hour}`).digest("hex").slice(0, 32)}`,
    organisationId: counter.organisationId,
    projectId: counter.projectId,
    service: "compute",
    meter,
    unit: networkMeters[meter].unit,
    resource: { kind: counter.resourceKind, id: counter.resourceId, name: counter.resourceName },
    from: new Date(Math.max(counter.countedAt.getTime(), hour * hourMs)),
    to: now,
    quantity,
  };
}

/**
 * What has crossed the edge since the last time comes into the journal, exactly once: the counters only grow, and how far they were
 * counted is written down in the same transaction. A router made anew begins at zero under another epoch.
 */
export async function collectTraffic(
  { database, network }: Pick<ComputeParts, "database" | "network">,
  projectId: string,
  routerId: string,
): Promise<void> {
  await database.transaction("system", async (tx) => {
    const counters = new Map((await counterStore.lock(tx, projectId)).map((counter) => [counter.id, counter]));
    if (counters.size === 0) return;
    // Under the lock, so that nobody counts a later reading first.
    const traffic = await network().traffic(routerId);
    if (!traffic) return;
    const now = new Date();
    for (const { id, receivedBytes, sentBytes } of traffic.counters) {
      const counter = counters.get(id);
      if (!counter) continue;
      const same = counter.epoch === traffic.epoch;
      const received = Math.max(0, receivedBytes - (same ? counter.receivedBytes : 0));
      const sent = Math.max(0, sentBytes - (same ? counter.sentBytes : 0));
      if (same && received === 0 && sent === 0) continue;
      await addUsage(tx, [
        ...(received > 0 ? [countOf(counter, "compute.traffic_in", received, now)] : []),
        ...(sent > 0 ? [countOf(counter, "compute.traffic_out", sent, now)] : []),
      ]);
      await counterStore.counted(tx, id, { epoch: traffic.epoch, receivedBytes, sentBytes, countedAt: now });
    }
  });
}
