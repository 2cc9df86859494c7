import { audit } from "../../../kernel/audit.ts";
import { systemActor } from "../../../kernel/auth/principal.ts";
import type { Database, Tx } from "../../../kernel/db/database.ts";
import { beginOperation } from "../../../kernel/operations/store.ts";
import type { ComputeParts } from "../parts.ts";
import type { InstanceOperations } from "./operations.ts";
import { subjectOf, workOn } from "./presentation.ts";
import { shutItselfDown } from "./shutdownRecord.ts";
import { setState } from "./states.ts";
import { type InstanceRow, instanceStore } from "./store/instances.ts";

/** What has run for so long has recovered: the next crash is a first one again. */
const recoveredMs = 10 * 60_000;
/** Then it is left to people. */
const mostRestarts = 10;
const longestPauseSeconds = 300;

/**
 * Plans the start of an instance that stopped though nobody asked for it: at once the first time, then after 2, 4, 8, … seconds, as
 * long as it does not run for ten minutes in between. `ranSince`: the start of the run that ended now.
 */
export async function planRestart(tx: Tx, instanceId: string, ranSince?: Date | null): Promise<void> {
  const row = await instanceStore.find(tx, instanceId, { lock: true });
  if (!row?.autoRestart || row.state !== "stopped") return;
  const recovered = ranSince && Date.now() - ranSince.getTime() > recoveredMs;
  const restarts = recovered ? 0 : row.restarts;
  if (restarts >= mostRestarts) return;
  const seconds = restarts === 0 ? 0 : Math.min(longestPauseSeconds, 2 ** restarts);
  await instanceStore.update(tx, row.id, { restarts, restartAt: new Date(Date.now() + seconds * 1000) });
}

/** After a stop that nobody asked for, where the engine cannot tell a crash from the guest's own shutdown: the guest's records can. */
export async function considerRestart(
  parts: Pick<ComputeParts, "database" | "engine" | "log">,
  before: InstanceRow,
  signal?: AbortSignal,
): Promise<void> {
  if (!before.autoRestart || before.kind !== "container" || !before.runningFrom) return;
  const orderly = await shutItselfDown(parts.engine(), before.engineName, signal);
  parts.log.info({ instance: before.id, orderly }, "an instance stopped by itself");
  if (orderly !== false) return;
  await parts.database.transaction("system", (tx) => planRestart(tx, before.id, before.startedAt));
}

/** Begins the starts that are due. */
export async function restartDue(database: Database, operations: Pick<InstanceOperations, "instanceStart">): Promise<void> {
  await database.transaction("system", async (tx) => {
    for (const row of await instanceStore.restartsDue(tx, 20)) {
      const after = await instanceStore.update(tx, row.id, { restarts: row.restarts + 1, restartAt: null });
      if (row.state !== "stopped" || (await workOn(tx, [row.id])).has(row.id)) continue;
      await beginOperation(tx, operations.instanceStart, {
        input: { instanceId: row.id, engineName: row.engineName, from: row.state },
        actor: systemActor,
        ...subjectOf(row),
      });
      await setState(tx, after, "starting");
      audit(tx, {
        ...subjectOf(row),
        action: "compute.instance.start",
        actor: systemActor,
        before: { state: row.state },
        after: { automaticRestart: row.restarts + 1 },
      });
    }
  });
}
