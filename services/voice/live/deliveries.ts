import { isoTime } from "../../../kernel/clock.ts";
import type { Tx } from "../../../kernel/db/database.ts";
import { newId } from "../../../kernel/ids.ts";
import { afterAttempt } from "../../../kernel/outbound/retries.ts";
import { outboundSettings } from "../../../kernel/outbound/settings.ts";
import { callWebhook } from "../../../kernel/outbound/webhook.ts";
import type { VoiceParts } from "../parts.ts";
import { type CallWebhookEvent, type DueDelivery, webhookSecretPurpose, webhookStore } from "./store/webhooks.ts";

const atOnce = 16;
const heldSeconds = 60;
const keptDays = 7;

export interface News {
  systemId: string;
  event: CallWebhookEvent;
  data: Record<string, unknown>;
}

/** Writes down what the webhooks of a phone system are to be told, in the transaction of what happened. */
export const tellWebhooks = (tx: Tx, systemId: string, event: CallWebhookEvent, data: Record<string, unknown>): Promise<void> =>
  tellAllWebhooks(tx, [{ systemId, event, data }]);

/** The same of much at once: where nobody wants to know it is one question to the database. */
export const tellAllWebhooks = (tx: Tx, news: readonly News[]): Promise<void> =>
  webhookStore.tell(
    tx,
    news.map(({ systemId, event, data }) => ({
      systemId,
      event,
      idAndBody: () => {
        const id = newId("callWebhookDelivery");
        return { id, body: JSON.stringify({ id, event, at: isoTime(Date.now()), phoneSystemId: systemId, ...data }) };
      },
    })),
  );

/** Makes the calls that are due, until there are none. */
export function createDeliveries({ database, secrets, log }: Pick<VoiceParts, "database" | "secrets" | "log">) {
  async function deliver(due: DueDelivery, allowedNetworks: string[], signal: AbortSignal): Promise<void> {
    const result = await callWebhook({
      id: due.id,
      url: due.url,
      secret: secrets.decrypt(webhookSecretPurpose(due.webhookId), due.secret).toString(),
      body: due.body,
      allowedNetworks,
      signal,
    });
    // Told to stop, not refused: it is held until somebody takes it up again.
    if (!result.delivered && signal.aborted) return;
    const after = afterAttempt(result, due.attempts);
    if (after.state === "failed")
      log.info({ delivery: due.id, webhook: due.webhookId, message: result.message }, "a webhook was given up");
    await database.transaction("system", (tx) => webhookStore.finish(tx, due.id, after));
  }

  return {
    async round(signal: AbortSignal): Promise<void> {
      while (!signal.aborted) {
        const due = await database.transaction("system", (tx) => webhookStore.takeDue(tx, atOnce, heldSeconds));
        if (due.length === 0) return;
        const { allowedNetworks } = await database.transaction("system", (tx) => outboundSettings(tx));
        await Promise.all(due.map((each) => deliver(each, allowedNetworks, signal)));
      }
    },
    forget: () => database.transaction("system", (tx) => webhookStore.forgetDeliveries(tx, keptDays)),
  };
}
