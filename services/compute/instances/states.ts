import { createHash } from "node:crypto";
import type { Tx } from "../../../kernel/db/database.ts";
import { CloudError } from "../../../kernel/errors.ts";
import { emit } from "../../../kernel/events.ts";
import { closeUsageSpansOf, openUsageSpan } from "../../../kernel/metering/journal.ts";
import type { PowerState } from "../driver.ts";
import { type InstanceAction, type InstanceState, instanceActions, instanceMeters } from "./contract.ts";
import { type InstanceChange, type InstanceRow, instanceStore } from "./store/instances.ts";

/** What the engine said of an instance, and when that began to be so. */
export interface Observed {
  state: PowerState | "missing";
  at: Date;
  /** Of the run that it is in. */
  startedAt?: Date | undefined;
  member?: string | undefined;
}

export const isState = (state: string): state is InstanceState => Object.hasOwn(stateWords, state);

const stateWords: Record<InstanceState, string> = {
  creating: "is being created",
  running: "is running",
  stopped: "is stopped",
  frozen: "is frozen",
  starting: "is starting",
  stopping: "is stopping",
  restarting: "is restarting",
  resizing: "is being resized",
  rebuilding: "is being rebuilt",
  restoring: "is being restored",
  moving: "is being moved",
  deleting: "is being deleted",
  error: "is in error",
  missing: "is gone from the engine",
};
const actionWords: Record<InstanceAction, string> = {
  start: "start it",
  stop: "stop it",
  restart: "restart it",
  freeze: "freeze it",
  unfreeze: "unfreeze it",
  resize: "resize it",
  rebuild: "rebuild it",
  rename: "rename it",
  terminal: "open a terminal in it",
  passwordReset: "set a password in it",
  snapshot: "make a snapshot of it",
  restore: "restore it",
  image: "make an image of it",
  attachVolume: "attach or detach volumes",
  move: "move it",
  delete: "delete it",
  forceDelete: "delete it by force",
};
/** What has an operation at work ends by itself. */
export const isPassing = (state: string): boolean => state.endsWith("ing") && state !== "running";

/** Throws what the API answers with 409 when the rules of states do not allow it. */
export function checkState(instance: { name: string; state: string }, action: string): void {
  if (!Object.hasOwn(instanceActions, action)) throw new Error(`There is no action ${action} of instances.`);
  const states: readonly string[] = instanceActions[action as InstanceAction];
  if (states.includes(instance.state)) return;
  const { state } = instance;
  const now = `The instance ${instance.name} ${stateWords[state as InstanceState] ?? state}.`;
  const advice = isPassing(state)
    ? "Wait until that is finished."
    : state === "missing"
      ? "All that is left is to delete it."
      : `To ${actionWords[action as InstanceAction]} it has to be ${orList(states)}.`;
  throw new CloudError("failed_precondition", `${now} ${advice}`, {
    details: { resource: "instance", reason: `state_${state}`, ...(isPassing(state) ? { retryAfterSeconds: 5 } : {}) },
  });
}

/** What may be done while an operation is at work on it, if the state allows it: it stands in nobody's way. */
const besideOperations: ReadonlySet<InstanceAction> = new Set(["rename", "terminal", "passwordReset", "forceDelete"]);

const rulesFor = (state: InstanceState, busy: boolean): InstanceAction[] =>
  (Object.keys(instanceActions) as InstanceAction[]).filter(
    (action) => instanceActions[action].includes(state) && (!busy || besideOperations.has(action)),
  );
const allowed = new Map(
  (Object.keys(stateWords) as InstanceState[]).map((state) => [
    state,
    { idle: rulesFor(state, false), busy: rulesFor(state, true) },
  ]),
);

/** What may be done now. */
export const allowedActions = (state: InstanceState, busy: boolean): InstanceAction[] =>
  allowed.get(state)?.[busy ? "busy" : "idle"] ?? [];

const orList = (words: readonly string[]): string =>
  words.length < 2 ? words.join("") : `${words.slice(0, -1).join(", ")} or ${words.at(-1)}`;

export const announce = (tx: Tx, row: InstanceRow, state: InstanceState | "deleted" = row.state): Promise<void> =>
  row.hidden
    ? Promise.resolve()
    : emit(tx, {
        type: "compute.instance.changed",
        organisationId: row.organisationId,
        projectId: row.projectId,
        payload: { instanceId: row.id, name: row.name, state },
      });

export type InstanceMeter = keyof typeof instanceMeters;

/** The span of a meter that began at that moment; derived, so that opening it twice opens one. */
const spanId = (instanceId: string, meter: InstanceMeter, from: Date): string =>
  `use_${createHash("sha256").update(`${instanceId} ${meter} ${from.getTime()}`).digest("hex").slice(0, 32)}`;

const runningMeters = ["compute.vcpus", "compute.memory"] as const;
const rateOf = (row: InstanceRow, meter: InstanceMeter): number =>
  meter === "compute.vcpus" ? row.vcpus : meter === "compute.memory" ? row.memoryBytes : row.diskBytes;

