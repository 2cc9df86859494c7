/** A question or two to the engine at a start. The supervisor stays small: the whole client belongs to the compute service. */
import { readFileSync } from "node:fs";
import { request as httpsRequest } from "node:https";

// Not an import, which would load undici too (server/loaded.test.ts).
const { request: httpRequest } = process.getBuiltinModule("node:http");

export interface EngineDoor {
  /** The path of a Unix socket, or `https://host:8443`. */
  endpoint: string;
  tls?: EngineTls;
}

/** Files, PEM. */
export interface EngineTls {
  certificateFile: string;
  keyFile: string;
  /** The very certificate of the server, where no authority vouches for it. */
  serverCertificateFile?: string;
  /** The authority that does. */
  authorityFile?: string;
}

export class EngineAnswer extends Error {
  readonly status: number;
  constructor(message: string, status: number) {
    super(message);
    this.name = "EngineAnswer";
    this.status = status;
  }
}

export interface Question {
  body?: unknown;
  timeoutMs?: number;
}

/** What is at most read of an answer. */
const longestAnswer = 16 * 1024 * 1024;

/** The metadata of a synchronous answer of LXD or Incus. Throws an EngineAnswer when it refuses, and the system's own error when nobody listens. */
export async function askEngine<T>(door: EngineDoor, method: "GET" | "POST", path: string, question: Question = {}): Promise<T> {
  const { status, text } = await askDoor(door, method, path, question);
  let answer: { type?: string; error?: string; error_code?: number; metadata?: unknown };
  try {
    answer = JSON.parse(text) as typeof answer;
  } catch {
    throw new EngineAnswer("it is no LXD and no Incus", status);
  }
  if (answer.type === "error") throw new EngineAnswer(answer.error ?? "it refused", answer.error_code ?? 0);
  return answer.metadata as T;
}

/** The answer of Docker. Throws an EngineAnswer when it refuses, and the system's own error when nobody listens. */
export async function askDocker<T>(door: EngineDoor, path: string, question: Question = {}): Promise<T> {
  const { status, text } = await askDoor(door, "GET", path, question);
  let answer: unknown;
  try {
    answer = JSON.parse(text);
  } catch {
    throw new EngineAnswer("it is no Docker", status);
  }
  if (status >= 400) throw new EngineAnswer((answer as { message?: string }).message ?? "it refused", status);
  return answer as T;
}

/** Does something there; its answer is not read. Errors as `askDocker`. */
export async function postDocker(door: EngineDoor, path: string, body: unknown, timeoutMs: number): Promise<void> {
  const { status, text } = await askDoor(door, "POST", path, { body, timeoutMs });
  if (status < 400) return;
  let said = text.slice(0, 1000);
  try {
    said = (JSON.parse(text) as { message?: string }).message ?? said;
  } catch {
    // Words then.
  }
  throw new EngineAnswer(said, status);
}

function askDoor(
  door: EngineDoor,
  method: "GET" | "POST",
  path: string,
  question: Question,
): Promise<{ status: number; text: string }> {
  const { body, timeoutMs = 10_000 } = question;
  const content = body === undefined ? undefined : Buffer.from(JSON.stringify(body));
  const remote = door.endpoint.startsWith("https:");
  const url = new URL(remote ? door.endpoint : "http://engine");
  return new Promise((resolve, reject) => {
    const request = (remote ? httpsRequest : httpRequest)({
      method,
      path,
      agent: false,
      headers: content === undefined ? {} : { "content-type": "application/json", "content-length": content.length },
      ...(remote ? { host: url.hostname, port: url.port || 8443 } : { socketPath: door.endpoint }),
      ...certificates(door.tls),
    });
    const late = setTimeout(
      () => request.destroy(Object.assign(new Error("it does not answer"), { code: "ETIMEDOUT" })),
      timeoutMs,
    );
    request.on("error", reject);
    request.on("close", () => clearTimeout(late));
    request.on("response", (response) => {
      let text = "";
      response.setEncoding("utf8");
      response.on("data", (chunk) => {
        text += chunk;
        if (text.length > longestAnswer) request.destroy(new Error("its answer is too long"));
      });
      response.on("error", reject);
      response.on("end", () => resolve({ status: response.statusCode ?? 0, text }));
    });
    request.end(content);
  });
}

function certificates(tls: EngineTls | undefined) {
  if (tls === undefined) return {};
  return {
    cert: readFileSync(tls.certificateFile),
    key: readFileSync(tls.keyFile),
    ...(tls.authorityFile === undefined ? {} : { ca: readFileSync(tls.authorityFile) }),
    ...(tls.serverCertificateFile === undefined
      ? {}
      : {
          ca: readFileSync(tls.serverCertificateFile),
          // It names the machine as it was called when it was made: being the very certificate is what counts.
          checkServerIdentity: () => undefined,
          allowPartialTrustChain: true,
        }),
  };
}
