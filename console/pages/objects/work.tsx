import { Progress } from "@mantine/core";
import { notifications } from "@mantine/notifications";
import { CloudError, type ErrorCode, type ErrorDetails } from "../../../kernel/errors.ts";
import type { Operation } from "../../../services/operations/contract.ts";
import { client } from "../../api/api.ts";
import { translate } from "../../i18n/i18n.ts";
import { toastDone, toastError, toastUndo } from "../../ui/toast.ts";

const over = new Set<Operation["state"]>(["succeeded", "failed", "cancelled"]);

/** Waits until an operation is over; throws what it failed with. */
export async function finished(operation: Operation, onProgress: (progress: number) => void = () => {}): Promise<Operation> {
  let now = operation;
  while (!over.has(now.state)) {
    now = await client.operationWait({ operation: now.id, timeoutSeconds: 2 });
    onProgress(now.progress);
  }
  if (now.state === "succeeded") return now;
  throw new CloudError(
    (now.error?.code as ErrorCode | undefined) ?? "cancelled",
    now.error?.message ?? translate("objects.work.cancelled"),
    { details: { ...(now.error?.details as ErrorDetails | undefined), operation: now.id } },
  );
}

/** The route takes an empty body, which the types of merged arguments read as "nothing at all". */
export const restoreTrash = (bucket: string, trash: string): Promise<Operation> =>
  client.trashRestore({ bucket, trash } as never);

/** Below this a person sees no more than the result. */
const quickMs = 600;

export interface Work {
  /** "Moving 3 items…" */
  working: string;
  /** "3 items moved to Photos" */
  done: string;
  start: () => Promise<Operation[]>;
  undo?: ((operations: Operation[]) => Promise<unknown>) | undefined;
}

/** Runs operations behind a toast: what is being done with its progress, then what was done with Undo, or why not. */
export async function work({ working, done, start, undo }: Work): Promise<Operation[] | undefined> {
  const id = `work-${crypto.randomUUID()}`;
  let shown = false;
  let share = 0;
  const show = () => {
    const content = {
      id,
      autoClose: false as const,
      withCloseButton: false,
      message: (
        <div>
          {working}
          <Progress value={share * 100} animated={share === 0} aria-label={working} size="sm" mt={8} />
        </div>
      ),
    };
    if (shown) notifications.update(content);
    else notifications.show(content);
    shown = true;
  };
  const timer = setTimeout(show, quickMs);
  try {
    const started = await start();
    const shares = started.map(({ progress }) => progress);
    const operations = await Promise.all(
      started.map((operation, index) =>
        finished(operation, (progress) => {
          shares[index] = progress;
          share = shares.reduce((sum, one) => sum + one, 0) / shares.length;
          if (shown) show();
        }),
      ),
    );
    clearTimeout(timer);
    if (shown) notifications.hide(id);
    if (undo) toastUndo(done, () => undo(operations));
    else toastDone(done);
    return operations;
  } catch (error) {
    clearTimeout(timer);
    if (shown) notifications.hide(id);
    toastError(error);
    return undefined;
  }
}

export function chunks<T>(list: readonly T[], size: number): T[][] {
  const some: T[][] = [];
  for (let at = 0; at < list.length; at += size) some.push(list.slice(at, at + size));
  return some;
}
