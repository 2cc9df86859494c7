import { isoTime } from "../../kernel/clock.ts";
import { CloudError, notFound } from "../../kernel/errors.ts";
import { decodeCursor, toPage } from "../../kernel/http/cursor.ts";
import { type Id, newId } from "../../kernel/ids.ts";
import type { OperationDefinition } from "../../kernel/operations/definition.ts";
import { beginOperation } from "../../kernel/operations/store.ts";
import { viewOperation } from "../../kernel/operations/view.ts";
import type { Handlers, RequestContext } from "../../kernel/service.ts";
import { checkWritable, resourceOf, subjectOf } from "./buckets.ts";
import type contract from "./contract.ts";
import { nameOf } from "./entries.ts";
import { checkExists, checkSelection, checkTargets, planMove, sourcesOf } from "./moves.ts";
import { actorIn, type ObjectsParts, openBucket } from "./parts.ts";
import { type BucketRow, bucketStore, type TrashRow, trashStore } from "./store.ts";

type TrashRoutes = Pick<Handlers<typeof contract>, "objectMove" | "objectTrash" | "trashList" | "trashRestore" | "trashDelete">;

export const trashDays = 7;
/** So many names tell what an item of the trash is. */
const namesShown = 100;

const viewTrash = (item: TrashRow) => ({
  id: item.id,
  bucketId: item.bucketId,
  names: item.names,
  objects: item.objects,
  sizeBytes: item.sizeBytes,
  deletedBy: item.deletedBy,
  deletedAt: isoTime(item.deletedAt),
  expiresAt: isoTime(item.expiresAt),
});

export function trashRoutes({ store, operations }: ObjectsParts): TrashRoutes {
  /** Locked, so that nobody begins to empty or delete it before the operation is recorded. */
  async function openForWork(context: RequestContext, idOrName: string): Promise<BucketRow> {
    const { id } = await openBucket(context, context.tx, idOrName);
    const bucket = await bucketStore.lock(context.tx, id);
    if (!bucket) throw notFound("bucket");
    checkWritable(bucket);
    return bucket;
  }

  async function begin<Input extends Record<string, unknown>>(
    context: RequestContext,
    bucket: BucketRow,
    definition: OperationDefinition<Input>,
    input: Input,
  ) {
    const record = await beginOperation(context.tx, definition, {
      input,
      actor: actorIn(context),
      organisationId: bucket.organisationId,
      projectId: bucket.projectId,
      resource: resourceOf(bucket),
    });
    return viewOperation(record);
  }

  /** What is kept in the trash and nobody is working on. */
  async function openTrash(context: RequestContext, bucket: BucketRow, id: string): Promise<TrashRow> {
    const item = await trashStore.lock(context.tx, bucket.id, id);
    if (!item) throw notFound("trash item");
    if (item.state !== "kept") {
      throw new CloudError("failed_precondition", "This part of the trash is being worked on. Wait until that is finished.", {
        details: { reason: "operation_active", retryAfterSeconds: 5 },
      });
    }
    return item;
  }

  const inTrash = (bucket: BucketRow, trashId: string) => ({ bucketId: bucket.id, trashBucketId: bucket.trashBucketId, trashId });

  return {
    async objectMove(context, { params, body }) {
      const bucket = await openForWork(context, params.bucket);
      const plan = planMove(body);
      await checkExists(store, bucket.id, sourcesOf(plan));
      if (!body.overwrite) await checkTargets(store, bucket.id, plan);
      context.audit({
        ...subjectOf(bucket),
        after: { ...firstOf(sourcesOf(plan)), targetPrefix: body.targetPrefix, rename: body.rename },
      });
      return begin(context, bucket, operations.objectMove, {
        bucketId: bucket.id,
        plan,
        overwrite: body.overwrite,
        asOfMs: Date.now(),
      });
    },

    async objectTrash(context, { params, body }) {
      const bucket = await openForWork(context, params.bucket);
      const selection = checkSelection(body);
      await checkExists(store, bucket.id, selection);
      const { keys, prefixes } = selection;
      const deletedAt = new Date();
      const id: Id<"trashItem"> = newId("trashItem");
      await trashStore.insert(context.tx, {
        id,
        bucketId: bucket.id,
        organisationId: bucket.organisationId,
        names: [...prefixes.map((prefix) => `${nameOf(prefix)}/`), ...keys.map(nameOf)].slice(0, namesShown),
        objects: 0,
        sizeBytes: 0,
        state: "filling",
        deletedBy: context.principal.name,
        deletedAt,
        expiresAt: new Date(deletedAt.getTime() + trashDays * 24 * 3_600_000),
      });
      context.audit({ ...subjectOf(bucket), after: { trashId: id, ...firstOf(selection) } });
      return begin(context, bucket, operations.objectTrash, {
        ...inTrash(bucket, id),
        selection: { keys: [...keys], prefixes: [...prefixes] },
        asOfMs: deletedAt.getTime(),
      });
    },

    async trashList(context, { params, query }) {
      const bucket = await openBucket(context, context.tx, params.bucket);
      const cursor = decodeCursor(query.cursor, 2);
      const rows = await trashStore.page(context.tx, {
        bucketId: bucket.id,
        before: cursor && { at: String(cursor[0]), id: String(cursor[1]) },
        limit: query.limit + 1,
      });
      return toPage(rows, query.limit, viewTrash, (row) => [isoTime(row.deletedAt), row.id]);
    },

    async trashRestore(context, { params }) {
      const bucket = await openForWork(context, params.bucket);
      const item = await openTrash(context, bucket, params.trash);
      await trashStore.setState(context.tx, item.id, "restoring");
      context.audit({ ...subjectOf(bucket), action: "objects.trash.restore", after: { trashId: item.id, names: item.names } });
      return begin(context, bucket, operations.trashRestore, { ...inTrash(bucket, item.id), asOfMs: Date.now() });
    },

    async trashDelete(context, { params }) {
      const bucket = await openForWork(context, params.bucket);
      const item = await openTrash(context, bucket, params.trash);
      await trashStore.setState(context.tx, item.id, "deleting");
      context.audit({ ...subjectOf(bucket), action: "objects.trash.delete", before: { trashId: item.id, names: item.names } });
      return begin(context, bucket, operations.trashDelete, inTrash(bucket, item.id));
    },
  };
}

/** Enough of a selection for the audit log, which is no place for thousands of keys. */
const firstOf = ({ keys, prefixes }: { keys: readonly string[]; prefixes: readonly string[] }) => ({
  keys: keys.slice(0, 20),
  prefixes: prefixes.slice(0, 20),
  ...(keys.length > 20 ? { moreKeys: keys.length - 20 } : {}),
  ...(prefixes.length > 20 ? { morePrefixes: prefixes.length - 20 } : {}),
});
