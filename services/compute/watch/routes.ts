import { isoTime } from "../../../kernel/clock.ts";
import { CloudError, checkRevision, invalid, nameTaken, notFound } from "../../../kernel/errors.ts";
import { emit } from "../../../kernel/events.ts";
import { decodeCursor, toPage } from "../../../kernel/http/cursor.ts";
import { type Id, newId } from "../../../kernel/ids.ts";
import { checkUrl } from "../../../kernel/outbound/addresses.ts";
import { outboundSettings, setAllowedNetworks } from "../../../kernel/outbound/settings.ts";
import { newWebhookSecret } from "../../../kernel/outbound/webhook.ts";
import { reserveQuota } from "../../../kernel/quota.ts";
import type { RequestContext } from "../../../kernel/service.ts";
import { type Area, type ComputeParts, openInstance, openProject, placeOf } from "../parts.ts";
import { alertEvent, resolveAlert } from "./alerting.ts";
import type { AlertMetric, AlertScope, watchRoutes } from "./contract.ts";
import { type Deliveries, secretPurpose } from "./deliveries.ts";
import { engineKey, memberKey } from "./sampler.ts";
import { rangeOf, readSeries, viewEngineValues, viewValues } from "./series.ts";
import { type AlertRow, alertStore, type RuleChange, type RuleRow, ruleStore } from "./store/alerts.ts";
import { metricStore } from "./store/metrics.ts";

type WatchRoutes = Area<typeof watchRoutes>["handlers"];

