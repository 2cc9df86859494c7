import { spawn } from "node:child_process";
import { appendFileSync } from "node:fs";
import { dirname } from "node:path";
import { makeFolder } from "../durable-file.ts";
import { StartError } from "../start-error.ts";
import { systemdRuns } from "./kinds.ts";
import { engineCandidates, hostSystem } from "./packages.ts";

export interface InstallOptions {
  /** Besides the engine. */
  tools: readonly string[];
  engine: boolean;
  logFile: string;
  signal: AbortSignal;
  onStep: (message: string) => void;
}

const longestMs = 15 * 60_000;

let queue: Promise<unknown> = Promise.resolve();

/**
 * Installs from the distribution's own packages, as root; one call after the other, as apt lets one in at a time. Its whole output is
 * in the log file.
 */
export function installPackages(options: InstallOptions): Promise<void> {
  const installed = queue.then(() => install(options));
  queue = installed.catch(() => {});
  return installed;
}

async function install(options: InstallOptions): Promise<void> {
  const { tools, engine, onStep } = options;
  onStep("reading the lists of packages");
  const update = await run("apt-get", ["-q", "update"], options);
  const packages = [...tools];
  if (engine) {
    const chosen = await available(options);
    if (chosen === undefined) {
      const why =
        update.code === 0
          ? "This distribution has neither LXD nor Incus among its packages"
          : `The lists of packages could not be read (${problem(update.output)})`;
      throw new StartError(`${why}. Install one of them yourself (on Ubuntu: snap install lxd), then start again.`);
    }
    packages.push(...chosen);
  }
  if (packages.length === 0) return;
  onStep(`installing ${packages.join(", ")}`);
  const words = [
    "-q",
    "-y",
    "--no-install-recommends",
    "-o",
    "DPkg::Lock::Timeout=120",
    "-o",
    "Dpkg::Options::=--force-confold",
    "install",
    ...packages,
  ];
  const { code, output } = await run("apt-get", words, options);
  if (code !== 0)
    throw new StartError(`${packages.join(", ")} could not be installed: ${problem(output)}. See ${options.logFile}.`);
  // Debian starts a service when it installs it. This one is only a program to us.
  if (packages.includes("haproxy") && systemdRuns()) await run("systemctl", ["disable", "--now", "haproxy.service"], options);
}

/** The packages of the engine that this distribution has. */
async function available(options: InstallOptions): Promise<readonly string[] | undefined> {
  for (const candidate of engineCandidates(hostSystem())) {
    const { output } = await run("apt-cache", ["policy", candidate[0] as string], options);
    if (/^\s+Candidate: (?!\(none\))\S/m.test(output)) return candidate;
  }
  return undefined;
}

export interface Units {
  title: string;
  /** Connecting to it wakes the service. */
  socketUnit: string;
  serviceUnit: string;
  /** Beside the socket, at every boot: an engine whose containers start with it. */
  enableService?: boolean;
}

/** Lets systemd start it, now and at every boot. */
export async function startUnits(
  { title, socketUnit, serviceUnit, enableService }: Units,
  options: InstallOptions,
): Promise<void> {
  await run("systemctl", ["enable", socketUnit, ...(enableService ? [serviceUnit] : [])], options);
  const { code, output } = await run("systemctl", ["start", socketUnit, serviceUnit], options);
  if (code !== 0)
    throw new StartError(
      `${title} could not be started: ${output.trim().split("\n")[0] ?? ""}. See journalctl -u ${serviceUnit}.`,
    );
}

/** The last thing that apt complained about. */
const problem = (output: string): string =>
  output
    .split("\n")
    .findLast((line) => /^E: |dpkg: error/.test(line))
    ?.replace(/^E: /, "")
    .replace(/\.$/, "") ?? "apt-get failed";

function run(
  program: string,
  words: string[],
  { logFile, signal }: InstallOptions,
): Promise<{ code: number | null; output: string }> {
  makeFolder(dirname(logFile), 0o750);
  appendFileSync(logFile, `${new Date().toISOString()} ${program} ${words.join(" ")}\n`);
  return new Promise((resolve, reject) => {
    const child = spawn(program, words, {
      stdio: ["ignore", "pipe", "pipe"],
      // Not in our session: Ctrl-C would leave dpkg in the middle of a package. It ends with SIGTERM when it is safe to.
      detached: true,
      env: {
        PATH: "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
        HOME: "/root",
        LC_ALL: "C",
        DEBIAN_FRONTEND: "noninteractive",
        NEEDRESTART_SUSPEND: "1",
        ...proxies(),
      },
      signal,
      killSignal: "SIGTERM",
      timeout: longestMs,
    });
    let output = "";
    const take = (chunk: Buffer) => {
      output += chunk;
      appendFileSync(logFile, chunk);
    };
    child.stdout.on("data", take);
    child.stderr.on("data", take);
    child.on("error", (error) => reject(new StartError(`${program} could not be started: ${error.message}.`, { cause: error })));
    child.on("close", (code) => resolve({ code, output }));
  });
}

const proxies = (): NodeJS.ProcessEnv =>
  Object.fromEntries(Object.entries(process.env).filter(([name]) => /^(https?|no|all)_proxy$/i.test(name)));
