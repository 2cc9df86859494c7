import type { Tx } from "../../../kernel/db/database.ts";
import { CloudError } from "../../../kernel/errors.ts";
import { defineOperation, type OperationDefinition } from "../../../kernel/operations/definition.ts";
import { beginOperation } from "../../../kernel/operations/store.ts";
import { viewOperation } from "../../../kernel/operations/view.ts";
import type { RequestContext } from "../../../kernel/service.ts";
import { actorIn, type ComputeParts } from "../parts.ts";
import type { Applying } from "./applying.ts";
import { removeCard, touch } from "./cards.ts";
import { publishPools } from "./pools.ts";
import { type PortRow, portStore } from "./store/ports.ts";
import { announce, auditOf, type ProjectSubject, portSubject } from "./subjects.ts";
import { partPort } from "./views.ts";

/** `result` is what the caller sees at the end: ids and ports that were picked. */
interface ApplyInput extends Record<string, unknown> {
  result: Record<string, unknown>;
}
interface CardInput extends Record<string, unknown> {
  portId: string;
  instanceId: string;
  engineName: string;
}

const applySeconds = 90;

/** Changes whose record is complete when they are begun: what is left is that the host does what it says. */
const appliedKinds = [
  "compute.network.update",
  "compute.port.update",
  "compute.security_group.update",
  "compute.address.attach",
  "compute.address.detach",
  "compute.address.delete",
  "compute.port_forward.create",
  "compute.port_forward.delete",
  "compute.load_balancer.create",
  "compute.load_balancer.update",
  "compute.load_balancer.delete",
] as const;
type AppliedKind = (typeof appliedKinds)[number];

export interface NetworkOperations {
  applied: Record<AppliedKind, OperationDefinition<ApplyInput>>;
  portCreate: OperationDefinition<CardInput>;
  portDelete: OperationDefinition<CardInput>;
  poolPublish: OperationDefinition<Record<string, never>>;
  all: OperationDefinition<never>[];
}

export function defineNetworkOperations(parts: ComputeParts, applying: Applying): NetworkOperations {
  const applied = Object.fromEntries(
    appliedKinds.map((kind) => [
      kind,
      defineOperation<ApplyInput>({
        kind,
        steps: [
          {
            name: "apply",
            deadlineSeconds: applySeconds,
            run: ({ projectId, signal }) => applying.apply(projectId as string, signal),
          },
        ],
        finish: async (_tx, { input }) => input.result,
      }),
    ]),
  ) as NetworkOperations["applied"];

  /** The instance's cards in the engine as the records have them now. */
  async function configure({ instanceId, engineName }: CardInput, signal: AbortSignal): Promise<void> {
    const ports = await parts.database.transaction("system", (tx) => portStore.of(tx, [instanceId]));
    await parts.engine().instanceConfigure(engineName, { interfaces: ports.map((port) => partPort(port).interface) }, { signal });
  }
  const forget = (tx: Tx, portId: string): Promise<void> => removeLocked(tx, portId);

  const portCreate = defineOperation<CardInput>({
    kind: "compute.port.create",
    steps: [
      {
        name: "apply",
        deadlineSeconds: applySeconds,
        run: ({ projectId, signal }) => applying.apply(projectId as string, signal),
        async undo({ input, projectId, signal, database }) {
          await database.transaction("system", (tx) => forget(tx, input.portId));
          await applying.apply(projectId as string, signal);
        },
      },
      {
        name: "plug",
        deadlineSeconds: 120,
        run: ({ input, signal }) => configure(input, signal),
        async undo({ input, signal, database }) {
          await database.transaction("system", (tx) => portStore.setLeaving(tx, input.portId, true));
          await configure(input, signal);
        },
      },
    ],
    finish: async (_tx, { input }) => ({ portId: input.portId }),
  });

  const portDelete = defineOperation<CardInput>({
    kind: "compute.port.delete",
    steps: [
      {
        name: "unplug",
        deadlineSeconds: 120,
        run: ({ input, signal }) => configure(input, signal),
        async undo({ input, signal, database }) {
          await database.transaction("system", (tx) => portStore.setLeaving(tx, input.portId, false));
          await configure(input, signal);
        },
      },
      {
        name: "apply",
        deadlineSeconds: applySeconds,
        async run({ input, projectId, signal, database }) {
          await database.transaction("system", (tx) => forget(tx, input.portId));
          await applying.apply(projectId as string, signal);
        },
      },
    ],
    finish: async (_tx, { input }) => ({ portId: input.portId }),
  });

  const poolPublish = defineOperation<Record<string, never>>({
    kind: "compute.address_pool.publish",
    steps: [{ name: "publish", deadlineSeconds: applySeconds, run: () => publishPools(parts) }],
  });

  return {
    applied,
    portCreate,
    portDelete,
    poolPublish,
    all: [...Object.values(applied), portCreate, portDelete, poolPublish] as unknown as OperationDefinition<never>[],
  };
}

async function removeLocked(tx: Tx, portId: string): Promise<void> {
  const port = await portStore.find(tx, portId);
  if (!port) return;
  await touch(tx, port);
  const locked = await portStore.find(tx, portId, { lock: true });
  if (locked) await removeCard(tx, locked);
}

/** Begins what a route answers with: the change is recorded, and the operation ends when it is true on the host. */
export async function beginApply(
  context: RequestContext,
  operations: NetworkOperations,
  kind: AppliedKind,
  subject: ProjectSubject,
  result: Record<string, unknown> = {},
) {
  const { organisationId, projectId, resource } = auditOf(subject);
  const record = await beginOperation(context.tx, operations.applied[kind], {
    input: { result },
    actor: actorIn(context),
    organisationId,
    projectId,
    resource,
  });
  return viewOperation(record);
}

export async function beginCard(
  context: RequestContext,
  definition: OperationDefinition<CardInput>,
  port: PortRow,
  engineName: string,
) {
  const { organisationId, projectId, resource } = auditOf(portSubject(port));
  await announce(context.tx, portSubject(port));
  const record = await beginOperation(context.tx, definition, {
    input: { portId: port.id, instanceId: port.instanceId, engineName },
    actor: actorIn(context),
    organisationId,
    projectId,
    resource,
  });
  return viewOperation(record);
}

/** Refused while somebody else's work on the thing is under way. */
export const busy = (resource: string, message: string): CloudError =>
  new CloudError("failed_precondition", message, { details: { resource, reason: "operation_active", retryAfterSeconds: 5 } });
