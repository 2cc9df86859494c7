/**
 * Makes this machine a node of a cloud on another one: its Docker listens for that cloud alone (mutual TLS), keeps containers away from the
 * machine, and joins the swarm. Harmless to repeat; with a newer invitation it renews the certificates.
 */
import { execFile } from "node:child_process";
import { X509Certificate } from "node:crypto";
import { existsSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createConnection, isIP } from "node:net";
import { dirname, join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { promisify } from "node:util";
import {
  devicesOf,
  enginePort,
  firewallOf,
  type Invitation,
  managerPort,
  nodeLabel,
  registryAt,
  registryPort,
} from "../../services/apps/index.ts";
import { makeFolder } from "../durable-file.ts";
import { askDocker, postDocker } from "../engines/ask.ts";
import {
  type DockerPlace,
  dockerAnswers,
  dockerProgram,
  dockerSocketIn,
  pidFileIn,
  startDocker,
} from "../engines/dockerDaemon.ts";
import { installPackages } from "../engines/install.ts";
import { systemdRuns } from "../engines/kinds.ts";
import { hostSystem, missingTools, type Tools } from "../engines/packages.ts";
import { isAlive, signal as send, waitForEnd } from "../processes.ts";
import { StartError } from "../start-error.ts";

export interface JoinOptions {
  invitation: Invitation;
  /** Where the others reach this machine; absent: the address with which it reaches the manager. */
  address?: string | undefined;
  onStep: (message: string) => void;
  signal: AbortSignal;
  logFolder: string;
  /** Apart from the Docker of this machine. */
  place?: DockerPlace;
  /** Where certificates and rules are kept. */
  folder?: string;
}

const run = promisify(execFile);
const defaultFolder = "/etc/khmara-node";
const dropIn = "/etc/systemd/system/docker.service.d/khmara-node.conf";
const firewallUnit = "khmara-node-firewall.service";
/** Where Docker looks for whom to trust, by the registry's address (docs.docker.com/engine/security/certificates). */
const trustFolder = "/etc/docker/certs.d";
const joinMs = 60_000;
const tools: Tools = {
  [dockerProgram]: "docker.io",
  "/usr/sbin/iptables": "iptables",
  "/usr/sbin/nft": "nftables",
  "/{usr/,}{s,}bin/ip": "iproute2",
};

interface SwarmInfo {
  Swarm?: {
    LocalNodeState?: string;
    ControlAvailable?: boolean;
    NodeID?: string;
    Error?: string;
    RemoteManagers?: { Addr: string }[] | null;
  };
}

/** What has to be installed first; for a question to the operator. */
export const missingForNode = (): string[] => missingTools(tools);

export async function joinNode(options: JoinOptions): Promise<void> {
  const { invitation, onStep, place, folder = defaultFolder, logFolder, signal } = options;
  const socket = dockerSocketIn(place);
  const missing = missingForNode();
  if (missing.length > 0) {
    if (!hostSystem().debian)
      throw new StartError(`These are missing: ${missing.join(", ")}. Install them with what this distribution has for it.`);
    await installPackages({ tools: missing, engine: false, logFile: join(logFolder, "node-install.log"), signal, onStep });
  }
  const host = invitation.manager.slice(0, invitation.manager.lastIndexOf(":")).replace(/^\[|\]$/g, "");
  onStep(`asking ${host}`);
  const address = options.address ?? (await ownAddress(host, place?.network));
  if (isIP(address) === 0) throw new StartError(`${address} is no address.`);
  if (await dockerAnswers(socket)) {
    const { Swarm } = await askDocker<SwarmInfo>({ endpoint: socket }, "/info");
    if (Swarm?.ControlAvailable)
      throw new StartError(
        "This machine's Docker is the manager of a swarm: the cloud itself, or another one. Join from a machine beside it.",
      );
    const managers = (Swarm?.RemoteManagers ?? []).map(({ Addr }) => Addr);
    if (isMember(Swarm) && managers.length > 0 && !managers.includes(invitation.manager))
      throw new StartError(
        `This machine's Docker is a node of another swarm (${managers.join(", ")}). Take it out of that one first: docker swarm leave`,
      );
  }
  makeFolder(folder, 0o700);
  const files = { authority: join(folder, "ca.pem"), certificate: join(folder, "cert.pem"), key: join(folder, "key.pem") };
  const age = ageOf(invitation.certificate, files.certificate);
  if (age === "older")
    throw new StartError(
      `This invitation is older than the one with which this machine joined. Make another: khmara node invite ${invitation.name}`,
    );
  for (const [what, file] of Object.entries(files)) writeFileSync(file, invitation[what as keyof typeof files], { mode: 0o600 });
  const trusted = join(trustFolder, registryAt(host));
  makeFolder(trusted, 0o755);
  writeFileSync(join(trusted, "ca.crt"), invitation.authority, { mode: 0o644 });
  onStep("keeping containers away from this machine");
  await guard(folder, host, place?.network);
  // A Docker that looks for its swarm in vain takes twenty seconds longer to start.
  if (age === "newer" && (await dockerAnswers(socket))) await leaveWhenRemoved(socket, invitation);
  onStep("letting Docker listen for the cloud");
  await listen({ ...options, words: wordsOf(invitation.name, files) });
  // It may not have run before.
  if (age === "newer") await leaveWhenRemoved(socket, invitation);
  onStep("joining");
  await joinSwarm(socket, invitation, { address, signal });
}

/** Of the daemon: only who has a certificate of the cloud's own authority is answered. */
const wordsOf = (name: string, files: { authority: string; certificate: string; key: string }): string[] => [
  "--host",
  `tcp://0.0.0.0:${enginePort}`,
  "--tlsverify",
  "--tlscacert",
  files.authority,
  "--tlscert",
  files.certificate,
  "--tlskey",
  files.key,
  "--label",
  `${nodeLabel}=${name}`,
];

async function guard(folder: string, manager: string, network: string | undefined): Promise<void> {
  const inside = (words: string[]) => (network === undefined ? words : ["nsenter", `--net=${network}`, "--", ...words]);
  const call = ([program = "", ...words]: string[]) => run(program, words, { timeout: 20_000 });
  const { stdout } = await call(inside(["ip", "-j", "route", "show", "default"]));
  const file = join(folder, "firewall.nft");
  writeFileSync(file, firewallOf(devicesOf(stdout), isIP(manager) === 4 ? [manager] : []), { mode: 0o600 });
  try {
    await call(inside(["nft", "-f", file]));
  } catch (error) {
    throw new StartError(
      "This machine's firewall (nftables) refused the rules that keep containers away from it. A kernel with nftables is needed.",
      {
        cause: error,
      },
    );
  }
  if (network !== undefined || !systemdRuns()) return;
  writeFileSync(join("/etc/systemd/system", firewallUnit), firewallUnitText(file), { mode: 0o644 });
  await run("systemctl", ["daemon-reload"]);
  await run("systemctl", ["enable", firewallUnit]);
}

export const firewallUnitText = (file: string): string => `[Unit]
Description=Keeps containers of Khmara away from this node
DefaultDependencies=no
After=nftables.service
Before=docker.service network-pre.target

[Service]
Type=oneshot
RemainAfterExit=yes
ExecStart=/usr/sbin/nft -f ${file}

[Install]
WantedBy=multi-user.target
`;

/** As the distribution starts it, and with more words. `unit`: what `systemctl cat docker.service` says. */
export function dropInText(unit: string, words: readonly string[]): string {
  const command = unit
    .replaceAll("\\\n", " ")
    .split("\n")
    .filter((line) => !line.includes(nodeLabel))
    .findLast((line) => /^ExecStart=\s*\S/.test(line))
    ?.replace(/^ExecStart=\s*/, "");
  if (command === undefined) throw new StartError("The unit docker.service has no ExecStart. Install Docker anew.");
  return `[Service]\nExecStart=\nExecStart=${[command, ...words].join(" ")}\n`;
}

async function listen({ place, logFolder, signal, words }: JoinOptions & { words: string[] }): Promise<void> {
  if (place === undefined && systemdRuns()) {
    const { stdout } = await run("systemctl", ["cat", "docker.service"]);
    const text = dropInText(stdout, words);
    makeFolder(dirname(dropIn), 0o755);
    writeFileSync(dropIn, text, { mode: 0o644 });
    await run("systemctl", ["daemon-reload"]);
    await run("systemctl", ["enable", "docker.service"]);
    // Certificates are read at its start.
    await run("systemctl", ["restart", "docker.service"], { timeout: 180_000 });
    return;
  }
  const pidFile = pidFileIn(place);
  const pid = existsSync(pidFile) ? Number(readFileSync(pidFile, "utf8")) : 0;
  if (pid > 1 && isAlive(pid)) {
    send(pid, "SIGTERM");
    if (!(await waitForEnd([pid], 60_000)))
      throw new StartError("Docker does not stop, and has to be started anew. Stop it, then run this again.");
    rmSync(pidFile, { force: true });
  }
  await startDocker({
    logFile: join(logFolder, "docker.log"),
    signal,
    words,
    timeoutMs: 120_000,
    ...(place === undefined ? {} : { place }),
  });
}

/** What it joined with last lies in its folder; each invitation comes with a certificate of its own. */
function ageOf(certificate: string, file: string): "older" | "same" | "newer" {
  if (!existsSync(file)) return "newer";
  const [given, kept] = [certificate, readFileSync(file, "utf8")].map((text) =>
    new X509Certificate(text).validFromDate.getTime(),
  );
  return (given as number) < (kept as number) ? "older" : given === kept ? "same" : "newer";
}

/** As far as it knows itself. */
const isMember = (swarm: SwarmInfo["Swarm"]): boolean => !["inactive", "", undefined].includes(swarm?.LocalNodeState);

/** The cloud has removed it, or it would be named in an invitation that was made after it joined: it asks in vain to be let back in. */
async function leaveWhenRemoved(socket: string, { members }: Invitation): Promise<void> {
  const door = { endpoint: socket };
  const { Swarm } = await askDocker<SwarmInfo>(door, "/info");
  if (isMember(Swarm) && !members.includes(Swarm?.NodeID ?? "")) await postDocker(door, "/swarm/leave?force=true", {}, joinMs);
}

async function joinSwarm(
  socket: string,
  { manager, token }: Invitation,
  { address, signal }: { address: string; signal: AbortSignal },
): Promise<void> {
  const door = { endpoint: socket };
  const state = async () => (await askDocker<SwarmInfo>(door, "/info")).Swarm ?? {};
  const before = await state();
  // One that is named comes back by itself.
  if (!isMember(before)) {
    try {
      await postDocker(
        door,
        "/swarm/join",
        { ListenAddr: `0.0.0.0:${managerPort}`, AdvertiseAddr: address, RemoteAddrs: [manager], JoinToken: token },
        joinMs + 30_000,
      );
    } catch (error) {
      const said = error instanceof Error ? error.message : String(error);
      if (/invalid join token/i.test(said))
        throw new StartError("This invitation has been replaced by a newer one. Make another: khmara node invite NAME");
      if (!/timeout|deadline|continue/i.test(said))
        throw new StartError(`The cloud at ${manager} does not let this machine in: ${said}.`);
    }
  }
  for (const until = Date.now() + joinMs; ; await sleep(300)) {
    signal.throwIfAborted();
    const { LocalNodeState, Error: why } = await state();
    if (LocalNodeState === "active") return;
    if (Date.now() > until)
      throw new StartError(
        isMember(before)
          ? `This machine was a node, and the cloud at ${manager} does not let it back in. If it was removed there, invite it anew: khmara node invite NAME. If not, open TCP ${managerPort} there.`
          : `The cloud at ${manager} cannot be reached${why ? ` (${why})` : ""}. Open TCP ${managerPort} and ${registryPort} there, and TCP and UDP 7946 and UDP 4789 between all nodes.`,
      );
  }
}

/** With which this machine speaks to that one. */
async function ownAddress(host: string, network: string | undefined): Promise<string> {
  if (network !== undefined) {
    const { stdout } = await run("nsenter", [`--net=${network}`, "ip", "-j", "route", "get", host]);
    return (JSON.parse(stdout) as { prefsrc?: string }[])[0]?.prefsrc ?? "";
  }
  return new Promise((resolve, reject) => {
    const socket = createConnection({ host, port: managerPort, timeout: 15_000 });
    const refuse = (why: string) => {
      socket.destroy();
      reject(
        new StartError(`The cloud at ${host}:${managerPort} cannot be reached (${why}). Open that port there for this machine.`),
      );
    };
    socket.once("connect", () => {
      resolve(socket.localAddress ?? "");
      socket.destroy();
    });
    socket.once("timeout", () => refuse("no answer"));
    socket.once("error", (error) => refuse((error as NodeJS.ErrnoException).code ?? error.message));
  });
}
