/**
 * The one REST API of LXD and Incus. What they answer is handed on as it is; what they refuse becomes a CloudError whose cause is
 * their own message. An answer that is only the beginning of long work (an operation) is waited for.
 */
import type { IncomingMessage } from "node:http";
import type { Readable } from "node:stream";
import type { WebSocket } from "ws";
import { CloudError } from "../../../../kernel/errors.ts";
import {
  type Answer,
  type EngineAddress,
  EngineConnection,
  idleMs,
  type RequestSettings,
  readDocument,
  requestMs,
} from "./connection.ts";
import { cancelled, EngineError, tooLate, translate } from "./engineError.ts";
import { type EngineEvent, type EventListeners, followEvents } from "./events.ts";

export type { EngineAddress, RequestSettings } from "./connection.ts";
export { EngineError } from "./engineError.ts";
export type { EngineEvent } from "./events.ts";

export interface ChangeSettings extends RequestSettings {
  /** The change is refused (precondition_failed) when the object is another by now. */
  etag?: string | undefined;
  /** For the whole of the operation. */
  operationTimeoutMs?: number;
  /** 0 to 1, where the engine tells it. */
  progress?: ((fraction: number, message?: string) => void) | undefined;
}

export interface UploadSettings extends ChangeSettings {
  headers?: Record<string, string>;
  /** Of a stream, when it is known beforehand. */
  contentLength?: number;
}

/** Long work inside the engine. */
export interface EngineOperation {
  id: string;
  class: "task" | "websocket" | "token";
  description: string;
  status: string;
  /** 100 to 199: under way. 200: done. 400: failed. 401: cancelled. */
  status_code: number;
  resources: Record<string, string[]> | null;
  metadata: Record<string, unknown> | null;
  may_cancel: boolean;
  err: string;
  location?: string;
}

export interface Download {
  headers: IncomingMessage["headers"];
  sizeBytes?: number;
  content: Readable;
}

export interface ServerInfo {
  kind: "lxd" | "incus";
  version: string;
  apiExtensions: ReadonlySet<string>;
  /** `trusted`, or `untrusted` when it knows no such client. */
  auth: string;
  config: Record<string, string>;
  environment: Record<string, unknown> & { server_name?: string; server_clustered?: boolean; kernel_architecture?: string };
}

const operationMs = 600_000;

/** A path whose values are escaped: at`/1.0/instances/${name}/state`. */
export const at = (words: TemplateStringsArray, ...values: string[]): string =>
  words.reduce((path, word, i) => path + encodeURIComponent(values[i - 1] as string) + word);

/** All its calls are about `project`, unless one says otherwise. */
export const openLxdClient = (address: EngineAddress, project?: string): LxdClient =>
  new LxdClient(new EngineConnection(address), project);

export class LxdClient {
  readonly project: string | undefined;
  readonly #connection: EngineConnection;
  #server: Promise<ServerInfo> | undefined;

  constructor(connection: EngineConnection, project: string | undefined) {
    this.#connection = connection;
    this.project = project;
  }

  get address(): EngineAddress {
    return this.#connection.address;
  }

