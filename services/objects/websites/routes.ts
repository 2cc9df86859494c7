import type { Tx } from "../../../kernel/db/database.ts";
import { notFound } from "../../../kernel/errors.ts";
import type { Handlers } from "../../../kernel/service.ts";
import { everybodyReads } from "../access/reach.ts";
import { subjectOf } from "../buckets.ts";
import type contract from "../contract.ts";
import { type ObjectsParts, openBucket } from "../parts.ts";
import type { BucketRow } from "../store.ts";
import type { WebsiteConfiguration } from "./contract.ts";
import { changeWebsite } from "./websites.ts";

type Routes = Pick<Handlers<typeof contract>, "bucketWebsiteGet" | "bucketWebsiteUpdate" | "bucketWebsiteDelete">;

export function websiteHandlers({ websites, store }: Pick<ObjectsParts, "websites" | "store">): Routes {
  const view = async (tx: Tx, bucket: BucketRow, configuration: WebsiteConfiguration) => {
    const { id, name, projectId } = bucket;
    const url = await websites.url(tx, { name, projectId });
    const { indexDocument: first } = configuration;
    const isReadable = first === undefined || everybodyReads(bucket, first, await store.head(id, first));
    return { ...configuration, isReadable, ...(url === undefined ? {} : { url }) };
  };

  return {
    async bucketWebsiteGet(context, { params }) {
      const bucket = await openBucket(context, context.tx, params.bucket);
      if (bucket.website == null) throw notFound("website");
      return view(context.tx, bucket, bucket.website);
    },

    async bucketWebsiteUpdate(context, { params, body }) {
      const bucket = await openBucket(context, context.tx, params.bucket);
      const { before } = await changeWebsite(context.tx, bucket.id, body);
      context.audit({ ...subjectOf(bucket), ...(before === undefined ? {} : { before }), after: body });
      return view(context.tx, bucket, body);
    },

    async bucketWebsiteDelete(context, { params }) {
      const bucket = await openBucket(context, context.tx, params.bucket);
      const { before } = await changeWebsite(context.tx, bucket.id, undefined);
      if (before === undefined) throw notFound("website");
      context.audit({ ...subjectOf(bucket), before });
      return undefined;
    },
  };
}
