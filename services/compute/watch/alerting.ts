import { emit } from "../../../kernel/events.ts";
import { newId } from "../../../kernel/ids.ts";
import type { ComputeParts } from "../parts.ts";
import { type Firing, inScope, judge, type Resolution } from "./conditions.ts";
import type { AlertMetric } from "./contract.ts";
import { createDeliveries } from "./deliveries.ts";
import { type AlertRow, alertStore, type RuleRow, ruleStore } from "./store/alerts.ts";
import type { MeasuredInstance, Values } from "./store/metrics.ts";

type Tx = Parameters<typeof alertStore.pending>[0];

const volumesFreshMs = 60_000;

const valueNames: Partial<Record<AlertMetric, keyof Values>> = {
  cpu_percent: "cpuPercent",
  memory_percent: "memoryPercent",
  memory_bytes: "memoryBytes",
  disk_percent: "diskPercent",
  disk_bytes: "diskBytes",
  network_received_bytes_per_second: "receivedPerSecond",
  network_sent_bytes_per_second: "sentPerSecond",
};

export const alertEvent = (tx: Tx, alert: AlertRow): Promise<void> =>
  emit(tx, {
    type: "compute.alert.changed",
    organisationId: alert.organisationId,
    projectId: alert.projectId,
    payload: {
      alertId: alert.id,
      ruleName: alert.ruleName,
      instanceId: alert.instanceId,
      instanceName: alert.instanceName,
      state: alert.state,
    },
  });

/** Ends an alert: event and webhook go with it. */
export async function resolveAlert(
  tx: Tx,
  deliveries: ReturnType<typeof createDeliveries>,
  rule: RuleRow,
  alert: Firing,
  resolution: Resolution,
  at: Date,
): Promise<void> {
  const resolved = await alertStore.resolve(tx, alert, resolution, at);
  await alertEvent(tx, resolved);
  await deliveries.tell(tx, rule, resolved);
}

/** Holds all rules against what was measured now. */
export function evaluateAlerts(parts: ComputeParts) {
  const { database, log } = parts;
  const deliveries = createDeliveries(parts);
  let volumes: { at: number; fullest: Map<string, number> } | undefined;

  /** How full the fullest volume of each instance is; asked of the engine once a minute, and only when a rule wants to know. */
  async function fullestVolumes(instances: readonly MeasuredInstance[], signal: AbortSignal): Promise<Map<string, number>> {
    if (volumes && Date.now() - volumes.at < volumesFreshMs) return volumes.fullest;
    const fullest = new Map<string, number>();
    const usage = new Map<string, number>();
    for (const { name, usedBytes, sizeBytes } of await parts.engine().volumeList({ signal }))
      if (usedBytes !== undefined && sizeBytes > 0) usage.set(name, (usedBytes / sizeBytes) * 100);
    await database.transaction("system", async (tx) => {
      for (const { id } of instances) {
        const shares = (await parts.volumes.attachments(tx, id)).flatMap(({ engineName }) => usage.get(engineName) ?? []);
        if (shares.length > 0) fullest.set(id, Math.max(...shares));
      }
    });
    volumes = { at: Date.now(), fullest };
    return fullest;
  }

  return async (seen: {
    instances: readonly MeasuredInstance[];
    values: ReadonlyMap<string, Values>;
    at: Date;
    signal: AbortSignal;
  }): Promise<void> => {
    const { at, values } = seen;
    const instances = seen.instances.filter(({ hidden }) => !hidden);
    const states = new Map(instances.map((instance) => [instance.id, instance]));
    const before = await database.transaction("system", ruleStore.enabled);
    const ofVolumes = before.filter(({ metric }) => metric === "volume_percent");
    const fullest =
      ofVolumes.length === 0
        ? new Map<string, number>()
        : await fullestVolumes(
            instances.filter((instance) => ofVolumes.some((rule) => inScope(rule, instance))),
            seen.signal,
          ).catch((error) => {
            log.debug({ err: error }, "the volumes could not be looked at");
            return new Map<string, number>();
          });
    const measure = (metric: AlertMetric, instanceId: string): number | undefined => {
      if (metric === "not_running") return states.get(instanceId)?.state === "running" ? 0 : 1;
      if (metric === "volume_percent") return fullest.get(instanceId);
      return values.get(instanceId)?.[valueNames[metric] as keyof Values] ?? undefined;
    };

    await database.transaction("system", async (tx) => {
      const rules = await ruleStore.enabled(tx);
      const pending = await alertStore.pending(tx);
      const firing = await alertStore.firing(tx);
      if (rules.length === 0 && pending.length === 0 && firing.length === 0) return;
      const byId = new Map(rules.map((rule) => [rule.id as string, rule]));
      const judgement = judge({ rules, instances, measure, pending, firing, at });
      await alertStore.setPending(tx, pending.length, judgement.pending);
      await alertStore.noteFiring(tx, judgement.firing);
      for (const { rule, instanceId, beganAt, value, worstValue } of judgement.fire) {
        const row = byId.get(rule.id) as RuleRow;
        const alert = await alertStore.insert(tx, {
          id: newId("alert"),
          rule: row,
          instanceId,
          instanceName: states.get(instanceId)?.name ?? "",
          value,
          worstValue,
          beganAt,
          firedAt: at,
        });
        if (!alert) continue;
        await alertEvent(tx, alert);
        await deliveries.tell(tx, row, alert);
      }
      for (const { alert, resolution } of judgement.resolve) {
        const rule = byId.get(alert.ruleId) ?? (await ruleStore.find(tx, alert.ruleId));
        if (rule) await resolveAlert(tx, deliveries, rule, alert, resolution, at);
      }
    });
  };
}
