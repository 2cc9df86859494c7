import { existsSync } from "node:fs";
import { isIP } from "node:net";
import { resolve } from "node:path";
import type { VoiceConfig } from "../kernel/config.ts";
import { checkPem, type Given, portNumber, portOrNone } from "./option-values.ts";
import { StartError } from "./start-error.ts";

export interface VoiceSettings extends VoiceConfig {
  /** Nobody chose the ports: a start goes on without those that are taken. */
  isDefault: boolean;
  isDefaultTurn: boolean;
}

interface VoiceOptions {
  sipPort?: Given;
  sipTlsPort?: Given;
  sipWebSocketPort?: Given;
  rtpPorts?: Given;
  voiceAddress?: Given;
  voiceCertificate?: Given;
  turnPort?: Given;
  sipWssPort?: Given;
  voiceName?: Given;
  sipName?: Given;
  rtpengine?: Given;
}

/** `visible` is the address that this machine shows, `publicName` the one that people reach the console by. */
export function voiceSettings(
  given: VoiceOptions,
  { listen, visible }: { listen: string; visible: string },
  publicName: string,
): VoiceSettings | undefined {
  const sipPort = portOrNone(given.sipPort, 5060);
  if (sipPort === undefined) return undefined;
  const certificate = given.voiceCertificate;
  const tlsPort = portOrNone(given.sipTlsPort, 5061);
  if (certificate === undefined && given.sipTlsPort !== undefined && tlsPort !== undefined)
    throw new StartError(
      `${given.sipTlsPort.from} needs a certificate. Add --voice-certificate FILE (certificate and key, PEM).`,
    );
  if (certificate !== undefined) checkPem(certificate, ["CERTIFICATE", "PRIVATE KEY"]);
  const [address = visible, otherAddress] = addressesOf(given.voiceAddress, listen);
  const turnPort = turnPortOf(given.turnPort, address);
  const wssPort = given.sipWssPort === undefined ? undefined : portOrNone(given.sipWssPort, 0);
  if (wssPort !== undefined && certificate === undefined)
    throw new StartError(
      `${given.sipWssPort?.from} needs a certificate. Add --voice-certificate FILE (certificate and key, PEM).`,
    );
  const wssName = nameOf(given.voiceName) ?? publicName;
  const sipName = nameOf(given.sipName);
  const rtpengines = rtpenginesOf(given.rtpengine);
  return {
    sipPort,
    ...(certificate === undefined ? {} : { certificateFile: resolve(certificate.value) }),
    ...(certificate === undefined || tlsPort === undefined ? {} : { tlsPort }),
    ...(wssPort === undefined ? {} : { wss: { port: wssPort, url: `wss://${wssName}:${wssPort}/sip` } }),
    ...(sipName === undefined ? {} : { sipName }),
    ...(rtpengines === undefined ? {} : { rtpengines }),
    webSocketPort: portNumber(given.sipWebSocketPort, 5066),
    ...(turnPort === undefined ? {} : { turn: { port: turnPort, program: coturnProgram } }),
    rtpPorts: portRange(given.rtpPorts, { from: 20_000, to: 20_999 }),
    address,
    ...(otherAddress === undefined ? {} : { otherAddress }),
    isDefault: given.sipPort === undefined,
    isDefaultTurn: given.turnPort === undefined,
  };
}

/** One, or one of each family: sockets for both listen on all addresses. */
function addressesOf(given: Given | undefined, listen: string): string[] {
  if (given === undefined) return [];
  const addresses = given.value.split(",").map((each) => each.trim());
  const wrong = addresses.find((each) => isIP(each) === 0);
  if (wrong !== undefined)
    throw new StartError(`${given.from} is ${wrong}, which is not an IP address. Give the one where phones reach this server.`);
  if (addresses.length === 1) return addresses;
  if (addresses.length > 2 || new Set(addresses.map(isIP)).size === 1)
    throw new StartError(`${given.from} is ${given.value}. Give one address, or one of IPv4 and one of IPv6.`);
  if (listen !== "0.0.0.0" && listen !== "::")
    throw new StartError(`${given.from} has addresses of IPv4 and IPv6. Listen on both: --listen 0.0.0.0 or --listen ::.`);
  return addresses;
}

/** Debian's. */
const coturnProgram = "/usr/bin/turnserver";

/** Nobody has to have it: without coturn browsers need UDP. */
function turnPortOf(given: Given | undefined, address: string): number | undefined {
  // On this machine alone nothing stands between; coturn hands nothing on to loopback anyway.
  if (given === undefined && /^(127\.|::1$)/.test(address)) return undefined;
  const port = portOrNone(given, 3478);
  if (port === undefined || existsSync(coturnProgram)) return port;
  if (given === undefined) return undefined;
  throw new StartError(`${given.from} needs coturn, which is not installed. Install it (Debian: apt-get install coturn).`);
}

/** A call takes two or four of them. */
const fewestRtpPorts = 10;

function portRange(given: Given | undefined, fallback: { from: number; to: number }): { from: number; to: number } {
  if (given === undefined) return fallback;
  const [, first, last] = /^(\d+)-(\d+)$/.exec(given.value) ?? [];
  const range = { from: Number(first), to: Number(last) };
  if (first !== undefined && range.from >= 1024 && range.to <= 65_535 && range.to - range.from >= fewestRtpPorts) return range;
  throw new StartError(`${given.from} is ${given.value}, which is no range of ports. Give one like 20000-20999, above 1023.`);
}

function nameOf(given: Given | undefined): string | undefined {
  if (given === undefined) return undefined;
  const name = given.value.toLowerCase();
  if (/^([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z][a-z0-9-]*[a-z0-9]$/.test(name)) return name;
  throw new StartError(`${given.from} is ${given.value}, which is no name of a server. Give one like phones.example.org.`);
}

/** Addresses, as coturn is told them too. */
function rtpenginesOf(given: Given | undefined): { host: string; port: number }[] | undefined {
  if (given === undefined || given.value === "none") return undefined;
  return given.value.split(",").map((each) => {
    const [, bracketed, plain, port] = /^(?:\[([^\]]+)\]|([^:]+)):(\d+)$/.exec(each.trim()) ?? [];
    const host = bracketed ?? plain;
    if (host !== undefined && isIP(host) !== 0 && Number(port) > 0 && Number(port) < 65_536) return { host, port: Number(port) };
    throw new StartError(
      `${given.from} has ${each}, which is no address with a port. Give where rtpengine has listen-ng: 192.0.2.7:2223.`,
    );
  });
}

/** @throws StartError, when there would be nothing to serve */
export function checkVoiceOnly(from: string, voice: VoiceSettings | undefined, databaseUrl: string | undefined): void {
  if (databaseUrl === undefined) throw new StartError(`${from} needs the database of the cloud. Set KHMARA_DATABASE_URL to it.`);
  if (voice === undefined) throw new StartError(`${from} and --sip-port none leave nothing to serve.`);
}
