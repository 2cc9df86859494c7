/** The neighbours of `deploying` in memory: what runs, and where requests go. */
import { CloudError } from "../../../../kernel/errors.ts";
import { type Faults, withFaults } from "../../../compute/testing/faults.ts";
import type { AppsParts, RoutingPart, RunningPart } from "../../parts.ts";

export interface RunningDouble extends RunningPart {
  /** Releases with containers, by app. */
  readonly live: Map<string, Set<string>>;
  readonly apps: Set<string>;
  readonly disks: Map<string, { name: string; path: string }[]>;
  /** What became of it, in order: `start rel_…`. */
  readonly story: string[];
  /** Exit codes of release commands, by what they are; 0 for others. */
  readonly exitCodes: Map<string, number>;
  /** Images that never become healthy. */
  readonly sick: Set<string>;
}

export interface RoutingDouble extends RoutingPart {
  /** The live releases that were told to the gateway, at each call. */
  readonly applied: string[][];
}

export function createRunningDouble(parts: Pick<AppsParts, "database" | "deploying">): {
  driver: RunningDouble;
  faults: Faults;
} {
  const live = new Map<string, Set<string>>();
  const disks = new Map<string, { name: string; path: string }[]>();
  const apps = new Set<string>();
  const story: string[] = [];
  const exitCodes = new Map<string, number>();
  const sick = new Set<string>();
  const releaseOf = async (id: string) => {
    const release = await parts.database.transaction("system", (tx) => parts.deploying.release(tx, id));
    if (!release) throw new CloudError("not_found", `There is no release ${id}.`);
    return release;
  };
  const running: RunningDouble = {
    live,
    apps,
    disks,
    story,
    exitCodes,
    sick,
    async releaseMade(_, { appId }) {
      apps.add(appId);
    },
    async ensureDisks(_, appId, wanted) {
      if (wanted.length > 0) disks.set(appId, [...wanted]);
    },
    hasDisks: async (_, appId) => disks.has(appId),
    async start(releaseId) {
      const { appId, number } = await releaseOf(releaseId);
      const own = live.get(appId) ?? new Set();
      live.set(appId, own.add(releaseId));
      story.push(`start ${number}`);
      if (disks.has(appId) && own.size > 1) throw new Error("two releases have the disk");
    },
    async awaitHealthy(releaseId) {
      const { appId, number, imageId } = await releaseOf(releaseId);
      if (!live.get(appId)?.has(releaseId)) throw new CloudError("not_found", "It does not run.");
      story.push(`await ${number}`);
      if (sick.has(imageId) || sick.has(releaseId))
        throw new CloudError("failed_precondition", "It did not become healthy: connection refused.", {
          details: { reason: "unhealthy" },
        });
    },
    async runOnce(releaseId, command, options) {
      const { number } = await releaseOf(releaseId);
      story.push(`run ${number} ${command}`);
      options?.onLine?.(`ran ${command}`);
      return exitCodes.get(command) ?? 0;
    },
    async retire(appId, options) {
      for (const each of live.get(appId) ?? []) if (each !== options?.keepReleaseId) live.get(appId)?.delete(each);
      story.push("retire");
    },
    async discard(releaseId) {
      for (const own of live.values()) own.delete(releaseId);
      story.push("discard");
    },
    endpoints: async () => [],
    counts: async (_, ids) => new Map(ids.map((id) => [id, [{ name: "web", wanted: 1, running: live.get(id)?.size ?? 0 }]])),
    async remove(appId) {
      live.delete(appId);
      disks.delete(appId);
      apps.delete(appId);
      story.push("remove");
    },
  };
  return withFaults(running, ["live", "apps", "disks", "story", "exitCodes", "sick", "hasDisks", "counts", "endpoints"]);
}

export function createRoutingDouble(parts: Pick<AppsParts, "database" | "deploying">): {
  driver: RoutingDouble;
  faults: Faults;
} {
  const applied: string[][] = [];
  const routing: RoutingDouble = {
    applied,
    hosts: async (_, apps) =>
      new Map(
        apps.map(({ id, name }) => [id, { url: `http://${name}.lessons.localhost`, hosts: [`${name}.lessons.localhost`] }]),
      ),
    async apply() {
      const apps = await parts.database.transaction("system", (tx) => parts.deploying.list(tx, { limit: 1000 }));
      applied.push(
        apps.flatMap(({ state, liveReleaseId }) => (state === "running" || state === "failing" ? (liveReleaseId ?? []) : [])),
      );
    },
    drain: async () => {},
    requests: async () => [],
    appDeleted: async () => {},
    challenge: async () => undefined,
    visit: async () => ({ status: 404, headers: {} }),
  };
  return withFaults(routing, ["applied", "hosts", "appDeleted", "challenge"]);
}
