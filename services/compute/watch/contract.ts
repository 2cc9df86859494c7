import { z } from "zod";
import { displayName, event, page, pageQuery, revision, route, timestamp } from "../../../kernel/contract.ts";
import { id } from "../../../kernel/ids.ts";

/** How long which resolution is kept, finest first. */
export const metricSteps = [
  { seconds: 10, keptSeconds: 2 * 3600 },
  { seconds: 60, keptSeconds: 2 * 86_400 },
  { seconds: 900, keptSeconds: 30 * 86_400 },
  { seconds: 3600, keptSeconds: 365 * 86_400 },
] as const;
export type MetricStep = (typeof metricSteps)[number]["seconds"];

/** Means over the step; absent where nothing could be measured (a rate needs two samples). */
const measured = {
  cpuPercent: z.number().optional().describe("Of all its virtual processors together: 0 to 100."),
  memoryBytes: z.number().optional(),
  memoryPercent: z.number().optional(),
  diskBytes: z.number().optional().describe("What the root disk really holds, where the pool knows it."),
  diskPercent: z.number().optional(),
  networkReceivedBytesPerSecond: z.number().optional(),
  networkSentBytesPerSecond: z.number().optional(),
  processes: z.number().optional(),
};
/** A point without values: it did not run then, or nothing was measured. */
const point = z.object({ at: timestamp, ...measured });
export type MetricPoint = z.output<typeof point>;

const series = <T extends z.ZodType>(onePoint: T) =>
  z.object({
    from: timestamp,
    to: timestamp,
    stepSeconds: z.number().int(),
    /** Evenly spaced, oldest first: each stands for the step that begins with it. */
    points: z.array(onePoint),
  });

export const instanceMetrics = series(point).extend({ instanceId: id("instance") });
export type InstanceMetricsView = z.output<typeof instanceMetrics>;

const latest = z.object({
  instanceId: id("instance"),
  name: z.string(),
  state: z.string(),
  ...measured,
  at: timestamp.optional(),
});

const enginePoint = z.object({
  at: timestamp,
  cpuPercent: z.number().optional().describe("What the instances use of all processors: 0 to 100."),
  memoryBytes: z.number().optional().describe("What the hosts use, instances and all."),
  memoryPercent: z.number().optional(),
  poolBytes: z.number().optional().describe("What is used of the storage pool."),
  poolPercent: z.number().optional(),
  networkReceivedBytesPerSecond: z.number().optional(),
  networkSentBytesPerSecond: z.number().optional(),
  running: z.number().optional().describe("Instances that run."),
});

const timeRange = {
  from: timestamp.optional().describe("Absent: an hour before `to`."),
  to: timestamp.optional().describe("Absent: now."),
  step: z.coerce
    .number()
    .int()
    .optional()
    .describe(
      "Seconds between points: 10, 60, 900 or 3600. Absent: the finest that is kept so long and gives at most 1500 points.",
    ),
};

export const alertMetric = z
  .enum([
    "cpu_percent",
    "memory_percent",
    "memory_bytes",
    "disk_percent",
    "disk_bytes",
    "network_received_bytes_per_second",
    "network_sent_bytes_per_second",
    "volume_percent",
    "not_running",
  ])
  .describe("volume_percent: the fullest attached volume, where the pool knows; not_running: no threshold needed.");
export type AlertMetric = z.output<typeof alertMetric>;
export const alertComparison = z.enum(["above", "below"]);

const scope = z.discriminatedUnion("kind", [
  z.object({ kind: z.literal("all") }),
  z.object({ kind: z.literal("instance"), instanceId: id("instance") }),
  z.object({ kind: z.literal("label"), key: z.string().min(1).max(63), value: z.string().max(255).optional() }),
]);
export type AlertScope = z.output<typeof scope>;

export const alertRule = z.object({
  id: id("alertRule"),
  projectId: id("project"),
  organisationId: id("organisation"),
  name: z.string(),
  enabled: z.boolean(),
  metric: alertMetric,
  comparison: alertComparison,
  threshold: z.number(),
  /** It is over only when the value is on the good side of this for as long as it took to begin. */
  resolveThreshold: z.number(),
  forSeconds: z.number().int(),
  scope,
  /** Where it is told; its secret is never answered again. */
  webhook: z.object({ url: z.string() }).optional(),
  /** Alerts of this rule that are firing. */
  firing: z.number().int(),
  createdAt: timestamp,
  revision,
});
export type AlertRule = z.output<typeof alertRule>;

