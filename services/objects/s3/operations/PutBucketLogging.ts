import { CloudError } from "../../../../kernel/errors.ts";
import { readDocument } from "../body.ts";
import { S3Error } from "../errors.ts";
import { readLogging } from "../loggingDocument.ts";
import { openBucket, type S3Operation } from "../operation.ts";

export const PutBucketLogging: S3Operation = async (context) => {
  const { request, backend, caller } = context;
  const bucket = await openBucket(context);
  const logging = readLogging(await readDocument(request, context.body, { maxBytes: 64 * 1024 }));
  if (logging !== undefined) {
    const invalid = (message: string): S3Error =>
      new S3Error("InvalidTargetBucketForLogging", message, { fields: { TargetBucket: logging.targetBucket } });
    const target = await backend.bucketByName(logging.targetBucket).catch((error) => {
      throw CloudError.is(error, "not_found") ? invalid("The target bucket for logging does not exist") : error;
    });
    // What the caller may not write into, the log does not either.
    if (
      target.owner.accountId !== bucket.owner.accountId ||
      (await backend.standing(caller, "objects.object.write", target)) !== "role"
    )
      throw invalid("The owner for the bucket to be logged and the target bucket must be the same.");
  }
  await backend.configurationUpdate(caller, bucket, { logging: logging ?? null });
  return { status: 200 };
};
