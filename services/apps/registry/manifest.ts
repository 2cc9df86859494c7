/** Manifests as they are pushed: Docker's image manifest version 2, schema 2, and OCI's (image-spec, manifest.md and image-index.md). */
import { z } from "zod";
import { digestHint, digestPattern } from "./digests.ts";
import { RegistryError } from "./errors.ts";

/** The specification asks for at least so much. */
export const maximumManifestBytes = 4 * 1024 ** 2;

const imageTypes = ["application/vnd.oci.image.manifest.v1+json", "application/vnd.docker.distribution.manifest.v2+json"];
const indexTypes = ["application/vnd.oci.image.index.v1+json", "application/vnd.docker.distribution.manifest.list.v2+json"];
export const ociIndexType = indexTypes[0] as string;
export const isIndexType = (mediaType: string): boolean => indexTypes.includes(mediaType);

/** As the database can keep it. */
const text = z.string().refine((each) => each.isWellFormed() && !each.includes("\0"), "Expected text without null characters.");
const descriptor = z.object({
  mediaType: text.max(300).optional(),
  digest: z.string().regex(digestPattern, `Expected ${digestHint}.`),
  size: z.int().min(0),
  platform: z.object({ architecture: z.string(), os: z.string(), variant: z.string().optional() }).optional().catch(undefined),
});
export type Descriptor = z.output<typeof descriptor>;

const common = {
  schemaVersion: z.literal(2),
  mediaType: z.string().optional(),
  artifactType: text.max(300).optional(),
  subject: descriptor.optional(),
  annotations: z.record(text, text).nullish(),
};
const imageManifest = z.object({ ...common, config: descriptor, layers: z.array(descriptor) });
const imageIndex = z.object({ ...common, manifests: z.array(descriptor) });
export type ImageManifest = z.output<typeof imageManifest>;
export type ImageIndex = z.output<typeof imageIndex>;

export type ParsedManifest = {
  mediaType: string;
  artifactType?: string | undefined;
  subject?: string | undefined;
  annotations?: Record<string, string> | undefined;
  /** What must be there before it. Layers that may not be distributed lie elsewhere. */
  blobs: Descriptor[];
  manifests: Descriptor[];
} & ({ image: ImageManifest; index?: undefined } | { index: ImageIndex; image?: undefined });

/** MANIFEST_INVALID for what is none of the four kinds. `contentType` is what the client says that it is. */
export function parseManifest(content: Uint8Array, contentType: string | undefined): ParsedManifest {
  const invalid = (why: string) => new RegistryError(400, "MANIFEST_INVALID", `This manifest cannot be taken: ${why}`);
  let json: unknown;
  try {
    json = JSON.parse(Buffer.from(content).toString());
  } catch {
    throw invalid("it is not JSON.");
  }
  const claimed = contentType?.split(";")[0]?.trim().toLowerCase() || undefined;
  const own = (json as { mediaType?: unknown } | null)?.mediaType;
  if (own !== undefined && claimed !== undefined && own !== claimed) throw invalid(`its mediaType is not its Content-Type.`);
  const mediaType = typeof own === "string" ? own : claimed;
  if (mediaType === undefined) throw invalid("nothing says what it is: send its Content-Type.");
  if (imageTypes.includes(mediaType)) {
    const image = read(imageManifest, json, invalid);
    const blobs = [image.config, ...image.layers.filter((layer) => !/foreign|nondistributable/.test(layer.mediaType ?? ""))];
    return { mediaType, ...facts(image, image.config.mediaType), blobs, manifests: [], image };
  }
  if (!isIndexType(mediaType)) throw invalid(`${mediaType.slice(0, 100)} is not kept here; images of Docker and OCI are.`);
  const index = read(imageIndex, json, invalid);
  return { mediaType, ...facts(index), blobs: [], manifests: index.manifests, index };
}

const facts = (manifest: Pick<ImageIndex, "artifactType" | "subject" | "annotations">, otherwise?: string) => ({
  artifactType: manifest.artifactType || otherwise,
  subject: manifest.subject?.digest,
  annotations: manifest.annotations ?? undefined,
});

function read<T>(schema: z.ZodType<T>, json: unknown, invalid: (why: string) => Error): T {
  const parsed = schema.safeParse(json);
  if (parsed.success) return parsed.data;
  const [problem] = parsed.error.issues;
  throw invalid(`${problem?.path.join(".") || "it"}: ${problem?.message}`);
}
