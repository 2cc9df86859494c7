import { audit } from "../../kernel/audit.ts";
import { CloudError } from "../../kernel/errors.ts";
import type { Id } from "../../kernel/ids.ts";
import { defineOperation, type OperationStep, type StepContext } from "../../kernel/operations/definition.ts";
import { removeBucket, subjectOf } from "./buckets.ts";
import type { Changes } from "./changes.ts";
import type { ObjectStore } from "./driver.ts";
import { type MovePlan, reversed, sourcesOf, targetOf } from "./moves.ts";
import { defineRelocate } from "./relocation/operation.ts";
import { bucketStore, type TrashRow, trashStore } from "./store.ts";
import { moveObject, originalKeyOf, restoreObject, trashObject, trashPrefixOf } from "./transfer.ts";
import { abortUploads, everything, inParallel, purge, type Selection, tally, walk } from "./walk.ts";

/** Where an operation works. */
type InBucket = { bucketId: Id<"bucket"> };
type InTrash = InBucket & { trashBucketId: Id<"bucket">; trashId: string };
/** When it was asked for: what comes later is none of it. */
type AsOf = { asOfMs: number };

export type MoveInput = InBucket & AsOf & { plan: MovePlan; overwrite: boolean };
export type TrashInput = InTrash & AsOf & { selection: { keys: string[]; prefixes: string[] } };
export type RestoreInput = InTrash & AsOf;
export type TrashDeleteInput = InTrash;
export type EmptyInput = InBucket & { trashBucketId: Id<"bucket">; thenDelete: boolean };

export type ObjectOperations = ReturnType<typeof defineObjectOperations>;

// A bucket may hold millions of objects; what has no end is stopped by cancelling it.
const deadlineSeconds = 24 * 3600;
const renamedShown = 100;

