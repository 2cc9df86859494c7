import { CloudError, type ErrorCode, type ErrorDetails, errorCodes } from "../kernel/errors.ts";

/** For answers that are no problem document, as proxies on the way give them. */
const codeOfStatus: Record<number, ErrorCode> = {
  400: "invalid_argument",
  401: "unauthenticated",
  403: "permission_denied",
  404: "not_found",
  409: "conflict",
  412: "precondition_failed",
  413: "payload_too_large",
  416: "range_not_satisfiable",
  426: "failed_precondition",
  429: "rate_limited",
  499: "cancelled",
  501: "not_implemented",
  502: "unavailable",
  503: "unavailable",
  504: "deadline_exceeded",
  507: "storage_full",
};

/** The error that the server threw, rebuilt from its RFC 9457 problem document. */
export async function problemError(response: Response): Promise<CloudError> {
  let problem: Record<string, unknown> = {};
  try {
    problem = (await response.json()) as Record<string, unknown>;
  } catch {
    // Not JSON: the status has to do.
  }
  const retryAfter = Number(response.headers.get("retry-after"));
  if (retryAfter > 0) problem["retryAfterSeconds"] ??= retryAfter;
  return errorOfProblem(problem, response.status);
}

/** The same for a problem document that came another way. */
export function errorOfProblem(problem: Record<string, unknown>, status: number): CloudError {
  const { type: _type, title, status: _status, detail, code, ...members } = problem;
  const known = errorCodes.find((one) => one === code);
  const details: ErrorDetails = { ...members, status };
  const message = [detail, title].find((text) => typeof text === "string" && text !== "") as string | undefined;
  return new CloudError(known ?? codeOfStatus[status] ?? "internal", message ?? `The cloud answered ${status}.`, { details });
}

/** Without an address it is the cloud that the page came from. */
export const unreachable = (cause: unknown, address = ""): CloudError =>
  CloudError.is(cause)
    ? cause
    : new CloudError(
        "unavailable",
        `The cloud ${address && `at ${address} `}cannot be reached. Check the connection and try again.`,
        { cause },
      );
