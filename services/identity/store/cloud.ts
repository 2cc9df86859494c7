import type { Database, Tx } from "../../../kernel/db/database.ts";

export interface CloudSettings {
  name: string;
  signUpOpen: boolean;
  currency: string;
}

const defaults: CloudSettings = { name: "Khmara", signUpOpen: false, currency: "EUR" };

// Any fixed number: all processes on one database take the same lock.
const ownerLock = 7_240_114_202;

/** What this service keeps in the kernel's settings. */
export const cloudStore = {
  async settings(tx: Tx): Promise<CloudSettings> {
    const [row] = await tx.sql<
      { value: Partial<CloudSettings> }[]
    >`select value from kernel.settings where name = 'identity.cloud'`;
    return { ...defaults, ...row?.value };
  },

  async saveSettings(tx: Tx, settings: CloudSettings): Promise<void> {
    await save(tx, "identity.cloud", { ...settings });
  },

  async setupTokenHash(tx: Tx): Promise<string | undefined> {
    const [row] = await tx.sql<
      { value: { hash: string } }[]
    >`select value from kernel.settings where name = 'identity.setup_token'`;
    return row?.value.hash;
  },

  async saveSetupTokenHash(tx: Tx, hash: string): Promise<void> {
    await save(tx, "identity.setup_token", { hash });
  },

  async removeSetupToken(tx: Tx): Promise<void> {
    await tx.sql`delete from kernel.settings where name = 'identity.setup_token'`;
  },

  /** Of all that would make the first owner at the same moment, one goes on; held to the end of the transaction. */
  async lockFirstOwner(tx: Tx): Promise<void> {
    await tx.sql`select pg_advisory_xact_lock(${ownerLock})`;
  },

  /** As the cloud itself: for what happens before anybody has signed in. */
  asSystem: <T>(database: Database, work: (tx: Tx) => Promise<T>): Promise<T> => database.transaction("system", work),
};

async function save(tx: Tx, name: string, value: Record<string, string | boolean>): Promise<void> {
  await tx.sql`insert into kernel.settings (name, value) values (${name}, ${tx.sql.json(value)})
    on conflict (name) do update set value = excluded.value, updated_at = now()`;
}
