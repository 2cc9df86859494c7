import type { BucketSettings } from "../../driver.ts";
import type { S3Bucket } from "../backend.ts";
import { readDocument } from "../body.ts";
import { noTwoLayers, requireManagedKey } from "../encryption.ts";
import { S3Error } from "../errors.ts";
import { openBucket, type S3Operation } from "../operation.ts";
import { childrenOf, parseXml, textOf, type XmlNode } from "../xml.ts";

/** One rule: AES256 or aws:kms, with keys that this cloud keeps, and what is blocked; either may stand alone (PutBucketEncryption). */
export const PutBucketEncryption: S3Operation = async (context) => {
  const { request, backend, caller } = context;
  const bucket = await openBucket(context);
  const document = await readDocument(request, context.body, { maxBytes: 64 * 1024 });
  const rules = childrenOf(parseXml(document, "ServerSideEncryptionConfiguration"), "Rule");
  const [rule] = rules;
  if (rule === undefined || rules.length > 1) throw new S3Error("MalformedXML");
  const [standard] = childrenOf(rule, "ApplyServerSideEncryptionByDefault");
  const [blocked] = childrenOf(rule, "BlockedEncryptionTypes");
  if (standard === undefined && blocked === undefined) throw new S3Error("MalformedXML");
  await backend.settingsUpdate(caller, bucket, {
    ...(standard !== undefined && readStandard(standard, textOf(rule, "BucketKeyEnabled")?.trim() === "true", bucket)),
    ...(blocked !== undefined && { customerKeys: readBlocked(blocked) }),
  });
  return { status: 200 };
};

function readStandard(
  standard: XmlNode,
  bucketKey: boolean,
  bucket: S3Bucket,
): Pick<BucketSettings, "encryption" | "managedKey"> {
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
  return { encryption: "server", ...(managed && { managedKey: { bucketKey, ...(keyId !== undefined && { keyId }) } }) };
}

/** One of the two that S3 knows (BlockedEncryptionTypes). */
function readBlocked(blocked: XmlNode): "allowed" | "blocked" {
  const type = textOf(blocked, "EncryptionType")?.trim();
  const isOne = childrenOf(blocked, "EncryptionType").length === 1;
  if (!isOne || (type !== "SSE-C" && type !== "NONE")) throw new S3Error("MalformedXML");
  return type === "SSE-C" ? "blocked" : "allowed";
}
