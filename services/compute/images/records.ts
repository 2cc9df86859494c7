import { createHash } from "node:crypto";
import type { Tx } from "../../../kernel/db/database.ts";
import { CloudError } from "../../../kernel/errors.ts";
import { newId } from "../../../kernel/ids.ts";
import { closeUsageSpans, openUsageSpan } from "../../../kernel/metering/journal.ts";
import { hasActiveOperation } from "../../../kernel/operations/store.ts";
import { reserveQuota } from "../../../kernel/quota.ts";
import type { ImageReport, InstanceKind } from "../driver.ts";
import type { ProjectPlace } from "../parts.ts";
import type { Image } from "./contract.ts";
import { type ImageRow, imageStore } from "./store.ts";

/** What the engine is told of an image, for people who look at it there. */
export const labelsOf = (row: Pick<ImageRow, "id" | "projectId" | "organisationId">): Record<string, string> => ({
  image: row.id,
  ...(row.projectId && row.organisationId ? { project: row.projectId, organisation: row.organisationId } : {}),
});

/**
 * Nothing that the project (or, without one, the cloud) sees has this name. What failed to become an image gives its name to the
 * next try.
 */
export async function freeName(tx: Tx, place: ProjectPlace | undefined, name: string, besidesId?: string): Promise<void> {
  const there = place
    ? (await imageStore.usable(tx, place, { name })).find(({ id }) => id !== besidesId)
    : await imageStore.ofCloud(tx, name);
  if (!there || there.id === besidesId) return;
  const own = place ? there.projectId === place.projectId : true;
  if (own && there.state === "error" && there.sizeBytes === 0 && !(await hasActiveOperation(tx, there.id))) {
    await removeImage(tx, there);
    return;
  }
  throw new CloudError(
    "already_exists",
    own
      ? `There is an image ${name} already${there.state === "ready" ? "" : ` (${there.state})`}. Choose another name, or delete it first.`
      : `The project can use an image ${name} of ${there.projectId === null ? "the cloud" : "another project"} already. Choose another name.`,
    { details: { resource: "image", reason: own ? "image_exists" : "image_name_visible", imageId: there.id } },
  );
}

/** In the transaction that begins its making: name, quota, row, event. */
export async function addImage(
  tx: Tx,
  place: ProjectPlace | undefined,
  wanted: {
    name: string;
    description: string;
    kind: InstanceKind;
    state: "building" | "importing";
    minimumDiskBytes: number;
    defaultUser: string;
    source: Image["source"];
    upload?: boolean;
  },
): Promise<ImageRow> {
  await freeName(tx, place, wanted.name);
  if (place) await reserveQuota(tx, place, "compute.images", 1);
  const id = newId("image");
  const row: ImageRow = {
    id,
    organisationId: (place?.organisationId ?? null) as ImageRow["organisationId"],
    projectId: (place?.projectId ?? null) as ImageRow["projectId"],
    name: wanted.name,
    description: wanted.description,
    engineName: `kh-${id.slice(-12)}`,
    kind: wanted.kind,
    state: wanted.state,
    stateReason: null,
    operationId: null,
    architecture: null,
    sizeBytes: 0,
    minimumDiskBytes: wanted.minimumDiskBytes,
    defaultUser: wanted.defaultUser,
    fingerprint: null,
    visibility: place ? "private" : "public",
    sourceKind: wanted.source.kind,
    sourceName: wanted.source.name,
    createdAt: new Date(),
    revision: 1,
  };
  if (await imageStore.insert(tx, row, { upload: wanted.upload ?? false })) return row;
  throw new CloudError("already_exists", `There is an image ${wanted.name} already. Choose another name.`, {
    details: { resource: "image", reason: "image_exists" },
  });
}

export type FoundImage = Pick<ImageReport, "kind" | "architecture" | "sizeBytes" | "fingerprint">;

/** It is there: from now on it can be used, and a project's own one is billed. */
export async function becomeReady(
  tx: Tx,
  row: ImageRow,
  found: FoundImage,
  minimumDiskBytes?: number | undefined,
): Promise<void> {
  await imageStore.setState(tx, row, { state: "ready", found, minimumDiskBytes });
  await hold(tx, row, found.sizeBytes, new Date());
}

async function hold(tx: Tx, row: ImageRow, sizeBytes: number, from: Date): Promise<void> {
  if (row.organisationId === null || row.projectId === null) return;
  await openUsageSpan(tx, {
    // Derived, so that the same one is not opened twice.
    id: `use_${createHash("sha256").update(`${row.id} ${from.getTime()}`).digest("hex").slice(0, 32)}`,
    organisationId: row.organisationId,
    projectId: row.projectId,
    service: "compute",
    resource: { kind: "image", id: row.id, name: row.name },
    meter: "compute.images",
    unit: "byte",
    from,
    rate: sizeBytes,
  });
}

const goneReason = "It is gone from the engine without our doing. Delete it, and make it again.";
export const isGone = (row: Pick<ImageRow, "state" | "stateReason">): boolean =>
  row.state === "error" && row.stateReason === goneReason;

/** Its bytes are not in the engine any more; what is not there costs nothing. */
export async function becomeGone(tx: Tx, row: ImageRow): Promise<void> {
  await imageStore.setState(tx, row, { state: "error", reason: goneReason });
  await closeUsageSpans(tx, row.id, new Date());
}

/** They are there again: somebody put them back, or the engine was not all there. */
export async function becomeFound(tx: Tx, row: ImageRow): Promise<void> {
  await imageStore.setState(tx, row, { state: "ready" });
  await hold(tx, row, row.sizeBytes, new Date());
}

/** The record goes, with its shares, its quota and its billing. */
export async function removeImage(tx: Tx, row: ImageRow): Promise<void> {
  await imageStore.delete(tx, row);
  await closeUsageSpans(tx, row.id, new Date());
  if (row.organisationId !== null && row.projectId !== null)
    await reserveQuota(tx, { organisationId: row.organisationId, projectId: row.projectId }, "compute.images", -1);
}
