/**
 * What is ours on an engine that others use too: it carries our cloud's id. All labels of ours are in one label as well, as those of an
 * image come into its containers and into images that are built from it, and it may be anybody's image.
 */
import { createHash } from "node:crypto";
import { CloudError, invalid } from "../../../../kernel/errors.ts";
import type { Labels } from "../../driver.ts";
import type { DockerClient } from "./client.ts";

export interface Engine {
  client: DockerClient;
  ownership: Ownership;
}

export const labelKeys = {
  cloud: "khmara.cloud",
  name: "khmara.name",
  labels: "khmara.labels",
  /** The hash of what it was made from. */
  specification: "khmara.specification",
} as const;

export type EngineLabels = Record<string, string> | null | undefined;

export class Ownership {
  readonly cloudId: string;
  /** Of all names of ours on the engine. */
  readonly #prefix: string;

  constructor(cloudId: string) {
    this.cloudId = cloudId;
    this.#prefix = `kh-${createHash("sha256").update(cloudId).digest("hex").slice(0, 8)}`;
  }

  /** Of a container, a network or a volume. */
  engineName(name: string): string {
    if (!/^[A-Za-z0-9][A-Za-z0-9_.-]{0,199}$/.test(name))
      throw invalid("name", `${name} is no name: use letters, digits, _, . and - (at most 200).`);
    return `${this.#prefix}-${name}`;
  }

  /** Ours, of an engineName; undefined of one that is not ours. */
  nameOf(engineName: string): string | undefined {
    return engineName.startsWith(`${this.#prefix}-`) ? engineName.slice(this.#prefix.length + 1) : undefined;
  }

  /** With a tag. */
  imageReference(name: string): string {
    if (
      !/^[a-z0-9]+(?:[._-]+[a-z0-9]+)*(?:\/[a-z0-9]+(?:[._-]+[a-z0-9]+)*)*(?::\w[\w.-]{0,127})?$/.test(name) ||
      name.length > 200
    )
      throw invalid("name", `${name} is no image name: use small letters, digits, ., _ and -, and a tag after a colon.`);
    return `${this.#prefix}/${name.includes(":") ? name : `${name}:latest`}`;
  }

  /** Undefined of one that is not ours. */
  imageName(reference: string): string | undefined {
    const prefix = `${this.#prefix}/`;
    return reference.startsWith(prefix) ? reference.slice(prefix.length) : undefined;
  }

  labelsFor(name: string, labels: Labels, specification?: unknown): Record<string, string> {
    for (const key of Object.keys(labels))
      if (!/^[a-z0-9_-]{1,60}$/.test(key) || `khmara.${key}` in reserved) throw invalid("labels", `${key} is no key of a label.`);
    return {
      ...Object.fromEntries(Object.entries(labels).map(([key, value]) => [`khmara.${key}`, value])),
      [labelKeys.cloud]: this.cloudId,
      [labelKeys.name]: name,
      [labelKeys.labels]: JSON.stringify(sorted(labels)),
      ...(specification === undefined ? {} : { [labelKeys.specification]: fingerprint(specification) }),
    };
  }

  /** As few as can be: the builder makes a layer for each. The name is the image's own. */
  imageLabels(labels: Labels): Record<string, string> {
    const { [labelKeys.cloud]: cloud = "", [labelKeys.labels]: all = "" } = this.labelsFor("image", labels);
    return { [labelKeys.cloud]: cloud, [labelKeys.labels]: all };
  }

  isOurs(labels: EngineLabels): boolean {
    return labels?.[labelKeys.cloud] === this.cloudId;
  }

  /** For lists and events. */
  filter(more: Record<string, string[]> = {}): string {
    return JSON.stringify({ ...more, label: [`${labelKeys.cloud}=${this.cloudId}`] });
  }
}

const reserved: Record<string, true> = Object.fromEntries(Object.values(labelKeys).map((key) => [key, true as const]));

export const nameIn = (labels: EngineLabels): string => labels?.[labelKeys.name] ?? "";

export function labelsIn(labels: EngineLabels): Record<string, string> {
  try {
    return JSON.parse(labels?.[labelKeys.labels] ?? "{}") as Record<string, string>;
  } catch {
    return {};
  }
}

/** The same for the same content, whatever the order of keys. */
export const fingerprint = (specification: unknown): string =>
  createHash("sha256")
    .update(JSON.stringify(sorted(specification)))
    .digest("hex")
    .slice(0, 32);

function sorted(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(sorted);
  if (value === null || typeof value !== "object") return value;
  const entries = Object.entries(value).filter(([, each]) => each !== undefined);
  return Object.fromEntries(entries.sort(([one], [other]) => (one < other ? -1 : 1)).map(([key, each]) => [key, sorted(each)]));
}

export const sameLabels = (one: Labels, other: Labels): boolean => fingerprint(one) === fingerprint(other);

export const absent = (what: string, name: string, cause?: unknown): CloudError =>
  new CloudError("not_found", `There is no ${what} ${name} on the container engine.`, {
    details: { resource: what },
    ...(cause === undefined ? {} : { cause }),
  });

export const foreign = (what: string, name: string): CloudError =>
  new CloudError(
    "already_exists",
    `The container engine has a ${what} ${name} that Khmara did not make. Rename or remove it there, then try again.`,
    { details: { reason: "engine_foreign", resource: what } },
  );

export const different = (what: string, name: string): CloudError =>
  new CloudError("already_exists", `There is a ${what} ${name} already, made from another specification. Remove it first.`, {
    details: { reason: "engine_different", resource: what },
  });
