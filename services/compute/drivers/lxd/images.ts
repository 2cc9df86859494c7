import { CloudError } from "../../../../kernel/errors.ts";
import type { CallOptions, ComputeDriver, ImageReport } from "../../driver.ts";
import { at, type EngineOperation } from "./client.ts";
import { engineKind, kindOf } from "./configuration.ts";
import { deadlines, type Engine, noInstance, refused, settings, whenFree, wordsOf } from "./engine.ts";
import { imageUpload } from "./imageUpload.ts";
import { noSnapshot } from "./snapshots.ts";

export type Images = Pick<
  ComputeDriver,
  "imageImport" | "imageFetch" | "imageFromInstance" | "imageExport" | "imageDelete" | "imageList"
>;

interface EngineImage {
  fingerprint: string;
  type: string;
  architecture: string;
  size: number;
  aliases: { name: string; description: string }[];
}

const publicServers = { lxd: "https://images.lxd.canonical.com", incus: "https://images.linuxcontainers.org" } as const;

/** Labels are kept at the alias: two names may share the bytes of one image. */
const describe = (labels: Record<string, string>): string => JSON.stringify({ khmara: labels });

function labelsIn(description: string): Record<string, string> {
  try {
    return (JSON.parse(description) as { khmara?: Record<string, string> }).khmara ?? {};
  } catch {
    return {};
  }
}

/** As distributions call them, where the engine has the kernel's word. */
const architectures: Record<string, string> = {
  x86_64: "amd64",
  aarch64: "arm64",
  armv7l: "armhf",
  i686: "i386",
  ppc64le: "ppc64el",
};
export const architectureOf = (word: string): string => architectures[word] ?? word;

const noImage = (name: string, cause?: unknown): CloudError =>
  new CloudError("not_found", `The engine has no image ${name}.`, { cause, details: { resource: "image" } });

export function createImages(engine: Engine): Images {
  const { client } = engine;

  const list = async (options?: CallOptions): Promise<{ image: EngineImage; report: ImageReport }[]> =>
    (await client.list<EngineImage>("/1.0/images", { signal: options?.signal })).flatMap((image) =>
      (image.aliases ?? []).map(({ name, description }) => ({ image, report: reportOf(image, name, description) })),
    );

  async function find(name: string, options?: CallOptions): Promise<{ image: EngineImage; report: ImageReport } | undefined> {
    const alias = await client.find<{ target: string }>(at`/1.0/images/aliases/${name}`, { signal: options?.signal });
    if (alias === undefined) return undefined;
    const image = await client.get<EngineImage>(at`/1.0/images/${alias.target}`, { signal: options?.signal });
    const own = image.aliases.find((one) => one.name === name);
    return { image, report: reportOf(image, name, own?.description ?? "") };
  }

  async function get(name: string, options?: CallOptions): Promise<{ image: EngineImage; report: ImageReport }> {
    const found = await find(name, options);
    if (found === undefined) throw noImage(name);
    return found;
  }

  async function nameIt(fingerprint: string, name: string, labels: Record<string, string>, options?: CallOptions): Promise<void> {
    const alias = { name, target: fingerprint, description: describe(labels) };
    await client.post("/1.0/images/aliases", alias, { signal: options?.signal }).catch((error) => {
      if (!CloudError.is(error, "already_exists")) throw error;
    });
  }

  return {
    async imageImport(name, content, options) {
      const before = await find(name, options);
      if (before !== undefined) {
        content.destroy();
        return before.report;
      }
      const upload = await imageUpload(content, options?.bare);
      let fingerprint: string;
      try {
        const operation = await client.upload<EngineOperation>("POST", "/1.0/images", upload.body, {
          ...settings(options, deadlines.copy),
          headers: { ...upload.headers, "x-lxd-public": "false", "x-incus-public": "false" },
        });
        fingerprint = String(operation.metadata?.["fingerprint"]);
      } catch (error) {
        // The same bytes under another name, or from an earlier call that was cut off before the name.
        fingerprint = CloudError.is(error, "already_exists") ? upload.fingerprint() : refuseImage(error);
      }
      await nameIt(fingerprint, name, options?.labels ?? {}, options);
      return (await get(name, options)).report;
    },

    async imageFetch(name, { server = publicServers[engine.server.kind], alias, kind }, options) {
      const before = await find(name, options);
      if (before !== undefined) return before.report;
      const labels = options?.labels ?? {};
      const body = {
        auto_update: false,
        public: false,
        aliases: [{ name, description: describe(labels) }],
        source: { type: "image", mode: "pull", protocol: "simplestreams", server, alias, image_type: engineKind(kind) },
      };
      try {
        const operation = await client.post("/1.0/images", body, settings(options, deadlines.copy));
        // The same bytes under another name were there: then the engine does not give it this one.
        await nameIt(String(operation.metadata?.["fingerprint"]), name, labels, options);
      } catch (error) {
        throw fetchFailure(server, alias, error);
      }
      return (await get(name, options)).report;
    },

    async imageFromInstance(name, from, options) {
      const before = await find(name, options);
      if (before !== undefined) return before.report;
      const labels = options?.labels ?? {};
      const source =
        from.snapshot === undefined
          ? { type: "instance", name: from.instance }
          : { type: "snapshot", name: `${from.instance}/${from.snapshot}` };
      const request = (algorithm: string) =>
        whenFree(
          () =>
            client.post(
              "/1.0/images",
              { public: false, aliases: [{ name, description: describe(labels) }], compression_algorithm: algorithm, source },
              settings(options, deadlines.copy),
            ),
          options,
        );
      try {
        const made = await request("zstd").catch((error) => {
          if (!/zstd|executable file not found/i.test(wordsOf(error))) throw error;
          return request("gzip");
        });
        await nameIt(String(made.metadata?.["fingerprint"]), name, labels, options);
      } catch (error) {
        if (CloudError.is(error, "failed_precondition") || /running instance/i.test(wordsOf(error)))
          throw refused("Stop the instance first, or take a snapshot and make the image from that.", "engine_power_state", error);
        if (!CloudError.is(error, "not_found")) throw error;
        throw (await client.find(at`/1.0/instances/${from.instance}`)) === undefined
          ? noInstance(from.instance, error)
          : noSnapshot(from.snapshot ?? "", error);
      }
      return (await get(name, options)).report;
    },

    async imageExport(name, options) {
      const { image } = await get(name, options);
      const { content, sizeBytes } = await client.download(at`/1.0/images/${image.fingerprint}/export`, {
        signal: options?.signal,
      });
      return { content, ...(sizeBytes === undefined ? {} : { sizeBytes }) };
    },

    async imageDelete(name, options) {
      const found = await find(name, options);
      if (found === undefined) return;
      const others = found.image.aliases.filter((alias) => alias.name !== name);
      // With the image its last name goes too.
      if (others.length > 0) await client.delete(at`/1.0/images/aliases/${name}`, { signal: options?.signal });
      else await client.delete(at`/1.0/images/${found.image.fingerprint}`, settings(options, deadlines.create));
    },

    imageList: async (options) => (await list(options)).map(({ report }) => report),
  };
}

