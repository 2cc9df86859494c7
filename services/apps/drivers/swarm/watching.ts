import { setTimeout as sleep } from "node:timers/promises";
import type { AppEngine, Watcher } from "../../driver.ts";
import type { Engine } from "../docker/ownership.ts";
import type { Members } from "./members.ts";
import { isGate, isOverlay } from "./names.ts";

const lookMs = 3000;

/** The changes of all nodes together; whoever comes is watched, and of whoever goes it is told that everything may be otherwise. */
export function watchMembers(
  home: { engine: AppEngine; docker: Engine },
  members: Members,
  watcher: Watcher,
  signal: AbortSignal,
): void {
  const ours: Watcher = {
    ...watcher,
    onChange(change) {
      if (change.object === "container" ? !isGate(change.name) : !isOverlay(change.name)) watcher.onChange(change);
    },
  };
  home.engine.watch(ours, signal);
  const watched = new Map<AppEngine, AbortController>();
  let before = "";
  void (async () => {
    while (!signal.aborted) {
      try {
        const all = await members.all({ signal });
        const engines = new Set(all.filter(({ up, home: isHome }) => up && !isHome).map(({ engine }) => engine));
        for (const [engine, ending] of watched) {
          if (engines.has(engine)) continue;
          ending.abort();
          watched.delete(engine);
        }
        for (const engine of engines) {
          if (watched.has(engine)) continue;
          const ending = new AbortController();
          watched.set(engine, ending);
          engine.watch(ours, AbortSignal.any([signal, ending.signal]));
        }
        const now = JSON.stringify(all.map(({ id, up, draining }) => [id, up, draining]));
        if (now !== before) watcher.onConnect?.();
        before = now;
      } catch (error) {
        if (!signal.aborted) watcher.onLost?.(error);
      }
      await sleep(lookMs, undefined, { signal }).catch(() => {});
    }
    for (const ending of watched.values()) ending.abort();
  })();
}
