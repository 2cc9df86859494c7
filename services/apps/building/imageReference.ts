/** Names of images as Docker writes them (distribution, "reference"), in full and bounded to registries of the public internet. */
import { CloudError } from "../../../kernel/errors.ts";

export const baseDomain = "base.khmara.internal";

/**
 * `node:22` → `docker.io/library/node:22`; with a digest the tag goes. invalid_argument for what is no name, and for registries that are
 * no public names: the engine would ask machines of its own network.
 */
export function publicReference(image: string): string {
  const refuse = (why: string) =>
    new CloudError("invalid_argument", `The image ${image.slice(0, 100)} ${why}`, { details: { reason: "image_name_refused" } });
  const [named = "", digest, ...more] = image.split("@");
  if (more.length > 0 || (digest !== undefined && !/^sha256:[0-9a-f]{64}$/.test(digest)))
    throw refuse("has no digest as there is one: @sha256: and 64 hex digits.");
  const slash = named.indexOf("/");
  const first = slash < 0 ? "" : named.slice(0, slash);
  const hasRegistry = /[.:]/.test(first) || first === "localhost";
  const registry = hasRegistry ? first.toLowerCase() : "docker.io";
  const rest = hasRegistry ? named.slice(slash + 1) : named;
  const [, path = "", tag] = /^([^:]+)(?::([^:]+))?$/.exec(rest) ?? [];
  const component = "[a-z0-9]+(?:(?:\\.|_|__|-+)[a-z0-9]+)*";
  if (!new RegExp(`^${component}(?:/${component})*$`).test(path))
    throw refuse("is no name of an image: small letters, digits, . _ - and / are.");
  if (tag !== undefined && !/^\w[\w.-]{0,127}$/.test(tag)) throw refuse("has a tag that cannot be one.");
  const [host = "", port] = registry.split(":");
  const isPublic =
    /^([a-z0-9]([a-z0-9-]*[a-z0-9])?\.)+[a-z][a-z0-9-]*[a-z0-9]$/.test(host) &&
    !/(^|\.)(localhost|local|internal|lan|home|corp|intranet|arpa)$/.test(host) &&
    (port === undefined || /^\d{1,5}$/.test(port));
  if (!isPublic) throw refuse("is not at a public registry. Name one by its domain, such as docker.io or ghcr.io.");
  const full = `${registry}/${registry === "docker.io" && !path.includes("/") ? "library/" : ""}${path}`;
  return digest === undefined ? `${full}:${tag ?? "latest"}` : `${full}@${digest}`;
}
