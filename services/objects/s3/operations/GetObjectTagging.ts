import { S3Error } from "../errors.ts";
import { checkVersion, openBucket, type S3Operation, xmlHeaders } from "../operation.ts";
import { xmlDocument } from "../xml.ts";

/** Tags cannot be set yet, so the set is truly empty. */
export const GetObjectTagging: S3Operation = async (context) => {
  const { request, backend } = context;
  const bucket = await openBucket(context, "objects.object.read");
  checkVersion(request.query.get("versionId"));
  if (!(await backend.store.head(bucket.bucketId, request.key))) throw new S3Error("NoSuchKey");
  return { status: 200, headers: xmlHeaders, body: xmlDocument("Tagging", "<TagSet></TagSet>") };
};
