import type { Tx } from "../../../kernel/db/database.ts";
import { invalid, there } from "../../../kernel/errors.ts";
import type { Id } from "../../../kernel/ids.ts";
import type { RequestContext } from "../../../kernel/service.ts";
import { type ComputeParts, type InstanceView, openInstance, type ProjectPlace, placeOf } from "../parts.ts";
import { backupStore } from "./backups/store.ts";
import { type VolumeRow, volumeStore } from "./store.ts";

/** What snapshots, schedules and backups are of: the root disk of an instance, or a volume. */
export type Disk = ProjectPlace & {
  id: string;
  name: string;
  engineName: string;
  sizeBytes: number;
} & ({ kind: "instance"; instance: InstanceView } | { kind: "volume"; volume: VolumeRow });

/** Our name for something in the engine, made of its id. */
export const engineNameOf = (id: string): string => `kh-${id.slice(-12)}`;

/** What the engine keeps at a volume, for people who look there and for the comparison with the records. */
export const volumeLabels = (volume: Pick<VolumeRow, "id" | "projectId" | "organisationId">): Record<string, string> => ({
  volume: volume.id,
  project: volume.projectId,
  organisation: volume.organisationId,
});

export async function diskOfInstance(tx: Tx, instance: InstanceView): Promise<Disk> {
  const now = await backupStore.instanceNow(tx, instance.id);
  return { ...instance, kind: "instance", instance, sizeBytes: now?.diskBytes ?? 0 };
}
export const diskOfVolume = (volume: VolumeRow): Disk => ({ ...volume, kind: "volume", volume });

/** Whatever is locked stays as it is until the commit; undefined when the transaction sees none. */
export async function findDisk(
  parts: Pick<ComputeParts, "instances">,
  tx: Tx,
  source: { instanceId: string | null; volumeId: string | null },
): Promise<Disk | undefined> {
  if (source.instanceId) {
    const instance = await parts.instances.find(tx, source.instanceId, { lock: true });
    return instance && (await diskOfInstance(tx, instance));
  }
  const volume = await volumeStore.find(tx, source.volumeId as string, { lock: true });
  return volume && diskOfVolume(volume);
}

/** The source that a request names, locked, once it is sure that the caller may do with it what the route does. */
export async function openDisk(
  parts: Pick<ComputeParts, "instances">,
  context: Pick<RequestContext, "authorize" | "tx">,
  named: { instance?: Id<"instance"> | undefined; volume?: Id<"volume"> | undefined },
): Promise<Disk> {
  if ((named.instance === undefined) === (named.volume === undefined)) {
    throw invalid("body.instance", "Give either an instance or a volume.");
  }
  if (named.instance !== undefined) {
    return diskOfInstance(context.tx, await openInstance(parts, context, context.tx, named.instance, { lock: true }));
  }
  return diskOfVolume(await openVolume(context, named.volume as string));
}

export async function openVolume(context: Pick<RequestContext, "authorize" | "tx">, id: string): Promise<VolumeRow> {
  const volume = there(await volumeStore.find(context.tx, id, { lock: true }), "volume");
  context.authorize(placeOf(volume), "volume");
  return volume;
}

/** What audit entries and operations say of it. */
export const subjectOf = (
  kind: string,
  row: { id: string; name: string; organisationId: string; projectId: string },
): { organisationId: string; projectId: string; resource: { kind: string; id: string; name: string } } => ({
  organisationId: row.organisationId,
  projectId: row.projectId,
  resource: { kind, id: row.id, name: row.name },
});
