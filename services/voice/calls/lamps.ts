import type { Database } from "../../../kernel/db/database.ts";
import type { Log } from "../../../kernel/log.ts";
import type { PhonePlan, PlanExtension } from "../plan.ts";
import { voicemailChannel, voicemailStore } from "../records/store/voicemails.ts";
import type { Locations } from "../registrar/locations.ts";
import type { Registrar } from "../registrar/registrar.ts";
import type { Body, IncomingRequest, SipStack, Subscription } from "../sip/ports.ts";
import type { ParkedCalls } from "./board.ts";
import { codeLamp } from "./codeLamps.ts";
import { isSlot } from "./parking.ts";
import type { Party } from "./party.ts";
import type { Plans } from "./plans.ts";

/**
 * What phones watch: their messages (RFC 3842), who speaks (RFC 4235), who is there (RFC 3856). Beside extensions a phone watches, as if they spoke, the
 * slots where calls are parked and the codes that turn something on.
 */

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
  /** Of whoever is watched; of a slot or code, who watches. */
  extensionId: string;
  /** What was asked for, where that is no extension: a slot, or a code. */
  number?: string;
}
/** Undefined: there is no such thing any more. */
type State = (plan: PhonePlan, extension: PlanExtension, version: number) => Promise<Body | undefined> | Body | undefined;

const keyOf = ({ systemId, extensionId, number }: Watched): string =>
  number === undefined ? extensionId : `${systemId} ${number}`;

export async function openLamps(parts: {
  database: Database;
  log: Log;
  plans: Plans;
  locations: Locations;
  registrar: Registrar;
  stack: SipStack;
  parked: ParkedCalls;
  partiesOf(extensionId: string): Party[];
  /** Called with an extension whose calls changed. */
  onExtension(listener: (extensionId: string) => void): void;
}): Promise<Lamps> {
  const { database, log, plans, locations, registrar, stack } = parts;
  /** By what is watched; those that settings change by their phone system, too. */
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
    dialog: (plan, extension, version) =>
      dialogInfo(plan, extension.number, dialogsOf(plan, extension, parts.partiesOf), version),
    presence: (plan, extension) => ({
      type: "application/pidf+xml",
      content: presenceOf(plan, extension, locations.ofExtension(extension.id).length > 0, parts.partiesOf(extension.id)),
    }),
  };

  /** Of a slot or a code: one dialog is there, or none. */
  const stateOf =
    (number: string): State =>
    (plan, extension, version) => {
      if (isSlot(plan, number)) {
        const parked = parts.parked.at(plan.system.id, number)?.party;
        return dialogInfo(plan, number, parked ? dialogXml(plan, number, "recipient", "confirmed", parked) : "", version);
      }
      const isLit = codeLamp(plan, extension, number);
      return isLit === undefined
        ? undefined
        : dialogInfo(plan, number, isLit ? dialogXml(plan, number, "recipient", "confirmed", undefined) : "", version);
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
    const { systemId, extensionId, userName, planVersion } = verdict.account;
    const wanted = request.uri.user;
    const plan = await plans.fresh(systemId, planVersion);
    const asked = Number(request.header("Expires") ?? usual);
    if (asked > 0 && asked < shortest) return request.respond(423, { headers: { "Min-Expires": String(shortest) } });
    const expires = Number.isFinite(asked) ? Math.min(asked, usual) : usual;
    const extension = plan?.extensions.find(({ id, number }) =>
      wanted === undefined || wanted === userName ? id === extensionId : number === wanted,
    );
    if (extension) {
      // Who speaks with whom is for all to see who share a phone system; what waits for somebody is not.
      if (name === "message-summary" && extension.id !== extensionId) return request.respond(403);
      return watch({ systemId, extensionId: extension.id }, request, expires, state, name !== "message-summary");
    }
    const watcher = plan?.extensions.find(({ id }) => id === extensionId);
    const number = wanted ?? "";
    const other = stateOf(number);
    if (name !== "dialog" || !plan || !watcher || (await other(plan, watcher, 0)) === undefined) return request.respond(404);
    watch({ systemId, extensionId, number }, request, expires, other, true);
  }

  function watch(watched: Watched, request: IncomingRequest, expires: number, state: State, isSetting: boolean): void {
    const { systemId, extensionId } = watched;
    let version = 0;
    let last = "";
    const tell = async (subscription: Subscription, onlyNews: boolean) => {
      const plan = plans.of(systemId);
      const extension = plan?.extensions.find(({ id }) => id === extensionId);
      const body = plan && extension && (await state(plan, extension, version));
      if (body === undefined) return subscription.terminate("noresource");
      const said = String(body.content).replace(` version="${version}"`, "");
      if (onlyNews && said === last) return;
      version++;
      last = said;
      subscription.notify(body);
    };
    const news = (subscription: Subscription, onlyNews = false): Promise<void> =>
      tell(subscription, onlyNews).catch((error) => log.warn({ err: error, extensionId }, "a phone's lamp cannot be set"));
    const keys = [keyOf(watched), ...(isSetting ? [systemId] : [])];
    const subscription = stack.subscribe(request, {
      expires,
      onRefresh: (seconds) => Math.min(seconds, usual),
      onNotifyDue: (subscription) => news(subscription),
      onEnded: () => {
        for (const key of keys) {
          watching.get(key)?.delete(look);
          if (watching.get(key)?.size === 0) watching.delete(key);
        }
      },
    });
    const look = () => void news(subscription, true);
    if (expires > 0) for (const key of keys) watching.set(key, (watching.get(key) ?? new Set()).add(look));
  }

  const changed = (key: string) => {
    if (!watching.get(key)?.size || due.has(key)) return;
    const timer = setTimeout(() => {
      due.delete(key);
      for (const look of watching.get(key) ?? []) look();
    }, settleMs);
    due.set(key, timer);
  };
  parts.onExtension(changed);
  parts.parked.onChange((systemId, number) => changed(keyOf({ systemId, extensionId: "", number })));
  plans.onChange((systemId) => changed(systemId));
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

