import type { IncomingMessage, Server, ServerResponse } from "node:http";
import type { Socket } from "node:net";
import { type Origin, origins } from "../notifications/origin.ts";
import { hideMissing, limitSession } from "./access/decide.ts";
import { anonymousCaller } from "./access/identity.ts";
import { type Access, accessLine, type LogNotes, operationName, websiteOperation } from "./accessLine.ts";
import { authenticate } from "./authenticate.ts";
import type { S3Backend, S3Caller, S3Credentials, S3Log } from "./backend.ts";
import { limitConnections } from "./connections.ts";
import { allowOrigin, answerPreflight } from "./cors.ts";
import { naming } from "./errorNames.ts";
import { S3Error, toS3Error } from "./errors.ts";
import type { S3Context, S3Response } from "./operation.ts";
import { parseRequest, type S3Request } from "./request.ts";
import { hostId, newRequestId, refuseConnection, send, sendError } from "./respond.ts";
import { findRoute, type Route } from "./routes.ts";
import { SigningKeys } from "./signature.ts";
import { answerWebsite, websiteHeader, websiteRequest } from "./website.ts";

// Not an import: that evaluates all that node:http exports, the WebSocket and with it undici, which costs 16 MB and a tenth of a second.
const { createServer } = process.getBuiltinModule("node:http");

export interface S3ServerOptions {
  backend: S3Backend;
  credentials: S3Credentials;
  /** The region that clients must sign for, and where new buckets are. */
  region: string;
  /** Base host names: "bucket.<base>" is virtual-host style, everything else path style. Lower case, without port. */
  hosts: string[];
  log: S3Log;
  /** How far a client's clock may be off; S3 allows 15 minutes. */
  maxClockSkewSeconds?: number;
  /** How long a client may keep the door waiting: half of it for the head of a request; a connection on which nothing moves goes after twice that. */
  patienceSeconds?: number;
  /** More are not taken: whoever holds many open takes memory from the rest. */
  maxConnections?: number;
  clock?: () => number;
  /** For metrics: each request, by its operation, once its answer begins. */
  onAnswer?: (operation: string, status: number, seconds: number) => void;
}

/** The S3 protocol over HTTP/1.1; TLS is the gateway's matter. */
export function s3Server(options: S3ServerOptions): Server {
  const patienceMs = (options.patienceSeconds ?? 60) * 1000;
  const door = new S3Door(options, patienceMs);
  const server = createServer(
    {
      // Presigned URLs and 2 KB of metadata, with room to spare; S3 itself stops at 8 KB of headers.
      maxHeaderSize: 32 * 1024,
      headersTimeout: patienceMs / 2,
      // An upload may take hours; what must not stop is its progress (body.ts).
      requestTimeout: 0,
      keepAliveTimeout: 65_000,
      connectionsCheckingInterval: Math.ceil(patienceMs / 12),
      noDelay: true,
    },
    (message, response) => void door.serve(message, response, false),
  );
  // A connection that is kept for hours comes anew now and then, so that a process that was started later gets its share.
  server.maxRequestsPerSocket = 5_000;
  limitConnections(server, options.maxConnections ?? 4_096);
  server.on("checkContinue", (message: IncomingMessage, response: ServerResponse) => void door.serve(message, response, true));
  // Other expectations are ignored, as S3 does and RFC 9110 (10.1.1) allows.
  server.on(
    "checkExpectation",
    (message: IncomingMessage, response: ServerResponse) => void door.serve(message, response, false),
  );
  server.on("clientError", (error: NodeJS.ErrnoException, socket: Socket) => refuseConnection(error, socket));
  const idleMs = patienceMs * 2;
  server.setTimeout(idleMs, (socket) => {
    // Nothing moves because we are at work (joining a large upload, say): wait on.
    if (door.working.has(socket)) socket.setTimeout(idleMs);
    else socket.destroy();
  });
  return server;
}

class S3Door {
  /** Connections whose request has been read and whose answer has not begun. */
  readonly working = new WeakSet<Socket>();
  readonly #options: S3ServerOptions;
  readonly #signingKeys = new SigningKeys();
  readonly #patienceMs: number;

