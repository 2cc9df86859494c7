import type { Readable } from "node:stream";
import { CloudError } from "../../../kernel/errors.ts";
import type { Id } from "../../../kernel/ids.ts";
import type { Meter } from "../driver.ts";
import type { Requirement } from "./access/actions.ts";
import { allow, requirementOf, requirePayer } from "./access/decide.ts";
import type { Beside, LogNotes } from "./accessLine.ts";
import type { S3Account, S3Backend, S3Bucket, S3Caller, S3Credentials } from "./backend.ts";
import type { RequestBody } from "./body.ts";
import { S3Error } from "./errors.ts";
import type { S3Request } from "./request.ts";
import type { SigningKeys } from "./signature.ts";

/** Everything that one operation works with. */
export interface S3Context {
  request: S3Request;
  body: RequestBody;
  caller: S3Caller;
  backend: S3Backend;
  region: string;
  /** The route's name: what it needs stands in access/actions.ts. */
  operation: string;
  nowMs: number;
  /** For operations that authenticate by what is in their body. */
  door: { credentials: S3Credentials; signingKeys: SigningKeys; maxClockSkewSeconds: number };
  /** What policies may ask for and the headers do not tell: known once the document was read. */
  given?: { requestTags?: Record<string, string>; requestLock?: Record<string, string>; prefix?: string };
  /** Set when no role but a policy or a list let the caller in. */
  byGrant?: boolean;
  /** The bucket's requesters pay, and this one has said so. */
  charged?: boolean;
  /** The bucket that the request names, once it was opened. */
  opened?: S3Bucket;
  notes: LogNotes;
}

export interface S3Response {
  status: number;
  headers?: Record<string, string | number>;
  /** A document, or an object's bytes (with Content-Length among the headers). */
  body?: string | Buffer | Readable;
  /** Takes the pieces of `body` that have left. */
  recycle?: ((piece: Uint8Array) => void) | undefined;
  /** Counted when the answer has been sent, with the bytes that really left; absent when a change was counted already. */
  meter?: { bucketId: Id<"bucket">; requestClass: Meter["requestClass"] };
}

/** From a request that is authenticated to an answer. What fails is thrown. */
export type S3Operation = (context: S3Context) => Promise<S3Response>;

/** The bucket that the request names, once the caller may do there what this operation does. */
export async function openBucket(context: S3Context, also: readonly Requirement[] = []): Promise<S3Bucket> {
  const { request } = context;
  const bucket = await findBucket(context, request.bucketName, "x-amz-expected-bucket-owner");
  context.opened = bucket;
  const target = { key: request.key, versionId: request.query.get("versionId") };
  const by = [await allow(context, bucket, requirementOf(context), target)];
  for (const requirement of also) by.push(await allow(context, bucket, requirement, target));
  context.notes.aclRequired = by.includes("acl");
  await requirePayer(context, bucket);
  return bucket;
}

/** Only buckets with a log hear of it, so that the others pay nothing. */
export function noteBeside({ backend, notes }: S3Context, beside: Beside): void {
  if (backend.accessLog(beside.bucketName) === undefined) return;
  notes.beside ??= [];
  notes.beside.push(beside);
}

/** Another bucket than the request's, that of a copy's source. */
export async function openOther(
  context: S3Context,
  name: string,
  needs: readonly Requirement[],
  target: { key: string; versionId?: string | undefined },
): Promise<{ bucket: S3Bucket; aclRequired: boolean }> {
  const bucket = await findBucket(context, name, "x-amz-source-expected-bucket-owner");
  let aclRequired = false;
  for (const requirement of needs) aclRequired = (await allow(context, bucket, requirement, target)) === "acl" || aclRequired;
  await requirePayer(context, bucket);
  return { bucket, aclRequired };
}

/** The bucket, if it is whose the client thinks it is ("Verifying bucket ownership with bucket owner condition", S3 User Guide). */
export async function findBucket({ backend, request }: S3Context, name: string, ownerHeader: string): Promise<S3Bucket> {
  const expected = request.headers.get(ownerHeader);
  if (expected !== undefined && !/^\d{12}$/.test(expected))
    throw new S3Error(
      "InvalidBucketOwnerAWSAccountID",
      `The value of the expected bucket owner parameter must be an AWS Account ID... [${expected}]`,
    );
  // Names that S3 took long ago are looked for, and not found; these never were any.
  if (!/^[\w.-]{3,255}$/.test(name)) throw new S3Error("InvalidBucketName", undefined, { fields: { BucketName: name } });
  const bucket = await backend.bucketByName(name).catch((error: unknown) => {
    // It may be another than the request's, the source of a copy.
    throw CloudError.is(error, "not_found")
      ? new S3Error("NoSuchBucket", undefined, { fields: { BucketName: name }, cause: error })
      : error;
  });
  if (expected !== undefined && expected !== bucket.owner.accountId) throw new S3Error("AccessDenied");
  return bucket;
}

export const ownerOf = (_context: S3Context, bucket: S3Bucket): S3Account => bucket.owner;

/** As S3 writes a bucket where IAM does. */
export const bucketArn = (name: string): string => `arn:aws:s3:::${name}`;

/** Object keys are 1 to 1024 bytes of UTF-8 ("Naming Amazon S3 objects"). */
export function checkKey(key: string): void {
  const bytes = Buffer.byteLength(key);
  if (bytes > 1024) throw new S3Error("KeyTooLongError", undefined, { fields: { Size: String(bytes), MaxSizeAllowed: "1024" } });
}

/** A whole number in a query, within bounds. */
export function integerParameter(
  request: S3Request,
  name: string,
  bounds: { min: number; max: number; otherwise: number; clamp?: boolean },
): number {
  const text = request.query.get(name);
  if (text === undefined || text === "") return bounds.otherwise;
  const value = Number(text);
  const wrong = !/^[+-]?\d{1,10}$/.test(text) || value < bounds.min || (!bounds.clamp && value > bounds.max);
  if (wrong) {
    throw new S3Error(
      "InvalidArgument",
      /^[+-]?\d+$/.test(text)
        ? `Argument ${name} must be an integer between ${bounds.min} and ${bounds.max === 1000 ? 2147483647 : bounds.max}`
        : `Provided ${name} not an integer or within integer range`,
      {
        fields: { ArgumentName: name, ArgumentValue: text },
      },
    );
  }
  return Math.min(value, bounds.max);
}

export const xmlHeaders = { "Content-Type": "application/xml" };
