import type { Sql, Tx } from "../../../kernel/db/database.ts";

export interface PasskeyRow {
  id: string;
  userId: string;
  credentialId: string;
  publicKey: Buffer;
  counter: number;
  transports: string[];
  rpId: string;
  name: string;
  lastUsedAt: Date | null;
  createdAt: Date;
}

export interface Challenge {
  id: string;
  challenge: string;
  userId: string | null;
  rpId: string;
}

const passkeyColumns = (tx: Tx) => tx.sql`
  id, user_id as "userId", credential_id as "credentialId", public_key as "publicKey", counter, transports, rp_id as "rpId", name,
  last_used_at as "lastUsedAt", created_at as "createdAt"`;

export const totpStore = {
  /** Replaces one that was begun and not confirmed. */
  async begin(tx: Tx, userId: string, secret: Buffer, at: Date): Promise<void> {
    await tx.sql`insert into identity.totp (user_id, secret, created_at) values (${userId}, ${secret}, ${at})
      on conflict (user_id) do update set secret = excluded.secret, created_at = excluded.created_at where identity.totp.confirmed_at is null`;
  },

  async find(tx: Tx, userId: string): Promise<{ secret: Buffer; confirmed: boolean } | undefined> {
    const [row] = await tx.sql<{ secret: Buffer; confirmed: boolean }[]>`
      select secret, confirmed_at is not null as confirmed from identity.totp where user_id = ${userId}`;
    return row;
  },

  /** Takes the code of a time step; false when it, or a later one, was taken before. */
  async takeStep(tx: Tx, userId: string, step: number): Promise<boolean> {
    const rows = await tx.sql`
      update identity.totp set last_used_step = ${step} where user_id = ${userId} and last_used_step < ${step} returning user_id`;
    return rows.length > 0;
  },

  async confirm(tx: Tx, userId: string, at: Date): Promise<void> {
    await tx.sql`update identity.totp set confirmed_at = ${at} where user_id = ${userId}`;
  },

  async remove(tx: Tx, userId: string): Promise<void> {
    await tx.sql`delete from identity.totp where user_id = ${userId}`;
  },
};

export const recoveryCodeStore = {
  async replace(tx: Tx, userId: string, hashes: string[]): Promise<void> {
    await tx.sql`delete from identity.recovery_codes where user_id = ${userId}`;
    if (hashes.length > 0)
      await tx.sql`insert into identity.recovery_codes (user_id, code_hash) select ${userId}, unnest(${hashes}::text[])`;
  },

  /** False when there is no such code (any more). */
  async take(tx: Tx, userId: string, hash: string): Promise<boolean> {
    const rows =
      await tx.sql`delete from identity.recovery_codes where user_id = ${userId} and code_hash = ${hash} returning user_id`;
    return rows.length > 0;
  },

  async count(tx: Tx, userId: string): Promise<number> {
    const [row] = await tx.sql<
      { codes: number }[]
    >`select count(*)::int as codes from identity.recovery_codes where user_id = ${userId}`;
    return row?.codes ?? 0;
  },
};

export const passkeyStore = {
  /** False when this credential is registered already. */
  async insert(tx: Tx, row: Omit<PasskeyRow, "lastUsedAt">): Promise<boolean> {
    const rows = await tx.sql`insert into identity.passkeys
        (id, user_id, credential_id, public_key, counter, transports, rp_id, name, created_at)
      values (${row.id}, ${row.userId}, ${row.credentialId}, ${row.publicKey}, ${row.counter}, ${row.transports}, ${row.rpId}, ${row.name},
        ${row.createdAt}) on conflict (credential_id) do nothing returning id`;
    return rows.length > 0;
  },

  async find(tx: Tx, userId: string, id: string): Promise<PasskeyRow | undefined> {
    const [row] = await tx.sql<PasskeyRow[]>`
      select ${passkeyColumns(tx)} from identity.passkeys where id = ${id} and user_id = ${userId}`;
    return row;
  },

  /** Locked, so that its counter is compared and set by one sign-in at a time. */
  async lockByCredential(tx: Tx, credentialId: string): Promise<PasskeyRow | undefined> {
    const [row] = await tx.sql<PasskeyRow[]>`
      select ${passkeyColumns(tx)} from identity.passkeys where credential_id = ${credentialId} for update`;
    return row;
  },

  async used(tx: Tx, id: string, counter: number, at: Date): Promise<void> {
    await tx.sql`update identity.passkeys set counter = ${counter}, last_used_at = ${at} where id = ${id}`;
  },

  async rename(tx: Tx, id: string, name: string): Promise<void> {
    await tx.sql`update identity.passkeys set name = ${name} where id = ${id}`;
  },

  async remove(tx: Tx, id: string): Promise<void> {
    await tx.sql`delete from identity.passkeys where id = ${id}`;
  },

  async removeAll(tx: Tx, userId: string): Promise<void> {
    await tx.sql`delete from identity.passkeys where user_id = ${userId}`;
  },

  list: (tx: Tx, userId: string, after: string | undefined, limit: number): Promise<PasskeyRow[]> =>
    tx.sql<PasskeyRow[]>`
      select ${passkeyColumns(tx)} from identity.passkeys
      where user_id = ${userId} ${after ? tx.sql`and id > ${after}` : tx.sql``} order by id limit ${limit}`,
};

export const challengeStore = {
  async insert(tx: Tx, row: Challenge & { expiresAt: Date }): Promise<void> {
    await tx.sql`insert into identity.webauthn_challenges (id, challenge, user_id, rp_id, expires_at)
      values (${row.id}, ${row.challenge}, ${row.userId}, ${row.rpId}, ${row.expiresAt})`;
  },

  /** Taken once, whatever comes of it. */
  async take(tx: Tx, id: string, userId: string | null, now: Date): Promise<Challenge | undefined> {
    const [row] = await tx.sql<(Challenge & { expiresAt: Date })[]>`
      delete from identity.webauthn_challenges where id = ${id} and user_id is not distinct from ${userId}
      returning id, challenge, user_id as "userId", rp_id as "rpId", expires_at as "expiresAt"`;
    return row && row.expiresAt > now ? row : undefined;
  },

  async removeExpired(sql: Sql, now: Date): Promise<void> {
    await sql`delete from identity.webauthn_challenges where expires_at <= ${now}`;
  },
};
