import { bucketArn, openBucket, type S3Operation } from "../operation.ts";

export const HeadBucket: S3Operation = async (context) => {
  const bucket = await openBucket(context);
  return {
    status: 200,
    headers: {
      "x-amz-bucket-region": bucket.region,
      "x-amz-bucket-arn": bucketArn(bucket.name),
      "Content-Type": "application/xml",
    },
    meter: { bucketId: bucket.bucketId, requestClass: "read" },
  };
};
