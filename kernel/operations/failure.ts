import { CloudError, type ErrorDetails } from "../errors.ts";

/** Why an operation failed, as it is kept and shown: what a refused request says, and at which step. */
export interface OperationFailure {
  /** One of `errorCodes`. */
  code: string;
  /** In English, for people. */
  message: string;
  step?: string;
  /** As of a refused request: its `reason`, and what that is about, for programs and other languages. Absent where there is nothing to say. */
  details?: ErrorDetails;
}

/** What a program said may be long, and is in the log anyway. */
const longestDetails = 16 * 1024;

/** The failure that an error stands for. What nobody foresaw tells nothing of the inside. */
export function failureOf(error: unknown, step?: string): OperationFailure {
  const known = CloudError.is(error)
    ? error
    : new CloudError("internal", "Something went wrong inside the cloud; the log has the details.", { cause: error });
  const details = keptDetails(known.details);
  return {
    code: known.code,
    message: storable(known.message) as string,
    ...(step === undefined ? {} : { step }),
    ...(details === undefined ? {} : { details }),
  };
}

/**
 * The error with which one operation ends because of another: with the words and the reason of that. `otherwise` is the reason
 * where the other one has none, as when it was cancelled.
 */
export const becauseOf = (failure: OperationFailure | null | undefined, otherwise: string): CloudError =>
  new CloudError("failed_precondition", failure?.message ?? "It was cancelled.", {
    details: { reason: otherwise, ...failure?.details },
  });

function keptDetails(details: ErrorDetails): ErrorDetails | undefined {
  const kept = storable(details) as ErrorDetails;
  if (JSON.stringify(kept).length > longestDetails) return details.reason === undefined ? undefined : { reason: details.reason };
  return Object.keys(kept).length === 0 ? undefined : kept;
}

/** As PostgreSQL takes it: its jsonb knows no U+0000, and JSON no bigint. */
const storable = (value: unknown): unknown =>
  JSON.parse(
    JSON.stringify(value, (_, each: unknown) => (typeof each === "bigint" ? String(each) : each)).replaceAll(
      "\\u0000",
      "\\ufffd",
    ),
  );
