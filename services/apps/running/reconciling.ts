import { CloudError } from "../../../kernel/errors.ts";
import { activeOperations } from "../../../kernel/operations/store.ts";
import type { ContainerSummary, EngineChange } from "../driver.ts";
import type { AppView, ReleaseView } from "../parts.ts";
import { checkHealth, type HealthCheck } from "./checks.ts";
import { projectNetwork } from "./contract.ts";
import { createHealth } from "./healthOfApps.ts";
import type { Collector } from "./logs/collector.ts";
import type { OneOffs } from "./oneOffs.ts";
import { scaleOf, standingOf } from "./rows.ts";
import { eachOf, type Runtime } from "./runtime.ts";
import type { Scaling } from "./scaling.ts";
import { addressOf, kinds, volumeName } from "./spec.ts";
import { endOf, type Starting } from "./starting.ts";
import type { Stopping } from "./stopping.ts";
import { type ContainerRow, containerName, containerStore } from "./store/containers.ts";
import { diskStore } from "./store/disks.ts";
import { oneOffStore } from "./store/oneOffs.ts";
import { type ProcessRow, processStore } from "./store/processes.ts";

export interface Reconciler {
  /** Something happened to a container. */
  tell(change: EngineChange): void;
  /** A container was taken away, for it to be made anew. */
  removed(engineName: string, reason: string): void;
  /** Compares all records with the engine. */
  round(signal: AbortSignal): Promise<void>;
  /** Begins to ask those containers whose turn it is. */
  check(signal: AbortSignal): Promise<void>;
}

/** What is remembered of a container between rounds. */
interface Seen {
  row: ContainerRow;
  check: HealthCheck;
  /** Since when it runs without a break, as far as was seen; undefined: it does not. */
  runningMs: number | undefined;
  /** In a row. */
  failures: number;
  /** Since when it has been unhealthy; and how often it was started anew for that since it was last healthy. */
  hangsMs?: number | undefined;
  hangs: number;
  nextMs: number;
  /** Whether its turn is under way. */
  asking: boolean;
  /** Ends since the last round, as the engine told them. */
  ends: number;
  /** Of the last one. */
  exitCode?: number | undefined;
}

const failuresToUnhealthy = 3;
const longestHangMs = 3_600_000;
const hangStopSeconds = 10;
const removalMs = 60_000;
const page = 500;
const checksAtOnce = 64;

