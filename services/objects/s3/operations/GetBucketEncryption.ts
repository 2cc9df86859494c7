import { S3Error } from "../errors.ts";
import { openBucket, type S3Operation, xmlHeaders } from "../operation.ts";
import { element, group, xmlDocument } from "../xml.ts";

export const GetBucketEncryption: S3Operation = async (context) => {
  const bucket = await openBucket(context);
  const { encryption, managedKey, customerKeys } = await context.backend.store.settings(bucket.bucketId);
  const isServers = encryption === "server";
  if (!isServers && customerKeys === undefined)
    throw new S3Error("ServerSideEncryptionConfigurationNotFoundError", undefined, { fields: { BucketName: bucket.name } });
  const body = xmlDocument(
    "ServerSideEncryptionConfiguration",
    group(
      "Rule",
      isServers
        ? group(
            "ApplyServerSideEncryptionByDefault",
            element("SSEAlgorithm", managedKey === undefined ? "AES256" : "aws:kms"),
            element("KMSMasterKeyID", managedKey?.keyId),
          )
        : "",
      customerKeys === undefined
        ? ""
        : group("BlockedEncryptionTypes", element("EncryptionType", customerKeys === "blocked" ? "SSE-C" : "NONE")),
      element("BucketKeyEnabled", managedKey?.bucketKey ?? false),
    ),
  );
  return { status: 200, headers: xmlHeaders, body };
};
