/** The registry's door by itself, in front of apps of a fixture; and images to push. */
import { createHash } from "node:crypto";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { gzipSync } from "node:zlib";
import type { TestDeploying } from "../../deploying/testing/fixture.ts";
import { openRegistryDoor } from "../door.ts";

export interface TestRegistry {
  port: number;
  /** The caller's name is the password; `null`: none is sent. */
  ask(path: string, options?: AskOptions): Promise<Response>;
  /** A blob as one request; its digest. */
  push(repository: string, bytes: Uint8Array): Promise<string>;
  putManifest(repository: string, reference: string, manifest: object, options?: AskOptions): Promise<Response>;
  /** The door as a new process would open it. */
  restart(): void;
  stop(): void;
}

export interface AskOptions {
  method?: string;
  as?: string | null;
  headers?: Record<string, string>;
  body?: Uint8Array | string | ReadableStream;
}

export const digestOf = (bytes: Uint8Array | string): string => `sha256:${createHash("sha256").update(bytes).digest("hex")}`;
export const ociManifest = "application/vnd.oci.image.manifest.v1+json";
export const ociIndex = "application/vnd.oci.image.index.v1+json";

export const descriptor = (bytes: Uint8Array | string, mediaType: string) => ({
  mediaType,
  digest: digestOf(bytes),
  size: Buffer.byteLength(bytes),
});

/** `socket`: a path where it listens as well. */
export async function testRegistry(cloud: TestDeploying, socket?: string): Promise<TestRegistry> {
  const address = "127.0.0.1";
  let door = openRegistryDoor(cloud.parts);
  const newServer = (): Server => createServer((request, response) => void door.handle(request, response, "192.0.2.7"));
  const server = newServer();
  await new Promise<void>((resolve) => server.listen(0, address, resolve));
  const other = newServer();
  if (socket !== undefined) await new Promise<void>((resolve) => other.listen(socket, resolve));
  const { port } = server.address() as AddressInfo;
  const registry: TestRegistry = {
    port,
    ask: (path, { method = "GET", as = "editor", headers = {}, body } = {}) =>
      fetch(`http://${address}:${port}${path}`, {
        method,
        headers: {
          ...(as === null ? {} : { authorization: `Basic ${Buffer.from(`anybody:${as}`).toString("base64")}` }),
          ...headers,
        },
        ...(body === undefined ? {} : { body: body as Uint8Array<ArrayBuffer> }),
        ...(body instanceof ReadableStream ? { duplex: "half" } : {}),
        signal: AbortSignal.timeout(30_000),
      }),
    async push(repository, bytes) {
      const digest = digestOf(bytes);
      const answer = await registry.ask(`/v2/${repository}/blobs/uploads/?digest=${digest}`, { method: "POST", body: bytes });
      if (answer.status !== 201) throw new Error(`${answer.status}: ${await answer.text()}`);
      return digest;
    },
    putManifest: (repository, reference, manifest, options = {}) =>
      registry.ask(`/v2/${repository}/manifests/${reference}`, {
        method: "PUT",
        headers: { "content-type": (manifest as { mediaType?: string }).mediaType ?? ociManifest },
        body: JSON.stringify(manifest),
        ...options,
      }),
    restart() {
      door = openRegistryDoor(cloud.parts);
    },
    stop() {
      for (const each of [server, other]) {
        each.closeAllConnections();
        each.close();
      }
    },
  };
  return registry;
}

export interface TestImage {
  manifest: object;
  config: Buffer;
  layer: Buffer;
}

/** An image of one layer: a tarball, as it is. */
export function imageOf(
  tarball: Buffer,
  config: object = {},
  architecture = process.arch === "arm64" ? "arm64" : "amd64",
): TestImage {
  const layer = gzipSync(tarball);
  const text = Buffer.from(
    JSON.stringify({
      architecture,
      os: "linux",
      created: "2026-01-01T00:00:00Z",
      config,
      rootfs: { type: "layers", diff_ids: [digestOf(tarball)] },
      history: [{ created: "2026-01-01T00:00:00Z", created_by: "test" }],
    }),
  );
  return {
    layer,
    config: text,
    manifest: {
      schemaVersion: 2,
      mediaType: ociManifest,
      config: descriptor(text, "application/vnd.oci.image.config.v1+json"),
      layers: [descriptor(layer, "application/vnd.oci.image.layer.v1.tar+gzip")],
    },
  };
}

export async function pushImage(
  registry: TestRegistry,
  repository: string,
  reference: string,
  image: TestImage,
): Promise<string> {
  await registry.push(repository, image.config);
  await registry.push(repository, image.layer);
  const answer = await registry.putManifest(repository, reference, image.manifest);
  if (answer.status !== 201) throw new Error(`${answer.status}: ${await answer.text()}`);
  return answer.headers.get("docker-content-digest") as string;
}
