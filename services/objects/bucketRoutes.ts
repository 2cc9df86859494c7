import { CloudError, invalid, notFound } from "../../kernel/errors.ts";
import { decodeCursor, encodeCursor } from "../../kernel/http/cursor.ts";
import { beginOperation, hasActiveOperation } from "../../kernel/operations/store.ts";
import { viewOperation } from "../../kernel/operations/view.ts";
import type { Handlers } from "../../kernel/service.ts";
import { checkHolds, createBucket, deleteBucket, placeOf, resourceOf, subjectOf, underWay, viewBucket } from "./buckets.ts";
import contract from "./contract.ts";
import { actorIn, type ObjectsParts, openBucket } from "./parts.ts";
import { bucketStore } from "./store.ts";

type BucketRoutes = Pick<Handlers<typeof contract>, "bucketList" | "bucketCreate" | "bucketGet" | "bucketDelete" | "bucketEmpty">;

export function bucketRoutes({ identity, store, operations }: ObjectsParts): BucketRoutes {
  return {
    async bucketList(context, { query }) {
      const place = await identity.projectPlace(context.tx, query.project);
      if (!place) throw notFound("project");
      context.authorize(place, "project");
      const [after] = decodeCursor(query.cursor, 1) ?? [];
      const rows = await bucketStore.page(context.tx, {
        projectId: query.project,
        search: query.search,
        after: after === undefined ? undefined : String(after),
        limit: query.limit + 1,
      });
      const page = rows.slice(0, query.limit);
      const last = page.at(-1);
      return {
        items: await Promise.all(page.map((bucket) => viewBucket(store, bucket))),
        ...(rows.length > page.length && last ? { nextCursor: encodeCursor([last.name]) } : {}),
      };
    },

    async bucketCreate(context, { body }) {
      const place = await identity.projectPlace(context.tx, body.project);
      if (!place) throw notFound("project");
      context.authorize(place, "project");
      const bucket = await createBucket(context.tx, place, body.name);
      context.audit({ ...subjectOf(bucket), after: { name: bucket.name } });
      return viewBucket(store, bucket);
    },

    bucketGet: async (context, { params }) => viewBucket(store, await openBucket(context, context.tx, params.bucket)),

    async bucketDelete(context, { params }) {
      const { id } = await openBucket(context, context.tx, params.bucket);
      const bucket = await deleteBucket(context.tx, store, id);
      context.audit({ ...subjectOf(bucket), before: { name: bucket.name } });
      return undefined;
    },

    async bucketEmpty(context, { params, body }) {
      const { id } = await openBucket(context, context.tx, params.bucket);
      const bucket = await bucketStore.lock(context.tx, id);
      if (!bucket) throw notFound("bucket");
      if (body.confirm !== bucket.name) {
        throw invalid(
          "body.confirm",
          `Type the name of the bucket, ${bucket.name}, to confirm that everything in it goes for good.`,
        );
      }
      const { bucketDelete } = contract.routes;
      if (body.thenDelete && !context.allows(bucketDelete.permission, bucketDelete.roles, placeOf(bucket))) {
        throw new CloudError("permission_denied", "You may empty this bucket, but not delete it.", {
          details: { permission: bucketDelete.permission },
        });
      }
      if (bucket.state !== "active" || (await hasActiveOperation(context.tx, bucket.id))) throw underWay();
      if (body.thenDelete) await checkHolds(context.tx, bucket);
      await bucketStore.setState(context.tx, bucket, body.thenDelete ? "deleting" : "emptying");
      context.audit({ ...subjectOf(bucket), after: { thenDelete: body.thenDelete } });
      const record = await beginOperation(context.tx, operations.bucketEmpty, {
        input: { bucketId: bucket.id, trashBucketId: bucket.trashBucketId, thenDelete: body.thenDelete },
        actor: actorIn(context),
        organisationId: bucket.organisationId,
        projectId: bucket.projectId,
        resource: resourceOf(bucket),
      });
      return viewOperation(record);
    },
  };
}
