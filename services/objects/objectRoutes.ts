import { notFound } from "../../kernel/errors.ts";
import { answering } from "../../kernel/http/answering.ts";
import { decodeCursor } from "../../kernel/http/cursor.ts";
import type { Handlers } from "../../kernel/service.ts";
import { everybodyReads } from "./access/reach.ts";
import { tellChange } from "./audited.ts";
import { checkWritable } from "./buckets.ts";
import type contract from "./contract.ts";
import { download } from "./download.ts";
import { listEntries } from "./entries.ts";
import { type ObjectsParts, openBucket, openBucketShortly } from "./parts.ts";
import { receiveBody, writeConditionsOf } from "./receive.ts";
import { viewMarks, viewObject } from "./views.ts";

type ObjectRoutes = Pick<
  Handlers<typeof contract>,
  "objectList" | "objectGet" | "objectDownload" | "objectUpload" | "objectDelete"
>;

export function objectRoutes({ store, quota }: ObjectsParts): ObjectRoutes {
  return {
    async objectList(context, { params, query }) {
      const bucket = await openBucket(context, context.tx, params.bucket);
      const [after] = decodeCursor(query.cursor, 1) ?? [];
      const list = await listEntries(store, bucket.id, { ...query, after: after === undefined ? undefined : String(after) });
      store.meter(bucket.id, { requestClass: "write" });
      return list;
    },

    async objectGet(context, { params, query }) {
      const bucket = await openBucket(context, context.tx, params.bucket);
      const { key, versionId } = query;
      const object = await store.head(bucket.id, key, versionId === undefined ? {} : { versionId });
      if (!object) throw notFound("object");
      store.meter(bucket.id, { requestClass: "read" });
      const { cacheControl, contentDisposition, contentEncoding } = object.headers;
      return {
        ...viewObject(object),
        metadata: object.metadata,
        cacheControl,
        contentDisposition,
        contentEncoding,
        checksums: object.checksums,
        parts: object.parts.length,
        tags: object.tags ?? {},
        isPublic: everybodyReads(bucket, key, object),
        ...viewMarks(object),
      };
    },

    async objectDownload(context, { params, query }) {
      const bucket = await openBucketShortly(context, params.bucket);
      return download(store, context, { bucketId: bucket.id, ...query });
    },

    objectUpload: (context, { params, query }) =>
      answering(context.request, async () => {
        const bucket = await openBucketShortly(context, params.bucket);
        checkWritable(bucket);
        return quota.room(bucket, async (room) => {
          const body = await receiveBody(context.request, room);
          const before = await store.head(bucket.id, query.key);
          const object = await store.put(bucket.id, query.key, body.bytes, {
            ...body.options,
            ...writeConditionsOf(context.request),
            headers: body.contentType === undefined ? {} : { contentType: body.contentType },
            meter: body.meter,
          });
          context.setHeader("etag", `"${object.etag}"`);
          await context.transaction((tx) =>
            tellChange(tx, (fact) => context.audit(tx, fact), bucket, object.key, {
              before: before && { sizeBytes: before.sizeBytes, etag: before.etag },
              after: { sizeBytes: object.sizeBytes, etag: object.etag, contentType: object.headers.contentType },
            }),
          );
          return viewObject(object);
        });
      }),

    async objectDelete(context, { params, query }) {
      const bucket = await openBucket(context, context.tx, params.bucket);
      checkWritable(bucket);
      const object = await store.head(bucket.id, query.key);
      if (!object) throw notFound("object");
      await tellChange(context.tx, context.audit, bucket, query.key, {
        before: { sizeBytes: object.sizeBytes, etag: object.etag },
      });
      // The last thing before the commit: what is told in this transaction has then happened.
      context.tx.beforeCommit(async () => {
        await store.delete(bucket.id, query.key, { meter: { requestClass: "delete" } });
      });
      return undefined;
    },
  };
}
