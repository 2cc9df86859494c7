import type { Actor } from "../../../kernel/contract.ts";
import type { Tx } from "../../../kernel/db/database.ts";
import { invalid, nameTaken } from "../../../kernel/errors.ts";
import { type Id, newId } from "../../../kernel/ids.ts";
import { beginOperation, type OperationRecord } from "../../../kernel/operations/store.ts";
import { reserveQuota } from "../../../kernel/quota.ts";
import type { Capacity, InstanceKind } from "../driver.ts";
import type { ComputeParts, ImageView, ProjectPlace } from "../parts.ts";
import { checkUserData } from "./cloudInit.ts";
import { choosePlace } from "./engineFacts.ts";
import type { DiskSource } from "./operations/create.ts";
import { capacityQuotas } from "./operations/resize.ts";
import type { InstanceOperations } from "./operations.ts";
import { engineNameOf, sealUserData } from "./spec.ts";
import { announce } from "./states.ts";
import { groupStore } from "./store/groups.ts";
import { type InstanceRow, instanceStore } from "./store/instances.ts";
import type { SshKeyRow } from "./store/keys.ts";
import { type SizeRow, sizeStore } from "./store/sizes.ts";

export interface CreateRequest {
  place: ProjectPlace;
  actor: Actor;
  name: string;
  description?: string;
  kind: InstanceKind;
  size: Capacity & { id: Id<"size"> | null; name: string };
  image: Pick<ImageView, "name" | "defaultUser"> & { id: Id<"image"> | null };
  source: DiskSource;
  networkIds: readonly string[];
  securityGroupIds: readonly string[];
  sshKeys: readonly SshKeyRow[];
  userData: string | undefined;
  labels: Record<string, string>;
  groupId: Id<"instanceGroup"> | undefined;
  protected: boolean;
  autoRestart: boolean;
  member: string | undefined;
  start: boolean;
  hidden: boolean;
  usageOf: { kind: string; id: string; name: string } | undefined;
}

export type Creation = ReturnType<typeof createCreation>;

export function createCreation(parts: ComputeParts, operations: InstanceOperations) {
  const { facts } = operations;
  return {
    /** In one transaction: the record, its quotas and ports, and the operation that makes it. Clear errors before anything is promised. */
    async create(tx: Tx, request: CreateRequest): Promise<{ row: InstanceRow; operation: OperationRecord }> {
      const { place, image, size } = request;
      await facts.checkKind(request.kind);
      checkUserData(request.userData);
      if (request.groupId !== undefined || request.member !== undefined) await checkPlace(tx, request);
      const id = newId("instance");
      const row: InstanceRow = {
        id,
        organisationId: place.organisationId as Id<"organisation">,
        projectId: place.projectId as Id<"project">,
        name: request.name,
        engineName: engineNameOf(id),
        description: request.description ?? "",
        kind: request.kind,
        state: "creating",
        stateReason: null,
        sizeId: size.id,
        sizeName: size.name,
        vcpus: size.vcpus,
        memoryBytes: size.memoryBytes,
        diskBytes: size.diskBytes,
        imageId: image.id,
        imageName: image.name,
        groupId: request.groupId ?? null,
        labels: request.labels,
        protected: request.protected,
        autoRestart: request.autoRestart,
        restartNeeded: false,
        hidden: request.hidden,
        usageOf: request.usageOf ?? null,
        member: request.member ?? null,
        sshKeyIds: request.sshKeys.map((key) => key.id),
        sshPublicKeys: request.sshKeys.map((key) => key.publicKey),
        createdAt: new Date(),
        startedAt: null,
        runningFrom: null,
        heldFrom: null,
        powerAt: null,
        restarts: 0,
        restartAt: null,
        revision: 1,
      };
      const sealed = request.userData ? sealUserData(parts, id, request.userData) : undefined;
      if (!(await instanceStore.insert(tx, row, sealed))) throw nameTaken("instance", "This project", row.name);
      if (!row.hidden) {
        await reserveQuota(tx, place, "compute.instances", 1);
        for (const [quota, field] of capacityQuotas) await reserveQuota(tx, place, quota, row[field]);
      }
      await parts.networks.createPorts(tx, {
        place,
        instanceId: id,
        hostName: row.name,
        networkIds: [...request.networkIds],
        securityGroupIds: [...request.securityGroupIds],
        usageOf: row.usageOf ?? (row.hidden ? null : undefined),
      });
      const definition = request.source.kind === "backup" ? operations.import : operations.create;
      const operation = await beginOperation(tx, definition, {
        input: {
          instanceId: id,
          engineName: row.engineName,
          source: request.source,
          defaultUser: image.defaultUser,
          start: request.start,
        },
        actor: request.actor,
        ...place,
        resource: { kind: "instance", id, name: row.name },
      });
      await announce(tx, row);
      return { row, operation };
    },
  };

  async function checkPlace(tx: Tx, { place, groupId, member }: CreateRequest): Promise<void> {
    const group = groupId === undefined ? undefined : await groupStore.lock(tx, groupId);
    if (groupId !== undefined && group?.projectId !== place.projectId)
      throw invalid("body.group", "There is no such instance group in this project.");
    const others = group ? (await instanceStore.inGroup(tx, group.id)).map((other) => other.member) : [];
    choosePlace(await facts.members(), member, group ? { row: group, others } : undefined);
  }
}

/** A size by id or name, as a person gives it; invalid_argument names those that there are. */
export async function resolveSize(tx: Tx, idOrName: string, minimumDiskBytes = 0): Promise<SizeRow> {
  const size = await sizeStore.find(tx, idOrName);
  if (!size) throw invalid("body.size", `There is no size ${idOrName}. There are: ${(await sizeStore.offered(tx)).join(", ")}.`);
  if (size.retired)
    throw invalid(
      "body.size",
      `The size ${size.name} is not offered any more. There are: ${(await sizeStore.offered(tx)).join(", ")}.`,
    );
  if (size.diskBytes < minimumDiskBytes)
    throw invalid(
      "body.size",
      `The size ${size.name} has a disk of ${gib(size.diskBytes)}; this image needs at least ${gib(minimumDiskBytes)}. Choose a larger size.`,
    );
  return size;
}

export const gib = (bytes: number): string => `${Math.round((bytes / 1024 ** 3) * 10) / 10} GiB`;
