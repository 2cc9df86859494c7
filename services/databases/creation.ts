/** A new database in the caller's transaction: quota, record, operation; and the steps that all ways of making one share. */
import type { Actor } from "../../kernel/contract.ts";
import type { Tx } from "../../kernel/db/database.ts";
import { CloudError, nameTaken, there } from "../../kernel/errors.ts";
import { type Id, newId } from "../../kernel/ids.ts";
import type { OperationDefinition, StepContext } from "../../kernel/operations/definition.ts";
import { beginOperation, type OperationRecord } from "../../kernel/operations/store.ts";
import { reserveQuota } from "../../kernel/quota.ts";
import { issueFor, renewAfterDays } from "./certificates.ts";
import type { DatabaseVersion } from "./contract.ts";
import type { ServerSpec } from "./driver.ts";
import { containerOf, type DatabasesParts, specOf, subjectOf, volumeOf } from "./parts.ts";
import { type DatabaseRow, databaseStore, holdDatabase, releaseDatabase } from "./store.ts";

export const dayMs = 86_400_000;

export interface NewDatabase {
  organisationId: string;
  projectId: string;
  name: string;
  version: DatabaseVersion;
  memoryBytes: number;
  cpus: number;
  diskBytes: number;
  databaseName: string;
  ownerName: string;
  bucket: { id: string; name: string } | undefined;
  backupHour: number;
  keepDays: number;
  protected: boolean;
}

export async function insertDatabase<Input extends { databaseId: string }>(
  tx: Tx,
  definition: OperationDefinition<Input>,
  wanted: NewDatabase,
  actor: Actor,
  input: Omit<Input, "databaseId">,
): Promise<{ row: Omit<DatabaseRow, "recoverableFrom">; operation: OperationRecord }> {
  await reserveQuota(tx, wanted, "databases.databases", 1);
  await reserveQuota(tx, wanted, "databases.memory", wanted.memoryBytes);
  await reserveQuota(tx, wanted, "databases.disk", wanted.diskBytes);
  const id = newId("database");
  const { bucket, ...rest } = wanted;
  const row: Omit<DatabaseRow, "recoverableFrom"> = {
    ...rest,
    id,
    organisationId: wanted.organisationId as Id<"organisation">,
    projectId: wanted.projectId as Id<"project">,
    engine: "postgres",
    state: "creating",
    stateReason: null,
    usedBytes: null,
    readOnly: false,
    port: null,
    incarnation: 1,
    bucketId: (bucket?.id ?? null) as Id<"bucket"> | null,
    bucketName: bucket?.name ?? null,
    nextBackupAt: null,
    recoverableUntil: null,
    certificateUntil: null,
    operationId: null,
    createdAt: new Date(),
    revision: 1,
  };
  const operation = await beginOperation(tx, definition, {
    input: { ...input, databaseId: id } as unknown as Input,
    actor,
    ...subjectOf("database", row, row.name),
  });
  row.operationId = operation.id;
  if (!(await databaseStore.insert(tx, row))) throw nameTaken("database", "This project", row.name);
  return { row, operation };
}

export async function giveBack(tx: Tx, row: DatabaseRow): Promise<void> {
  await reserveQuota(tx, row, "databases.databases", -1);
  await reserveQuota(tx, row, "databases.memory", -row.memoryBytes);
  await reserveQuota(tx, row, "databases.disk", -row.diskBytes);
}

/** The record goes, and what it held. */
export async function forgetDatabase(tx: Tx, row: DatabaseRow): Promise<void> {
  await releaseDatabase(tx, row.id, new Date());
  await giveBack(tx, row);
  await databaseStore.delete(tx, row);
}

export const readDatabase = async (parts: Pick<DatabasesParts, "database">, id: string): Promise<DatabaseRow> =>
  there(await parts.database.transaction("system", (tx) => databaseStore.find(tx, id)), "database");

