import type { Tx } from "../../../kernel/db/database.ts";
import { notFound } from "../../../kernel/errors.ts";
import type { Handlers } from "../../../kernel/service.ts";
import { subjectOf } from "../buckets.ts";
import type contract from "../contract.ts";
import { type ObjectsParts, openBucket } from "../parts.ts";
import type { BucketRow } from "../store.ts";
import type { WebsiteConfiguration } from "./contract.ts";
import { changeWebsite } from "./websites.ts";

type Routes = Pick<Handlers<typeof contract>, "bucketWebsiteGet" | "bucketWebsiteUpdate" | "bucketWebsiteDelete">;

export function websiteHandlers({ websites }: Pick<ObjectsParts, "websites">): Routes {
  const view = async (tx: Tx, { name, projectId }: BucketRow, configuration: WebsiteConfiguration) => {
    const url = await websites.url(tx, { name, projectId });
    return { ...configuration, ...(url === undefined ? {} : { url }) };
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
