import { readDocument } from "../body.ts";
import { noTwoLayers, requireManagedKey } from "../encryption.ts";
import { S3Error } from "../errors.ts";
import { openBucket, type S3Operation } from "../operation.ts";
import { childrenOf, parseXml, textOf } from "../xml.ts";

/** One rule: AES256 or aws:kms, with keys that this cloud keeps (PutBucketEncryption). */
export const PutBucketEncryption: S3Operation = async (context) => {
  const { request, backend, caller } = context;
  const bucket = await openBucket(context);
  const document = await readDocument(request, context.body, { maxBytes: 64 * 1024 });
  const rules = childrenOf(parseXml(document, "ServerSideEncryptionConfiguration"), "Rule");
  const [standard] = rules.length === 1 ? childrenOf(rules[0]!, "ApplyServerSideEncryptionByDefault") : [];
  if (standard === undefined) throw new S3Error("MalformedXML");
  const algorithm = textOf(standard, "SSEAlgorithm")?.trim();
  const keyId = textOf(standard, "KMSMasterKeyID")?.trim();
  if (algorithm === "aws:kms:dsse") throw noTwoLayers("SSEAlgorithm");
  if (algorithm !== "AES256" && algorithm !== "aws:kms") throw new S3Error("MalformedXML");
  const managed = algorithm === "aws:kms";
  if (!managed && keyId !== undefined)
    throw new S3Error(
      "InvalidArgument",
      "a KMSMasterKeyID is not applicable if the default sse algorithm is not aws:kms or aws:kms:dsse",
      {
        fields: { ArgumentName: "ApplyServerSideEncryptionByDefault" },
      },
    );
  requireManagedKey(keyId, bucket);
  const bucketKey = textOf(rules[0]!, "BucketKeyEnabled")?.trim() === "true";
  await backend.settingsUpdate(caller, bucket, {
    encryption: "server",
    ...(managed && { managedKey: { bucketKey, ...(keyId !== undefined && { keyId }) } }),
  });
  return { status: 200 };
};
