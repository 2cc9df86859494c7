import { createHash } from "node:crypto";
import { type Encryption, type StoredObject, standardEncryption, type Upload } from "../driver.ts";
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
  return sentCustomerKey(request);
}

/** For what ends an upload: clients (minio-go) say again there what was said at its beginning, and AWS takes no notice of it. */
export const sentCustomerKey = (request: S3Request): { customerKey?: Buffer } => optional(keyOf(request, ofCustomer));

/** For the source of a copy. */
export const sourceCustomerKey = (request: S3Request): { customerKey?: Buffer } => optional(keyOf(request, ofSource));

/** How the client wants an object stored; undefined: as the bucket does it. */
export function askedEncryption(request: S3Request, bucket: S3Bucket): Encryption | undefined {
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
  if (value === "aws:kms:dsse") throw noTwoLayers(standard);
  if (value === "aws:kms") {
    // What it would be bound to, by a key management service.
    if (headers.has(`${standard}-context`)) throw noContext();
    requireManagedKey(headers.get(`${standard}-aws-kms-key-id`), bucket);
    return { kind: "server", managed: true };
  }
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

/** AccessDenied for what would be stored with a customer's key in a bucket that takes none ("Blocking or unblocking SSE-C", S3 User Guide). */
export async function refuseBlockedKey({ request, backend }: S3Context, { bucketId }: S3Bucket): Promise<void> {
  if (!request.headers.has(`${ofCustomer}algorithm`)) return;
  if ((await backend.store.settings(bucketId)).customerKeys !== "blocked") return;
  throw new S3Error(
    "AccessDenied",
    "This bucket takes no objects with keys of the customer's own (SSE-C). Leave the key away, or allow it with PutBucketEncryption.",
  );
}

export const noTwoLayers = (header: string): S3Error =>
  new S3Error("NotImplemented", "Two layers of encryption (aws:kms:dsse) are not implemented. Use aws:kms or AES256.", {
    fields: { Header: header },
  });

const noContext = (): S3Error =>
  new S3Error("NotImplemented", "Contexts of encryption are not implemented: leave the header away.", {
    fields: { Header: `${standard}-context` },
  });

/**
 * There is one key by name for each project: the one that the cloud manages, like Amazon's `aws/s3` ("Using server-side encryption with AWS KMS
 * keys", S3 User Guide). It is the master key that it stands for; the id is made of the account, so that nothing has to be kept of it.
 */
function managedKeyArn({ region, owner: { accountId } }: S3Bucket): string {
  const hex = createHash("sha256").update(`objects.managed_key:${accountId}`).digest("hex");
  const id = [hex.slice(0, 8), hex.slice(8, 12), `4${hex.slice(13, 16)}`, `a${hex.slice(17, 20)}`, hex.slice(20, 32)].join("-");
  return `arn:aws:kms:${region}:${accountId}:key/${id}`;
}

/** KMS.NotFoundException for every other key: nobody can make one here. */
export function requireManagedKey(keyId: string | undefined, bucket: S3Bucket): void {
  if (keyId === undefined) return;
  const arn = managedKeyArn(bucket);
  const alias = "alias/aws/s3";
  const names = [arn, arn.slice(arn.indexOf("/") + 1), alias, `${arn.slice(0, arn.lastIndexOf(":"))}:${alias}`];
  if (names.includes(keyId)) return;
  throw new S3Error(
    "KMS.NotFoundException",
    /^arn:|^[0-9a-f-]{36}$/.test(keyId)
      ? `Key '${keyId.startsWith("arn:") ? keyId : `${arn.slice(0, arn.indexOf("/") + 1)}${keyId}`}' does not exist`
      : `Invalid keyId '${keyId}'`,
  );
}

/** How an object that is copied into this bucket is to lie there: a copy does not take the encryption of its source along. */
export async function encryptionOfCopy({ request, backend }: S3Context, bucket: S3Bucket): Promise<Encryption> {
  return askedEncryption(request, bucket) ?? standardEncryption(await backend.store.settings(bucket.bucketId));
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
  if ((upload.encryption === "customer") !== (key !== undefined)) throw partKeyMismatch();
}

export const partKeyMismatch = (): S3Error =>
  new S3Error(
    "InvalidRequest",
    "The multipart upload initiate requested encryption. Subsequent part requests must include the appropriate encryption parameters.",
  );

/** What an answer says of how the bytes lie. */
export function encryptionHeaders(
  { encryption, managedKey }: Pick<StoredObject | Upload, "encryption" | "managedKey">,
  request: S3Request,
  bucket: S3Bucket,
): Record<string, string> {
  if (encryption === undefined) return {};
  if (managedKey) return { [standard]: "aws:kms", [`${standard}-aws-kms-key-id`]: managedKeyArn(bucket) };
  if (encryption === "server") return { [standard]: "AES256" };
  const md5 = request.headers.get(`${ofCustomer}key-md5`);
  return { [`${ofCustomer}algorithm`]: "AES256", ...(md5 !== undefined && { [`${ofCustomer}key-MD5`]: md5 }) };
}
