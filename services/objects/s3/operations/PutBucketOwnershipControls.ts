import { type ObjectOwnership, objectOwnerships } from "../../configuration.ts";
import { readDocument } from "../body.ts";
import { S3Error } from "../errors.ts";
import { openBucket, type S3Operation } from "../operation.ts";
import { childrenOf, parseXml, textOf } from "../xml.ts";

export const isOwnership = (text: string | undefined): text is ObjectOwnership =>
  objectOwnerships.includes(text as ObjectOwnership);

export const PutBucketOwnershipControls: S3Operation = async (context) => {
  const { request, backend, caller } = context;
  const bucket = await openBucket(context);
  const node = parseXml(await readDocument(request, context.body, { maxBytes: 64 * 1024 }), "OwnershipControls");
  const [rule, ...others] = childrenOf(node, "Rule");
  const ownership = rule && textOf(rule, "ObjectOwnership")?.trim();
  if (others.length > 0 || !isOwnership(ownership)) throw new S3Error("MalformedXML");
  // What the list lets others do would end without a word.
  if (ownership === "BucketOwnerEnforced" && (await backend.configuration(bucket)).acl !== undefined)
    throw new S3Error(
      "InvalidBucketAclWithObjectOwnership",
      "Bucket cannot have ACLs set with ObjectOwnership's BucketOwnerEnforced setting",
    );
  await backend.configurationUpdate(caller, bucket, { ownership });
  return { status: 200 };
};
