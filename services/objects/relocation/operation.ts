import type { Id } from "../../../kernel/ids.ts";
import { defineOperation } from "../../../kernel/operations/definition.ts";
import type { Engine, ObjectStore } from "../driver.ts";

export type RelocateInput = {
  bucketId: Id<"bucket">;
  trashBucketId: Id<"bucket">;
  engine: Engine;
};

const deadlineSeconds = 7 * 24 * 3600;

/** Twice over the bucket: what was written while the first round ran may have begun before the new engine was known. */
export const defineRelocate = (store: ObjectStore) =>
  defineOperation<RelocateInput>({
    kind: "objects.bucket.relocate",
    steps: [
      {
        name: "engine",
        deadlineSeconds: 60,
        async run({ input: { bucketId, trashBucketId, engine } }) {
          for (const id of [bucketId, trashBucketId]) await store.settingsUpdate(id, { engine });
        },
      },
      {
        name: "move",
        deadlineSeconds,
        async run({ input: { bucketId, trashBucketId }, memory, signal, progress }) {
          const moved = { contents: 0, sizeBytes: 0 };
          const onProgress = (done: number, total: number) => progress(done / total, `${done} / ${total}`);
          for (const [id, options] of [
            [bucketId, { signal, onProgress }],
            [trashBucketId, { signal }],
            [bucketId, { signal }],
          ] as const) {
            const { contents, sizeBytes } = await store.relocate(id, options);
            moved.contents += contents;
            moved.sizeBytes += sizeBytes;
          }
          memory["moved"] = moved;
        },
      },
    ],
    finish: async (_tx, { memory }, outcome) =>
      outcome === "succeeded" ? (memory["moved"] as Record<string, unknown>) : undefined,
  });