export function watchRouteHandlers(parts: ComputeParts, deliveries: Deliveries): WatchRoutes {
  const { secrets } = parts;

  async function openRule(context: Pick<RequestContext, "tx" | "authorize">, id: string, options: { lock?: boolean } = {}) {
    const rule = await ruleStore.find(context.tx, id, options);
    if (!rule) throw notFound("alert rule");
    context.authorize(placeOf(rule), "alert rule");
    return rule;
  }
  async function openAlert(context: RequestContext, id: string, options: { lock?: boolean } = {}): Promise<AlertRow> {
    const alert = await alertStore.find(context.tx, id, options);
    if (!alert) throw notFound("alert");
    context.authorize(placeOf(alert), "alert");
    return alert;
  }

  async function checkScope(context: RequestContext, projectId: string, scope: AlertScope): Promise<void> {
    if (scope.kind !== "instance") return;
    const instance = await parts.instances.find(context.tx, scope.instanceId);
    if (instance?.projectId === projectId) return;
    throw new CloudError("not_found", "There is no such instance in this project.", {
      details: {
        resource: "instance",
        fields: [{ path: "body.scope.instanceId", message: "No such instance in this project." }],
      },
    });
  }

  /** Sealed, with what is answered this once. */
  async function prepareWebhook(context: RequestContext, ruleId: string, webhook: { url: string; secret?: string | undefined }) {
    const { allowedNetworks } = await outboundSettings(context.tx);
    checkUrl(webhook.url, allowedNetworks, "body.webhook.url");
    const secret = webhook.secret ?? newWebhookSecret();
    return { url: webhook.url, secret, sealed: secrets.encrypt(secretPurpose(ruleId), secret) };
  }

  const emitRule = (context: RequestContext, rule: RuleRow, state: "enabled" | "disabled" | "deleted") =>
    emit(context.tx, {
      type: "compute.alert_rule.changed",
      organisationId: rule.organisationId,
      projectId: rule.projectId,
      payload: { alertRuleId: rule.id, name: rule.name, state },
    });
  const stateOf = (rule: RuleRow) => (rule.enabled ? "enabled" : "disabled");

  /** What fired by a condition that is no more. */
  async function resolveAll(context: RequestContext, rule: RuleRow): Promise<void> {
    const at = new Date();
    for (const alert of await alertStore.firing(context.tx, rule.id))
      await resolveAlert(context.tx, deliveries, rule, alert, "rule_changed", at);
    await ruleStore.forgetPending(context.tx, rule.id);
  }

  return {
    async instanceMetricsGet(context, { params, query }) {
      const instance = await openInstance(parts, context, context.tx, params.instance);
      return { instanceId: instance.id, ...(await readSeries(context.tx, instance.id, rangeOf(query), viewValues)) };
    },

    async instanceMetricsList(context, { query }) {
      await openProject(parts, context, query.project);
      const [after] = decodeCursor(query.cursor, 1) ?? [];
      const rows = await metricStore.latest(context.tx, {
        projectId: query.project,
        after: after === undefined ? undefined : String(after),
        limit: query.limit + 1,
      });
      return toPage(
        rows,
        query.limit,
        (row) => ({
          instanceId: row.instanceId as Id<"instance">,
          name: row.name,
          state: row.state,
          ...(row.at ? { at: isoTime(row.at), ...viewValues(row) } : {}),
        }),
        (row) => [row.name],
      );
    },

    async engineMetricsGet(context, { query }) {
      context.authorize({}, "engine");
      const all = await metricStore.allSeries(context.tx);
      const members = all.filter(({ key }) => key.startsWith("member:")).map(({ key }) => key.slice("member:".length));
      if (query.member !== undefined && !members.includes(query.member))
        throw new CloudError("not_found", `Nothing was measured of a member ${query.member}.`, {
          details: { resource: "member" },
        });
      const key = query.member === undefined ? engineKey : memberKey(query.member);
      const series = await readSeries(context.tx, key, rangeOf(query), viewEngineValues);
      return { ...series, member: query.member, members: members.sort() };
    },

    async alertRuleList(context, { query }) {
      await openProject(parts, context, query.project);
      const [after] = decodeCursor(query.cursor, 1) ?? [];
      const rows = await ruleStore.page(context.tx, {
        projectId: query.project,
        search: query.search,
        after: after === undefined ? undefined : String(after),
        limit: query.limit + 1,
      });
      return toPage(rows, query.limit, viewRule, (row) => [row.name]);
    },

    async alertRuleCreate(context, { body }) {
      const place = await openProject(parts, context, body.project);
      const condition = conditionOf(body);
      await checkScope(context, place.projectId, body.scope);
      const id = newId("alertRule");
      const webhook = body.webhook && (await prepareWebhook(context, id, body.webhook));
      await reserveQuota(context.tx, place, "compute.alert_rules", 1);
      const row = {
        id,
        organisationId: place.organisationId as Id<"organisation">,
        projectId: place.projectId as Id<"project">,
        name: body.name,
        enabled: body.enabled,
        ...condition,
        forSeconds: body.forSeconds,
        scope: body.scope,
        webhookUrl: webhook?.url ?? null,
        webhookSecret: webhook?.sealed ?? null,
        createdAt: new Date(),
      };
      if (!(await ruleStore.insert(context.tx, row))) throw nameTaken("alert rule", "This project", body.name);
      const rule = (await ruleStore.find(context.tx, id)) as RuleRow;
      context.audit({ ...subjectOf(rule), after: audited(rule) });
      await emitRule(context, rule, stateOf(rule));
      return { ...viewRule(rule), webhookSecret: webhook?.secret };
    },

    alertRuleGet: async (context, { params }) => viewRule(await openRule(context, params.alertRule)),

    async alertRuleUpdate(context, { params, body }) {
      const before = await openRule(context, params.alertRule, { lock: true });
      checkRevision(context.ifMatch, before, "alert rule");
      const { webhook, ...rest } = body;
      if (body.scope) await checkScope(context, before.projectId, body.scope);
      const condition = conditionOf({
        metric: body.metric ?? before.metric,
        comparison: body.comparison ?? before.comparison,
        threshold: body.threshold ?? (body.metric && body.metric !== before.metric ? undefined : before.threshold),
        // One that was made from the old threshold is made anew.
        resolveThreshold:
          body.resolveThreshold ??
          (body.metric || body.comparison || body.threshold !== undefined ? undefined : before.resolveThreshold),
      });
      const made = webhook && (await prepareWebhook(context, before.id, webhook));
      const change: RuleChange = {
        ...defined({ name: rest.name, enabled: rest.enabled, forSeconds: rest.forSeconds, scope: rest.scope }),
        ...condition,
        ...(made
          ? { webhookUrl: made.url, webhookSecret: made.sealed }
          : webhook === null
            ? { webhookUrl: null, webhookSecret: null }
            : {}),
      };
      const isNew =
        rest.enabled === false ||
        rest.scope !== undefined ||
        condition.metric !== before.metric ||
        condition.comparison !== before.comparison ||
        condition.threshold !== before.threshold;
      if (isNew) await resolveAll(context, before);
      const rule = await ruleStore.update(context.tx, before.id, change);
      if (!rule) throw nameTaken("alert rule", "This project", change.name as string);
      context.audit({ ...subjectOf(rule), before: audited(before), after: audited(rule) });
      await emitRule(context, rule, stateOf(rule));
      return { ...viewRule(rule), webhookSecret: made?.secret };
    },

    async alertRuleDelete(context, { params }) {
      const rule = await openRule(context, params.alertRule, { lock: true });
      await resolveAll(context, rule);
      await ruleStore.delete(context.tx, rule.id);
      await reserveQuota(context.tx, rule, "compute.alert_rules", -1);
      context.audit({ ...subjectOf(rule), before: audited(rule) });
      await emitRule(context, rule, "deleted");
      return undefined;
    },

    async alertRuleTest(context, { params }) {
      const rule = await context.transaction((tx) => openRule({ tx, authorize: context.authorize }, params.alertRule));
      if (!rule.webhookUrl)
        throw new CloudError("failed_precondition", "This rule has no webhook. Give it one first.", {
          details: { reason: "no_webhook" },
        });
      const { delivered, status, message, durationMs } = await deliveries.test(rule, context.signal);
      await context.transaction(async (tx) => context.audit(tx, { ...subjectOf(rule), after: { delivered, message } }));
      return { delivered, status, message, durationMs };
    },

    async alertList(context, { query }) {
      await openProject(parts, context, query.project);
      const [before] = decodeCursor(query.cursor, 1) ?? [];
      const rows = await alertStore.page(context.tx, {
        projectId: query.project,
        state: query.state,
        ruleId: query.rule,
        instanceId: query.instance,
        acknowledged: query.acknowledged,
        before: before === undefined ? undefined : String(before),
        limit: query.limit + 1,
      });
      return toPage(rows, query.limit, viewAlert, (row) => [row.id]);
    },

    alertGet: async (context, { params }) => viewAlert(await openAlert(context, params.alert)),

    async alertAcknowledge(context, { params }) {
      const alert = await openAlert(context, params.alert, { lock: true });
      if (alert.state !== "firing")
        throw new CloudError("failed_precondition", "This alert is over already; nobody has to look after it any more.", {
          details: { reason: "resolved" },
        });
      if (alert.acknowledgedAt) return viewAlert(alert);
      const acknowledged = await alertStore.acknowledge(context.tx, alert.id, context.principal.name, new Date());
      context.audit({
        organisationId: alert.organisationId,
        projectId: alert.projectId,
        resource: { kind: "alert", id: alert.id, name: alert.ruleName },
        after: { acknowledgedBy: context.principal.name },
      });
      await alertEvent(context.tx, acknowledged);
      return viewAlert(acknowledged);
    },

    async webhookSettingsGet(context) {
      context.authorize({}, "webhook settings");
      return outboundSettings(context.tx);
    },

    async webhookSettingsUpdate(context, { body }) {
      context.authorize({}, "webhook settings");
      const before = await outboundSettings(context.tx, { lock: true });
      checkRevision(context.ifMatch, before, "setting");
      const after = await setAllowedNetworks(context.tx, body.allowedNetworks);
      context.audit({
        resource: { kind: "webhookSettings", id: "webhookSettings" },
        before: { allowedNetworks: before.allowedNetworks },
        after: { allowedNetworks: after.allowedNetworks },
      });
      return after;
    },
  };
}

