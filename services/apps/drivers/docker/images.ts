import { Readable } from "node:stream";
import { CloudError } from "../../../../kernel/errors.ts";
import type { AppEngine, CallOptions, ImageDefaults, ImageReport } from "../../driver.ts";
import { at } from "./client.ts";
import { environmentOf } from "./containerSettings.ts";
import { DockerError, translate, wordsOf } from "./engineError.ts";
import { withoutNames } from "./imageArchive.ts";
import { absent, different, type Engine, type EngineLabels, labelsIn, sameLabels } from "./ownership.ts";

export type Images = Pick<
  AppEngine,
  "imageImport" | "imageLoad" | "imageSave" | "imagePull" | "imageGet" | "imageTag" | "imageList" | "imageRemove"
>;

/** `GET /images/{name}/json`: what is used of it. */
export interface EngineImage {
  Id: string;
  /** What it was committed or built from. */
  Parent?: string;
  RepoTags: string[] | null;
  RepoDigests: string[] | null;
  Created: string;
  Size: number;
  Architecture: string;
  Config: {
    Labels: EngineLabels;
    Entrypoint: string[] | null;
    Cmd: string[] | null;
    Env: string[] | null;
    WorkingDir: string;
    User: string;
    ExposedPorts?: Record<string, object> | null;
    Volumes: Record<string, object> | null;
    OnBuild: string[] | null;
  } | null;
}

/** Unpacking takes as long as it takes, and says nothing meanwhile. */
const unpackMs = 15 * 60_000;
/** Between two signs of life. */
const pullMs = 5 * 60_000;

