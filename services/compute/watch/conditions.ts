import type { AlertMetric, AlertScope } from "./contract.ts";

/** The judgement over all rules and instances in one moment; it reads and writes nothing, what follows from it is answered. */

/** So long nothing need be seen of an instance before what was seen last counts no more. */
export const unseenMs = 60_000;

export interface Rule {
  id: string;
  projectId: string;
  metric: AlertMetric;
  comparison: "above" | "below";
  threshold: number;
  resolveThreshold: number;
  forSeconds: number;
  scope: AlertScope;
}
export interface Watched {
  id: string;
  projectId: string;
  labels: Record<string, string>;
}
export interface Pending {
  ruleId: string;
  instanceId: string;
  beganAt: Date;
  worstValue: number;
  seenAt: Date;
}
export interface Firing {
  id: string;
  ruleId: string;
  instanceId: string;
  worstValue: number;
  lastValue: number;
  seenAt: Date;
  recoveringSince: Date | null;
}
export type Resolution = "recovered" | "not_measured" | "instance_deleted" | "rule_changed";

export interface Judgement {
  /** All that are past their threshold and do not fire yet; others are forgotten. */
  pending: Pending[];
  fire: { rule: Rule; instanceId: string; beganAt: Date; value: number; worstValue: number }[];
  /** Those that go on firing. */
  firing: Firing[];
  resolve: { alert: Firing; resolution: Resolution }[];
}

export function inScope(rule: Rule, instance: Watched): boolean {
  if (rule.projectId !== instance.projectId) return false;
  const { scope } = rule;
  if (scope.kind === "all") return true;
  if (scope.kind === "instance") return scope.instanceId === instance.id;
  const value = instance.labels[scope.key];
  return value !== undefined && (scope.value === undefined || scope.value === value);
}

const isBad = (rule: Rule, value: number): boolean =>
  rule.comparison === "above" ? value > rule.threshold : value < rule.threshold;
const isGood = (rule: Rule, value: number): boolean =>
  rule.comparison === "above" ? value <= rule.resolveThreshold : value >= rule.resolveThreshold;
const worse = (rule: Rule, a: number, b: number): number => (rule.comparison === "above" ? Math.max(a, b) : Math.min(a, b));

/** `measure` answers nothing where nothing could be measured. */
export function judge(given: {
  rules: readonly Rule[];
  instances: readonly Watched[];
  measure: (metric: AlertMetric, instanceId: string) => number | undefined;
  pending: readonly Pending[];
  firing: readonly Firing[];
  at: Date;
}): Judgement {
  const { rules, instances, measure, at } = given;
  const keyOf = (each: { ruleId: string; instanceId: string }) => `${each.ruleId} ${each.instanceId}`;
  const pending = new Map(given.pending.map((each) => [keyOf(each), each]));
  const firing = new Map(given.firing.map((each) => [keyOf(each), each]));
  const there = new Set(instances.map(({ id }) => id));
  const byProject = Map.groupBy(instances, ({ projectId }) => projectId);
  const judgement: Judgement = { pending: [], fire: [], firing: [], resolve: [] };
  const since = (moment: Date) => at.getTime() - moment.getTime();

  for (const rule of rules) {
    for (const instance of byProject.get(rule.projectId) ?? []) {
      if (!inScope(rule, instance)) continue;
      const key = keyOf({ ruleId: rule.id, instanceId: instance.id });
      const value = measure(rule.metric, instance.id);
      const alert = firing.get(key);
      if (alert) {
        firing.delete(key);
        if (value === undefined) {
          if (since(alert.seenAt) > unseenMs) judgement.resolve.push({ alert, resolution: "not_measured" });
          else judgement.firing.push(alert);
          continue;
        }
        const recoveringSince = isGood(rule, value) ? (alert.recoveringSince ?? at) : null;
        const seen = {
          ...alert,
          recoveringSince,
          seenAt: at,
          lastValue: value,
          worstValue: worse(rule, alert.worstValue, value),
        };
        if (recoveringSince && since(recoveringSince) >= rule.forSeconds * 1000)
          judgement.resolve.push({ alert: seen, resolution: "recovered" });
        else judgement.firing.push(seen);
        continue;
      }
      const before = pending.get(key);
      const fresh = before && since(before.seenAt) <= unseenMs ? before : undefined;
      if (value === undefined) {
        if (fresh) judgement.pending.push(fresh);
        continue;
      }
      if (!isBad(rule, value)) continue;
      const beganAt = fresh?.beganAt ?? at;
      const worstValue = fresh ? worse(rule, fresh.worstValue, value) : value;
      if (since(beganAt) >= rule.forSeconds * 1000)
        judgement.fire.push({ rule, instanceId: instance.id, beganAt, value, worstValue });
      else judgement.pending.push({ ruleId: rule.id, instanceId: instance.id, beganAt, worstValue, seenAt: at });
    }
  }
  for (const alert of firing.values())
    judgement.resolve.push({ alert, resolution: there.has(alert.instanceId) ? "rule_changed" : "instance_deleted" });
  return judgement;
}
