/** How questions reach LXD or Incus: over their Unix socket, or over HTTPS with a client certificate. Nothing waits without an end. */
import type { ClientRequest, Agent as HttpAgent, IncomingMessage, RequestOptions } from "node:http";
import { Agent as HttpsAgent, request as httpsRequest } from "node:https";
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { WebSocket } from "ws";
import { CloudError } from "../../../../kernel/errors.ts";
import { cancelled, connectionError, EngineError, tooLate, translate } from "./engineError.ts";

// Not an import, which would load undici too (server/loaded.test.ts).
const http = process.getBuiltinModule("node:http");

export interface EngineAddress {
  /** The path of a Unix socket, or `https://host:8443`. */
  endpoint: string;
  /** For HTTPS: PEM. The server's own certificate is what it is compared with; no authority is asked. */
  tls?: { certificate: string; key: string; serverCertificate?: string };
}

export interface RequestSettings {
  query?: Record<string, string | number | boolean | undefined>;
  /** Another project than the client's own; null: none. */
  project?: string | null;
  signal?: AbortSignal | undefined;
  /** For the answer to begin, and for each pause in it. */
  timeoutMs?: number;
}

export interface Answer {
  type: "sync" | "async" | "error";
  operation?: string;
  metadata: unknown;
  error?: string;
  error_code?: number;
}

export interface Body {
  content: Readable | Uint8Array;
  length: number | undefined;
}

export const requestMs = 30_000;
export const idleMs = 60_000;
/** An answer that is a document and not a stream. */
const longestDocument = 64 * 1024 * 1024;

export class EngineConnection {
  readonly address: EngineAddress;
  readonly #agent: HttpAgent | HttpsAgent;
  readonly #socket: string | undefined;
  readonly #base: URL;

  constructor(address: EngineAddress) {
    this.address = address;
    const remote = address.endpoint.startsWith("https:");
    this.#socket = remote ? undefined : address.endpoint;
    this.#base = new URL(remote ? address.endpoint : "http://engine");
    // A socket of this machine costs nothing to open, and a kept one may belong to an engine that has restarted since.
    this.#agent = remote ? new HttpsAgent({ keepAlive: true, timeout: 20_000, ...this.#tls() }) : new http.Agent();
  }

  close(): void {
    this.#agent.destroy();
  }

