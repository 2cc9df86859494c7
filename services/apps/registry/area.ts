/** What the registry does by itself: what nobody has any more goes, after a day. */
import type { AppsParts, Area } from "../parts.ts";
import { type Blobs, openBlobs } from "./blobs.ts";
import type { registryRoutes } from "./contract.ts";
import { registryStore } from "./store.ts";
import { tagRoutes } from "./tagRoutes.ts";

const dayMs = 24 * 3600_000;

export function createRegistry(parts: AppsParts): Area<typeof registryRoutes> {
  const blobs = openBlobs(parts.dataDirectory);
  return {
    handlers: tagRoutes(parts),
    workers: [
      {
        name: "apps.registry",
        everySeconds: 3600,
        run: (signal) => sweepRegistry(parts, blobs, new Date(Date.now() - dayMs), signal),
      },
    ],
  };
}

/** What is older than that: uploads that nobody goes on with, blobs that no manifest names, contents that no repository has. */
export async function sweepRegistry(
  { database }: Pick<AppsParts, "database">,
  blobs: Blobs,
  before: Date,
  signal: AbortSignal,
): Promise<void> {
  for (const id of await database.transaction("system", (tx) => registryStore.deleteOldUploads(tx, before)))
    await blobs.discard(id);
  const old = await blobs.oldUploads(before);
  const known = await database.transaction("system", (tx) => registryStore.uploadsOf(tx, old));
  for (const id of old) if (!known.has(id)) await blobs.discard(id);

  for (const appId of await database.transaction("system", (tx) => registryStore.withUnnamed(tx, before))) {
    signal.throwIfAborted();
    await database.transaction("system", async (tx) => {
      await registryStore.lockRepository(tx, appId);
      await registryStore.removeUnnamed(tx, appId, before);
    });
  }

  for await (const digests of blobs.older(before)) {
    signal.throwIfAborted();
    const held = await database.transaction("system", (tx) => registryStore.held(tx, digests));
    for (const digest of digests)
      if (!held.has(digest))
        await database.transaction("system", async (tx) => {
          // Somebody may have pushed it in this moment.
          await registryStore.lockContent(tx, digest);
          if (!(await registryStore.isHeld(tx, digest))) await blobs.remove(digest);
        });
  }
}
