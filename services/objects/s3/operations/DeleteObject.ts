import { writeConditions } from "../conditions.ts";
import { S3Error } from "../errors.ts";
import { checkKey, checkVersion, openBucket, type S3Operation } from "../operation.ts";

export const DeleteObject: S3Operation = async (context) => {
  const { request, backend } = context;
  const bucket = await openBucket(context, "objects.object.delete");
  checkKey(request.key);
  checkVersion(request.query.get("versionId"));
  // A condition that is not understood must not be passed over on the way to a deletion.
  for (const name of ["x-amz-if-match-last-modified-time", "x-amz-if-match-size"])
    if (request.headers.has(name)) throw new S3Error("NotImplemented", undefined, { fields: { Header: name } });
  await backend.store.delete(bucket.bucketId, request.key, { ...writeConditions(request), meter: { requestClass: "delete" } });
  return { status: 204 };
};