function dialogsOf(plan: PhonePlan, extension: PlanExtension, partiesOf: (extensionId: string) => Party[]): string {
  const dialogs = partiesOf(extension.id).map(({ session, isAnswered, peer }) =>
    dialogXml(
      plan,
      session.id,
      session.direction === "incoming" ? "initiator" : "recipient",
      isAnswered ? "confirmed" : "early",
      peer,
    ),
  );
  return dialogs.join("");
}

function dialogXml(
  plan: PhonePlan,
  id: string,
  direction: "initiator" | "recipient",
  state: "early" | "confirmed",
  peer: Party | undefined,
): string {
  const { number, name } = peer?.who ?? {};
  const remote =
    number === undefined
      ? ""
      : `<remote><identity${name ? ` display="${escaped(name)}"` : ""}>${addressOf(plan, number)}</identity><target uri="${addressOf(plan, number)}"/></remote>`;
  return `<dialog id="${escaped(id)}" direction="${direction}"><state>${state}</state>${remote}</dialog>`;
}

const dialogInfo = (plan: PhonePlan, number: string, dialogs: string, version: number): Body => ({
  type: "application/dialog-info+xml",
  content: `<?xml version="1.0" encoding="UTF-8"?>
<dialog-info xmlns="urn:ietf:params:xml:ns:dialog-info" version="${version}" state="full" entity="${addressOf(plan, number)}">${dialogs}</dialog-info>
`,
});

/** RFC 3863, with what RFC 4480 adds: open while a phone is registered, and busy while one speaks. */
function presenceOf(plan: PhonePlan, extension: PlanExtension, isThere: boolean, parties: readonly Party[]): string {
  const speaks = parties.some(({ isAnswered }) => isAnswered);
  const activity = speaks ? "<rpid:on-the-phone/>" : extension.doNotDisturb ? "<rpid:busy/>" : "";
  return `<?xml version="1.0" encoding="UTF-8"?>
<presence xmlns="urn:ietf:params:xml:ns:pidf" xmlns:dm="urn:ietf:params:xml:ns:pidf:data-model" xmlns:rpid="urn:ietf:params:xml:ns:pidf:rpid" entity="${addressOf(plan, extension.number)}"><tuple id="phone"><status><basic>${isThere ? "open" : "closed"}</basic></status></tuple><dm:person id="person"><rpid:activities>${activity}</rpid:activities></dm:person></presence>
`;
}