export function defineObjectOperations({ store, changes }: { store: ObjectStore; changes: Changes }) {
  /** Tells whoever looks at these folders, while it goes on. */
  const tell = ({ organisationId, projectId, input }: Told, ...keys: string[]) => {
    for (const key of keys)
      changes.note({ id: input.bucketId, organisationId: organisationId as string, projectId: projectId as string }, key);
  };
  type Told = Pick<StepContext<InBucket>, "organisationId" | "projectId" | "input">;

  const progressOf = (context: StepContext<InBucket>): ((objects: number) => void) => {
    const { memory, progress } = context;
    return (objects) => {
      const done = number(memory["done"]) + objects;
      memory["done"] = done;
      const total = Math.max(done, number(memory["total"]));
      progress(total === 0 ? 1 : done / total, `${done} / ${total}`);
    };
  };

  /** Looks how much there is to do, so that progress means something. */
  const countStep = <Input extends InBucket>(
    what: (input: Input) => { bucketId: Id<"bucket">; selection: Selection; asOfMs?: number },
  ): OperationStep<Input> => ({
    name: "count",
    deadlineSeconds,
    async run({ input, memory, signal }) {
      const { bucketId, selection, asOfMs } = what(input);
      const { objects } = await tally(store, bucketId, selection, { signal, ...(asOfMs === undefined ? {} : { asOfMs }) });
      memory["total"] = objects;
    },
  });

  const inTrash = ({ trashBucketId, trashId }: InTrash) => ({
    bucketId: trashBucketId,
    selection: { keys: [], prefixes: [trashPrefixOf(trashId)] },
  });
  const tallyTrash = (input: InTrash) => tally(store, input.trashBucketId, inTrash(input).selection);

  async function restoreAll(context: StepContext<RestoreInput>, beganMs: number): Promise<string[]> {
    const { input, signal } = context;
    const renamed: string[] = [];
    const done = progressOf(context);
    for await (const page of walk(store, input.trashBucketId, inTrash(input).selection, { signal })) {
      await inParallel(page, async (object) => {
        signal.throwIfAborted();
        const key = await restoreObject(store, object, { ...input, beganMs });
        if (key !== originalKeyOf(object)) renamed.push(key);
        tell(context, key);
      });
      done(page.length);
    }
    return renamed;
  }

  const objectMove = defineOperation<MoveInput>({
    kind: "objects.object.move",
    steps: [
      countStep((input) => ({ bucketId: input.bucketId, selection: sourcesOf(input.plan), asOfMs: input.asOfMs })),
      {
        name: "move",
        deadlineSeconds,
        async run(context) {
          const { input, signal } = context;
          const { bucketId, plan, overwrite, asOfMs } = input;
          const done = progressOf(context);
          for await (const page of walk(store, bucketId, sourcesOf(plan), { signal, asOfMs })) {
            await inParallel(page, async ({ key }) => {
              signal.throwIfAborted();
              const to = targetOf(plan, key);
              if (to === undefined) return;
              await moveObject(
                store,
                { bucketId, key },
                { bucketId, key: to },
                { overwrite, notAfterMs: asOfMs, beganMs: asOfMs },
              );
              tell(context, key, to);
            });
            done(page.length);
          }
        },
        /** Back to where it was, unless something new is there. What was overwritten stays so. */
        async undo(context) {
          const { input, signal } = context;
          const { bucketId, asOfMs } = input;
          const back = reversed(input.plan);
          for await (const page of walk(store, bucketId, sourcesOf(back), { signal })) {
            const moved = page.filter((object) => object.modifiedAtMs >= asOfMs);
            await inParallel(moved, async ({ key }) => {
              const to = targetOf(back, key);
              if (to === undefined) return;
              try {
                await moveObject(store, { bucketId, key }, { bucketId, key: to }, { overwrite: false, beganMs: asOfMs });
              } catch (error) {
                if (!CloudError.is(error, "already_exists")) throw error;
              }
              tell(context, key, to);
            });
          }
        },
      },
    ],
    finish: async (_tx, { memory }, outcome) => (outcome === "succeeded" ? { objects: number(memory["total"]) } : undefined),
  });

  const objectTrash = defineOperation<TrashInput>({
    kind: "objects.object.trash",
    steps: [
      countStep((input) => ({ bucketId: input.bucketId, selection: input.selection, asOfMs: input.asOfMs })),
      {
        name: "move",
        deadlineSeconds,
        async run(context) {
          const { input, signal } = context;
          const { bucketId, trashBucketId, trashId, selection, asOfMs } = input;
          const done = progressOf(context);
          for await (const page of walk(store, bucketId, selection, { signal, asOfMs })) {
            await inParallel(page, async ({ key }) => {
              signal.throwIfAborted();
              await trashObject(store, { bucketId, key }, { bucketId: trashBucketId, id: trashId }, asOfMs);
              tell(context, key);
            });
            done(page.length);
          }
        },
        undo: async (context) => void (await restoreAll(context, context.input.asOfMs)),
      },
      {
        name: "sum",
        deadlineSeconds,
        async run({ input, memory }) {
          memory["held"] = await tallyTrash(input);
        },
      },
    ],
    async finish(tx, { input, memory }, outcome) {
      const left = outcome === "succeeded" ? (memory["held"] as Held) : await tallyTrash(input);
      // What could not be put back is still to be had from the trash.
      if (left.objects > 0) await trashStore.keep(tx, input.trashId, left);
      else await trashStore.delete(tx, input.trashId);
      return outcome === "succeeded" ? { trashId: input.trashId, ...left } : undefined;
    },
  });

  const trashRestore = defineOperation<RestoreInput>({
    kind: "objects.trash.restore",
    steps: [
      countStep(inTrash),
      {
        name: "restore",
        deadlineSeconds,
        async run(context) {
          const renamed = await restoreAll(context, context.input.asOfMs);
          context.memory["renamed"] = renamed.slice(0, renamedShown);
        },
      },
    ],
    /** Cancelled in the middle, what is restored stays restored, and the rest can be restored later. */
    async finish(tx, { input, memory }, outcome) {
      const left = await tallyTrash(input);
      if (left.objects > 0) await trashStore.keep(tx, input.trashId, left);
      else await trashStore.delete(tx, input.trashId);
      return outcome === "succeeded" ? { objects: number(memory["total"]), renamed: memory["renamed"] ?? [] } : undefined;
    },
  });

  const trashDelete = defineOperation<TrashDeleteInput>({
    kind: "objects.trash.delete",
    steps: [
      countStep(inTrash),
      {
        name: "delete",
        deadlineSeconds,
        async run(context) {
          const { trashBucketId, trashId } = context.input;
          await purge(store, trashBucketId, trashPrefixOf(trashId), { signal: context.signal, onPage: progressOf(context) });
        },
      },
    ],
    async finish(tx, { input, memory }) {
      const left = await tallyTrash(input);
      if (left.objects > 0) await trashStore.keep(tx, input.trashId, left);
      else await trashStore.delete(tx, input.trashId);
      return { objects: number(memory["total"]) };
    },
  });

  const bucketEmpty = defineOperation<EmptyInput>({
    kind: "objects.bucket.empty",
    steps: [
      countStep(({ bucketId }) => ({ bucketId, selection: everything })),
      {
        name: "objects",
        deadlineSeconds,
        async run(context) {
          const done = progressOf(context);
          const { bucketId } = context.input;
          await purge(store, bucketId, "", {
            signal: context.signal,
            onPage(objects) {
              done(objects);
              tell(context, "");
            },
          });
        },
      },
      {
        name: "trash",
        deadlineSeconds,
        run: ({ input, signal }) => purge(store, input.trashBucketId, "", { signal }),
      },
      {
        name: "uploads",
        deadlineSeconds,
        run: async ({ input, signal }) => void (await abortUploads(store, input.bucketId, { signal })),
      },
      {
        name: "delete",
        deadlineSeconds: 600,
        async run(context) {
          if (!context.input.thenDelete) return;
          // A put that was under way may have ended meanwhile.
          await purge(store, context.input.bucketId, "", { signal: context.signal });
          await context.database.transaction("system", async (tx) => {
            const bucket = await bucketStore.lock(tx, context.input.bucketId);
            if (!bucket) return;
            await removeBucket(tx, store, bucket);
            audit(tx, {
              ...subjectOf(bucket),
              action: "objects.bucket.delete",
              actor: context.actor,
              before: { name: bucket.name },
            });
          });
        },
      },
    ],
    async finish(tx, { input, memory }, outcome) {
      const bucket = await bucketStore.lock(tx, input.bucketId);
      if (bucket) {
        await bucketStore.setState(tx, bucket, "active");
        if (outcome === "succeeded") await trashStore.deleteAll(tx, input.bucketId);
      }
      return outcome === "succeeded" ? { objects: number(memory["total"]) } : undefined;
    },
  });

  return { objectMove, objectTrash, trashRestore, trashDelete, bucketEmpty, bucketRelocate: defineRelocate(store) };
}

type Held = Pick<TrashRow, "objects" | "sizeBytes">;
const number = (value: unknown): number => (typeof value === "number" ? value : 0);