export function createReconciler(
  runtime: Runtime,
  collector: Collector,
  starting: Starting,
  stopping: Stopping,
  scaling: Scaling,
  oneOffs: OneOffs,
): Reconciler {
  const { parts, times } = runtime;
  const { database, log } = parts;
  const seen = new Map<string, Seen>();
  /** Ends and starts that came before their container was known here. */
  const told = new Map<string, { ends: number; startedMs?: number }>();
  /** Containers that the engine could not start, and when it is asked again. */
  const refused = new Map<string, { pauseMs: number; nextMs: number }>();
  /** Why containers were taken away a moment ago. */
  const removals = new Map<string, { reason: string; atMs: number }>();
  const health = createHealth(runtime);
  /** They never change, and opening their settings costs something. */
  const releases = new Map<string, ReleaseView>();
  let repairedMs = 0;
  /** How many are being asked. */
  let asked = 0;

  /** What is not as it should be with one thing does not keep the others from being looked at. */
  async function each<T>(items: readonly T[], work: (item: T) => Promise<void>): Promise<void> {
    await eachOf(items, 4, async (item) => {
      try {
        await work(item);
      } catch (error) {
        if (CloudError.is(error, "unavailable")) throw error;
        log.warn({ err: error }, "something of an app could not be put right; the next round tries again");
      }
    });
  }

  interface Picture {
    apps: Map<string, AppView>;
    rows: ContainerRow[];
    processes: Map<string, ProcessRow[]>;
    started: Set<string>;
    releases: Map<string, ReleaseView>;
    runs: Set<string>;
    busy: Set<string>;
  }

  async function records(): Promise<Picture> {
    return database.transaction("system", async (tx) => {
      const apps = new Map<string, AppView>();
      for (let after: string | undefined; ; ) {
        const some = await parts.deploying.list(tx, { limit: page, ...(after === undefined ? {} : { after }) });
        for (const app of some) apps.set(app.id, app);
        after = some.at(-1)?.id;
        if (some.length < page) break;
      }
      const rows = await containerStore.list(tx);
      const processes = new Map<string, ProcessRow[]>();
      for (const row of await processStore.ofApps(tx, [...apps.keys()]))
        processes.set(row.appId, [...(processes.get(row.appId) ?? []), row]);
      const started = new Set((await containerStore.started(tx)).map(({ releaseId }) => releaseId));
      const used = new Set([...rows.map(({ releaseId }) => releaseId as string), ...started]);
      for (const id of releases.keys()) if (!used.has(id)) releases.delete(id);
      for (const id of used) {
        const release = releases.get(id) ?? (await parts.deploying.release(tx, id));
        if (release) releases.set(id, release);
      }
      const runs = new Set((await oneOffStore.list(tx)).map(({ engineName }) => engineName));
      const busy = new Set((await activeOperations(tx, [...apps.keys()])).keys());
      return { apps, rows, processes, started, releases, runs, busy };
    });
  }

  return {
    tell({ name, kind, exitCode }) {
      const known = seen.get(name);
      if (kind === "exited") {
        if (known) {
          known.ends++;
          known.exitCode = exitCode;
          known.runningMs = undefined;
        } else told.set(name, { ends: (told.get(name)?.ends ?? 0) + 1 });
      }
      if (kind === "started") {
        if (known) {
          known.runningMs = Date.now();
          known.nextMs = 0;
        } else told.set(name, { ends: told.get(name)?.ends ?? 0, startedMs: Date.now() });
      }
    },

    removed: (engineName, reason) => void removals.set(engineName, { reason, atMs: Date.now() }),

    async round(signal) {
      const engine = runtime.engine();
      // The engine first: what is made after its answer has its row already when the rows are read.
      const listed = new Map((await engine.containerList({ signal })).map((each) => [each.name, each]));
      const picture = await records();
      const { rows, apps, releases } = picture;
      collector.keep(rows);

      const repairing = Date.now() - repairedMs >= times.repairMs;
      if (repairing) await repair(picture, listed, signal);

      const wanted = rows.filter(
        (row) =>
          row.state !== "draining" &&
          !runtime.leaving.has(row.engineName) &&
          releases.has(row.releaseId) &&
          shouldRun(apps.get(row.appId)),
      );
      // Of databases, builds and others, and of what is gone.
      for (const [name, { atMs }] of removals) if (Date.now() - atMs > removalMs) removals.delete(name);
      for (const name of told.keys()) if (!rows.some(({ engineName }) => engineName === name)) told.delete(name);
      for (const engineName of seen.keys()) if (!wanted.some((row) => row.engineName === engineName)) seen.delete(engineName);
      const lost = wanted.filter((row) => {
        const state = listed.get(row.engineName)?.state;
        return state === undefined || state === "created" || state === "exited" || state === "dead";
      });
      let changed = false;
      await each(wanted, async (row) => {
        if (await look(row, listed.get(row.engineName), releases.get(row.releaseId) as ReleaseView, signal)) changed = true;
      });
      if (changed) await parts.routing.apply({ signal });
      for (const name of refused.keys()) if (!lost.some(({ engineName }) => engineName === name)) refused.delete(name);
      const due = lost.filter(({ engineName }) => (refused.get(engineName)?.nextMs ?? 0) <= Date.now());
      await each(due, async (row) => {
        const pauseMs = Math.min(60_000, (refused.get(row.engineName)?.pauseMs ?? 500) * 2);
        refused.set(row.engineName, { pauseMs, nextMs: Date.now() + pauseMs });
        const app = apps.get(row.appId) as AppView;
        await starting.ensure([row], releases.get(row.releaseId) as ReleaseView, app, { signal });
      });
      if (repairing) {
        await scaleRight(picture, signal);
        repairedMs = Date.now();
      }
      await health.tell(picture.apps, wanted, picture.processes, releases, picture.started);
    },

    async check(signal) {
      const now = Date.now();
      const due = [...seen.values()]
        .filter(({ nextMs, asking, runningMs }) => !asking && runningMs !== undefined && nextMs <= now)
        .sort((one, other) => one.nextMs - other.nextMs);
      // Not waited for: one that hangs does not keep the others from being asked.
      for (const one of due.slice(0, Math.max(0, checksAtOnce - asked))) {
        one.asking = true;
        asked++;
        ask(one, signal)
          .then(async (changed) => {
            if (changed) await parts.routing.apply({ signal });
          })
          .catch((error) => {
            if (!signal.aborted)
              log.warn({ err: error, container: one.row.engineName }, "a container could not be asked for its health");
          })
          .finally(() => {
            asked--;
            one.asking = false;
            one.nextMs = Date.now() + one.check.intervalSeconds * 1000;
          });
      }
    },
  };

  function shouldRun(app: AppView | undefined): boolean {
    return app !== undefined && app.state !== "stopped" && app.state !== "deleting";
  }

  /** Takes over what the engine says of one; true when what the gateway may reach has changed. */
  async function look(
    row: ContainerRow,
    summary: ContainerSummary | undefined,
    release: ReleaseView,
    signal: AbortSignal,
  ): Promise<boolean> {
    const early = told.get(row.engineName);
    told.delete(row.engineName);
    const one: Seen = seen.get(row.engineName) ?? {
      row,
      check: release.healthCheck,
      runningMs: undefined,
      failures: 0,
      hangs: 0,
      nextMs: 0,
      asking: false,
      ends: early?.ends ?? 0,
    };
    seen.set(row.engineName, one);
    const running = summary?.state === "running";
    if (!running) one.runningMs = undefined;
    else one.runningMs ??= early?.startedMs ?? Date.now();
    const { state: from } = row;
    const ends = one.ends;
    one.ends = 0;
    let crashes = row.crashes + ends;
    if (ends === 0 && crashes > 0 && one.runningMs !== undefined && Date.now() - one.runningMs >= times.steadyMs) crashes = 0;
    if (crashes !== row.crashes) {
      row.crashes = crashes;
      await database.transaction("system", (tx) => containerStore.setCrashes(tx, row.engineName, crashes));
    }
    const address = summary && addressOf(summary, row.projectId);
    const [node, leaving] = [summary?.node ?? null, summary?.leaving ?? false];
    if (summary !== undefined && (node !== row.node || leaving !== row.leaving)) {
      await database.transaction("system", (tx) => containerStore.setPlace(tx, row.engineName, node, leaving));
      Object.assign(row, { node, leaving });
    }
    let { state } = row;
    let reason = row.stateReason ?? undefined;
    if (!running || ends > 0) {
      const report = await runtime.engine().containerGet(row.engineName, { signal });
      // The list was made before the records were read: what was not started then may have been found healthy since.
      if (report?.state === "running" && ends === 0 && row.address !== null) {
        one.row = row;
        return false;
      }
      // One that runs again already does not say how it ended.
      const end = report?.state === "running" ? { ...report, exitCode: one.exitCode } : report;
      const { why, waits } = end ? { why: endOf(end, row), waits: false } : await whereItWent(row, signal);
      state = waits ? "unhealthy" : "starting";
      reason = why;
      one.failures = 0;
      if (ends > 0 || report?.state === "restarting") health.ended(row.engineName, why);
    } else if (address !== undefined && address !== row.address) {
      // Another address: whoever answers there has not been asked yet.
      if (state === "healthy") state = "starting";
      one.nextMs = 0;
    }
    Object.assign(one, { row: { ...row, state, stateReason: reason ?? null, address: address ?? row.address } });
    const changed = await database.transaction("system", (tx) =>
      containerStore.see(tx, row.engineName, {
        state: state as Exclude<typeof state, "draining">,
        from,
        stateReason: reason,
        address,
      }),
    );
    Object.assign(row, one.row);
    return changed && row.process === "web";
  }

  /** Of one that is not there. `waits`: it is not made anew, as its disk is on a machine that is down. */
  async function whereItWent(
    { mounts, engineName }: ContainerRow,
    signal: AbortSignal,
  ): Promise<{ why: string; waits: boolean }> {
    const removal = removals.get(engineName);
    if (removal !== undefined) return { why: removal.reason, waits: false };
    try {
      for (const { volume } of mounts) await runtime.engine().volumeGet(volume, { signal });
    } catch (error) {
      if (CloudError.is(error, "failed_precondition"))
        return {
          why: `Its disk is on the node ${error.details["node"]}, which is down. It starts again with that machine; an administrator may also remove the node, and the disk with it.`,
          waits: true,
        };
    }
    return { why: "It is not there; it is made anew.", waits: false };
  }

  /** One that runs and answers nobody for minutes does not come round by itself. Less and less often, as it may be something else that is away. */
  async function startAnew(one: Seen, problem: string, signal: AbortSignal): Promise<void> {
    const { row } = one;
    one.hangs++;
    one.hangsMs = undefined;
    log.warn(
      { app: row.appId, container: containerName(row), problem, times: one.hangs },
      "a container of an app hangs and is started anew",
    );
    const engine = runtime.engine();
    await engine.containerStop(row.engineName, { timeoutSeconds: hangStopSeconds, signal });
    await engine.containerStart(row.engineName, { signal });
    health.ended(row.engineName, `${containerName(row)} hung (${problem}) and was started anew.`);
  }

  async function ask(one: Seen, signal: AbortSignal): Promise<boolean> {
    const { row, check } = one;
    const sinceMs = Date.now() - (one.runningMs ?? Date.now());
    let problem: string | undefined;
    if (row.process !== "web") problem = sinceMs >= times.settledMs ? undefined : "It is starting.";
    else if (row.address === null) problem = "It has no address.";
    else problem = await checkHealth(runtime.connect, { address: row.address, port: row.port }, check, signal);
    // It ended while it was asked, or is another one by now.
    if (one.runningMs === undefined || seen.get(row.engineName) !== one) return false;
    let { state } = row;
    if (problem === undefined) {
      one.failures = 0;
      state = "healthy";
    } else {
      one.failures++;
      if (state === "healthy" && one.failures >= failuresToUnhealthy) state = "unhealthy";
      if (state === "starting" && row.process === "web" && sinceMs > check.startSeconds * 1000) state = "unhealthy";
    }
    if (state === "healthy") Object.assign(one, { hangsMs: undefined, hangs: 0 });
    else if (state === "unhealthy") {
      one.hangsMs ??= Date.now();
      const pauseMs = Math.min(times.hangMs * 2 ** one.hangs, Math.max(longestHangMs, times.hangMs));
      if (Date.now() - one.hangsMs >= pauseMs) await startAnew(one, problem ?? "it does not answer", signal);
    }
    const reason = state === "healthy" ? undefined : (problem ?? row.stateReason ?? undefined);
    const before = row.state;
    if (state === before && (reason ?? null) === row.stateReason) return false;
    one.row = { ...row, state, stateReason: reason ?? null };
    const changed = await database.transaction("system", (tx) =>
      containerStore.see(tx, row.engineName, {
        state: state as Exclude<typeof state, "draining">,
        from: before,
        stateReason: reason,
      }),
    );
    return changed && row.process === "web" && before !== state;
  }

  /** Networks, orphans, and what processes that are gone have left. */
  async function repair(picture: Picture, listed: Map<string, ContainerSummary>, signal: AbortSignal): Promise<void> {
    const engine = runtime.engine();
    const projects = [...new Set(picture.rows.map(({ projectId }) => projectId))];
    await each(projects, (projectId) => engine.networkCreate(projectNetwork(projectId), { signal }));
    const known = new Set([...picture.rows.map(({ engineName }) => engineName), ...picture.runs]);
    const orphans = [...listed.values()].filter(
      ({ name, labels }) => (labels["kind"] === kinds.process || labels["kind"] === kinds.run) && !known.has(name),
    );
    await each(orphans, async ({ name }) => {
      await engine.containerRemove(name, { signal });
      log.info({ container: name }, "a container without a record was removed");
    });
    const before = Date.now() - times.leftMs;
    const left = picture.rows.filter(
      ({ engineName, drainingSince }) =>
        drainingSince !== null && drainingSince.getTime() < before && !runtime.leaving.has(engineName),
    );
    await each(left, (row) => stopping.takeDown([row], { signal }));
    await oneOffs.sweep(signal);
    const disks = await database.transaction("system", (tx) => diskStore.left(tx, new Date(before)));
    await each(disks, async (disk) => {
      await engine.volumeRemove(volumeName(disk), { signal });
      await database.transaction("system", (tx) => diskStore.remove(tx, disk.id));
    });
  }

  /** Counts that changed while nobody could follow them. */
  async function scaleRight({ apps, rows, processes, started, releases, busy }: Picture, signal: AbortSignal): Promise<void> {
    await each([...apps.values()], async (app) => {
      const { liveReleaseId } = app;
      if (liveReleaseId === undefined || !started.has(liveReleaseId) || busy.has(app.id)) return;
      if (app.state !== "running" && app.state !== "failing") return;
      // Two releases: somebody is at it.
      if (rows.some((row) => row.appId === app.id && row.releaseId !== liveReleaseId)) return;
      const release = releases.get(liveReleaseId);
      for (const process of Object.keys(release?.processes ?? {})) {
        const scale = scaleOf(processes.get(app.id) ?? [], process);
        const { fitting, stale, missing } = standingOf(rows, liveReleaseId, process, scale);
        if (missing > 0 || stale.length > 0 || fitting.length > scale.count)
          await scaling.converge(app.id, process, { signal, wait: false });
      }
    });
  }
}
