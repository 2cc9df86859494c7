import type { Database } from "../../../kernel/db/database.ts";
import type { Log } from "../../../kernel/log.ts";
import type { PhonePlan, PlanExtension } from "../plan.ts";
import { voicemailChannel, voicemailStore } from "../records/store/voicemails.ts";
import type { Locations } from "../registrar/locations.ts";
import type { Registrar } from "../registrar/registrar.ts";
import type { Body, IncomingRequest, SipStack, Subscription } from "../sip/ports.ts";
import type { Party } from "./party.ts";
import type { Plans } from "./plans.ts";

/** What phones watch: their messages (RFC 3842), who speaks (RFC 4235), who is there (RFC 3856). */

/** Seconds. */
const usual = 3600;
const shortest = 60;
/** Changes of a call come in bursts. */
const settleMs = 100;

export interface Lamps {
  /** SUBSCRIBE (RFC 6665). Answers it, whatever becomes of it. */
  subscribe(request: IncomingRequest): Promise<void>;
  close(): Promise<void>;
}

interface Watched {
  systemId: string;
  extensionId: string;
}
type State = (plan: PhonePlan, extension: PlanExtension, version: number) => Promise<Body> | Body;

export async function openLamps(parts: {
  database: Database;
  log: Log;
  plans: Plans;
  locations: Locations;
  registrar: Registrar;
  stack: SipStack;
  partiesOf(extensionId: string): Party[];
  /** Called with an extension whose calls changed. */
  onExtension(listener: (extensionId: string) => void): void;
}): Promise<Lamps> {
  const { database, log, plans, locations, registrar, stack } = parts;
  const watching = new Map<string, Set<() => void>>();
  const due = new Map<string, NodeJS.Timeout>();

  const states: Record<string, State> = {
    async "message-summary"(plan, extension) {
      const counts = await database.transaction("system", (tx) => voicemailStore.counts(tx, extension.id));
      const lines = [
        `Messages-Waiting: ${counts.new > 0 ? "yes" : "no"}`,
        `Message-Account: sip:${extension.number}@${plan.system.domain}`,
        `Voice-Message: ${counts.new}/${counts.saved} (0/0)`,
      ];
      return { type: "application/simple-message-summary", content: `${lines.join("\r\n")}\r\n` };
    },
    dialog: (plan, extension, version) => ({
      type: "application/dialog-info+xml",
      content: dialogInfo(plan, extension, parts.partiesOf(extension.id), version),
    }),
    presence: (plan, extension) => ({
      type: "application/pidf+xml",
      content: presenceOf(plan, extension, locations.ofExtension(extension.id).length > 0, parts.partiesOf(extension.id)),
    }),
  };

  async function subscribe(request: IncomingRequest): Promise<void> {
    const name = (request.header("Event") ?? "").split(";")[0]?.trim().toLowerCase() ?? "";
    const state = Object.hasOwn(states, name) ? states[name] : undefined;
    if (!state) return request.respond(489, { headers: { "Allow-Events": Object.keys(states).join(", ") } });
    const verdict = await registrar.authenticate(request, "Authorization");
    if (!verdict.account) {
      if (verdict.challenge) return request.respond(401, { headers: { "WWW-Authenticate": verdict.challenge } });
      return request.respond(verdict.status);
    }
    const { systemId, extensionId, userName } = verdict.account;
    const wanted = request.uri.user;
    const extension = plans
      .of(systemId)
      ?.extensions.find(({ id, number }) =>
        wanted === undefined || wanted === userName ? id === extensionId : number === wanted,
      );
    if (!extension) return request.respond(404);
    // Who speaks with whom is for all to see who share a phone system; what waits for somebody is not.
    if (name === "message-summary" && extension.id !== extensionId) return request.respond(403);
    const asked = Number(request.header("Expires") ?? usual);
    if (asked > 0 && asked < shortest) return request.respond(423, { headers: { "Min-Expires": String(shortest) } });
    watch({ systemId, extensionId: extension.id }, request, Number.isFinite(asked) ? Math.min(asked, usual) : usual, state);
  }

  function watch({ systemId, extensionId }: Watched, request: IncomingRequest, expires: number, state: State): void {
    let version = 0;
    const tell = async (subscription: Subscription) => {
      const plan = plans.of(systemId);
      const extension = plan?.extensions.find(({ id }) => id === extensionId);
      if (plan === undefined || extension === undefined) return subscription.terminate("noresource");
      subscription.notify(await state(plan, extension, version++));
    };
    const news = (subscription: Subscription): Promise<void> =>
      tell(subscription).catch((error) => log.warn({ err: error, extensionId }, "a phone's lamp cannot be set"));
    const subscription = stack.subscribe(request, {
      expires,
      onRefresh: (seconds) => Math.min(seconds, usual),
      onNotifyDue: news,
      onEnded: () => watchers.delete(look),
    });
    const look = () => void news(subscription);
    const watchers = watching.get(extensionId) ?? new Set();
    if (expires > 0) watching.set(extensionId, watchers.add(look));
  }

  const changed = (extensionId: string) => {
    if (!watching.get(extensionId)?.size || due.has(extensionId)) return;
    const timer = setTimeout(() => {
      due.delete(extensionId);
      for (const look of watching.get(extensionId) ?? []) look();
    }, settleMs);
    due.set(extensionId, timer);
  };
  parts.onExtension(changed);
  locations.onChange(changed);
  const listener = await database.listen(voicemailChannel, (payload) => changed(payload.split(" ")[1] ?? ""));

  return {
    subscribe,
    async close() {
      for (const timer of due.values()) clearTimeout(timer);
      await listener.close();
    },
  };
}

