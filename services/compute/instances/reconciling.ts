import type { Tx } from "../../../kernel/db/database.ts";
import type { InstanceReport } from "../driver.ts";
import type { ComputeParts, InstanceDifferences } from "../parts.ts";
import { observe, observedOf, settleObserved, startedAgain } from "./operations/outcome.ts";
import { workOn } from "./presentation.ts";
import { considerRestart } from "./restarts.ts";
import type { Observed } from "./states.ts";
import { type InstanceRow, instanceStore } from "./store/instances.ts";

/** Instances compared at a time. */
const pageSize = 500;
/** What the engine tells of by itself comes with its own time, and has a moment to arrive first. */
const eventsFirstMs = 500;

export interface RefreshOptions {
  evenBusy?: boolean | undefined;
  /** Since when a change may have gone unseen. */
  unseenSince?: Date | undefined;
}

export type Reconciling = ReturnType<typeof createReconciling>;

export function createReconciling(parts: ComputeParts) {
  const { database } = parts;

  /**
   * Writes down what the engine says; answers the record if that changed it. Nothing happens where an operation is at work (unless
   * `evenBusy`), nor on what the engine said before the record was changed.
   */
  async function refresh(instanceId: string, options: RefreshOptions = {}): Promise<InstanceRow | undefined> {
    for (let attempt = 1; ; attempt++) {
      const before = await database.transaction("system", (tx) => ours(tx, instanceId, options));
      if (!before) return undefined;
      const observed = await observe(parts.engine(), before.engineName);
      const result = await database.transaction("system", async (tx) => {
        const row = await ours(tx, instanceId, options);
        if (!row) return { changed: undefined };
        if (row.revision !== before.revision && attempt < 5) return undefined;
        if (!options.evenBusy && !differs(row, observed)) return { changed: undefined };
        return { changed: await settleObserved(tx, row, observed, options.unseenSince), from: row };
      });
      if (!result) continue;
      if (result.changed?.state === "stopped" && result.from && !options.evenBusy) await considerRestart(parts, result.from);
      return result.changed;
    }
  }

  /** The record, locked, if it is nobody else's at the moment. */
  async function ours(tx: Tx, id: string, { evenBusy = false }: RefreshOptions): Promise<InstanceRow | undefined> {
    const row = await instanceStore.find(tx, id, { lock: true });
    if (!row) return undefined;
    if (evenBusy) return row.state === "creating" || row.state === "deleting" ? undefined : row;
    return (await workOn(tx, [id])).has(id) ? undefined : row;
  }

  async function reconcile(signal?: AbortSignal): Promise<InstanceDifferences> {
    const unseenSince = await watchedUntil();
    const list = await parts.engine().instanceList(signal ? { signal } : {});
    const reports = new Map(list.map((report) => [report.name, report]));
    const differences: InstanceDifferences = { refreshed: [], missing: [], orphans: [] };
    const known = new Set<string>();
    const different: string[] = [];
    for (let after: string | undefined, more = true; more; ) {
      const { rows, busy } = await database.transaction("system", async (tx) => {
        const page = await instanceStore.each(tx, { after, limit: pageSize });
        const ids = page.map((row) => row.id);
        return { rows: page, busy: await workOn(tx, ids) };
      });
      for (const row of rows) {
        signal?.throwIfAborted();
        known.add(row.engineName);
        if (busy.has(row.id) || !differs(row, observedOf(reports.get(row.engineName)))) continue;
        different.push(row.id);
      }
      after = rows.at(-1)?.id;
      more = rows.length === pageSize;
    }
    if (different.length > 0) await new Promise((resolve) => setTimeout(resolve, eventsFirstMs));
    for (const id of different) {
      signal?.throwIfAborted();
      const changed = await refresh(id, { unseenSince });
      if (changed) (changed.state === "missing" ? differences.missing : differences.refreshed).push(changed.id);
    }
    differences.orphans = await orphansAmong(list.filter(({ name }) => !known.has(name)));
    return differences;
  }

  /** Those that are still there, and still have no record: between two looks something may have been made or deleted. */
  async function orphansAmong(strangers: readonly InstanceReport[]): Promise<InstanceDifferences["orphans"]> {
    const orphans: InstanceDifferences["orphans"] = [];
    if (strangers.length === 0) return orphans;
    const copies = new Set(await database.transaction("system", (tx) => parts.volumes.drillCopies(tx)));
    for (const { name, labels, createdAt } of strangers) {
      if (copies.has(name) || labels["instance"] === undefined) continue;
      const row = await database.transaction("system", (tx) => instanceStore.byEngineName(tx, name));
      if (!row && (await parts.engine().instanceGet(name))) orphans.push({ name, labels, createdAt });
    }
    return orphans;
  }

  const watchedUntil = () => database.transaction("system", instanceStore.watchedUntil);

  return { refresh, reconcile, watchedUntil };
}

/** Whether the engine says something else than the record. */
function differs(row: InstanceRow, observed: Observed): boolean {
  // What went wrong is not mended by looking at it: it stays in error until it runs again, or is gone.
  if (row.state === "error" && (observed.state === "stopped" || observed.state === "error"))
    return observed.state === "stopped" && row.runningFrom !== null;
  if (row.state !== observed.state) return true;
  if (observed.member !== undefined && observed.member !== row.member) return true;
  return startedAgain(row, observed);
}
