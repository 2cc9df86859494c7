import { anonymousCaller } from "./access/identity.ts";
import type { S3Caller, S3Credentials } from "./backend.ts";
import { invalidArgument, S3Error } from "./errors.ts";
import { isPresignedV2, signerOfPresignedV2 } from "./presignedV2.ts";
import type { S3Request } from "./request.ts";
import {
  acceptableSignatures,
  algorithm,
  type ChunkSigning,
  explainSignature,
  type Scope,
  type Signed,
  type SigningKeys,
  sameSignature,
} from "./signature.ts";

/** How the body is protected, as x-amz-content-sha256 declared and the signature confirmed. */
export type Payload =
  | { kind: "unsigned" }
  | { kind: "sha256"; hex: string }
  /** aws-chunked framing; with `signing`, every chunk carries a signature. */
  | { kind: "chunked"; signing?: ChunkSigning; trailer: boolean };

/** Who sent a request; without a signature it is anybody. */
export interface Authenticated {
  caller: S3Caller;
  payload: Payload;
}

export interface AuthenticationOptions {
  credentials: S3Credentials;
  region: string;
  maxClockSkewSeconds: number;
  signingKeys: SigningKeys;
  nowMs: number;
  /** GetBucketLocation is asked before a client knows the region; S3 takes us-east-1 for it. */
  anyRegion: boolean;
  /** Of the security token service, whose requests do not say what the hash of their body is. */
  tokens?: { payloadHash: string };
}

/** What a request says about its own signature, before any of it is believed. */
interface Claim extends Signed {
  accessKeyId: string;
  signature: string;
}

/** The caller who signed this request. Every way to fail has its own S3 error. */
export async function authenticate(request: S3Request, options: AuthenticationOptions): Promise<Authenticated> {
  const authorization = request.headers.get("authorization");
  let claim: Claim;
  if (authorization !== undefined && authorization !== "") {
    if (request.query.has("X-Amz-Algorithm") || request.query.has("X-Amz-Signature"))
      throw invalidArgument(
        "Authorization",
        "…",
        "Only one auth mechanism allowed; only the X-Amz-Algorithm query parameter, Signature query string parameter or the Authorization header should be specified",
      );
    claim = claimOfHeader(request, authorization, options);
  } else if (
    request.query.has("X-Amz-Algorithm") ||
    request.query.has("X-Amz-Signature") ||
    request.query.has("X-Amz-Credential")
  ) {
    claim = claimOfQuery(request, options);
  } else if (isPresignedV2(request)) {
    const caller = await signerOfPresignedV2(request, options);
    mergeSignedParameters(request);
    return { caller, payload: anonymousPayload(request) };
  } else {
    return { caller: anonymousCaller, payload: anonymousPayload(request) };
  }
  // aws-sdk 2 of JavaScript signs a header for an address and sends it as a parameter alone.
  if (claim.presigned) mergeSignedParameters(request, claim.headers);
  requireSigned(request, claim);
  const token = claim.presigned ? request.query.get("X-Amz-Security-Token") : request.headers.get("x-amz-security-token");
  const known = await options.credentials.resolve(claim.accessKeyId, token);
  if (!known) throw new S3Error("InvalidAccessKeyId", undefined, { fields: { AWSAccessKeyId: claim.accessKeyId } });
  const key = options.signingKeys.derive(claim.accessKeyId, known.secretAccessKey, claim.scope);
  let matched = false;
  for (const signature of acceptableSignatures(request, claim, key)) {
    matched = sameSignature(signature, claim.signature);
    if (matched) break;
  }
  if (!matched) {
    throw new S3Error("SignatureDoesNotMatch", undefined, {
      fields: {
        AWSAccessKeyId: claim.accessKeyId,
        SignatureProvided: claim.signature,
        ...explainSignature(request, claim),
      },
    });
  }
  if (claim.presigned) mergeSignedParameters(request);
  const authType = claim.presigned ? "REST-QUERY-STRING" : "REST-HEADER";
  const caller = { ...known.caller, authType, ...(claim.presigned && { signedAtMs: timeOf(claim.timestamp) as number }) };
  return { caller, payload: payloadOf(claim, key) };
}

