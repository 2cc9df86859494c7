/** Images that no release needs any more go, from the engine first: what the records have is there. */
import { CloudError } from "../../../kernel/errors.ts";
import type { AppsParts } from "../parts.ts";
import { cacheNamesOf } from "./building.ts";
import { keptReleases } from "./contract.ts";
import { deploymentStore } from "./store/deployments.ts";
import { type ImageRow, imageStore } from "./store/images.ts";

export interface ImageSweep {
  /** Of one app; what cannot go yet stays for the next time. */
  app(appId: string, signal: AbortSignal): Promise<void>;
  /** Of all, and images that builds left which were killed. */
  all(signal: AbortSignal): Promise<void>;
  /** Everything of an app that is being deleted. Throws while containers use it. */
  remove(appId: string, signal: AbortSignal): Promise<void>;
}

export function openImageSweep(parts: Pick<AppsParts, "engine" | "database" | "log">): ImageSweep {
  async function removeUnneeded(rows: readonly ImageRow[], signal: AbortSignal): Promise<void> {
    for (const { appId, imageId } of rows) {
      signal.throwIfAborted();
      try {
        await parts.engine().imageRemove(imageId, { signal });
        await parts.database.transaction("system", (tx) => imageStore.remove(tx, appId, imageId, new Date()));
      } catch (error) {
        if (signal.aborted) throw error;
        parts.log.debug({ err: error, app: appId, image: imageId }, "an image that is not needed stays for now");
      }
    }
  }

  return {
    async app(appId, signal) {
      const rows = await parts.database.transaction("system", (tx) => imageStore.unneeded(tx, keptReleases, appId));
      await removeUnneeded(rows, signal);
    },

    async all(signal) {
      const rows = await parts.database.transaction("system", (tx) => imageStore.unneeded(tx, keptReleases));
      await removeUnneeded(rows, signal);
      const built = (await parts.engine().imageList({ signal })).filter(({ labels }) => labels["deployment"] !== undefined);
      const ids = built.map(({ labels }) => labels["deployment"] as string);
      const { kept, atWork } = await parts.database.transaction("system", async (tx) => ({
        kept: await imageStore.kept(
          tx,
          built.map(({ id }) => id),
        ),
        atWork: await deploymentStore.unfinishedOf(tx, ids),
      }));
      for (const { id, labels } of built) {
        if (kept.has(id) || atWork.has(labels["deployment"] as string)) continue;
        await parts
          .engine()
          .imageRemove(id, { signal })
          .catch((error) => parts.log.debug({ err: error, image: id }, "an image that nobody knows stays for now"));
      }
    },

    async remove(appId, signal) {
      const engine = parts.engine();
      for (const name of cacheNamesOf(appId)) await engine.imageRemove(name, { signal });
      for (const { id, labels } of await engine.imageList({ signal })) {
        if (labels["app"] !== appId) continue;
        await engine.imageRemove(id, { signal }).catch((error) => {
          if (!CloudError.is(error, "not_found")) throw error;
        });
      }
    },
  };
}
