import { isoTime } from "../../../kernel/clock.ts";
import { newId } from "../../../kernel/ids.ts";
import { afterAttempt } from "../../../kernel/outbound/retries.ts";
import { outboundSettings } from "../../../kernel/outbound/settings.ts";
import { callWebhook, type WebhookResult } from "../../../kernel/outbound/webhook.ts";
import type { ComputeParts } from "../parts.ts";
import type { AlertRow, RuleRow } from "./store/alerts.ts";
import { type WebhookCall, webhookStore } from "./store/webhooks.ts";

type Tx = Parameters<typeof webhookStore.insert>[0];

const atOnce = 16;
const heldSeconds = 60;

export const secretPurpose = (ruleId: string): string => `compute.alert_rule:${ruleId}`;
const callPurpose = (callId: string): string => `compute.webhook_call:${callId}`;

export const alertBody = (id: string, type: "alert.firing" | "alert.resolved" | "alert.test", alert: object): string =>
  JSON.stringify({ id, type, at: isoTime(Date.now()), alert });

export interface Deliveries {
  /** Writes the call down in the transaction of the change that it tells of. */
  tell(tx: Tx, rule: Pick<RuleRow, "id" | "webhookUrl" | "webhookSecret">, alert: AlertRow): Promise<void>;
  /** Makes the calls that are due. */
  round(signal: AbortSignal): Promise<number>;
  /** At once, once, without a trace. */
  test(rule: Pick<RuleRow, "id" | "name" | "webhookUrl" | "webhookSecret">, signal: AbortSignal): Promise<WebhookResult>;
}

export function createDeliveries({ database, secrets, log }: Pick<ComputeParts, "database" | "secrets" | "log">): Deliveries {
  const allowed = async () => (await database.transaction("system", (tx) => outboundSettings(tx))).allowedNetworks;
  const secretOf = (rule: Pick<RuleRow, "id" | "webhookSecret">) =>
    secrets.decrypt(secretPurpose(rule.id), rule.webhookSecret as Buffer).toString();

  async function deliver(call: WebhookCall, allowedNetworks: string[], signal: AbortSignal): Promise<void> {
    const result = await callWebhook({
      id: call.id,
      url: call.url,
      secret: secrets.decrypt(callPurpose(call.id), call.secret).toString(),
      body: call.body,
      allowedNetworks,
      signal,
    });
    // Told to stop, not refused: it is held until somebody takes it up again.
    if (!result.delivered && signal.aborted) return;
    const after = afterAttempt(result, call.attempts);
    if (after.state === "failed")
      log.info({ call: call.id, alert: call.alertId, message: result.message }, "a webhook was given up");
    await database.transaction("system", (tx) => webhookStore.finish(tx, call.id, after));
  }

  return {
    async tell(tx, rule, alert) {
      if (!rule.webhookUrl) return;
      const id = newId("webhookCall");
      await webhookStore.insert(tx, {
        id,
        organisationId: alert.organisationId,
        alertId: alert.id,
        url: rule.webhookUrl,
        // Of its own: the rule may be deleted or get another secret before the call is made.
        secret: secrets.encrypt(callPurpose(id), secretOf(rule)),
        body: alertBody(id, `alert.${alert.state}`, told(alert)),
      });
    },

    async round(signal) {
      const calls = await database.transaction("system", (tx) => webhookStore.takeDue(tx, atOnce, heldSeconds));
      if (calls.length === 0) return 0;
      const networks = await allowed();
      await Promise.all(calls.map((call) => deliver(call, networks, signal)));
      return calls.length;
    },

    async test(rule, signal) {
      const id = newId("webhookCall");
      return callWebhook({
        id,
        url: rule.webhookUrl as string,
        secret: secretOf(rule),
        body: alertBody(id, "alert.test", { ruleId: rule.id, ruleName: rule.name }),
        allowedNetworks: await allowed(),
        signal,
      });
    },
  };
}

/** An alert as the other side gets it. */
const told = (alert: AlertRow) => ({
  id: alert.id,
  state: alert.state,
  ruleId: alert.ruleId ?? undefined,
  ruleName: alert.ruleName,
  organisationId: alert.organisationId,
  projectId: alert.projectId,
  instanceId: alert.instanceId,
  instanceName: alert.instanceName,
  metric: alert.metric,
  comparison: alert.comparison,
  threshold: alert.threshold,
  value: alert.state === "firing" ? alert.value : alert.lastValue,
  worstValue: alert.worstValue,
  beganAt: isoTime(alert.beganAt),
  firedAt: isoTime(alert.firedAt),
  resolvedAt: alert.resolvedAt ? isoTime(alert.resolvedAt) : undefined,
  resolution: alert.resolution ?? undefined,
});
