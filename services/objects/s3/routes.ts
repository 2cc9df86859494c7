import { invalidArgument, S3Error } from "./errors.ts";
import type { S3Operation } from "./operation.ts";
import { AbortMultipartUpload } from "./operations/AbortMultipartUpload.ts";
import { CompleteMultipartUpload } from "./operations/CompleteMultipartUpload.ts";
import { CopyObject } from "./operations/CopyObject.ts";
import { CreateBucket } from "./operations/CreateBucket.ts";
import { CreateMultipartUpload } from "./operations/CreateMultipartUpload.ts";
import { DeleteBucket } from "./operations/DeleteBucket.ts";
import { DeleteBucketCors } from "./operations/DeleteBucketCors.ts";
import { DeleteBucketEncryption } from "./operations/DeleteBucketEncryption.ts";
import { DeleteBucketLifecycle } from "./operations/DeleteBucketLifecycle.ts";
import { DeleteBucketOwnershipControls } from "./operations/DeleteBucketOwnershipControls.ts";
import { DeleteBucketPolicy } from "./operations/DeleteBucketPolicy.ts";
import { DeleteBucketTagging } from "./operations/DeleteBucketTagging.ts";
import { DeleteBucketWebsite } from "./operations/DeleteBucketWebsite.ts";
import { DeleteObject } from "./operations/DeleteObject.ts";
import { DeleteObjects } from "./operations/DeleteObjects.ts";
import { DeleteObjectTagging } from "./operations/DeleteObjectTagging.ts";
import { DeletePublicAccessBlock } from "./operations/DeletePublicAccessBlock.ts";
import { GetBucketAcl } from "./operations/GetBucketAcl.ts";
import { GetBucketCors } from "./operations/GetBucketCors.ts";
import { GetBucketEncryption } from "./operations/GetBucketEncryption.ts";
import { GetBucketLifecycleConfiguration } from "./operations/GetBucketLifecycleConfiguration.ts";
import { GetBucketLocation } from "./operations/GetBucketLocation.ts";
import { GetBucketLogging } from "./operations/GetBucketLogging.ts";
import { GetBucketNotificationConfiguration } from "./operations/GetBucketNotificationConfiguration.ts";
import { GetBucketOwnershipControls } from "./operations/GetBucketOwnershipControls.ts";
import { GetBucketPolicy } from "./operations/GetBucketPolicy.ts";
import { GetBucketPolicyStatus } from "./operations/GetBucketPolicyStatus.ts";
import { GetBucketRequestPayment } from "./operations/GetBucketRequestPayment.ts";
import { GetBucketTagging } from "./operations/GetBucketTagging.ts";
import { GetBucketVersioning } from "./operations/GetBucketVersioning.ts";
import { GetBucketWebsite } from "./operations/GetBucketWebsite.ts";
import { GetObject } from "./operations/GetObject.ts";
import { GetObjectAcl } from "./operations/GetObjectAcl.ts";
import { GetObjectAttributes } from "./operations/GetObjectAttributes.ts";
import { GetObjectLegalHold } from "./operations/GetObjectLegalHold.ts";
import { GetObjectLockConfiguration } from "./operations/GetObjectLockConfiguration.ts";
import { GetObjectRetention } from "./operations/GetObjectRetention.ts";
import { GetObjectTagging } from "./operations/GetObjectTagging.ts";
import { GetPublicAccessBlock } from "./operations/GetPublicAccessBlock.ts";
import { HeadBucket } from "./operations/HeadBucket.ts";
import { HeadObject } from "./operations/HeadObject.ts";
import { ListBuckets } from "./operations/ListBuckets.ts";
import { ListMultipartUploads } from "./operations/ListMultipartUploads.ts";
import { ListObjects } from "./operations/ListObjects.ts";
import { ListObjectsV2 } from "./operations/ListObjectsV2.ts";
import { ListObjectVersions } from "./operations/ListObjectVersions.ts";
import { ListParts } from "./operations/ListParts.ts";
import { PostObject } from "./operations/PostObject.ts";
import { PutBucketAcl } from "./operations/PutBucketAcl.ts";
import { PutBucketCors } from "./operations/PutBucketCors.ts";
import { PutBucketEncryption } from "./operations/PutBucketEncryption.ts";
import { PutBucketLifecycleConfiguration } from "./operations/PutBucketLifecycleConfiguration.ts";
import { PutBucketLogging } from "./operations/PutBucketLogging.ts";
import { PutBucketNotificationConfiguration } from "./operations/PutBucketNotificationConfiguration.ts";
import { PutBucketOwnershipControls } from "./operations/PutBucketOwnershipControls.ts";
import { PutBucketPolicy } from "./operations/PutBucketPolicy.ts";
import { PutBucketRequestPayment } from "./operations/PutBucketRequestPayment.ts";
import { PutBucketTagging } from "./operations/PutBucketTagging.ts";
import { PutBucketVersioning } from "./operations/PutBucketVersioning.ts";
import { PutBucketWebsite } from "./operations/PutBucketWebsite.ts";
import { PutObject } from "./operations/PutObject.ts";
import { PutObjectAcl } from "./operations/PutObjectAcl.ts";
import { PutObjectLegalHold } from "./operations/PutObjectLegalHold.ts";
import { PutObjectLockConfiguration } from "./operations/PutObjectLockConfiguration.ts";
import { PutObjectRetention } from "./operations/PutObjectRetention.ts";
import { PutObjectTagging } from "./operations/PutObjectTagging.ts";
import { PutPublicAccessBlock } from "./operations/PutPublicAccessBlock.ts";
import { SecurityTokens } from "./operations/SecurityTokens.ts";
import { UploadPart } from "./operations/UploadPart.ts";
import { UploadPartCopy } from "./operations/UploadPartCopy.ts";
import {
  deleteListed,
  deleteMissing,
  emptyConfigurations,
  getEmpty,
  getListed,
  getMissing,
  listedConfigurations,
  missingConfigurations,
  removableConfigurations,
} from "./operations/unconfigured.ts";
import type { S3Request } from "./request.ts";

