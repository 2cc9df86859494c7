import { readDocument } from "../body.ts";
import { noKms } from "../encryption.ts";
import { S3Error } from "../errors.ts";
import { openBucket, type S3Operation } from "../operation.ts";
import { childrenOf, parseXml, textOf } from "../xml.ts";

/** One rule: AES256, with keys that this cloud keeps (PutBucketEncryption). */
export const PutBucketEncryption: S3Operation = async (context) => {
  const { request, backend, caller } = context;
  const bucket = await openBucket(context);
  const document = await readDocument(request, context.body, { maxBytes: 64 * 1024 });
  const rules = childrenOf(parseXml(document, "ServerSideEncryptionConfiguration"), "Rule");
  const [standard] = rules.length === 1 ? childrenOf(rules[0]!, "ApplyServerSideEncryptionByDefault") : [];
  if (standard === undefined) throw new S3Error("MalformedXML");
  const algorithm = textOf(standard, "SSEAlgorithm")?.trim();
  if (algorithm === "aws:kms" || algorithm === "aws:kms:dsse") throw noKms("SSEAlgorithm");
  if (algorithm !== "AES256") throw new S3Error("MalformedXML");
  if (textOf(standard, "KMSMasterKeyID") !== undefined)
    throw new S3Error(
      "InvalidArgument",
      "a KMSMasterKeyID is not applicable if the default sse algorithm is not aws:kms or aws:kms:dsse",
      {
        fields: { ArgumentName: "ApplyServerSideEncryptionByDefault" },
      },
    );
  await backend.settingsUpdate(caller, bucket, { encryption: "server" });
  return { status: 200 };
};
