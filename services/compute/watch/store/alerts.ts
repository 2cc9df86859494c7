import { brokenConstraint, type Tx } from "../../../../kernel/db/database.ts";
import type { Id } from "../../../../kernel/ids.ts";
import type { Firing, Pending, Resolution } from "../conditions.ts";
import type { AlertMetric, AlertScope } from "../contract.ts";

export interface RuleRow {
  id: Id<"alertRule">;
  organisationId: Id<"organisation">;
  projectId: Id<"project">;
  name: string;
  enabled: boolean;
  metric: AlertMetric;
  comparison: "above" | "below";
  threshold: number;
  resolveThreshold: number;
  forSeconds: number;
  scope: AlertScope;
  webhookUrl: string | null;
  webhookSecret: Buffer | null;
  firing: number;
  createdAt: Date;
  revision: number;
}

export interface AlertRow {
  id: Id<"alert">;
  organisationId: Id<"organisation">;
  projectId: Id<"project">;
  ruleId: Id<"alertRule"> | null;
  ruleName: string;
  instanceId: Id<"instance">;
  instanceName: string;
  state: "firing" | "resolved";
  metric: AlertMetric;
  comparison: "above" | "below";
  threshold: number;
  value: number;
  worstValue: number;
  lastValue: number;
  beganAt: Date;
  firedAt: Date;
  resolvedAt: Date | null;
  resolution: Resolution | null;
  acknowledgedAt: Date | null;
  acknowledgedBy: string | null;
  deliveryState: "pending" | "delivered" | "failed" | null;
  deliveryAttempts: number | null;
  deliveryMessage: string | null;
  deliveryAt: Date | null;
}

const ruleColumns = `id, organisation_id as "organisationId", project_id as "projectId", name, enabled, metric, comparison, threshold,
  resolve_threshold as "resolveThreshold", for_seconds as "forSeconds", scope, webhook_url as "webhookUrl", webhook_secret as "webhookSecret",
  (select count(*) from compute.alerts a where a.rule_id = r.id and a.state = 'firing') as firing, created_at as "createdAt", revision`;

const alertColumns = `a.id, a.organisation_id as "organisationId", a.project_id as "projectId", a.rule_id as "ruleId", a.rule_name as "ruleName",
  a.instance_id as "instanceId", a.instance_name as "instanceName", a.state, a.metric, a.comparison, a.threshold, a.value,
  a.worst_value as "worstValue", a.last_value as "lastValue", a.began_at as "beganAt", a.fired_at as "firedAt", a.resolved_at as "resolvedAt",
  a.resolution, a.acknowledged_at as "acknowledgedAt", a.acknowledged_by as "acknowledgedBy", c.state as "deliveryState",
  c.attempts as "deliveryAttempts", c.message as "deliveryMessage", c.tried_at as "deliveryAt"`;
const lastCall = `left join lateral (select state, attempts, message, tried_at from compute.webhook_calls c where c.alert_id = a.id
  order by c.id desc limit 1) c on true`;

export type RuleChange = Partial<
  Pick<
    RuleRow,
    | "name"
    | "enabled"
    | "metric"
    | "comparison"
    | "threshold"
    | "resolveThreshold"
    | "forSeconds"
    | "scope"
    | "webhookUrl"
    | "webhookSecret"
  >
>;
const changeable: Record<keyof RuleChange, string> = {
  name: "name",
  enabled: "enabled",
  metric: "metric",
  comparison: "comparison",
  threshold: "threshold",
  resolveThreshold: "resolve_threshold",
  forSeconds: "for_seconds",
  scope: "scope",
  webhookUrl: "webhook_url",
  webhookSecret: "webhook_secret",
};

