import type { Tx } from "../../../../kernel/db/database.ts";
import { scheduleStore } from "./store.ts";

/** What fails is tried again after a quarter of an hour, then half an hour, then three quarters; then when it is due again. */
const retries = 3;
const retryMs = 15 * 60_000;

/** In the transaction that ends what a schedule began. */
export async function scheduleEnded(tx: Tx, scheduleId: string, error: { message: string } | undefined): Promise<void> {
  const row = await scheduleStore.find(tx, scheduleId, { lock: true });
  if (!row) return;
  const now = new Date();
  if (!error) {
    await scheduleStore.update(tx, row.id, { lastState: "succeeded", lastFinishedAt: now, lastMessage: null, failures: 0 });
    return;
  }
  const failures = row.failures + 1;
  const again = new Date(now.getTime() + failures * retryMs);
  await scheduleStore.update(tx, row.id, {
    lastState: "failed",
    lastFinishedAt: now,
    lastMessage: error.message,
    failures,
    ...(failures <= retries && row.nextRunAt && again < row.nextRunAt ? { nextRunAt: again } : {}),
  });
}
