import { S3Error } from "../errors.ts";
import { checkVersion, openBucket, ownerOf, type S3Operation } from "../operation.ts";
import { requirePrivateAcl } from "./PutBucketAcl.ts";

export const PutObjectAcl: S3Operation = async (context) => {
  const { request, backend } = context;
  const bucket = await openBucket(context, "objects.object.write");
  checkVersion(request.query.get("versionId"));
  if (!(await backend.store.head(bucket.bucketId, request.key))) throw new S3Error("NoSuchKey");
  await requirePrivateAcl(context, ownerOf(context, bucket));
  return { status: 200 };
};
