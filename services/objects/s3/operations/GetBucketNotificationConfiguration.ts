import { writeNotification } from "../notificationDocument.ts";
import { openBucket, type S3Operation, xmlHeaders } from "../operation.ts";

export const GetBucketNotificationConfiguration: S3Operation = async (context) => {
  const bucket = await openBucket(context);
  const { notification } = await context.backend.configuration(bucket);
  return { status: 200, headers: xmlHeaders, body: writeNotification(notification) };
};
