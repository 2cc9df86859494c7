import { openBucket, type S3Operation } from "../operation.ts";

/** What lies there encrypted stays so, and what was said of customers' keys goes with the rule that said it. */
export const DeleteBucketEncryption: S3Operation = async (context) => {
  const { backend, caller } = context;
  const bucket = await openBucket(context);
  const { encryption, customerKeys } = await backend.store.settings(bucket.bucketId);
  const change = {
    ...(encryption === "server" && { encryption: "none" as const }),
    ...(customerKeys !== undefined && { customerKeys: null }),
  };
  if (Object.keys(change).length > 0) await backend.settingsUpdate(caller, bucket, change);
  return { status: 204 };
};
