import { ownerElement } from "../listing.ts";
import { openBucket, ownerOf, type S3Operation, xmlHeaders } from "../operation.ts";
import { element, group, xmlDocument } from "../xml.ts";

/** The owner alone has access by ACL; everything else is a matter of role bindings. */
export const aclDocument = (owner: Parameters<typeof ownerElement>[1]): string =>
  xmlDocument(
    "AccessControlPolicy",
    ownerElement("Owner", owner),
    group(
      "AccessControlList",
      group(
        "Grant",
        `<Grantee xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" xsi:type="CanonicalUser">${element("ID", owner.canonicalId)}${element("DisplayName", owner.displayName)}</Grantee>`,
        element("Permission", "FULL_CONTROL"),
      ),
    ),
  );

export const GetBucketAcl: S3Operation = async (context) => {
  const bucket = await openBucket(context, "objects.object.list");
  return { status: 200, headers: xmlHeaders, body: aclDocument(ownerOf(context, bucket)) };
};
