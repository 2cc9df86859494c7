import { callApi } from "../../../api/api.ts";
import type { Language } from "../../../i18n/i18n.ts";
import { noticesAllowed, noticeWorker } from "./notices.ts";

const stored = (extension: string) => `khmara.phone.push.${extension}`;

export const pushSupported = (): boolean => "PushManager" in window && "serviceWorker" in navigator;
export const pushWanted = (extension: string): boolean => localStorage.getItem(stored(extension)) !== null;

/** This browser is told of calls while no tab of it is open. @throws what the browser's push service or the API says */
export async function startPush(extension: string, language: Language): Promise<void> {
  const registration = await noticeWorker();
  if (registration === undefined) throw new Error("No service worker");
  const { publicKey } = await callApi("myPhonePushKeyGet", {});
  const subscription = await registration.pushManager.subscribe({ userVisibleOnly: true, applicationServerKey: publicKey });
  const { endpoint = "", keys = {} } = subscription.toJSON();
  const { id } = await callApi("myPhonePushSubscriptionCreate", {
    extension: extension as never,
    endpoint,
    keys: { p256dh: keys["p256dh"] ?? "", auth: keys["auth"] ?? "" },
    language,
  });
  localStorage.setItem(stored(extension), id);
}

export async function stopPush(extension: string): Promise<void> {
  const id = localStorage.getItem(stored(extension));
  localStorage.removeItem(stored(extension));
  if (id) await callApi("myPhonePushSubscriptionDelete", { phonePushSubscription: id as never }).catch(() => {});
}

/** At each start: browsers change their addresses now and then. */
export async function renewPush(extension: string, language: Language): Promise<void> {
  if (pushWanted(extension) && pushSupported() && noticesAllowed() === "granted")
    await startPush(extension, language).catch(() => {});
}
