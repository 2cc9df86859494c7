import type { Extension, SoftphoneCredential } from "../../../../services/voice/extensions/contract.ts";
import { callApi } from "../../../api/api.ts";

/** What this browser registers with: of the signed-in person's own extension, for some hours. */
export interface PhoneAccount {
  extensionId: string;
  /** The extension's number and name, as others see them. */
  number: string;
  name: string;
  userName: string;
  password: string;
  domain: string;
  iceServers: RTCIceServer[];
  /** Where to connect, the best first. */
  servers: string[];
}

/** Of this tab alone, so that a reload is the same device; it goes with the tab. */
const stored = (extension: string) => `khmara.phone.credential.${extension}`;
/** One that ends in the middle of a call would cost its next registration. */
const spareMs = 15 * 60_000;

export async function openAccount(extension: Extension["id"], anew: boolean): Promise<PhoneAccount> {
  const kept = sessionStorage.getItem(stored(extension));
  const known = kept && !anew ? (JSON.parse(kept) as SoftphoneCredential) : undefined;
  const credential =
    known && Date.parse(known.expiresAt) - Date.now() > spareMs ? known : await callApi("mySoftphoneCreate", { extension });
  sessionStorage.setItem(stored(extension), JSON.stringify(credential));
  return {
    extensionId: credential.extensionId,
    number: credential.number,
    name: credential.displayName,
    userName: credential.userName,
    password: credential.password,
    domain: credential.domain,
    iceServers: credential.iceServers ?? [],
    servers: serversOf(credential.webSocketUrls ?? ["/sip"]),
  };
}

/** Where to connect now: another server may have the phone system since. */
export const askServers = async (extension: string): Promise<string[]> =>
  serversOf((await callApi("mySoftphoneDoorsGet", { extension: extension as Extension["id"] })).webSocketUrls);

/** One that begins with / is at the address of this page, whatever name that has here. */
const serversOf = (urls: readonly string[]): string[] =>
  urls.map((url) => (url.startsWith("/") ? `${location.protocol === "https:" ? "wss" : "ws"}://${location.host}${url}` : url));
