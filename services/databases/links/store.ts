import type { Tx } from "../../../kernel/db/database.ts";

export const holderStore = {
  async set(tx: Tx, userId: string, holder: string): Promise<void> {
    await tx.sql`update databases.users set holder = ${holder} where id = ${userId}`;
  },

  async of(tx: Tx, userId: string): Promise<string | undefined> {
    const [row] = await tx.sql<{ holder: string | null }[]>`select holder from databases.users where id = ${userId}`;
    return row?.holder ?? undefined;
  },

  /** Who has users in a database; those that go count no more. */
  ofDatabase: async (tx: Tx, databaseId: string): Promise<string[]> =>
    (
      await tx.sql<{ holder: string }[]>`select distinct holder from databases.users
        where database_id = ${databaseId} and holder is not null and state <> 'deleting' order by 1 limit 100`
    ).map(({ holder }) => holder),

  async userNamed(tx: Tx, databaseId: string, name: string): Promise<string | undefined> {
    const [row] = await tx.sql<
      { id: string }[]
    >`select id from databases.users where database_id = ${databaseId} and name = ${name}`;
    return row?.id;
  },
};
