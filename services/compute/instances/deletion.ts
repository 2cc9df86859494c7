import type { Actor } from "../../../kernel/contract.ts";
import type { Tx } from "../../../kernel/db/database.ts";
import { activeOperations, beginOperation, type OperationRecord, requestCancel } from "../../../kernel/operations/store.ts";
import type { InstanceOperations } from "./operations.ts";
import { checkIdle, subjectOf } from "./presentation.ts";
import { checkState, setState } from "./states.ts";
import type { InstanceRow } from "./store/instances.ts";

export type Removal = ReturnType<typeof createRemoval>;

export const createRemoval = (operations: Pick<InstanceOperations, "instanceDelete">) => ({
  /** In the transaction that holds the row. With force whatever is under way is cancelled, and the deletion goes on when it has ended. */
  async begin(tx: Tx, row: InstanceRow, actor: Actor, force: boolean): Promise<OperationRecord> {
    checkState(row, force ? "forceDelete" : "delete");
    if (force) {
      const active = (await activeOperations(tx, [row.id])).get(row.id) ?? [];
      // A deletion that is under way already may come to its end by itself.
      for (const { id, kind } of active) if (kind !== operations.instanceDelete.kind) await requestCancel(tx, id);
    } else await checkIdle(tx, row);
    const record = await beginOperation(tx, operations.instanceDelete, {
      input: { instanceId: row.id, engineName: row.engineName, force },
      actor,
      ...subjectOf(row),
    });
    await setState(tx, row, "deleting");
    return record;
  },
});
