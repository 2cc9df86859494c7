import { readFileSync } from "node:fs";
import { isIP } from "node:net";
import { availableParallelism, homedir, networkInterfaces } from "node:os";
import { join, resolve } from "node:path";
import type { ObjectClusterConfig, OwnerConfig } from "../kernel/config.ts";
import type { EngineTls } from "./engines/ask.ts";
import type { DockerSettings } from "./engines/docker.ts";
import { clusterSettings } from "./object-options.ts";
import { checkPem, type Given, portNumber, portOrNone, processNumber } from "./option-values.ts";
import { errorCode, StartError } from "./start-error.ts";
import { checkVoiceOnly, type VoiceSettings, voiceSettings } from "./voice-options.ts";

/** What `./khmara up` was asked to do. */
export interface Settings {
  dataDirectory: string;
  listen: string;
  port: number;
  s3Port: number;
  /** That serve S3: so many from the start, and more once those are busy. */
  objectProcesses: { least: number; most: number };
  objectCluster?: ObjectClusterConfig;
  /** git over SSH. Absent: there is none. */
  ssh?: {
    port: number;
    /** Nobody chose it: a start goes on without it when it is taken. */
    isDefault: boolean;
  };
  publicUrl: string;
  s3Url: string;
  region: string;
  /** Absent: the embedded PostgreSQL. */
  databaseUrl?: string;
  owner?: OwnerConfig;
  engine: EngineSettings;
  /** The engine of apps and databases. */
  docker: DockerSettings;
  /** Phone calls. Absent: there are none. */
  voice?: VoiceSettings;
  /** Nothing but phones: console, objects and the rest of the cloud are elsewhere. */
  voiceOnly?: boolean;
  /** Of the gateway before the apps. Absent: there is none. */
  httpPort?: number;
  /** Absent: no HTTPS. */
  httpsPort?: number;
}

/** The engine of virtual servers. */
export interface EngineSettings {
  /** The path of a socket, `https://host:8443`, or `none`. Absent: where the distributions put it. */
  endpoint?: string;
  /** A disk (/dev/sdb), or the name of a pool. */
  pool?: string;
  tls?: EngineTls;
  /** Whether packages may be installed and the engine be started. Absent: as it was said before. */
  install?: boolean;
}

interface Option {
  /** Absent: in the environment only, as the value is a secret. */
  flag?: string;
  /** Absent: a word that stands alone; `--install-engines=no` takes it back. */
  value?: string;
  variable: string;
  help: string;
}