interface Condition {
  metric: AlertMetric;
  comparison: "above" | "below";
  threshold?: number | undefined;
  resolveThreshold?: number | undefined;
}

/** The condition with what was left open filled in. */
function conditionOf({ metric, comparison, threshold, resolveThreshold }: Condition) {
  // 1 while it does not run, 0 while it does.
  if (metric === "not_running") return { metric, comparison: "above" as const, threshold: 0.5, resolveThreshold: 0.5 };
  if (threshold === undefined)
    throw invalid("body.threshold", "Give the threshold: percent, bytes, or bytes per second, as the metric says.");
  if (metric.endsWith("_percent") && threshold > 100) throw invalid("body.threshold", "Percent go up to 100.");
  const resolve = resolveThreshold ?? (comparison === "above" ? threshold * 0.95 : threshold * 1.05);
  if (comparison === "above" ? resolve > threshold : resolve < threshold)
    throw invalid(
      "body.resolveThreshold",
      comparison === "above" ? "It must not be above the threshold." : "It must not be below the threshold.",
    );
  return { metric, comparison, threshold, resolveThreshold: resolve };
}

const defined = <T extends object>(values: T): { [K in keyof T]?: Exclude<T[K], undefined> } =>
  Object.fromEntries(Object.entries(values).filter(([, value]) => value !== undefined)) as never;

