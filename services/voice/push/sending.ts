import { createHash } from "node:crypto";
import { postOnce } from "../../../kernel/outbound/post.ts";
import { outboundSettings } from "../../../kernel/outbound/settings.ts";
import type { VoiceParts } from "../parts.ts";
import { type DuePush, type PushLanguage, type PushNotice, pushKeyPurpose, pushPurpose, pushStore } from "./store.ts";

const atOnce = 16;
const heldSeconds = 30;
const mostTries = 3;
/** How long a notice is of use: a phone that rang is not ringing any more. */
const lastsSeconds: Record<PushNotice["kind"], number> = { ringing: 30, missed: 86_400, voicemail: 86_400 };

const words: Record<PushLanguage, Record<PushNotice["kind"] | "hidden", string>> = {
  en: { ringing: "is calling", missed: "Missed call", voicemail: "New voicemail", hidden: "Number hidden" },
  fr: { ringing: "vous appelle", missed: "Appel manqué", voicemail: "Nouveau message vocal", hidden: "Numéro masqué" },
  uk: { ringing: "дзвонить", missed: "Пропущений дзвінок", voicemail: "Нове голосове повідомлення", hidden: "Номер приховано" },
};

/** What the service worker shows (console/public/sw.js). */
const shownOf = ({ notice: { kind, callId, from, fromName }, language, extensionId }: DuePush) => ({
  kind,
  extension: extensionId,
  call: callId,
  title: fromName ?? (from === "anonymous" ? words[language].hidden : from),
  body: words[language][kind],
});

export function createPushing({
  database,
  secrets,
  publicUrl,
  log,
}: Pick<VoiceParts, "database" | "secrets" | "publicUrl" | "log">) {
  let known: { publicKey: string; privateKey: string } | undefined;

  /** Made when the first browser asks. */
  async function keys(): Promise<{ publicKey: string; privateKey: string }> {
    if (known) return known;
    const { default: webPush } = await import("web-push");
    const row = await database.transaction("system", async (tx) => {
      const found = await pushStore.keys(tx);
      if (found) return found;
      const made = webPush.generateVAPIDKeys();
      await pushStore.putKeys(tx, made.publicKey, secrets.encrypt(pushKeyPurpose, made.privateKey));
      return await pushStore.keys(tx);
    });
    if (!row) throw new Error("The keys of push services are gone.");
    known = { publicKey: row.publicKey, privateKey: secrets.decrypt(pushKeyPurpose, row.privateKey).toString() };
    return known;
  }

  async function send(due: DuePush, allowedNetworks: string[], signal: AbortSignal): Promise<void> {
    const { notice } = due;
    const over = due.ageSeconds > lastsSeconds[notice.kind];
    const status = over ? 0 : await post(due, allowedNetworks, signal);
    // The browser has gone (RFC 8030 section 7.3).
    const gone = status === 404 || status === 410;
    const done = over || (status >= 200 && status < 300) || due.attempts >= mostTries;
    if (!gone && !done) return;
    await database.transaction("system", (tx) => (gone ? pushStore.remove(tx, due.subscriptionId) : pushStore.done(tx, due.id)));
  }

  /** The status; 0 where nobody answered. */
  async function post(due: DuePush, allowedNetworks: string[], signal: AbortSignal): Promise<number> {
    try {
      const { default: webPush } = await import("web-push");
      const subscription = JSON.parse(secrets.decrypt(pushPurpose(due.subscriptionId), due.subscription).toString());
      const { hostname } = new URL(publicUrl);
      const { endpoint, headers, body } = webPush.generateRequestDetails(subscription, JSON.stringify(shownOf(due)), {
        vapidDetails: { subject: `mailto:postmaster@${hostname}`, ...(await keys()) },
        TTL: lastsSeconds[due.notice.kind],
        urgency: "high",
        topic: createHash("sha256").update(due.notice.callId).digest("base64url").slice(0, 32),
      });
      return await postOnce({
        url: endpoint,
        headers: headers as Record<string, string>,
        body: body as Buffer,
        allowedNetworks,
        signal,
      });
    } catch (error) {
      log.info({ err: error, subscription: due.subscriptionId }, "a browser could not be told of a call");
      return 0;
    }
  }

  return {
    keys,
    async round(signal: AbortSignal): Promise<void> {
      while (!signal.aborted) {
        const due = await database.transaction("system", (tx) => pushStore.takeDue(tx, atOnce, heldSeconds));
        if (due.length === 0) return;
        const { allowedNetworks } = await database.transaction("system", (tx) => outboundSettings(tx));
        await Promise.all(due.map((each) => send(each, allowedNetworks, signal)));
      }
    },
  };
}