const options = {
  data: { flag: "--data", value: "DIR", variable: "KHMARA_DATA", help: "folder of all data (default: see below)" },
  port: { flag: "--port", value: "PORT", variable: "KHMARA_PORT", help: "console and API (default: 8080)" },
  s3Port: { flag: "--s3-port", value: "PORT", variable: "KHMARA_S3_PORT", help: "S3 (default: 9000)" },
  objectProcesses: {
    flag: "--object-processes",
    value: "NUMBER",
    variable: "KHMARA_OBJECT_PROCESSES",
    help: "that serve S3 (default: 1, under load one for each core, 4 at most)",
  },
  objectCluster: {
    flag: "--object-cluster",
    value: "URL",
    variable: "KHMARA_OBJECT_CLUSTER",
    help: "bucket of a storage cluster for objects (https://host/bucket)",
  },
  objectClusterKeys: {
    flag: "--object-cluster-keys",
    value: "FILE",
    variable: "KHMARA_OBJECT_CLUSTER_KEYS",
    help: "file with ACCESS-KEY-ID:SECRET-KEY for it",
  },
  objectEngine: {
    flag: "--object-engine",
    value: "local|cluster",
    variable: "KHMARA_OBJECT_ENGINE",
    help: "where new buckets lie (default: local)",
  },
  sshPort: {
    flag: "--ssh-port",
    value: "PORT|none",
    variable: "KHMARA_SSH_PORT",
    help: "git over SSH (default: 2222)",
  },
  sipPort: { flag: "--sip-port", value: "PORT|none", variable: "KHMARA_SIP_PORT", help: "phones, UDP and TCP (default: 5060)" },
  sipTlsPort: {
    flag: "--sip-tls-port",
    value: "PORT|none",
    variable: "KHMARA_SIP_TLS_PORT",
    help: "phones over TLS (default: 5061, with a certificate)",
  },
  sipWebSocketPort: {
    flag: "--sip-web-socket-port",
    value: "PORT",
    variable: "KHMARA_SIP_WEB_SOCKET_PORT",
    help: "where the console hands browsers' phones on to (default: 5066)",
  },
  rtpPorts: {
    flag: "--rtp-ports",
    value: "FROM-TO",
    variable: "KHMARA_RTP_PORTS",
    help: "what is said on the phone, UDP (default: 20000-20999)",
  },
  voiceAddress: {
    flag: "--voice-address",
    value: "ADDRESS[,ADDRESS]",
    variable: "KHMARA_VOICE_ADDRESS",
    help: "IP address where phones reach this server, one of IPv4, of IPv6 or of both (default: from --listen)",
  },
  turnPort: {
    flag: "--turn-port",
    value: "PORT|none",
    variable: "KHMARA_TURN_PORT",
    help: "TURN for browsers that UDP does not reach (default: 3478, where coturn is installed)",
  },
  voiceCertificate: {
    flag: "--voice-certificate",
    value: "FILE",
    variable: "KHMARA_VOICE_CERTIFICATE",
    help: "certificate and key for phones over TLS (PEM)",
  },
  sipWssPort: {
    flag: "--sip-wss-port",
    value: "PORT|none",
    variable: "KHMARA_SIP_WSS_PORT",
    help: "phones of browsers, without the console between (default: none)",
  },
  voiceName: {
    flag: "--voice-name",
    value: "NAME",
    variable: "KHMARA_VOICE_NAME",
    help: "name of this server for browsers' phones (default: from --public-url)",
  },
  sipName: {
    flag: "--sip-name",
    value: "NAME",
    variable: "KHMARA_SIP_NAME",
    help: "name that phones are given; its SRV records lead to all voice servers",
  },
  rtpengine: {
    flag: "--rtpengine",
    value: "ADDRESS:PORT,…",
    variable: "KHMARA_RTPENGINE",
    help: "rtpengines before the media, by their ng protocol (default: none)",
  },
  voiceOnly: {
    flag: "--voice-only",
    variable: "KHMARA_VOICE_ONLY",
    help: "only phones, beside a cloud that runs elsewhere on the same database",
  },
  listen: { flag: "--listen", value: "ADDRESS", variable: "KHMARA_LISTEN", help: "address to listen on (default: 127.0.0.1)" },
  publicUrl: {
    flag: "--public-url",
    value: "URL",
    variable: "KHMARA_PUBLIC_URL",
    help: "how people reach the console (default: from --listen)",
  },
  s3Url: {
    flag: "--s3-url",
    value: "URL",
    variable: "KHMARA_S3_URL",
    help: "how S3 clients reach the objects (default: from --listen)",
  },
  region: { flag: "--region", value: "NAME", variable: "KHMARA_REGION", help: "region that S3 clients see (default: us-east-1)" },
  ownerEmail: {
    flag: "--owner-email",
    value: "EMAIL",
    variable: "KHMARA_OWNER_EMAIL",
    help: "owner of the cloud, for an unattended first start",
  },
  ownerPasswordFile: {
    flag: "--owner-password-file",
    value: "FILE",
    variable: "KHMARA_OWNER_PASSWORD_FILE",
    help: "file with the owner's password",
  },
  ownerPassword: { value: "SECRET", variable: "KHMARA_OWNER_PASSWORD", help: "the owner's password itself" },
  databaseUrl: { value: "URL", variable: "KHMARA_DATABASE_URL", help: "a PostgreSQL of your own instead of the embedded one" },
  installEngines: {
    flag: "--install-engines",
    variable: "KHMARA_INSTALL_ENGINES",
    help: "install and start LXD or Incus, Docker and HAProxy",
  },
  dockerSocket: {
    flag: "--docker-socket",
    value: "PATH|none",
    variable: "KHMARA_DOCKER_SOCKET",
    help: "Docker for apps and databases (default: DOCKER_HOST, or its own)",
  },
  httpPort: {
    flag: "--http-port",
    value: "PORT|none",
    variable: "KHMARA_HTTP_PORT",
    help: "gateway of the apps (default: 8000; a server of its own: 80)",
  },
  httpsPort: {
    flag: "--https-port",
    value: "PORT|none",
    variable: "KHMARA_HTTPS_PORT",
    help: "the same for HTTPS (default: 8001; a server of its own: 443)",
  },
  engineSocket: {
    flag: "--engine-socket",
    value: "PATH|URL",
    variable: "KHMARA_ENGINE_SOCKET",
    help: "an LXD or Incus of your own; none: no virtual servers",
  },
  enginePool: {
    flag: "--engine-pool",
    value: "DISK|POOL",
    variable: "KHMARA_ENGINE_POOL",
    help: "an empty disk, or a pool of the engine (default: a file)",
  },
  engineCertificate: {
    flag: "--engine-certificate",
    value: "FILE",
    variable: "KHMARA_ENGINE_CERTIFICATE",
    help: "certificate and key for an engine at a URL (PEM)",
  },
  engineServerCertificate: {
    flag: "--engine-server-certificate",
    value: "FILE",
    variable: "KHMARA_ENGINE_SERVER_CERTIFICATE",
    help: "certificate that this engine shows (PEM)",
  },
} as const satisfies Record<string, Option>;

