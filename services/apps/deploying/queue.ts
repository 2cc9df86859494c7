/**
 * One deployment of an app at a time. Each has its operation from the beginning, which is held (kernel/operations/store.ts) until the one
 * before it has ended: whatever ends an app's work lets the next one go, in the same transaction.
 */
import type { Actor } from "../../../kernel/contract.ts";
import type { Tx } from "../../../kernel/db/database.ts";
import { CloudError } from "../../../kernel/errors.ts";
import { type Id, newId } from "../../../kernel/ids.ts";
import type { OperationDefinition } from "../../../kernel/operations/definition.ts";
import {
  beginOperation,
  holdOperation,
  letGoOperation,
  type OperationRecord,
  requestCancel,
} from "../../../kernel/operations/store.ts";
import { subjectOf } from "../subjects.ts";
import type { DeploymentSource } from "./contract.ts";
import { type DeploymentRequest, kindOf } from "./requests.ts";
import { type AppRow, appStore } from "./store/apps.ts";
import { type DeploymentRow, deploymentStore } from "./store/deployments.ts";

/** More than these wait for nobody. */
const maximumQueued = 20;

export type DeploymentInput = { deploymentId: Id<"deployment"> };

export interface DeploymentOperations {
  build: OperationDefinition<DeploymentInput>;
  release: OperationDefinition<DeploymentInput>;
}

export interface Enqueued {
  deployment: DeploymentRow;
  operation: OperationRecord;
}

/** In the transaction that holds the app's row. A queued one of the same kind is superseded: nobody would see what it brings. */
export async function enqueue(
  tx: Tx,
  operations: DeploymentOperations,
  app: AppRow,
  wanted: { id?: Id<"deployment">; source: DeploymentSource; request: DeploymentRequest; actor: Actor },
): Promise<Enqueued> {
  const kind = kindOf(wanted.request);
  const waiting = await deploymentStore.unfinished(tx, [app.id]);
  for (const each of waiting)
    if (each.kind === kind && each.state === "queued" && supersedes(wanted.request, each.request))
      await end(tx, each, "superseded");
  if (waiting.length > maximumQueued)
    throw new CloudError("failed_precondition", `${waiting.length} deployments of this app wait already. Wait, or cancel some.`, {
      details: { reason: "too_many_queued" },
    });
  const id = wanted.id ?? newId("deployment");
  const number = await appStore.nextNumber(tx, app.id, "deployment");
  const operation = await beginOperation(tx, operations[kind], {
    input: { deploymentId: id },
    actor: wanted.actor,
    organisationId: app.organisationId,
    projectId: app.projectId,
    resource: { kind: "deployment", id, name: `${app.name} ${number}` },
  });
  await holdOperation(tx, operation.id);
  const deployment: DeploymentRow = {
    id,
    organisationId: app.organisationId,
    projectId: app.projectId,
    appId: app.id,
    number,
    kind,
    state: "queued",
    error: null,
    source: wanted.source,
    request: wanted.request,
    runtime: null,
    releaseId: null,
    releaseNumber: null,
    operationId: operation.id,
    turnAt: null,
    createdBy: wanted.actor,
    createdAt: new Date(),
    startedAt: null,
    finishedAt: null,
  };
  await deploymentStore.insert(tx, deployment);
  await appStore.touch(tx, app);
  await nextTurn(tx, app.id);
  return { deployment, operation };
}

/**
 * What is live, once more with the settings of now; nothing where nothing runs: they wait for the next deployment. `what` is for people:
 * "Settings: LOG_LEVEL".
 */
export async function deployAgain(
  tx: Tx,
  operations: DeploymentOperations,
  app: AppRow,
  what: string,
  actor: Actor,
): Promise<Enqueued | undefined> {
  if (app.liveReleaseId === null || (app.state !== "running" && app.state !== "failing")) return undefined;
  return enqueue(tx, operations, app, {
    source: { kind: "settings", description: what },
    request: { what: "settings", releaseId: app.liveReleaseId },
    actor,
  });
}

/** A change of settings takes nothing away from a rollback that waits. */
const supersedes = (newer: DeploymentRequest, older: DeploymentRequest): boolean =>
  kindOf(newer) === "build" || newer.what === older.what;

/** Whoever waits is let go when nothing of the app is at work. */
export async function nextTurn(tx: Tx, appId: string): Promise<void> {
  const app = await appStore.find(tx, appId, { lock: true });
  if (!app || app.operationId !== null) return;
  const waiting = await deploymentStore.unfinished(tx, [appId]);
  const [next] = waiting;
  if (next === undefined || waiting.some(({ turnAt }) => turnAt !== null)) return;
  await deploymentStore.giveTurn(tx, next.id);
  await letGoOperation(tx, next.operationId as string);
}

/** Of one that has not begun: its operation has nothing to undo. The turn goes on when that ends. */
async function end(tx: Tx, row: DeploymentRow, state: "superseded" | "cancelled"): Promise<void> {
  await requestCancel(tx, row.operationId as string);
  await deploymentStore.finish(tx, row, state);
}

/** failed_precondition once it has switched, or when it is over. */
export async function cancelDeployment(tx: Tx, row: DeploymentRow): Promise<void> {
  if (row.finishedAt !== null || row.state === "switching")
    throw new CloudError(
      "failed_precondition",
      row.finishedAt === null
        ? `Deployment ${row.number} has switched already. Roll back instead.`
        : `Deployment ${row.number} is over (${row.state}).`,
      { details: { resource: "deployment", reason: "deployment_state", state: row.state } },
    );
  if (row.state === "queued") await end(tx, row, "cancelled");
  else await requestCancel(tx, row.operationId as string);
}

/** conflict while a deployment, a start, a stop or a deletion is at work. */
export async function checkIdle(tx: Tx, app: AppRow): Promise<void> {
  const [deployment] = await deploymentStore.unfinished(tx, [app.id]);
  if (deployment === undefined && app.operationId === null) return;
  throw new CloudError(
    "conflict",
    deployment === undefined
      ? `The app ${app.name} is being started or stopped. Try again when that is done.`
      : `Deployment ${deployment.number} of ${app.name} is under way. Wait for it, or cancel it.`,
    { details: { resource: "app", reason: "app_busy", ...(deployment ? { deploymentId: deployment.id } : {}) } },
  );
}

/** Begins work on the app itself, in the transaction that holds its row. */
export async function beginOnApp<Input extends Record<string, unknown>>(
  tx: Tx,
  definition: OperationDefinition<Input>,
  app: AppRow,
  actor: Actor,
  input: Input,
): Promise<OperationRecord> {
  const operation = await beginOperation(tx, definition, { input, actor, ...subjectOf(app) });
  await appStore.setOperation(tx, app.id, operation.id);
  return operation;
}
