import { notFound } from "../../../kernel/errors.ts";
import type { RequestContext } from "../../../kernel/service.ts";
import { subjectOf } from "../buckets.ts";
import type { ConfigurationChange } from "../configuration.ts";
import { type BucketRow, bucketStore, configurationStore } from "../store.ts";

/** Replaces documents of a bucket as the S3 door does: there is one of each, whoever wrote it. */
export async function changeConfiguration(
  { tx, audit }: Pick<RequestContext, "tx" | "audit">,
  { id }: BucketRow,
  change: ConfigurationChange,
): Promise<void> {
  const bucket = await bucketStore.lock(tx, id);
  if (!bucket || bucket.state === "deleting") throw notFound("bucket");
  await configurationStore.change(tx, bucket, change);
  const kinds = Object.keys(change) as (keyof ConfigurationChange)[];
  audit({
    ...subjectOf(bucket),
    before: Object.fromEntries(kinds.map((kind) => [kind, bucket.configuration?.[kind] ?? null])),
    after: { ...change },
  });
}
