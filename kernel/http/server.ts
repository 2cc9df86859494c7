import { randomUUID } from "node:crypto";
import { Readable } from "node:stream";
import Fastify, { type FastifyInstance, type FastifyReply, type FastifyRequest } from "fastify";
import { audit } from "../audit.ts";
import { authorize, visibilityOf } from "../auth/authorize.ts";
import { actorOf, type Place, type Principal } from "../auth/principal.ts";
import type { RouteDefinition } from "../contract.ts";
import type { Database, Tx } from "../db/database.ts";
import { CloudError } from "../errors.ts";
import type { Log } from "../log.ts";
import type { Secrets } from "../secrets.ts";
import type { AnyService, BytesResponse, RequestContext, ServerSentEvent, SocketHandler, StreamContext } from "../service.ts";
import { parseCookies, serializeCookie } from "./cookies.ts";
import { problemType, toCloudError, toProblem } from "./errors.ts";
import { claimIdempotencyKey, keepIdempotentAnswer } from "./idempotency.ts";
import { inputReader } from "./input.ts";
import { createSockets, type Sockets, type SocketTimings, shouldUpgrade } from "./sockets.ts";

export interface Authentication {
  principal: Principal;
  /** True where the browser sends the credential by itself: such calls must prove that they come from our own pages. */
  ambient: boolean;
}

export interface HttpServerOptions {
  services: AnyService[];
  database: Database;
  secrets: Secrets;
  log: Log;
  /** Resolves the credential of a request; undefined without one, unauthenticated (thrown) with a wrong one. */
  authenticate(request: {
    cookies: Record<string, string>;
    authorization: string | undefined;
    sourceIp: string;
    userAgent: string;
  }): Promise<Authentication | undefined>;
  /** Whether cookies carry the Secure attribute and HSTS is sent. */
  secure: boolean;
  /** Addresses of proxies, besides those of loopback, whose X-Forwarded-… is believed. */
  proxies?: readonly string[];
  /** Observes every answered request, for metrics. */
  onResponse?(route: string, status: number, seconds: number): void;
  /** How WebSockets are watched over, where it is other than usual. */
  sockets?: Partial<SocketTimings>;
}

const bodyLimitBytes = 1024 * 1024;

/** The API of all services on one Fastify instance, below /api. Pages and probes are added by the composition root. */
export function createHttpServer(options: HttpServerOptions): FastifyInstance {
  const fastify = Fastify({
    loggerInstance: options.log as never,
    disableRequestLogging: true,
    bodyLimit: bodyLimitBytes,
    // A request id is ours alone, so that nobody can forge the trail in the log.
    genReqId: () => randomUUID(),
    requestTimeout: 0,
    routerOptions: { maxParamLength: 2048, ignoreTrailingSlash: true },
    trustProxy: ["loopback", ...(options.proxies ?? [])],
    forceCloseConnections: "idle",
    http: { shouldUpgradeCallback: shouldUpgrade } as never,
  }) as unknown as FastifyInstance;
  fastify.server.headersTimeout = 20_000;
  fastify.server.keepAliveTimeout = 65_000;

  fastify.addHook("onRequest", async (request, reply) => {
    reply.header("x-request-id", request.id);
    reply.header("x-content-type-options", "nosniff");
    reply.header("referrer-policy", "same-origin");
    reply.header("x-frame-options", "SAMEORIGIN");
    if (options.secure) reply.header("strict-transport-security", "max-age=31536000");
    if (request.url.startsWith("/api/")) reply.header("cache-control", "no-store");
  });
  fastify.addHook("onResponse", async (request, reply) => {
    options.onResponse?.(request.routeOptions.url ?? "none", reply.statusCode, reply.elapsedTime / 1000);
    // What is out of reach for a moment is no error of ours; the answer says to come again.
    const level = reply.statusCode === 500 ? "error" : reply.statusCode > 500 ? "warn" : "debug";
    const route = request.routeOptions.url ?? "none";
    request.log[level](
      { status: reply.statusCode, ms: Math.round(reply.elapsedTime) },
      `${request.method} ${route} answered ${reply.statusCode}`,
    );
  });
  fastify.setErrorHandler((error, request, reply) => sendError(error, request, reply));
  fastify.setNotFoundHandler((request, reply) =>
    sendError(new CloudError("not_found", "There is nothing at this address. See /api/docs for what there is."), request, reply),
  );
  // Bodies of byte routes stay unread; everything else must be JSON.
  fastify.addContentTypeParser("*", (_request, _payload, done) => done(null));

  // Streams of events have no end of their own: they end when the server closes, and their readers come back.
  const streams = new Set<AbortController>();
  fastify.addHook("preClose", async () => {
    for (const stream of streams) stream.abort();
  });
  const sockets = createSockets(fastify, options.sockets);
  for (const service of options.services) {
    for (const [name, route] of Object.entries(service.contract.routes as Record<string, RouteDefinition>)) {
      mount(fastify, options, { events: streams, sockets }, name, route, service.handlers[name] as never);
    }
  }
  return fastify;
}

