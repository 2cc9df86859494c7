import type { Tx } from "../../../kernel/db/database.ts";

export interface AuthorityRow {
  certificate: string;
  /** Sealed. */
  key: Buffer;
}

export const authorityStore = {
  async find(tx: Tx): Promise<AuthorityRow | undefined> {
    const [row] = await tx.sql<AuthorityRow[]>`select certificate, key from apps.node_authority`;
    return row;
  },

  /** The first one stays. */
  async insert(tx: Tx, { certificate, key }: AuthorityRow): Promise<void> {
    await tx.sql`insert into apps.node_authority (certificate, key) values (${certificate}, ${key}) on conflict do nothing`;
  },
};
