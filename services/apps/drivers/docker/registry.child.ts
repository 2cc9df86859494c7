/**
 * A registry of one image (OCI distribution, "Pull"; image manifest version 2, schema 2), for tests: `things/app:1`. Each line that it reads is
 * what the image is from then on. It ends with its input.
 */
import { createHash } from "node:crypto";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { createInterface } from "node:readline";
import { buffer } from "node:stream/consumers";
import { gzipSync } from "node:zlib";
import { pack } from "tar-stream";

const digestOf = (bytes: Uint8Array): string => `sha256:${createHash("sha256").update(bytes).digest("hex")}`;
const manifestType = "application/vnd.docker.distribution.manifest.v2+json";
const blobs = new Map<string, Buffer>();
let manifest = Buffer.from("");

async function become(text: string): Promise<void> {
  const tar = pack();
  tar.entry({ name: "what", mode: 0o644, mtime: new Date(0) }, text);
  tar.finalize();
  const plain = await buffer(tar);
  const layer = gzipSync(plain);
  const config = Buffer.from(
    JSON.stringify({
      architecture: process.arch === "arm64" ? "arm64" : "amd64",
      os: "linux",
      created: "2026-01-01T00:00:00Z",
      config: { Cmd: ["/bin/app", text], ExposedPorts: { "7000/tcp": {} }, Labels: { "khmara.cloud": "somebody's" } },
      rootfs: { type: "layers", diff_ids: [digestOf(plain)] },
      history: [{ created: "2026-01-01T00:00:00Z", created_by: "test" }],
    }),
  );
  for (const each of [layer, config]) blobs.set(digestOf(each), each);
  const part = (bytes: Buffer, mediaType: string) => ({ mediaType, size: bytes.length, digest: digestOf(bytes) });
  manifest = Buffer.from(
    JSON.stringify({
      schemaVersion: 2,
      mediaType: manifestType,
      config: part(config, "application/vnd.docker.container.image.v1+json"),
      layers: [part(layer, "application/vnd.docker.image.rootfs.diff.tar.gzip")],
    }),
  );
}

await become("one");
const server = createServer((request, response) => {
  const answer = (status: number, body: Uint8Array | string, type: string, digest?: string) => {
    response.writeHead(status, {
      "content-type": type,
      "content-length": Buffer.byteLength(body),
      "docker-distribution-api-version": "registry/2.0",
      ...(digest === undefined ? {} : { "docker-content-digest": digest }),
    });
    response.end(request.method === "HEAD" ? undefined : body);
  };
  const path = request.url ?? "";
  if (path === "/v2/") return answer(200, "{}", "application/json");
  const isOurs = /^\/v2\/things\/app\/manifests\/(.+)$/.exec(path)?.[1];
  if (isOurs === "1" || isOurs === digestOf(manifest)) return answer(200, manifest, manifestType, digestOf(manifest));
  const blob = blobs.get(/^\/v2\/things\/app\/blobs\/(.+)$/.exec(path)?.[1] ?? "");
  if (blob) return answer(200, blob, "application/octet-stream", digestOf(blob));
  answer(404, JSON.stringify({ errors: [{ code: "MANIFEST_UNKNOWN", message: "manifest unknown" }] }), "application/json");
});
server.listen(0, "127.0.0.1", () => console.log((server.address() as AddressInfo).port));
const lines = createInterface({ input: process.stdin });
lines.on("line", (line) => void become(line).then(() => console.log("done")));
lines.on("close", () => process.exit(0));