type AnyHandler = (context: unknown, input: unknown) => Promise<unknown>;

/** What lasts longer than an answer. */
interface Lasting {
  events: Set<AbortController>;
  sockets: Sockets;
}

function mount(
  fastify: FastifyInstance,
  options: HttpServerOptions,
  lasting: Lasting,
  name: string,
  route: RouteDefinition,
  handler: AnyHandler,
): void {
  const read = inputReader(route);
  const status = route.status ?? (route.response || route.stream?.response ? 200 : 204);
  const hasBytesBody = route.stream?.request === "bytes";
  const register = (instance: FastifyInstance) =>
    instance.route({
      method: route.method,
      url: `/api${route.path.replace(/\{(\w+)\}/g, ":$1")}`,
      config: { name } as never,
      handler: async (request, reply) => {
        const call = await begin(options, route, request, reply);
        const input = read({ params: request.params, query: request.query, body: hasBytesBody ? {} : request.body });
        if (route.stream) return streamed(options, lasting, route, handler, call, input, request, reply, status);
        const answer = await transacted(options, route, handler, call, input, request, status);
        for (const [header, value] of call.headers) reply.header(header, value);
        if (answer.replayed) reply.header("idempotency-replayed", "true");
        return send(reply, route, request, answer.status, answer.body);
      },
    });
  if (hasBytesBody) {
    // Its own scope: there no parser, not even the one for JSON, touches the body.
    fastify.register(async (scope) => {
      scope.removeAllContentTypeParsers();
      scope.addContentTypeParser("*", (_request, _payload, done) => done(null));
      register(scope);
    });
  } else register(fastify);
}

interface Call {
  principal: Principal | undefined;
  headers: [string, string | string[]][];
  base: Omit<RequestContext<Principal | undefined>, "tx" | "audit">;
  route: RouteDefinition;
  authorized: boolean;
  /** Where it was authorized. */
  places: { place: Place; resource: string }[];
}

async function begin(
  options: HttpServerOptions,
  route: RouteDefinition,
  request: FastifyRequest,
  reply: FastifyReply,
): Promise<Call> {
  const cookies = parseCookies(request.headers.cookie);
  const userAgent = request.headers["user-agent"] ?? "";
  let authentication: Authentication | undefined;
  try {
    authentication = await authenticate(options, request);
  } catch (error) {
    // A page that anybody may see stays visible to whoever has an old cookie.
    if (route.permission !== "public" || !CloudError.is(error, "unauthenticated")) throw error;
  }
  if (!authentication && route.permission !== "public") {
    throw new CloudError("unauthenticated", "Sign in first, or send an API token as `Authorization: Bearer …`.");
  }
  // Browsers let pages of other sites open WebSockets to us, cookies included.
  if (route.stream?.response === "socket" && (authentication?.ambient || route.permission === "public"))
    refuseForeignPages(request, { origin: authentication?.ambient === true && request.headers.upgrade !== undefined });
  if (request.method !== "GET" && (authentication?.ambient || route.permission === "public"))
    refuseForeignPages(request, { header: authentication?.ambient ?? false });
  const headers: Call["headers"] = [];
  const cookieHeaders: string[] = [];
  const call: Call = {
    principal: authentication?.principal,
    headers,
    route,
    authorized: false,
    places: [],
    base: undefined as never,
  };
  call.base = {
    principal: call.principal,
    requestId: request.id,
    sourceIp: request.ip,
    userAgent,
    host: request.host,
    log: request.log as Log,
    ifMatch: readIfMatch(request.headers["if-match"]),
    cookies,
    setCookie(name, value, cookie = {}) {
      cookieHeaders.push(serializeCookie(name, value, { ...cookie, secure: options.secure }));
      if (route.stream) reply.header("set-cookie", cookieHeaders);
      else if (cookieHeaders.length === 1) headers.push(["set-cookie", cookieHeaders]);
    },
    setHeader(name, value) {
      if (route.stream) reply.header(name, value);
      else headers.push([name, value]);
    },
    authorize(place, resource) {
      if (!call.principal) throw new CloudError("unauthenticated", "Sign in first.");
      authorize(call.principal, route.permission, route.roles ?? [], place, resource);
      call.authorized = true;
      call.places.push({ place, resource });
    },
    allows(permission, roles, place) {
      if (!call.principal) return false;
      try {
        authorize(call.principal, permission as never, roles, place, "");
        return true;
      } catch {
        return false;
      }
    },
  };
  return call;
}

