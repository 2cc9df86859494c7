import { CloudError } from "../../../kernel/errors.ts";
import type { AppView, ReleaseView } from "../parts.ts";
import { rightsHint } from "./rights.ts";
import { scaleOf } from "./rows.ts";
import type { Runtime } from "./runtime.ts";
import { lastWords } from "./starting.ts";
import { type ContainerRow, containerName } from "./store/containers.ts";
import type { ProcessRow } from "./store/processes.ts";

/** So many ends soon after each other are a loop. */
export const crashesInLoop = 3;

export interface AppHealth {
  /** How a container ended. */
  ended(engineName: string, reason: string): void;
  /** Tells the part that keeps apps what has changed of them. */
  tell(
    apps: ReadonlyMap<string, AppView>,
    rows: readonly ContainerRow[],
    processes: ReadonlyMap<string, ProcessRow[]>,
    releases: ReadonlyMap<string, ReleaseView>,
    started: ReadonlySet<string>,
  ): Promise<void>;
}

export interface Verdict {
  state: "running" | "failing";
  /** Of a failing one. */
  reason?: string;
  /** Whose last words are worth reading. */
  container?: string;
}

/** What its containers say of an app; undefined: they are still coming up. */
export function verdictOf(
  rows: readonly ContainerRow[],
  processes: readonly { name: string; count: number }[],
  startSeconds: number,
  nowMs: number,
): Verdict | undefined {
  for (const row of rows)
    if (row.crashes >= crashesInLoop)
      return {
        state: "failing",
        reason: `${row.stateReason ?? `${containerName(row)} ended.`} It is started again and again (${row.crashes} times so far).`,
        container: row.engineName,
      };
  let complete = true;
  for (const { name, count } of processes) {
    if (count === 0) continue;
    const own = rows.filter(({ process }) => process === name);
    if (own.some(({ state }) => state === "healthy")) continue;
    complete = false;
    const down = own.find(({ state }) => state === "unhealthy");
    if (down)
      return {
        state: "failing",
        reason: `No container of ${name} is healthy. ${containerName(down)}: ${down.stateReason ?? "it does not answer"}.`,
        container: down.engineName,
      };
    const late = own.find(
      ({ createdAt, stateReason }) => stateReason !== null && nowMs - createdAt.getTime() > startSeconds * 2000,
    );
    if (late)
      return { state: "failing", reason: `No container of ${name} runs. ${late.stateReason}`, container: late.engineName };
  }
  return complete ? { state: "running" } : undefined;
}

export function createHealth(runtime: Runtime): AppHealth {
  const { parts } = runtime;
  const { database } = parts;
  const lastEnds = new Map<string, string>();
  /** What was told last, by app. */
  const said = new Map<string, string>();

  return {
    ended: (engineName, reason) => void lastEnds.set(engineName, reason),

    async tell(apps, rows, processes, releases, started) {
      for (const engineName of lastEnds.keys())
        if (!rows.some((row) => row.engineName === engineName)) lastEnds.delete(engineName);
      for (const app of apps.values()) {
        const { liveReleaseId } = app;
        const release = liveReleaseId === undefined ? undefined : releases.get(liveReleaseId);
        if (!release || !started.has(release.id) || (app.state !== "running" && app.state !== "failing")) {
          said.delete(app.id);
          continue;
        }
        const own = rows
          .filter((row) => row.appId === app.id && row.releaseId === release.id)
          .map((row) => ({
            ...row,
            stateReason: row.crashes > 0 ? (lastEnds.get(row.engineName) ?? row.stateReason) : row.stateReason,
          }));
        const wanted = Object.keys(release.processes).map((name) => ({
          name,
          count: scaleOf(processes.get(app.id) ?? [], name).count,
        }));
        const verdict = verdictOf(own, wanted, release.healthCheck.startSeconds, Date.now());
        if (!verdict) continue;
        // Without the count of a loop, which grows.
        const key = `${verdict.state} ${verdict.container ?? ""} ${(verdict.reason ?? "").replace(/\(\d+ times.*$/, "")}`;
        if (said.get(app.id) === key && app.state === verdict.state) continue;
        if (verdict.state === "running" && app.state === "running") {
          said.set(app.id, key);
          continue;
        }
        const words = verdict.container === undefined ? "" : await lastWords(runtime.engine(), verdict.container, 5);
        const reason = [verdict.reason, rightsHint(words, release)].filter(Boolean).join(" ");
        try {
          await database.transaction("system", (tx) =>
            parts.deploying.setHealth(
              tx,
              app.id,
              verdict.state === "running"
                ? { state: "running" }
                : {
                    state: "failing",
                    reason: words === "" ? reason : `${reason}\nIts last lines:\n${words}`,
                  },
            ),
          );
          said.set(app.id, key);
        } catch (error) {
          if (!CloudError.is(error, "not_found")) throw error;
        }
      }
    },
  };
}
