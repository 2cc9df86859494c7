import { createHmac } from "node:crypto";
import type { S3Caller, S3Credentials } from "./backend.ts";
import { invalidArgument, S3Error } from "./errors.ts";
import { queryPairs, type S3Request } from "./request.ts";
import { hexBytes, sameSignature } from "./signature.ts";

/**
 * Addresses signed in version 2 ("Signing and authenticating REST requests", query string request authentication, S3 API Reference): what boto3 and
 * version 1 of aws make in us-east-1 unless told otherwise. HMAC-SHA1 (RFC 2104) is unbroken; the secret signs the method, the time of the end, the
 * object and all x-amz-* headers. What it does not cover is refused.
 */
export const isPresignedV2 = ({ query }: S3Request): boolean => query.has("AWSAccessKeyId") && query.has("Signature");

/** Who signed it. Errors: InvalidAccessKeyId, SignatureDoesNotMatch; AccessDenied once it has expired or where something was left unsigned. */
export async function signerOfPresignedV2(
  request: S3Request,
  { credentials, nowMs }: { credentials: S3Credentials; nowMs: number },
): Promise<S3Caller> {
  const { query } = request;
  const expires = query.get("Expires");
  if (expires === undefined)
    throw new S3Error(
      "AccessDenied",
      "Query-string authentication requires the Signature, Expires and AWSAccessKeyId parameters",
    );
  if (!/^\d{1,12}$/.test(expires)) throw new S3Error("AccessDenied", `Invalid date (should be seconds since epoch): ${expires}`);
  for (const name of query.keys())
    if (!own.has(name) && !signedParameters.has(name) && !isAmzName(name))
      throw invalidArgument(
        name,
        query.get(name) ?? "",
        "Signature version 2 does not cover this parameter. Sign the address in version 4.",
      );
  const accessKeyId = query.get("AWSAccessKeyId")!;
  const known = await credentials.resolve(accessKeyId, query.get("x-amz-security-token"));
  if (!known) throw new S3Error("InvalidAccessKeyId", undefined, { fields: { AWSAccessKeyId: accessKeyId } });
  const text = stringToSign(request, expires);
  // Who did not escape the "+" of base64 is understood.
  const given = query.get("Signature")!.replaceAll(" ", "+");
  if (!sameSignature(createHmac("sha1", known.secretAccessKey).update(text).digest("base64"), given))
    throw new S3Error("SignatureDoesNotMatch", undefined, {
      fields: {
        AWSAccessKeyId: accessKeyId,
        StringToSign: text,
        SignatureProvided: given,
        StringToSignBytes: hexBytes(Buffer.from(text)),
      },
    });
  if (nowMs >= Number(expires) * 1000)
    throw new S3Error("AccessDenied", "Request has expired", {
      fields: { Expires: new Date(Number(expires) * 1000).toISOString(), ServerTime: new Date(nowMs).toISOString() },
    });
  return { ...known.caller, authType: "REST-QUERY-STRING", signatureVersion: "AWS" };
}

function stringToSign({ method, headers, query, rawPath, rawQuery, bucketName, isHosted }: S3Request, expires: string): string {
  const amz = new Map<string, string>();
  // Headers may have come as parameters: they count as headers, which they are taken for afterwards.
  for (const [name, value] of query) if (isAmzName(name)) amz.set(name.toLowerCase(), value);
  for (const [name, value] of headers) if (isAmzName(name)) amz.set(name, value);
  const amzText = [...amz]
    .sort(([one], [other]) => (one < other ? -1 : 1))
    .map(([name, value]) => `${name}:${value.trim().replace(/\s+/g, " ")}\n`)
    .join("");
  const parameters = queryPairs(rawQuery)
    .filter(([name]) => signedParameters.has(name))
    .sort(([one], [other]) => (one < other ? -1 : 1))
    .map(([name, value]) => (value === "" ? name : `${name}=${value}`))
    .join("&");
  const resource = `${isHosted ? `/${bucketName}` : ""}${rawPath}${parameters === "" ? "" : `?${parameters}`}`;
  return `${method}\n${headers.get("content-md5") ?? ""}\n${headers.get("content-type") ?? ""}\n${expires}\n${amzText}${resource}`;
}

const isAmzName = (name: string): boolean => /^x-amz-/i.test(name);

/** The signature's own, and two that programs put beside it, which change nothing. */
const own = new Set(["AWSAccessKeyId", "Signature", "Expires", "x-id", "content-type", "content-md5"]);

/** Sub-resources and changed headers of the answer, which are part of what is signed. */
const signedParameters = new Set([
  ...[
    "accelerate",
    "acl",
    "analytics",
    "cors",
    "defaultObjectAcl",
    "delete",
    "inventory",
    "lifecycle",
    "location",
    "logging",
    "metrics",
  ],
  ...["notification", "object-lock", "partNumber", "policy", "replication", "requestPayment", "restore", "select", "select-type"],
  ...["storageClass", "tagging", "torrent", "uploadId", "uploads", "versionId", "versioning", "versions", "website"],
  ...["cache-control", "content-disposition", "content-encoding", "content-language", "content-type", "expires"].map(
    (name) => `response-${name}`,
  ),
]);
