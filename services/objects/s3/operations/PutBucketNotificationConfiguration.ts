import { readDocument } from "../body.ts";
import { S3Error } from "../errors.ts";
import { readNotification } from "../notificationDocument.ts";
import { openBucket, type S3Operation } from "../operation.ts";

export const PutBucketNotificationConfiguration: S3Operation = async (context) => {
  const { request, backend, caller } = context;
  const bucket = await openBucket(context);
  const notification = readNotification(await readDocument(request, context.body, { maxBytes: 1024 ** 2 }));
  const webhooks = [...new Set(notification?.rules.map(({ webhook }) => webhook))];
  const missing = await backend.missingWebhooks(bucket, webhooks);
  const first = notification?.rules.find(({ webhook }) => missing.includes(webhook));
  if (first)
    throw new S3Error("InvalidArgument", "Unable to validate the following destination configurations", {
      fields: {
        ArgumentName1: first.arn,
        ArgumentValue1: `The destination ARN does not lead to a webhook of the bucket's project. Make one named ${first.webhook} first.`,
      },
    });
  await backend.configurationUpdate(caller, bucket, { notification: notification ?? null });
  if (webhooks.length > 0 && request.headers.get("x-amz-skip-destination-validation") !== "true")
    await backend.testWebhooks(bucket, webhooks);
  return { status: 200 };
};
