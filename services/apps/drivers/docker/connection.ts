/** How questions reach Docker: over its Unix socket, or over TCP with TLS and a client certificate. Nothing waits without an end. */
import type { Agent as HttpAgent, IncomingMessage, RequestOptions } from "node:http";
import { Agent as HttpsAgent, request as httpsRequest } from "node:https";
import type { Socket } from "node:net";
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { CloudError } from "../../../../kernel/errors.ts";
import { brokenOff, cancelled, connectionError, DockerError, tooLate, translate } from "./engineError.ts";

// Not an import, which would load undici too (server/loaded.test.ts).
const http = process.getBuiltinModule("node:http");

export interface EngineAddress {
  /** `/var/run/docker.sock`, or `https://host:2376`. */
  endpoint: string;
  /** For HTTPS: PEM. Both sides are checked against the authority, as `docker --tlsverify` does. */
  tls?: {
    certificate: string;
    key: string;
    authority: string;
    /** Of the certificate there, where it is not the host's. */
    serverName?: string;
  };
}

export type Query = Record<string, string | number | boolean | readonly string[] | undefined>;

export interface RequestSettings {
  /** An array is the same name several times. */
  query?: Query;
  headers?: Readonly<Record<string, string>>;
  signal?: AbortSignal | undefined;
  /** For the answer to begin, and for each pause in it. 0: as long as it takes, which is what the signal is for. */
  timeoutMs?: number | undefined;
}

export interface Body {
  content: Readable | Uint8Array;
  type: string;
}

/** A connection that belongs to the two ends of a stream now. */
export interface Hijacked {
  socket: Socket;
  /** What came with the answer's head. */
  head: Buffer;
  contentType: string;
}

export const requestMs = 30_000;
export const idleMs = 60_000;
/** An answer that is a document and not a stream. */
const longestDocument = 64 * 1024 * 1024;

export class DockerConnection {
  readonly address: EngineAddress;
  readonly #agent: HttpAgent | HttpsAgent;
  readonly #socket: string | undefined;
  readonly #base: URL;

  constructor(address: EngineAddress) {
    this.address = address;
    const remote = address.endpoint.startsWith("https:");
    this.#socket = remote ? undefined : address.endpoint;
    this.#base = new URL(remote ? address.endpoint : "http://docker");
    // A socket of this machine costs nothing to open, and a kept one may belong to an engine that has restarted since.
    this.#agent = remote ? new HttpsAgent({ keepAlive: true, timeout: 20_000, ...this.#tls() }) : new http.Agent();
  }

  close(): void {
    this.#agent.destroy();
  }

  /** Resolves with the head of the answer, whatever its status. */
  send(method: string, path: string, settings: RequestSettings = {}, body?: Body): Promise<IncomingMessage> {
    const what = `${method} ${path}`;
    const { signal } = settings;
    const timeoutMs = settings.timeoutMs ?? (body?.content instanceof Readable ? idleMs : requestMs);
    if (signal?.aborted) return Promise.reject(cancelled(what, signal.reason));
    return new Promise((resolve, reject) => {
      const request = this.#request(method, path, settings, headersOf(body));
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
          return resolve(this.send(method, path, settings, body));
        reject(connectionError(error, this.address.endpoint));
      });
      request.once("response", (head) => {
        response = head;
        head.on("error", () => {});
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

  /**
   * Asks for a stream in both directions (Engine API, "Attach to a container": 101 UPGRADED). An answer that is none is thrown as what it
   * says.
   */
  hijack(path: string, settings: RequestSettings, content: Uint8Array): Promise<Hijacked> {
    const what = `POST ${path}`;
    const { signal, timeoutMs = requestMs } = settings;
    if (signal?.aborted) return Promise.reject(cancelled(what, signal.reason));
    return new Promise((resolve, reject) => {
      const headers = { ...headersOf({ content, type: "application/json" }), connection: "Upgrade", upgrade: "tcp" };
      const request = this.#request("POST", path, settings, headers, false);
      const late = setTimeout(() => request.destroy(tooLate(what, timeoutMs)), timeoutMs);
      const onAbort = () => void request.destroy(cancelled(what, signal?.reason));
      signal?.addEventListener("abort", onAbort, { once: true });
      const settled = () => {
        clearTimeout(late);
        signal?.removeEventListener("abort", onAbort);
      };
      request.on("error", (error) => {
        settled();
        reject(error instanceof CloudError ? error : connectionError(error, this.address.endpoint));
      });
      request.once("upgrade", (response, socket, head) => {
        settled();
        resolve({ socket: socket as Socket, head, contentType: response.headers["content-type"] ?? "" });
      });
      request.once("response", (response) => {
        readDocument(response, what).then(() => reject(translate(new DockerError("it did not open a stream", 0, what))), reject);
        response.once("close", settled);
      });
      request.end(content);
    });
  }

  #request(method: string, path: string, settings: RequestSettings, headers: NodeJS.Dict<string | number>, keep = true) {
    const options: RequestOptions = {
      method,
      path: target(path, settings.query),
      headers: { "user-agent": "khmara", ...settings.headers, ...headers },
      ...(this.#socket === undefined
        ? { host: this.#base.hostname, port: this.#base.port || 2376 }
        : { socketPath: this.#socket }),
      ...(keep ? { agent: this.#agent } : { agent: false, ...(this.#socket === undefined ? this.#tls() : {}) }),
    };
    return (this.#socket === undefined ? httpsRequest : http.request)(options);
  }

  #tls() {
    const { tls } = this.address;
    if (tls === undefined) return {};
    const { certificate, key, authority, serverName } = tls;
    return { cert: certificate, key, ca: authority, ...(serverName === undefined ? {} : { servername: serverName }) };
  }
}

function headersOf(body: Body | undefined): Record<string, string | number> {
  if (body === undefined) return {};
  const { content, type } = body;
  return { "content-type": type, ...(content instanceof Uint8Array ? { "content-length": content.byteLength } : {}) };
}

function target(path: string, query: Query = {}): string {
  const words = new URLSearchParams();
  for (const [name, value] of Object.entries(query))
    for (const each of Array.isArray(value) ? value : [value]) if (each !== undefined) words.append(name, String(each));
  const text = words.toString();
  return text === "" ? path : `${path}?${text}`;
}

/** Reads an answer to its end: the JSON in it, or undefined where it is empty. An answer that is an error is thrown. */
export async function readDocument(response: IncomingMessage, what: string): Promise<unknown> {
  const chunks: Buffer[] = [];
  let length = 0;
  const status = response.statusCode ?? 500;
  try {
    for await (const chunk of response as AsyncIterable<Buffer>) {
      length += chunk.length;
      if (length > longestDocument) throw translate(new DockerError("the answer is too long", 0, what));
      chunks.push(chunk);
    }
  } catch (error) {
    throw error instanceof CloudError ? error : brokenOff(error);
  }
  const text = Buffer.concat(chunks).toString();
  let answer: unknown;
  try {
    answer = text.trim() === "" ? undefined : JSON.parse(text);
  } catch {
    // `OK` of a ping; or of a proxy in between, which speaks HTML.
    if (status < 400) throw translate(new DockerError(`it is no Docker: ${text.slice(0, 200)}`, 0, what));
    throw translate(new DockerError(text.slice(0, 1000), status, what));
  }
  if (status < 400) return answer;
  const said = (answer as { message?: unknown } | undefined)?.message;
  throw translate(new DockerError(typeof said === "string" ? said : `status ${status}`, status, what));
}
