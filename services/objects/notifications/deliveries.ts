import type { Database, Tx } from "../../../kernel/db/database.ts";
import { emit } from "../../../kernel/events.ts";
import type { Log } from "../../../kernel/log.ts";
import { afterAttempt } from "../../../kernel/outbound/retries.ts";
import { outboundSettings } from "../../../kernel/outbound/settings.ts";
import { callWebhook } from "../../../kernel/outbound/webhook.ts";
import type { Secrets } from "../../../kernel/secrets.ts";
import { type DueDelivery, webhookSecretPurpose, webhookStore } from "./store.ts";

const atOnce = 16;
const heldSeconds = 60;
const keptDays = 7;

/** To whoever looks at what a bucket told. */
export const announceDelivery = (
  tx: Tx,
  { id, organisationId, projectId }: { id: string; organisationId: string; projectId: string },
) => emit(tx, { type: "objects.delivery.changed", organisationId, projectId, payload: { bucketId: id } });

/** Makes the calls that are due, until there are none. */
export function createDeliveries({ database, secrets, log }: { database: Database; secrets: Secrets; log: Log }) {
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
    await database.transaction("system", (tx) => webhookStore.finish(tx, due.id, { ...after, status: result.status }));
  }

  /** Once for each bucket, however many calls there were: whoever looks at them looks again. */
  async function announce(done: DueDelivery[]): Promise<void> {
    const byBucket = new Map(done.map((each) => [each.bucketId, each]));
    await database.transaction("system", async (tx) => {
      for (const { bucketId, organisationId, projectId } of byBucket.values())
        if (bucketId !== null) await announceDelivery(tx, { id: bucketId, organisationId, projectId });
    });
  }

  return {
    async round(signal: AbortSignal): Promise<void> {
      while (!signal.aborted) {
        const due = await database.transaction("system", (tx) => webhookStore.takeDue(tx, atOnce, heldSeconds));
        if (due.length === 0) return;
        const { allowedNetworks } = await database.transaction("system", (tx) => outboundSettings(tx));
        await Promise.all(due.map((each) => deliver(each, allowedNetworks, signal)));
        await announce(due);
      }
    },
    forget: () => database.transaction("system", (tx) => webhookStore.forgetDeliveries(tx, keptDays)),
  };
}
