import { readDocument } from "../body.ts";
import { readLifecycle, readSmallestTransition, smallestTransition } from "../lifecycleDocument.ts";
import { openBucket, type S3Operation } from "../operation.ts";

export const PutBucketLifecycleConfiguration: S3Operation = async (context) => {
  const { request, backend, caller } = context;
  const bucket = await openBucket(context);
  const smallest = readSmallestTransition(request.headers.get("x-amz-transition-default-minimum-object-size"));
  const lifecycle = readLifecycle(await readDocument(request, context.body, { maxBytes: 1024 ** 2 }));
  await backend.configurationUpdate(caller, bucket, {
    lifecycle,
    smallestTransition: smallest === "varies_by_storage_class" ? smallest : null,
  });
  return { status: 200, headers: smallestTransition(smallest) };
};