export function createImages(engine: Engine): Images {
  const { client, ownership } = engine;
  const find = (image: string, options?: CallOptions) => findImage(engine, image, options);
  const need = async (image: string, options?: CallOptions): Promise<EngineImage> => {
    const found = await find(image, options);
    if (found === undefined) throw absent("image", image);
    return found;
  };

  /** One of this name with these labels; one with others is refused. */
  async function made(
    name: string,
    labels: Readonly<Record<string, string>>,
    options?: CallOptions,
  ): Promise<EngineImage | undefined> {
    const there = await find(name, options);
    if (there !== undefined && !sameLabels(labelsIn(there.Config?.Labels), labels)) throw different("image", name);
    return there;
  }

  return {
    async imageImport({ name, labels, defaults }, content, options) {
      const reference = ownership.imageReference(name);
      const there = await made(name, labels, options);
      if (there !== undefined) {
        content.destroy();
        return imageReport(engine, there);
      }
      const [repo, tag] = partsOf(reference);
      const changes = [
        ...Object.entries(ownership.imageLabels(labels)).map(([key, value]) => `LABEL ${word(key)}=${word(value)}`),
        ...instructionsOf(defaults),
      ];
      let id: string | undefined;
      const query = { fromSrc: "-", repo, tag, changes };
      const words = client.upload<{ status?: string; error?: string }>("/images/create", content, {
        query,
        signal: options?.signal,
        timeoutMs: unpackMs,
      });
      for await (const { status, error } of words) {
        if (error !== undefined) throw refusedArchive(error, "POST /images/create");
        if (status?.startsWith("sha256:")) id = status;
      }
      return imageReport(engine, await need(id ?? name, options));
    },

    async imageLoad({ name, labels }, content, options) {
      const signal = options?.signal;
      const there = await made(name, labels, options);
      if (there !== undefined) {
        content.destroy();
        return imageReport(engine, there);
      }
      let said = "";
      const words = client.upload<{ stream?: string; error?: string }>("/images/load", withoutNames(content), {
        query: { quiet: true },
        signal,
        timeoutMs: unpackMs,
      });
      for await (const { stream, error } of words) {
        if (error !== undefined) throw refusedArchive(error, "POST /images/load");
        said += stream ?? "";
      }
      const raw = /Loaded image ID: (sha256:[0-9a-f]{64})/.exec(said)?.[1];
      if (raw === undefined) throw refusedArchive(`no image in what it says: ${said.slice(0, 500)}`, "POST /images/load");
      try {
        const image = await adopt(raw, name, labels, signal);
        return imageReport(engine, image);
      } finally {
        // Its layers belong to ours as well; one that is somebody else's too stays, as it has a name or a container.
        const left = await client.find<EngineImage>(at`/images/${raw}/json`).catch(() => undefined);
        if (left !== undefined && !left.RepoTags?.length && !ownership.isOurs(left.Config?.Labels))
          await client.delete(at`/images/${raw}`, { query: { noprune: true } }).catch(() => {});
      }
    },

    async imageSave(image, options) {
      const { Id } = await need(image, options);
      return client.download(at`/images/${Id}/get`, { signal: options?.signal, timeoutMs: unpackMs });
    },

    async imagePull({ name, labels }, reference, options) {
      const signal = options?.signal;
      const before = await find(name, options);
      const foreign = await client.find<EngineImage>(at`/images/${reference}/json`, { signal });
      const [fromImage, tag] = reference.includes("@")
        ? (reference.split("@") as [string, string])
        : [reference.slice(0, reference.lastIndexOf(":")), reference.slice(reference.lastIndexOf(":") + 1)];
      const query = { fromImage, tag };
      try {
        const words = client.upload<PullWords>("/images/create", Readable.from([]), { query, signal, timeoutMs: pullMs });
        for await (const { status, id, error } of words) {
          if (error !== undefined) throw new DockerError(error, 0, "POST /images/create");
          if (status !== undefined && /^(Pull complete|Pulling from|Status:|Digest:)/.test(status))
            options?.onLine?.(id === undefined ? status : `${id}: ${status}`);
        }
      } catch (error) {
        throw pullFailure(error, reference, signal);
      }
      const raw = await client.get<EngineImage>(at`/images/${reference}/json`, { signal });
      try {
        if (before !== undefined && before.Parent === raw.Id && sameLabels(labelsIn(before.Config?.Labels), labels))
          return imageReport(engine, before);
        const image = await adopt(raw.Id, name, labels, signal);
        // It has lost its name; what was built from it keeps it.
        if (before !== undefined) await client.delete(at`/images/${before.Id}`).catch(() => {});
        return imageReport(engine, image);
      } finally {
        // Its layers belong to ours as well; the name was there before only when somebody else pulled it.
        if (foreign === undefined) await client.delete(at`/images/${reference}`, { query: { noprune: true } }).catch(() => {});
      }
    },

    async imageGet(image, options) {
      const found = await find(image, options);
      return found === undefined ? undefined : imageReport(engine, found);
    },

    async imageTag(image, name, options) {
      const reference = ownership.imageReference(name);
      const { Id } = await need(image, options);
      const [repo, tag] = partsOf(reference);
      await client.post(at`/images/${Id}/tag`, undefined, { query: { repo, tag }, signal: options?.signal });
    },

    async imageList(options) {
      const query = { filters: ownership.filter() };
      const images = await client.get<{ Id: string }[]>("/images/json", { query, signal: options?.signal });
      const found = await Promise.all(images.map(({ Id }) => find(Id, options)));
      return found.filter((each) => each !== undefined).map((each) => imageReport(engine, each));
    },

    async imageRemove(image, options) {
      const found = await find(image, options);
      if (found === undefined) return;
      const names = found.RepoTags?.filter((name) => ownership.imageName(name) !== undefined) ?? [];
      const foreignNames = (found.RepoTags?.length ?? 0) - names.length;
      const byId = isDigest(image);
      // By id the engine refuses what has several names. A name that somebody else gave it keeps the image.
      const targets = byId ? [...names, ...(foreignNames === 0 ? [found.Id] : [])] : [ownership.imageReference(image)];
      for (const target of targets) {
        try {
          await client.delete(at`/images/${target}`, { signal: options?.signal, timeoutMs: 120_000 });
        } catch (error) {
          if (!CloudError.is(error, "conflict") && !CloudError.is(error, "failed_precondition")) throw error;
          // It has lost its names by now, and goes with the last of those.
          if (target === found.Id && /dependent child/.test(wordsOf(error))) return;
          throw new CloudError("failed_precondition", "Containers use this image. Remove them first.", {
            cause: error,
            details: { reason: "engine_in_use" },
          });
        }
      }
    },
  };

  /**
   * The same image with our labels instead of its own: made from a container that is never started, as a build would do what the image says
   * of itself (ONBUILD).
   */
  async function adopt(
    raw: string,
    name: string,
    labels: Readonly<Record<string, string>>,
    signal: AbortSignal | undefined,
  ): Promise<EngineImage> {
    const wanted = ownership.imageLabels(labels);
    const { Config } = await client.get<EngineImage>(at`/images/${raw}/json`, { signal });
    const [repo, tag] = partsOf(ownership.imageReference(name));
    const own = Object.fromEntries(Object.entries(Config?.Labels ?? {}).filter(([key]) => !key.startsWith("khmara.")));
    const scratch = await client.post<{ Id: string }>(
      "/containers/create",
      // An image without a command cannot become a container; this one never runs.
      {
        Image: raw,
        Labels: ownership.labelsFor(`${name.replace(/[/:]/g, "-")}-load`, {}),
        ...(Config?.Cmd || Config?.Entrypoint ? {} : { Cmd: ["/none"] }),
      },
      { signal },
    );
    try {
      const { Id } = await client.post<{ Id: string }>(
        "/commit",
        { ...Config, Labels: { ...own, ...wanted } },
        { query: { container: scratch.Id, repo, tag, pause: false }, signal, timeoutMs: unpackMs },
      );
      return await client.get<EngineImage>(at`/images/${Id}/json`, { signal });
    } finally {
      await client.delete(at`/containers/${scratch.Id}`, { query: { force: true, v: true } }).catch(() => {});
    }
  }
}

interface PullWords {
  status?: string;
  /** Of a layer. */
  id?: string;
  error?: string;
}

