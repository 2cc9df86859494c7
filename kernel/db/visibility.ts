import type { Tx } from "./database.ts";

/** Which tenants' rows a transaction may see (PostgreSQL row-level security, the second net behind authorize()). */
export type Visibility = "system" | { all: true } | { organisationIds: readonly string[] };

/**
 * From here on the transaction sees other tenants than it began with: for the one who has just proven a right that no role binding
 * tells of yet (the secret of an invitation, an organisation that was made a moment ago).
 */
export async function see(tx: Tx, visibility: Visibility): Promise<void> {
  if (visibility === "system") {
    await tx.sql`select set_config('role', 'none', true)`;
    return;
  }
  const all = "all" in visibility;
  await tx.sql`select set_config('role', 'khmara_tenant', true), set_config('khmara.all', ${all ? "on" : "off"}, true),
    set_config('khmara.organisations', ${all ? "" : visibility.organisationIds.join(",")}, true)`;
}