/** A session's token must also be allowed the "self" routes: a token with scopes touches nothing of its owner's account. */
function checkSelf(call: Call): void {
  const { principal, route } = call;
  if (route.permission !== "self" || !principal) return;
  if (principal.projectId !== undefined || (principal.scopes && !principal.scopes.includes("*") && route.method !== "GET")) {
    throw new CloudError("permission_denied", "A token with limited scopes cannot change its owner's account.", {
      details: { reason: "token_scope" },
    });
  }
}

async function transacted(
  options: HttpServerOptions,
  route: RouteDefinition,
  handler: AnyHandler,
  call: Call,
  input: { body: unknown },
  request: FastifyRequest,
  status: number,
): Promise<{ status: number; body: unknown; replayed?: boolean }> {
  checkSelf(call);
  const key = route.method === "POST" && call.principal ? readIdempotencyKey(request.headers["idempotency-key"]) : undefined;
  const claim = key === undefined ? undefined : { principalId: (call.principal as Principal).id, key };
  return options.database.transaction(visibilityOf(call.principal), async (tx) => {
    call.headers.length = 0;
    call.authorized = false;
    if (claim) {
      const replay = await claimIdempotencyKey(tx, options.secrets, {
        ...claim,
        method: request.method,
        path: request.url,
        body: input.body,
      });
      if (replay) return { ...replay, replayed: true };
    }
    const body = await handler({ ...call.base, tx, audit: (fact: never) => recordAudit(tx, call, fact) }, input);
    assertAuthorized(call);
    if (claim) await keepIdempotentAnswer(tx, options.secrets, claim, { status, body });
    return { status, body };
  });
}

async function streamed(
  options: HttpServerOptions,
  lasting: Lasting,
  route: RouteDefinition,
  handler: AnyHandler,
  call: Call,
  input: unknown,
  request: FastifyRequest,
  reply: FastifyReply,
  status: number,
): Promise<unknown> {
  checkSelf(call);
  const gone = new AbortController();
  reply.raw.once("close", () => gone.abort());
  const context: StreamContext<Principal | undefined> = {
    ...call.base,
    transaction: (work) => options.database.transaction(visibilityOf(call.principal), work),
    audit: (tx, fact) => recordAudit(tx, call, fact as never),
    request: request.raw,
    signal: gone.signal,
  };
  const answer = await handler(context, input);
  assertAuthorized(call);
  if (route.stream?.response === "bytes") {
    const { status: bytesStatus, headers, body } = answer as BytesResponse;
    reply.code(bytesStatus).headers(headers);
    return reply.send(body ?? "");
  }
  if (route.stream?.response === "events") {
    lasting.events.add(gone);
    reply.raw.once("close", () => lasting.events.delete(gone));
    reply.headers({ "content-type": "text/event-stream", "x-accel-buffering": "no" });
    return reply.send(Readable.from(eventLines(answer as AsyncIterable<ServerSentEvent>, gone.signal)));
  }
  if (route.stream?.response === "socket")
    return upgraded(options, lasting.sockets, call, answer as SocketHandler, request, reply, gone);
  return send(reply, route, request, status, answer);
}

/** All is allowed: the request becomes a WebSocket, or learns that it should have asked to (RFC 9110, 15.5.22). */
async function upgraded(
  options: HttpServerOptions,
  sockets: Sockets,
  call: Call,
  handler: SocketHandler,
  request: FastifyRequest,
  reply: FastifyReply,
  gone: AbortController,
): Promise<unknown> {
  if (!sockets.isUpgrade(request)) {
    const error = new CloudError("failed_precondition", "This address is a WebSocket: ask for the upgrade (RFC 6455).", {
      details: { reason: "websocket_required" },
    });
    const problem = { ...toProblem(error, request.id), title: "Upgrade required", status: 426 };
    return reply.code(426).headers({ upgrade: "websocket" }).type(problemType).send(JSON.stringify(problem));
  }
  const url = request.routeOptions.url ?? "none";
  await sockets.open(request, reply, {
    handler,
    principalId: call.principal?.id ?? request.ip,
    recheck: () => recheck(options, call, request),
    gone,
    log: call.base.log,
  });
  options.onResponse?.(url, 101, reply.elapsedTime / 1000);
  return reply;
}

/** Whether the caller of something that lasts may still do it: throws as the first time, when not. */
async function recheck(options: HttpServerOptions, call: Call, request: FastifyRequest): Promise<void> {
  if (!call.principal) return;
  const now = await authenticate(options, request);
  if (now?.principal.id !== call.principal.id) throw new CloudError("unauthenticated", "Your session has ended. Sign in again.");
  for (const { place, resource } of call.places)
    authorize(now.principal, call.route.permission, call.route.roles ?? [], place, resource);
}