/** Why a registry did not give it, in words for people. */
function pullFailure(error: unknown, reference: string, signal: AbortSignal | undefined): unknown {
  const said = wordsOf(error);
  if (signal?.aborted || said === "") return error;
  const registry = reference.split("/")[0] as string;
  const failed = (reason: string, message: string) =>
    new CloudError("failed_precondition", message, { cause: error, details: { reason, registry } });
  if (/toomanyrequests|rate limit/i.test(said))
    return failed("registry_busy", `The registry ${registry} gives no more for now (too many requests). Try again later.`);
  if (
    /dial tcp|lookup |no such host|connection (refused|reset)|i\/o timeout|timeout|network is unreachable|no route|server misbehaving|EOF|proxyconnect|x509|tls:/i.test(
      said,
    )
  )
    return failed(
      "registry_unreachable",
      `The registry ${registry} cannot be reached from this cloud, so there is no ${reference}. Use a base image of the cloud (base.khmara.internal/node:24, python:3.13, go:1.24, php:8.4, static:12, base:12), or upload the image itself (docker save).`,
    );
  if (
    /manifest (for .* )?(not found|unknown)|access denied|does not exist|unauthorized|denied:|not found|name unknown/i.test(said)
  )
    return new CloudError(
      "invalid_argument",
      `The registry ${registry} has no image ${reference} that everybody may have. Check its name.`,
      { cause: error, details: { reason: "image_not_found", registry } },
    );
  return translate(new DockerError(said, 0, "POST /images/create"));
}

/** Undefined of one that is not ours. */
export async function findImage(engine: Engine, image: string, options?: CallOptions): Promise<EngineImage | undefined> {
  const { client, ownership } = engine;
  const key = isDigest(image) ? image : ownership.imageReference(image);
  const found = await client.find<EngineImage>(at`/images/${key}/json`, { signal: options?.signal });
  return found !== undefined && ownership.isOurs(found.Config?.Labels) ? found : undefined;
}

const isDigest = (image: string): boolean => /(^|@)sha256:[0-9a-f]{64}$/.test(image);

export function imageReport({ ownership }: Engine, image: EngineImage): ImageReport {
  const { Config } = image;
  const references = (image.RepoTags ?? []).filter((reference) => ownership.imageName(reference) !== undefined).sort();
  return {
    id: image.Id,
    names: references.map((reference) => ownership.imageName(reference) as string),
    reference: references[0],
    digests: image.RepoDigests ?? [],
    labels: labelsIn(Config?.Labels),
    createdAt: new Date(image.Created),
    sizeBytes: image.Size,
    architecture: image.Architecture,
    defaults: {
      entrypoint: Config?.Entrypoint ?? undefined,
      command: Config?.Cmd ?? undefined,
      environment: Object.fromEntries(
        (Config?.Env ?? []).map((each) => [each.split("=")[0] as string, each.slice(each.indexOf("=") + 1)]),
      ),
      workingDirectory: Config?.WorkingDir || undefined,
      user: Config?.User || undefined,
    },
    exposedPorts: Object.keys(Config?.ExposedPorts ?? {}),
    volumes: Object.keys(Config?.Volumes ?? {}),
    onBuild: Config?.OnBuild ?? [],
  };
}

/** `kh-1a2b/web:12` → repository and tag. */
function partsOf(reference: string): [string, string] {
  const colon = reference.lastIndexOf(":");
  return [reference.slice(0, colon), reference.slice(colon + 1)];
}

/** As a word of a Dockerfile; `$` would be replaced there. */
const word = (text: string): string => {
  if (/[\n\r\0]/.test(text))
    throw new CloudError("invalid_argument", "A label or a variable of an image has no line break in it.");
  return `"${text.replace(/[\\"$]/g, "\\$&")}"`;
};

const list = (words: readonly string[]): string => JSON.stringify(words);

function instructionsOf(defaults: ImageDefaults | undefined): string[] {
  if (defaults === undefined) return [];
  const { entrypoint, command, environment, workingDirectory, user } = defaults;
  return [
    ...(environmentOf(environment) ?? []).map((each) => {
      const [name = "", ...rest] = each.split("=");
      return `ENV ${name}=${word(rest.join("="))}`;
    }),
    ...(entrypoint === undefined ? [] : [`ENTRYPOINT ${list(entrypoint)}`]),
    ...(command === undefined ? [] : [`CMD ${list(command)}`]),
    ...(workingDirectory === undefined ? [] : [`WORKDIR ${workingDirectory}`]),
    ...(user === undefined ? [] : [`USER ${user}`]),
  ];
}

/** What is said in the middle of an answer that began well. */
export function refusedArchive(said: string, what: string): CloudError {
  const meaning = translate(new DockerError(said, 0, what));
  if (meaning.code !== "internal") return meaning;
  return new CloudError("invalid_argument", "This is no image that the container engine understands.", {
    cause: new DockerError(said, 0, what),
    details: { reason: "image_invalid" },
  });
}
