/**
 * The closed set of error codes. Every failure that reaches a user carries exactly one of them;
 * each edge (HTTP, S3, SIP, SMTP, IMAP, WebDAV) maps them with one exhaustive table of its own.
 */
export const errorCodes = [
  "invalid_argument",
  "unauthenticated",
  "permission_denied",
  "not_found",
  "already_exists",
  "conflict",
  "failed_precondition",
  "precondition_failed",
  "quota_exceeded",
  "rate_limited",
  "payload_too_large",
  "range_not_satisfiable",
  "storage_full",
  "unavailable",
  "deadline_exceeded",
  "cancelled",
  "not_implemented",
  "internal",
] as const;

export type ErrorCode = (typeof errorCodes)[number];

/** One invalid input field: `path` in the request (`body.name`), and what to do about it. */
export interface FieldProblem {
  path: string;
  message: string;
}

export interface ErrorDetails {
  /** Problems by field, for forms. */
  fields?: FieldProblem[];
  /** Seconds to wait before trying again. */
  retryAfterSeconds?: number;
  /** The kind of thing the error is about (`bucket`, `project`). */
  resource?: string;
  /** A finer, stable reason inside the code (`bucket_not_empty`). */
  reason?: string;
  [key: string]: unknown;
}

/**
 * The one error of Khmara. The message is for people and says what to do; the code is for programs;
 * the cause is for the log and never leaves the machine.
 */
export class CloudError extends Error {
  readonly code: ErrorCode;
  readonly details: ErrorDetails;

  constructor(code: ErrorCode, message: string, options: { cause?: unknown; details?: ErrorDetails } = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.name = "CloudError";
    this.code = code;
    this.details = options.details ?? {};
  }

  static is(error: unknown, code?: ErrorCode): error is CloudError {
    return error instanceof CloudError && (code === undefined || error.code === code);
  }
}

/** A resource that does not exist, or that the caller may not know of: both look the same. */
export const notFound = (resource: string): CloudError =>
  new CloudError("not_found", `This ${resource} does not exist, or you have no access to it.`, { details: { resource } });

export const invalid = (path: string, message: string): CloudError =>
  new CloudError("invalid_argument", message, { details: { fields: [{ path, message }] } });
