import { openBucket, type S3Operation } from "../operation.ts";

export const DeleteBucket: S3Operation = async (context) => {
  await context.backend.bucketDelete(context.caller, await openBucket(context));
  return { status: 204 };
};
