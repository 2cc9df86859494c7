/** A line of an access log (S3 User Guide, "Amazon S3 server access log format"). */
import type { S3Account, S3Caller } from "./backend.ts";
import { isPresignedV2 } from "./presignedV2.ts";
import type { S3Request } from "./request.ts";

/** What the operations tell of a request for the logs, beyond what it says itself. */
export interface LogNotes {
  /** Who signed, where that stands in the body. */
  caller?: S3Caller;
  /** An access control list was what let the caller in. */
  aclRequired?: boolean;
  beside?: Beside[];
}

/** What a request did besides; it has a record of its own in the log of the bucket that it was done to. */
export interface Beside {
  operation: "BATCH.DELETE.OBJECT" | "REST.COPY.OBJECT_GET" | "REST.COPY.PART_GET";
  bucketName: string;
  key: string;
  status: number;
  errorCode?: string | undefined;
  objectBytes?: number | undefined;
  versionId?: string | undefined;
  aclRequired?: boolean | undefined;
}

/** One record: of a request, once it was answered, or of what it did besides. */
export interface Access {
  request: S3Request;
  bucketName: string;
  key: string;
  /** As the log names it. */
  operation: string;
  /** Undefined: nobody was recognised. */
  caller: S3Caller | undefined;
  owner: S3Account;
  requestId: string;
  hostId: string;
  beganAtMs: number;
  totalMs: number;
  /** Until the answer began. */
  turnAroundMs: number;
  status: number;
  errorCode: string | undefined;
  sentBytes: number;
  /** Of the object, where one was sent or taken. */
  objectBytes: number | undefined;
  versionId?: string | undefined;
  aclRequired?: boolean | undefined;
}

export function accessLine(access: Access): string {
  const { request, caller, owner } = access;
  // One of many deletions was not asked for by itself.
  const isOneOfMany = access.operation === "BATCH.DELETE.OBJECT";
  const { headers } = request;
  const target = request.rawQuery === "" ? request.rawPath : `${request.rawPath}?${withoutSecrets(request.rawQuery)}`;
  const isPresigned = request.query.has("X-Amz-Signature") || isPresignedV2(request);
  const signed = headers.has("authorization") ? "AuthHeader" : isPresigned ? "QueryString" : undefined;
  return [
    owner.canonicalId,
    access.bucketName,
    `[${logTime(access.beganAtMs)}]`,
    request.remoteAddress,
    caller === undefined || caller.anonymous ? undefined : (caller.arns[0] ?? caller.canonicalId),
    access.requestId,
    access.operation,
    access.key === "" ? undefined : encodeURIComponent(access.key).replaceAll("%2F", "/"),
    isOneOfMany ? undefined : quoted(`${request.method} ${target} HTTP/1.1`),
    access.status,
    access.errorCode,
    access.sentBytes || undefined,
    access.objectBytes,
    Math.round(access.totalMs),
    Math.round(access.turnAroundMs),
    isOneOfMany ? undefined : quoted(headers.get("referer")),
    isOneOfMany ? undefined : quoted(headers.get("user-agent")),
    access.versionId,
    access.hostId,
    signed === undefined ? undefined : caller?.signatureVersion === "AWS" ? "SigV2" : "SigV4",
    // Which cipher it was is the gateway's to know.
    undefined,
    signed,
    request.host,
    request.tlsVersion,
    // There are no access points.
    undefined,
    access.aclRequired ? "Yes" : undefined,
    // The region that a request comes from would be next, and is never known: readers that are older than the field do without it.
  ]
    .map((field) => (field === undefined || field === "" ? "-" : field))
    .join(" ");
}

/** In place of a route's name, where a page was asked for. */
export const websiteOperation = "Website";

const months = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

/** As Apache writes it: 06/Feb/2019:00:00:38 +0000. */
function logTime(atMs: number): string {
  const time = new Date(atMs);
  const day = String(time.getUTCDate()).padStart(2, "0");
  return `${day}/${months[time.getUTCMonth()]}/${time.getUTCFullYear()}:${time.toISOString().slice(11, 19)} +0000`;
}

/** Nothing that a client says ends the field or the line. */
const quoted = (text: string | undefined): string =>
  text === undefined || text === ""
    ? '"-"'
    : `"${text.replace(/[^\x20-\x7e]|["\\]/g, (character) => encodeURIComponent(character.isWellFormed() ? character : "?"))}"`;

/** A presigned address, or a session's token, would let whoever reads the log in. */
const withoutSecrets = (query: string): string =>
  query.replace(/(^|&)((?:X-Amz-Signature|X-Amz-Security-Token|Signature)=)[^&]*/gi, "$1$2...");

const resources: Record<string, string> = {
  acl: "ACL",
  attributes: "OBJECT_ATTRIBUTES",
  delete: "MULTI_OBJECT_DELETE",
  encryption: "ENCRYPTION",
  "legal-hold": "OBJECT_LOCK_LEGAL_HOLD",
  logging: "LOGGING_STATUS",
  "object-lock": "OBJECT_LOCK_CONFIGURATION",
  policy: "BUCKETPOLICY",
  publicAccessBlock: "PUBLIC_ACCESS_BLOCK",
  requestPayment: "REQUEST_PAYMENT",
  retention: "OBJECT_LOCK_RETENTION",
  uploadId: "UPLOAD",
  versions: "BUCKETVERSIONS",
};
const plain = [
  "cors",
  "lifecycle",
  "location",
  "notification",
  "ownershipControls",
  "policyStatus",
  "tagging",
  "uploads",
  "versioning",
  "website",
];

/** `operation` is the route's name; undefined: there is no such operation. */
export function operationName({ method, query, key, headers }: S3Request, operation: string | undefined): string {
  if (operation === websiteOperation) return `WEBSITE.${method}.OBJECT`;
  if (method === "OPTIONS") return "REST.OPTIONS.PREFLIGHT";
  if (operation === "UploadPart" || operation === "UploadPartCopy")
    return `REST.${headers.has("x-amz-copy-source") ? "COPY" : "PUT"}.PART`;
  if (operation === "CopyObject") return "REST.COPY.OBJECT";
  const shape = key === "" ? "BUCKET" : "OBJECT";
  for (const name of query.keys()) {
    if (Object.hasOwn(resources, name)) return `REST.${method}.${resources[name]}`;
    if (plain.includes(name)) return `REST.${method}.${name === "tagging" && key !== "" ? "OBJECT_TAGGING" : name.toUpperCase()}`;
  }
  return `REST.${method}.${shape}`;
}
