/** Digests of content (OCI image-spec, descriptor.md, "Digests"): of the algorithms that are registered there those that clients push. */
import { createHash } from "node:crypto";
import { RegistryError } from "./errors.ts";

/** By name, with the hex digits of its digests. */
export const digestAlgorithms = { sha256: 64, sha512: 128 } as const;
export type DigestAlgorithm = keyof typeof digestAlgorithms;

const written = Object.entries(digestAlgorithms).map(([name, digits]) => `${name}:[0-9a-f]{${digits}}`);
export const digestPattern = new RegExp(`^(?:${written.join("|")})$`);
export const digestHint = "sha256: and 64 hex digits, or sha512: and 128";

export const isDigestAlgorithm = (name: string): name is DigestAlgorithm => Object.hasOwn(digestAlgorithms, name);

/** Of a digest that was checked. */
export const algorithmOf = (digest: string): DigestAlgorithm => digest.slice(0, digest.indexOf(":")) as DigestAlgorithm;
export const hexOf = (digest: string): string => digest.slice(digest.indexOf(":") + 1);

export const digestOf = (content: Uint8Array, algorithm: DigestAlgorithm = "sha256"): string =>
  `${algorithm}:${createHash(algorithm).update(content).digest("hex")}`;

/** DIGEST_INVALID for what is none, or of an algorithm that is not kept here. */
export function checkedDigest(text: string): string {
  if (digestPattern.test(text)) return text;
  throw new RegistryError(400, "DIGEST_INVALID", `A digest is ${digestHint} here; other algorithms are not taken.`);
}
