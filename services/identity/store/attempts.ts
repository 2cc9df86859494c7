import type { Sql, Tx } from "../../../kernel/db/database.ts";

export interface Attempts {
  subject: string;
  failures: number;
  lastAt: Date;
  blockedUntil: Date | null;
}

export const attemptStore = {
  /** Locked, so that parallel guesses are counted one by one. The order is always the same: no deadlock. */
  async lock(tx: Tx, subjects: string[], now: Date): Promise<Attempts[]> {
    const sorted = [...subjects].sort();
    await tx.sql`insert into identity.sign_in_attempts (subject, last_at) select unnest(${sorted}::text[]), ${now} on conflict do nothing`;
    return tx.sql<Attempts[]>`
      select subject, failures, last_at as "lastAt", blocked_until as "blockedUntil" from identity.sign_in_attempts
      where subject = any (${sorted}) order by subject for update`;
  },

  async save(tx: Tx, row: Attempts): Promise<void> {
    await tx.sql`update identity.sign_in_attempts set failures = ${row.failures}, last_at = ${row.lastAt}, blocked_until = ${row.blockedUntil}
      where subject = ${row.subject}`;
  },

  async forget(tx: Tx, subject: string): Promise<void> {
    await tx.sql`delete from identity.sign_in_attempts where subject = ${subject}`;
  },

  /** Takes one attempt back that turned out to be none, and the block that it set. */
  async takeBack(tx: Tx, row: Attempts): Promise<void> {
    await tx.sql`update identity.sign_in_attempts set failures = greatest(failures - 1, 0),
      blocked_until = case when blocked_until = ${row.blockedUntil} then null else blocked_until end where subject = ${row.subject}`;
  },

  async removeOld(sql: Sql, before: Date): Promise<void> {
    await sql`delete from identity.sign_in_attempts where last_at <= ${before} and (blocked_until is null or blocked_until <= ${before})`;
  },
};