type OptionName = keyof typeof options;

export const optionVariables: string[] = Object.values(options).map((option) => option.variable);

export const optionHelp = (): string => {
  const lines = Object.values<Option>(options).map(({ flag, value, variable, help }) => {
    const name = flag === undefined ? "" : `${flag} ${value ?? ""}`;
    return `  ${name.padEnd(34)}${variable.padEnd(34)}${help}`;
  });
  return [
    `  ${"option".padEnd(34)}${"or in the environment".padEnd(34)}`,
    ...lines,
    "",
    "Data lies in /var/lib/khmara when started as root, and in ~/.local/share/khmara otherwise.",
  ].join("\n");
};

/** Throws a `StartError` that says what is wrong; an option on the command line wins over the environment. */
export function readSettings(words: string[], environment: NodeJS.ProcessEnv): Settings {
  const given = readWords(words);
  for (const [name, { variable }] of Object.entries(options) as [OptionName, Option][]) {
    const value = environment[variable];
    if (given[name] === undefined && value !== undefined && value !== "") given[name] = { value, from: variable };
  }
  const listen = listenAddress(given.listen);
  const port = portNumber(given.port, 8080);
  const s3Port = portNumber(given.s3Port, 9000);
  const sshPort = portOrNone(given.sshPort, 2222);
  const httpPort = portOrNone(given.httpPort, 8000);
  const httpsPort = httpPort === undefined ? undefined : portOrNone(given.httpsPort, 8001);
  const host = visibleHost(listen);
  const publicUrl = webAddress(given.publicUrl) ?? `http://${host}:${port}`;
  const voice = voiceSettings(given, { listen, visible: visibleAddress(listen) }, new URL(publicUrl).hostname);
  const ports = {
    "--port": port,
    "--s3-port": s3Port,
    "--ssh-port": sshPort,
    "--sip-port": voice?.sipPort,
    "--sip-tls-port": voice?.tlsPort,
    "--sip-web-socket-port": voice?.webSocketPort,
    "--sip-wss-port": voice?.wss?.port,
    "--turn-port": voice?.turn?.port,
    "--http-port": httpPort,
    "--https-port": httpsPort,
  };
  for (const [i, [one, number]] of Object.entries(ports).entries())
    for (const [other, same] of Object.entries(ports).slice(i + 1))
      if (number !== undefined && number === same)
        throw new StartError(`${one} and ${other} are both ${number}. Give them different numbers.`);
  const owner = ownerOf(given);
  const databaseUrl = databaseAddress(given.databaseUrl);
  const voiceOnly = given.voiceOnly !== undefined && yesOrNo(given.voiceOnly);
  if (voiceOnly) checkVoiceOnly(given.voiceOnly?.from ?? "", voice, databaseUrl);
  const objectCluster = clusterSettings(given);
  return {
    dataDirectory: resolve(given.data?.value ?? defaultDataDirectory(environment)),
    listen,
    port,
    s3Port,
    objectProcesses: {
      least: processNumber(given.objectProcesses, 1),
      most: processNumber(given.objectProcesses, Math.min(availableParallelism(), 4)),
    },
    ...(objectCluster === undefined ? {} : { objectCluster }),
    ...(sshPort === undefined ? {} : { ssh: { port: sshPort, isDefault: given.sshPort === undefined } }),
    publicUrl,
    s3Url: webAddress(given.s3Url) ?? `http://${host}:${s3Port}`,
    region: regionName(given.region),
    ...(databaseUrl === undefined ? {} : { databaseUrl }),
    ...(owner === undefined ? {} : { owner }),
    engine: engineSettings(given, environment),
    docker: dockerSettings(given),
    ...(voice === undefined ? {} : { voice }),
    ...(voiceOnly ? { voiceOnly } : {}),
    ...(httpPort === undefined ? {} : { httpPort }),
    ...(httpsPort === undefined ? {} : { httpsPort }),
  };
}

