/**
 * The engine of applications at a start: found where somebody has one, installed and started where the operator agreed to that, and
 * otherwise named as what is missing. Whatever happens here, the cloud starts.
 */
import { existsSync } from "node:fs";
import { homedir } from "node:os";
import { join } from "node:path";
import type { AppEngineConfig, MissingEngine } from "../../kernel/config.ts";
import { errorCode, StartError } from "../start-error.ts";
import { askDocker, EngineAnswer, type EngineDoor } from "./ask.ts";
import { askConsent, readConsent, rememberConsent, type Terminal } from "./consent.ts";
import { dockerProgram, dockerSocket, startDocker } from "./dockerDaemon.ts";
import { type InstallOptions, installPackages, startUnits } from "./install.ts";
import { systemdRuns } from "./kinds.ts";
import { hostSystem, missingTools, type Tools } from "./packages.ts";
import type { ProvideOptions } from "./provide.ts";

export interface DockerSettings {
  /** `none`; a path; `https://host:2376`. Absent: DOCKER_HOST, or where Docker listens by itself. */
  endpoint?: string | undefined;
  /** What the operator said in this start. */
  install?: boolean | undefined;
}

export interface DockerPlan {
  settings: DockerSettings;
  door: EngineDoor | { refused: string };
  /** Somebody named the engine: it is not replaced by another one. */
  named: boolean;
  consent: boolean;
}

export interface ProvidedDocker {
  config: AppEngineConfig;
  /** For the operator, at the end of the step. */
  message: string;
  /** A daemon without systemd has nobody but us to start it again. */
  daemon?: { logFile: string };
}

export const gatewayProgram = "/usr/sbin/haproxy";
const gatewayTools: Tools = { [gatewayProgram]: "haproxy" };
export const dockerTools: Tools = { [dockerProgram]: "docker.io", "/usr/sbin/iptables": "iptables", ...gatewayTools };

const addCommand = "./khmara up --install-engines";
/** Debian 12's; older ones lack what the driver needs. */
const oldestApi = [1, 41] as const;

const missing = (reason: MissingEngine, hint: string): ProvidedDocker => ({ config: { missing: reason, hint }, message: hint });

/** As Docker's own programs understand it (docs.docker.com/reference/cli/docker, environment variables). */
export function dockerHost(environment: NodeJS.ProcessEnv): EngineDoor | { refused: string } | undefined {
  const host = environment["DOCKER_HOST"];
  if (host === undefined || host === "") return undefined;
  if (host.startsWith("unix://")) return { endpoint: host.slice("unix://".length) };
  const address = /^(?:tcp|https):\/\/([^/]+)\/?$/.exec(host)?.[1];
  if (address === undefined)
    return { refused: `DOCKER_HOST is ${host}, which Khmara does not speak. Use unix:///path, or tcp://host:2376 with TLS.` };
  if (!environment["DOCKER_TLS_VERIFY"] && !host.startsWith("https:"))
    return {
      refused: `DOCKER_HOST is ${host} without TLS: whoever reaches that port is root there. Set DOCKER_TLS_VERIFY=1 and DOCKER_CERT_PATH.`,
    };
  const folder = environment["DOCKER_CERT_PATH"] || join(homedir(), ".docker");
  return {
    endpoint: `https://${address.includes(":") ? address : `${address}:2376`}`,
    tls: { certificateFile: join(folder, "cert.pem"), keyFile: join(folder, "key.pem"), authorityFile: join(folder, "ca.pem") },
  };
}

/** Decides, and asks the operator when that is needed, before anything else writes to the terminal. */
export async function planDocker(
  settings: DockerSettings,
  dataDirectory: string,
  terminal: Terminal,
  environment: NodeJS.ProcessEnv = process.env,
): Promise<DockerPlan> {
  const { endpoint, install } = settings;
  const fromEnvironment = endpoint === undefined ? dockerHost(environment) : undefined;
  const door = endpoint !== undefined ? { endpoint } : (fromEnvironment ?? { endpoint: dockerSocket });
  const named = endpoint !== undefined || fromEnvironment !== undefined;
  if (endpoint === "none") return { settings, door, named, consent: false };
  if (install !== undefined) rememberConsent(dataDirectory, install, "containers");
  let consent = readConsent(dataDirectory, "containers")?.install;
  if (consent === undefined && !named && !existsSync(dockerSocket) && canInstall()) {
    consent = await askConsent(
      terminal,
      "Applications and databases need Docker and HAProxy. Install them from your distribution?",
    );
    if (consent !== undefined) rememberConsent(dataDirectory, consent, "containers");
  }
  return { settings, door, named, consent: consent === true && !named };
}

const canInstall = (): boolean => process.getuid?.() === 0 && hostSystem().debian;

export async function provideDocker(plan: DockerPlan, options: ProvideOptions): Promise<ProvidedDocker> {
  try {
    return await provide(plan, options);
  } catch (error) {
    // Nothing about the engine keeps the rest of the cloud from starting.
    const hint = error instanceof Error ? error.message : String(error);
    return missing(error instanceof StartError ? "start_failed" : "unreachable", hint);
  }
}

