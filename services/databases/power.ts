/** A database is stopped, and started again. Stopped it has no container: the engine would start one again by itself, with the host. */
import { CloudError } from "../../kernel/errors.ts";
import { defineOperation, type OperationDefinition } from "../../kernel/operations/definition.ts";
import type { DatabaseState } from "./contract.ts";
import { bringUp, readDatabase } from "./creation.ts";
import { shipLog } from "./log.ts";
import { containerOf, type DatabasesParts } from "./parts.ts";
import { databaseStore, holdDatabase, releaseDatabase } from "./store.ts";

type OnDatabase = { databaseId: string };
type Step = OperationDefinition<OnDatabase>["steps"][number];

const settle =
  (reached: DatabaseState, otherwise: DatabaseState, cancelled: string): NonNullable<OperationDefinition<OnDatabase>["finish"]> =>
  async (tx, { input, error }, outcome) => {
    const row = await databaseStore.find(tx, input.databaseId, { lock: true });
    if (!row) return undefined;
    if (outcome !== "succeeded") {
      const stateReason = error?.message ?? cancelled;
      await databaseStore.update(tx, row.id, { state: otherwise, stateReason, operationId: null });
      return undefined;
    }
    const now = new Date();
    const next = await databaseStore.update(tx, row.id, { state: reached, stateReason: null, operationId: null });
    await releaseDatabase(tx, row.id, now);
    await holdDatabase(tx, next, now);
    return { databaseId: row.id };
  };

export function definePower(
  parts: DatabasesParts,
  prepare: Step,
): { stop: OperationDefinition<OnDatabase>; start: OperationDefinition<OnDatabase> } {
  const stop = defineOperation<OnDatabase>({
    kind: "databases.database.stop",
    steps: [
      {
        name: "log",
        deadlineSeconds: 600,
        async run({ input, signal, log }) {
          const row = await readDatabase(parts, input.databaseId);
          if (row.bucketId === null) return;
          try {
            await parts.driver().archiveNow(containerOf(row), { signal });
            await shipLog(parts, row, signal);
          } catch (error) {
            // It stays in the volume, for when it is started: no reason to let it run.
            if (signal.aborted || !CloudError.is(error)) throw error;
            log.info({ database: row.id, err: error }, "the last of the log is not in the bucket");
          }
        },
      },
      {
        name: "stop",
        deadlineSeconds: 900,
        async run({ input, signal }) {
          const row = await readDatabase(parts, input.databaseId);
          await parts.driver().stop(containerOf(row), { signal });
          await parts.driver().remove(containerOf(row), { signal });
        },
      },
    ],
    // The health worker finds out what is so.
    finish: settle("stopped", "failing", "Its stopping was cancelled."),
  });

  const start = defineOperation<OnDatabase>({
    kind: "databases.database.start",
    steps: [
      prepare,
      {
        name: "start",
        deadlineSeconds: 1800,
        async run(context) {
          const { input, signal } = context;
          await bringUp(parts, input.databaseId, context, (spec) => parts.driver().initialise(spec, { signal }));
        },
        async undo({ input, signal }) {
          const row = await readDatabase(parts, input.databaseId);
          await parts.driver().stop(containerOf(row), { signal });
          await parts.driver().remove(containerOf(row), { signal });
        },
      },
    ],
    finish: settle("running", "stopped", "Its start was cancelled."),
  });
  return { stop, start };
}