function readWords(words: string[]): Partial<Record<OptionName, Given>> {
  const given: Partial<Record<OptionName, Given>> = {};
  for (let i = 0; i < words.length; i++) {
    const word = words[i] as string;
    const [flag, attached] = word.startsWith("--") && word.includes("=") ? splitOnce(word) : [word, undefined];
    const found = (Object.entries(options) as [OptionName, Option][]).find(([, option]) => option.flag === flag);
    if (found === undefined) {
      const close = closest(flag);
      const hint = close === undefined ? "" : ` Did you mean ${close}?`;
      throw new StartError(`Unknown option ${word}.${hint} See ./khmara up --help.`);
    }
    const [name, option] = found;
    const value = attached ?? (option.value === undefined ? "yes" : words[++i]);
    if (value === undefined || value === "" || (attached === undefined && value.startsWith("--"))) {
      throw new StartError(`${flag} needs a value: ${flag} ${option.value ?? "yes"}. See ./khmara up --help.`);
    }
    given[name] = { value, from: flag };
  }
  return given;
}

const splitOnce = (word: string): [string, string] => {
  const at = word.indexOf("=");
  return [word.slice(0, at), word.slice(at + 1)];
};

/** The flag that was probably meant: at most two letters away. */
function closest(flag: string): string | undefined {
  const flags = Object.values<Option>(options).flatMap((option) => option.flag ?? []);
  const [best] = flags.map((known) => ({ known, distance: editDistance(flag, known) })).sort((a, b) => a.distance - b.distance);
  return best !== undefined && best.distance <= 2 ? best.known : undefined;
}

function editDistance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, j) => j);
  for (let i = 1; i <= a.length; i++) {
    const next = [i];
    for (let j = 1; j <= b.length; j++) {
      const replaced = (row[j - 1] as number) + (a[i - 1] === b[j - 1] ? 0 : 1);
      next.push(Math.min(replaced, (row[j] as number) + 1, (next[j - 1] as number) + 1));
    }
    row = next;
  }
  return row[b.length] as number;
}

