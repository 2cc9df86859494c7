import { CloudError } from "../../../../kernel/errors.ts";
import type { LoggingConfiguration } from "../../accessLogs/configuration.ts";
import { isPublicGrant } from "../access/acl.ts";
import { denied } from "../access/decide.ts";
import { blockIn } from "../access/publicAccess.ts";
import { noAcls } from "../access/writing.ts";
import type { S3Bucket } from "../backend.ts";
import { readDocument } from "../body.ts";
import { S3Error } from "../errors.ts";
import { readLogging } from "../loggingDocument.ts";
import { openBucket, type S3Context, type S3Operation } from "../operation.ts";

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
    await checkTarget(context, target, logging, invalid);
  }
  await backend.configurationUpdate(caller, bucket, { logging: logging ?? null });
  return { status: 200 };
};

/** What a bucket must not be set to for a log to go into it ("Enabling Amazon S3 server access logging", S3 User Guide). */
async function checkTarget(
  { backend }: S3Context,
  target: S3Bucket,
  { targetGrants }: LoggingConfiguration,
  invalid: (message: string) => S3Error,
): Promise<void> {
  const configuration = await backend.configuration(target);
  const { lock } = await backend.store.settings(target.bucketId);
  if (configuration.requestPayer === "Requester")
    throw invalid("The requesters of the target bucket pay, so no log can go there.");
  if (lock?.retention !== undefined) throw invalid("The target bucket retains its objects by default, so no log can go there.");
  if (targetGrants !== undefined && configuration.ownership === "BucketOwnerEnforced") throw noAcls();
  if (targetGrants?.some(isPublicGrant) && blockIn(configuration).blockPublicAcls) throw denied();
}