export const alertState = z.enum(["firing", "resolved"]);
export const alert = z.object({
  id: id("alert"),
  projectId: id("project"),
  ruleId: id("alertRule").optional().describe("Absent once the rule is deleted."),
  ruleName: z.string(),
  instanceId: id("instance"),
  instanceName: z.string(),
  state: alertState,
  metric: alertMetric,
  comparison: alertComparison,
  threshold: z.number(),
  /** When it began to fire, the worst since, and the latest. */
  value: z.number(),
  worstValue: z.number(),
  lastValue: z.number(),
  /** When the value passed the threshold. */
  beganAt: timestamp,
  firedAt: timestamp,
  resolvedAt: timestamp.optional(),
  resolution: z
    .enum(["recovered", "not_measured", "instance_deleted", "rule_changed"])
    .optional()
    .describe("not_measured: the instance was stopped, or it could not be seen."),
  acknowledgedAt: timestamp.optional(),
  acknowledgedBy: z.string().optional(),
  /** How telling the webhook of the latest change went. */
  delivery: z
    .object({
      state: z.enum(["pending", "delivered", "failed"]),
      attempts: z.number().int(),
      message: z.string().optional(),
      at: timestamp.optional(),
    })
    .optional(),
});
export type Alert = z.output<typeof alert>;

const webhook = z.object({
  url: z
    .url({ protocol: /^https?$/, error: "An address that begins with https:// or http://." })
    .max(2000)
    .refine((url) => !URL.canParse(url) || (new URL(url).username === "" && new URL(url).password === ""), {
      message: "An address without user name and password; check the signature instead.",
    }),
  secret: z
    .string()
    .min(16, "At least 16 characters.")
    .max(256)
    .optional()
    .describe(
      "Signs each call: Khmara-Signature is `t=<seconds>,v1=<hex HMAC-SHA-256 of `<seconds>.<body>`>`. Absent: one is made.",
    ),
});

const ruleFields = {
  name: displayName,
  enabled: z.boolean(),
  metric: alertMetric,
  comparison: alertComparison,
  threshold: z.number().min(0).max(1e15),
  resolveThreshold: z.number().min(0).max(1e15).describe("Absent: 5% to the good side of the threshold."),
  forSeconds: z.number().int().min(0).max(86_400).describe("So long in a row before it fires."),
  scope,
};

const byInstance = z.object({ instance: id("instance") });
const byRule = z.object({ alertRule: id("alertRule") });
const byAlert = z.object({ alert: id("alert") });
const deliveryTest = z.object({
  delivered: z.boolean(),
  /** What the other side answered. */
  status: z.number().int().optional(),
  message: z.string(),
  durationMs: z.number().int(),
});

