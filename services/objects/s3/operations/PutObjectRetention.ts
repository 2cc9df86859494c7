import { readDocument } from "../body.ts";
import { bypassAsked, readRetention, requireLock } from "../locking.ts";
import { openBucket, type S3Operation } from "../operation.ts";
import { openObject, versionHeader } from "../versions.ts";

export const PutObjectRetention: S3Operation = async (context) => {
  const { request, backend } = context;
  const retention = readRetention(await readDocument(request, context.body, { maxBytes: 64 * 1024 }));
  if (retention !== null)
    context.given = {
      requestLock: {
        "object-lock-mode": retention.mode.toUpperCase(),
        "object-lock-retain-until-date": new Date(retention.untilMs).toISOString(),
      },
    };
  const bucket = await openBucket(context);
  await requireLock(context, bucket);
  const bypassGovernance = await bypassAsked(context, bucket);
  const { versionId } = await openObject(context, bucket);
  const options = { bypassGovernance, meter: { requestClass: "write" }, ...(versionId !== undefined && { versionId }) } as const;
  const object = await backend.store.mark(bucket.bucketId, request.key, { retention }, options);
  return { status: 200, headers: versionHeader(object) };
};
