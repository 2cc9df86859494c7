import { aptMirrors, aptReleaseFile, aptSources as linesOf, type Mirrors } from "../../../../kernel/distribution/mirrors.ts";

export type { Mirrors } from "../../../../kernel/distribution/mirrors.ts";

export type Distribution = "debian" | "ubuntu" | "alpine";

/** An operating system that can be built from the mirror of its distribution. */
export interface ImageRecipe {
  id: string;
  title: string;
  distribution: Distribution;
  /** As the mirror calls it. */
  release: string;
  minimumDiskBytes: number;
}

const gigabyte = 1024 ** 3;

export const recipes: readonly ImageRecipe[] = [
  { id: "debian-12", title: "Debian 12", distribution: "debian", release: "bookworm", minimumDiskBytes: 2 * gigabyte },
  { id: "debian-13", title: "Debian 13", distribution: "debian", release: "trixie", minimumDiskBytes: 2 * gigabyte },
  { id: "ubuntu-24.04", title: "Ubuntu 24.04 LTS", distribution: "ubuntu", release: "noble", minimumDiskBytes: 3 * gigabyte },
  { id: "ubuntu-22.04", title: "Ubuntu 22.04 LTS", distribution: "ubuntu", release: "jammy", minimumDiskBytes: 3 * gigabyte },
  { id: "alpine-3.22", title: "Alpine 3.22", distribution: "alpine", release: "v3.22", minimumDiskBytes: gigabyte },
];

const architectures: Record<string, { name: string; alpine: string; debian: string }> = {
  x64: { name: "x86_64", alpine: "x86_64", debian: "amd64" },
  arm64: { name: "aarch64", alpine: "aarch64", debian: "arm64" },
};

/** What this machine is called by the engine, by Alpine and by Debian. */
export const architectureOf = (cpu: string = process.arch) => architectures[cpu] ?? { name: cpu, alpine: cpu, debian: cpu };

/**
 * The mirrors of a recipe: the one that was asked for, else the one that this host's own apt uses (a mirror in the house, a country's
 * own), else the public one.
 */
export function mirrorsOf(recipe: ImageRecipe, mirror?: string, aptFolder?: string): Mirrors {
  if (recipe.distribution !== "alpine") return aptMirrors(recipe.distribution, mirror, aptFolder);
  const main = (mirror ?? "https://dl-cdn.alpinelinux.org/alpine").replace(/\/+$/, "");
  return { main, security: main };
}

/** The file whose presence shows that the mirror has this release. */
export const releaseFile = (recipe: ImageRecipe, mirrors: Mirrors): string =>
  recipe.distribution === "alpine"
    ? `${mirrors.main}/${recipe.release}/releases/${architectureOf().alpine}/latest-releases.yaml`
    : aptReleaseFile(recipe.release, mirrors);

/** The lines of sources.list, for the build and for the guest; Alpine has a file of its own. */
export const aptSources = ({ distribution, release }: ImageRecipe, mirrors: Mirrors): string[] =>
  distribution === "alpine" ? [] : linesOf(distribution, release, mirrors);
