/**
 * The engine of virtual servers at a start: found where somebody has one, installed and started where the operator agreed to that, and
 * otherwise named as what is missing. Whatever happens here, the cloud starts.
 */
import { existsSync } from "node:fs";
import { join } from "node:path";
import type { ComputeEngineConfig, MissingEngine } from "../../kernel/config.ts";
import type { EngineSettings } from "../options.ts";
import { errorCode, StartError } from "../start-error.ts";
import { askEngine, EngineAnswer, type EngineDoor } from "./ask.ts";
import { askConsent, readConsent, rememberConsent, type Terminal } from "./consent.ts";
import { startDaemon } from "./daemon.ts";
import { type InstallOptions, installPackages, startUnits } from "./install.ts";
import { type EngineKind, engineKinds, folderOf, knownSockets, programOf, socketIn, systemdRuns } from "./kinds.ts";
import { hostSystem, missingTools } from "./packages.ts";
import { ensurePool, PoolProblem } from "./pool.ts";

export interface EnginePlan {
  settings: EngineSettings;
  /** Where an engine may be listening, in the order in which they are tried. */
  doors: readonly EngineDoor[];
  /** The operator agreed that packages are installed and the engine is started. */
  consent: boolean;
}

const addCommand = "./khmara up --install-engines";

const missing = (reason: MissingEngine, hint: string): ComputeEngineConfig => ({ missing: reason, hint });

/** Decides, and asks the operator when that is needed, before anything else writes to the terminal. */
export async function planEngine(settings: EngineSettings, dataDirectory: string, terminal: Terminal): Promise<EnginePlan> {
  const { endpoint, tls } = settings;
  if (endpoint === "none") return { settings, doors: [], consent: false };
  const doors =
    endpoint === undefined
      ? knownSockets()
          .filter((path) => existsSync(path))
          .map((path) => ({ endpoint: path }))
      : [tls === undefined ? { endpoint } : { endpoint, tls }];
  if (settings.install !== undefined) rememberConsent(dataDirectory, settings.install);
  let consent = readConsent(dataDirectory)?.install;
  if (consent === undefined && doors.length === 0 && canInstall()) {
    consent = await askConsent(
      terminal,
      "Virtual servers need LXD or Incus. Install it from your distribution, with a storage pool of at most half of the free disk?",
    );
    if (consent !== undefined) rememberConsent(dataDirectory, consent);
  }
  return { settings, doors, consent: consent === true && endpoint === undefined };
}

const canInstall = (): boolean => process.getuid?.() === 0 && hostSystem().debian;

export interface ProvideOptions {
  logFolder: string;
  signal: AbortSignal;
  onStep: (message: string) => void;
}

export interface ProvidedEngine {
  config: ComputeEngineConfig;
  /** For the operator, at the end of the step. */
  message: string;
  /** A daemon without systemd has nobody but us to start it again. */
  daemon?: { kind: EngineKind; socket: string; logFile: string };
}

export async function provideEngine(plan: EnginePlan, options: ProvideOptions): Promise<ProvidedEngine> {
  try {
    return await provide(plan, options);
  } catch (error) {
    // Nothing about the engine keeps the rest of the cloud from starting.
    const hint = error instanceof Error ? error.message : String(error);
    return none(missing(error instanceof StartError ? "start_failed" : "unreachable", hint));
  }
}

const none = (config: ComputeEngineConfig): ProvidedEngine => ({
  config,
  message: "hint" in config ? config.hint : "",
});

async function provide(plan: EnginePlan, options: ProvideOptions): Promise<ProvidedEngine> {
  const { settings, doors, consent } = plan;
  if (settings.endpoint === "none") return none(missing("disabled", "Virtual servers are turned off (--engine-socket none)."));
  let refusal: ComputeEngineConfig | undefined;
  for (const door of doors) {
    const found = await visit(door, plan, options);
    if (!("missing" in found)) {
      // What networks and images need besides, when it was asked for just now.
      const tools = settings.install === true && canInstall() ? missingTools() : [];
      if (tools.length > 0) await installPackages(installation(tools, false, options)).catch(() => {});
      return withPool(found, plan, options);
    }
    refusal ??= found;
  }
  // An engine that somebody else set up, and that does not let us in, is not replaced by another one.
  const [first] = doors;
  if (refusal !== undefined && (refusal as { missing: MissingEngine }).missing !== "not_running") return none(refusal);
  if (first !== undefined && settings.endpoint !== undefined) return none(refusal as ComputeEngineConfig);
  const installed = (["incus", "lxd"] as const).find((kind) => programOf(kind) !== undefined);
  if (!consent) {
    if (!canInstall()) return none(notHere());
    const what =
      installed === undefined
        ? "There is no engine for virtual servers on this machine"
        : `${engineKinds[installed].title} is installed and does not run`;
    return none(
      missing(
        installed === undefined ? "not_installed" : "not_running",
        `${what}. ${installed === undefined ? "Add one" : "Start it"}: ${addCommand}`,
      ),
    );
  }
  if (!canInstall() && installed === undefined) return none(notHere());
  return installAndStart(installed, plan, options);
}

function notHere(): ComputeEngineConfig {
  if (process.getuid?.() !== 0)
    return missing(
      "unsupported",
      "There is no engine for virtual servers on this machine, and only root can add one: sudo ./khmara up --install-engines",
    );
  return missing(
    "unsupported",
    "There is no engine for virtual servers on this machine. Install LXD or Incus with what this distribution has for it, then start again.",
  );
}

