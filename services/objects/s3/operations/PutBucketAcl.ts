import { readDocument } from "../body.ts";
import { S3Error } from "../errors.ts";
import { openBucket, ownerOf, type S3Context, type S3Operation } from "../operation.ts";
import { refuseAcl } from "../unsupported.ts";
import { childrenOf, parseXml, textOf } from "../xml.ts";

/** Only the ACL that there is can be put: the owner's full control. */
export async function requirePrivateAcl(context: S3Context, owner: ReturnType<typeof ownerOf>): Promise<void> {
  const { request, body } = context;
  refuseAcl(request);
  const document = await readDocument(request, body, { maxBytes: 64 * 1024 });
  if (document.trim() === "") {
    if (!request.headers.has("x-amz-acl")) throw new S3Error("MalformedXML");
    return;
  }
  if (request.headers.has("x-amz-acl"))
    throw new S3Error("InvalidRequest", "An ACL is given either as a header or as a document.");
  const policy = parseXml(document, "AccessControlPolicy");
  const [list] = childrenOf(policy, "AccessControlList");
  if (list === undefined) throw new S3Error("MalformedXML");
  for (const grant of childrenOf(list, "Grant")) {
    const [grantee] = childrenOf(grant, "Grantee");
    if (grantee === undefined) throw new S3Error("MalformedXML");
    if (textOf(grantee, "ID") !== owner.canonicalId || textOf(grant, "Permission") !== "FULL_CONTROL")
      throw new S3Error("AccessControlListNotSupported", "The bucket does not allow ACLs");
  }
}

export const PutBucketAcl: S3Operation = async (context) => {
  const bucket = await openBucket(context, "objects.object.write");
  await requirePrivateAcl(context, ownerOf(context, bucket));
  return { status: 200 };
};
