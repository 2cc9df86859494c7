import { openBucket, type S3Operation } from "../operation.ts";

/** What lies there encrypted stays so. */
export const DeleteBucketEncryption: S3Operation = async (context) => {
  const { backend, caller } = context;
  const bucket = await openBucket(context);
  const { encryption } = await backend.store.settings(bucket.bucketId);
  if (encryption === "server") await backend.settingsUpdate(caller, bucket, { encryption: "none" });
  return { status: 204 };
};
