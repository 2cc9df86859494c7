import { denied } from "../access/decide.ts";
import { maxPolicyBytes, parsePolicy } from "../access/policy.ts";
import { blockIn, isPublicPolicy } from "../access/publicAccess.ts";
import { readDocument } from "../body.ts";
import { openBucket, type S3Operation } from "../operation.ts";

export const PutBucketPolicy: S3Operation = async (context) => {
  const { request, backend, caller } = context;
  const bucket = await openBucket(context);
  // Read a little further than is allowed, so that what is too long is told as such.
  const text = await readDocument(request, context.body, { maxBytes: 4 * maxPolicyBytes });
  const policy = parsePolicy(text, bucket.name);
  if (isPublicPolicy(policy) && blockIn(await backend.configuration(bucket)).blockPublicPolicy) throw denied();
  await backend.configurationUpdate(caller, bucket, { policy: { text } });
  return { status: 204 };
};
