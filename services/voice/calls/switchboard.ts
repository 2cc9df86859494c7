import type { Database } from "../../../kernel/db/database.ts";
import type { Log } from "../../../kernel/log.ts";
import type { Secrets } from "../../../kernel/secrets.ts";
import { type MediaEngine, MediaError } from "../media/engine.ts";
import type { Locations } from "../registrar/locations.ts";
import type { Account, Registrar } from "../registrar/registrar.ts";
import type { IncomingCall, SipStack } from "../sip/ports.ts";
import { type Board, RingingCalls } from "./board.ts";
import { Call } from "./call.ts";
import { Party } from "./party.ts";
import type { Plans } from "./plans.ts";
import { openRecorder } from "./recorder.ts";
import { routeDialled } from "./routing.ts";
import { transfer } from "./transfer.ts";

export interface Switchboard extends Board {
  invite(incoming: IncomingCall): Promise<void>;
  close(): Promise<void>;
}

export async function createSwitchboard(parts: {
  log: Log;
  database: Database;
  secrets: Secrets;
  /** Opened after us: its handlers are ours. */
  stack: () => SipStack;
  engine: MediaEngine;
  plans: Plans;
  locations: Locations;
  registrar: Registrar;
  folder: string;
}): Promise<Switchboard> {
  const calls = new Map<string, Call>();
  const byExtension = new Map<string, Set<Party>>();
  const recorder = await openRecorder(parts);

  const board: Switchboard = {
    ...parts,
    get stack() {
      return parts.stack();
    },
    calls,
    ringing: new RingingCalls(),
    begin(call) {
      calls.set(call.id, call);
      recorder.changed(call);
    },
    changed(call) {
      for (const party of call.parties) note(party);
      if (calls.has(call.id)) recorder.changed(call);
    },
    async finish(call) {
      calls.delete(call.id);
      await recorder.finish(call);
    },
    left(party) {
      const { extensionId } = party.who;
      const parties = extensionId === undefined ? undefined : byExtension.get(extensionId);
      parties?.delete(party);
      if (extensionId !== undefined && parties?.size === 0) byExtension.delete(extensionId);
    },
    transfer: (party, refer) => transfer(board, party, refer),
    emergency(call, number) {
      parts.log.warn({ call: call.id, from: call.from.number, number }, "an emergency number is called");
    },
    partiesOf: (extensionId) => [...(byExtension.get(extensionId) ?? [])],
    invite,
    close: () => recorder.close(),
  };

  function note(party: Party): void {
    const { extensionId } = party.who;
    if (extensionId === undefined || party.gone.aborted) return;
    const parties = byExtension.get(extensionId) ?? new Set();
    parties.add(party);
    byExtension.set(extensionId, parties);
  }

  async function invite(incoming: IncomingCall): Promise<void> {
    const verdict = await parts.registrar.authenticate(incoming.request, "Proxy-Authorization");
    if (!verdict.account) {
      if (verdict.challenge) incoming.reject(407, { headers: { "Proxy-Authenticate": verdict.challenge } });
      else incoming.reject(verdict.status);
      return;
    }
    await fromExtension(incoming, verdict.account);
  }

  async function fromExtension(incoming: IncomingCall, account: Account): Promise<void> {
    const plan = parts.plans.of(account.systemId);
    const extension = plan?.extensions.find(({ id }) => id === account.extensionId);
    if (!plan || !extension) return incoming.reject(403);
    const dialled = incoming.request.uri.user ?? "";
    const who = {
      number: extension.number,
      name: extension.callerName ?? extension.name,
      extensionId: extension.id,
      deviceId: account.deviceId,
    };
    const call = new Call(board, { plan, direction: "internal", from: who, to: { number: dialled } });
    const subject = await incomingParty(call, incoming, who);
    if (!subject) return;
    await call.run(subject, (signal) => routeDialled(call, dialled, signal));
  }

  /** Its media are looked at before anybody rings. */
  async function incomingParty(call: Call, incoming: IncomingCall, who: Party["who"]): Promise<Party | undefined> {
    const leg = call.media.leg(who.number ?? "caller");
    const party = new Party({ who, session: incoming, leg, media: call.media, events: call.partyEvents });
    try {
      const { sdp } = incoming.request;
      if (sdp !== undefined) await leg.consider(sdp);
    } catch (error) {
      if (!(error instanceof MediaError)) throw error;
      incoming.reject(error.code === "malformed" ? 400 : 488);
      return undefined;
    }
    call.add(party, who.extensionId === undefined ? "trunk" : "extension");
    return party;
  }

  return board;
}
