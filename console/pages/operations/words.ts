import type { Operation, OperationState } from "../../../services/operations/contract.ts";
import type { Format } from "../../i18n/format.ts";
import { translate, translateMaybe } from "../../i18n/i18n.ts";
import type { Tone } from "../../ui/StatusBadge.tsx";

export const tones: Record<OperationState, Tone> = {
  pending: "off",
  running: "busy",
  undoing: "warn",
  succeeded: "good",
  failed: "bad",
  cancelled: "off",
};

export const over = (state: OperationState): boolean => state === "succeeded" || state === "failed" || state === "cancelled";

/** `some_new.kind` → `Some new kind`: for what a service newer than these words does. */
function humanised(name: string): string {
  const words = name.replaceAll(/[._]/g, " ");
  return words.charAt(0).toUpperCase() + words.slice(1);
}

export const kindTitle = (kind: string): string => translateMaybe(`operations.kind.${kind}`) ?? humanised(kind);
export const stepTitle = (kind: string, step: string): string =>
  translateMaybe(`operations.step.${kind}.${step}`) ?? translateMaybe(`operations.step.${step}`) ?? humanised(step);

/** As operationActions of the contract, which would bring zod into the bundle: the reason why not, or nothing when it can be. */
export function cannotCancel(operation: Operation): string | undefined {
  if (operation.cancelRequested && !over(operation.state)) return translate("operations.cancel.asked");
  if (operation.state === "pending" || operation.state === "running") return undefined;
  return operation.state === "undoing" ? translate("operations.cancel.undoing") : translate("operations.cancel.over");
}

/** What to do about a failure, by the kind of error. */
export const advice = (code: string): string =>
  translateMaybe(`operations.advice.${code}`) ?? translate("operations.advice.internal");

/** "1200 / 5000", "123456 bytes" and both of a step become numbers of the language; other messages stay as they are. */
export function progressWords(message: string | undefined, format: Format): string | undefined {
  const bytes = message?.match(/^(\d+) bytes$/)?.[1];
  if (bytes !== undefined) return format.bytes(Number(bytes));
  const [, doneWith, ofAll, sent] = message?.match(/^(\d+) \/ (\d+), (\d+) bytes$/) ?? [];
  if (sent !== undefined)
    return `${translate("operations.counted", { done: Number(doneWith), all: Number(ofAll) })}, ${format.bytes(Number(sent))}`;
  const counted = message?.match(/^(\d+) \/ (\d+)$/);
  return counted ? translate("operations.counted", { done: Number(counted[1]), all: Number(counted[2]) }) : message;
}
