/** Small files that are in a container from its making on, beside what its image has. */
import { Readable } from "node:stream";
import { pack } from "tar-stream";
import type { CallOptions, ContainerSpec } from "../../driver.ts";
import { at, type DockerClient } from "./client.ts";

export async function putFiles(
  client: DockerClient,
  id: string,
  files: NonNullable<ContainerSpec["files"]>,
  options?: CallOptions,
): Promise<void> {
  if (files.length === 0) return;
  const tar = pack();
  for (const { path, content } of files) tar.entry({ name: path.replace(/^\//, ""), mode: 0o444 }, content);
  tar.finalize();
  // A stream of the package's own kind, which is none of Node's.
  const body = Readable.from(tar);
  await client.put(at`/containers/${id}/archive`, body, { query: { path: "/" }, signal: options?.signal, timeoutMs: 60_000 });
}
