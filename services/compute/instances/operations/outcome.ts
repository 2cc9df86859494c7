import type { Tx } from "../../../../kernel/db/database.ts";
import type { StepContext } from "../../../../kernel/operations/definition.ts";
import type { ComputeDriver, InstanceReport } from "../../driver.ts";
import { type Observed, setState, settle } from "../states.ts";
import { type InstanceRow, instanceStore } from "../store/instances.ts";

/** What every operation on an instance is told. */
export type OnInstance = { instanceId: string; engineName: string };

/** What the engine says now. */
export const observe = async (driver: ComputeDriver, engineName: string, signal?: AbortSignal): Promise<Observed> =>
  observedOf(await driver.instanceGet(engineName, signal ? { signal } : {}));

export function observedOf(report: InstanceReport | undefined): Observed {
  const at = new Date();
  if (!report) return { state: "missing", at };
  return { state: report.state, at, startedAt: report.startedAt, member: report.member || undefined };
}

/**
 * When it began to run, as exactly as can be known: the engine knows best. Never before its last change of power, for the clocks
 * of engine and control plane may differ.
 */
export function runningSince(row: Pick<InstanceRow, "powerAt">, observed: Observed): Date {
  const { startedAt, at } = observed;
  if (!startedAt || startedAt > at) return at;
  return row.powerAt && row.powerAt > startedAt ? row.powerAt : startedAt;
}

/** How far the engine's word for a start may lie after ours and still mean the same one. */
const startToleranceMs = 2000;

/** Whether it was started again since the start that the record knows of. */
export const startedAgain = (row: Pick<InstanceRow, "startedAt">, { state, startedAt }: Observed): boolean =>
  state === "running" &&
  startedAt !== undefined &&
  row.startedAt !== null &&
  startedAt.getTime() - row.startedAt.getTime() > startToleranceMs;

/**
 * Writes down what the engine says. `unseenSince`: what changed may have changed at any time since then, while nobody looked, and
 * is counted as if it had at once: what was not seen is not charged.
 */
export async function settleObserved(
  tx: Tx,
  row: InstanceRow,
  observed: Observed,
  unseenSince: Date = observed.at,
): Promise<InstanceRow> {
  const on = observed.state === "running" || observed.state === "frozen";
  const stoppedAt = new Date(Math.max(row.runningFrom?.getTime() ?? 0, Math.min(unseenSince.getTime(), observed.at.getTime())));
  // What went wrong is not mended by its having stopped.
  if (row.state === "error" && observed.state === "stopped")
    return settle(tx, row, { ...observed, at: stoppedAt }, { state: "error", stateReason: row.stateReason });
  const reason =
    observed.state === "missing"
      ? "The engine does not have it any more: somebody deleted it there."
      : observed.state === "error"
        ? "The engine says that it is in error."
        : null;
  if (!on) return settle(tx, row, { ...observed, at: stoppedAt }, { stateReason: reason });
  let before = row;
  if (row.runningFrom && observed.startedAt && startedAgain(row, observed) && stoppedAt < observed.startedAt)
    before = await settle(tx, row, { state: "stopped", at: stoppedAt });
  return settle(tx, before, { ...observed, at: before.runningFrom ? observed.at : runningSince(before, observed) });
}

/** As it lies in an operation's memory. */
interface KeptObservation {
  state: Observed["state"];
  at: number;
  startedAt?: number | undefined;
  member?: string | undefined;
}
const keep = ({ state, at, startedAt, member }: Observed): KeptObservation => ({
  state,
  at: at.getTime(),
  startedAt: startedAt?.getTime(),
  member,
});
const kept = (value: unknown): Observed | undefined => {
  if (value === undefined || value === null) return undefined;
  const { state, at, startedAt, member } = value as KeptObservation;
  return { state, at: new Date(at), startedAt: startedAt === undefined ? undefined : new Date(startedAt), member };
};

/** The undo of what cannot be taken back: it looks how the instance is now. */
export const lookAgain =
  (engine: () => ComputeDriver) =>
  async ({ input, memory, signal }: StepContext<OnInstance>): Promise<void> => {
    memory["observed"] = keep(await observe(engine(), input.engineName, signal));
  };

type Ended = { input: OnInstance; memory: Record<string, unknown>; error?: { message: string } | undefined };

/**
 * The record after an operation: on success what `succeeded` makes of it; otherwise what the engine said in the undo, or `error` with
 * the reason when it did not say. One that is being deleted meanwhile is left to that.
 */
export async function endWith(
  tx: Tx,
  { input, memory, error }: Ended,
  outcome: "succeeded" | "failed" | "cancelled",
  succeeded: (row: InstanceRow) => Promise<InstanceRow>,
  whileDeleting: "left" | "taken" = "left",
): Promise<void> {
  const row = await instanceStore.find(tx, input.instanceId, { lock: true });
  if (!row || (row.state === "deleting" && whileDeleting === "left")) return;
  if (outcome === "succeeded") {
    await succeeded(row);
    return;
  }
  const observed = kept(memory["observed"]);
  if (observed) await settleObserved(tx, row, observed);
  else await setState(tx, row, "error", `${error?.message ?? "It was cancelled."} How it is now could not be found out.`);
}

export const momentIn = (memory: Record<string, unknown>, name: string): Date => new Date(Number(memory[name] ?? Date.now()));