export const ruleStore = {
  async find(tx: Tx, id: string, options: { lock?: boolean } = {}): Promise<RuleRow | undefined> {
    const [row] = await tx.sql<RuleRow[]>`select ${tx.sql.unsafe(ruleColumns)} from compute.alert_rules r where id = ${id}
      ${options.lock ? tx.sql`for update` : tx.sql``}`;
    return row;
  },
  /** False when the project has one of that name. */
  async insert(tx: Tx, row: Omit<RuleRow, "firing" | "revision">): Promise<boolean> {
    const rows =
      await tx.sql`insert into compute.alert_rules (id, organisation_id, project_id, name, enabled, metric, comparison, threshold,
        resolve_threshold, for_seconds, scope, webhook_url, webhook_secret, created_at)
      values (${row.id}, ${row.organisationId}, ${row.projectId}, ${row.name}, ${row.enabled}, ${row.metric}, ${row.comparison}, ${row.threshold},
        ${row.resolveThreshold}, ${row.forSeconds}, ${tx.sql.json(row.scope as never)}, ${row.webhookUrl}, ${row.webhookSecret}, ${row.createdAt})
      on conflict (project_id, name) do nothing returning id`;
    return rows.length > 0;
  },
  /** At least one change. Undefined when another rule of the project has the new name; the transaction can only be rolled back then. */
  async update(tx: Tx, id: string, change: RuleChange): Promise<RuleRow | undefined> {
    const values = Object.fromEntries(
      Object.entries(change).map(([field, value]) => [
        changeable[field as keyof RuleChange],
        field === "scope" ? tx.sql.json(value as never) : value,
      ]),
    );
    try {
      const [row] = await tx.sql<RuleRow[]>`update compute.alert_rules r set ${tx.sql(values as never)}, revision = revision + 1
        where id = ${id} returning ${tx.sql.unsafe(ruleColumns)}`;
      return row;
    } catch (error) {
      if (brokenConstraint(error) === "alert_rules_name") return undefined;
      throw error;
    }
  },
  async delete(tx: Tx, id: string): Promise<void> {
    await tx.sql`delete from compute.alert_rules where id = ${id}`;
  },
  page: (
    tx: Tx,
    filter: { projectId: string; search?: string | undefined; after?: string | undefined; limit: number },
  ): Promise<RuleRow[]> => tx.sql<RuleRow[]>`
    select ${tx.sql.unsafe(ruleColumns)} from compute.alert_rules r where project_id = ${filter.projectId}
      ${filter.search ? tx.sql`and strpos(lower(name), ${filter.search.toLowerCase()}) > 0` : tx.sql``}
      ${filter.after === undefined ? tx.sql`` : tx.sql`and name > ${filter.after} collate "C"`}
    order by name collate "C" limit ${filter.limit}`,
  enabled: (tx: Tx): Promise<RuleRow[]> => tx.sql<RuleRow[]>`
    select ${tx.sql.unsafe(ruleColumns)} from compute.alert_rules r where enabled`,
  async forgetPending(tx: Tx, ruleId: string): Promise<void> {
    await tx.sql`delete from compute.alerts_pending where rule_id = ${ruleId}`;
  },
};

export interface NewAlert {
  id: Id<"alert">;
  rule: Pick<RuleRow, "id" | "organisationId" | "projectId" | "name" | "metric" | "comparison" | "threshold">;
  instanceId: string;
  instanceName: string;
  value: number;
  worstValue: number;
  beganAt: Date;
  firedAt: Date;
}