/** What nobody signed says how it is framed, and may say what its hash is. */
function anonymousPayload(request: S3Request): Payload {
  const hash = request.headers.get("x-amz-content-sha256");
  if (hash === "STREAMING-UNSIGNED-PAYLOAD-TRAILER") return { kind: "chunked", trailer: true };
  if (hash?.startsWith("STREAMING-"))
    throw new S3Error("AccessDenied", "A body that is signed in chunks needs a signature of the request.");
  return hash !== undefined && /^[0-9a-f]{64}$/.test(hash) ? { kind: "sha256", hex: hash } : { kind: "unsigned" };
}

/** Signature Version 2 in headers, and 4A with its elliptic curves. */
const unsupportedVersion = (): S3Error =>
  new S3Error("InvalidRequest", `The authorization mechanism you have provided is not supported. Please use ${algorithm}.`);

function claimOfHeader(request: S3Request, authorization: string, options: AuthenticationOptions): Claim {
  const malformed = (message: string, fields: Record<string, string> = {}): S3Error =>
    new S3Error("AuthorizationHeaderMalformed", `The authorization header is malformed; ${message}`, { fields });
  const space = authorization.indexOf(" ");
  const scheme = space < 0 ? authorization : authorization.slice(0, space);
  const parameters = space < 0 ? "" : authorization.slice(space + 1);
  if (scheme === "AWS") {
    if (!/^[^\s:]+:\S+$/.test(parameters))
      throw invalidArgument(
        "Authorization",
        authorization,
        "AWS authorization header is invalid.  Expected AwsAccessKeyId:signature",
      );
    throw unsupportedVersion();
  }
  if (scheme.startsWith("AWS4-ECDSA")) throw unsupportedVersion();
  if (scheme !== algorithm) throw invalidArgument("Authorization", authorization, "Unsupported Authorization Type");

  const given = new Map<string, string>();
  for (const part of parameters.split(",")) {
    const equals = part.indexOf("=");
    if (equals > 0) given.set(part.slice(0, equals).trim(), part.slice(equals + 1).trim());
  }
  for (const name of ["Credential", "SignedHeaders", "Signature"]) if (!given.get(name)) throw malformed(`missing ${name}.`);

  const { accessKeyId, scope } = parseCredential(given.get("Credential")!, malformed);
  checkScope(scope, options, malformed, request.host);
  const { timeMs: dateMs, timestamp } = signingTime(request.headers.get("x-amz-date"), request.headers.get("date"));
  if (dateMs === undefined) throw new S3Error("AccessDenied", "AWS authentication requires a valid Date or x-amz-date header");
  if (Math.abs(options.nowMs - dateMs) > options.maxClockSkewSeconds * 1000) {
    throw new S3Error("RequestTimeTooSkewed", undefined, {
      fields: {
        RequestTime: request.headers.get("x-amz-date") ?? request.headers.get("date") ?? "",
        ServerTime: new Date(options.nowMs).toISOString(),
        MaxAllowedSkewMilliseconds: String(options.maxClockSkewSeconds * 1000),
      },
    });
  }
  if (!timestamp.startsWith(scope.date))
    throw malformed(
      `Invalid credential date "${scope.date}". This date is not the same as X-Amz-Date: "${timestamp.slice(0, 8)}".`,
    );

  const payloadHash = request.headers.get("x-amz-content-sha256") ?? options.tokens?.payloadHash;
  if (payloadHash === undefined)
    throw new S3Error("InvalidRequest", "Missing required header for this request: x-amz-content-sha256");
  return {
    accessKeyId,
    scope,
    timestamp,
    payloadHash,
    headers: given.get("SignedHeaders")!.split(";"),
    signature: given.get("Signature")!,
    presigned: false,
  };
}

