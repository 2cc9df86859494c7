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

/** If-Match: a change that was made from an older view is refused. */
export function checkRevision(wanted: number | undefined, { revision }: { revision: number }, resource: string): void {
  if (wanted === undefined || wanted === revision) return;
  throw new CloudError(
    "precondition_failed",
    `This ${resource} was changed in the meantime. Load it again and repeat your change.`,
    { details: { resource, revision } },
  );
}

/** `within`: where names are unique, as the beginning of a sentence (`This project`). */
export const nameTaken = (resource: string, within: string, name: string): CloudError =>
  new CloudError(
    "already_exists",
    `${within} has ${/^[aeio]/.test(resource) ? "an" : "a"} ${resource} ${name} already. Choose another name.`,
    {
      details: { resource, reason: "name_taken", fields: [{ path: "body.name", message: "This name is taken." }] },
    },
  );

/** A row that was locked a moment ago, and is there. */
export function there<T>(row: T | undefined, resource: string): T {
  if (row === undefined) throw notFound(resource);
  return row;
}
