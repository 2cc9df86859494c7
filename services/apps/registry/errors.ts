/** What the registry refuses, as the OCI Distribution Specification tells it ("Error Codes"). */
import { CloudError, type ErrorCode } from "../../../kernel/errors.ts";
import { httpErrors, toCloudError } from "../../../kernel/http/errors.ts";
import { isOfDeletedApp } from "./store.ts";

export type RegistryErrorCode =
  | "BLOB_UNKNOWN"
  | "BLOB_UPLOAD_INVALID"
  | "BLOB_UPLOAD_UNKNOWN"
  | "DIGEST_INVALID"
  | "MANIFEST_BLOB_UNKNOWN"
  | "MANIFEST_INVALID"
  | "MANIFEST_UNKNOWN"
  | "NAME_INVALID"
  | "NAME_UNKNOWN"
  | "SIZE_INVALID"
  | "UNAUTHORIZED"
  | "DENIED"
  | "UNSUPPORTED"
  | "TOOMANYREQUESTS"
  /** Of failures of our own, which the specification leaves open. */
  | "UNKNOWN";

export class RegistryError extends Error {
  readonly status: number;
  readonly code: RegistryErrorCode;
  readonly detail: unknown;
  readonly headers: Readonly<Record<string, string>>;

  constructor(
    status: number,
    code: RegistryErrorCode,
    message: string,
    options: { detail?: unknown; headers?: Record<string, string> } = {},
  ) {
    super(message);
    this.status = status;
    this.code = code;
    this.detail = options.detail;
    this.headers = options.headers ?? {};
  }
}

const codes: Partial<Record<ErrorCode, RegistryErrorCode>> = {
  unauthenticated: "UNAUTHORIZED",
  permission_denied: "DENIED",
  quota_exceeded: "DENIED",
  failed_precondition: "DENIED",
  not_found: "NAME_UNKNOWN",
  payload_too_large: "SIZE_INVALID",
  range_not_satisfiable: "BLOB_UPLOAD_INVALID",
  rate_limited: "TOOMANYREQUESTS",
  cancelled: "BLOB_UPLOAD_INVALID",
  invalid_argument: "UNSUPPORTED",
};

/** Whatever was thrown. */
export function toRegistryError(error: unknown): RegistryError {
  if (error instanceof RegistryError) return error;
  if (isOfDeletedApp(error)) return new RegistryError(404, "NAME_UNKNOWN", "There is no such app any more.");
  const { code, message, details } = toCloudError(error);
  return new RegistryError(httpErrors[code].status, codes[code] ?? "UNKNOWN", message, {
    headers: {
      // Docker and its kin ask for a name and a password only after this.
      ...(code === "unauthenticated" ? { "www-authenticate": 'Basic realm="Khmara", charset="UTF-8"' } : {}),
      ...(details.retryAfterSeconds === undefined ? {} : { "retry-after": String(details.retryAfterSeconds) }),
    },
  });
}

/** Full disks in words. */
export function explained(error: unknown, folder: string): unknown {
  const { code, name } = error as NodeJS.ErrnoException;
  if (code === "ENOSPC" || code === "EDQUOT")
    return new CloudError("storage_full", `The disk that holds ${folder} is full. Free some space, then try again.`, {
      cause: error,
    });
  if (code === "ECONNRESET" || code === "ERR_STREAM_PREMATURE_CLOSE" || name === "AbortError")
    return new CloudError("cancelled", "The connection broke off before everything was sent.", { cause: error });
  return error;
}
