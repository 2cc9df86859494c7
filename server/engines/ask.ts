/** A question or two to the engine at a start. The supervisor stays small: the whole client belongs to the compute service. */
import { readFileSync } from "node:fs";
import { request as httpRequest } from "node:http";
import { request as httpsRequest } from "node:https";

export interface EngineDoor {
  /** The path of a Unix socket, or `https://host:8443`. */
  endpoint: string;
  tls?: EngineTls;
}

/** Files, PEM. */
export interface EngineTls {
  certificateFile: string;
  keyFile: string;
  serverCertificateFile?: string;
}

export class EngineAnswer extends Error {
  readonly status: number;
  constructor(message: string, status: number) {
    super(message);
    this.name = "EngineAnswer";
    this.status = status;
  }
}

/** The metadata of a synchronous answer. Throws an EngineAnswer when it refuses, and the system's own error when nobody listens. */
export function askEngine<T>(
  door: EngineDoor,
  method: "GET" | "POST",
  path: string,
  options: { body?: unknown; timeoutMs?: number } = {},
): Promise<T> {
  const { body, timeoutMs = 10_000 } = options;
  const content = body === undefined ? undefined : Buffer.from(JSON.stringify(body));
  const remote = door.endpoint.startsWith("https:");
  const url = new URL(remote ? door.endpoint : "http://engine");
  const { tls } = door;
  return new Promise((resolve, reject) => {
    const request = (remote ? httpsRequest : httpRequest)({
      method,
      path,
      agent: false,
      headers: content === undefined ? {} : { "content-type": "application/json", "content-length": content.length },
      ...(remote ? { host: url.hostname, port: url.port || 8443 } : { socketPath: door.endpoint }),
      ...(tls === undefined
        ? {}
        : {
            cert: readFileSync(tls.certificateFile),
            key: readFileSync(tls.keyFile),
            ...(tls.serverCertificateFile === undefined
              ? {}
              : {
                  ca: readFileSync(tls.serverCertificateFile),
                  // It names the machine as it was called when it was made: being the very certificate is what counts.
                  checkServerIdentity: () => undefined,
                  allowPartialTrustChain: true,
                }),
          }),
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
      });
      response.on("error", reject);
      response.on("end", () => {
        let answer: { type?: string; error?: string; error_code?: number; metadata?: unknown };
        try {
          answer = JSON.parse(text) as typeof answer;
        } catch {
          return reject(new EngineAnswer("it is no LXD and no Incus", response.statusCode ?? 0));
        }
        if (answer.type === "error") reject(new EngineAnswer(answer.error ?? "it refused", answer.error_code ?? 0));
        else resolve(answer.metadata as T);
      });
    });
    request.end(content);
  });
}
