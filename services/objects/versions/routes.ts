import { isoTime } from "../../../kernel/clock.ts";
import { CloudError, invalid, notFound } from "../../../kernel/errors.ts";
import { decodeCursor, encodeCursor } from "../../../kernel/http/cursor.ts";
import type { Handlers, RequestContext } from "../../../kernel/service.ts";
import { tellChange } from "../audited.ts";
import { checkWritable, placeOf } from "../buckets.ts";
import type contract from "../contract.ts";
import type { DeleteMarker, StoredObject } from "../driver.ts";
import { nameOf } from "../entries.ts";
import { type ObjectsParts, openBucket, openBucketShortly } from "../parts.ts";
import type { BucketRow } from "../store.ts";
import { viewMarks, viewObject } from "../views.ts";
import type { versionRoutes } from "./contract.ts";
import { markersBefore, versionPage } from "./listing.ts";

type Routes = Pick<Handlers<typeof contract>, keyof typeof versionRoutes>;

const reason = (text: string, why: string) =>
  new CloudError("failed_precondition", text, { details: { resource: "object", reason: why } });

const viewVersion = (object: StoredObject) => ({
  kind: "object" as const,
  ...viewObject(object),
  name: nameOf(object.key),
  ...viewMarks(object),
  versionId: object.versionId ?? "null",
});

const viewMarker = ({ key, versionId, modifiedAtMs }: DeleteMarker) => ({
  kind: "marker" as const,
  key,
  name: nameOf(key),
  versionId,
  modifiedAt: isoTime(modifiedAtMs),
  legalHold: false,
});

/** Passing over governance is for whoever has that right at the bucket's place, and never silently ignored. */
function bypass(context: RequestContext, bucket: BucketRow, asked: boolean): boolean {
  if (asked && !context.allows("objects.object.bypass", ["admin"], placeOf(bucket)))
    throw new CloudError("permission_denied", "Only administrators end a governance lock early.", {
      details: { permission: "objects.object.bypass" },
    });
  return asked;
}