/** What the path addresses. */
type Shape = "service" | "bucket" | "object";

/**
 * One row an operation: "METHOD shape", "METHOD shape?subresource", and "… +header" when a header decides.
 * A new operation of S3 is a new file in operations/ and a new row here.
 */
const table: Record<string, S3Operation> = {
  "GET service": ListBuckets,
  "POST service": SecurityTokens,

  "GET bucket": ListObjects,
  "GET bucket?list-type": ListObjectsV2,
  "GET bucket?versions": ListObjectVersions,
  "GET bucket?uploads": ListMultipartUploads,
  "GET bucket?location": GetBucketLocation,
  "GET bucket?acl": GetBucketAcl,
  "PUT bucket?acl": PutBucketAcl,
  "GET bucket?policy": GetBucketPolicy,
  "PUT bucket?policy": PutBucketPolicy,
  "DELETE bucket?policy": DeleteBucketPolicy,
  "GET bucket?policyStatus": GetBucketPolicyStatus,
  "GET bucket?publicAccessBlock": GetPublicAccessBlock,
  "PUT bucket?publicAccessBlock": PutPublicAccessBlock,
  "DELETE bucket?publicAccessBlock": DeletePublicAccessBlock,
  "GET bucket?ownershipControls": GetBucketOwnershipControls,
  "PUT bucket?ownershipControls": PutBucketOwnershipControls,
  "DELETE bucket?ownershipControls": DeleteBucketOwnershipControls,
  "GET bucket?requestPayment": GetBucketRequestPayment,
  "PUT bucket?requestPayment": PutBucketRequestPayment,
  "GET bucket?cors": GetBucketCors,
  "PUT bucket?cors": PutBucketCors,
  "DELETE bucket?cors": DeleteBucketCors,
  "GET bucket?notification": GetBucketNotificationConfiguration,
  "PUT bucket?notification": PutBucketNotificationConfiguration,
  "GET bucket?logging": GetBucketLogging,
  "PUT bucket?logging": PutBucketLogging,
  "GET bucket?website": GetBucketWebsite,
  "PUT bucket?website": PutBucketWebsite,
  "DELETE bucket?website": DeleteBucketWebsite,
  "GET bucket?versioning": GetBucketVersioning,
  "PUT bucket?versioning": PutBucketVersioning,
  "GET bucket?object-lock": GetObjectLockConfiguration,
  "PUT bucket?object-lock": PutObjectLockConfiguration,
  "GET bucket?lifecycle": GetBucketLifecycleConfiguration,
  "PUT bucket?lifecycle": PutBucketLifecycleConfiguration,
  "DELETE bucket?lifecycle": DeleteBucketLifecycle,
  "GET bucket?tagging": GetBucketTagging,
  "PUT bucket?tagging": PutBucketTagging,
  "DELETE bucket?tagging": DeleteBucketTagging,
  "GET bucket?encryption": GetBucketEncryption,
  "PUT bucket?encryption": PutBucketEncryption,
  "DELETE bucket?encryption": DeleteBucketEncryption,
  "HEAD bucket": HeadBucket,
  "PUT bucket": CreateBucket,
  "DELETE bucket": DeleteBucket,
  "POST bucket?delete": DeleteObjects,
  "POST bucket": PostObject,

  "GET object": GetObject,
  "GET object?acl": GetObjectAcl,
  "GET object?attributes": GetObjectAttributes,
  "GET object?tagging": GetObjectTagging,
  "PUT object?tagging": PutObjectTagging,
  "DELETE object?tagging": DeleteObjectTagging,
  "GET object?retention": GetObjectRetention,
  "PUT object?retention": PutObjectRetention,
  "GET object?legal-hold": GetObjectLegalHold,
  "PUT object?legal-hold": PutObjectLegalHold,
  "GET object?uploadId": ListParts,
  "HEAD object": HeadObject,
  "PUT object": PutObject,
  "PUT object +x-amz-copy-source": CopyObject,
  "PUT object?uploadId": UploadPart,
  "PUT object?uploadId +x-amz-copy-source": UploadPartCopy,
  "PUT object?acl": PutObjectAcl,
  "POST object?uploads": CreateMultipartUpload,
  "POST object?uploadId": CompleteMultipartUpload,
  "DELETE object": DeleteObject,
  "DELETE object?uploadId": AbortMultipartUpload,

  ...rows(missingConfigurations, (name) => `GET bucket?${name}`, getMissing),
  ...rows(listedConfigurations, (name) => `GET bucket?${name}`, getListed),
  ...rows(listedConfigurations, (name) => `DELETE bucket?${name}`, deleteListed),
  ...rows(emptyConfigurations, (name) => `GET bucket?${name}`, getEmpty),
  ...Object.fromEntries(removableConfigurations.map((name) => [`DELETE bucket?${name}`, deleteMissing()])),
};

