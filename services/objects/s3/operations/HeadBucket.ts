import { bucketArn, openBucket, type S3Operation } from "../operation.ts";

export const HeadBucket: S3Operation = async (context) => {
  const bucket = await openBucket(context);
  return {
    status: 200,
    headers: {
      "x-amz-access-point-alias": "false",
      "x-amz-bucket-arn": bucketArn(bucket.name),
      "Content-Type": "application/xml",
    },
    meter: { bucketId: bucket.bucketId, requestClass: "read" },
  };
};
