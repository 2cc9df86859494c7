import type { WebhookResult } from "./webhook.ts";

/** Seconds after each failure; then it is given up. */
const againSeconds = [10, 30, 120, 600, 3600];

/** What becomes of a call after an attempt; `attempts`: how many there were before. */
export function afterAttempt(
  { delivered, final, message }: Pick<WebhookResult, "delivered" | "final" | "message">,
  attempts: number,
): { state: "pending" | "delivered" | "failed"; message: string; againSeconds?: number } {
  if (delivered) return { state: "delivered", message };
  const pause = againSeconds[attempts];
  return final || pause === undefined ? { state: "failed", message } : { state: "pending", message, againSeconds: pause };
}
