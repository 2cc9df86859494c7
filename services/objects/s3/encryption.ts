import { createHash } from "node:crypto";
import type { Encryption, StoredObject, Upload } from "../driver.ts";
import type { S3Bucket } from "./backend.ts";
import { invalidArgument, S3Error } from "./errors.ts";
import type { S3Context } from "./operation.ts";
import type { S3Request } from "./request.ts";

/** Server-side encryption on the wire: S3 User Guide, "Protecting data with server-side encryption"; SSE-S3 and SSE-C. */

const standard = "x-amz-server-side-encryption";
const ofCustomer = `${standard}-customer-`;
const ofSource = "x-amz-copy-source-server-side-encryption-customer-";
const keyBytes = 32;

/** The key of the customer's own, after all checks that S3 makes of the three headers that bring it. */
function keyOf({ headers }: S3Request, prefix: string): Buffer | undefined {
  const [algorithm, key, md5] = ["algorithm", "key", "key-md5"].map((name) => headers.get(`${prefix}${name}`));
  if (algorithm === undefined && key === undefined && md5 === undefined) return undefined;
  const start = "Requests specifying Server Side Encryption with Customer provided keys must provide";
  const wrong = (message: string): S3Error => new S3Error("InvalidArgument", message, { fields: { ArgumentName: standard } });
  if (algorithm === undefined) throw wrong(`${start} a valid encryption algorithm.`);
  if (algorithm !== "AES256")
    throw new S3Error("InvalidEncryptionAlgorithmError", undefined, {
      fields: { ArgumentName: standard, ArgumentValue: algorithm },
    });
  if (key === undefined) throw wrong(`${start} an appropriate secret key.`);
  const bytes = Buffer.from(key, "base64");
  if (bytes.length !== keyBytes || bytes.toString("base64") !== key)
    throw wrong("The secret key was invalid for the specified algorithm.");
  if (md5 === undefined) throw wrong(`${start} the client calculated MD5 of the secret key.`);
  if (createHash("md5").update(bytes).digest("base64") !== md5)
    throw wrong("The calculated MD5 hash of the key did not match the hash that was provided.");
  return bytes;
}

const optional = (customerKey: Buffer | undefined): { customerKey?: Buffer } =>
  customerKey === undefined ? {} : { customerKey };

/** For what reads an object, or adds to an upload. */
export function customerKey(request: S3Request): { customerKey?: Buffer } {
  const value = request.headers.get(standard);
  if (value !== undefined) throw invalidArgument(standard, value, `${standard} header is not supported for this operation.`);
  return optional(keyOf(request, ofCustomer));
}

/** For the source of a copy. */
export const sourceCustomerKey = (request: S3Request): { customerKey?: Buffer } => optional(keyOf(request, ofSource));

/** How the client wants an object stored; undefined: as the bucket does it. */
export function askedEncryption(request: S3Request): Encryption | undefined {
  const { headers } = request;
  const value = headers.get(standard);
  if (value !== undefined && value !== "AES256" && value !== "aws:kms" && value !== "aws:kms:dsse")
    throw invalidArgument(standard, value, "The encryption method specified is not supported");
  if (value !== undefined && headers.has(`${ofCustomer}algorithm`))
    throw invalidArgument(
      standard,
      value,
      "Server Side Encryption with Customer provided key is incompatible with the encryption method specified",
    );
  const key = keyOf(request, ofCustomer);
  if (value?.startsWith("aws:kms")) throw noKms(standard);
  for (const name of ["aws-kms-key-id", "context"])
    if (headers.has(`${standard}-${name}`))
      throw invalidArgument(
        `${standard}-${name}`,
        headers.get(`${standard}-${name}`) as string,
        "Server Side Encryption with AWS KMS managed key requires HTTP header x-amz-server-side-encryption : aws:kms",
      );
  if (key !== undefined) return { kind: "customer", key };
  return value === undefined ? undefined : { kind: "server" };
}

export const noKms = (header: string): S3Error =>
  new S3Error(
    "NotImplemented",
    "Keys of a key management service (aws:kms) are not implemented. Use AES256, whose keys this cloud keeps, or a key of your own (SSE-C).",
    { fields: { Header: header } },
  );

/** How an object that is copied into this bucket is to lie there: a copy does not take the encryption of its source along. */
export async function encryptionOfCopy({ request, backend }: S3Context, bucket: S3Bucket): Promise<Encryption> {
  const { encryption = "none" } = await backend.store.settings(bucket.bucketId);
  return askedEncryption(request) ?? { kind: encryption };
}

/** What is encrypted with a customer's key is told of and given out with that key only. */
export function requireKey(object: Pick<StoredObject, "encryption">, { customerKey: key }: { customerKey?: Buffer }): void {
  if (object.encryption === "customer" && key === undefined) throw keyMissing();
}

export const keyMissing = (): S3Error =>
  new S3Error(
    "InvalidRequest",
    "The object was stored using a form of Server Side Encryption. The correct parameters must be provided to retrieve the object.",
  );

/** Parts come with the key that their upload was begun with, or without one. */
export function requirePartKey(upload: Pick<Upload, "encryption">, { customerKey: key }: { customerKey?: Buffer }): void {
  if ((upload.encryption === "customer") !== (key !== undefined))
    throw new S3Error(
      "InvalidRequest",
      "The multipart upload initiate requested encryption. Subsequent part requests must include the appropriate encryption parameters.",
    );
}

/** What an answer says of how the bytes lie. */
export function encryptionHeaders(
  { encryption }: Pick<StoredObject | Upload, "encryption">,
  request: S3Request,
): Record<string, string> {
  if (encryption === undefined) return {};
  if (encryption === "server") return { [standard]: "AES256" };
  const md5 = request.headers.get(`${ofCustomer}key-md5`);
  return { [`${ofCustomer}algorithm`]: "AES256", ...(md5 !== undefined && { [`${ofCustomer}key-MD5`]: md5 }) };
}