/** "Authenticating Requests: Using Query Parameters". */
function claimOfQuery(request: S3Request, options: AuthenticationOptions): Claim {
  const malformed = (message: string, fields: Record<string, string> = {}): S3Error =>
    new S3Error("AuthorizationQueryParametersError", message, { fields });
  const { query } = request;
  for (const name of [
    "X-Amz-Algorithm",
    "X-Amz-Credential",
    "X-Amz-Signature",
    "X-Amz-Date",
    "X-Amz-SignedHeaders",
    "X-Amz-Expires",
  ]) {
    if (!query.get(name))
      throw malformed(
        "Query-string authentication version 4 requires the X-Amz-Algorithm, X-Amz-Credential, X-Amz-Signature, X-Amz-Date, X-Amz-SignedHeaders, and X-Amz-Expires parameters.",
      );
  }
  if (query.get("X-Amz-Algorithm")!.startsWith("AWS4-ECDSA")) throw unsupportedVersion();
  if (query.get("X-Amz-Algorithm") !== algorithm) throw malformed(`X-Amz-Algorithm only supports "${algorithm}"`);
  const { accessKeyId, scope } = parseCredential(query.get("X-Amz-Credential")!, (message) =>
    malformed(`Error parsing the X-Amz-Credential parameter; ${message}`),
  );
  checkScope(scope, options, (message, fields) => malformed(`Error parsing the X-Amz-Credential parameter; ${message}`, fields));

  const timestamp = query.get("X-Amz-Date")!;
  const dateMs = /^\d{8}T\d{6}Z$/.test(timestamp) ? timeOf(timestamp) : undefined;
  if (dateMs === undefined) throw malformed("X-Amz-Date must be in the ISO8601 Long Format \"yyyyMMdd'T'HHmmss'Z'\"");
  if (!timestamp.startsWith(scope.date))
    throw malformed(
      `Invalid credential date "${scope.date}". This date is not the same as X-Amz-Date: "${timestamp.slice(0, 8)}".`,
    );
  const expires = query.get("X-Amz-Expires")!;
  if (!/^-?\d{1,12}$/.test(expires)) throw malformed("X-Amz-Expires should be a number");
  const expiresSeconds = Number(expires);
  if (expiresSeconds < 0) throw malformed("X-Amz-Expires must be non-negative");
  if (expiresSeconds > 604_800)
    throw malformed(
      "X-Amz-Expires must be less than a week (in seconds); that is, the given X-Amz-Expires must be less than 604800 seconds",
    );
  if (dateMs - options.nowMs > options.maxClockSkewSeconds * 1000)
    throw new S3Error("AccessDenied", "Request is not valid yet", {
      fields: { ServerTime: new Date(options.nowMs).toISOString() },
    });
  const endMs = dateMs + expiresSeconds * 1000;
  if (options.nowMs >= endMs) {
    throw new S3Error("AccessDenied", "Request has expired", {
      fields: {
        "X-Amz-Expires": expires,
        Expires: new Date(endMs).toISOString(),
        ServerTime: new Date(options.nowMs).toISOString(),
      },
    });
  }
  return {
    accessKeyId,
    scope,
    timestamp,
    headers: query.get("X-Amz-SignedHeaders")!.split(";"),
    // What a request says of its body stands in what is signed, whether the header is in the list or not: nobody changes it on the way.
    payloadHash: query.get("X-Amz-Content-Sha256") ?? request.headers.get("x-amz-content-sha256") ?? "UNSIGNED-PAYLOAD",
    signature: query.get("X-Amz-Signature")!,
    presigned: true,
  };
}

export function parseCredential(
  credential: string,
  malformed: (message: string) => S3Error,
): { accessKeyId: string; scope: Scope } {
  const parts = credential.split("/");
  // An access key id may itself hold slashes: the scope is the last four.
  if (parts.length < 5 || parts[0] === "" || parts.at(-1) !== "aws4_request") {
    throw malformed(`the Credential is mal-formed; expecting "<YOUR-AKID>/YYYYMMDD/REGION/SERVICE/aws4_request".`);
  }
  const [date, region, service] = parts.slice(-4) as [string, string, string, string];
  if (!/^\d{8}$/.test(date))
    throw malformed(`incorrect date format "${date}". This date in the credential must be in the format "yyyyMMdd".`);
  return { accessKeyId: parts.slice(0, -4).join("/"), scope: { date, region, service } };
}

export function checkScope(
  scope: Scope,
  options: Pick<AuthenticationOptions, "region" | "anyRegion" | "tokens">,
  malformed: (message: string, fields?: Record<string, string>) => S3Error,
  host?: string,
): void {
  const service = options.tokens ? "sts" : "s3";
  if (scope.service !== service) throw malformed(`incorrect service "${scope.service}". This endpoint belongs to "${service}".`);
  if (scope.region === options.region || (options.anyRegion && scope.region === "us-east-1")) return;
  // Programs with Haskell's library of 2023 (git-annex) sign for the name of the host where that is none of Amazon's.
  if (host !== undefined && scope.region === host.replace(/:\d+$/, "")) return;
  throw malformed(`the region '${scope.region}' is wrong; expecting '${options.region}'`, { Region: options.region });
}

