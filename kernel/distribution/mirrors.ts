/** Where packages of Debian and Ubuntu come from, as this host's own apt has it: a mirror in the house, a country's own, a proxy. */
import { spawn } from "node:child_process";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";

export type AptDistribution = "debian" | "ubuntu";

/** `security` lies elsewhere with Debian and Ubuntu. */
export interface Mirrors {
  main: string;
  security: string;
}

const publicMirrors = (distribution: AptDistribution, cpu: string): Mirrors => {
  if (distribution === "debian")
    return { main: "http://deb.debian.org/debian", security: "http://deb.debian.org/debian-security" };
  // Ubuntu serves the architectures that are not Intel's from a place of their own.
  if (cpu !== "x64") {
    const main = "http://ports.ubuntu.com/ubuntu-ports";
    return { main, security: main };
  }
  return { main: "http://archive.ubuntu.com/ubuntu", security: "http://security.ubuntu.com/ubuntu" };
};

/** The mirrors to use: the one that was asked for, else the one of this host's apt, else the public one. */
export function aptMirrors(
  distribution: AptDistribution,
  mirror?: string,
  aptFolder = "/etc/apt",
  cpu: string = process.arch,
): Mirrors {
  const fallback = publicMirrors(distribution, cpu);
  if (mirror !== undefined) {
    const main = mirror.replace(/\/+$/, "");
    // Whoever names a mirror of Debian seldom has a second one for security; the public one serves then.
    return { main, security: distribution === "debian" ? fallback.security : main };
  }
  const known = aptAddresses(aptFolder);
  const end = distribution === "debian" ? /\/debian$/ : /\/ubuntu(-ports)?$/;
  const main = known.find((address) => end.test(address) && !/security/.test(address));
  const security = known.find((address) =>
    distribution === "debian" ? /\/debian-security$/.test(address) : end.test(address) && /security/.test(address),
  );
  return {
    main: main ?? fallback.main,
    security: security ?? (distribution === "ubuntu" ? main : undefined) ?? fallback.security,
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
export const aptReleaseFile = (release: string, { main }: Mirrors): string => `${main}/dists/${release}/InRelease`;

/** The lines of sources.list, for a build and for what comes out of it. */
export function aptSources(distribution: AptDistribution, release: string, { main, security }: Mirrors): string[] {
  const components = distribution === "debian" ? "main" : "main universe";
  return [
    `deb ${main} ${release} ${components}`,
    `deb ${main} ${release}-updates ${components}`,
    `deb ${security} ${release}-security ${components}`,
  ];
}

/** `Acquire::http::Proxy "http://cache:3142/"` and the like, as this host's apt has them. */
export async function aptProxies(): Promise<string[]> {
  if (!existsSync("/usr/bin/apt-config")) return [];
  const { promise, resolve: done } = Promise.withResolvers<string>();
  const child = spawn("/usr/bin/apt-config", ["dump", "--format", '%f "%v"%n', "Acquire"], {
    stdio: ["ignore", "pipe", "ignore"],
    timeout: 10_000,
  });
  let text = "";
  child.stdout.on("data", (chunk) => {
    text += chunk;
  });
  child.on("error", () => done(""));
  child.on("close", () => done(text));
  return (await promise).split("\n").filter((line) => /^Acquire::https?::Proxy\S* ".+"$/.test(line));
}

/** Why an address cannot be had is in the message of the error. */
export async function fetchFrom(address: string, signal: AbortSignal | undefined, timeoutMs?: number): Promise<Response> {
  const signals = [signal ?? [], timeoutMs === undefined ? [] : AbortSignal.timeout(timeoutMs)].flat();
  let response: Response;
  try {
    response = await fetch(address, { signal: AbortSignal.any(signals) });
  } catch (error) {
    const cause = (error as { cause?: NodeJS.ErrnoException }).cause;
    throw new Error(
      cause?.code ?? cause?.message ?? ((error as Error).name === "TimeoutError" ? "no answer" : (error as Error).message),
      { cause: error },
    );
  }
  if (response.ok) return response;
  await response.body?.cancel();
  throw new Error(`it answers ${response.status}`);
}
