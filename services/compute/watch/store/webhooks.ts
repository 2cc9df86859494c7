import type { Tx } from "../../../../kernel/db/database.ts";

export interface WebhookCall {
  id: string;
  organisationId: string;
  alertId: string;
  url: string;
  secret: Buffer;
  body: string;
  attempts: number;
}

export const webhookStore = {
  async insert(tx: Tx, call: Omit<WebhookCall, "attempts">): Promise<void> {
    await tx.sql`insert into compute.webhook_calls (id, organisation_id, alert_id, url, secret, body, due_at)
      values (${call.id}, ${call.organisationId}, ${call.alertId}, ${call.url}, ${call.secret}, ${call.body}, now())`;
  },
  /**
   * Those that are due; nobody else takes them for so long. What tells that an alert is over waits for what tells that it began.
   */
  takeDue: (tx: Tx, limit: number, heldSeconds: number): Promise<WebhookCall[]> => tx.sql<WebhookCall[]>`
    update compute.webhook_calls set due_at = now() + make_interval(secs => ${heldSeconds}) where id in (
      select id from compute.webhook_calls c where state = 'pending' and due_at <= now() and not exists (
        select 1 from compute.webhook_calls e where e.alert_id = c.alert_id and e.id < c.id and e.state = 'pending')
      order by due_at limit ${limit} for update skip locked)
    returning id, organisation_id as "organisationId", alert_id as "alertId", url, secret, body, attempts`,
  async finish(
    tx: Tx,
    id: string,
    result: { state: "pending" | "delivered" | "failed"; message: string; againSeconds?: number },
  ): Promise<void> {
    await tx.sql`update compute.webhook_calls set state = ${result.state}, attempts = attempts + 1, message = ${result.message}, tried_at = now(),
      due_at = now() + make_interval(secs => ${result.againSeconds ?? 0}) where id = ${id}`;
  },
  async countPending(tx: Tx): Promise<number> {
    const [row] = await tx.sql<{ count: number }[]>`select count(*) as count from compute.webhook_calls where state = 'pending'`;
    return row?.count ?? 0;
  },
};
