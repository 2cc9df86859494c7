import { randomBytes } from "node:crypto";
import { CloudError } from "../../../kernel/errors.ts";
import type { AppEngine, CallOptions, ContainerReport, ContainerSpec } from "../driver.ts";
import { doorAddress } from "../drivers/docker/door.ts";
import type { AppView, ReleaseView } from "../parts.ts";
import { projectNetwork } from "./contract.ts";
import { type DiskHelper, giveDisks } from "./diskOwner.ts";
import { type ContainerRow, containerName, type Mount } from "./store/containers.ts";
import type { DiskRow } from "./store/disks.ts";

const mebibyte = 1024 ** 2;
export const kinds = { process: "app-process", run: "app-run", disk: "app-disk" } as const;
const stopSeconds = 20;

/** Never the same twice: a container that is there under a name is the one of the row with that name. */
export const newEngineName = (appId: string, word: string): string =>
  `${appId.slice(-12)}-${word}-${randomBytes(4).toString("hex")}`;

export const volumeName = (disk: Pick<DiskRow, "id">): string => `disk-${disk.id}`;
export const mountsOf = (disks: readonly DiskRow[]): Mount[] =>
  disks.map((disk) => ({ disk: disk.id, volume: volumeName(disk), path: disk.path }));

export interface OneOff {
  engineName: string;
  /** What it is called inside: `run`. */
  name: string;
  command: readonly string[];
  memoryBytes: number;
  cpus: number;
  mounts: readonly Mount[];
  owner: "run" | "release" | "cron";
}

/** Of a container that a release keeps running. The same row and release give the same, always. */
export function containerSpec(row: ContainerRow, release: ReleaseView, app: Pick<AppView, "name">): ContainerSpec {
  const process = release.processes[row.process];
  const name = containerName(row);
  return {
    ...shared(release, app, row.process, name),
    name: row.engineName,
    labels: { ...labelsOf(release), kind: kinds.process, process: row.process, container: name },
    // What the image starts by itself is a command to its entry point; ours is one for a shell.
    ...(process?.command === undefined ? {} : { entrypoint: ["/bin/sh", "-c"], command: [process.command] }),
    // Who asks for the app's name inside the project gets all of its web containers, in turn.
    networks: [{ name: projectNetwork(row.projectId).name, aliases: row.process === "web" ? [app.name, name] : [name] }],
    mounts: row.mounts.map(({ volume, path }) => ({ volume, path, readOnly: false })),
    // With several machines no two of a process are on one, where that can be.
    ...(needsHost(release) ? {} : { spread: ["app", "process"] }),
    limits: { memoryBytes: row.memoryBytes, cpus: row.cpus, processes: 512 },
    // The engine's own: it holds while Khmara is away, and after a restart of the host.
    restart: { policy: "always" },
    stop: { signal: process?.stopSignal ?? "SIGTERM", timeoutSeconds: stopSeconds },
  };
}

export function oneOffSpec(run: OneOff, release: ReleaseView, app: Pick<AppView, "name">): ContainerSpec {
  return {
    ...shared(release, app, run.name, run.name),
    name: run.engineName,
    labels: { ...labelsOf(release), kind: kinds.run, owner: run.owner },
    entrypoint: run.command.slice(0, 1),
    command: run.command.slice(1),
    networks: [{ name: projectNetwork(release.projectId).name, aliases: [] }],
    mounts: run.mounts.map(({ volume, path }) => ({ volume, path, readOnly: false })),
    limits: { memoryBytes: run.memoryBytes, cpus: run.cpus, processes: 512 },
    restart: { policy: "never" },
    stop: { signal: "SIGTERM", timeoutSeconds: 10 },
  };
}

/** A linked bucket is reached by a door of this host, which is on this machine alone. */
const needsHost = ({ environment }: ReleaseView): boolean =>
  Object.entries(environment).some(([name, value]) => /AWS_ENDPOINT_URL/.test(name) && value.includes(`//${doorAddress}:`));

const labelsOf = (release: ReleaseView) => ({
  app: release.appId,
  release: release.id,
  project: release.projectId,
  organisation: release.organisationId,
});

/** The container that gives new disks to their user; one of a killed process goes with the other commands'. */
export const diskHelper = (release: ReleaseView): DiskHelper => ({
  name: newEngineName(release.appId, "disks"),
  image: release.imageId,
  ...(release.user === undefined ? {} : { user: release.user }),
  labels: { ...labelsOf(release), kind: kinds.run, owner: "release" },
});

const shared = (release: ReleaseView, app: Pick<AppView, "name">, process: string, name: string) =>
  ({
    image: release.imageId,
    environment: {
      ...release.environment,
      KHMARA_APP: app.name,
      KHMARA_RELEASE: String(release.number),
      KHMARA_PROCESS: process,
      KHMARA_CONTAINER: name,
    },
    hostName: name,
    temporaryFolders: [],
    // Most programs of others write beside themselves.
    readOnlyRoot: false,
    capabilities: release.capabilities,
    ...(release.user === undefined ? {} : { user: release.user }),
    ...(release.files === undefined || release.files.length === 0 ? {} : { files: release.files }),
    log: { fileBytes: 10 * mebibyte, files: 3 },
    init: true,
  }) satisfies Partial<ContainerSpec>;

/** Network and volumes; harmless to repeat. */
export async function ensurePlace(
  engine: AppEngine,
  place: { projectId: string; appId: string; mounts: readonly Mount[] },
  options: CallOptions = {},
): Promise<void> {
  await engine.networkCreate(projectNetwork(place.projectId), options);
  for (const { volume, disk } of place.mounts) {
    // All disks of an app are on one machine, whichever that is.
    const near = place.mounts.map((mount) => mount.volume).filter((other) => other !== volume);
    await engine.volumeCreate({ name: volume, labels: { kind: kinds.disk, app: place.appId, disk }, near }, options);
  }
}

/** Makes it where it is not, and starts it where it does not run; what runs is left as it is. */
export async function ensureContainer(
  engine: AppEngine,
  row: ContainerRow,
  release: ReleaseView,
  app: Pick<AppView, "name">,
  options: CallOptions = {},
): Promise<ContainerReport> {
  let there = await engine.containerGet(row.engineName, options);
  if (there === undefined) {
    await ensurePlace(engine, row, options);
    await giveDisks(engine, diskHelper(release), row.mounts, options);
    there = await engine.containerCreate(containerSpec(row, release, app), options);
  }
  if (there.state !== "running" && there.state !== "restarting") {
    try {
      await engine.containerStart(row.engineName, options);
    } catch (error) {
      // The engine had gone away in the middle of taking its network down and up again.
      if (!CloudError.is(error, "not_found")) throw error;
      await engine.containerRemove(row.engineName, options);
      await ensurePlace(engine, row, options);
      await engine.containerCreate(containerSpec(row, release, app), options);
      await engine.containerStart(row.engineName, options);
    }
  }
  return (await engine.containerGet(row.engineName, options)) ?? there;
}

export const addressOf = (report: Pick<ContainerReport, "addresses">, projectId: string): string | undefined =>
  report.addresses[projectNetwork(projectId).name];
