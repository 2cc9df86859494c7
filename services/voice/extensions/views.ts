import { isoTime } from "../../../kernel/clock.ts";
import type { SipAddress, VoiceParts } from "../parts.ts";
import type { Extension, PhoneDevice, SipAccount } from "./contract.ts";
import type { DeviceRow, ExtensionRow } from "./store.ts";

export const viewExtension = (row: ExtensionRow): Extension => ({
  ...row.settings,
  id: row.id,
  phoneSystemId: row.systemId,
  projectId: row.projectId,
  number: row.number,
  name: row.name,
  ...(row.userId === null ? {} : { userId: row.userId }),
  hasVoicemailPin: row.voicemailPin !== null,
  hasHotDeskPin: row.hotDeskPin !== null,
  presence: row.isRegistered ? (row.settings.doNotDisturb ? "do_not_disturb" : "available") : "offline",
  createdAt: isoTime(row.createdAt),
  revision: row.revision,
});

export const viewDevice = (row: DeviceRow): PhoneDevice => ({
  id: row.id,
  extensionId: row.extensionId,
  kind: row.kind,
  label: row.label,
  maker: row.maker,
  ...(row.macAddress === null ? {} : { macAddress: row.macAddress }),
  userName: row.userName,
  enabled: row.enabled,
  ...(row.guestExtensionId === null ? {} : { signedInExtensionId: row.guestExtensionId }),
  isRegistered: row.isRegistered,
  ...(row.lastRegisteredAt === null ? {} : { lastRegisteredAt: isoTime(row.lastRegisteredAt) }),
  ...(row.lastAddress === null ? {} : { lastAddress: row.lastAddress }),
  ...(row.lastUserAgent === null ? {} : { lastUserAgent: row.lastUserAgent }),
  lampKeys: row.lampKeys,
  ...(row.awaitedUntil === null || row.awaitedUntil.getTime() <= Date.now() ? {} : { awaitedUntil: isoTime(row.awaitedUntil) }),
  hasProvisioning: row.provisioningToken !== null,
  createdAt: isoTime(row.createdAt),
  revision: row.revision,
});

/** Where and as whom a device registers. */
export function accountOf(
  parts: Pick<VoiceParts, "publicUrl" | "sip">,
  domain: string,
  { userName, password }: { userName: string; password: string },
): SipAccount {
  const url = new URL(parts.publicUrl);
  const { host, ...ports } = parts.sip ?? { host: url.hostname };
  // With a port, a phone asks for no SRV records.
  const { port, tlsPort }: Partial<SipAddress> = ports.bySrv ? {} : ports;
  return {
    domain,
    userName,
    password,
    server: host,
    ...(port === undefined ? {} : { udpPort: port, tcpPort: port }),
    ...(tlsPort === undefined ? {} : { tlsPort }),
    webSocketUrl: `${url.protocol === "https:" ? "wss" : "ws"}://${url.host}/sip`,
  };
}
