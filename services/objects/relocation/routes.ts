import { CloudError, notFound } from "../../../kernel/errors.ts";
import { beginOperation, hasActiveOperation } from "../../../kernel/operations/store.ts";
import { viewOperation } from "../../../kernel/operations/view.ts";
import type { Handlers } from "../../../kernel/service.ts";
import { checkWritable, resourceOf, subjectOf, underWay } from "../buckets.ts";
import type contract from "../contract.ts";
import { actorIn, type ObjectsParts, openBucket } from "../parts.ts";
import { bucketStore } from "../store.ts";
import type { relocationRoutes } from "./contract.ts";

type Routes = Pick<Handlers<typeof contract>, keyof typeof relocationRoutes>;

export function relocationHandlers({ store, operations }: Pick<ObjectsParts, "store" | "operations">): Routes {
  return {
    async bucketRelocate(context, { params, body: { engine } }) {
      const { id } = await openBucket(context, context.tx, params.bucket);
      const bucket = await bucketStore.lock(context.tx, id);
      if (!bucket) throw notFound("bucket");
      checkWritable(bucket);
      if (!store.engines.available.includes(engine))
        throw new CloudError(
          "failed_precondition",
          "This cloud has no storage cluster. Whoever runs it gives it one with --object-cluster.",
          { details: { resource: "bucket", reason: "no_storage_cluster" } },
        );
      if (await hasActiveOperation(context.tx, bucket.id)) throw underWay();
      const before = (await store.settings(bucket.id)).engine ?? store.engines.standard;
      context.audit({ ...subjectOf(bucket), before: { engine: before }, after: { engine } });
      const record = await beginOperation(context.tx, operations.bucketRelocate, {
        input: { bucketId: bucket.id, trashBucketId: bucket.trashBucketId, engine },
        actor: actorIn(context),
        organisationId: bucket.organisationId,
        projectId: bucket.projectId,
        resource: resourceOf(bucket),
      });
      return viewOperation(record);
    },
  };
}
