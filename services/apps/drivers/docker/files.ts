/** Small files that are in a container from its making on, beside what its image has. */
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
  await client.put(at`/containers/${id}/archive`, tar, { query: { path: "/" }, signal: options?.signal, timeoutMs: 60_000 });
}