function rows<Value>(
  from: Record<string, Value>,
  name: (key: string) => string,
  operation: (value: Value) => S3Operation,
): Record<string, S3Operation> {
  return Object.fromEntries(Object.entries(from).map(([key, value]) => [name(key), operation(value)]));
}

/** Every query parameter of S3 that makes a request another operation; known ones without a row are NotImplemented. */
const subresources = new Set(
  (
    "abac accelerate acl analytics attributes cors delete encryption intelligent-tiering inventory legal-hold lifecycle list-type location " +
    "logging metadataConfiguration metadataInventoryTable metadataJournalTable metadataTable metrics notification object-lock " +
    "ownershipControls policy policyStatus publicAccessBlock renameObject replication requestPayment restore retention select session tagging torrent " +
    "uploadId uploads versioning versions website"
  ).split(" "),
);

export interface Route {
  name: string;
  operation: S3Operation;
}

export function findRoute(request: S3Request): Route {
  const shape: Shape = request.key !== "" ? "object" : request.bucketName !== "" ? "bucket" : "service";
  const subresource = request.query.size === 0 ? undefined : subresourceOf(request);
  const name = subresource === undefined ? `${request.method} ${shape}` : `${request.method} ${shape}?${subresource}`;
  if (name === "PUT object" && request.query.has("partNumber"))
    throw new S3Error("InvalidArgument", "This operation does not accept partNumber without uploadId");
  const byHeader = request.headers.has("x-amz-copy-source") ? table[`${name} +x-amz-copy-source`] : undefined;
  const operation = byHeader ?? (Object.hasOwn(table, name) ? table[name] : undefined);
  if (operation) {
    const versionId = request.query.get("versionId");
    if (versionId !== undefined && !ofVersions.has(operation))
      throw invalidArgument("versionId", versionId, "This operation does not accept a version-id.");
    return { name: operation.name || name, operation };
  }
  if (shape === "object" && request.method === "GET" && subresource !== undefined && Object.hasOwn(bucketsAlone, subresource))
    throw new S3Error("InvalidRequest", bucketsAlone[subresource]);
  if (isUnmade(shape, subresource)) throw new S3Error("NotImplemented", `This operation (${name}) is not implemented.`);
  throw new S3Error("MethodNotAllowed", undefined, {
    fields: { Method: request.method, ResourceType: (subresource ?? shape).toUpperCase() },
    headers: { Allow: allowed(subresource === undefined ? shape : `${shape}?${subresource}`) },
  });
}

/** What is done to an object that may be named by its version. */
const ofVersions: ReadonlySet<S3Operation> = new Set([
  GetObject,
  HeadObject,
  DeleteObject,
  GetObjectAttributes,
  ...[GetObjectAcl, PutObjectAcl, GetObjectTagging, PutObjectTagging, DeleteObjectTagging],
  ...[GetObjectRetention, PutObjectRetention, GetObjectLegalHold, PutObjectLegalHold],
]);

function subresourceOf(request: S3Request): string | undefined {
  for (const [name, value] of request.query) {
    if (!subresources.has(name)) continue;
    // Any list-type but 2 is the first version of the listing.
    if (name === "list-type" && value !== "2") continue;
    return name;
  }
  return undefined;
}

/** What S3 says of listings of a bucket that are asked of a key. */
const bucketsAlone: Record<string, string> = {
  uploads: "Key is not expected for the GET method ?uploads subresource",
  versions: "There is no such thing as the ?versions sub-resource for a key",
};

/** Whether S3 has this and we do not: then no method of it is one of the wrong ones. */
function isUnmade(shape: Shape, subresource: string | undefined): boolean {
  if (subresource === undefined) return false;
  return Object.hasOwn(unmade, subresource) || allowed(`${shape}?${subresource}`) === "";
}

const unmade: Record<string, unknown> = { ...missingConfigurations, ...listedConfigurations, ...emptyConfigurations };

const allowed = (target: string): string =>
  ["GET", "HEAD", "PUT", "POST", "DELETE"].filter((method) => Object.hasOwn(table, `${method} ${target}`)).join(", ");

/** For the documentation and for tests: every row there is. */
export const routeNames = (): string[] => Object.keys(table);