/** Sets the state that goes with an operation, and begins it. */
export async function beginOnDatabase<Input extends Record<string, unknown>>(
  tx: Tx,
  definition: OperationDefinition<Input>,
  row: DatabaseRow,
  request: { input: Input; actor: Actor; change: Parameters<typeof databaseStore.update>[2] },
): Promise<OperationRecord> {
  const operation = await beginOperation(tx, definition, {
    input: request.input,
    actor: request.actor,
    ...subjectOf("database", row, row.name),
  });
  await databaseStore.update(tx, row.id, { stateReason: null, ...request.change, operationId: operation.id });
  return operation;
}

/** With a port of the host and a new certificate. */
export async function preparedSpec(parts: DatabasesParts, id: string, besides: readonly number[] = []): Promise<ServerSpec> {
  let row = await readDatabase(parts, id);
  if (row.port === null || besides.includes(row.port)) {
    const port = await parts.database.transaction("system", (tx) => databaseStore.takePort(tx, id, parts.ports, besides));
    if (port === undefined)
      throw new CloudError(
        "failed_precondition",
        `All ports from ${parts.ports.first} to ${parts.ports.last} are taken on this host. Delete a database that is not needed.`,
        { details: { reason: "ports_used_up" } },
      );
    row = { ...row, port };
  }
  const certificate = await issueFor(parts, row);
  await parts.database.transaction("system", (tx) =>
    databaseStore.note(tx, id, { certificateUntil: new Date(Date.now() + renewAfterDays * dayMs) }),
  );
  return { ...specOf(parts, row), certificate };
}

/**
 * Settings written and the server started, on another port where somebody else on this host has taken ours. `begin` brings the data into the
 * volume, and is repeated.
 */
export async function bringUp(
  parts: DatabasesParts,
  id: string,
  { signal, progress }: Pick<StepContext<Record<string, unknown>>, "signal" | "progress">,
  begin: (spec: ServerSpec) => Promise<void>,
): Promise<ServerSpec> {
  const taken: number[] = [];
  for (;;) {
    const spec = await preparedSpec(parts, id, taken);
    try {
      await begin(spec);
      await parts.driver().start(spec, { signal, progress });
      return spec;
    } catch (error) {
      if (!portTaken(error) || spec.port === undefined || taken.length === 20) throw error;
      taken.push(spec.port.port);
      await parts.driver().remove(spec.name, { signal });
    }
  }
}

const portTaken = (error: unknown): boolean => CloudError.is(error) && error.details.reason === "engine_port_taken";

/** What a creation that failed has left in the engine. */
export async function takeAway(parts: DatabasesParts, id: string, signal: AbortSignal): Promise<void> {
  const row = await readDatabase(parts, id);
  await parts.driver().remove(containerOf(row), { signal });
  await parts.driver().discard(volumeOf(row), { signal });
}

/** In the transaction that ends the making of a database. */
export async function endCreation(
  tx: Tx,
  id: string,
  left: boolean,
  outcome: "succeeded" | "failed" | "cancelled",
  message: string | undefined,
): Promise<DatabaseRow | undefined> {
  const row = await databaseStore.find(tx, id, { lock: true });
  if (!row) return undefined;
  if (outcome === "succeeded") {
    const now = new Date();
    const made = await databaseStore.update(tx, id, {
      state: "running",
      stateReason: null,
      operationId: null,
      // The first backup at once: without one there is nothing to recover from.
      nextBackupAt: row.bucketId === null ? null : now,
    });
    await holdDatabase(tx, made, now);
    return made;
  }
  if (left) {
    const reason = `It could not be made, and what there is of it could not be removed; delete it. ${message ?? "It was cancelled."}`;
    await databaseStore.update(tx, id, { state: "error", stateReason: reason, operationId: null });
    return undefined;
  }
  await giveBack(tx, row);
  await databaseStore.delete(tx, row);
  return undefined;
}
