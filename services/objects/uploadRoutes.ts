import { isoTime } from "../../kernel/clock.ts";
import { answering } from "../../kernel/http/answering.ts";
import { decodeCursor, encodeCursor } from "../../kernel/http/cursor.ts";
import type { Handlers } from "../../kernel/service.ts";
import { tellChange } from "./audited.ts";
import { checkWritable } from "./buckets.ts";
import type contract from "./contract.ts";
import type { Upload } from "./driver.ts";
import { type ObjectsParts, openBucket, openBucketShortly } from "./parts.ts";
import { receiveBody } from "./receive.ts";
import { type BucketRow, uploadStore } from "./store.ts";
import { viewObject } from "./views.ts";

type UploadRoutes = Pick<
  Handlers<typeof contract>,
  "uploadCreate" | "uploadList" | "uploadPartPut" | "uploadPartList" | "uploadComplete" | "uploadDelete"
>;

const mebibyte = 2 ** 20;
const smallestPartBytes = 8 * mebibyte;
const mostParts = 10_000;

/** In whole MiB, so that parts begin at round places: what the smallest is, or what 10,000 parts need. */
export const partSizeFor = (sizeBytes: number): number =>
  Math.max(smallestPartBytes, Math.ceil(sizeBytes / mostParts / mebibyte) * mebibyte);

const viewUpload = (bucket: BucketRow, upload: Upload, partSizeBytes: number) => ({
  id: upload.uploadId,
  bucketId: bucket.id,
  key: upload.key,
  startedAt: isoTime(upload.startedAtMs),
  partSizeBytes,
});

export function uploadRoutes({ store, quota }: ObjectsParts): UploadRoutes {
  return {
    async uploadCreate(context, { params, body }) {
      const bucket = await openBucket(context, context.tx, params.bucket);
      checkWritable(bucket);
      // Nothing is stored yet, but who cannot send it all should know before the first byte.
      await quota.check(bucket, body.sizeBytes);
      const partSizeBytes = partSizeFor(body.sizeBytes);
      const upload = await store.uploadCreate(bucket.id, body.key, {
        headers: body.contentType === undefined ? {} : { contentType: body.contentType },
        meter: { requestClass: "write" },
      });
      await uploadStore.insert(context.tx, {
        id: upload.uploadId,
        bucketId: bucket.id,
        organisationId: bucket.organisationId,
        sizeBytes: body.sizeBytes,
        partSizeBytes,
        createdAt: new Date(upload.startedAtMs),
      });
      return viewUpload(bucket, upload, partSizeBytes);
    },

    async uploadList(context, { params, query }) {
      const bucket = await openBucket(context, context.tx, params.bucket);
      const [after, afterUploadId] = decodeCursor(query.cursor, 2) ?? [];
      const list = await store.uploadList(bucket.id, {
        prefix: query.prefix,
        limit: query.limit,
        ...(after === undefined ? {} : { after: String(after) }),
        ...(afterUploadId === undefined || afterUploadId === "" ? {} : { afterUploadId: String(afterUploadId) }),
      });
      store.meter(bucket.id, { requestClass: "write" });
      const sizes = await uploadStore.partSizes(
        context.tx,
        list.uploads.map((upload) => upload.uploadId),
      );
      return {
        // Those that S3 clients began have parts as these clients like.
        items: list.uploads.map((upload) => viewUpload(bucket, upload, sizes.get(upload.uploadId) ?? smallestPartBytes)),
        ...(list.next ? { nextCursor: encodeCursor([list.next.after, list.next.afterUploadId ?? ""]) } : {}),
      };
    },

    uploadPartPut: (context, { params }) =>
      answering(context.request, async () => {
        const bucket = await openBucketShortly(context, params.bucket);
        checkWritable(bucket);
        await store.upload(bucket.id, params.upload);
        return quota.room(bucket, async (room) => {
          const body = await receiveBody(context.request, room);
          const part = await store.partPut(bucket.id, params.upload, params.part, body.bytes, {
            ...body.options,
            meter: body.meter,
          });
          return { number: part.number, sizeBytes: part.sizeBytes, etag: part.etag };
        });
      }),

    async uploadPartList(context, { params, query }) {
      const bucket = await openBucket(context, context.tx, params.bucket);
      const [after] = decodeCursor(query.cursor, 1) ?? [];
      const list = await store.partList(bucket.id, params.upload, {
        limit: query.limit,
        ...(after === undefined ? {} : { after: Number(after) }),
      });
      store.meter(bucket.id, { requestClass: "read" });
      return {
        items: list.parts.map(({ number, sizeBytes, etag }) => ({ number, sizeBytes, etag })),
        ...(list.next === undefined ? {} : { nextCursor: encodeCursor([list.next]) }),
      };
    },

    async uploadComplete(context, { params, body }) {
      const bucket = await openBucket(context, context.tx, params.bucket);
      checkWritable(bucket);
      // Before the transaction tells of it. Should that fail, completing again answers the same object.
      const object = await store.uploadComplete(bucket.id, params.upload, body.parts, { meter: { requestClass: "write" } });
      await uploadStore.delete(context.tx, params.upload);
      await tellChange(context.tx, context.audit, bucket, object.key, {
        after: {
          sizeBytes: object.sizeBytes,
          etag: object.etag,
          contentType: object.headers.contentType,
          parts: body.parts.length,
        },
      });
      context.setHeader("etag", `"${object.etag}"`);
      return viewObject(object);
    },

    async uploadDelete(context, { params }) {
      const bucket = await openBucket(context, context.tx, params.bucket);
      await store.upload(bucket.id, params.upload);
      await uploadStore.delete(context.tx, params.upload);
      context.tx.beforeCommit(async () => {
        await store.uploadAbort(bucket.id, params.upload, { meter: { requestClass: "delete" } });
      });
      return undefined;
    },
  };
}