export const watchRoutes = {
  instanceMetricsGet: route({
    method: "GET",
    path: "/v1/instances/{instance}/metrics",
    summary: "Show the load of an instance over time",
    description: "A new point comes every 10 seconds: ask again with `from` for what is new.",
    permission: "compute.instance_metrics.read",
    roles: ["viewer"],
    params: byInstance,
    query: z.object(timeRange),
    response: instanceMetrics,
    errors: ["not_found"],
  }),
  instanceMetricsList: route({
    method: "GET",
    path: "/v1/instance-metrics",
    summary: "List the load of all instances now",
    permission: "compute.instance_metrics.list",
    roles: ["viewer"],
    query: pageQuery.extend({ project: id("project") }),
    response: page(latest),
    errors: ["not_found"],
  }),
  engineMetricsGet: route({
    method: "GET",
    path: "/v1/engine/metrics",
    summary: "Show the load of the engine over time",
    description: "Of all members together, or of one.",
    permission: "compute.engine_metrics.read",
    roles: ["admin"],
    query: z.object({ member: z.string().max(253).optional(), ...timeRange }),
    response: series(enginePoint).extend({
      member: z.string().optional(),
      members: z.array(z.string()).describe("Those that there is something of."),
    }),
    errors: ["not_found"],
  }),

  alertRuleList: route({
    method: "GET",
    path: "/v1/alert-rules",
    summary: "List alert rules",
    permission: "compute.alert_rule.list",
    roles: ["viewer"],
    query: pageQuery.extend({ project: id("project"), search: z.string().max(100).optional() }),
    response: page(alertRule),
    errors: ["not_found"],
  }),
  alertRuleCreate: route({
    method: "POST",
    path: "/v1/alert-rules",
    summary: "Create an alert rule",
    description:
      "Watches the instances of its scope, also those that come later. The secret of the webhook is answered only here.",
    permission: "compute.alert_rule.create",
    roles: ["editor"],
    body: z.object({
      project: id("project"),
      ...ruleFields,
      enabled: ruleFields.enabled.default(true),
      comparison: ruleFields.comparison.default("above"),
      threshold: ruleFields.threshold.optional().describe("Percent, bytes, or bytes per second, as the metric says."),
      resolveThreshold: ruleFields.resolveThreshold.optional(),
      forSeconds: ruleFields.forSeconds.default(300),
      scope: ruleFields.scope.default({ kind: "all" }),
      webhook: webhook.optional(),
    }),
    response: alertRule.extend({ webhookSecret: z.string().optional() }),
    status: 201,
    errors: ["not_found", "already_exists", "quota_exceeded", "failed_precondition"],
  }),
  alertRuleGet: route({
    method: "GET",
    path: "/v1/alert-rules/{alertRule}",
    summary: "Show an alert rule",
    permission: "compute.alert_rule.read",
    roles: ["viewer"],
    params: byRule,
    response: alertRule,
    errors: ["not_found"],
  }),
  alertRuleUpdate: route({
    method: "PATCH",
    path: "/v1/alert-rules/{alertRule}",
    summary: "Change an alert rule",
    description:
      "What fires by a condition that is changed is resolved, and judged anew. A new webhook without a secret gets a new one, answered once.",
    permission: "compute.alert_rule.update",
    roles: ["editor"],
    params: byRule,
    body: z.object({
      name: ruleFields.name.optional(),
      enabled: ruleFields.enabled.optional(),
      metric: ruleFields.metric.optional(),
      comparison: ruleFields.comparison.optional(),
      threshold: ruleFields.threshold.optional(),
      resolveThreshold: ruleFields.resolveThreshold.optional(),
      forSeconds: ruleFields.forSeconds.optional(),
      scope: ruleFields.scope.optional(),
      webhook: webhook.nullable().optional().describe("null: none any more."),
    }),
    response: alertRule.extend({ webhookSecret: z.string().optional() }),
    errors: ["not_found", "already_exists", "precondition_failed", "failed_precondition"],
  }),
  alertRuleDelete: route({
    method: "DELETE",
    path: "/v1/alert-rules/{alertRule}",
    summary: "Delete an alert rule",
    description: "What fires by it is resolved; its history stays.",
    permission: "compute.alert_rule.delete",
    roles: ["editor"],
    params: byRule,
    errors: ["not_found"],
  }),
  alertRuleTest: route({
    method: "POST",
    path: "/v1/alert-rules/{alertRule}/test",
    summary: "Call the webhook of an alert rule, to try it",
    permission: "compute.alert_rule.test",
    roles: ["editor"],
    params: byRule,
    response: deliveryTest,
    // Waits for the other side, and so holds no transaction.
    stream: {},
    errors: ["not_found", "failed_precondition"],
  }),

  alertList: route({
    method: "GET",
    path: "/v1/alerts",
    summary: "List alerts",
    description: "Newest first; resolved ones are kept for 90 days.",
    permission: "compute.alert.list",
    roles: ["viewer"],
    query: pageQuery.extend({
      project: id("project"),
      state: alertState.optional(),
      rule: id("alertRule").optional(),
      instance: id("instance").optional(),
      acknowledged: z.stringbool().optional(),
    }),
    response: page(alert),
    errors: ["not_found"],
  }),
  alertGet: route({
    method: "GET",
    path: "/v1/alerts/{alert}",
    summary: "Show an alert",
    permission: "compute.alert.read",
    roles: ["viewer"],
    params: byAlert,
    response: alert,
    errors: ["not_found"],
  }),
  alertAcknowledge: route({
    method: "POST",
    path: "/v1/alerts/{alert}/acknowledge",
    summary: "Acknowledge an alert",
    description: "Says that somebody looks after it; it goes on until it is resolved.",
    permission: "compute.alert.acknowledge",
    roles: ["editor"],
    params: byAlert,
    response: alert,
    errors: ["not_found", "failed_precondition"],
  }),

  webhookSettingsGet: route({
    method: "GET",
    path: "/v1/webhook-settings",
    summary: "Show where webhooks and tests of mail accounts may go",
    permission: "compute.webhook_settings.read",
    roles: ["admin"],
    response: z.object({ allowedNetworks: z.array(z.string()), revision }),
  }),
  webhookSettingsUpdate: route({
    method: "PATCH",
    path: "/v1/webhook-settings",
    summary: "Change where webhooks and tests of mail accounts may go",
    description:
      "Private, loopback and link-local addresses are refused, for whoever makes a rule or a mail account would reach through the cloud what is only open to it. Networks of this list are let through.",
    permission: "compute.webhook_settings.update",
    roles: ["admin"],
    body: z.object({
      allowedNetworks: z
        .array(z.union([z.cidrv4(), z.cidrv6()]))
        .max(100)
        .describe("Such as 10.0.0.0/8 or ::1/128."),
    }),
    response: z.object({ allowedNetworks: z.array(z.string()), revision }),
    errors: ["precondition_failed"],
  }),
};

export const watchEvents = {
  alertRuleChanged: event({
    type: "compute.alert_rule.changed",
    payload: z.object({ alertRuleId: id("alertRule"), name: z.string(), state: z.enum(["enabled", "disabled", "deleted"]) }),
  }),
  alertChanged: event({
    type: "compute.alert.changed",
    payload: z.object({
      alertId: id("alert"),
      ruleName: z.string(),
      instanceId: id("instance"),
      instanceName: z.string(),
      state: alertState,
    }),
  }),
};

export const watchQuotas = {
  "compute.alert_rules": { unit: "count", summary: "Alert rules", default: 100 },
} as const;

export const watchMeters = {} as const;
