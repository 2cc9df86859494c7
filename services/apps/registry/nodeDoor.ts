/**
 * Where nodes pull images of the cloud's engine from (OCI Distribution Specification, "Pull"): TLS under the authority of nodes, on a port of its
 * own at the address that nodes know this machine by. The repository of an image is `images/<its id>`; a password opens one of them, for an hour.
 */
import type { IncomingMessage, ServerResponse } from "node:http";
import { createServer, type Server } from "node:https";
import { CloudError } from "../../../kernel/errors.ts";
import type { Log } from "../../../kernel/log.ts";
import { type Secrets, sameSecret } from "../../../kernel/secrets.ts";
import { registryAt, registryPort } from "../drivers/swarm/names.ts";
import type { NodeIdentity, NodeImageSource } from "../nodesDriver.ts";
import { answerJson, headersOf, refuse, unknownBlob, unsupported } from "./answers.ts";
import { answerContent } from "./content.ts";
import { checkedDigest } from "./digests.ts";
import { RegistryError, toRegistryError } from "./errors.ts";
import type { NodeImages } from "./nodeImages.ts";

export interface NodeDoorOptions {
  images: NodeImages;
  secrets: Secrets;
  log: Log;
  /** Of a server at this address. */
  certificate(host: string): Promise<NodeIdentity>;
  /** Where to listen, when it is not where nodes ask: something leads from there to here. */
  listenAt?: string | undefined;
}

/** Docker shows its password with each blob: as long as the slowest pull. */
const passwordMs = 3600_000;
const mostConnections = 256;
/** Without a byte. */
const idleMs = 5 * 60_000;
const headMs = 15_000;
const purpose = "apps.node_pull";

export interface NodeDoor extends NodeImageSource {
  close(): Promise<void>;
}

export function openNodeDoor({ images, secrets, log, certificate, listenAt }: NodeDoorOptions): NodeDoor {
  let listening: { host: string; server: Server; certificate: string } | undefined;
  let opening: Promise<void> = Promise.resolve();
  let isClosed = false;

  const signature = (hex: string, until: string) => secrets.fingerprint(purpose, `${hex} ${until}`);

  /** The id of the image that the caller may read, without its `sha256:`. */
  function mayRead(request: IncomingMessage): string {
    const basic = /^Basic ([A-Za-z0-9+/=]+)$/i.exec(request.headers.authorization ?? "")?.[1] ?? "";
    const word = Buffer.from(basic, "base64").toString();
    const [, hex = "", until = "", proof = ""] = /^([0-9a-f]{64}):(\d{1,15})\.([0-9a-f]{64})$/.exec(word) ?? [];
    if (proof !== "" && sameSecret(proof, signature(hex, until)) && Number(until) > Date.now()) return hex;
    throw new CloudError("unauthenticated", "This registry is for the nodes of the cloud alone.");
  }

  async function answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const own = mayRead(request);
    if (request.method !== "GET" && request.method !== "HEAD") throw unsupported(request.method);
    const { pathname } = new URL(request.url ?? "/", "https://registry");
    if (/^\/v2\/?$/.test(pathname)) return answerJson(response, 200, {});
    const [, hex, kind, reference = ""] = /^\/v2\/images\/([0-9a-f]{64})\/(manifests|blobs)\/(.+)$/.exec(pathname) ?? [];
    if (hex === undefined) throw new RegistryError(404, "NAME_UNKNOWN", "There is nothing at this address.");
    if (hex !== own) throw new RegistryError(403, "DENIED", "This password is for another image.");
    const digest = checkedDigest(reference);
    const content = (await images.find(`sha256:${hex}`))?.contents.get(digest);
    if (content === undefined || (kind === "manifests") !== (content.mediaType !== undefined)) throw unknownBlob(digest);
    const { sizeBytes, mediaType, text } = content;
    const gone = new AbortController();
    response.once("close", () => gone.abort());
    if (mediaType === undefined)
      return answerContent(request, response, {
        digest,
        sizeBytes,
        read: (range) => images.read(digest, range),
        signal: AbortSignal.any([gone.signal, AbortSignal.timeout(passwordMs)]),
      });
    response.writeHead(200, {
      ...headersOf(),
      "content-type": mediaType,
      "content-length": sizeBytes,
      "docker-content-digest": digest,
    });
    if (request.method === "HEAD") response.end();
    else response.end(text ?? Buffer.concat(await images.read(digest).toArray()));
  }

  const handle = (request: IncomingMessage, response: ServerResponse): void =>
    void answer(request, response).catch((error: unknown) => {
      const refused = toRegistryError(error);
      if (refused.status === 500 && !response.destroyed) log.error({ err: error }, "the registry of nodes failed");
      if (response.headersSent) response.destroy();
      else refuse(request, response, refused);
    });

  async function listen(host: string): Promise<void> {
    if (isClosed) throw new CloudError("unavailable", "The cloud is stopping.");
    const { certificate: cert, key } = await certificate(host);
    if (listening?.host === host) {
      if (listening.certificate !== cert) listening.server.setSecureContext({ cert, key });
      listening.certificate = cert;
      return;
    }
    await stop();
    const server = createServer({ cert, key, minVersion: "TLSv1.2", requestTimeout: 60_000, headersTimeout: headMs }, handle);
    server.maxConnections = mostConnections;
    server.setTimeout(idleMs);
    try {
      await new Promise<void>((resolve, reject) => {
        server.once("error", reject);
        server.listen({ host: listenAt ?? host, port: registryPort }, resolve);
      });
    } catch (error) {
      // Another process of this cloud serves the same files under the same passwords; if it is another program, the pull says so.
      if ((error as NodeJS.ErrnoException).code === "EADDRINUSE") return;
      throw new CloudError(
        "failed_precondition",
        `This machine cannot listen at ${host}:${registryPort}, where nodes get their images: ${(error as Error).message}.`,
        { cause: error, details: { reason: "node_registry" } },
      );
    }
    server.on("error", (error) => log.error({ err: error }, "the registry of nodes failed"));
    server.unref();
    listening = { host, server, certificate: cert };
  }

  async function stop(): Promise<void> {
    const server = listening?.server;
    listening = undefined;
    if (server === undefined) return;
    const ended = new Promise((resolve) => server.close(resolve));
    server.closeAllConnections();
    await ended;
  }

  return {
    async offer({ id, host, save }, options) {
      const { digest } = await images.keep(id, save, options);
      const work = opening.then(() => listen(host));
      opening = work.catch(() => {});
      await work;
      const hex = id.slice("sha256:".length);
      const until = String(Date.now() + passwordMs);
      const registry = registryAt(host);
      return {
        registry,
        repository: `${registry}/images/${hex}`,
        digest,
        user: hex,
        password: `${until}.${signature(hex, until)}`,
      };
    },

    async close() {
      isClosed = true;
      await opening;
      await stop();
    },
  };
}
