import { createReadStream, existsSync } from "node:fs";
import { CloudError } from "../../../kernel/errors.ts";
import type { Id } from "../../../kernel/ids.ts";
import {
  defineOperation,
  type OperationDefinition,
  type OperationStep,
  type StepContext,
} from "../../../kernel/operations/definition.ts";
import type { InstanceKind } from "../driver.ts";
import type { ComputeParts } from "../parts.ts";
import { detectFormat } from "./fileFormat.ts";
import { counting, importFile } from "./importing.ts";
import { becomeReady, type FoundImage, labelsOf, removeImage } from "./records.ts";
import type { Scratch } from "./scratch.ts";
import { type ImageRow, imageStore } from "./store.ts";

/** What is being made, by its record. */
type OfImage = { imageId: Id<"image"> };
export type BuildInput = OfImage & { recipe: string };
export type FetchInput = OfImage & { server?: string; alias: string; kind: InstanceKind };
export type ImportInput = OfImage & { bucketId: string; key: string };
export type CreateInput = OfImage & { instance: string; snapshot: string };
export type ExportInput = OfImage & { bucketId: string; bucketName: string; key: string };
export type DeleteInput = OfImage;

export type ImageOperations = ReturnType<typeof defineImageOperations>;

export function defineImageOperations(parts: ComputeParts, scratch: Scratch) {
  const record = (context: Pick<StepContext<OfImage>, "input" | "database">): Promise<ImageRow> =>
    context.database.transaction("system", async (tx) => {
      const row = await imageStore.find(tx, context.input.imageId);
      if (!row) throw new CloudError("failed_precondition", "The image was deleted in the meantime.");
      return row;
    });

  /** A step that ends with the image in the engine; its undo takes it out again. One that got it there before a crash is done. */
  const bringing = <Input extends OfImage>(
    step: Omit<OperationStep<Input>, "run" | "undo"> & {
      bring(context: StepContext<Input>, row: ImageRow): Promise<FoundImage & { minimumDiskBytes?: number }>;
      /** What it leaves behind, however it ends. */
      tidy?(context: StepContext<Input>): Promise<void>;
    },
  ): OperationStep<Input> => ({
    ...step,
    async run(context) {
      const row = await record(context);
      const there = (await parts.engine().imageList({ signal: context.signal })).find(({ name }) => name === row.engineName);
      const { kind, architecture, sizeBytes, fingerprint, minimumDiskBytes } = {
        minimumDiskBytes: undefined,
        ...(there ?? (await step.bring(context, row))),
      };
      context.memory["found"] = { kind, architecture, sizeBytes, fingerprint };
      if (minimumDiskBytes !== undefined) context.memory["minimumDiskBytes"] = minimumDiskBytes;
      await step.tidy?.(context);
    },
    async undo(context) {
      const { input, database } = context;
      await step.tidy?.(context);
      const row = await database.transaction("system", (tx) => imageStore.find(tx, input.imageId));
      if (row) await parts.engine().imageDelete(row.engineName);
    },
  });

  /** A failed image stays to be seen, with the reason, until it is deleted or made again; a cancelled one leaves nothing. */
  const finishMaking: NonNullable<OperationDefinition<OfImage>["finish"]> = async (tx, { input, memory, error }, outcome) => {
    const row = await imageStore.find(tx, input.imageId, { lock: true });
    if (!row) return undefined;
    if (outcome === "cancelled") await removeImage(tx, row);
    else if (outcome === "failed") await imageStore.setState(tx, row, { state: "error", reason: error?.message });
    else {
      await becomeReady(tx, row, memory["found"] as FoundImage, memory["minimumDiskBytes"] as number | undefined);
      return { imageId: row.id };
    }
    return undefined;
  };

  const imageBuild = defineOperation<BuildInput>({
    kind: "compute.image.build",
    steps: [
      bringing<BuildInput>({
        name: "build",
        deadlineSeconds: 4500,
        async bring({ operationId, input, memory, remember, signal, progress }, row) {
          const built = memory["file"];
          let file = typeof built === "string" && existsSync(built) ? built : undefined;
          if (file === undefined) {
            const directory = await scratch.fresh(operationId);
            const onBuild = (fraction: number, message?: string) => progress(fraction * buildShare, message);
            file = (await parts.imageBuilder().build(input.recipe, { directory, signal, progress: onBuild })).file;
            memory["file"] = file;
            await remember();
          }
          progress(buildShare, "handing it to the engine");
          return parts.engine().imageImport(row.engineName, createReadStream(file), { signal, labels: labelsOf(row) });
        },
        tidy: ({ operationId }) => scratch.remove(operationId),
      }),
    ],
    finish: finishMaking,
  });

  const imageFetch = defineOperation<FetchInput>({
    kind: "compute.image.fetch",
    steps: [
      bringing<FetchInput>({
        name: "fetch",
        // Whoever gave the server's name waits for the answer: half a minute would tell no more.
        attempts: 3,
        deadlineSeconds: 3600,
        bring: ({ input: { server, alias, kind }, signal, progress }, row) =>
          parts.engine().imageFetch(row.engineName, { server, alias, kind }, { signal, progress, labels: labelsOf(row) }),
      }),
    ],
    finish: finishMaking,
  });

  const imageImport = defineOperation<ImportInput>({
    kind: "compute.image.import",
    steps: [
      bringing<ImportInput>({
        name: "import",
        deadlineSeconds: 3600,
        async bring({ input, signal, progress }, row) {
          const object = await parts.objects.read({ bucketId: input.bucketId, key: input.key, signal });
          const { format, content } = await detectFormat(object.content, "body.key");
          const counted = counting(content, (bytes) => progress(bytes / Math.max(1, object.sizeBytes)));
          return importFile(parts.engine(), row, format, counted, { signal });
        },
      }),
    ],
    finish: finishMaking,
  });

  const imageCreate = defineOperation<CreateInput>({
    kind: "compute.image.create",
    steps: [
      {
        name: "snapshot",
        deadlineSeconds: 300,
        run: ({ input, signal }) => parts.engine().instanceSnapshot(input.instance, input.snapshot, { signal }),
        undo: ({ input }) => parts.engine().instanceSnapshotDelete(input.instance, input.snapshot),
      },
      bringing<CreateInput>({
        name: "publish",
        deadlineSeconds: 3600,
        async bring({ input, signal, progress }, row) {
          const engine = parts.engine();
          const from = { instance: input.instance, snapshot: input.snapshot };
          const found = await engine.imageFromInstance(row.engineName, from, { signal, progress, labels: labelsOf(row) });
          return { ...found, minimumDiskBytes: await neededDisk(input.instance, signal) };
        },
      }),
      {
        name: "tidy",
        deadlineSeconds: 120,
        run: ({ input, signal }) => parts.engine().instanceSnapshotDelete(input.instance, input.snapshot, { signal }),
      },
    ],
    finish: finishMaking,
  });

  /** A virtual machine's disk cannot shrink; of a container what is in it must fit, with a quarter to spare. */
  async function neededDisk(instance: string, signal: AbortSignal): Promise<number> {
    const report = await parts.engine().instanceGet(instance, { signal });
    const disk = report?.size.diskBytes ?? 0;
    const used = (await parts.engine().instanceMetrics([instance], { signal })).get(instance)?.diskBytes ?? 0;
    if (report?.kind !== "container" || used === 0) return disk;
    return Math.min(disk, Math.ceil((used * 1.25) / gib) * gib);
  }

  const imageExport = defineOperation<ExportInput>({
    kind: "compute.image.export",
    steps: [
      {
        name: "export",
        deadlineSeconds: 3600,
        async run(context) {
          const { input, signal, progress, memory } = context;
          const row = await record(context);
          const { content, sizeBytes = row.sizeBytes } = await parts.engine().imageExport(row.engineName, { signal });
          const written = await parts.objects.write({
            bucketId: input.bucketId,
            key: input.key,
            content: counting(content, (bytes) => progress(bytes / Math.max(1, sizeBytes))),
            contentType: "application/octet-stream",
            metadata: { "khmara-image": row.name },
            signal,
          });
          memory["sizeBytes"] = written.sizeBytes;
        },
      },
    ],
    finish: async (_tx, { input, memory }, outcome) =>
      outcome === "succeeded" ? { bucket: input.bucketName, key: input.key, sizeBytes: memory["sizeBytes"] } : undefined,
  });

  const imageDelete = defineOperation<DeleteInput>({
    kind: "compute.image.delete",
    steps: [
      {
        name: "delete",
        deadlineSeconds: 300,
        async run(context) {
          const row = await record(context);
          await parts.engine().imageDelete(row.engineName, { signal: context.signal });
        },
      },
    ],
    async finish(tx, { input, error }, outcome) {
      const row = await imageStore.find(tx, input.imageId, { lock: true });
      if (!row) return undefined;
      if (outcome === "succeeded") await removeImage(tx, row);
      else {
        // Whether it is still in the engine, whole, nobody knows now.
        await imageStore.setState(tx, row, {
          state: "error",
          reason: `It could not be deleted: ${error?.message ?? ""} Delete it again.`,
        });
      }
      return undefined;
    },
  });

  return { imageBuild, imageFetch, imageImport, imageCreate, imageExport, imageDelete };
}

const gib = 1024 ** 3;
/** Of the time that a build takes; the rest is the import. */
const buildShare = 0.9;
