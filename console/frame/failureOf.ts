import type { Operation } from "../../services/operations/contract.ts";
import { useApiList } from "../api/api.ts";
import { failureText } from "../api/errors.ts";
import { useOrganisation } from "./identity.ts";

/** How many of the last operations are looked through: the failed one is hardly ever long ago. */
const lookBack = 10;

/**
 * The operation to whose failure a thing owes its `reason`: the thing tells that in English only, the operation tells its reason too.
 * undefined while it is looked for, and where there is none such.
 */
export function useFailedOperation(resource: string, reason: string | undefined): Operation | undefined {
  const organisation = useOrganisation();
  const { rows } = useApiList(
    "operationList",
    { organisation: organisation.id, resource },
    { enabled: reason !== undefined, limit: lookBack },
  );
  return reason === undefined ? undefined : rows?.find(({ error }) => error !== undefined && reason.includes(error.message));
}

/** Why a thing is in its state, in the language of the person where the operation that failed has told its reason. */
export function useReason(resource: string, reason: string | undefined): string | undefined {
  const failed = useFailedOperation(resource, reason);
  return failed?.error === undefined ? reason : failureText(failed.error);
}
