/** Images that no release needs any more go, from the engine first: what the records have is there. */
import { CloudError } from "../../../kernel/errors.ts";
import type { ImageReport } from "../driver.ts";
import type { AppsParts } from "../parts.ts";
import { cacheNamesOf } from "./building.ts";
import { keptReleases } from "./contract.ts";
import { deploymentStore } from "./store/deployments.ts";
import { type ImageRow, imageStore } from "./store/images.ts";

export interface ImageSweep {
  /** Of one app; what cannot go yet stays for the next time. */
  app(appId: string, signal: AbortSignal): Promise<void>;
  /** Of all; images and networks that builds left which were killed, and steps of builds that nobody has built on for a week. */
  all(signal: AbortSignal): Promise<void>;
  /** Everything of an app that is being deleted. Throws while containers use it. */
  remove(appId: string, signal: AbortSignal): Promise<void>;
}

const weekMs = 7 * 24 * 3600_000;

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
      const images = await parts.engine().imageList({ signal });
      const { kept, atWork, isBuilding } = await parts.database.transaction("system", async (tx) => ({
        kept: await imageStore.kept(
          tx,
          images.map(({ id }) => id),
        ),
        atWork: await deploymentStore.unfinishedOf(
          tx,
          images.flatMap(({ labels }) => labels["deployment"] ?? []),
        ),
        isBuilding: await deploymentStore.isBuilding(tx),
      }));
      // Stages of a build are not what its image is made from, so they do not go with it: they are what the next build takes its steps from.
      const isLeftStep = ({ names, createdAt }: ImageReport) =>
        names.length === 0 && !isBuilding && Date.now() - createdAt.getTime() > weekMs;
      for (const image of images) {
        const { id, labels } = image;
        const deployment = labels["deployment"];
        const isLeft = deployment === undefined ? isLeftStep(image) : !atWork.has(deployment);
        if (kept.has(id) || !isLeft) continue;
        await parts
          .engine()
          .imageRemove(id, { signal })
          .catch((error) => parts.log.debug({ err: error, image: id }, "an image that nobody knows stays for now"));
      }
      const networks = (await parts.engine().networkList({ signal })).filter(({ labels }) => labels["role"] === "build");
      const building = await parts.database.transaction("system", (tx) =>
        deploymentStore.unfinishedOf(
          tx,
          networks.flatMap(({ labels }) => labels["deployment"] ?? []),
        ),
      );
      for (const { name, labels } of networks)
        if (!building.has(labels["deployment"] ?? ""))
          await parts
            .engine()
            .networkRemove(name, { signal })
            .catch((error) => parts.log.debug({ err: error, network: name }, "the network of a build stays for now"));
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