const reportOf = (image: EngineImage, name: string, description: string): ImageReport => ({
  name,
  fingerprint: image.fingerprint,
  kind: kindOf(image.type),
  architecture: architectureOf(image.architecture),
  sizeBytes: image.size,
  labels: labelsIn(description),
});

function refuseImage(error: unknown): never {
  if (CloudError.is(error, "internal") || CloudError.is(error, "failed_precondition") || CloudError.is(error, "not_found"))
    throw new CloudError(
      "invalid_argument",
      "This is not an image for LXD or Incus: a tarball with metadata.yaml and rootfs/ in it, or the export of an image.",
      { cause: error, details: { reason: "not_an_image" } },
    );
  throw error;
}

function fetchFailure(server: string, alias: string, error: unknown): unknown {
  const words = wordsOf(error);
  if (/no such host|dial tcp|lookup|timeout|connection refused|unreachable|TLS|certificate|EOF/i.test(words))
    return new CloudError(
      "unavailable",
      `The image server ${server} cannot be reached from the engine. Build the image here instead, or import a file.`,
      { cause: error, details: { reason: "image_server_unreachable", retryAfterSeconds: 60 } },
    );
  if (CloudError.is(error, "not_found") || /couldn't be found|not found/i.test(words))
    return new CloudError("not_found", `The image server ${server} has no image ${alias}.`, {
      cause: error,
      details: { resource: "image" },
    });
  return error;
}

/** An image that never got its name: the call that uploaded it was cut off, and not repeated. */
const namelessMs = 24 * 3_600_000;

export async function sweepImages({ client, log }: Engine): Promise<void> {
  for (const image of await client.list<EngineImage & { uploaded_at: string }>("/1.0/images")) {
    if ((image.aliases ?? []).length > 0 || new Date(image.uploaded_at).getTime() > Date.now() - namelessMs) continue;
    log.info({ fingerprint: image.fingerprint }, "an image without a name is deleted");
    await client.delete(at`/1.0/images/${image.fingerprint}`);
  }
}
