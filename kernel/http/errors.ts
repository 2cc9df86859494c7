import type { ErrorCode } from "../errors.ts";
import { CloudError } from "../errors.ts";

/** The HTTP edge's one table of errors: status (RFC 9110, 15) and the title of the problem (RFC 9457). */
export const httpErrors: Record<ErrorCode, { status: number; title: string }> = {
  invalid_argument: { status: 400, title: "Invalid argument" },
  unauthenticated: { status: 401, title: "Not signed in" },
  permission_denied: { status: 403, title: "Not allowed" },
  not_found: { status: 404, title: "Not found" },
  already_exists: { status: 409, title: "Already exists" },
  conflict: { status: 409, title: "Conflict" },
  failed_precondition: { status: 409, title: "Not possible now" },
  precondition_failed: { status: 412, title: "Changed in the meantime" },
  quota_exceeded: { status: 403, title: "Quota used up" },
  rate_limited: { status: 429, title: "Too many requests" },
  payload_too_large: { status: 413, title: "Too large" },
  range_not_satisfiable: { status: 416, title: "Range not satisfiable" },
  storage_full: { status: 507, title: "Storage full" },
  unavailable: { status: 503, title: "Not available at the moment" },
  deadline_exceeded: { status: 504, title: "Took too long" },
  cancelled: { status: 499, title: "Cancelled" },
  not_implemented: { status: 501, title: "Not implemented" },
  internal: { status: 500, title: "Something went wrong" },
};

export const problemType = "application/problem+json";

/** RFC 9457. The reference page has an anchor for each code. */
export interface Problem {
  type: string;
  title: string;
  status: number;
  detail: string;
  code: ErrorCode;
  requestId: string;
  [member: string]: unknown;
}

export function toProblem(error: CloudError, requestId: string): Problem {
  const { status, title } = httpErrors[error.code];
  return {
    ...error.details,
    type: `/api/docs#error-${error.code}`,
    title,
    status,
    detail: error.message,
    code: error.code,
    requestId,
  };
}

/** Whatever was thrown, as an error of ours; what nobody foresaw tells nothing of the inside. */
export function toCloudError(error: unknown): CloudError {
  if (CloudError.is(error)) return error;
  const { statusCode, code } = (error ?? {}) as { statusCode?: number; code?: string };
  if (code === "FST_ERR_CTP_BODY_TOO_LARGE")
    return new CloudError("payload_too_large", "The request body is too large.", { cause: error });
  if (code === "FST_ERR_CTP_INVALID_MEDIA_TYPE")
    return new CloudError("invalid_argument", "Send the body as application/json.", { cause: error });
  if (statusCode !== undefined && statusCode >= 400 && statusCode < 500) {
    return new CloudError("invalid_argument", "The request could not be read: its body is not valid JSON.", { cause: error });
  }
  return new CloudError(
    "internal",
    "Something went wrong inside the cloud. The administrator finds it in the log under the request id.",
    { cause: error },
  );
}