  /** The same engine, seen from one of its projects. */
  inProject(name: string): LxdClient {
    return new LxdClient(this.#connection, name);
  }

  close(): void {
    this.#connection.close();
  }

  /** What it is and can do; asked once. */
  server(): Promise<ServerInfo> {
    this.#server ??= this.readServer().catch((error) => {
      this.#server = undefined;
      throw error;
    });
    return this.#server;
  }

  async readServer(settings: RequestSettings = {}): Promise<ServerInfo> {
    const info = await this.get<{
      api_extensions?: string[];
      auth?: string;
      config?: Record<string, string>;
      environment?: ServerInfo["environment"] & { server?: string; server_version?: string };
    }>("/1.0", { ...settings, project: null });
    return {
      kind: info.environment?.server === "incus" ? "incus" : "lxd",
      version: info.environment?.server_version ?? "",
      apiExtensions: new Set(info.api_extensions),
      auth: info.auth ?? "",
      config: info.config ?? {},
      environment: info.environment ?? {},
    };
  }

  async get<T>(path: string, settings: RequestSettings = {}): Promise<T> {
    return (await this.#ask("GET", path, undefined, settings)).metadata as T;
  }

  /** With the mark that a later change gives back as `etag`. */
  async getWithEtag<T>(path: string, settings: RequestSettings = {}): Promise<{ value: T; etag: string | undefined }> {
    const { metadata, etag } = await this.#ask("GET", path, undefined, settings);
    return { value: metadata as T, etag };
  }

  /** Undefined when it is not there. */
  async find<T>(path: string, settings: RequestSettings = {}): Promise<T | undefined> {
    try {
      return await this.get<T>(path, settings);
    } catch (error) {
      if (CloudError.is(error, "not_found")) return undefined;
      throw error;
    }
  }

  /** A collection with its objects instead of their addresses; at 2 with what belongs to each, such as the state of instances. */
  async list<T>(path: string, settings: RequestSettings & { recursion?: 1 | 2 } = {}): Promise<T[]> {
    const { recursion = 1, ...rest } = settings;
    return (await this.get<T[] | null>(path, { ...rest, query: { recursion, ...rest.query } })) ?? [];
  }

  /** The finished operation, or the answer itself where the engine does it at once. */
  post<T = EngineOperation>(path: string, body: unknown, settings: ChangeSettings = {}): Promise<T> {
    return this.#change<T>("POST", path, body, settings);
  }

  put<T = EngineOperation>(path: string, body: unknown, settings: ChangeSettings = {}): Promise<T> {
    return this.#change<T>("PUT", path, body, settings);
  }

  patch<T = EngineOperation>(path: string, body: unknown, settings: ChangeSettings = {}): Promise<T> {
    return this.#change<T>("PATCH", path, body, settings);
  }

  /** False when it was not there. */
  async delete(path: string, settings: ChangeSettings & { body?: unknown } = {}): Promise<boolean> {
    const { body, ...rest } = settings;
    try {
      await this.#change("DELETE", path, body, rest);
      return true;
    } catch (error) {
      if (CloudError.is(error, "not_found")) return false;
      throw error;
    }
  }

  /** Begins long work without waiting for its end: commands, whose streams hang on the operation. */
  async start(
    method: "POST" | "PUT" | "DELETE",
    path: string,
    body: unknown,
    settings: ChangeSettings = {},
  ): Promise<EngineOperation> {
    const answer = await this.#ask(method, path, body, settings);
    if (!answer.operation) throw translate(new EngineError("the answer has no operation", 500, `${method} ${path}`));
    return answer.metadata as EngineOperation;
  }

  /** Resolves when it is done; rejects when it failed. Aborting, or being too late, cancels it in the engine too. */
  async wait(id: string, settings: ChangeSettings = {}, what = `operation ${id}`): Promise<EngineOperation> {
    const { signal, progress, operationTimeoutMs = operationMs } = settings;
    const deadline = Date.now() + operationTimeoutMs;
    for (;;) {
      const leftMs = deadline - Date.now();
      if (leftMs <= 0 || signal?.aborted) {
        await this.cancel(id);
        throw signal?.aborted ? cancelled(what, signal.reason) : tooLate(what, operationTimeoutMs);
      }
      // The engine answers when the work ends, or after so long. Whoever wants to hear of progress has to ask more often.
      const seconds = Math.min(progress === undefined ? 20 : 1, Math.ceil(leftMs / 1000));
      const operation = await this.#round(id, seconds, signal);
      if (operation === undefined) continue;
      if (operation.status_code === 200) return operation;
      if (operation.status_code === 401) throw cancelled(what);
      if (operation.status_code > 200) throw translate(new EngineError(operation.err || operation.status, 0, what));
      tellProgress(operation, progress);
    }
  }

  /** How it is after so long, or sooner when it has ended. Undefined when we were told to stop. */
  async #round(id: string, seconds: number, signal: AbortSignal | undefined): Promise<EngineOperation | undefined> {
    const path = at`/1.0/operations/${id}`;
    try {
      return await this.get<EngineOperation>(`${path}/wait`, {
        query: { timeout: seconds },
        signal,
        timeoutMs: seconds * 1000 + requestMs,
      });
    } catch (error) {
      if (signal?.aborted) return undefined;
      // Incus calls it an error that the time is over.
      const over = CloudError.is(error) && error.cause instanceof EngineError && /deadline exceeded/.test(error.cause.message);
      if (over) return this.get<EngineOperation>(path);
      if (!CloudError.is(error, "not_found")) throw error;
      throw new CloudError("unavailable", "The engine restarted in the middle of this. Try again.", {
        cause: error,
        details: { reason: "engine_restarted", retryAfterSeconds: 5 },
      });
    }
  }

  /** Asks the engine to give up; false when it cannot, and goes on. */
  async cancel(id: string): Promise<boolean> {
    try {
      await this.#ask("DELETE", at`/1.0/operations/${id}`, undefined, { timeoutMs: 5_000 });
      return true;
    } catch {
      return false;
    }
  }

  /** Bytes as they are: an image, a file, a backup. */
  async upload<T = EngineOperation>(
    method: "POST" | "PUT",
    path: string,
    content: Readable | Uint8Array,
    settings: UploadSettings = {},
  ): Promise<T> {
    const what = `${method} ${path}`;
    const length = content instanceof Uint8Array ? content.byteLength : settings.contentLength;
    const headers = { "content-type": "application/octet-stream", ...settings.headers };
    const response = await this.#connection.send(method, path, headers, this.#scoped(settings), { content, length });
    return this.#settle<T>(await readDocument(response, what), what, settings);
  }

  /** An answer that is not JSON: whoever asked reads it to its end, or destroys it. Its headers tell a file from a folder. */
  async download(path: string, settings: RequestSettings = {}): Promise<Download> {
    const response = await this.#connection.send("GET", path, {}, this.#scoped({ timeoutMs: idleMs, ...settings }));
    if ((response.statusCode ?? 500) >= 400) await readDocument(response, `GET ${path}`);
    const length = response.headers["content-length"];
    return {
      headers: response.headers,
      content: response,
      ...(length === undefined ? {} : { sizeBytes: Number(length) }),
    };
  }

  /** The headers alone. */
  async head(path: string, settings: RequestSettings = {}): Promise<IncomingMessage["headers"]> {
    const response = await this.#connection.send("HEAD", path, {}, this.#scoped(settings));
    response.resume();
    const status = response.statusCode ?? 500;
    if (status >= 400) throw translate(new EngineError(`status ${status}`, status, `HEAD ${path}`));
    return response.headers;
  }

  /** One stream, open when this resolves. Put the listeners on at once. */
  websocket(path: string, settings: RequestSettings = {}): Promise<WebSocket> {
    return this.#connection.websocket(path, this.#scoped(settings));
  }

  /** A stream of an operation of the class websocket; its secrets are in the metadata of the operation (`fds`). */
  operationSocket(id: string, secret: string, settings: RequestSettings = {}): Promise<WebSocket> {
    return this.websocket(at`/1.0/operations/${id}/websocket`, { ...settings, query: { secret } });
  }

  /** Every event until the signal ends it; connects again by itself. */
  watchEvents(listeners: EventListeners & { types: readonly EngineEvent["type"][]; allProjects?: boolean }): Promise<void> {
    const { types, allProjects, signal } = listeners;
    const settings: RequestSettings = {
      signal,
      query: { type: types.join(","), "all-projects": allProjects },
      ...(allProjects ? { project: null } : {}),
    };
    return followEvents(() => this.websocket("/1.0/events", settings), listeners);
  }

  #scoped<T extends RequestSettings>(settings: T): T {
    return settings.project === undefined && this.project !== undefined ? { ...settings, project: this.project } : settings;
  }

  async #change<T>(method: string, path: string, body: unknown, settings: ChangeSettings): Promise<T> {
    return this.#settle<T>(await this.#ask(method, path, body, settings), `${method} ${path}`, settings);
  }

  async #settle<T>(answer: Answer, what: string, settings: ChangeSettings): Promise<T> {
    if (answer.type !== "async" || !answer.operation) return answer.metadata as T;
    return (await this.wait(operationId(answer.operation), settings, what)) as T;
  }

  async #ask(
    method: string,
    path: string,
    body: unknown,
    settings: ChangeSettings,
  ): Promise<Answer & { etag: string | undefined }> {
    const content = body === undefined ? undefined : Buffer.from(JSON.stringify(body));
    const headers = {
      ...(content === undefined ? {} : { "content-type": "application/json" }),
      ...(settings.etag === undefined ? {} : { "if-match": settings.etag }),
    };
    const sent = content === undefined ? undefined : { content, length: content.length };
    const response = await this.#connection.send(method, path, headers, this.#scoped(settings), sent);
    return { ...(await readDocument(response, `${method} ${path}`)), etag: response.headers.etag };
  }
}

/** `/1.0/operations/<id>?project=…` → `<id>`. */
export const operationId = (address: string): string => {
  const path = address.split("?")[0] as string;
  return path.slice(path.lastIndexOf("/") + 1);
};

/** Such as `Unpack: 45% (40.02MB/s)` under a name like `create_instance_from_image_unpack_progress`. */
function tellProgress(operation: EngineOperation, progress: ChangeSettings["progress"]): void {
  for (const [name, text] of Object.entries(operation.metadata ?? {})) {
    if (!name.endsWith("_progress") || typeof text !== "string") continue;
    const percent = /(\d+)%/.exec(text)?.[1];
    if (percent !== undefined) progress?.(Number(percent) / 100, text);
  }
}