export function defaultDataDirectory(environment: NodeJS.ProcessEnv): string {
  if (process.getuid?.() === 0) return "/var/lib/khmara";
  return join(environment["XDG_DATA_HOME"] || join(environment["HOME"] || homedir(), ".local", "share"), "khmara");
}

function listenAddress(given: Given | undefined): string {
  const listen = given?.value ?? "127.0.0.1";
  if (listen === "localhost" || isIP(listen) !== 0) return listen;
  throw new StartError(
    `${given?.from} is ${listen}, which is not an IP address. Give an address of this machine, or 0.0.0.0 for all of them.`,
  );
}

/** Where a browser finds a server that listens on this address. */
function visibleHost(listen: string): string {
  const address = visibleAddress(listen);
  return isIP(address) === 6 ? `[${address}]` : address;
}

function visibleAddress(listen: string): string {
  if (listen === "localhost") return "127.0.0.1";
  if (listen !== "0.0.0.0" && listen !== "::") return listen;
  const outer = Object.values(networkInterfaces())
    .flatMap((addresses) => addresses ?? [])
    .find((address) => !address.internal && address.family === "IPv4");
  return outer?.address ?? "127.0.0.1";
}

function webAddress(given: Given | undefined): string | undefined {
  if (given === undefined) return undefined;
  const url = URL.parse(given.value);
  if (url === null || !["http:", "https:"].includes(url.protocol) || url.pathname !== "/" || url.search !== "") {
    throw new StartError(`${given.from} is ${given.value}, which is not a web address. Give one like https://cloud.example.org.`);
  }
  return url.origin;
}

function regionName(given: Given | undefined): string {
  const region = given?.value ?? "us-east-1";
  if (/^[a-z0-9][a-z0-9-]{0,62}$/.test(region)) return region;
  throw new StartError(`${given?.from} is ${region}, which is not a region. Use small letters, digits and hyphens.`);
}

function databaseAddress(given: Given | undefined): string | undefined {
  if (given === undefined) return undefined;
  const url = URL.parse(given.value);
  if (url === null || !["postgres:", "postgresql:"].includes(url.protocol) || url.pathname.length < 2) {
    throw new StartError(
      `${given.from} is not the address of a database. Give one like postgres://user:password@host:5432/khmara.`,
    );
  }
  return given.value;
}

function engineSettings(given: Partial<Record<OptionName, Given>>, environment: NodeJS.ProcessEnv): EngineSettings {
  const { installEngines, enginePool } = given;
  const socket = given.engineSocket ?? fromEnvironment(environment, "LXD_SOCKET") ?? fromEnvironment(environment, "INCUS_SOCKET");
  const endpoint = socket === undefined ? undefined : engineEndpoint(socket);
  const remote = endpoint?.startsWith("https:") === true;
  const tls = engineTls(given, remote);
  const install = installEngines === undefined ? undefined : yesOrNo(installEngines);
  if (enginePool !== undefined && !/^(\/dev\/\S+|[A-Za-z0-9][A-Za-z0-9_.-]{0,62})$/.test(enginePool.value)) {
    throw new StartError(
      `${enginePool.from} is ${enginePool.value}, which is neither a disk (/dev/sdb) nor the name of a storage pool of the engine.`,
    );
  }
  if (remote && enginePool?.value.startsWith("/") === true) {
    throw new StartError(
      `${enginePool.from} is a disk of this machine, and the engine is at ${endpoint}. Give the name of a pool there.`,
    );
  }
  return {
    ...(endpoint === undefined ? {} : { endpoint }),
    ...(enginePool === undefined ? {} : { pool: enginePool.value }),
    ...(tls === undefined ? {} : { tls }),
    ...(install === undefined ? {} : { install }),
  };
}