  constructor(options: S3ServerOptions, patienceMs: number) {
    this.#patienceMs = patienceMs;
    this.#options = { ...options, hosts: options.hosts.map((host) => host.toLowerCase()) };
  }

  /** One request, from its head to the end of its answer. Never throws. */
  async serve(message: IncomingMessage, response: ServerResponse, expectsContinue: boolean): Promise<void> {
    const requestId = newRequestId();
    const { socket } = message;
    const work = (): void => void this.working.add(socket);
    if (message.headers["content-length"] === undefined && message.headers["transfer-encoding"] === undefined) work();
    else message.once("end", work);
    let begun = false;
    const begin = (): void => {
      if (expectsContinue && !begun) response.writeContinue();
      begun = true;
    };

    const seen: Seen = { requestId, beganAtMs: Date.now(), began: performance.now(), notes: {} };
    // By what held before, as who takes the rules away, or the bucket, is to read the answer.
    if (message.headers.origin !== undefined) await allowOrigin(message, response, this.#options);
    let answer: S3Response | S3Error;
    try {
      answer = await this.#answer(message, begin, seen);
    } catch (error) {
      const refusal = toS3Error(error);
      answer = refusal;
      if (refusal.status >= 500 && refusal.code !== "NotImplemented" && refusal.code !== "SlowDown")
        this.#options.log.error(
          { requestId, err: refusal.cause ?? refusal, method: message.method, url: withoutSignature(message.url) },
          "s3 request failed",
        );
    }
    seen.turnAroundMs = performance.now() - seen.began;
    this.#options.onAnswer?.(seen.operation ?? "other", answer.status, seen.turnAroundMs / 1000);
    this.working.delete(socket);
    message.off("end", work);

    try {
      if (answer instanceof S3Error) {
        // Who waits for "100 Continue" may send its body now or never: the connection cannot be used again.
        await sendError(answer, message, response, { requestId, bodyUnwanted: expectsContinue && !begun });
        this.#options.log.debug(
          { requestId, method: message.method, code: answer.code, status: answer.status },
          "s3 request refused",
        );
        this.#log(seen, answer, 0);
        return;
      }
      const sentBytes = await send(answer, message, response, requestId);
      if (answer.meter)
        this.#options.backend.store.meter(answer.meter.bucketId, { requestClass: answer.meter.requestClass, sentBytes });
      this.#log(seen, answer, sentBytes);
    } catch (error) {
      this.#options.log.warn({ requestId, err: error }, "s3 answer broke off");
      response.destroy();
    }
  }

  /** For the owners of the buckets, where these have an access log. */
  #log(seen: Seen, answer: S3Response | S3Error, sentBytes: number): void {
    const { request, notes } = seen;
    if (!request || (notes.beside === undefined && !this.#options.backend.accessLog(request.bucketName))) return;
    const failed = answer instanceof S3Error;
    const header = (name: string) => answer.headers?.[name];
    const size = header("Content-Range")?.toString().split("/")[1] ?? header("Content-Length") ?? sizeOf(request);
    const own: Omit<Access, "owner"> = {
      request,
      bucketName: request.bucketName,
      key: request.key,
      operation: operationName(request, seen.operation),
      caller: notes.caller ?? seen.caller,
      requestId: seen.requestId,
      hostId,
      beganAtMs: seen.beganAtMs,
      totalMs: performance.now() - seen.began,
      turnAroundMs: seen.turnAroundMs ?? 0,
      status: answer.status,
      errorCode: failed ? answer.code : undefined,
      sentBytes,
      objectBytes: failed || request.key === "" || size === undefined ? undefined : Number(size),
      versionId: request.query.get("versionId") ?? header("x-amz-version-id")?.toString(),
      aclRequired: notes.aclRequired,
    };
    this.#note(own);
    const none = { sentBytes: 0, errorCode: undefined, objectBytes: undefined, versionId: undefined };
    for (const beside of notes.beside ?? []) this.#note({ ...own, ...none, ...beside });
  }

  #note(access: Omit<Access, "owner">): void {
    const accessLog = this.#options.backend.accessLog(access.bucketName);
    accessLog?.note(accessLine({ ...access, owner: accessLog.owner }));
  }

  async #answer(message: IncomingMessage, begin: () => void, seen: Seen): Promise<S3Response> {
    const { backend, credentials, region, maxClockSkewSeconds = 900, clock = Date.now } = this.#options;
    const site = message.headers[websiteHeader];
    if (message.method === "OPTIONS") return answerPreflight(message, this.#options);
    if (typeof site === "string") {
      seen.operation = websiteOperation;
      seen.request = websiteRequest(message, site);
      return answerWebsite(seen.request, backend, seen.requestId);
    }
    const request = parseRequest(message, this.#options.hosts);
    seen.request = request;
    const route = attempt(() => findRoute(request));
    const nowMs = clock();
    const common = { credentials, signingKeys: this.#signingKeys, maxClockSkewSeconds };
    const { caller, payload } = authenticatesItself(route)
      ? { caller: anonymousCaller, payload: { kind: "unsigned" } as const }
      : await authenticate(request, {
          ...common,
          region,
          nowMs,
          anyRegion: !(route instanceof Error) && (route.name === "GetBucketLocation" || route.name === "ListBuckets"),
        });
    seen.caller = caller;
    if (!(route instanceof Error)) seen.operation = route.name;
    // A stranger learns nothing of what is implemented.
    if (route instanceof Error) throw caller.anonymous ? new S3Error("AccessDenied") : route;
    if (caller.anonymous && [...request.query.keys()].some((name) => name.startsWith("response-")))
      throw new S3Error("InvalidRequest", "Request specific response headers cannot be used for anonymous GET requests.");
    const body = { message, payload, begin, patienceMs: this.#patienceMs };
    const context: S3Context = {
      request,
      body,
      caller,
      backend,
      region,
      operation: route.name,
      nowMs,
      door: common,
      notes: seen.notes,
    };
    try {
      limitSession(context);
      const answer = await origins.run(originOf(context, seen.requestId), () => route.operation(context));
      const more = { ...regionHeader(context), ...(context.charged && { "x-amz-request-charged": "requester" }) };
      return Object.keys(more).length > 0 ? { ...answer, headers: { ...answer.headers, ...more } } : answer;
    } catch (error) {
      const refusal = await hideMissing(context, context.opened, naming(toS3Error(error), request));
      Object.assign(refusal.headers, regionHeader(context));
      throw refusal;
    }
  }
}

/** Told to whoever asks after a bucket that there is, also with a refusal: libraries look by it for the region to sign for (HeadBucket). */
const regionHeader = ({ operation, opened }: S3Context): Record<string, string> =>
  opened !== undefined && tellsRegion.has(operation) ? { "x-amz-bucket-region": opened.region } : {};
const tellsRegion: ReadonlySet<string> = new Set(["HeadBucket", "ListObjects", "ListObjectsV2"]);

/** Whose signature is in the body. */
const authenticatesItself = (route: Route | S3Error): boolean =>
  !(route instanceof Error) && (route.name === "PostObject" || route.name === "SecurityTokens");

/** What is known of a request so far: for the access log of its bucket. */
interface Seen {
  requestId: string;
  beganAtMs: number;
  began: number;
  turnAroundMs?: number;
  request?: S3Request;
  operation?: string;
  caller?: S3Caller;
  notes: LogNotes;
}

const originOf = ({ caller, request, operation }: S3Context, requestId: string): Origin => ({
  principalId: caller.anonymous ? "Anonymous" : caller.userId,
  sourceAddress: request.remoteAddress,
  requestId,
  hostId,
  post: operation === "PostObject",
});

/** Of what a request brings. */
const sizeOf = ({ method, headers }: S3Request): string | undefined =>
  method === "PUT" ? (headers.get("x-amz-decoded-content-length") ?? headers.get("content-length")) : undefined;

function attempt(find: () => Route): Route | S3Error {
  try {
    return find();
  } catch (error) {
    return toS3Error(error);
  }
}

/** For the log: a presigned URL is a key to an object. */
const withoutSignature = (url = ""): string => url.replace(/([?&](?:X-Amz-)?Signature=)[^&]*/i, "$1…");
