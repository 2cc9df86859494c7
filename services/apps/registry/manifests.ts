/** Manifests, tags, and what refers to a manifest. */
import type { IncomingMessage } from "node:http";
import { audit } from "../../../kernel/audit.ts";
import { actorOf } from "../../../kernel/auth/principal.ts";
import { answerJson, headersOf, limitOf, nextLink, unsupported } from "./answers.ts";
import { algorithmOf, checkedDigest, digestOf, digestPattern } from "./digests.ts";
import type { RegistryCall } from "./door.ts";
import { RegistryError } from "./errors.ts";
import { type Descriptor, maximumManifestBytes, ociIndexType, parseManifest } from "./manifest.ts";
import { registryStore } from "./store.ts";

export const tagPattern = /^[a-zA-Z0-9_][a-zA-Z0-9._-]{0,127}$/;
const mostTagsInRequest = 50;
const mostTags = 1000;
/** Annotations may make each of them large. */
const mostReferrers = 100;
const bodyMs = 60_000;

export interface Manifests {
  manifest(call: RegistryCall, reference: string): Promise<void>;
  tags(call: RegistryCall): Promise<void>;
  referrers(call: RegistryCall, subject: string): Promise<void>;
}

export function createManifests(): Manifests {
  async function get(call: RegistryCall, reference: string): Promise<void> {
    const { app, request, response } = call;
    const row = await call.transaction((tx) => registryStore.manifest(tx, app.id, referenceOf(reference)));
    if (row === undefined) throw unknownManifest(reference);
    response.writeHead(200, {
      ...headersOf(),
      "content-type": row.mediaType,
      "content-length": row.sizeBytes,
      "docker-content-digest": row.digest,
      etag: `"${row.digest}"`,
    });
    response.end(request.method === "HEAD" ? undefined : row.content);
  }

  async function put(call: RegistryCall, reference: string): Promise<void> {
    const { app, request, response, url } = call;
    const named = referenceOf(reference);
    const extra = "digest" in named ? url.searchParams.getAll("tag") : [];
    if (extra.length > mostTagsInRequest)
      throw new RegistryError(414, "UNSUPPORTED", `At most ${mostTagsInRequest} tags at once may be given.`);
    const tags = "tag" in named ? [named.tag] : [...new Set(extra.map(checkedTag))];
    const content = await bodyOf(request, call.signal);
    const digest = digestOf(content, "digest" in named ? algorithmOf(named.digest) : "sha256");
    if ("digest" in named && named.digest !== digest)
      throw new RegistryError(400, "DIGEST_INVALID", "What was sent has another digest.", { detail: { digest } });
    const parsed = parseManifest(content, request.headers["content-type"]);
    await call.transaction(async (tx) => {
      await registryStore.lockRepository(tx, app.id);
      const blobs = parsed.blobs.map((each) => each.digest);
      await registryStore.touchBlobs(tx, app.id, blobs, new Date());
      checkThere(parsed.blobs, await registryStore.sizes(tx, app.id, "blobs", blobs));
      const others = parsed.manifests.map((each) => each.digest);
      checkThere(parsed.manifests, await registryStore.sizes(tx, app.id, "manifests", others));
      const at = new Date();
      const isNew = await registryStore.addManifest(tx, app, digest, content, parsed, at);
      const moved: string[] = [];
      for (const tag of tags.toSorted()) {
        const before = await registryStore.manifest(tx, app.id, { tag });
        await registryStore.setTag(tx, app, tag, digest, at);
        if (before?.digest !== digest) moved.push(tag);
      }
      // The same again changes nothing.
      if (isNew || moved.length > 0)
        record(call, tx, "apps.image.push", { digest, ...(moved.length > 0 ? { tags: moved } : {}) });
    });
    response.writeHead(201, {
      ...headersOf(),
      location: `${call.path}/manifests/${digest}`,
      "docker-content-digest": digest,
      "content-length": 0,
      ...(parsed.subject === undefined ? {} : { "oci-subject": parsed.subject }),
      ...(extra.length === 0 ? {} : { "oci-tag": tags.join(", ") }),
    });
    response.end();
  }

  async function remove(call: RegistryCall, reference: string): Promise<void> {
    const { app, response } = call;
    const named = referenceOf(reference);
    await call.transaction(async (tx) => {
      await registryStore.lockRepository(tx, app.id);
      const isGone =
        "tag" in named
          ? await registryStore.removeTag(tx, app.id, named.tag)
          : await registryStore.removeManifest(tx, app.id, named.digest);
      if (!isGone) throw unknownManifest(reference);
      record(call, tx, "apps.image.delete", named);
    });
    response.writeHead(202, { ...headersOf(), "content-length": 0 }).end();
  }

  return {
    async manifest(call, reference) {
      const { method } = call.request;
      if (method === "GET" || method === "HEAD") return get(call, reference);
      if (method === "PUT") return put(call, reference);
      if (method === "DELETE") return remove(call, reference);
      throw unsupported(method);
    },

    async tags(call) {
      const { url, app, response } = call;
      const limit = limitOf(url, mostTags);
      const after = url.searchParams.get("last") || undefined;
      const found = await call.transaction((tx) => registryStore.tags(tx, app.id, { after, limit: limit + 1 }));
      const tags = found.slice(0, limit);
      const link = nextLink(`${call.path}/tags/list`, limit, tags, found.length > limit);
      answerJson(response, 200, { name: call.name, tags }, link);
    },

    async referrers(call, subject) {
      const { url, app, response } = call;
      const artifactType = url.searchParams.get("artifactType") || undefined;
      const limit = limitOf(url, mostReferrers);
      const last = url.searchParams.get("last");
      const after = last !== null && digestPattern.test(last) ? last : undefined;
      const found = await call.transaction((tx) =>
        registryStore.referrers(tx, app.id, { subject, artifactType, after, limit: limit + 1 }),
      );
      const page = found.slice(0, limit);
      const filter = artifactType === undefined ? {} : { artifactType };
      const digests = page.map(({ digest }) => digest);
      answerJson(
        response,
        200,
        {
          schemaVersion: 2,
          mediaType: ociIndexType,
          manifests: page.map((row) => ({
            mediaType: row.mediaType,
            size: row.sizeBytes,
            digest: row.digest,
            ...(row.artifactType === null ? {} : { artifactType: row.artifactType }),
            ...(row.annotations === null ? {} : { annotations: row.annotations }),
          })),
        },
        {
          "content-type": ociIndexType,
          ...(artifactType === undefined ? {} : { "oci-filters-applied": "artifactType" }),
          ...nextLink(`${call.path}/referrers/${subject}`, limit, digests, found.length > limit, filter),
        },
      );
    },
  };
}

