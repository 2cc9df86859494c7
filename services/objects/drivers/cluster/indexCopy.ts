import { createWriteStream } from "node:fs";
import { mkdir, readdir, rename, stat } from "node:fs/promises";
import { join } from "node:path";
import { pipeline } from "node:stream/promises";
import { CloudError } from "../../../../kernel/errors.ts";
import { syncFolder } from "../local/files.ts";
import type { ClusterContents } from "./contents.ts";

/**
 * The journal of the index (local/journal.ts), copied into the cluster: a machine that is lost takes the index along, and without it nobody knows
 * which bytes are whose. Files of the journal only grow, or go as a whole; what grew is sent again.
 */
export class IndexCopy {
  readonly #cluster: ClusterContents;
  readonly #journal: string;
  /** Bytes that the cluster has, by name; undefined until it was asked. */
  #sent: Map<string, number> | undefined;

  constructor(cluster: ClusterContents, directory: string) {
    this.#cluster = cluster;
    this.#journal = join(directory, "journal");
  }

  async run(): Promise<void> {
    this.#sent ??= new Map(
      await Array.fromAsync(this.#cluster.indexFiles(), ({ name, sizeBytes }) => [name, sizeBytes] as const),
    );
    const present = new Set<string>();
    for (const name of await readdir(this.#journal)) {
      if (name.endsWith(".new")) continue;
      const path = join(this.#journal, name);
      const found = await stat(path).catch(() => undefined);
      if (found === undefined) continue;
      present.add(name);
      if (found.size === this.#sent.get(name)) continue;
      await this.#cluster.indexPut(name, { path, sizeBytes: found.size });
      this.#sent.set(name, found.size);
    }
    // Only after what replaces them is there.
    for (const name of [...this.#sent.keys()].filter((each) => !present.has(each))) {
      await this.#cluster.indexRemove(name);
      this.#sent.delete(name);
    }
  }
}

/** Brings the journal back, for rebuildIndex. failed_precondition when the cluster has none, or this machine has one of its own. */
export async function fetchIndex(cluster: ClusterContents, directory: string): Promise<number> {
  const journal = join(directory, "journal");
  if ((await readdir(journal).catch(() => [])).length > 0)
    throw new CloudError("failed_precondition", `${journal} has a journal of its own. Move it away to take the cluster's.`);
  const unfinished = `${journal}.new`;
  await mkdir(unfinished, { recursive: true });
  let files = 0;
  for await (const { name, sizeBytes } of cluster.indexFiles()) {
    if (sizeBytes > 0)
      await pipeline(await cluster.indexRead(name, sizeBytes), createWriteStream(join(unfinished, name), { flush: true }));
    files++;
  }
  if (files === 0) throw new CloudError("failed_precondition", "The cluster has no copy of an index.");
  await syncFolder(unfinished);
  await rename(unfinished, journal);
  await syncFolder(directory);
  return files;
}
