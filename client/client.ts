import type { Page, RouteArguments, RouteDefinition, RouteResponse } from "../kernel/contract.ts";
import { CloudError } from "../kernel/errors.ts";
import type { CloudRoutes } from "../services/contracts.ts";
import { type CloudEvent, eventStream } from "./events.ts";
import { problemError, unreachable } from "./problem.ts";
import { routes } from "./routes.ts";
import { CloudSocket, openBrowserSocket, type SocketOpener, type SocketOptions } from "./socket.ts";
import { countedBody, type RawBody, sendWithProgress } from "./upload.ts";

type RouteKey = keyof CloudRoutes;
type Definition<K extends RouteKey> = CloudRoutes[K] extends RouteDefinition ? CloudRoutes[K] : never;

/** A query parameter travels as text: whoever calls may give what it means (`true`, `50`) as well. */
type Loose<In, Out> = { [N in keyof In]: N extends keyof Out ? (unknown extends In[N] ? Out[N] : In[N] | Out[N]) : In[N] };
type Parsed<S> = S extends { _zod: { input: infer In; output: infer Out } } ? Loose<In, Out> : unknown;

/** Parameters, query and body of a route in one object. */
export type Arguments<K extends RouteKey> = Omit<RouteArguments<Definition<K>>, keyof QueryAndParams<K>> & QueryAndParams<K>;
type QueryAndParams<K extends RouteKey> = Parsed<Definition<K>["params"]> & Parsed<Definition<K>["query"]>;

/** What a route answers: the parsed body, or the response itself where that is bytes. */
export type Answer<K extends RouteKey> = Definition<K>["stream"] extends { response: "bytes" | "events" }
  ? Response
  : RouteResponse<Definition<K>>;

/** The routes that answer in pages, and what is on them. */
export type ListKey = { [K in RouteKey]: Answer<K> extends Page<unknown> ? K : never }[RouteKey];
/** The routes that become WebSockets. */
export type SocketKey = { [K in RouteKey]: Definition<K>["stream"] extends { response: "socket" } ? K : never }[RouteKey];
type PageArguments<K extends RouteKey> = Omit<Arguments<K>, "cursor">;
type Item<K extends RouteKey> = Answer<K> extends Page<infer T> ? T : never;

export interface RequestOptions {
  signal?: AbortSignal | undefined;
  /** Every POST carries a key anyway; give your own to be able to send the same request again later. */
  idempotencyKey?: string;
  /** The revision that the change is meant for, or a whole ETag. */
  ifMatch?: number | string;
  headers?: Record<string, string>;
  /** The bytes of a route that takes bytes. */
  rawBody?: RawBody;
  /** The length of a stream, so that the server learns it before the bytes. */
  rawBodyBytes?: number;
  onProgress?: (sentBytes: number) => void;
}

type Method<K extends RouteKey> = K extends SocketKey
  ? (args: Arguments<K>, options: SocketOptions) => Promise<CloudSocket>
  : Record<never, never> extends Arguments<K>
    ? (args?: Arguments<K>, options?: RequestOptions) => Promise<Answer<K>>
    : (args: Arguments<K>, options?: RequestOptions) => Promise<Answer<K>>;

export type Client = { [K in RouteKey]: Method<K> } & {
  /** The pages of a list, one after the other. */
  pages<K extends ListKey>(key: K, args: PageArguments<K>, options?: RequestOptions): AsyncGenerator<Answer<K>>;
  /** The items of all pages of a list. */
  all<K extends ListKey>(key: K, args: PageArguments<K>, options?: RequestOptions): AsyncGenerator<Item<K>>;
  /** What happens, as it happens; reconnects until `signal` says stop, and then ends. */
  events(args: Arguments<"eventWatch">, options?: EventOptions): AsyncGenerator<CloudEvent>;
  /** The address of a route, for links, `<img src>` and downloads by the browser. */
  url<K extends RouteKey>(key: K, args: Arguments<K>): string;
};

export interface EventOptions {
  signal?: AbortSignal;
  lastEventId?: string;
  /** Called when the connection is made, and again when it is made anew: what is shown may be stale then. */
  onOpen?: () => void;
}

export interface ClientOptions {
  /** Where the cloud is, without /api: `http://127.0.0.1:8080`; empty in a browser that was served by it. */
  baseUrl: string;
  fetch?: typeof fetch;
  /** Asked before each request: `{ authorization: "Bearer …" }`. */
  headers?: () => Record<string, string>;
  /** Opens WebSockets; otherwise as a browser does, by its cookies. */
  openSocket?: SocketOpener;
  /** How often a request that may be repeated is repeated. */
  retries?: number;
  /** The first pause before that; each later one is twice as long. */
  retryDelayMs?: number;
}

/** A route as client/routes.ts has it. */
export interface ClientRoute {
  method: RouteDefinition["method"];
  path: string;
  query?: readonly string[];
  body?: true;
  sends?: "bytes";
  receives?: "bytes" | "events" | "socket";
}

/** Splits merged arguments into the path, the query and the body of a request. */
export function requestParts(route: ClientRoute, args: Record<string, unknown>): { path: string; body: unknown } {
  const rest = { ...args };
  const path = route.path.replace(/\{(\w+)\}/g, (_, name: string) => {
    const value = rest[name];
    if (value === undefined || value === "") throw new CloudError("invalid_argument", `\`${name}\` is missing.`);
    delete rest[name];
    return encodeURIComponent(String(value));
  });
  const query = new URLSearchParams();
  for (const name of route.query ?? []) {
    const value = rest[name];
    delete rest[name];
    if (value === undefined || value === null) continue;
    for (const one of Array.isArray(value) ? value : [value]) query.append(name, String(one));
  }
  const search = query.toString();
  return { path: `/api${path}${search && `?${search}`}`, body: route.body ? rest : undefined };
}

