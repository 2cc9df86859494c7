import type { Database } from "../../../kernel/db/database.ts";
import { contactStore } from "../contacts/store.ts";
import type { PhonePlan } from "../plan.ts";

/** The name of a contact; a call does without where it cannot be read. */
export const contactOf = (database: Database, { system }: PhonePlan, e164: string): Promise<string | undefined> =>
  database.transaction("system", (tx) => contactStore.nameOf(tx, system.id, e164)).catch(() => undefined);
