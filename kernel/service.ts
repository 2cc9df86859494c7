import type { IncomingMessage } from "node:http";
import type { Duplex, Readable } from "node:stream";
import type { AuditFact } from "./audit.ts";
import type { Place, Principal } from "./auth/principal.ts";
import type { Contract, RouteDefinition, RouteInput, RouteResponse, Routes } from "./contract.ts";
import type { Tx } from "./db/database.ts";
import type { Log } from "./log.ts";
import type { OperationDefinition } from "./operations/definition.ts";

/** What a handler knows of its request. Handlers run in one transaction that commits when they return. */
export interface RequestContext<P extends Principal | undefined = Principal> {
  principal: P;
  tx: Tx;
  requestId: string;
  sourceIp: string;
  userAgent: string;
  /** Name and port that the caller used for us, as a trusted proxy passes them on. */
  host: string;
  log: Log;
  /** The revision in If-Match, when one was sent. */
  ifMatch: number | undefined;
  cookies: Readonly<Record<string, string>>;
  setCookie(name: string, value: string, options?: { maxAgeSeconds?: number }): void;
  setHeader(name: string, value: string): void;
  /** Checks the route's permission where the resource lives; every handler of a route with a permission must come by here. */
  authorize(place: Place, resource: string): void;
  /** Whether the caller holds another permission there. */
  allows(permission: string, roles: readonly import("./contract.ts").Role[], place: Place): boolean;
  /** Records the change, with actor, source and action filled in from the request. */
  audit(fact: Omit<AuditFact, "action" | "actor" | "sourceIp" | "userAgent" | "requestId"> & Partial<AuditFact>): void;
}

/** A stream route has no transaction of its own: it opens short ones with `transaction`, and never holds one while bytes flow. */
export interface StreamContext<P extends Principal | undefined = Principal> extends Omit<RequestContext<P>, "tx" | "audit"> {
  transaction<T>(work: (tx: Tx) => Promise<T>): Promise<T>;
  audit(tx: Tx, fact: Parameters<RequestContext["audit"]>[0]): void;
  /** The request with its unread body. */
  request: IncomingMessage;
  /** Aborted when the client has gone. */
  signal: AbortSignal;
}

export interface BytesResponse {
  status: number;
  headers: Record<string, string>;
  body?: Readable;
}

/** One server-sent event; `comment` keeps the connection alive. */
export type ServerSentEvent = { id: string; event: string; data: string } | { comment: string };

/**
 * A WebSocket that a route has become. It is watched over: a dead peer, a session that ended, a role that was taken away and the stop
 * of the server all close it, which `signal` tells.
 */
export interface SocketConnection {
  /**
   * Binary messages, both ways. Reading it slowly slows the sender; a write is done when the peer can take more. Each write is a
   * message of its own. It ends when the peer closes; destroying it closes the socket.
   */
  bytes: Duplex;
  /** Called for each text message; one that is no JSON object closes the socket before it comes here. */
  onControl(listener: (message: Record<string, unknown>) => void): void;
  /** Sends a text message. */
  control(message: Record<string, unknown>): void;
  /** Aborted when the socket is closed, by whomever. */
  signal: AbortSignal;
  /** Bytes of binary messages so far. */
  readonly receivedBytes: number;
  readonly sentBytes: number;
  /** Why it was closed, once it is: for the audit. */
  readonly closedBecause: string | undefined;
}

/**
 * What the handler of a socket route returns once it has authorized: it runs after the upgrade, and the socket is closed when it
 * ends (1000). A CloudError that it throws is sent as `{ error: <problem document> }`, then the socket is closed with 4000 + its HTTP status.
 */
export type SocketHandler = (socket: SocketConnection) => Promise<void>;

type PrincipalOf<R extends RouteDefinition> = R["permission"] extends "public" ? Principal | undefined : Principal;
type ResponseOf<R extends RouteDefinition> = R["stream"] extends { response: "bytes" }
  ? BytesResponse
  : R["stream"] extends { response: "events" }
    ? AsyncIterable<ServerSentEvent>
    : R["stream"] extends { response: "socket" }
      ? SocketHandler
      : RouteResponse<R>;
type ContextOf<R extends RouteDefinition> = R["stream"] extends object
  ? StreamContext<PrincipalOf<R>>
  : RequestContext<PrincipalOf<R>>;

export type Handler<R extends RouteDefinition> = (context: ContextOf<R>, input: RouteInput<R>) => Promise<ResponseOf<R>>;
export type Handlers<C extends Contract> = { [K in keyof C["routes"]]: Handler<C["routes"][K]> };

/** Work that comes round by itself. It runs in one process at a time (a lock in the database) and must be harmless to repeat. */
export interface Worker {
  name: string;
  everySeconds: number;
  run(signal: AbortSignal): Promise<void>;
}

export interface ServiceDefinition<C extends Contract = Contract> {
  contract: C;
  /** The folder of its migrations: `new URL("./migrations/", import.meta.url)`. */
  migrations?: URL;
  handlers: Handlers<C>;
  // biome-ignore lint/suspicious/noExplicitAny: each operation has an input of its own.
  operations?: OperationDefinition<any>[];
  workers?: Worker[];
  /** Names and values for /metrics, read when it is asked for. */
  metrics?: () => Promise<{ name: string; help: string; value: number; labels?: Record<string, string> }[]>;
  stop?: () => Promise<void>;
}

/** What a part of a service brings to it: the handlers of its routes, and what works beside them. */
export interface Area<R extends Routes> {
  handlers: { [K in keyof R]: Handler<R[K]> };
  // biome-ignore lint/suspicious/noExplicitAny: each operation has an input of its own.
  operations?: OperationDefinition<any>[];
  workers?: Worker[];
  metrics?: NonNullable<ServiceDefinition["metrics"]>;
  stop?: () => Promise<void>;
}

/** The one shape of a service. */
export const defineService = <C extends Contract>(definition: ServiceDefinition<C>): ServiceDefinition<C> => definition;

// biome-ignore lint/suspicious/noExplicitAny: a list of services of different contracts.
export type AnyService = ServiceDefinition<any>;
