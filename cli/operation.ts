import type { Operation } from "../services/operations/contract.ts";
import type { Cloud } from "./cloud.ts";
import { bar, StatusLine } from "./progress.ts";
import { plainLine } from "./table.ts";
import type { Terminal } from "./terminal.ts";

export const isFinished = (operation: Operation): boolean => ["succeeded", "failed", "cancelled"].includes(operation.state);

const stateWords: Record<string, string> = { pending: "waiting", running: "working", undoing: "undoing" };

function stepLine(operation: Operation): string {
  const running = operation.steps.findIndex((one) => one.state === "running");
  const at = running === -1 ? undefined : `step ${running + 1} of ${operation.steps.length}: ${operation.steps[running]?.name}`;
  const parts = [bar(operation.progress), at ?? stateWords[operation.state] ?? operation.state, operation.message];
  return parts.filter(Boolean).join("  ");
}

/** Follows an operation to its end, with a bar on a terminal. */
export async function follow(cloud: Cloud, terminal: Terminal, begun: Operation, quiet: boolean): Promise<Operation> {
  const line = new StatusLine(terminal);
  let operation = begun;
  try {
    while (!isFinished(operation)) {
      if (!quiet) line.show(stepLine(operation), true);
      // Somebody who looks on sees each second how far it is; a script need not ask that often.
      const timeoutSeconds = terminal.interactive && !quiet ? 1 : 30;
      operation = await cloud.client.operationWait({ operation: operation.id, timeoutSeconds });
    }
  } finally {
    line.clear();
  }
  return operation;
}

/** What came of it, in a line. */
export function outcome(operation: Operation): string {
  const name = operation.resource?.name ?? operation.resource?.id;
  const what = `${operation.kind.split(".").slice(1).join(" ").replaceAll("_", " ")}${name === undefined ? "" : ` ${name}`}`;
  if (operation.state === "succeeded") return `${what}: done.\n`;
  if (operation.state === "cancelled") return `${what}: cancelled; what it had done was undone.\n`;
  const { step, message = "", details } = operation.error ?? {};
  const where = [step && `step ${step}`, details?.reason].filter(Boolean).join(", ");
  // A program's last words may be in it.
  return `${what}: failed. ${message.split("\n").map(plainLine).join("\n")}${where && ` (${where})`}\n`;
}
