/** Images of the cloud's own registry to build on: FROM and COPY --from in Dockerfiles. */
import { createHash } from "node:crypto";
import type { Actor } from "../../../kernel/contract.ts";
import type { Bases } from "../deploying/bases.ts";
import type { AppsParts, AppView } from "../parts.ts";
import { findImage, imageTarball } from "./images.ts";
import { inOwnRegistry } from "./names.ts";

/**
 * The same, with those of the registry that whoever deploys may see, as it is at this moment: a tag that moved is another image. failed_precondition
 * `image_not_found` as `findImage` says.
 */
export const withOwnImages = (parts: AppsParts, bases: Bases, app: AppView, actor: Actor): Bases => ({
  ...bases,
  async named(image, call) {
    const own = inOwnRegistry(parts.registryHost, image);
    if (own === undefined) return bases.named(image, call);
    const principal = await parts.identity.principalOf(actor);
    const found = await parts.database.transaction("system", (tx) => findImage(tx, parts, { principal, app, image: own }));
    const engine = parts.engine();
    // A name that no other content ever gets.
    const name = `own/${createHash("sha256").update(`${found.appId} ${found.digest}`).digest("hex").slice(0, 32)}`;
    const there = await engine.imageGet(name, { signal: call.signal });
    if (there) return there;
    call.onLine?.(`--> loading ${image} of the cloud's registry`);
    const signal = call.signal ?? new AbortController().signal;
    const { architecture } = await engine.info({ signal });
    const content = await imageTarball(parts, found, { architecture, signal });
    return engine.imageLoad({ name, labels: { pulled: `${found.appId}@${found.digest}` } }, content, { signal });
  },
});
