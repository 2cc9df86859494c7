/** Images of the registry as deployments take them: found by a name, then put together as `docker save` would. */
import type { Readable } from "node:stream";
import { buffer } from "node:stream/consumers";
import { pipeline } from "node:stream/promises";
import { pack } from "tar-stream";
import { authorize } from "../../../kernel/auth/authorize.ts";
import type { Principal } from "../../../kernel/auth/principal.ts";
import type { Tx } from "../../../kernel/db/database.ts";
import { CloudError } from "../../../kernel/errors.ts";
import { deployingRoutes } from "../deploying/contract.ts";
import { isAllowed } from "../doors.ts";
import { type AppsParts, type AppView, placeOf } from "../parts.ts";
import { openBlobs } from "./blobs.ts";
import { digestPattern, hexOf } from "./digests.ts";
import { type Descriptor, type ImageManifest, maximumManifestBytes, parseManifest } from "./manifest.ts";
import { registryStore } from "./store.ts";

/** An image in the repository of an app, by its content. */
export interface RegistryImage {
  appId: string;
  digest: string;
}

const unusable = (why: string, reason: string) => new CloudError("invalid_argument", why, { details: { reason } });

/**
 * `web:1.2`, `web@sha256:…` (of the app's own project) or `project/web:1.2`, where `web` may be an app's id: what has that name now.
 * failed_precondition `image_not_found` when there is none, or not for the caller.
 */
export async function findImage(
  tx: Tx,
  parts: Pick<AppsParts, "deploying" | "identity">,
  { principal, app, image }: { principal: Principal; app: Pick<AppView, "projectId">; image: string },
): Promise<RegistryImage> {
  const [, project, name, tag, digest] =
    /^(?:([a-z0-9-]{1,100})\/)?([a-z0-9_-]{1,100})(?::([a-zA-Z0-9_][a-zA-Z0-9._-]{0,127}))?(?:@(.+))?$/.exec(image) ?? [];
  const missing = new CloudError(
    "failed_precondition",
    `The cloud's registry has no image ${image.slice(0, 200)}. Push it (docker push <address of the cloud>/<project>/<app>:<tag>), or name a public image with its registry: docker.io/library/${image.slice(0, 200)}.`,
    { details: { reason: "image_not_found", fields: [{ path: "body.image", message: "There is none of this name." }] } },
  );
  if (name === undefined || (digest !== undefined && !digestPattern.test(digest))) throw missing;
  const direct = project === undefined ? await parts.deploying.find(tx, name) : undefined;
  const candidates = direct ? [direct] : await parts.deploying.named(tx, name);
  const { permission, roles } = deployingRoutes.appGet;
  for (const source of candidates) {
    const isMeant =
      source === direct ||
      (project === undefined
        ? source.projectId === app.projectId
        : (await parts.identity.projectPlace(tx, source.projectId))?.slug === project);
    if (!isMeant || !isAllowed(() => authorize(principal, permission, roles, placeOf(source), "app"))) continue;
    const row = await registryStore.manifest(tx, source.id, digest === undefined ? { tag: tag ?? "latest" } : { digest });
    if (row) return { appId: source.id, digest: row.digest };
  }
  throw missing;
}

/**
 * The image as a tarball that an engine loads (`docker save`: manifest.json, the configuration, a file for each layer as it was pushed). Of
 * an index the image for the engine's architecture is taken. failed_precondition `image_gone` when it was deleted meanwhile; invalid_argument
 * when it is none that the engine runs.
 */