interface Visit {
  door: EngineDoor;
  kind: EngineKind;
  version: string;
}

/** Whether an engine answers there, and lets us in. One that systemd or snap has to wake may take a while. */
async function visit(
  door: EngineDoor,
  plan: EnginePlan,
  options: ProvideOptions,
): Promise<Visit | { missing: MissingEngine; hint: string }> {
  const { endpoint } = door;
  const slow = setTimeout(() => options.onStep(`waiting for ${endpoint}`), 1000);
  try {
    const info = await askEngine<{ auth?: string; environment?: { server?: string; server_version?: string } }>(
      door,
      "GET",
      "/1.0",
      {
        timeoutMs: plan.settings.endpoint === undefined ? 30_000 : 10_000,
      },
    );
    if (info.auth !== "trusted")
      return {
        missing: "not_trusted",
        hint: `The engine at ${endpoint} does not know Khmara. Trust the certificate of --engine-certificate there, then start again.`,
      };
    return {
      door,
      kind: info.environment?.server === "incus" ? "incus" : "lxd",
      version: info.environment?.server_version ?? "",
    };
  } catch (error) {
    return refusalOf(error, endpoint, plan.settings.endpoint !== undefined);
  } finally {
    clearTimeout(slow);
  }
}

function refusalOf(error: unknown, endpoint: string, named: boolean): { missing: MissingEngine; hint: string } {
  const code = errorCode(error);
  const check = named ? " Check --engine-socket, or start the engine, then start again." : "";
  if (code === "EACCES" || code === "EPERM") {
    const group = endpoint.includes("incus") ? engineKinds.incus.group : engineKinds.lxd.group;
    return {
      missing: "not_permitted",
      hint: `This user may not use the engine at ${endpoint}. Add it to the group (sudo usermod -aG ${group} $USER), sign in again, then start again.`,
    };
  }
  if (code === "ENOENT" || code === "ECONNREFUSED")
    return {
      missing: named ? "unreachable" : "not_running",
      hint: `Nobody answers at ${endpoint}.${check || ` Start the engine there, or: ${addCommand}`}`,
    };
  if (error instanceof EngineAnswer && (error.status === 401 || error.status === 403))
    return { missing: "not_permitted", hint: `The engine at ${endpoint} refuses Khmara: ${error.message}.` };
  const reason = error instanceof Error ? error.message : String(error);
  return { missing: "unreachable", hint: `The engine at ${endpoint} cannot be used: ${reason}.${check}` };
}

const installation = (tools: string[], engine: boolean, { logFolder, signal, onStep }: ProvideOptions): InstallOptions => ({
  tools,
  engine,
  logFile: join(logFolder, "engine-install.log"),
  signal,
  onStep,
});

async function installAndStart(
  installed: EngineKind | undefined,
  plan: EnginePlan,
  options: ProvideOptions,
): Promise<ProvidedEngine> {
  const { logFolder, signal, onStep } = options;
  const tools = canInstall() ? missingTools() : [];
  const install = installation(tools, installed === undefined, options);
  if (install.engine || tools.length > 0) {
    try {
      await installPackages(install);
    } catch (error) {
      if (!(error instanceof StartError)) throw error;
      if (install.engine) return none(missing("install_failed", error.message));
      // The engine is here; what else is missing is told by what needs it.
    }
  }
  const kind = installed ?? (["incus", "lxd"] as const).find((each) => programOf(each) !== undefined);
  if (kind === undefined)
    return none(missing("install_failed", `The engine was installed, and is not there. See ${install.logFile}.`));
  const { title } = engineKinds[kind];
  onStep(`starting ${title}`);
  const socket = socketIn(folderOf(kind));
  const logFile = join(logFolder, `${kind}.log`);
  if (systemdRuns()) await startUnits(engineKinds[kind], install);
  else await startDaemon({ kind, logFile, signal });
  const found = await visit({ endpoint: socket }, plan, options);
  return "missing" in found ? none(found) : withPool(found, plan, options);
}

async function withPool(
  { door, kind, version }: Visit,
  { settings, consent }: EnginePlan,
  options: ProvideOptions,
): Promise<ProvidedEngine> {
  const { title } = engineKinds[kind];
  let pool: { name: string; notice?: string };
  try {
    options.onStep(`looking at the storage of ${title}`);
    pool = await ensurePool(door, settings.pool);
  } catch (error) {
    if (error instanceof PoolProblem) return none(missing("pool_failed", error.message));
    if (error instanceof EngineAnswer) return none(missing("pool_failed", `${title} refuses: ${error.message}.`));
    throw error;
  }
  const tools = door.endpoint.startsWith("https:") || !hostSystem().debian ? [] : missingTools();
  const words = [`${title} ${version}, pool ${pool.name}`];
  if (pool.notice !== undefined) words.push(pool.notice);
  if (tools.length > 0 && !consent) words.push(`missing for networks and images: ${tools.join(", ")} (${addCommand} adds them)`);
  const { endpoint, tls } = door;
  const ours = consent && !systemdRuns() && endpoint === socketIn(folderOf(kind));
  return {
    config: { kind, endpoint, pool: pool.name, ...(tls === undefined ? {} : { tls }) },
    message: words.join("; "),
    ...(ours ? { daemon: { kind, socket: endpoint, logFile: join(options.logFolder, `${kind}.log`) } } : {}),
  };
}