/** An engine elsewhere is named as Docker itself names it, by DOCKER_HOST, with its certificates. */
function dockerSettings({ dockerSocket, installEngines }: Partial<Record<OptionName, Given>>): DockerSettings {
  if (dockerSocket !== undefined && dockerSocket.value !== "none" && !/^\/.{1,106}$/.test(dockerSocket.value))
    throw new StartError(
      `${dockerSocket.from} is ${dockerSocket.value}, which is no socket. Give its path (/var/run/docker.sock), or none; one on another machine with DOCKER_HOST.`,
    );
  return {
    ...(dockerSocket === undefined ? {} : { endpoint: dockerSocket.value }),
    ...(installEngines === undefined ? {} : { install: yesOrNo(installEngines) }),
  };
}

const fromEnvironment = (environment: NodeJS.ProcessEnv, variable: string): Given | undefined =>
  environment[variable] ? { value: environment[variable], from: variable } : undefined;

function engineEndpoint({ value, from }: Given): string {
  if (value === "none") return value;
  // A Unix address holds 107 bytes.
  if (value.startsWith("/") && Buffer.byteLength(value) <= 107) return value;
  const url = URL.parse(value);
  if (url?.protocol === "https:" && url.pathname === "/" && url.search === "") return url.origin;
  throw new StartError(
    `${from} is ${value}, which is no engine. Give the path of its socket (/var/lib/lxd/unix.socket), https://host:8443, or none.`,
  );
}

function engineTls(given: Partial<Record<OptionName, Given>>, remote: boolean): EngineTls | undefined {
  const { engineCertificate: own, engineServerCertificate: server } = given;
  const unneeded = own ?? server;
  if (!remote) {
    if (unneeded === undefined) return undefined;
    throw new StartError(`${unneeded.from} is for an engine at a URL. Add --engine-socket https://host:8443, or leave it out.`);
  }
  if (own === undefined) {
    throw new StartError(
      "An engine at a URL is entered with a certificate. Add --engine-certificate FILE (certificate and key, PEM).",
    );
  }
  checkPem(own, ["CERTIFICATE", "PRIVATE KEY"]);
  if (server !== undefined) checkPem(server, ["CERTIFICATE"]);
  const file = resolve(own.value);
  return {
    certificateFile: file,
    keyFile: file,
    ...(server === undefined ? {} : { serverCertificateFile: resolve(server.value) }),
  };
}

function yesOrNo({ value, from }: Given): boolean {
  if (/^(1|yes|true|on)$/i.test(value)) return true;
  if (/^(0|no|false|off)$/i.test(value)) return false;
  throw new StartError(`${from} is ${value}. Give yes or no.`);
}

function ownerOf(given: Partial<Record<OptionName, Given>>): OwnerConfig | undefined {
  const { ownerEmail, ownerPassword, ownerPasswordFile } = given;
  const password = ownerPasswordFile === undefined ? ownerPassword?.value : passwordIn(ownerPasswordFile);
  if (ownerEmail === undefined) {
    if (password === undefined) return undefined;
    throw new StartError("A password for the owner is given, but no address. Add --owner-email EMAIL.");
  }
  if (!/^[^\s@]+@[^\s@]+$/.test(ownerEmail.value)) {
    throw new StartError(`${ownerEmail.from} is ${ownerEmail.value}, which is not an e-mail address.`);
  }
  return { email: ownerEmail.value, ...(password === undefined ? {} : { password }) };
}

function passwordIn(given: Given): string {
  let text: string;
  try {
    text = readFileSync(given.value, "utf8");
  } catch (error) {
    throw new StartError(`The password file ${given.value} cannot be read (${errorCode(error)}). Check ${given.from}.`, {
      cause: error,
    });
  }
  const password = text.replace(/\r?\n$/, "");
  if (password === "") throw new StartError(`The password file ${given.value} is empty.`);
  return password;
}
