import type { Actor } from "../contract.ts";
import type { Database, Tx } from "../db/database.ts";
import { emit } from "../events.ts";
import { type Id, newId } from "../ids.ts";
import type { OperationDefinition } from "./definition.ts";
import type { OperationFailure } from "./failure.ts";

export type OperationState = "pending" | "running" | "undoing" | "succeeded" | "failed" | "cancelled";
export const finishedStates: ReadonlySet<OperationState> = new Set(["succeeded", "failed", "cancelled"]);

export interface StepRecord {
  name: string;
  state: "pending" | "running" | "done" | "failed" | "undone";
  startedAt?: string;
  finishedAt?: string;
  attempts: number;
}

export interface OperationRecord {
  id: Id<"operation">;
  kind: string;
  state: OperationState;
  organisationId: string | null;
  projectId: string | null;
  resourceKind: string | null;
  resourceId: string | null;
  resourceName: string | null;
  progress: number;
  message: string | null;
  steps: StepRecord[];
  input: Record<string, unknown>;
  memory: Record<string, unknown>;
  result: Record<string, unknown> | null;
  error: OperationFailure | null;
  cancelRequested: boolean;
  worker: string | null;
  actor: Actor;
  createdAt: Date;
  updatedAt: Date;
  finishedAt: Date | null;
}

export const operationColumns = `id, kind, state, organisation_id as "organisationId", project_id as "projectId", resource_kind as "resourceKind",
  resource_id as "resourceId", resource_name as "resourceName", progress, message, steps, input, memory, result, error,
  cancel_requested as "cancelRequested", worker, actor, created_at as "createdAt", updated_at as "updatedAt", finished_at as "finishedAt"`;

export const operationsChannel = "khmara_operations";

/** Records an operation in the transaction of the request that asks for it; a runner takes it up after the commit. */
export async function beginOperation<Input extends Record<string, unknown>>(
  tx: Tx,
  definition: OperationDefinition<Input>,
  request: {
    input: Input;
    actor: Actor;
    organisationId?: string | undefined;
    projectId?: string | undefined;
    resource?: { kind: string; id: string; name?: string | undefined };
  },
): Promise<OperationRecord> {
  const steps: StepRecord[] = definition.steps.map((step) => ({ name: step.name, state: "pending", attempts: 0 }));
  const [record] = await tx.sql<OperationRecord[]>`
    insert into kernel.operations (id, kind, state, organisation_id, project_id, resource_kind, resource_id, resource_name, steps, input, actor)
    values (${newId("operation")}, ${definition.kind}, 'pending', ${request.organisationId ?? null}, ${request.projectId ?? null}, ${request.resource?.kind ?? null},
      ${request.resource?.id ?? null}, ${request.resource?.name ?? null}, ${tx.sql.json(steps as never)}, ${tx.sql.json(request.input as never)}, ${tx.sql.json(request.actor as never)})
    returning ${tx.sql.unsafe(operationColumns)}`;
  await announce(tx, record as OperationRecord);
  await tx.sql`select pg_notify(${operationsChannel}, ${(record as OperationRecord).id})`;
  return record as OperationRecord;
}

export const announce = (
  tx: Tx,
  record: Pick<OperationRecord, "id" | "kind" | "state" | "progress" | "organisationId" | "projectId">,
): Promise<void> =>
  emit(tx, {
    type: "operations.operation.changed",
    organisationId: record.organisationId ?? undefined,
    projectId: record.projectId ?? undefined,
    payload: { id: record.id, kind: record.kind, state: record.state, progress: record.progress },
  });

/** Whether a resource has work under way. */
export async function hasActiveOperation(tx: Tx, resourceId: string): Promise<boolean> {
  const rows =
    await tx.sql`select 1 from kernel.operations where resource_id = ${resourceId} and state in ('pending', 'running', 'undoing') limit 1`;
  return rows.length > 0;
}

/** The work under way on each of some resources, the oldest first. */
export async function activeOperations(
  tx: Tx,
  resourceIds: readonly string[],
): Promise<Map<string, { id: Id<"operation">; kind: string }[]>> {
  const found = new Map<string, { id: Id<"operation">; kind: string }[]>();
  if (resourceIds.length === 0) return found;
  const rows = await tx.sql<{ id: Id<"operation">; kind: string; resourceId: string }[]>`
    select id, kind, resource_id as "resourceId" from kernel.operations
    where resource_id = any (${resourceIds as string[]}::text[]) and state in ('pending', 'running', 'undoing') order by created_at, id`;
  for (const { id, kind, resourceId } of rows) found.set(resourceId, [...(found.get(resourceId) ?? []), { id, kind }]);
  return found;
}

/** How an operation stands: for one that waits for another. */
export async function operationOutcome(
  database: Database,
  id: string,
): Promise<Pick<OperationRecord, "state" | "error" | "result"> | undefined> {
  const [row] = await database.sql<
    Pick<OperationRecord, "state" | "error" | "result">[]
  >`select state, error, result from kernel.operations where id = ${id}`;
  return row;
}

