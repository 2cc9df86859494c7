import { CloudError } from "../../../kernel/errors.ts";
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

/** How exactly it is known until when all was seen. */
const beatMs = 10_000;

/** Follows what happens to instances without our doing: the record, its usage and whoever watches learn of it at once. */
export function createWatching(parts: ComputeParts, reconciling: Reconciling) {
  const { database, log } = parts;
  const over = new AbortController();
  /** What is still to be looked at, by name in the engine; a name that is in it has its turn already. */
  const waiting = new Map<string, (InstanceChange | undefined)[]>();
  const working = new Set<Promise<void>>();
  let watches = false;
  let caughtUp = false;
  let beatAt = 0;

  /** In the order in which it came; at the end the engine has the last word. */
  async function follow(engineName: string, changes: (InstanceChange | undefined)[]): Promise<void> {
    let instanceId: string | undefined;
    let told = false;
    while (changes.length > 0 && !over.signal.aborted) {
      const change = changes.shift();
      told ||= change !== undefined;
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
      // Looking into the guest may take a while; what comes next does not wait for it.
      if (stopped && row) track(engineName, considerRestart(parts, row, over.signal));
    }
    if (instanceId === undefined || over.signal.aborted) return;
    // A change without a word of when: it was while the engine could not be heard.
    await reconciling.refresh(instanceId, told ? {} : { unseenSince: await reconciling.watchedUntil() });
  }

  function hear(engineName: string, change?: InstanceChange): void {
    const queue = waiting.get(engineName);
    if (queue) {
      queue.push(change);
      return;
    }
    const changes = [change];
    waiting.set(engineName, changes);
    track(engineName, follow(engineName, changes)).finally(() => {
      waiting.delete(engineName);
      // What came at the last moment.
      for (const late of changes) hear(engineName, late);
    });
  }

  function track(engineName: string, work: Promise<void>): Promise<void> {
    const safe = work
      .catch((error) =>
        log.warn({ err: error, instance: engineName }, "a change of an instance was not followed; it will be seen later"),
      )
      .finally(() => working.delete(safe));
    working.add(safe);
    return safe;
  }

  return {
    /**
     * One round: begins to watch, once in this process; catches up with what happened before; notes until when all was seen. Without
     * an engine, or while it does not answer, nothing.
     */
    async round(): Promise<void> {
      if (over.signal.aborted) return;
      try {
        const driver = parts.engine();
        if (!watches) driver.watch(hear, over.signal);
        watches = true;
        if (!caughtUp) await reconciling.reconcile(over.signal);
        caughtUp = true;
        if (Date.now() - beatAt < beatMs) return;
        beatAt = Date.now();
        await driver.info({ signal: over.signal });
        await database.transaction("system", (tx) => instanceStore.setWatchedUntil(tx, new Date(beatAt)));
      } catch (error) {
        if (!CloudError.is(error)) throw error;
        log.debug({ err: error }, "the engine cannot be watched at the moment");
      }
    },
    async stop(): Promise<void> {
      over.abort();
      await Promise.allSettled(working);
    },
  };
}
