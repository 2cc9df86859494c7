import { S3Error, toS3Error } from "../errors.ts";
import { openBucket, type S3Operation } from "../operation.ts";

export const DeleteBucket: S3Operation = async (context) => {
  const { backend, caller } = context;
  const bucket = await openBucket(context);
  try {
    await backend.bucketDelete(caller, bucket);
  } catch (error) {
    const refusal = toS3Error(error);
    if (refusal.code !== "BucketNotEmpty") throw error;
    const { versioning } = await backend.store.settings(bucket.bucketId);
    throw versioning === "never"
      ? error
      : new S3Error("BucketNotEmpty", `${refusal.message}. You must delete all versions in the bucket.`, { cause: error });
  }
  return { status: 204 };
};
