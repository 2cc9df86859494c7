import type { Handlers } from "../../../kernel/service.ts";
import type contract from "../contract.ts";
import { type ObjectsParts, openBucket } from "../parts.ts";
import { changeConfiguration } from "../settings/documents.ts";
import type { BucketRow } from "../store.ts";
import { type BucketQuota, heldIn } from "./bucketQuota.ts";
import type { quotaRoutes } from "./contract.ts";

type Routes = Pick<Handlers<typeof contract>, keyof typeof quotaRoutes>;

export function quotaHandlers({ store }: Pick<ObjectsParts, "store">): Routes {
  async function view(bucket: BucketRow, quota: BucketQuota | undefined) {
    const held = await heldIn(store, bucket);
    return { ...quota, usedBytes: held.bytes, usedObjects: held.objects };
  }
  return {
    async bucketQuotaGet(context, { params }) {
      const bucket = await openBucket(context, context.tx, params.bucket);
      return view(bucket, bucket.configuration?.quota);
    },

    async bucketQuotaUpdate(context, { params, body: { bytes, objects } }) {
      const bucket = await openBucket(context, context.tx, params.bucket);
      const quota = { ...(bytes !== undefined && { bytes }), ...(objects !== undefined && { objects }) };
      await changeConfiguration(context, bucket, { quota: Object.keys(quota).length === 0 ? null : quota });
      return view(bucket, quota);
    },
  };
}
