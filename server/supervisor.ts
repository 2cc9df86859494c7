/** `./khmara up`: starts PostgreSQL, the control plane, the object data plane and the voice process, keeps them running, and stops them in order. */
import { existsSync, readFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { type GatewayConfig, packedVariable, type ServerConfig, type VoiceConfig, warmUpVariable } from "../kernel/config.ts";
import { type Child, superviseChild } from "./children.ts";
import { buildConsole } from "./console-build.ts";
import { type DataFolder, dataPaths, ensureMasterKey, openDataFolder, stopLeftChildren } from "./data-folder.ts";
import { keepDaemon } from "./engines/daemon.ts";
import { planDocker, provideDocker } from "./engines/docker.ts";
import { keepDocker } from "./engines/dockerDaemon.ts";
import { planEngine, provideEngine } from "./engines/provide.ts";
import { planGateway, stopGateway } from "./gateway-process.ts";
import { calm, openLogFile, postgresRecord } from "./log-file.ts";
import { optionHelp, readSettings, type Settings } from "./options.ts";
import { checkDatabaseAddress, checkPort, checkUdpPort } from "./ports.ts";
import { type PostgresServer, startPostgres } from "./postgres.ts";
import { startTicks } from "./processes.ts";
import { type Progress, terminalProgress } from "./progress.ts";
import { fileError, StartError } from "./start-error.ts";

const repository = resolve(import.meta.dirname, "..");
/** How long a child may finish what it serves before it is ended. */
const drainMs = 25_000;
/** How long requests that are under way in the gateway may go on then; WebSockets are cut off. */
const gatewayMs = 5_000;

async function up(settings: Settings, progress: Progress): Promise<void> {
  const { dataDirectory } = settings;
  const paths = dataPaths(dataDirectory);
  const cacheFolder = process.env["KHMARA_CACHE"] ?? join(dataDirectory, "cache");
  const { version } = JSON.parse(readFileSync(join(repository, "package.json"), "utf8")) as { version: string };
  const problem = calm(progress.problem);

  const folder = openDataFolder(dataDirectory);
  await stopLeftChildren(dataDirectory);
  const running = new Running(folder, settings.publicUrl, paths.gateway);
  stopOnSignals(running, progress);
  if (settings.voiceOnly) return upVoice(settings, running, version, progress);
  await checkPort(settings.listen, settings.port, "--port");
  await checkPort(settings.listen, settings.s3Port, "--s3-port");
  const sshPort = await checkSshPort(settings, progress);
  const voice = await checkVoicePorts(settings, progress);
  ensureMasterKey(dataDirectory);
  progress.step("Runtime", "Node").done(`Khmara ${version} on Node ${process.versions.node}, data in ${dataDirectory}`);

  // It may ask the operator something: before lines of several steps come at once.
  const terminal = { input: process.stdin, output: process.stdout };
  const enginePlan = await planEngine(settings.engine, dataDirectory, terminal);
  const dockerPlan = await planDocker(settings.docker, dataDirectory, terminal);
  if (running.stopping) return;
  const engine = (async () => {
    const step = progress.step("Engine", "looking for LXD or Incus");
    const onStep = (message: string) => step.update(message);
    const provided = await provideEngine(enginePlan, { logFolder: paths.logs, signal: running.signal, onStep });
    step.done(provided.message);
    if (provided.daemon !== undefined) keepDaemon(provided.daemon, running.signal, problem);
    return provided.config;
  })();
  const apps = (async () => {
    const step = progress.step("Apps", "looking for Docker");
    const onStep = (message: string) => step.update(message);
    const provided = await provideDocker(dockerPlan, { logFolder: paths.logs, signal: running.signal, onStep });
    const gateway = planGateway(provided.config, { folder: paths.gateway, ...settings });
    // One that was left behind by a start that had an engine.
    if ("missing" in gateway) await stopGateway(paths.gateway, 0);
    step.done("missing" in provided.config ? provided.message : `${provided.message}; ${gatewayWords(gateway)}`);
    if (provided.daemon !== undefined) keepDocker(provided.daemon.logFile, running.signal, problem);
    return { appEngine: provided.config, gateway };
  })();
  const console_ = (async () => {
    const step = progress.step("Console", "looking for a build");
    const onBuild = () => step.update("building it, once");
    const built = await buildConsole({ repository, cacheFolder, logFolder: paths.logs, signal: running.signal, onBuild });
    step.done(built === undefined ? "none in this version" : "built");
    return built;
  })();
  const database = (async () => {
    const step = progress.step("Database", "starting");
    if (settings.databaseUrl !== undefined) {
      await checkDatabaseAddress(settings.databaseUrl);
      step.done("your own PostgreSQL");
      return settings.databaseUrl;
    }
    const log = openLogFile(paths.logs, "postgresql");
    const url = await running.keepPostgres(problem, (socketFolder) =>
      startPostgres({
        folder: paths.postgresql,
        passwordFile: paths.databasePassword,
        cacheFolder,
        ...(socketFolder === undefined ? {} : { socketFolder }),
        onLog: (line) => log.write(postgresRecord(line)),
        onStep: (message) => step.update(message),
      }),
    );
    step.done("PostgreSQL runs");
    return url;
  })();
  // The first failure is told at once; what else runs is ended with it.
  const [databaseUrl, consoleDirectory, computeEngine, appsConfig] = await Promise.all([database, console_, engine, apps]);
  if (running.stopping) return;

  const config: ServerConfig = {
    version,
    dataDirectory,
    databaseUrl,
    listen: settings.listen,
    port: settings.port,
    s3Port: settings.s3Port,
    ...(sshPort === undefined ? {} : { sshPort }),
    ...(voice === undefined ? {} : { voice }),
    publicUrl: settings.publicUrl,
    s3Url: settings.s3Url,
    region: settings.region,
    masterKeyFile: paths.masterKey,
    ...(settings.objectCluster === undefined ? {} : { objectCluster: settings.objectCluster }),
    computeEngine,
    ...appsConfig,
    ...(enginePlan.consent ? { buildFirstImage: true } : {}),
    ...(consoleDirectory === undefined ? {} : { consoleDirectory }),
    ...(settings.owner === undefined ? {} : { owner: settings.owner }),
  };
  let objectProcesses = 1;
  let sharing = false;
  // Both at once: most of a start is loading modules, and the object door waits for the migrations by itself.
  const [notice] = await Promise.all([
    startChild("control", "Control plane", "migrations"),
    startChild("objects", "Objects", "starting"),
    ...Array.from({ length: settings.objectProcesses.least - 1 }, () => startObjects()),
  ]);
  progress.line(`Khmara is ready: ${settings.publicUrl}`);
  for (const line of notice) progress.line(line);

  /**
   * Another process at the S3 port (SO_REUSEPORT), as those that are there have more to do than a processor core can. It stays until the next
   * start; one that ends is started again alone, and its connections go to the others meanwhile.
   */
  function shareObjects(): void {
    if (running.stopping || sharing || objectProcesses >= settings.objectProcesses.most) return;
    sharing = true;
    startObjects()
      .catch((error) => problem(`There is no other process for objects: ${(error as Error).message}`))
      .finally(() => {
        sharing = false;
      });
  }

  function startObjects(): Promise<string[]> {
    return startChild(`objects-${++objectProcesses}`, "Objects", "starting another process", "objects");
  }

  /** Only once there is a phone system: a process more takes 100 MB. */
  function startVoice(): void {
    if (voice === undefined || running.stopping || running.children.has("voice")) return;
    startChild("voice", "Phones", "starting").catch((error) => problem(`There are no phones: ${(error as Error).message}`));
  }

  function startChild(name: string, title: string, message: string, entry = name as keyof typeof entries): Promise<string[]> {
    const { owner: _, ...withoutOwner } = config;
    // Only the control plane makes the owner; the fewer processes know the password, the better.
    const own = name === "control" ? config : withoutOwner;
    const told = {
      onPhones: startVoice,
      onBusy: shareObjects,
      onMetrics: (pid: number, snapshot: unknown) => running.children.get("control")?.tell({ type: "metrics", pid, snapshot }),
    };
    return superviseNew({ name, entry, config: own, running, problem, ...told }, progress.step(title, message));
  }
}

/** Phones beside a cloud that runs elsewhere: the voice process alone, on that cloud's database and with its master key. */
async function upVoice(settings: Settings, running: Running, version: string, progress: Progress): Promise<void> {
  const { dataDirectory, databaseUrl, listen, port, s3Port, publicUrl, s3Url, region } = settings;
  const { masterKey } = dataPaths(dataDirectory);
  if (!existsSync(masterKey))
    throw new StartError(
      `The master key of the cloud is missing. Copy its secrets/master.key to ${masterKey} (mode 600), then start again.`,
    );
  const voice = await checkVoicePorts(settings, progress);
  if (voice === undefined || databaseUrl === undefined) throw new StartError("There are no phones to serve: see above.");
  progress.step("Runtime", "Node").done(`Khmara ${version} on Node ${process.versions.node}, data in ${dataDirectory}`);
  await checkDatabaseAddress(databaseUrl);
  const elsewhere = { missing: "disabled", hint: "This server has phones only." } as const;
  const config: ServerConfig = {
    ...{ version, dataDirectory, databaseUrl, listen, port, s3Port, voice, publicUrl, s3Url, region },
    masterKeyFile: masterKey,
    ...{ computeEngine: elsewhere, appEngine: elsewhere, gateway: elsewhere },
  };
  const problem = calm(progress.problem);
  await superviseNew({ name: "voice", entry: "voice", config, running, problem }, progress.step("Phones", "starting"));
  progress.line(`Phones of ${publicUrl} are served here too.`);
}

interface NewChild {
  name: string;
  entry: keyof typeof entries;
  config: ServerConfig;
  running: Running;
  problem: (line: string) => void;
  onPhones?: () => void;
  onBusy?: () => void;
  onMetrics?: (pid: number, snapshot: unknown) => void;
}

/** Resolves when it serves, with what it has to say. */
async function superviseNew(
  { entry, running, problem, ...told }: NewChild,
  step: ReturnType<Progress["step"]>,
): Promise<string[]> {
  const child = superviseChild({
    ...told,
    entry: entries[entry],
    log: openLogFile(dataPaths(told.config.dataDirectory).logs, told.name),
    onProgress: (text) => step.update(text),
    onProblem: problem,
    onChange: () => running.record(),
  });
  running.children.set(told.name, child);
  running.record();
  const lines = await child.ready;
  step.done("serves");
  return lines;
}

/** One that nobody chose may be another's: of the cloud only git over SSH is missing then. */
async function checkSshPort({ listen, ssh }: Settings, progress: Progress): Promise<number | undefined> {
  try {
    if (ssh !== undefined) await checkPort(listen, ssh.port, "--ssh-port");
    return ssh?.port;
  } catch (error) {
    if (!(error instanceof StartError) || !ssh?.isDefault) throw error;
    progress.problem(`There is no git over SSH: ${error.message}`);
    return undefined;
  }
}

/** Without its port for phones the cloud still has browsers' phones; without the one for those it has none. */
async function checkVoicePorts({ listen, voice }: Settings, progress: Progress): Promise<VoiceConfig | undefined> {
  if (voice === undefined) return undefined;
  const { isDefault, tlsPort, certificateFile, isDefaultTurn, turn, wss, ...config } = voice;
  const isFreeOr = async (mayMiss: boolean, missing: string, ...checks: Promise<void>[]) => {
    try {
      await Promise.all(checks);
      return true;
    } catch (error) {
      if (!(error instanceof StartError) || !mayMiss) throw error;
      progress.problem(`${missing}: ${error.message}`);
      return false;
    }
  };
  const isFree = (missing: string, ...checks: Promise<void>[]) => isFreeOr(isDefault, missing, ...checks);
  if (!(await isFree("There are no phones", checkPort("127.0.0.1", config.webSocketPort, "--sip-web-socket-port"))))
    return undefined;
  const sip = [checkPort(listen, config.sipPort, "--sip-port"), checkUdpPort(listen, config.sipPort, "--sip-port")];
  if (!(await isFree("There are phones in browsers only", ...sip))) config.sipPort = 0;
  const hasTls =
    tlsPort !== undefined && (await isFree("There are no phones over TLS", checkPort(listen, tlsPort, "--sip-tls-port")));
  if (wss !== undefined) await checkPort(listen, wss.port, "--sip-wss-port");
  const hasTurn =
    turn !== undefined &&
    (await isFree(
      "There is no TURN",
      checkPort(listen, turn.port, "--turn-port"),
      checkUdpPort(listen, turn.port, "--turn-port"),
    ));
  return {
    ...config,
    ...(hasTurn ? { turn } : {}),
    ...(hasTls ? { tlsPort } : {}),
    ...(wss === undefined ? {} : { wss }),
    ...((hasTls || wss !== undefined) && certificateFile !== undefined ? { certificateFile } : {}),
  };
}

const gatewayWords = (gateway: GatewayConfig): string =>
  "missing" in gateway
    ? gateway.hint
    : `gateway on ${gateway.httpPort}${gateway.httpsPort === undefined ? "" : ` and ${gateway.httpsPort} (HTTPS)`}`;

const packed = process.env[packedVariable] ?? "none";
const entry = (name: string): string =>
  packed === "none" ? join(import.meta.dirname, `${name}.ts`) : join(packed, `${name}.js`);
const entries = { control: entry("control"), objects: entry("objects"), voice: entry("voice") };

/** Everything that was started, and how to end it in order. */
class Running {
  readonly children = new Map<string, Child>();
  stopping = false;
  readonly #helpers = new AbortController();
  #forced = false;
  #postgres: PostgresServer | undefined;
  #postgresStart: Promise<unknown> | undefined;
  readonly #folder: DataFolder;
  readonly #url: string;
  readonly #gateway: string;

  constructor(folder: DataFolder, url: string, gateway: string) {
    this.#folder = folder;
    this.#url = url;
    this.#gateway = gateway;
    this.record();
  }

  /** For processes that only help with the start. */
  get signal(): AbortSignal {
    return this.#helpers.signal;
  }

  record(): void {
    const children = [...this.children].flatMap(([name, child]) => {
      const pid = child.pid();
      return pid === undefined ? [] : [{ name, pid, startTicks: startTicks(pid) }];
    });
    this.#folder.record({ pid: process.pid, url: this.#url, children });
  }

  /** Starts PostgreSQL, and again on the same socket whenever it ends; the children connect again by themselves. */
  async keepPostgres(
    problem: (line: string) => void,
    start: (socketFolder?: string) => Promise<PostgresServer>,
  ): Promise<string> {
    const startTracked = (socketFolder?: string) => {
      const started = start(socketFolder);
      this.#postgresStart = started.catch(() => {});
      return started;
    };
    const watch = (server: PostgresServer) => {
      this.#postgres = server;
      void server.ended.then(async ({ code, signal }) => {
        this.#postgres = undefined;
        for (let pauseMs = 100; !this.stopping; pauseMs = Math.min(pauseMs * 2, 10_000)) {
          problem(`PostgreSQL ended (${signal ?? `exit code ${code}`}); starting it again.`);
          await new Promise((resolve) => setTimeout(resolve, pauseMs));
          if (this.stopping) return;
          try {
            return watch(await startTracked(server.socketFolder));
          } catch (error) {
            problem(error instanceof Error ? error.message : String(error));
          }
        }
      });
    };
    const server = await startTracked();
    watch(server);
    return server.url();
  }

  /** The children drain while the database is still there; then the database. */
  async stop(): Promise<void> {
    this.stopping = true;
    this.#helpers.abort();
    await Promise.all([...this.children.values()].map((child) => child.stop(drainMs)));
    // After the control plane, which would start it again.
    await stopGateway(this.#gateway, this.#forced ? 0 : gatewayMs);
    await this.#postgresStart;
    await this.#postgres?.stop();
    this.#folder.release();
  }

  /** Asked twice: the children end at once. PostgreSQL still writes out what it has, which takes no time without them. */
  force(): void {
    this.#forced = true;
    for (const child of this.children.values()) child.kill();
  }
}

function stopOnSignals(running: Running, progress: Progress): void {
  let asked = 0;
  const stop = async (signal: NodeJS.Signals) => {
    asked += 1;
    if (asked === 2) {
      progress.line("Stopping at once.");
      running.force();
    }
    if (asked > 1) return;
    progress.end();
    progress.line(signal === "SIGINT" ? "Stopping; Ctrl-C again stops at once." : "Stopping.");
    await running.stop();
    progress.line("Khmara has stopped.");
    process.exit(0);
  };
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) process.on(signal, () => void stop(signal));
  onFailure = async () => {
    asked = Math.max(asked, 1);
    await running.stop();
  };
}

/** What must be ended when the start fails half-way. */
let onFailure: () => Promise<void> = async () => {};

if (process.env[warmUpVariable] !== undefined) process.exit(0);
const words = process.argv.slice(2);
if (words.includes("--help") || words.includes("-h")) {
  process.stdout.write(`Starts the cloud and serves it: ./khmara up [options]\n\n${optionHelp()}\n`);
  process.exit(0);
}
const progress = terminalProgress();
let dataDirectory = "The data folder";
try {
  const settings = readSettings(words, process.env);
  dataDirectory = settings.dataDirectory;
  await up(settings, progress);
} catch (thrown) {
  const error = fileError(thrown, (thrown as NodeJS.ErrnoException).path ?? dataDirectory);
  progress.end();
  const text = error instanceof Error ? (error.stack ?? error.message) : String(error);
  progress.problem(error instanceof StartError ? error.message : `Khmara could not start: ${text}`);
  await onFailure();
  process.exit(1);
}
