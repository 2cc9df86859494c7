import type { Tx } from "../../../kernel/db/database.ts";
import { quotaStates, reserveQuota } from "../../../kernel/quota.ts";
import { type SystemRow, systemStore } from "./store.ts";

/** With all that is in it. A project has one phone system, so that all that the project holds and uses of phones is of this one. */
export async function removeSystem(tx: Tx, row: SystemRow): Promise<void> {
  await systemStore.closeUsage(tx, row, new Date());
  for (const { name, used } of await quotaStates(tx, row))
    if (name.startsWith("voice.") && used > 0) await reserveQuota(tx, row, name, -used);
  await systemStore.delete(tx, row);
}
