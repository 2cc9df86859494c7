import { CloudError } from "../../../../kernel/errors.ts";
import { accessOfNewBucket } from "../access/writing.ts";
import { readDocument } from "../body.ts";
import { invalidArgument, S3Error } from "../errors.ts";
import { bucketArn, type S3Operation } from "../operation.ts";
import { readTags } from "../tagging.ts";
import { childrenOf, parseXml, textOf } from "../xml.ts";
import { isOwnership } from "./PutBucketOwnershipControls.ts";

export const CreateBucket: S3Operation = async (context) => {
  const { request, body, backend, caller, region } = context;
  const name = request.bucketName;
  if (!isBucketName(name)) throw new S3Error("InvalidBucketName", undefined, { fields: { BucketName: name } });
  const ownership = request.headers.get("x-amz-object-ownership");
  if (ownership !== undefined && !isOwnership(ownership))
    throw invalidArgument("x-amz-object-ownership", ownership, "Invalid x-amz-object-ownership header");
  const acl = accessOfNewBucket(context, ownership);
  const locks = request.headers.get("x-amz-bucket-object-lock-enabled")?.toLowerCase() === "true";

  let tags: Record<string, string> = {};
  const document = await readDocument(request, body, { maxBytes: 64 * 1024 });
  if (document.trim() !== "") {
    const configuration = parseXml(document, "CreateBucketConfiguration");
    const location = textOf(configuration, "LocationConstraint");
    if (location && location !== region) throw wrongLocation(location, region);
    if (childrenOf(configuration, "Bucket").length > 0 || childrenOf(configuration, "Location").length > 0) {
      throw new S3Error("NotImplemented", "Directory buckets are not implemented.");
    }
    const [given] = childrenOf(configuration, "Tags");
    if (given !== undefined) tags = readTags(given, "newBucket");
  }
  const hasTags = Object.keys(tags).length > 0;
  try {
    const configuration = { ...(ownership && { ownership }), ...(acl && { acl }), ...(hasTags && { tags }) };
    await backend.bucketCreate(caller, name, configuration, locks ? { versioning: "enabled", lock: {} } : {});
  } catch (error) {
    // In us-east-1 alone, creating one's own bucket again succeeds (CreateBucket, "Errors"), unless it is to have tags.
    const again = CloudError.is(error, "already_exists") && error.details.reason === "bucket_owned_by_you";
    if (!again || region !== "us-east-1" || hasTags) throw error;
  }
  return { status: 200, headers: { Location: `/${name}`, "x-amz-bucket-arn": bucketArn(name) } };
};

/** The endpoint of us-east-1 takes buckets of all regions, that of another one only its own; here there is one. */
const wrongLocation = (location: string, region: string): S3Error =>
  region === "us-east-1"
    ? new S3Error("InvalidLocationConstraint", undefined, { fields: { LocationConstraint: location } })
    : new S3Error(
        "IllegalLocationConstraintException",
        `The ${location} location constraint is incompatible for the region specific endpoint this request was sent to.`,
      );

/** "General purpose bucket naming rules", S3 User Guide; also a name that DNS takes, for virtual hosts. */
export function isBucketName(name: string): boolean {
  if (!/^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$/.test(name)) return false;
  if (/\.\.|\.-|-\./.test(name) || /^\d+\.\d+\.\d+\.\d+$/.test(name)) return false;
  if (/^(xn--|sthree-|amzn-s3-demo-)/.test(name)) return false;
  return !/(-s3alias|--ol-s3|\.mrap|--x-s3|--table-s3)$/.test(name);
}
