import type { Readable } from "node:stream";
import type { Id } from "../../../kernel/ids.ts";
import type { Meter } from "../driver.ts";
import type { S3Action, S3Backend, S3Bucket, S3Caller } from "./backend.ts";
import type { RequestBody } from "./body.ts";
import { S3Error } from "./errors.ts";
import type { S3Request } from "./request.ts";

/** Everything that one operation works with. */
export interface S3Context {
  request: S3Request;
  body: RequestBody;
  caller: S3Caller;
  backend: S3Backend;
  region: string;
}

export interface S3Response {
  status: number;
  headers?: Record<string, string | number>;
  /** A document, or an object's bytes (with Content-Length among the headers). */
  body?: string | Readable;
  /** Counted when the answer has been sent, with the bytes that really left; absent when a change was counted already. */
  meter?: { bucketId: Id<"bucket">; requestClass: Meter["requestClass"] };
}

/** From a request that is authenticated to an answer. What fails is thrown. */
export type S3Operation = (context: S3Context) => Promise<S3Response>;

/** The bucket that the request names, once the caller may do this in it. */
export async function openBucket(
  context: S3Context,
  action: S3Action | undefined,
  name = context.request.bucketName,
): Promise<S3Bucket> {
  const { backend, caller, request } = context;
  const bucket = await backend.bucketByName(caller, name);
  const expected = request.headers.get(
    name === request.bucketName ? "x-amz-expected-bucket-owner" : "x-amz-source-expected-bucket-owner",
  );
  if (expected !== undefined && expected !== ownerOf(context, bucket).canonicalId) throw new S3Error("AccessDenied");
  if (action) await backend.authorize(caller, action, bucket);
  return bucket;
}

export const ownerOf = (context: S3Context, bucket: S3Bucket): Pick<S3Caller, "canonicalId" | "displayName"> =>
  bucket.owner ?? context.caller;

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
