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
}

/** `visible` is the address that this machine shows. */
export function voiceSettings(given: VoiceOptions, visible: string): VoiceSettings | undefined {
  const sipPort = portOrNone(given.sipPort, 5060);
  if (sipPort === undefined) return undefined;
  const certificate = given.voiceCertificate;
  const tlsPort = portOrNone(given.sipTlsPort, 5061);
  if (certificate === undefined && given.sipTlsPort !== undefined && tlsPort !== undefined)
    throw new StartError(
      `${given.sipTlsPort.from} needs a certificate. Add --voice-certificate FILE (certificate and key, PEM).`,
    );
  if (certificate !== undefined) checkPem(certificate, ["CERTIFICATE", "PRIVATE KEY"]);
  const address = given.voiceAddress;
  if (address !== undefined && isIP(address.value) === 0)
    throw new StartError(
      `${address.from} is ${address.value}, which is not an IP address. Give the one where phones reach this server.`,
    );
  const turnPort = turnPortOf(given.turnPort, address?.value ?? visible);
  return {
    sipPort,
    ...(certificate === undefined || tlsPort === undefined ? {} : { tlsPort, certificateFile: resolve(certificate.value) }),
    webSocketPort: portNumber(given.sipWebSocketPort, 5066),
    ...(turnPort === undefined ? {} : { turn: { port: turnPort, program: coturnProgram } }),
    rtpPorts: portRange(given.rtpPorts, { from: 20_000, to: 20_999 }),
    address: address?.value ?? visible,
    isDefault: given.sipPort === undefined,
    isDefaultTurn: given.turnPort === undefined,
  };
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