const authenticate = (options: HttpServerOptions, request: FastifyRequest): Promise<Authentication | undefined> =>
  options.authenticate({
    cookies: parseCookies(request.headers.cookie),
    authorization: request.headers.authorization,
    sourceIp: request.ip,
    userAgent: request.headers["user-agent"] ?? "",
  });

/** The wire form of HTML's "Server-sent events", 9.2.6. */
async function* eventLines(events: AsyncIterable<ServerSentEvent>, signal: AbortSignal): AsyncGenerator<string> {
  for await (const event of events) {
    if (signal.aborted) return;
    yield "comment" in event ? `: ${event.comment}\n\n` : `id: ${event.id}\nevent: ${event.event}\ndata: ${event.data}\n\n`;
  }
}

function send(reply: FastifyReply, route: RouteDefinition, request: FastifyRequest, status: number, body: unknown): FastifyReply {
  if (route.response === undefined) return reply.code(status).send();
  const revision = (body as { revision?: unknown } | undefined)?.revision;
  if (typeof revision === "number") {
    const etag = `"r${revision}"`;
    reply.header("etag", etag);
    if (route.method === "GET" && request.headers["if-none-match"] === etag) return reply.code(304).send();
  }
  const id = (body as { id?: unknown } | undefined)?.id;
  if (status === 202 && typeof id === "string") reply.header("location", `/api/v1/operations/${id}`);
  return reply.code(status).send(body);
}

function recordAudit(tx: Tx, call: Call, fact: Parameters<RequestContext["audit"]>[0]): void {
  audit(tx, {
    action: call.route.permission,
    actor: actorOf(call.principal),
    sourceIp: call.base.sourceIp,
    userAgent: call.base.userAgent,
    requestId: call.base.requestId,
    ...fact,
  });
}

/** A handler that forgot to authorize is a hole; its work is rolled back. */
function assertAuthorized(call: Call): void {
  const { permission, method, path } = call.route;
  if (permission === "public" || permission === "self" || call.authorized) return;
  throw new Error(`${method} ${path} did not check its permission ${permission}.`);
}

/**
 * Cross-site request forgery: a browser tells where a request comes from (Fetch Metadata, Origin), and only our own scripts can set
 * the header, for no other origin gets a CORS answer from us.
 */
function refuseForeignPages(request: FastifyRequest, needs: { header?: boolean; origin?: boolean }): void {
  const site = request.headers["sec-fetch-site"];
  const origin = request.headers.origin;
  const foreign =
    (site !== undefined && site !== "same-origin" && site !== "none") ||
    (origin !== undefined && hostOf(origin) !== request.host);
  const unproven =
    (needs.header && request.headers["x-khmara-csrf"] === undefined) || (needs.origin && request.headers.origin === undefined);
  if (foreign || unproven) {
    throw new CloudError(
      "permission_denied",
      "This request did not come from the console's own pages. Programs use an API token instead of a session.",
      {
        details: { reason: "csrf" },
      },
    );
  }
}

const hostOf = (origin: string): string | undefined => URL.parse(origin)?.host;

function readIdempotencyKey(header: string | string[] | undefined): string | undefined {
  if (header === undefined) return undefined;
  if (typeof header !== "string" || !/^[\x21-\x7e]{1,255}$/.test(header)) {
    throw new CloudError("invalid_argument", "Idempotency-Key has 1 to 255 printable ASCII characters, best a UUID.");
  }
  return header;
}

function readIfMatch(header: string | undefined): number | undefined {
  if (header === undefined || header === "*") return undefined;
  const match = /^"r(\d+)"$/.exec(header);
  // Byte routes have ETags of their own and read the header themselves.
  return match ? Number(match[1]) : -1;
}

function sendError(thrown: unknown, request: FastifyRequest, reply: FastifyReply): FastifyReply {
  const error = toCloudError(thrown);
  if (error.code === "internal")
    request.log.error({ err: error.cause ?? error, route: request.routeOptions?.url }, "request failed");
  const problem = toProblem(error, request.id);
  if (error.details.retryAfterSeconds !== undefined) reply.header("retry-after", String(error.details.retryAfterSeconds));
  if (error.code === "unauthenticated") reply.header("www-authenticate", 'Bearer realm="Khmara"');
  // A body that nobody read would be taken for the next request.
  if (request.raw.readableEnded === false && Number(request.headers["content-length"] ?? 1) > 0 && request.method !== "GET")
    reply.header("connection", "close");
  return reply.code(problem.status).type(problemType).send(JSON.stringify(problem));
}
