import { CloudError, notFound } from "../../../kernel/errors.ts";
import { beginOperation } from "../../../kernel/operations/store.ts";
import type { ComputeParts, InstancesPart } from "../parts.ts";
import type { InstanceState } from "./contract.ts";
import type { Creation } from "./creation.ts";
import type { Removal } from "./deletion.ts";
import type { InstanceOperations } from "./operations.ts";
import { checkIdle, partView, subjectOf } from "./presentation.ts";
import type { Reconciling } from "./reconciling.ts";
import { checkState, isPassing, isState, setState, settle } from "./states.ts";
import { instanceStore } from "./store/instances.ts";
import { sizeStore } from "./store/sizes.ts";

/** Instances as the other parts of the service use them. */
export function createPart(
  parts: ComputeParts,
  {
    creation,
    removal,
    reconciling,
    operations,
  }: { creation: Creation; removal: Removal; reconciling: Reconciling; operations: Pick<InstanceOperations, "instanceRebuild"> },
): InstancesPart {
  return {
    async find(tx, id, options = {}) {
      const row = await instanceStore.find(tx, id, options);
      return row && partView(row);
    },

    async list(tx, { projectId, states, after, limit }) {
      const rows = await instanceStore.each(tx, { projectId, states, after, limit, living: true });
      return rows.map(partView);
    },

    checkAction: checkState,

    async create(tx, request) {
      const image = await parts.images.find(tx, request.imageId);
      // A disk that comes from elsewhere does not need the image that it once was made from.
      if (!image && !request.source) throw notFound("image");
      const size = request.sizeId === undefined ? undefined : await sizeStore.find(tx, request.sizeId);
      const capacity = request.capacity ?? size;
      if (!capacity) throw new CloudError("not_found", "There is no such size.", { details: { resource: "size" } });
      const { vcpus, memoryBytes, diskBytes } = capacity;
      const { row, operation } = await creation.create(tx, {
        place: { organisationId: request.place.organisationId, projectId: request.place.projectId },
        actor: request.actor,
        name: request.name,
        kind: image?.kind ?? request.kind ?? "container",
        size: { vcpus, memoryBytes, diskBytes, id: size?.id ?? null, name: size?.name ?? "custom" },
        image: image ?? { id: null, name: request.imageName ?? "deleted", defaultUser: "root" },
        source: request.source ?? { kind: "image", engineName: image?.engineName ?? "" },
        networkIds: request.networkIds ?? [],
        securityGroupIds: request.securityGroupIds ?? [],
        sshKeys: [],
        userData: request.userData,
        labels: request.labels ?? {},
        groupId: undefined,
        protected: false,
        autoRestart: false,
        member: undefined,
        start: request.start,
        hidden: request.hidden ?? false,
        usageOf: request.usageOf,
      });
      return { instance: partView(row), operationId: operation.id };
    },

    async remove(tx, { instanceId, actor }) {
      const row = await instanceStore.find(tx, instanceId, { lock: true });
      if (!row) throw notFound("instance");
      const operation = await removal.begin(tx, row, actor, true);
      return { operationId: operation.id };
    },

    async recreate(tx, { instanceId, actor }) {
      const row = await instanceStore.find(tx, instanceId, { lock: true });
      if (!row) throw notFound("instance");
      await checkIdle(tx, row);
      const refuse = (message: string) =>
        new CloudError("failed_precondition", message, { details: { resource: "instance", reason: `state_${row.state}` } });
      if (row.state !== "missing") throw refuse(`The instance ${row.name} is not gone from the engine.`);
      const image = row.imageId === null ? undefined : await parts.images.find(tx, row.imageId);
      if (!image)
        throw refuse(
          `The image ${row.imageName} that ${row.name} was made from is deleted. Forget it, and create a new instance.`,
        );
      const { id, name, engineName, defaultUser } = image;
      const operation = await beginOperation(tx, operations.instanceRebuild, {
        input: {
          instanceId: row.id,
          engineName: row.engineName,
          image: { id, name, engineName, defaultUser },
          start: true,
          recreate: true,
        },
        actor,
        ...subjectOf(row),
      });
      await setState(tx, row, "rebuilding");
      return { operationId: operation.id };
    },

    async setState(tx, instanceId, state, reason) {
      if (!isState(state)) throw new Error(`There is no state ${state} of instances.`);
      const row = await instanceStore.find(tx, instanceId, { lock: true });
      // One that is being deleted stays so, whatever else was at work on it.
      if (!row || row.state === "deleting") return;
      if (isPassing(state) || state === "error") await setState(tx, row, state, reason);
      else
        await settle(
          tx,
          row,
          { state: state as Extract<InstanceState, "running" | "stopped" | "frozen" | "missing">, at: new Date() },
          reason === undefined ? {} : { stateReason: reason },
        );
    },

    async refresh(instanceId) {
      await reconciling.refresh(instanceId, { evenBusy: true });
    },

    reconcile: reconciling.reconcile,
  };
}
