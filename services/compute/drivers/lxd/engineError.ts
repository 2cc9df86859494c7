import { CloudError, type ErrorCode, type ErrorDetails } from "../../../../kernel/errors.ts";

/** What LXD or Incus said, word for word; the cause of the CloudError. Such words may name paths of the host, so they stay in the log. */
export class EngineError extends Error {
  /** As HTTP has it: 404, 409, 412, 500; 0 for an operation that failed, as those have none. */
  readonly status: number;
  /** What it was asked: `POST /1.0/instances`. */
  readonly request: string;

  constructor(message: string, status: number, request: string) {
    super(message);
    this.name = "EngineError";
    this.status = status;
    this.request = request;
  }
}

interface Meaning {
  code: ErrorCode;
  message: string;
  details?: ErrorDetails;
}

/** Older engines tell operations apart by their words alone; the first that fits counts. */
const byWords: [RegExp, Meaning][] = [
  [
    /no space left on device|disk quota exceeded|out of (disk )?space|not enough (free )?(disk )?space|insufficient (disk )?space/i,
    { code: "storage_full", message: "The storage pool of the engine is full. Delete something, or grow the pool." },
  ],
  [
    /already exists|UNIQUE constraint failed/i,
    { code: "already_exists", message: "The engine has one of this name already.", details: { reason: "engine_already_exists" } },
  ],
  [
    /busy (running|with|performing)|is busy|operation (is )?already (running|in progress)|matching ongoing operation|(device or resource|target is) busy|database is locked/i,
    {
      code: "conflict",
      message: "The engine is busy with this one. Try again in a moment.",
      details: { reason: "engine_busy", retryAfterSeconds: 2 },
    },
  ],
  [
    /(is |are )?(currently |still )?in use|used by|has (snapshots|dependent)|(is not|isn't|not) empty|only empty/i,
    { code: "failed_precondition", message: "It is still in use.", details: { reason: "engine_in_use" } },
  ],
  [
    /(already|currently|is|still|not|isn't|be) (running|stopped|started|frozen|paused)/i,
    {
      code: "failed_precondition",
      message: "Its power state does not allow this.",
      details: { reason: "engine_power_state" },
    },
  ],
  [
    /not found|doesn't exist|does not exist|no such object/i,
    { code: "not_found", message: "The engine does not have it.", details: { reason: "engine_not_found" } },
  ],
  [/cancell?ed|context canceled/i, { code: "cancelled", message: "It was cancelled." }],
];

const notFound: Meaning = byWords.find(([, meaning]) => meaning.code === "not_found")?.[1] as Meaning;
const alreadyThere: Meaning = byWords.find(([, meaning]) => meaning.code === "already_exists")?.[1] as Meaning;

const unavailable: Meaning = {
  code: "unavailable",
  message: "The engine is starting or stopping. Try again in a moment.",
  details: { reason: "engine_unavailable", retryAfterSeconds: 5 },
};

const byStatus: Record<number, Meaning> = {
  401: {
    code: "unavailable",
    message: "The engine does not let Khmara in. Trust its client certificate there, then try again.",
    details: { reason: "engine_not_trusted" },
  },
  403: {
    code: "unavailable",
    message: "The engine does not let Khmara in. Run Khmara as root or in the engine's group, or trust its client certificate.",
    details: { reason: "engine_not_trusted" },
  },
  404: notFound,
  412: {
    code: "precondition_failed",
    message: "It was changed in the meantime. Read it again, then repeat the change.",
    details: { reason: "engine_changed" },
  },
  502: unavailable,
  503: unavailable,
};

export function translate(error: EngineError): CloudError {
  const known = byStatus[error.status];
  const spoken = byWords.find(([words]) => words.test(error.message))?.[1];
  const meaning =
    known ??
    spoken ??
    (error.status === 409
      ? alreadyThere
      : error.status >= 400 && error.status < 500
        ? { code: "failed_precondition" as const, message: "The engine refused this.", details: { reason: "engine_refused" } }
        : { code: "internal" as const, message: "The engine failed.", details: { reason: "engine_failed" } });
  return new CloudError(meaning.code, meaning.message, {
    cause: error,
    ...(meaning.details === undefined ? {} : { details: { ...meaning.details } }),
  });
}

/** No answer at all: nobody listens, or the connection broke. */
export function connectionError(cause: NodeJS.ErrnoException, endpoint: string): CloudError {
  const advice: Record<string, string> = {
    ENOENT: "it is not running; ./khmara up starts it",
    ECONNREFUSED: "it is not running; ./khmara up starts it",
    EACCES: "this user may not use its socket; run Khmara as root, or add the user to the engine's group",
    ENOTFOUND: "its name is unknown; check --engine-socket",
    EHOSTUNREACH: "its machine cannot be reached; check the network and --engine-socket",
    ENETUNREACH: "its machine cannot be reached; check the network and --engine-socket",
  };
  const code = cause.code ?? "";
  const why =
    advice[code] ??
    (/CERT|SSL|TLS/.test(code)
      ? "its certificate is not the one that was given; check --engine-certificate"
      : "the connection broke; it may be restarting");
  return new CloudError("unavailable", `The engine at ${endpoint} cannot be reached: ${why}.`, {
    cause,
    details: { reason: "engine_unreachable", retryAfterSeconds: 5 },
  });
}

export const tooLate = (what: string, timeoutMs: number): CloudError =>
  new CloudError("deadline_exceeded", `The engine did not answer within ${Math.round(timeoutMs / 1000)} seconds.`, {
    cause: new EngineError("no answer in time", 0, what),
    details: { reason: "engine_too_slow" },
  });

export const cancelled = (what: string, reason?: unknown): CloudError =>
  new CloudError("cancelled", "It was cancelled.", { cause: reason ?? new EngineError("cancelled", 0, what) });
