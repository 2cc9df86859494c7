import type { Tx } from "../../../kernel/db/database.ts";
import { invalid } from "../../../kernel/errors.ts";
import { trunkStore } from "./store.ts";

/** Trunks are of the same phone system. */
export async function checkTrunks(tx: Tx, systemId: string, ids: readonly string[], path: string): Promise<void> {
  for (const id of ids) {
    const trunk = await trunkStore.find(tx, id);
    if (trunk?.systemId !== systemId)
      throw invalid(path, `The phone system has no trunk ${id}. Choose one that is there, or make it first.`);
  }
}
