import { CloudError, type ErrorCode, type ErrorDetails } from "../../../../kernel/errors.ts";

/** What Docker said, word for word; the cause of the CloudError. Such words may name paths of the host, so they stay in the log. */
export class DockerError extends Error {
  /** As HTTP has it; 0 for what has none: a message in a stream, no answer at all. */
  readonly status: number;
  /** What it was asked: `POST /containers/create`. */
  readonly request: string;

  constructor(message: string, status: number, request: string) {
    super(message);
    this.name = "DockerError";
    this.status = status;
    this.request = request;
  }
}

interface Meaning {
  code: ErrorCode;
  message: string;
  details?: ErrorDetails;
}

/** Its words tell more than its status: it says 500 and 409 of many things. The first that fits counts. */
const byWords: [RegExp, Meaning][] = [
  [
    /no space left on device|disk quota exceeded/i,
    { code: "storage_full", message: "The disk of the container engine is full. Delete something, or grow the disk." },
  ],
  [
    /is already in use by container|already exists/i,
    { code: "already_exists", message: "The engine has one of this name already.", details: { reason: "engine_already_exists" } },
  ],
  [
    /removal of container .* is already in progress|is being (removed|used by.*removal)|marked for removal/i,
    {
      code: "conflict",
      message: "The engine is just removing this one. Try again in a moment.",
      details: { reason: "engine_busy", retryAfterSeconds: 2 },
    },
  ],
  [
    /has active endpoints|volume is in use|image is being used|image has dependent|is using its referenced image|unable to (delete|remove repository)|is in use|using (it|this)/i,
    { code: "failed_precondition", message: "It is still in use.", details: { reason: "engine_in_use" } },
  ],
  [
    /is not running|is (already )?(stopped|paused|restarting)|cannot (pause|unpause|start|kill|exec)/i,
    {
      code: "failed_precondition",
      message: "The container is not in a state that allows this.",
      details: { reason: "engine_container_state" },
    },
  ],
  [
    /port is already allocated|listen (tcp|udp)\S* .*address already in use/i,
    {
      code: "failed_precondition",
      message: "This port of the host is taken. Choose another one.",
      details: { reason: "engine_port_taken" },
    },
  ],
  [
    /pool overlaps with other|could not find an available.*address pool|address already in use|no available (IPv4 )?addresses/i,
    {
      code: "failed_precondition",
      message: "This range of addresses is taken, or none is left. Choose another one.",
      details: { reason: "engine_addresses_taken" },
    },
  ],
  [
    /error setting rlimit/i,
    {
      code: "failed_precondition",
      message: "A process of the container may not have so many open files here. Ask for fewer, or give the engine itself more.",
      details: { reason: "engine_limit_too_high" },
    },
  ],
  [
    /OCI runtime (create|exec) failed/i,
    {
      code: "failed_precondition",
      message: "The container could not be started: its command, its user or its folder is not there, or cannot be used.",
      details: { reason: "command_not_startable" },
    },
  ],
  [
    /invalid tar header|unexpected EOF|is not a tar|Error processing tar file/i,
    {
      code: "invalid_argument",
      message: "This is no tarball that the container engine understands.",
      details: { reason: "image_invalid" },
    },
  ],
  [
    /No such (container|image|network|volume|exec)|not found|does not exist|reference does not exist/i,
    { code: "not_found", message: "The engine does not have it.", details: { reason: "engine_not_found" } },
  ],
  [/context cancell?ed|request cancell?ed/i, { code: "cancelled", message: "It was cancelled." }],
];

const unavailable: Meaning = {
  code: "unavailable",
  message: "The container engine is starting or stopping. Try again in a moment.",
  details: { reason: "engine_unavailable", retryAfterSeconds: 5 },
};

const notPermitted: Meaning = {
  code: "unavailable",
  message: "The container engine does not let Khmara in. Run Khmara as root or in the group docker.",
  details: { reason: "engine_not_trusted" },
};

const byStatus: Record<number, Meaning> = {
  400: { code: "invalid_argument", message: "The container engine refused this.", details: { reason: "engine_refused" } },
  401: notPermitted,
  403: { code: "failed_precondition", message: "The container engine refused this.", details: { reason: "engine_refused" } },
  404: { code: "not_found", message: "The engine does not have it.", details: { reason: "engine_not_found" } },
  409: {
    code: "conflict",
    message: "The container engine is in a state that does not allow this.",
    details: { reason: "engine_conflict" },
  },
  501: { code: "not_implemented", message: "This container engine cannot do this.", details: { reason: "engine_cannot" } },
  502: unavailable,
  503: unavailable,
};

export function translate(error: DockerError): CloudError {
  // Whoever asks for what is not there is told so, whatever the words; but for ranges of addresses, whose end is a 404 as well.
  const isAbsent = error.status === 404 && !/address pool/i.test(error.message);
  const known = isAbsent || error.status === 503 ? byStatus[error.status] : undefined;
  const meaning = known ??
    byWords.find(([words]) => words.test(error.message))?.[1] ??
    byStatus[error.status] ?? {
      code: "internal" as const,
      message: "The container engine failed.",
      details: { reason: "engine_failed" },
    };
  return new CloudError(meaning.code, meaning.message, {
    cause: error,
    ...(meaning.details === undefined ? {} : { details: { ...meaning.details } }),
  });
}

/** No answer at all: nobody listens, or the connection broke. */
export function connectionError(cause: NodeJS.ErrnoException, endpoint: string): CloudError {
  const advice: Record<string, string> = {
    ENOENT: "it is not running; start it (systemctl start docker)",
    ECONNREFUSED: "it is not running; start it (systemctl start docker)",
    EACCES: "this user may not use its socket; run Khmara as root, or add the user to the group docker",
    ENOTFOUND: "its name is unknown; check DOCKER_HOST",
    EHOSTUNREACH: "its machine cannot be reached; check the network and DOCKER_HOST",
    ENETUNREACH: "its machine cannot be reached; check the network and DOCKER_HOST",
  };
  const code = cause.code ?? "";
  const why =
    advice[code] ??
    (/CERT|SSL|TLS/.test(code)
      ? "its certificate is not one that can be trusted; check DOCKER_CERT_PATH"
      : "the connection broke; it may be restarting");
  return new CloudError("unavailable", `The container engine at ${endpoint} cannot be reached: ${why}.`, {
    cause,
    details: { reason: "engine_unreachable", retryAfterSeconds: 5 },
  });
}

export const brokenOff = (cause: unknown): CloudError =>
  new CloudError("unavailable", "The connection to the container engine broke in the middle of its answer. Try again.", {
    cause,
    details: { reason: "engine_unreachable", retryAfterSeconds: 2 },
  });

export const tooLate = (what: string, timeoutMs: number): CloudError =>
  new CloudError("deadline_exceeded", `The container engine did not answer within ${Math.round(timeoutMs / 1000)} seconds.`, {
    cause: new DockerError("no answer in time", 0, what),
    details: { reason: "engine_too_slow" },
  });

export const cancelled = (what: string, reason?: unknown): CloudError =>
  new CloudError("cancelled", "It was cancelled.", { cause: reason ?? new DockerError("cancelled", 0, what) });

/** What Docker itself said, wherever it stands in the chain of causes. */
export function wordsOf(error: unknown): string {
  for (let each = error; each instanceof Error; each = each.cause) if (each instanceof DockerError) return each.message;
  return "";
}
