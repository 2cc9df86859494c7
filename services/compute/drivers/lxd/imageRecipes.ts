import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";

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

/** Where its packages come from; `security` lies elsewhere with Debian and Ubuntu. */
export interface Mirrors {
  main: string;
  security: string;
}

const architectures: Record<string, { name: string; alpine: string; debian: string }> = {
  x64: { name: "x86_64", alpine: "x86_64", debian: "amd64" },
  arm64: { name: "aarch64", alpine: "aarch64", debian: "arm64" },
};

/** What this machine is called by the engine, by Alpine and by Debian. */
export const architectureOf = (cpu: string = process.arch) => architectures[cpu] ?? { name: cpu, alpine: cpu, debian: cpu };

const publicMirrors = (distribution: Distribution): Mirrors => {
  if (distribution === "debian")
    return { main: "http://deb.debian.org/debian", security: "http://deb.debian.org/debian-security" };
  if (distribution === "alpine") {
    const main = "https://dl-cdn.alpinelinux.org/alpine";
    return { main, security: main };
  }
  // Ubuntu serves the architectures that are not Intel's from a place of their own.
  if (architectureOf().debian !== "amd64") {
    const main = "http://ports.ubuntu.com/ubuntu-ports";
    return { main, security: main };
  }
  return { main: "http://archive.ubuntu.com/ubuntu", security: "http://security.ubuntu.com/ubuntu" };
};

/**
 * The mirrors of a recipe: the one that was asked for, else the one that this host's own apt uses (a mirror in the house, a country's
 * own), else the public one.
 */
export function mirrorsOf(recipe: ImageRecipe, mirror?: string, aptFolder = "/etc/apt"): Mirrors {
  const fallback = publicMirrors(recipe.distribution);
  if (mirror !== undefined) {
    const main = mirror.replace(/\/+$/, "");
    // Whoever names a mirror of Debian seldom has a second one for security; the public one serves then.
    return { main, security: recipe.distribution === "debian" ? fallback.security : main };
  }
  const known = recipe.distribution === "alpine" ? [] : aptAddresses(aptFolder);
  const end = recipe.distribution === "debian" ? /\/debian$/ : /\/ubuntu(-ports)?$/;
  const main = known.find((address) => end.test(address) && !/security/.test(address));
  const security = known.find((address) =>
    recipe.distribution === "debian" ? /\/debian-security$/.test(address) : end.test(address) && /security/.test(address),
  );
  return {
    main: main ?? fallback.main,
    security: security ?? (recipe.distribution === "ubuntu" ? main : undefined) ?? fallback.security,
  };
}

/** Every address in the sources of the host's apt, in both ways of writing. */
function aptAddresses(folder: string): string[] {
  const files = [join(folder, "sources.list")];
  try {
    files.push(...readdirSync(join(folder, "sources.list.d")).map((name) => join(folder, "sources.list.d", name)));
  } catch {
    // No apt on this host.
  }
  return files.flatMap((file) => {
    let text: string;
    try {
      text = readFileSync(file, "utf8");
    } catch {
      return [];
    }
    const lines = text.split("\n").filter((line) => !line.trimStart().startsWith("#"));
    const fields = file.endsWith(".sources")
      ? lines.filter((line) => /^URIs:/i.test(line))
      : lines.filter((line) => /^deb\s/.test(line));
    return fields.flatMap((line) => line.match(/https?:\/\/\S+/g) ?? []).map((address) => address.replace(/\/+$/, ""));
  });
}

/** The file whose presence shows that the mirror has this release. */
export const releaseFile = (recipe: ImageRecipe, mirrors: Mirrors): string =>
  recipe.distribution === "alpine"
    ? `${mirrors.main}/${recipe.release}/releases/${architectureOf().alpine}/latest-releases.yaml`
    : `${mirrors.main}/dists/${recipe.release}/InRelease`;

/** The lines of sources.list, for the build and for the guest. */
export function aptSources(recipe: ImageRecipe, { main, security }: Mirrors): string[] {
  const { release } = recipe;
  const components = recipe.distribution === "debian" ? "main" : "main universe";
  return [
    `deb ${main} ${release} ${components}`,
    `deb ${main} ${release}-updates ${components}`,
    `deb ${security} ${release}-security ${components}`,
  ];
}