async function provide({ settings, door, named, consent }: DockerPlan, options: ProvideOptions): Promise<ProvidedDocker> {
  if (settings.endpoint === "none") return missing("disabled", "Applications are turned off (--docker-socket none).");
  if ("refused" in door) return missing("unreachable", door.refused);
  const first = await visit(door, named, options);
  const why = "missing" in first.config ? first.config.missing : undefined;
  // An engine that is there already still needs the gateway before it, when that was asked for just now.
  if (why === undefined && (consent || settings.install === true) && canInstall()) await addGateway(options);
  // An engine that somebody set up, and that does not let us in, is not replaced by another one.
  if (why !== "not_running") return withDaemon(first, consent, door, options);
  const installed = existsSync(dockerProgram);
  if (!consent)
    return missing(installed ? "not_running" : canInstall() ? "not_installed" : "unsupported", adviceWithout(installed));
  if (!canInstall() && !installed) return missing("unsupported", adviceWithout(installed));
  const { logFolder, signal, onStep } = options;
  const tools = canInstall() ? missingTools(dockerTools) : [];
  const install: InstallOptions = { tools, engine: false, logFile: join(logFolder, "engine-install.log"), signal, onStep };
  if (tools.length > 0) {
    try {
      await installPackages(install);
    } catch (error) {
      if (!(error instanceof StartError) || installed) throw error;
      return missing("install_failed", error.message);
    }
  }
  onStep("starting Docker");
  if (systemdRuns())
    await startUnits(
      { title: "Docker", socketUnit: "docker.socket", serviceUnit: "docker.service", enableService: true },
      install,
    );
  else await startDocker({ logFile: join(logFolder, "docker.log"), signal });
  return withDaemon(await visit(door, named, options), consent, door, options);
}

async function addGateway({ logFolder, signal, onStep }: ProvideOptions): Promise<void> {
  const tools = missingTools(gatewayTools);
  if (tools.length === 0) return;
  const install = { tools, engine: false, logFile: join(logFolder, "engine-install.log"), signal, onStep };
  // What is missing then is told by the gateway itself.
  await installPackages(install).catch(() => {});
}

function withDaemon(found: ProvidedDocker, consent: boolean, door: EngineDoor, { logFolder }: ProvideOptions): ProvidedDocker {
  const ours = consent && !systemdRuns() && door.endpoint === dockerSocket && !("missing" in found.config);
  return ours ? { ...found, daemon: { logFile: join(logFolder, "docker.log") } } : found;
}

function adviceWithout(installed: boolean): string {
  if (process.getuid?.() !== 0) return `Docker does not run on this machine, and only root can change that: sudo ${addCommand}`;
  if (installed) return `Docker is installed and does not run. Start it: ${addCommand}`;
  if (canInstall()) return `There is no Docker on this machine. Add it: ${addCommand}`;
  return "There is no Docker on this machine. Install Docker Engine with what this distribution has for it, then start again.";
}

async function visit(door: EngineDoor, named: boolean, { onStep }: ProvideOptions): Promise<ProvidedDocker> {
  const { endpoint } = door;
  const slow = setTimeout(() => onStep(`waiting for ${endpoint}`), 1000);
  try {
    const { Version, ApiVersion = "0.0" } = await askDocker<{ Version?: string; ApiVersion?: string }>(door, "/version", {
      timeoutMs: named ? 10_000 : 30_000,
    });
    const [major = 0, minor = 0] = ApiVersion.split(".").map(Number);
    if (Version === undefined) return missing("unsupported", `What answers at ${endpoint} is no Docker Engine.`);
    if (major < oldestApi[0] || (major === oldestApi[0] && minor < oldestApi[1]))
      return missing("unsupported", `Docker ${Version} at ${endpoint} is too old. Install Docker 20.10 or later.`);
    return { config: { kind: "docker", ...door }, message: `Docker ${Version}` };
  } catch (error) {
    return refusalOf(error, endpoint, named);
  } finally {
    clearTimeout(slow);
  }
}

function refusalOf(error: unknown, endpoint: string, named: boolean): ProvidedDocker {
  const code = errorCode(error);
  if (code === "EACCES" || code === "EPERM")
    return missing(
      "not_permitted",
      `This user may not use Docker at ${endpoint}. Add it to the group (sudo usermod -aG docker $USER), sign in again, then start again.`,
    );
  if (code === "ENOENT" && endpoint.startsWith("https:"))
    return missing(
      "not_trusted",
      "The certificates for DOCKER_HOST are not there. Put ca.pem, cert.pem and key.pem into DOCKER_CERT_PATH.",
    );
  if (code === "ENOENT" || code === "ECONNREFUSED")
    return named
      ? missing("unreachable", `Nobody answers at ${endpoint}. Check DOCKER_HOST, or start Docker there, then start again.`)
      : missing("not_running", `Nobody answers at ${endpoint}. Start Docker there, or: ${addCommand}`);
  if (error instanceof EngineAnswer && (error.status === 401 || error.status === 403))
    return missing("not_permitted", `Docker at ${endpoint} refuses Khmara: ${error.message}.`);
  const reason = error instanceof Error ? error.message : String(error);
  return missing("unreachable", `Docker at ${endpoint} cannot be used: ${reason}.${named ? " Check DOCKER_HOST." : ""}`);
}
