import type { Actor } from "../contract.ts";
import type { Database, Tx } from "../db/database.ts";
import type { Log } from "../log.ts";
import type { OperationFailure } from "./failure.ts";

/**
 * Thrown by a step, or its undo, that waits for something else, such as another operation: the operation is laid aside and the step begun again
 * after a moment, as often as it takes. Meanwhile it takes no place of those that work, so that what it waits for finds one. `begunAt` tells since when.
 */
export class NotYet extends Error {
  readonly seconds: number;

  constructor(seconds = 1) {
    super("It waits for something else.");
    this.seconds = seconds;
  }
}

/** What a step works with. */
export interface StepContext<Input> {
  operationId: string;
  input: Input;
  actor: Actor;
  organisationId: string | undefined;
  projectId: string | undefined;
  /** 1, or more when it was begun before: after a crash, or after a failure that is tried again. */
  attempt: number;
  /** When this step was first begun. */
  begunAt: Date;
  /** What earlier steps left; a change is kept when the step ends, or at once with `remember`. */
  memory: Record<string, unknown>;
  remember(): Promise<void>;
  /** Aborted at the step's deadline, when cancelling is asked for, and when the process stops. */
  signal: AbortSignal;
  /** 0 to 1 within this step. Cheap to call often: it is written down at most twice a second. */
  progress(fraction: number, message?: string): void;
  database: Database;
  log: Log;
}

/**
 * A step may run again after a crash, from its beginning, though it was already done in part or whole: it must come out the same.
 * The same holds for its undo, which is called for every step that was begun, in reverse order, when a later one fails.
 */
export interface OperationStep<Input> {
  name: string;
  deadlineSeconds: number;
  /** How often it is tried when it fails with `unavailable` (7 unless said: for half a minute) or `deadline_exceeded` (3). */
  attempts?: number;
  run(context: StepContext<Input>): Promise<void>;
  undo?(context: StepContext<Input>): Promise<void>;
}

export interface OperationDefinition<Input extends Record<string, unknown> = Record<string, unknown>> {
  /** `<service>.<resource>.<verb>` */
  kind: string;
  steps: OperationStep<Input>[];
  /** It moves so many bytes that it may take hours: only a few places of a process are for such, so that short ones need not wait. */
  long?: true;
  /** In the transaction that ends the operation: the record takes its final state together with it. `result` is what the caller sees. */
  finish?(
    tx: Tx,
    context: Omit<StepContext<Input>, "signal" | "progress" | "remember" | "attempt" | "begunAt"> & {
      /** What went wrong; set unless it succeeded. */
      error?: OperationFailure | undefined;
    },
    outcome: "succeeded" | "failed" | "cancelled",
  ): Promise<Record<string, unknown> | undefined>;
}

export const defineOperation = <Input extends Record<string, unknown>>(
  definition: OperationDefinition<Input>,
): OperationDefinition<Input> => definition;