export async function imageTarball(
  parts: Pick<AppsParts, "database" | "dataDirectory">,
  image: RegistryImage,
  { architecture, signal }: { architecture: string; signal: AbortSignal },
): Promise<Readable> {
  const blobs = openBlobs(parts.dataDirectory);
  const manifest = await imageManifest(parts, image, architecture);
  const { config } = manifest;
  if (config.size > maximumManifestBytes) throw unusable("The image's configuration is too large.", "image_invalid");
  const text = await buffer(blobs.read(config.digest)).catch(gone);
  const platform = platformOf(text.toString());
  if (platform.os !== "linux" || platform.architecture !== architecture)
    throw unusable(
      `The image is for ${platform.os}/${platform.architecture}; this cloud runs linux/${architecture}. Build it with --platform linux/${architecture}.`,
      "image_platform",
    );
  for (const { mediaType = "" } of manifest.layers) {
    if (/foreign|nondistributable/.test(mediaType))
      throw unusable("The image has layers that are not in the registry.", "image_invalid");
    if (/zstd/.test(mediaType))
      throw unusable(
        "Layers packed with zstd cannot be deployed. Build the image with gzip (compression=gzip).",
        "image_invalid",
      );
    if (!/tar/.test(mediaType)) throw unusable("This is no image of a container: its layers are no tarballs.", "image_invalid");
  }
  const nameOf = ({ digest }: Descriptor, what: string) => `${hexOf(digest)}${what}`;
  const tar = pack();
  const work = (async () => {
    const put = async (name: string, size: number, content: Buffer | Readable) => {
      const entry = tar.entry({ name, size, mode: 0o644, mtime: new Date(0) });
      await pipeline(Buffer.isBuffer(content) ? [content] : content, entry, { signal });
    };
    const index = Buffer.from(
      JSON.stringify([
        {
          Config: nameOf(config, ".json"),
          RepoTags: null,
          Layers: manifest.layers.map((layer) => nameOf(layer, "/layer.tar")),
        },
      ]),
    );
    await put("manifest.json", index.length, index);
    await put(nameOf(config, ".json"), text.length, text);
    // One layer may be there twice: the empty ones are.
    const done = new Set<string>();
    for (const layer of manifest.layers) {
      if (done.has(layer.digest)) continue;
      done.add(layer.digest);
      await put(nameOf(layer, "/layer.tar"), layer.size, blobs.read(layer.digest));
    }
    tar.finalize();
  })();
  work.catch((error) => tar.destroy(error as Error));
  return tar;
}

/** Behind indexes of indexes there is nothing that clients make. */
const deepest = 2;

async function imageManifest(
  parts: Pick<AppsParts, "database">,
  { appId, digest }: RegistryImage,
  architecture: string,
  depth = 0,
): Promise<ImageManifest> {
  const row = await parts.database.transaction("system", (tx) => registryStore.manifest(tx, appId, { digest }));
  if (row === undefined) return gone();
  const parsed = parseManifest(row.content, row.mediaType);
  if (parsed.image !== undefined) return parsed.image;
  const isOurs = ({ platform }: Descriptor) => platform?.os === "linux" && platform.architecture === architecture;
  // Some indexes of one image do not say for what it is.
  const { manifests } = parsed.index;
  const chosen = manifests.find(isOurs) ?? (manifests.length === 1 && !manifests[0]?.platform ? manifests[0] : undefined);
  if (chosen === undefined || depth >= deepest)
    throw unusable(
      `The image is not for linux/${architecture}, which this cloud runs. Build it with --platform linux/${architecture}.`,
      "image_platform",
    );
  return imageManifest(parts, { appId, digest: chosen.digest }, architecture, depth + 1);
}

function platformOf(text: string): { os: string; architecture: string } {
  try {
    const { os, architecture } = JSON.parse(text) as { os?: unknown; architecture?: unknown };
    if (typeof os === "string" && typeof architecture === "string") return { os, architecture };
  } catch {
    // As below.
  }
  throw unusable("This is no image of a container: its configuration names no platform.", "image_invalid");
}

function gone(cause?: unknown): never {
  throw new CloudError("failed_precondition", "The image was deleted from the registry meanwhile. Push it again.", {
    cause,
    details: { reason: "image_gone" },
  });
}