export const alertStore = {
  async find(tx: Tx, id: string, options: { lock?: boolean } = {}): Promise<AlertRow | undefined> {
    const [row] = await tx.sql<AlertRow[]>`select ${tx.sql.unsafe(alertColumns)} from compute.alerts a ${tx.sql.unsafe(lastCall)}
      where a.id = ${id} ${options.lock ? tx.sql`for update of a` : tx.sql``}`;
    return row;
  },
  page: (
    tx: Tx,
    filter: {
      projectId: string;
      state?: "firing" | "resolved" | undefined;
      ruleId?: string | undefined;
      instanceId?: string | undefined;
      acknowledged?: boolean | undefined;
      before?: string | undefined;
      limit: number;
    },
  ): Promise<AlertRow[]> => tx.sql<AlertRow[]>`
    select ${tx.sql.unsafe(alertColumns)} from compute.alerts a ${tx.sql.unsafe(lastCall)} where a.project_id = ${filter.projectId}
      ${filter.state === undefined ? tx.sql`` : tx.sql`and a.state = ${filter.state}`}
      ${filter.ruleId === undefined ? tx.sql`` : tx.sql`and a.rule_id = ${filter.ruleId}`}
      ${filter.instanceId === undefined ? tx.sql`` : tx.sql`and a.instance_id = ${filter.instanceId}`}
      ${filter.acknowledged === undefined ? tx.sql`` : tx.sql`and (a.acknowledged_at is not null) = ${filter.acknowledged}`}
      ${filter.before === undefined ? tx.sql`` : tx.sql`and a.id < ${filter.before}`}
    order by a.id desc limit ${filter.limit}`,

  pending: (tx: Tx): Promise<Pending[]> => tx.sql<
    Pending[]
  >`select rule_id as "ruleId", instance_id as "instanceId", began_at as "beganAt",
    worst_value as "worstValue", seen_at as "seenAt" from compute.alerts_pending`,
  /** What is pending is this, and nothing else any more. */
  async setPending(tx: Tx, before: number, pending: readonly Pending[]): Promise<void> {
    if (before > 0) await tx.sql`delete from compute.alerts_pending`;
    if (pending.length === 0) return;
    await tx.sql`insert into compute.alerts_pending (rule_id, instance_id, began_at, worst_value, seen_at)
      select * from unnest(${pending.map(({ ruleId }) => ruleId)}::text[], ${pending.map(({ instanceId }) => instanceId)}::text[],
        ${pending.map(({ beganAt }) => beganAt.toISOString())}::timestamptz[], ${pending.map(({ worstValue }) => worstValue)}::double precision[],
        ${pending.map(({ seenAt }) => seenAt.toISOString())}::timestamptz[])`;
  },

  firing: (tx: Tx, ruleId?: string): Promise<Firing[]> => tx.sql<
    Firing[]
  >`select id, rule_id as "ruleId", instance_id as "instanceId",
    worst_value as "worstValue", last_value as "lastValue", seen_at as "seenAt", recovering_since as "recoveringSince"
    from compute.alerts where state = 'firing' ${ruleId === undefined ? tx.sql`and rule_id is not null` : tx.sql`and rule_id = ${ruleId}`}
    for update`,
  async noteFiring(tx: Tx, firing: readonly Firing[]): Promise<void> {
    if (firing.length === 0) return;
    await tx.sql`update compute.alerts a set worst_value = new.worst, last_value = new.last, seen_at = new.seen, recovering_since = new.since
      from unnest(${firing.map(({ id }) => id)}::text[], ${firing.map(({ worstValue }) => worstValue)}::double precision[],
        ${firing.map(({ lastValue }) => lastValue)}::double precision[], ${firing.map(({ seenAt }) => seenAt.toISOString())}::timestamptz[],
        ${firing.map(({ recoveringSince }) => recoveringSince?.toISOString() ?? null)}::timestamptz[]) as new (id, worst, last, seen, since)
      where a.id = new.id`;
  },
  async insert(tx: Tx, alert: NewAlert): Promise<AlertRow | undefined> {
    const { rule } = alert;
    const rows =
      await tx.sql`insert into compute.alerts (id, organisation_id, project_id, rule_id, rule_name, instance_id, instance_name, state,
        metric, comparison, threshold, value, worst_value, last_value, began_at, fired_at, seen_at)
      values (${alert.id}, ${rule.organisationId}, ${rule.projectId}, ${rule.id}, ${rule.name}, ${alert.instanceId}, ${alert.instanceName}, 'firing',
        ${rule.metric}, ${rule.comparison}, ${rule.threshold}, ${alert.value}, ${alert.worstValue}, ${alert.value}, ${alert.beganAt},
        ${alert.firedAt}, ${alert.firedAt})
      on conflict (rule_id, instance_id) where state = 'firing' do nothing returning id`;
    return rows.length > 0 ? alertStore.find(tx, alert.id) : undefined;
  },
  async resolve(tx: Tx, alert: Firing, resolution: Resolution, at: Date): Promise<AlertRow> {
    await tx.sql`update compute.alerts set state = 'resolved', resolved_at = ${at}, resolution = ${resolution}, last_value = ${alert.lastValue},
      worst_value = ${alert.worstValue} where id = ${alert.id}`;
    return (await alertStore.find(tx, alert.id)) as AlertRow;
  },
  async acknowledge(tx: Tx, id: string, by: string, at: Date): Promise<AlertRow> {
    await tx.sql`update compute.alerts set acknowledged_at = ${at}, acknowledged_by = ${by} where id = ${id}`;
    return (await alertStore.find(tx, id)) as AlertRow;
  },
  async countFiring(tx: Tx): Promise<number> {
    const [row] = await tx.sql<{ count: number }[]>`select count(*) as count from compute.alerts where state = 'firing'`;
    return row?.count ?? 0;
  },
  async forgetOld(tx: Tx, before: Date, limit: number): Promise<number> {
    const rows =
      await tx.sql`delete from compute.alerts where id in (select id from compute.alerts where resolved_at < ${before} limit ${limit})
      returning 1`;
    return rows.length;
  },
};