async function openSpans(tx: Tx, row: InstanceRow, meters: readonly InstanceMeter[], from: Date): Promise<void> {
  // What is hidden belongs to a job, which pays for it, or to the cloud itself.
  if (row.hidden && !row.usageOf) return;
  for (const meter of meters) {
    await openUsageSpan(tx, {
      id: spanId(row.id, meter, from),
      organisationId: row.organisationId,
      projectId: row.projectId,
      service: "compute",
      meter,
      // Of the rate; what it comes to is in that unit times seconds, as the meter says.
      unit: instanceMeters[meter].unit.replace(/_seconds$/, ""),
      resource: row.usageOf ?? { kind: "instance", id: row.id, name: row.name },
      from,
      rate: rateOf(row, meter),
    });
  }
}

const closeSpans = (tx: Tx, row: InstanceRow, meters: readonly InstanceMeter[], from: Date, to: Date): Promise<void> =>
  closeUsageSpansOf(
    tx,
    meters.map((meter) => spanId(row.id, meter, from)),
    to,
  );

/**
 * Writes a state down, and with it what is held from that moment on: processors and memory while it runs or is frozen, the root disk
 * while there is one. A passing state changes nothing of that, and `error` only what is known otherwise.
 */
export async function settle(
  tx: Tx,
  row: InstanceRow,
  observed: Pick<Observed, "state" | "at" | "startedAt" | "member">,
  change: InstanceChange = {},
): Promise<InstanceRow> {
  const { state, at } = observed;
  const on = state === "running" || state === "frozen";
  const off = state === "stopped" || state === "missing";
  // An automatic restart that is due belongs to the state before.
  const next: InstanceChange = { state, stateReason: null, restartAt: null, ...change };
  if (observed.member !== undefined) next.member = observed.member;
  const last = (other: Date | null) => new Date(Math.max(at.getTime(), other?.getTime() ?? 0));
  if (state !== "error" && state !== row.state) next.powerAt = last(row.powerAt);
  if (on && !row.runningFrom) {
    next.runningFrom = at;
    next.startedAt = observed.startedAt ?? at;
    await openSpans(tx, row, runningMeters, at);
  } else if (on && observed.startedAt && row.startedAt && observed.startedAt > row.startedAt) {
    next.startedAt = observed.startedAt;
  }
  if (off) {
    if (row.runningFrom) await closeSpans(tx, row, runningMeters, row.runningFrom, at);
    next.runningFrom = null;
    next.startedAt = null;
  }
  if (state !== "missing" && !row.heldFrom) {
    next.heldFrom = at;
    await openSpans(tx, row, ["compute.disk"], at);
  } else if (state === "missing" && row.heldFrom) {
    next.heldFrom = null;
    await closeSpans(tx, row, ["compute.disk"], row.heldFrom, at);
  }
  const after = await instanceStore.update(tx, row.id, next);
  if (after.state !== row.state || after.stateReason !== row.stateReason || after.name !== row.name) await announce(tx, after);
  return after;
}

/** There is a root disk since then. */
export async function hold(tx: Tx, row: InstanceRow, from: Date): Promise<InstanceRow> {
  if (row.heldFrom) return row;
  await openSpans(tx, row, ["compute.disk"], from);
  return instanceStore.update(tx, row.id, { heldFrom: from });
}

/** A passing state, or `error`: what is held stays as it is. */
export async function setState(tx: Tx, row: InstanceRow, state: InstanceState, reason?: string): Promise<InstanceRow> {
  const after = await instanceStore.update(tx, row.id, { state, stateReason: reason ?? null });
  if (after.state !== row.state || after.stateReason !== row.stateReason) await announce(tx, after);
  return after;
}

/** From that moment on it holds other amounts. */
export async function changeCapacity(
  tx: Tx,
  row: InstanceRow,
  size: Pick<InstanceRow, "vcpus" | "memoryBytes" | "diskBytes">,
  at: Date,
): Promise<InstanceRow> {
  const changed: InstanceRow = { ...row, ...size };
  const next: InstanceChange = { ...size };
  if (row.runningFrom && (size.vcpus !== row.vcpus || size.memoryBytes !== row.memoryBytes)) {
    next.runningFrom = notBefore(at, row.runningFrom);
    await closeSpans(tx, row, runningMeters, row.runningFrom, next.runningFrom);
    await openSpans(tx, changed, runningMeters, next.runningFrom);
  }
  if (row.heldFrom && size.diskBytes !== row.diskBytes) {
    next.heldFrom = notBefore(at, row.heldFrom);
    await closeSpans(tx, row, ["compute.disk"], row.heldFrom, next.heldFrom);
    await openSpans(tx, changed, ["compute.disk"], next.heldFrom);
  }
  return instanceStore.update(tx, row.id, next);
}

/** A span of its own has an id of its own: two of one instance never begin in the same millisecond. */
const notBefore = (at: Date, from: Date): Date => new Date(Math.max(at.getTime(), from.getTime() + 1));

/** When it is deleted: all that it held is given back. */
export async function release(tx: Tx, row: InstanceRow, at: Date): Promise<void> {
  if (row.runningFrom) await closeSpans(tx, row, runningMeters, row.runningFrom, at);
  if (row.heldFrom) await closeSpans(tx, row, ["compute.disk"], row.heldFrom, at);
}