const pause = (ms: number, signal: AbortSignal | undefined): Promise<void> =>
  new Promise((resolve, reject) => {
    const timer = setTimeout(resolve, ms);
    signal?.addEventListener("abort", () => {
      clearTimeout(timer);
      reject(signal.reason);
    });
  });

export function createClient(options: ClientOptions): Client {
  const baseUrl = options.baseUrl.replace(/\/+$/, "");
  const send = options.fetch ?? ((input, init) => fetch(input, init));

  async function request(route: ClientRoute, args: Record<string, unknown>, given: RequestOptions): Promise<Response> {
    const { path, body } = requestParts(route, args);
    const headers: Record<string, string> = {
      accept: route.receives === "bytes" ? "*/*" : "application/json",
      ...options.headers?.(),
      ...given.headers,
    };
    // A form of another site cannot set this header: it proves that the request is ours (the cookie alone does not).
    if (route.method !== "GET") headers["x-khmara-csrf"] = "1";
    if (route.method === "POST") headers["idempotency-key"] = given.idempotencyKey ?? crypto.randomUUID();
    if (given.ifMatch !== undefined)
      headers["if-match"] = typeof given.ifMatch === "number" ? `"r${given.ifMatch}"` : given.ifMatch;
    const init: RequestInit & { duplex?: "half" } = { method: route.method, headers, credentials: "same-origin" };
    if (given.signal) init.signal = given.signal;
    if (route.sends) {
      headers["content-type"] ??= (given.rawBody instanceof Blob && given.rawBody.type) || "application/octet-stream";
      if (given.onProgress && "XMLHttpRequest" in globalThis)
        return sendWithProgress(baseUrl + path, init, given.rawBody, given.onProgress);
      const sized = given.rawBodyBytes ?? (given.rawBody instanceof Blob ? given.rawBody.size : undefined);
      if (sized !== undefined && !("window" in globalThis)) headers["content-length"] = String(sized);
      init.body = given.onProgress ? countedBody(given.rawBody, given.onProgress) : (given.rawBody ?? null);
      init.duplex = "half";
    } else if (body !== undefined) {
      headers["content-type"] = "application/json";
      init.body = JSON.stringify(body);
    }

    const repeatable = route.method === "GET" || route.method === "POST";
    const attempts = repeatable && !route.sends ? 1 + (options.retries ?? 3) : 1;
    for (let attempt = 1; ; attempt++) {
      let error: CloudError;
      try {
        const response = await send(baseUrl + path, init);
        if (response.ok) return response;
        error = await problemError(response);
      } catch (cause) {
        if (given.signal?.aborted) throw given.signal.reason;
        error = unreachable(cause, baseUrl);
      }
      if (error.code !== "unavailable" || attempt >= attempts) throw error;
      const backOffMs = (options.retryDelayMs ?? 250) * 2 ** (attempt - 1);
      await pause(Math.min(Math.max(backOffMs, (error.details.retryAfterSeconds ?? 0) * 1000), 10_000), given.signal);
    }
  }

  async function call(route: ClientRoute, args: Record<string, unknown> = {}, given: RequestOptions = {}): Promise<unknown> {
    const response = await request(route, args, given);
    if (route.receives) return response;
    if (response.status === 204) return undefined;
    try {
      const text = await response.text();
      return text === "" ? undefined : JSON.parse(text);
    } catch (cause) {
      throw given.signal?.aborted ? given.signal.reason : unreachable(cause, baseUrl);
    }
  }

  async function* pages(key: ListKey, args: Record<string, unknown>, given: RequestOptions = {}): AsyncGenerator<Page<unknown>> {
    let cursor: string | undefined;
    do {
      const answer = (await call(routes[key], { ...args, cursor }, given)) as Page<unknown>;
      yield answer;
      cursor = answer.nextCursor;
    } while (cursor !== undefined);
  }

  const requestMethod = (route: ClientRoute) => (args?: Record<string, unknown>, given?: RequestOptions) =>
    call(route, args, given);
  const openSocket = options.openSocket ?? openBrowserSocket;
  const socketMethod =
    (route: ClientRoute) =>
    (args: Record<string, unknown>, given: SocketOptions): Promise<CloudSocket> =>
      openSocket(
        baseUrl + requestParts(route, args).path,
        options.headers?.() ?? {},
        (wire) => new CloudSocket(wire, given),
        given.signal,
      );

  const client: Record<string, unknown> = {
    pages,
    async *all(key: ListKey, args: Record<string, unknown>, given?: RequestOptions) {
      for await (const one of pages(key, args, given)) yield* one.items;
    },
    events: (args: Record<string, unknown>, given: EventOptions = {}) =>
      eventStream((headers, signal) => request(routes.eventWatch, args, { headers, ...(signal && { signal }) }), given),
    url: (key: RouteKey, args: Record<string, unknown>) => baseUrl + requestParts(routes[key], args).path,
  };
  for (const [key, route] of Object.entries(routes)) {
    client[key] = (route as ClientRoute).receives === "socket" ? socketMethod(route) : requestMethod(route);
  }
  return client as Client;
}