function record(call: RegistryCall, tx: Parameters<typeof audit>[0], action: string, facts: Record<string, unknown>): void {
  const { app, principal, sourceIp, request } = call;
  audit(tx, {
    action,
    actor: actorOf(principal),
    organisationId: app.organisationId,
    projectId: app.projectId,
    resource: { kind: "app", id: app.id, name: app.name },
    sourceIp,
    userAgent: request.headers["user-agent"],
    ...(action === "apps.image.delete" ? { before: facts } : { after: facts }),
  });
}

function referenceOf(reference: string): { digest: string } | { tag: string } {
  return reference.includes(":") ? { digest: checkedDigest(reference) } : { tag: checkedTag(reference) };
}

function checkedTag(tag: string): string {
  if (tagPattern.test(tag)) return tag;
  throw new RegistryError(
    400,
    "MANIFEST_INVALID",
    "A tag is at most 128 letters, digits and . _ -, and begins with none of . and -.",
  );
}

const unknownManifest = (reference: string): RegistryError =>
  new RegistryError(404, "MANIFEST_UNKNOWN", `The repository has no ${reference.slice(0, 130)}.`, { detail: { reference } });

/** Every content that a manifest names, with the size that it says. */
function checkThere(wanted: readonly Descriptor[], there: ReadonlyMap<string, number>): void {
  for (const { digest, size } of wanted) {
    const found = there.get(digest);
    if (found === undefined)
      throw new RegistryError(404, "MANIFEST_BLOB_UNKNOWN", `The manifest names ${digest}, which the repository has not got.`, {
        detail: { digest },
      });
    if (found !== size)
      throw new RegistryError(400, "MANIFEST_INVALID", `The manifest says that ${digest} has ${size} bytes; it has ${found}.`);
  }
}

async function bodyOf(request: IncomingMessage, signal: AbortSignal): Promise<Buffer> {
  const tooLarge = () => new RegistryError(413, "MANIFEST_INVALID", "A manifest has at most 4 MiB here.");
  if (Number(request.headers["content-length"] ?? 0) > maximumManifestBytes) throw tooLarge();
  const late = setTimeout(() => request.destroy(), bodyMs);
  try {
    const pieces: Buffer[] = [];
    let bytes = 0;
    for await (const piece of request.iterator({ destroyOnReturn: false }) as AsyncIterable<Buffer>) {
      signal.throwIfAborted();
      bytes += piece.length;
      if (bytes > maximumManifestBytes) throw tooLarge();
      pieces.push(piece);
    }
    return Buffer.concat(pieces);
  } finally {
    clearTimeout(late);
  }
}