/** Which of these operations are not over yet. */
export async function unfinishedOperations(database: Database, ids: readonly string[]): Promise<Set<string>> {
  const rows = await database.sql<{ id: string }[]>`
    select id from kernel.operations where id in ${database.sql([...ids])} and state in ('pending', 'running', 'undoing')`;
  return new Set(rows.map(({ id }) => id));
}

/** No runner takes it up until `letGoOperation`: it waits for its turn behind another. In the transaction that begins it. */
export async function holdOperation(tx: Tx, id: string): Promise<void> {
  await tx.sql`update kernel.operations set run_after = 'infinity' where id = ${id}`;
}

/** Its turn has come. */
export async function letGoOperation(tx: Tx, id: string): Promise<void> {
  await tx.sql`update kernel.operations set run_after = now() where id = ${id} and run_after = 'infinity'`;
  await tx.sql`select pg_notify(${operationsChannel}, ${id})`;
}

/** One that is held until its turn need not wait for it any more. */
export async function requestCancel(tx: Tx, id: string): Promise<OperationRecord | undefined> {
  const [record] = await tx.sql<OperationRecord[]>`update kernel.operations set cancel_requested = true, updated_at = now(),
      run_after = case when run_after = 'infinity' then now() else run_after end
    where id = ${id} and state in ('pending', 'running') returning ${tx.sql.unsafe(operationColumns)}`;
  if (record) {
    await announce(tx, record);
    await tx.sql`select pg_notify(${operationsChannel}, ${id})`;
  }
  return record;
}

/** How long a worker holds an operation without a sign of life; another one then goes on with it. */
export const leaseSeconds = 10;

/** Takes the oldest operation that nobody works on. */
export async function claim(database: Database, worker: string, kinds: string[]): Promise<OperationRecord | undefined> {
  const [record] = await database.sql<OperationRecord[]>`
    update kernel.operations set worker = ${worker}, lease_until = now() + make_interval(secs => ${leaseSeconds}),
      state = case when state = 'pending' then 'running' else state end, updated_at = now()
    where id = (select id from kernel.operations where state in ('pending', 'running', 'undoing') and run_after <= now()
        and (lease_until is null or lease_until < now()) and kind in ${database.sql(kinds)}
      order by created_at for update skip locked limit 1)
    returning ${database.sql.unsafe(operationColumns)}`;
  return record;
}

/** Writes how it stands, as long as this worker still holds it; undefined when it was lost to another. */
export async function save(
  database: Database,
  record: OperationRecord,
  worker: string,
): Promise<{ cancelRequested: boolean } | undefined> {
  return database.transaction("system", async (tx) => {
    const [row] = await tx.sql<{ cancelRequested: boolean }[]>`
      update kernel.operations set state = ${record.state}, progress = ${record.progress}, message = ${record.message}, steps = ${tx.sql.json(record.steps as never)},
        memory = ${tx.sql.json(record.memory as never)}, error = ${record.error ? tx.sql.json(record.error as never) : null},
        lease_until = now() + make_interval(secs => ${leaseSeconds}), updated_at = now()
      where id = ${record.id} and worker = ${worker} returning cancel_requested as "cancelRequested"`;
    if (row) await announce(tx, record);
    return row;
  });
}

export async function renew(database: Database, id: string, worker: string): Promise<{ cancelRequested: boolean } | undefined> {
  const [row] = await database.sql<{ cancelRequested: boolean }[]>`
    update kernel.operations set lease_until = now() + make_interval(secs => ${leaseSeconds}) where id = ${id} and worker = ${worker}
    returning cancel_requested as "cancelRequested"`;
  return row;
}

/** Lets go of an operation, so that another worker (or this one, later) goes on with it at once or after a pause. */
export async function release(database: Database, id: string, worker: string, afterSeconds = 0): Promise<void> {
  await database.sql`update kernel.operations set worker = null, lease_until = null, run_after = now() + make_interval(secs => ${afterSeconds})
    where id = ${id} and worker = ${worker}`;
}

export async function conclude(
  tx: Tx,
  record: OperationRecord,
  worker: string,
  outcome: "succeeded" | "failed" | "cancelled",
  result: Record<string, unknown> | undefined,
): Promise<boolean> {
  const rows = await tx.sql`
    update kernel.operations set state = ${outcome}, progress = ${outcome === "succeeded" ? 1 : record.progress}, steps = ${tx.sql.json(record.steps as never)},
      message = ${record.message}, memory = ${tx.sql.json(record.memory as never)}, error = ${record.error ? tx.sql.json(record.error as never) : null},
      result = ${result ? tx.sql.json(result as never) : null}, worker = null, lease_until = null, updated_at = now(), finished_at = now()
    where id = ${record.id} and worker = ${worker} returning id`;
  if (rows.length > 0) await announce(tx, { ...record, state: outcome, progress: outcome === "succeeded" ? 1 : record.progress });
  return rows.length > 0;
}
