import { createHash } from "node:crypto";
import type { Database, Tx } from "../db/database.ts";
import { CloudError } from "../errors.ts";
import type { Secrets } from "../secrets.ts";

export interface Replay {
  status: number;
  body: unknown;
}

const purpose = (principalId: string, key: string) => `kernel.idempotency:${principalId}:${key}`;

/**
 * Claims a key in the request's own transaction: a second request with the same key waits for the first one's commit and then gets its
 * answer; when the first one rolls back, the second does the work. conflict when the key was used for something else.
 */
export async function claimIdempotencyKey(
  tx: Tx,
  secrets: Secrets,
  request: { principalId: string; key: string; method: string; path: string; body: unknown },
): Promise<Replay | undefined> {
  const fingerprint = createHash("sha256")
    .update(`${request.method} ${request.path}\n${JSON.stringify(request.body) ?? ""}`)
    .digest("hex");
  const inserted =
    await tx.sql`insert into kernel.idempotency_keys (principal_id, key, fingerprint) values (${request.principalId}, ${request.key}, ${fingerprint})
    on conflict do nothing returning key`;
  if (inserted.length > 0) return undefined;
  const [row] = await tx.sql<{ fingerprint: string; status: number | null; response: Buffer | null }[]>`
    select fingerprint, status, response from kernel.idempotency_keys where principal_id = ${request.principalId} and key = ${request.key}`;
  if (row && row.fingerprint !== fingerprint) {
    throw new CloudError("conflict", "This Idempotency-Key was used for another request. Use a new key for each request.", {
      details: { reason: "idempotency_key_reused" },
    });
  }
  if (row?.status == null || row.response === null)
    throw new CloudError("conflict", "A request with this Idempotency-Key is under way.", { details: { retryAfterSeconds: 1 } });
  return {
    status: row.status,
    body: JSON.parse(secrets.decrypt(purpose(request.principalId, request.key), row.response).toString()),
  };
}

export async function keepIdempotentAnswer(
  tx: Tx,
  secrets: Secrets,
  request: { principalId: string; key: string },
  answer: Replay,
): Promise<void> {
  await tx.sql`update kernel.idempotency_keys set status = ${answer.status},
      response = ${secrets.encrypt(purpose(request.principalId, request.key), JSON.stringify(answer.body ?? null))}
    where principal_id = ${request.principalId} and key = ${request.key}`;
}

/** A key is remembered for a day. */
export const forgetOldIdempotencyKeys = (database: Database): Promise<unknown> =>
  database.sql`delete from kernel.idempotency_keys where created_at < now() - interval '1 day'`;
