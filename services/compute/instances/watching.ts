import type { InstanceChange } from "../driver.ts";
import type { ComputeParts } from "../parts.ts";
import { settleObserved } from "./operations/outcome.ts";
import { workOn } from "./presentation.ts";
import type { Reconciling } from "./reconciling.ts";
import { considerRestart, planRestart } from "./restarts.ts";
import type { Observed } from "./states.ts";
import { instanceStore } from "./store/instances.ts";

/** What a change leaves the instance in; those that are missing here change no state. */
const leadsTo: Partial<Record<InstanceChange["kind"], Observed["state"]>> = {
  started: "running",
  stopped: "stopped",
  shutdown: "stopped",
  crashed: "stopped",
  frozen: "frozen",
  unfrozen: "running",
  deleted: "missing",
};

export type Watching = ReturnType<typeof createWatching>;

/** Follows what happens to instances without our doing: the record, its usage and whoever watches learn of it at once. */
export function createWatching(parts: ComputeParts, reconciling: Reconciling) {
  const { database, log } = parts;
  const over = new AbortController();
  /** What is still to be looked at, by name in the engine; a name that is in it has its turn already. */
  const waiting = new Map<string, (InstanceChange | undefined)[]>();
  const working = new Set<Promise<void>>();
  let watches = false;

  /** In the order in which it came; at the end the engine has the last word. */
  async function follow(engineName: string, changes: (InstanceChange | undefined)[]): Promise<void> {
    let instanceId: string | undefined;
    while (changes.length > 0 && !over.signal.aborted) {
      const change = changes.shift();
      // The engine itself deletes one of that name when it is rebuilt: only what is really gone is missing.
      const state = change && leadsTo[change.kind];
      const untrue = state === "missing" && (await parts.engine().instanceGet(engineName)) !== undefined;
      const { row, stopped } = await database.transaction("system", async (tx) => {
        const found = await instanceStore.byEngineName(tx, engineName);
        // What an operation does is written down by it.
        if (!found || (await workOn(tx, [found.id])).has(found.id)) return {};
        const old = change && found.powerAt && change.at <= found.powerAt;
        if (!change || !state || untrue || old || state === found.state) return { row: found };
        await settleObserved(tx, found, { state, at: change.at });
        if (change.kind === "crashed") await planRestart(tx, found.id, found.startedAt);
        return { row: found, stopped: change.kind === "shutdown" };
      });
      instanceId = row?.id;
      if (stopped && row) await considerRestart(parts, row);
    }
    if (instanceId !== undefined && !over.signal.aborted) await reconciling.refresh(instanceId);
  }

  function hear(engineName: string, change?: InstanceChange): void {
    const queue = waiting.get(engineName);
    if (queue) {
      queue.push(change);
      return;
    }
    const changes = [change];
    waiting.set(engineName, changes);
    const work = follow(engineName, changes)
      .catch((error) =>
        log.warn({ err: error, instance: engineName }, "a change of an instance was not followed; it will be seen later"),
      )
      .finally(() => {
        working.delete(work);
        waiting.delete(engineName);
        // What came at the last moment.
        for (const late of changes) hear(engineName, late);
      });
    working.add(work);
  }

  return {
    /** Begins, once in this process; at first it catches up with what happened before. False without an engine. */
    async ensure(): Promise<boolean> {
      if (watches || over.signal.aborted) return watches;
      try {
        parts.engine().watch(hear, over.signal);
      } catch {
        return false;
      }
      watches = true;
      await reconciling.reconcile(over.signal);
      return true;
    },
    /** Until all that was heard is written down. */
    async idle(): Promise<void> {
      while (working.size > 0) await Promise.all(working);
    },
    async stop(): Promise<void> {
      over.abort();
      await Promise.allSettled(working);
    },
  };
}
