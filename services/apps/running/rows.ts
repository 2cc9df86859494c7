import type { Tx } from "../../../kernel/db/database.ts";
import type { AppView, ReleaseView } from "../parts.ts";
import { mountsOf, newEngineName } from "./spec.ts";
import { type ContainerRow, containerName, containerStore } from "./store/containers.ts";
import { diskStore } from "./store/disks.ts";
import { type ProcessRow, processStore } from "./store/processes.ts";

const mebibyte = 1024 ** 2;
/** Of a process that nobody has scaled. */
export const firstScale = { count: 1, memoryBytes: 512 * mebibyte, cpus: 1 } as const;

/** How a process of a release should be: as its row says. One whose row went is not wanted any more. */
export const scaleOf = (rows: readonly ProcessRow[], process: string): Pick<ProcessRow, "count" | "memoryBytes" | "cpus"> =>
  rows.find(({ name }) => name === process) ?? { ...firstScale, count: 0 };

/** What is there of a process of a release, against what is wanted; `stale` have other limits, or are on a node that is to be empty. */
export interface Standing {
  fitting: ContainerRow[];
  stale: ContainerRow[];
  missing: number;
}

export function standingOf(
  rows: readonly ContainerRow[],
  releaseId: string,
  process: string,
  scale: Pick<ProcessRow, "count" | "memoryBytes" | "cpus">,
): Standing {
  const own = rows.filter((row) => row.releaseId === releaseId && row.process === process && row.state !== "draining");
  // What has a disk stays with it.
  const leaves = (row: ContainerRow) => row.leaving && row.mounts.length === 0;
  const fits = (row: ContainerRow) => row.memoryBytes === scale.memoryBytes && row.cpus === scale.cpus && !leaves(row);
  const fitting = own.filter(fits);
  return {
    fitting,
    stale: own.filter((row) => !fits(row)),
    missing: Math.max(0, scale.count - fitting.length),
  };
}

/** Adds rows of a process to a release, each with the lowest number that is free in the app, whatever its release. */
export async function addRows(
  tx: Tx,
  release: ReleaseView,
  process: string,
  scale: Pick<ProcessRow, "memoryBytes" | "cpus">,
  amount: number,
): Promise<ContainerRow[]> {
  if (amount <= 0) return [];
  const taken = new Set(
    (await containerStore.list(tx, { appId: release.appId }))
      .filter((row) => row.process === process)
      .map(({ number }) => number),
  );
  const mounts = mountsOf(await diskStore.ofApp(tx, release.appId));
  const added: ContainerRow[] = [];
  for (let number = 1; added.length < amount; number++) {
    if (taken.has(number)) continue;
    const row: ContainerRow = {
      engineName: newEngineName(release.appId, containerName({ process, number })),
      appId: release.appId,
      releaseId: release.id,
      releaseNumber: release.number,
      organisationId: release.organisationId,
      projectId: release.projectId,
      process,
      number,
      memoryBytes: scale.memoryBytes,
      cpus: scale.cpus,
      mounts,
      state: "starting",
      stateReason: null,
      address: null,
      port: release.port,
      crashes: 0,
      createdAt: new Date(),
      drainingSince: null,
      node: null,
      leaving: false,
    };
    await containerStore.insert(tx, row);
    added.push(row);
  }
  return added;
}

export interface LivePlan {
  app: AppView;
  release: ReleaseView;
  processes: ProcessRow[];
  rows: ContainerRow[];
}

/** An app whose live release is meant to run now, with what there is of it; for system transactions. */
export async function livePlan(
  tx: Tx,
  deploying: {
    find: (tx: Tx, id: string) => Promise<AppView | undefined>;
    release: (tx: Tx, id: string) => Promise<ReleaseView | undefined>;
  },
  appId: string,
): Promise<LivePlan | undefined> {
  const app = await deploying.find(tx, appId);
  if (!app?.liveReleaseId || (app.state !== "running" && app.state !== "failing")) return undefined;
  if (!(await containerStore.isStarted(tx, app.liveReleaseId))) return undefined;
  const release = await deploying.release(tx, app.liveReleaseId);
  if (!release) return undefined;
  return {
    app,
    release,
    processes: await processStore.ofApp(tx, appId),
    rows: await containerStore.list(tx, { appId }),
  };
}