export function versionHandlers({ store, quota }: Pick<ObjectsParts, "store" | "quota">): Routes {
  const open = async (context: RequestContext, idOrName: string) => {
    const bucket = await openBucket(context, context.tx, idOrName);
    checkWritable(bucket);
    return bucket;
  };

  /** Changes marks as the last thing before the commit, and answers how the object is then. */
  async function change(
    context: RequestContext,
    bucket: BucketRow,
    { key, versionId }: { key: string; versionId?: string | undefined },
    marks: Parameters<typeof store.mark>[2],
    bypassGovernance: boolean,
  ): Promise<StoredObject> {
    const before = await store.head(bucket.id, key, versionId === undefined ? {} : { versionId });
    if (!before) throw notFound("object");
    const kept = marks.retention === undefined ? before.retention : (marks.retention ?? undefined);
    const { retention: _, ...rest } = before;
    const after: StoredObject = {
      ...rest,
      ...(marks.tags && { tags: marks.tags }),
      ...(marks.legalHold !== undefined && { legalHold: marks.legalHold }),
      ...(kept && { retention: kept }),
    };
    await tellChange(context.tx, context.audit, bucket, key, {
      before: { ...viewMarks(before), tags: before.tags ?? {} },
      after: { ...viewMarks(after), tags: after.tags ?? {} },
    });
    context.tx.beforeCommit(async () => {
      // The version that was looked at, also when another is written meanwhile.
      const named = before.versionId === undefined ? {} : { versionId: before.versionId };
      await store.mark(bucket.id, key, marks, { ...named, bypassGovernance, meter: { requestClass: "write" } });
    });
    return after;
  }

  return {
    async objectVersionList(context, { params, query }) {
      const bucket = await openBucket(context, context.tx, params.bucket);
      const [key, versionId] = (decodeCursor(query.cursor, 2) ?? []).map(String);
      const after = key === undefined ? undefined : { key, ...(versionId && { versionId }) };
      const list = await versionPage(store, bucket.id, { ...query, after });
      store.meter(bucket.id, { requestClass: "write" });
      return {
        items: [
          ...list.commonPrefixes.map((prefix) => ({
            kind: "folder" as const,
            key: prefix,
            name: nameOf(prefix),
            legalHold: false,
          })),
          ...list.versions.map(({ isLatest, object, marker }) => ({
            ...(object ? viewVersion(object) : viewMarker(marker)),
            isCurrent: isLatest,
          })),
        ],
        ...(list.next && { nextCursor: encodeCursor([list.next.key, list.next.versionId ?? ""]) }),
      };
    },

    async objectVersionRestore(context, { params, body }) {
      const bucket = await openBucketShortly(context, params.bucket);
      checkWritable(bucket);
      const { key, versionId } = body;
      const [version, current] = await Promise.all([store.head(bucket.id, key, { versionId }), store.head(bucket.id, key)]);
      if (!version) throw notFound("version");
      if (current !== undefined && current.versionId === version.versionId)
        throw reason("This version is the current one already.", "version_current");
      return quota.room(bucket, async (room) => {
        await room.take(version.sizeBytes);
        const object = await store.copy(
          { bucketId: bucket.id, key, versionId },
          { bucketId: bucket.id, key },
          { meter: { requestClass: "write" } },
        );
        await context.transaction((tx) =>
          tellChange(tx, (fact) => context.audit(tx, fact), bucket, key, {
            before: current && { sizeBytes: current.sizeBytes, etag: current.etag },
            after: { sizeBytes: object.sizeBytes, etag: object.etag, restoredVersionId: versionId },
          }),
        );
        return viewObject(object);
      });
    },

    async objectVersionDelete(context, { params, query }) {
      const bucket = await open(context, params.bucket);
      const { key, versionId } = query;
      const bypassGovernance = bypass(context, bucket, query.bypassGovernance);
      const [object, marker] = await Promise.all([
        store.head(bucket.id, key, { versionId }),
        store.marker(bucket.id, key, { versionId }),
      ]);
      if (!object && !marker) throw notFound("version");
      await tellChange(context.tx, context.audit, bucket, key, {
        before: object
          ? { versionId, sizeBytes: object.sizeBytes, etag: object.etag, ...(bypassGovernance && { bypassGovernance }) }
          : { versionId, marker: true },
      });
      context.tx.beforeCommit(async () => {
        await store.delete(bucket.id, key, { versionId, bypassGovernance, meter: { requestClass: "delete" } });
      });
      return undefined;
    },

    async objectUndelete(context, { params, body }) {
      const bucket = await open(context, params.bucket);
      const { markers, object } = await markersBefore(store, bucket.id, body.key);
      if (markers.length === 0 && object) throw reason("This object is not deleted.", "object_present");
      if (!object) throw notFound("object");
      await tellChange(context.tx, context.audit, bucket, body.key, {
        after: { sizeBytes: object.sizeBytes, etag: object.etag, undeleted: true },
      });
      context.tx.beforeCommit(async () => {
        for (const versionId of markers)
          await store.delete(bucket.id, body.key, { versionId, meter: { requestClass: "delete" } });
      });
      return viewObject(object);
    },

    async objectTagsUpdate(context, { params, body }) {
      const bucket = await open(context, params.bucket);
      const { tags } = await change(context, bucket, body, { tags: body.tags }, false);
      return { tags: tags ?? {} };
    },

    async objectLockUpdate(context, { params, body }) {
      const bucket = await open(context, params.bucket);
      if ((await store.settings(bucket.id)).lock === undefined)
        throw reason("Objects of this bucket cannot be locked: enable the lock in its settings first.", "lock_disabled");
      const { retention, legalHold } = body;
      const untilMs = retention ? Date.parse(retention.until) : 0;
      if (retention && untilMs <= Date.now()) throw invalid("body.retention.until", "Give a time in the future.");
      const marks = {
        ...(retention !== undefined && { retention: retention && { mode: retention.mode, untilMs } }),
        ...(legalHold !== undefined && { legalHold }),
      };
      const after = await change(context, bucket, body, marks, bypass(context, bucket, body.bypassGovernance));
      const { versionId: _, ...view } = viewMarks(after);
      return view;
    },
  };
}
