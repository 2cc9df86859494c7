import { S3Error } from "../errors.ts";
import { requireLock, writeRetention } from "../locking.ts";
import { openBucket, type S3Operation, xmlHeaders } from "../operation.ts";
import { openObject } from "../versions.ts";

export const GetObjectRetention: S3Operation = async (context) => {
  const bucket = await openBucket(context);
  await requireLock(context, bucket);
  const { retention } = await openObject(context, bucket);
  if (retention === undefined) throw new S3Error("NoSuchObjectLockConfiguration");
  return { status: 200, headers: xmlHeaders, body: writeRetention(retention) };
};