  /** Resolves with the head of the answer. */
  send(
    method: string,
    path: string,
    headers: Record<string, string>,
    settings: RequestSettings,
    body?: Body,
  ): Promise<IncomingMessage> {
    const what = `${method} ${path}`;
    const { signal } = settings;
    const timeoutMs = settings.timeoutMs ?? (body?.content instanceof Readable ? idleMs : requestMs);
    if (signal?.aborted) return Promise.reject(cancelled(what, signal.reason));
    const options: RequestOptions = {
      method,
      path: target(path, settings),
      agent: this.#agent,
      headers: {
        "user-agent": "khmara",
        ...underBothNames(headers),
        ...(body?.length === undefined ? {} : { "content-length": body.length }),
      },
      ...(this.#socket === undefined
        ? { host: this.#base.hostname, port: this.#base.port || 8443 }
        : { socketPath: this.#socket }),
    };
    return new Promise((resolve, reject) => {
      const request = (this.#socket === undefined ? httpsRequest : http.request)(options);
      let response: IncomingMessage | undefined;
      // Once the answer has begun, whoever reads it is told; its error would otherwise only say that the connection broke.
      const end = (error: CloudError) => void (response ?? request).destroy(error);
      const onAbort = () => end(cancelled(what, signal?.reason));
      signal?.addEventListener("abort", onAbort, { once: true });
      request.once("close", () => signal?.removeEventListener("abort", onAbort));
      request.setTimeout(timeoutMs, () => end(tooLate(what, timeoutMs)));
      request.on("error", (error) => {
        if (error instanceof CloudError) return reject(error);
        // A connection that was kept open, and that the engine had closed: nothing of the question has arrived.
        if (request.reusedSocket && method === "GET" && (error as NodeJS.ErrnoException).code === "ECONNRESET")
          return resolve(this.send(method, path, headers, settings, body));
        reject(connectionError(error, this.address.endpoint));
      });
      request.once("response", (head) => {
        response = head;
        head.on("error", () => {});
        head.headers = underBothNames(head.headers);
        resolve(head);
      });
      if (body === undefined) request.end();
      else if (body.content instanceof Readable) {
        const { content } = body;
        pipeline(content, request).catch((error) => {
          // The engine may answer, and refuse, before it has read everything; then that answer counts.
          if (response !== undefined) return;
          if (content.errored) reject(content.errored);
          request.destroy(error instanceof CloudError ? error : undefined);
        });
      } else request.end(body.content);
    });
  }

  /** One stream of a command, a console or of the events, open when this resolves. */
  websocket(path: string, settings: RequestSettings): Promise<WebSocket> {
    const { signal, timeoutMs = requestMs } = settings;
    const what = `open ${path}`;
    if (signal?.aborted) return Promise.reject(cancelled(what, signal.reason));
    const remote = this.#socket === undefined;
    const address = `${remote ? `wss://${this.#base.host}` : `ws+unix:${this.#socket}:`}${target(path, settings)}`;
    const socket = new WebSocket(address, {
      perMessageDeflate: false,
      maxPayload: longestDocument,
      ...(remote ? this.#tls() : {}),
    });
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => end(tooLate(what, timeoutMs)), timeoutMs);
      const onAbort = () => end(cancelled(what, signal?.reason));
      let ended = false;
      const end = (error?: CloudError) => {
        if (ended) return;
        ended = true;
        clearTimeout(timer);
        signal?.removeEventListener("abort", onAbort);
        if (error === undefined) {
          // What arrives with the first bytes waits until whoever asked has put its listeners on.
          socket.pause();
          setImmediate(() => socket.resume());
          return resolve(socket);
        }
        socket.terminate();
        reject(error);
      };
      signal?.addEventListener("abort", onAbort, { once: true });
      socket.once("open", () => end());
      // Stays: later ones come with `close`, and an error that nobody hears would end the process.
      socket.on("error", (error) => end(connectionError(error, this.address.endpoint)));
      socket.once("unexpected-response", (_: ClientRequest, response: IncomingMessage) => {
        readDocument(response, what).then(
          () => end(translate(new EngineError("it did not open a stream", 500, what))),
          (error: CloudError) => end(error),
        );
      });
    });
  }

  #tls() {
    const { tls } = this.address;
    if (tls === undefined) return {};
    return {
      cert: tls.certificate,
      key: tls.key,
      // It names the machine as it was called when it was made: being the very certificate is what counts.
      ...(tls.serverCertificate === undefined
        ? {}
        : { ca: tls.serverCertificate, checkServerIdentity: () => undefined, allowPartialTrustChain: true }),
    };
  }
}

/** The one difference of the two in their API: what LXD calls x-lxd-type is x-incus-type with Incus. Here both are x-lxd-…. */
const underBothNames = <T extends NodeJS.Dict<unknown>>(headers: T): T =>
  Object.fromEntries(
    Object.entries(headers).flatMap(([name, value]) => {
      const rest = /^x-(?:lxd|incus)-(.+)$/i.exec(name)?.[1];
      return rest === undefined
        ? [[name, value]]
        : [
            [`x-lxd-${rest}`, value],
            [`x-incus-${rest}`, value],
          ];
    }),
  ) as T;

function target(path: string, settings: RequestSettings): string {
  const query = new URLSearchParams();
  if (settings.project !== undefined && settings.project !== null) query.set("project", settings.project);
  for (const [name, value] of Object.entries(settings.query ?? {})) if (value !== undefined) query.set(name, String(value));
  const text = query.toString();
  return text === "" ? path : `${path}${path.includes("?") ? "&" : "?"}${text}`;
}

/** Reads an answer to its end; an answer that is an error is thrown. */
export async function readDocument(response: IncomingMessage, what: string): Promise<Answer> {
  const chunks: Buffer[] = [];
  let length = 0;
  const status = response.statusCode ?? 500;
  try {
    for await (const chunk of response as AsyncIterable<Buffer>) {
      length += chunk.length;
      if (length > longestDocument) throw translate(new EngineError("the answer is too long", 500, what));
      chunks.push(chunk);
    }
  } catch (error) {
    if (error instanceof CloudError) throw error;
    throw new CloudError("unavailable", "The connection to the engine broke in the middle of its answer. Try again.", {
      cause: error,
      details: { reason: "engine_unreachable", retryAfterSeconds: 2 },
    });
  }
  const text = Buffer.concat(chunks).toString();
  let answer: Answer;
  try {
    answer = JSON.parse(text) as Answer;
  } catch {
    throw translate(new EngineError(text.slice(0, 1000) || `status ${status}`, status < 400 ? 500 : status, what));
  }
  if (answer.type === "error" || status >= 400)
    throw translate(new EngineError(answer.error || `status ${status}`, answer.error_code || status, what));
  return answer;
}
