import type { Phone } from "./phone.ts";

/** Words for a notification, in the language of the console. */
export interface NoticeWords {
  title: string;
  body: string;
  answer: string;
  decline: string;
}

let worker: Promise<ServiceWorkerRegistration | undefined> | undefined;

/** The service worker shows notifications with buttons and brings the console to the front; it keeps no pages. */
export function noticeWorker(): Promise<ServiceWorkerRegistration | undefined> {
  worker ??=
    "serviceWorker" in navigator ? navigator.serviceWorker.register("/sw.js").catch(() => undefined) : Promise.resolve(undefined);
  return worker;
}

export const noticesAllowed = (): NotificationPermission | "unsupported" =>
  typeof Notification === "undefined" ? "unsupported" : Notification.permission;

/** Who calls, outside of the page, as long as it rings and nobody looks at the console. */
export async function showNotice(id: string, words: NoticeWords): Promise<void> {
  if (noticesAllowed() !== "granted" || document.hasFocus()) return;
  const registration = await noticeWorker();
  const options: NotificationOptions & { actions: { action: string; title: string }[]; renotify: boolean } = {
    body: words.body,
    tag: `call-${id}`,
    renotify: true,
    requireInteraction: true,
    icon: "/icon-192.png",
    data: { call: id },
    actions: [
      { action: "answer", title: words.answer },
      { action: "decline", title: words.decline },
    ],
  };
  await registration?.showNotification(words.title, options).catch(() => {});
}

export async function hideNotice(id: string): Promise<void> {
  const registration = await worker;
  for (const notice of (await registration?.getNotifications({ tag: `call-${id}` })) ?? []) notice.close();
}

/** What is pressed on a notification is done; the function returned ends it. */
export function followNotices(phone: Phone): () => void {
  const hear = ({ data }: MessageEvent<{ kind?: string; call?: string; action?: string }>) => {
    if (data?.kind !== "phone" || data.call === undefined) return;
    if (data.action === "decline") phone.run({ kind: "hangUp", id: data.call });
    if (data.action === "answer") phone.run({ kind: "answer", id: data.call });
  };
  navigator.serviceWorker?.addEventListener("message", hear);
  return () => navigator.serviceWorker?.removeEventListener("message", hear);
}
