import { isIP } from "node:net";
import type { Tx } from "../../../kernel/db/database.ts";
import { there } from "../../../kernel/errors.ts";
import { openPassword } from "../extensions/credentials.ts";
import { type DeviceRow, extensionStore } from "../extensions/store.ts";
import { accountOf } from "../extensions/views.ts";
import type { VoiceParts } from "../parts.ts";
import { systemStore } from "../systems/store.ts";
import { zoneOf } from "./clock.ts";
import { fill, type Lamp, macIn, type Template, templates, type Values } from "./templates.ts";

export const templateOf = ({ maker }: DeviceRow): Template | undefined => (maker === "other" ? undefined : templates[maker]);

export const addressOf = ({ publicUrl }: Pick<VoiceParts, "publicUrl">, token: string): string =>
  `${publicUrl}/api/v1/phone-configuration/${token}/`;

/** A phone without a known MAC address gets the file by whatever one it says. */
export function answersTo(template: Template, device: DeviceRow, file: string): boolean {
  const mac = macIn(template, file);
  return mac !== undefined && (mac === "" || device.macAddress === null || mac === device.macAddress);
}

export interface PhoneFile {
  contentType: string;
  text: string;
}

/** The file of a device, for which it asked with the secret address that it is told again. */
export async function fileOf(
  parts: VoiceParts,
  tx: Tx,
  template: Template,
  device: DeviceRow,
  { file, token }: { file: string; token: string },
): Promise<PhoneFile> {
  const { contentType, first, fileNames } = template;
  if (first && macIn({ fileNames }, file) === undefined) return { contentType, text: first.text };
  const extension = there(await extensionStore.find(tx, device.extensionId), "extension");
  const { domain, settings } = there(await systemStore.find(tx, device.systemId), "phoneSystem");
  const account = accountOf(parts, domain, { userName: device.userName, password: openPassword(parts.secrets, device) });
  const name = extension.settings.callerName ?? extension.name;
  const values: Values = {
    name,
    quotableName: name.replace(/["\\]/g, ""),
    number: extension.number,
    domain,
    user: account.userName,
    password: account.password,
    server: account.server,
    ...signalling(parts.sip),
    ...ownAddress(addressOf(parts, token)),
    voicemail: settings.featureCodes.voicemail ?? "",
    pickup: settings.featureCodes.pickupGroup ?? "",
    pickupOne: settings.featureCodes.pickupExtension ?? "",
    language: extension.settings.language ?? settings.language,
    mac: (device.macAddress ?? "").toUpperCase(),
  };
  const lamps = await lampsOf(tx, device);
  return { contentType, text: fill(template, values, { lamps, zone: zoneOf(settings.timeZone) }) };
}

/** In the order of its keys; who is gone leaves none. */
async function lampsOf(tx: Tx, device: DeviceRow): Promise<Lamp[]> {
  const lamps: Lamp[] = [];
  for (const id of device.lampKeys) {
    const found = await extensionStore.find(tx, id);
    if (found?.systemId === device.systemId) lamps.push({ number: found.number, name: found.settings.callerName ?? found.name });
  }
  return lamps;
}

/** TLS where there is a name that its certificate can be for: one for a bare address is hardly ever there, and a phone checks it. */
function signalling(sip: VoiceParts["sip"]) {
  const { host = "", port, tlsPort, bySrv = false } = sip ?? {};
  const tls = tlsPort !== undefined && (port === undefined || isIP(host) === 0);
  const number = String((tls ? tlsPort : port) ?? 5060);
  return {
    port: number,
    colonPort: bySrv ? "" : `:${number}`,
    srvPort: bySrv ? "0" : number,
    transport: tls ? "tls" : "udp",
    transportNumber: tls ? "2" : "0",
    yealinkPort: bySrv ? "0" : number,
    yealinkTransport: tls ? "2" : bySrv ? "3" : "0",
    grandstreamLookup: bySrv ? "1" : "0",
    fanvilTransport: tls ? "3" : "0",
    polyTransport: tls ? "TLS" : bySrv ? "DNSnaptr" : "UDPOnly",
    ciscoTransport: tls ? "TLS" : "UDP",
    ciscoSrtp: tls ? "Strict" : "Optional",
    ciscoSrv: bySrv ? "Yes" : "No",
    mitelTransport: tls ? "4" : "1",
    srtpNumber: tls ? "2" : "0",
    srtpWord: tls ? "on" : "off",
    srtpBit: tls ? "1" : "0",
  };
}

function ownAddress(address: string) {
  const { protocol, host, hostname, port, pathname } = new URL(address);
  const isSecure = protocol === "https:";
  return {
    configurationUrl: address,
    configurationPlace: `${host}${pathname.replace(/\/$/, "")}`,
    configurationScheme: isSecure ? "https" : "http",
    configurationSchemeName: isSecure ? "HTTPS" : "HTTP",
    configurationSchemeNumber: isSecure ? "2" : "1",
    configurationHost: hostname,
    configurationPort: port || (isSecure ? "443" : "80"),
    configurationPath: pathname.replace(/^\/|\/$/g, ""),
  };
}