const subjectOf = (rule: RuleRow) => ({
  organisationId: rule.organisationId,
  projectId: rule.projectId,
  resource: { kind: "alertRule", id: rule.id, name: rule.name },
});
const audited = (rule: RuleRow) => ({
  name: rule.name,
  enabled: rule.enabled,
  condition: `${rule.metric} ${rule.comparison} ${rule.threshold} for ${rule.forSeconds} s`,
  scope: rule.scope,
  webhook: rule.webhookUrl ?? undefined,
});

const viewRule = (rule: RuleRow) => ({
  id: rule.id,
  projectId: rule.projectId,
  organisationId: rule.organisationId,
  name: rule.name,
  enabled: rule.enabled,
  metric: rule.metric,
  comparison: rule.comparison,
  threshold: rule.threshold,
  resolveThreshold: rule.resolveThreshold,
  forSeconds: rule.forSeconds,
  scope: rule.scope,
  webhook: rule.webhookUrl ? { url: rule.webhookUrl } : undefined,
  firing: rule.firing,
  createdAt: isoTime(rule.createdAt),
  revision: rule.revision,
});

const viewAlert = (alert: AlertRow) => ({
  id: alert.id,
  projectId: alert.projectId,
  ruleId: alert.ruleId ?? undefined,
  ruleName: alert.ruleName,
  instanceId: alert.instanceId,
  instanceName: alert.instanceName,
  state: alert.state,
  metric: alert.metric,
  comparison: alert.comparison,
  threshold: alert.threshold,
  value: alert.value,
  worstValue: alert.worstValue,
  lastValue: alert.lastValue,
  beganAt: isoTime(alert.beganAt),
  firedAt: isoTime(alert.firedAt),
  resolvedAt: alert.resolvedAt ? isoTime(alert.resolvedAt) : undefined,
  resolution: alert.resolution ?? undefined,
  acknowledgedAt: alert.acknowledgedAt ? isoTime(alert.acknowledgedAt) : undefined,
  acknowledgedBy: alert.acknowledgedBy ?? undefined,
  delivery: alert.deliveryState
    ? {
        state: alert.deliveryState,
        attempts: alert.deliveryAttempts ?? 0,
        message: alert.deliveryMessage ?? undefined,
        at: alert.deliveryAt ? isoTime(alert.deliveryAt) : undefined,
      }
    : undefined,
});
