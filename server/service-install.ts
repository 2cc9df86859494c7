/** `./khmara service install|uninstall|status`: lets systemd start the cloud at every boot. */
import { spawnSync } from "node:child_process";
import { existsSync, rmSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import { dataPaths } from "./data-folder.ts";
import { makeFolder, writeDurable } from "./durable-file.ts";
import { planDocker, provideDocker } from "./engines/docker.ts";
import { planEngine, provideEngine } from "./engines/provide.ts";
import { optionHelp, optionVariables, readSettings, type Settings } from "./options.ts";
import { terminalProgress } from "./progress.ts";
import { fileError, StartError } from "./start-error.ts";
import { databaseUser } from "./system-user.ts";

const unitFile = "/etc/systemd/system/khmara.service";
/** Settings from the environment; secrets among them, so only root may read it. */
const environmentFile = "/etc/khmara/environment";

export interface ServiceUnit {
  repository: string;
  /** Options of `up`, as they were given. */
  words: string[];
  settings: Settings;
  cacheFolder: string;
  path: string;
  node?: string | undefined;
  /** Whether virtual servers or apps run here: then networks, disks, control groups and firewall of this host are in its hands. */
  managesHost?: boolean;
}

/** What is refused by the system even to a process of Khmara that was taken over. */
const confined = (
  writable: string[],
  home: boolean,
): string => `# The supervisor stops its own processes, in order; whatever is left after the time is ended.
KillMode=mixed
RuntimeDirectory=khmara

ProtectSystem=strict
ReadWritePaths=${writable.map((folder) => quote(`-${folder}`)).join(" ")}
ProtectHome=${home ? "no" : "yes"}
PrivateTmp=yes
PrivateDevices=yes
ProtectClock=yes
ProtectControlGroups=yes
ProtectHostname=yes
ProtectKernelLogs=yes
ProtectKernelModules=yes
ProtectKernelTunables=yes
RestrictAddressFamilies=AF_UNIX AF_INET AF_INET6 AF_NETLINK
RestrictSUIDSGID=yes
# To hand PostgreSQL to its own user, to look after it, and to listen on ports below 1024.
CapabilityBoundingSet=CAP_CHOWN CAP_DAC_OVERRIDE CAP_FOWNER CAP_SETUID CAP_SETGID CAP_KILL CAP_SYS_PTRACE CAP_NET_BIND_SERVICE`;

/** A mount namespace of its own would keep the namespaces of networks to itself, and lose them at each restart. */
const managing = `# Networks of virtual servers and the gateway of the apps go on while Khmara restarts: their DHCP, DNS and load balancers are left alone. The supervisor stops
# its own processes, in order, the gateway too.
KillMode=process
RestrictAddressFamilies=AF_UNIX AF_INET AF_INET6 AF_NETLINK AF_PACKET`;

export function unitText(unit: ServiceUnit): string {
  const writable = [unit.settings.dataDirectory, unit.cacheFolder, unit.repository];
  const home = writable.some((folder) => /^\/(home|root|run\/user)(\/|$)/.test(folder));
  const command = [join(unit.repository, "khmara"), "up", ...absolutePaths(unit.words)].map(quote).join(" ");
  const environment = [`PATH=${unit.path}`, `KHMARA_CACHE=${unit.cacheFolder}`];
  if (unit.node !== undefined) environment.push(`KHMARA_NODE=${unit.node}`);
  return `[Unit]
Description=Khmara: this server as a cloud
Wants=network-online.target
After=network-online.target lxd.socket snap.lxd.daemon.unix.socket incus.socket docker.socket

[Service]
Type=exec
ExecStart=${command}
${environment.map((entry) => `Environment=${quote(entry)}`).join("\n")}
EnvironmentFile=-${environmentFile}
Restart=always
RestartSec=3
TimeoutStopSec=100
LimitNOFILE=65536
NoNewPrivileges=yes
RestrictRealtime=yes
LockPersonality=yes
SystemCallArchitectures=native
${unit.managesHost ? managing : confined(writable, home)}

[Install]
WantedBy=multi-user.target
`;
}

/** systemd's quoting; \`%\` and \`$\` mean something to it as well. */
const quote = (text: string): string => {
  const escaped = text.replaceAll("\\", "\\\\").replaceAll('"', '\\"').replaceAll("%", "%%").replaceAll("$", "$$$$");
  return /^[\w@+=:,./-]+$/.test(text) ? text : `"${escaped}"`;
};

/** The service starts in another folder than this one. */
function absolutePaths(words: string[]): string[] {
  const paths = [
    "--data",
    "--owner-password-file",
    "--engine-certificate",
    "--engine-server-certificate",
    "--object-cluster-keys",
  ];
  return words.map((word, i) => {
    const [flag = "", value] = word.split(/=(.*)/s);
    if (paths.includes(flag) && value !== undefined) return `${flag}=${resolve(value)}`;
    return paths.includes(words[i - 1] ?? "") ? resolve(word) : word;
  });
}

/** Docker's own, which say where an engine elsewhere is. */
const dockerVariables = ["DOCKER_HOST", "DOCKER_TLS_VERIFY", "DOCKER_CERT_PATH"];

export const environmentText = (environment: NodeJS.ProcessEnv): string =>
  [...optionVariables, ...dockerVariables]
    .filter((name) => environment[name])
    .map((name) => `${name}="${(environment[name] as string).replaceAll("\\", "\\\\").replaceAll('"', '\\"')}"\n`)
    .join("");

function systemctl(...words: string[]): void {
  const { status, stderr, error } = spawnSync("systemctl", words, { encoding: "utf8" });
  if (status === 0) return;
  throw new StartError(`systemctl ${words.join(" ")} failed: ${(error?.message ?? stderr).trim().split("\n")[0]}`);
}

function needSystemd(): void {
  if (!existsSync("/run/systemd/system")) {
    throw new StartError("This machine does not run systemd. Let its own init start this instead: ./khmara up");
  }
  if (process.getuid?.() !== 0) throw new StartError("A service is installed by root. Try again with: sudo ./khmara service …");
}

/** Engines are added now, where it can be watched and nothing confines it; the service finds them. Whether one of them is on this host. */
async function addEngines({ dataDirectory, engine, docker }: Settings): Promise<boolean> {
  const terminal = { input: process.stdin, output: process.stdout };
  const enginePlan = await planEngine(engine, dataDirectory, terminal);
  const dockerPlan = await planDocker(docker, dataDirectory, terminal);
  const { signal } = new AbortController();
  const logFolder = dataPaths(dataDirectory).logs;
  const progress = terminalProgress();
  let here = engine.endpoint?.startsWith("/") === true;
  if (engine.endpoint === undefined) {
    const step = progress.step("Engine", "looking for LXD or Incus");
    const provided = await provideEngine(enginePlan, { logFolder, signal, onStep: (message) => step.update(message) });
    step.done(provided.message);
    here = "pool" in provided.config;
  }
  const step = progress.step("Apps", "looking for Docker");
  const { config, message } = await provideDocker(dockerPlan, { logFolder, signal, onStep: (text) => step.update(text) });
  step.done(message);
  return here || ("endpoint" in config && config.endpoint.startsWith("/"));
}

async function install(words: string[]): Promise<void> {
  const print = words.includes("--print");
  const options = words.filter((word) => word !== "--print");
  const settings = readSettings(options, process.env);
  const unit: ServiceUnit = {
    repository: resolve(import.meta.dirname, ".."),
    words: options,
    settings,
    cacheFolder: process.env["KHMARA_CACHE"] ?? "/var/cache/khmara",
    path: process.env["PATH"] ?? "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
    node: process.env["KHMARA_NODE"],
    managesHost:
      settings.engine.install === true ||
      settings.engine.endpoint?.startsWith("/") === true ||
      settings.docker.endpoint?.startsWith("/") === true,
  };
  if (print) {
    process.stdout.write(unitText(unit));
    return;
  }
  needSystemd();
  // The service itself cannot write to /etc.
  if (settings.databaseUrl === undefined) databaseUser();
  for (const folder of [settings.dataDirectory, process.env["KHMARA_CACHE"] ?? "/var/cache/khmara"]) {
    if (!existsSync(folder)) makeFolder(folder, 0o711);
  }
  const environment = environmentText(process.env);
  if (environment !== "") {
    makeFolder(dirname(environmentFile), 0o755);
    writeDurable(environmentFile, environment, { mode: 0o600 });
  }
  const managesHost = await addEngines(settings);
  writeDurable(unitFile, unitText({ ...unit, managesHost }), { mode: 0o644 });
  systemctl("daemon-reload");
  systemctl("enable", "--now", "khmara.service");
  process.stdout.write(
    `Khmara is a service now, and starts at every boot: ${settings.publicUrl}\nIts words: journalctl -u khmara\n`,
  );
}

function uninstall(): void {
  needSystemd();
  if (!existsSync(unitFile)) throw new StartError("Khmara is not installed as a service.");
  systemctl("disable", "--now", "khmara.service");
  rmSync(unitFile);
  rmSync(environmentFile, { force: true });
  systemctl("daemon-reload");
  process.stdout.write("Khmara is no service any more. Its data is kept.\n");
}

function status(): void {
  if (!existsSync(unitFile)) throw new StartError("Khmara is not installed as a service. Do it with: ./khmara service install");
  process.exitCode = spawnSync("systemctl", ["status", "--no-pager", "khmara.service"], { stdio: "inherit" }).status ?? 1;
}

const usage = `./khmara service install [options of up]   write the unit, enable and start it
./khmara service install --print           only print the unit
./khmara service uninstall                 stop and remove it; the data is kept
./khmara service status

${optionHelp()}
`;

if (import.meta.main) {
  const [verb, ...words] = process.argv.slice(2);
  try {
    if (verb === undefined || verb === "help" || verb === "--help" || words.includes("--help")) process.stdout.write(usage);
    else if (verb === "install") await install(words);
    else if (verb === "uninstall") uninstall();
    else if (verb === "status") status();
    else throw new StartError(`Unknown word ${verb}. See ./khmara service --help.`);
  } catch (thrown) {
    const error = fileError(thrown, (thrown as NodeJS.ErrnoException).path ?? unitFile);
    if (!(error instanceof StartError)) throw error;
    process.stderr.write(`khmara: ${error.message}\n`);
    process.exitCode = 1;
  }
}
