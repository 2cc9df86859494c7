/** Docker's Engine API (docs.docker.com/reference/api/engine). What it answers is handed on as it is; what it refuses becomes a CloudError. */
import type { IncomingMessage } from "node:http";
import type { Readable } from "node:stream";
import { CloudError } from "../../../../kernel/errors.ts";
import {
  type Body,
  DockerConnection,
  type EngineAddress,
  type Hijacked,
  idleMs,
  type RequestSettings,
  readDocument,
} from "./connection.ts";
import { jsonLines } from "./jsonLines.ts";

export type { EngineAddress, Hijacked, RequestSettings } from "./connection.ts";

/** What this code was written against: 1.41 is Docker 20.10 (Debian 12), which has one-shot statistics. */
const oldest = "1.41";
/** Later versions take away what is used here, or are not known. Docker 29 takes 1.44 and later. */
const newest = "1.47";

export interface EngineVersion {
  apiVersion: string;
  version: string;
}

/** A path whose values are escaped: at`/containers/${name}/json`. */
export const at = (words: TemplateStringsArray, ...values: string[]): string =>
  words.reduce((path, word, i) => path + encodeURIComponent(values[i - 1] as string) + word);

export class DockerClient {
  readonly #connection: DockerConnection;
  #agreed: Promise<EngineVersion> | undefined;

  constructor(address: EngineAddress) {
    this.#connection = new DockerConnection(address);
  }

  get address(): EngineAddress {
    return this.#connection.address;
  }

  close(): void {
    this.#connection.close();
  }

  /** The version of the API that both understand; agreed once, and again after the engine was gone: it may be another one then. */
  version(): Promise<EngineVersion> {
    this.#agreed ??= this.#negotiate().catch((error) => {
      this.#agreed = undefined;
      throw error;
    });
    return this.#agreed;
  }

  async get<T>(path: string, settings: RequestSettings = {}): Promise<T> {
    return (await this.#ask("GET", path, undefined, settings)) as T;
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

  async post<T = undefined>(path: string, body?: unknown, settings: RequestSettings = {}): Promise<T> {
    return (await this.#ask("POST", path, body, settings)) as T;
  }

  /** False when it was not there. */
  async delete(path: string, settings: RequestSettings = {}): Promise<boolean> {
    try {
      await this.#ask("DELETE", path, undefined, settings);
      return true;
    } catch (error) {
      if (CloudError.is(error, "not_found")) return false;
      throw error;
    }
  }

  /** An answer that is not one document: whoever asked reads it to its end, or destroys it. */
  async download(path: string, settings: RequestSettings = {}): Promise<IncomingMessage> {
    return this.#stream("GET", path, { timeoutMs: idleMs, ...settings });
  }

  /** Sends bytes, and reads the objects that come back one by one. */
  async *upload<T>(path: string, content: Readable, settings: RequestSettings = {}): AsyncGenerator<T> {
    const body: Body = { content, type: "application/x-tar" };
    yield* jsonLines<T>(await this.#stream("POST", path, settings, body), `POST ${path}`);
  }

  /** Sends bytes, to an answer of one document. */
  async put(path: string, content: Readable, settings: RequestSettings = {}): Promise<void> {
    await readDocument(await this.#stream("PUT", path, settings, { content, type: "application/x-tar" }), `PUT ${path}`);
  }

  async *lines<T>(path: string, settings: RequestSettings = {}): AsyncGenerator<T> {
    const response = await this.#stream("GET", path, settings);
    try {
      yield* jsonLines<T>(response, `GET ${path}`);
    } finally {
      response.destroy();
    }
  }

  /** A stream in both directions. */
  async hijack(path: string, body: unknown, settings: RequestSettings = {}): Promise<Hijacked> {
    const content = Buffer.from(JSON.stringify(body ?? {}));
    return this.#connection.hijack(await this.#versioned(path), settings, content);
  }

  async #negotiate(): Promise<EngineVersion> {
    const {
      ApiVersion: theirs,
      MinAPIVersion: theirOldest = oldest,
      Version: version,
    } = ((await readDocument(await this.#connection.send("GET", "/version"), "GET /version")) ?? {}) as {
      ApiVersion?: string;
      MinAPIVersion?: string;
      Version?: string;
    };
    if (theirs === undefined || version === undefined)
      throw new CloudError("failed_precondition", `What answers at ${this.address.endpoint} is no Docker Engine.`, {
        details: { reason: "engine_unknown" },
      });
    if (compareVersions(theirs, oldest) < 0)
      throw new CloudError(
        "failed_precondition",
        `Docker ${version} is too old (its API is ${theirs}, and ${oldest} is needed). Install Docker 20.10 or later.`,
        { details: { reason: "engine_too_old" } },
      );
    if (compareVersions(theirOldest, newest) > 0)
      throw new CloudError(
        "failed_precondition",
        `Docker ${version} is too new for this Khmara (its API begins at ${theirOldest}, and ${newest} is the latest known). Update Khmara.`,
        { details: { reason: "engine_too_new" } },
      );
    return { version, apiVersion: compareVersions(theirs, newest) < 0 ? theirs : newest };
  }

  async #versioned(path: string): Promise<string> {
    return `/v${(await this.version()).apiVersion}${path}`;
  }

  async #ask(method: string, path: string, body: unknown, settings: RequestSettings): Promise<unknown> {
    const sent = body === undefined ? undefined : { content: Buffer.from(JSON.stringify(body)), type: "application/json" };
    return readDocument(await this.#send(method, path, settings, sent), `${method} ${path}`);
  }

  async #stream(method: string, path: string, settings: RequestSettings, body?: Body): Promise<IncomingMessage> {
    const response = await this.#send(method, path, settings, body);
    if ((response.statusCode ?? 500) >= 400) await readDocument(response, `${method} ${path}`);
    return response;
  }

  async #send(method: string, path: string, settings: RequestSettings, body?: Body): Promise<IncomingMessage> {
    try {
      return await this.#connection.send(method, await this.#versioned(path), settings, body);
    } catch (error) {
      if (CloudError.is(error, "unavailable")) this.#agreed = undefined;
      throw error;
    }
  }
}

/** `1.41` and `1.5`: numbers, not text. */
export function compareVersions(one: string, other: string): number {
  const [oneMajor = 0, oneMinor = 0] = one.split(".").map(Number);
  const [otherMajor = 0, otherMinor = 0] = other.split(".").map(Number);
  return oneMajor - otherMajor || oneMinor - otherMinor;
}