/** YYYYMMDDTHHMMSSZ or an HTTP date (RFC 9110, 5.6.7). */
export function timeOf(text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  const compact = /^(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d)Z$/.exec(text);
  const timeMs = compact
    ? Date.parse(`${compact[1]}-${compact[2]}-${compact[3]}T${compact[4]}:${compact[5]}:${compact[6]}Z`)
    : Date.parse(text);
  return Number.isNaN(timeMs) ? undefined : timeMs;
}

/** What was read last: requests of one second say the same. */
let readLast: { date: string | undefined; timeMs: number; timestamp: string } | undefined;

function signingTime(amzDate: string | undefined, httpDate: string | undefined): { timeMs?: number; timestamp: string } {
  if (readLast !== undefined && amzDate !== undefined && readLast.date === amzDate) return readLast;
  const amzMs = timeOf(amzDate);
  const timeMs = amzMs ?? timeOf(httpDate);
  if (timeMs === undefined) return { timestamp: "" };
  const read = { date: amzDate, timeMs, timestamp: compactTime(timeMs) };
  if (amzMs !== undefined) readLast = read;
  return read;
}

const compactTime = (timeMs: number): string => `${new Date(timeMs).toISOString().replace(/[-:]/g, "").slice(0, 15)}Z`;

/** Host and every x-amz-* header must be under the signature, or who forwards the request could change its meaning. */
function requireSigned(request: S3Request, claim: Claim): void {
  const unsigned: string[] = [];
  if (!claim.headers.includes("host")) unsigned.push("host");
  for (const name of request.headers.keys()) {
    // x-amz-content-sha256 is the payload hash, which is signed in its own place.
    if (name.startsWith("x-amz-") && name !== "x-amz-content-sha256" && !claim.headers.includes(name)) unsigned.push(name);
  }
  if (unsigned.length > 0) {
    throw new S3Error("AccessDenied", "There were headers present in the request which were not signed", {
      fields: { HeadersNotSigned: unsigned.join(", ") },
    });
  }
}

/** Presigners may carry x-amz-* headers as query parameters, where the signature covers them as well. */
function mergeSignedParameters(request: S3Request, only?: readonly string[]): void {
  for (const [name, value] of request.query) {
    const header = name.toLowerCase();
    if (only !== undefined && !only.includes(header)) continue;
    const counts = header.startsWith("x-amz-") || conditionalParameters.has(header);
    if (!counts || authenticationParameters.has(header) || request.headers.has(header)) continue;
    // Headers are bytes here (Latin-1 text); a parameter was decoded from UTF-8.
    request.headers.set(header, Buffer.from(value).toString("latin1"));
  }
}

/** S3 takes these as if they had come as headers. */
const conditionalParameters = new Set(["if-match", "if-none-match", "if-modified-since", "if-unmodified-since"]);

const authenticationParameters = new Set([
  "x-amz-algorithm",
  "x-amz-credential",
  "x-amz-signature",
  "x-amz-date",
  "x-amz-signedheaders",
  "x-amz-expires",
  "x-amz-content-sha256",
  "x-amz-security-token",
]);

function payloadOf(claim: Claim, key: Buffer): Payload {
  const signing = { key, timestamp: claim.timestamp, scope: claim.scope, seedSignature: claim.signature };
  switch (claim.payloadHash) {
    case "UNSIGNED-PAYLOAD":
      return { kind: "unsigned" };
    case "STREAMING-UNSIGNED-PAYLOAD-TRAILER":
      return { kind: "chunked", trailer: true };
    case "STREAMING-AWS4-HMAC-SHA256-PAYLOAD":
      return { kind: "chunked", signing, trailer: false };
    case "STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER":
      return { kind: "chunked", signing, trailer: true };
  }
  if (/^[0-9a-f]{64}$/i.test(claim.payloadHash)) return { kind: "sha256", hex: claim.payloadHash.toLowerCase() };
  throw invalidArgument(
    "x-amz-content-sha256",
    claim.payloadHash,
    "x-amz-content-sha256 must be UNSIGNED-PAYLOAD, STREAMING-UNSIGNED-PAYLOAD-TRAILER, STREAMING-AWS4-HMAC-SHA256-PAYLOAD, STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER, or a valid sha256 value.",
  );
}