const escapes: Record<string, string> = { "&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;" };
const escaped = (text: string): string => text.replace(/[&<>"]/g, (character) => escapes[character] as string);
const addressOf = (plan: PhonePlan, number: string): string => escaped(`sip:${number}@${plan.system.domain}`);

function dialogInfo(plan: PhonePlan, extension: PlanExtension, parties: readonly Party[], version: number): string {
  const dialogs = parties.map(({ session, isAnswered, peer }) => {
    const { number, name } = peer?.who ?? {};
    const remote =
      number === undefined
        ? ""
        : `<remote><identity${name ? ` display="${escaped(name)}"` : ""}>${addressOf(plan, number)}</identity><target uri="${addressOf(plan, number)}"/></remote>`;
    return `<dialog id="${escaped(session.id)}" direction="${session.direction === "incoming" ? "initiator" : "recipient"}"><state>${isAnswered ? "confirmed" : "early"}</state>${remote}</dialog>`;
  });
  return `<?xml version="1.0" encoding="UTF-8"?>
<dialog-info xmlns="urn:ietf:params:xml:ns:dialog-info" version="${version}" state="full" entity="${addressOf(plan, extension.number)}">${dialogs.join("")}</dialog-info>
`;
}

/** RFC 3863, with what RFC 4480 adds: open while a phone is registered, and busy while one speaks. */
function presenceOf(plan: PhonePlan, extension: PlanExtension, isThere: boolean, parties: readonly Party[]): string {
  const speaks = parties.some(({ isAnswered }) => isAnswered);
  const activity = speaks ? "<rpid:on-the-phone/>" : extension.doNotDisturb ? "<rpid:busy/>" : "";
  return `<?xml version="1.0" encoding="UTF-8"?>
<presence xmlns="urn:ietf:params:xml:ns:pidf" xmlns:dm="urn:ietf:params:xml:ns:pidf:data-model" xmlns:rpid="urn:ietf:params:xml:ns:pidf:rpid" entity="${addressOf(plan, extension.number)}"><tuple id="phone"><status><basic>${isThere ? "open" : "closed"}</basic></status></tuple><dm:person id="person"><rpid:activities>${activity}</rpid:activities></dm:person></presence>
`;
}
