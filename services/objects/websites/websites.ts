import type { Tx } from "../../../kernel/db/database.ts";
import { notFound } from "../../../kernel/errors.ts";
import { bucketStore, websiteStore } from "../store.ts";
import type { WebsiteConfiguration } from "./contract.ts";

/** Undefined: it is no website any more; harmless when it is none. Answers what it was before. */
export async function changeWebsite(
  tx: Tx,
  bucketId: string,
  configuration: WebsiteConfiguration | undefined,
): Promise<{ before: WebsiteConfiguration | undefined }> {
  const bucket = await bucketStore.lock(tx, bucketId);
  if (!bucket || bucket.state === "deleting") throw notFound("bucket");
  const before = bucket.website ?? undefined;
  if (configuration !== undefined) await websiteStore.put(tx, bucket, configuration);
  else if (before !== undefined) await websiteStore.remove(tx, bucket);
  return { before };
}
