import type { Database } from "../../../kernel/db/database.ts";
import type { Log } from "../../../kernel/log.ts";
import type { Secrets } from "../../../kernel/secrets.ts";
import { mailEmergency } from "../mails/telling.ts";
import { type MediaEngine, MediaError } from "../media/engine.ts";
import type { PhonePlan, PlanExtension, PlanTrunk } from "../plan.ts";
import type { KeepAlive } from "../registrar/keepAlive.ts";
import type { Locations } from "../registrar/locations.ts";
import type { Account, Registrar } from "../registrar/registrar.ts";
import type { IncomingCall, Session, SipStack } from "../sip/ports.ts";
import { aborted } from "./abort.ts";
import { type Board, ParkedCalls, RingingCalls } from "./board.ts";
import { Call } from "./call.ts";
import { startCall } from "./commandActions.ts";
import { connect } from "./connect.ts";
import { follow } from "./destinations.ts";
import { nameByContact, readInbound } from "./inbound.ts";
import { watchLengths } from "./lengths.ts";
import { openLimitAlerts } from "./limitAlerts.ts";
import { outsideNumber } from "./outside.ts";
import { Party } from "./party.ts";
import type { Plans } from "./plans.ts";
import { openRecorder } from "./recorder.ts";
import { routeDialled } from "./routing.ts";
import { continued, transfer } from "./transfer.ts";
import type { Trunks } from "./trunks.ts";
import { outsideNow, sumOfCalls } from "./trunkTargets.ts";
import { openWhenFree } from "./whenFree.ts";

export interface Switchboard extends Board {
  invite(incoming: IncomingCall): Promise<void>;
  /** Called with an extension whose calls changed. */
  onExtension(listener: (extensionId: string) => void): void;
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
  trunks: () => Trunks;
  keepAlive: () => KeepAlive;
  folder: string;
  processId: string;
}): Promise<Switchboard> {
  const calls = new Map<string, Call>();
  const closing = new AbortController();
  const byExtension = new Map<string, Set<Party>>();
  const tracked = new Set<Promise<void>>();
  const listeners: ((extensionId: string) => void)[] = [];
  const recorder = await openRecorder(parts);

  const board: Switchboard = {
    ...parts,
    get stack() {
      return parts.stack();
    },
    calls,
    ringing: new RingingCalls(),
    parked: new ParkedCalls(),
    closing: closing.signal,
    get whenFree() {
      return whenFree;
    },
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
    settled: () => recorder.settled(),
    left(party) {
      const { extensionId } = party.who;
      const parties = extensionId === undefined ? undefined : byExtension.get(extensionId);
      parties?.delete(party);
      if (extensionId !== undefined && parties?.size === 0) byExtension.delete(extensionId);
      tell(extensionId);
    },
    onExtension: (listener) => void listeners.push(listener),
    transfer: (party, refer) => transfer(board, party, refer),
    track(work) {
      const done = work.then(
        () => {},
        () => {},
      );
      tracked.add(done);
      void done.finally(() => tracked.delete(done));
    },
    emergency(call, number) {
      parts.log.warn({ call: call.id, from: call.from.number, number }, "an emergency number is called");
      const { number: fromNumber = "anonymous", name: fromName = null } = call.from;
      const told = parts.database.transaction("system", (tx) =>
        mailEmergency(tx, call.plan.system.id, { fromNumber, fromName, number }),
      );
      board.track(told.catch((error) => parts.log.error({ err: error, call: call.id }, "the mail of an emergency call is lost")));
    },
    get limitReached() {
      return limitReached;
    },
    isSilent: (location) => parts.keepAlive().isSilent(location),
    isDown: (trunkId) => parts.trunks().isDown(trunkId),
    serviceRoute: (trunkId) => parts.trunks().serviceRoute(trunkId),
    addressOfTrunk: (trunkId) => parts.trunks().addressOf(trunkId),
    partiesOf: (extensionId) => [...(byExtension.get(extensionId) ?? [])],
    invite,
    async close() {
      closing.abort();
      endLengths();
      whenFree.close();
      await Promise.all(tracked);
      await recorder.close();
    },
  };

  const limitReached = openLimitAlerts({ ...parts, track: board.track });
  const whenFree = openWhenFree(board, board.onExtension, (systemId, input) => startCall(board, systemId, input));

  const endLengths = watchLengths(board);

  function tell(extensionId: string | undefined): void {
    if (extensionId !== undefined) for (const listener of listeners) listener(extensionId);
  }

  function note(party: Party): void {
    const { extensionId } = party.who;
    if (extensionId === undefined || party.gone.aborted) return;
    const parties = byExtension.get(extensionId) ?? new Set();
    parties.add(party);
    byExtension.set(extensionId, parties);
    tell(extensionId);
  }

  async function invite(incoming: IncomingCall): Promise<void> {
    const trunk = parts.trunks().match(incoming.request);
    // Phones may be where a trunk is, or where somebody says that one is.
    if (trunk && (trunk.certain || !(await parts.registrar.saysDevice(incoming.request))))
      return fromTrunk(incoming, await freshPlan(trunk.plan), trunk.trunk);
    const verdict = await parts.registrar.authenticate(incoming.request, "Proxy-Authorization");
    if (!verdict.account) {
      if (verdict.challenge) incoming.reject(407, { headers: { "Proxy-Authenticate": verdict.challenge } });
      else incoming.reject(verdict.status);
      return;
    }
    await fromExtension(incoming, verdict.account);
  }

  /** As it is now: we are told of a change a moment after it. */
  async function freshPlan(plan: PhonePlan): Promise<PhonePlan> {
    return (await parts.plans.newest(plan.system.id)) ?? plan;
  }

  async function fromTrunk(incoming: IncomingCall, plan: PhonePlan, trunk: PlanTrunk): Promise<void> {
    const inbound = readInbound(incoming.request, plan, trunk);
    const { start, number, blocked } = inbound;
    const used = outsideNow(calls, plan.system.id);
    const isFull = trunk.maxCalls !== null && (used.get(trunk.id) ?? 0) >= trunk.maxCalls;
    if (isFull || sumOfCalls(used) >= plan.system.limits.maxExternalCalls) {
      incoming.reject(503, { headers: { "Retry-After": "10" } });
      return;
    }
    await nameByContact(parts.database, inbound);
    const call = new Call(board, start);
    call.namePrefix = number?.callerNamePrefix ?? "";
    call.country = outsideNumber(start.from.number ?? "", plan.system.country)?.country;
    const subject = await incomingParty(call, incoming, start.from, { digitsByInfo: trunk.dtmf === "info" });
    if (!subject) return;
    await call.run(subject, async (signal) => {
      if (blocked === "busy") return call.refuse(486, "busy", "The caller is blocked.");
      if (blocked === "reject") return call.refuse(603, "refused", "The caller is blocked.");
      const destination = number?.destination ?? trunk.defaultDestination;
      if (!destination) return call.refuse(404, "failed", "The phone system does not have this number.");
      const toVoicemail = blocked === "voicemail" && destination.kind === "extension";
      await follow(call, toVoicemail ? { kind: "voicemail", id: destination.id } : destination, signal);
    });
  }

  async function fromExtension(incoming: IncomingCall, account: Account): Promise<void> {
    const plan = await parts.plans.fresh(account.systemId, account.planVersion);
    const extension = plan?.extensions.find(({ id }) => id === account.extensionId);
    if (!plan || !extension) return incoming.reject(403);
    const dialled = incoming.request.uri.user ?? "";
    const who = {
      number: extension.number,
      name: extension.callerName ?? extension.name,
      extensionId: extension.id,
      deviceId: account.deviceId,
    };
    if (incoming.replaces) return takePlace(incoming, account.deviceId, extension, incoming.replaces);
    const call = new Call(board, { plan, direction: "internal", from: who, to: { number: dialled } });
    const subject = await incomingParty(call, incoming, who);
    if (!subject) return;
    await call.run(subject, (signal) => routeDialled(call, dialled, signal));
  }

  /** INVITE with Replaces (RFC 3891): a phone takes a call that another one has, or that rings there. */
  async function takePlace(incoming: IncomingCall, deviceId: string, extension: PlanExtension, replaced: Session): Promise<void> {
    const before = replaced.data;
    const call = before instanceof Party ? before.call : undefined;
    if (!(before instanceof Party) || !call?.plan.extensions.some(({ id }) => id === extension.id)) {
      incoming.reject(481);
      return;
    }
    const who = { number: extension.number, name: extension.callerName ?? extension.name, extensionId: extension.id, deviceId };
    if (!before.peer) {
      const picking = new Call(board, { plan: call.plan, direction: "internal", from: who, to: call.to });
      const subject = await incomingParty(picking, incoming, who);
      if (!subject) return;
      await picking.run(subject, async (signal) => {
        if (!board.ringing.pick([before.who.extensionId ?? ""], subject))
          return picking.refuse(481, "failed", "The call rings no longer.");
        await aborted(signal);
      });
      return;
    }
    const next = continued(board, call, before.peer, { number: extension.number, name: extension.name });
    const party = await incomingParty(next, incoming, who);
    if (!party) return;
    await next.run(before.peer, async (signal) => void (await connect(next, party, signal)));
  }

  /** Its media are looked at before anybody rings. */
  async function incomingParty(
    call: Call,
    incoming: IncomingCall,
    who: Party["who"],
    { digitsByInfo = false } = {},
  ): Promise<Party | undefined> {
    const leg = call.media.leg(who.number ?? "caller");
    const party = new Party({ who, session: incoming, leg, media: call.media, events: call.partyEvents, digitsByInfo });
    try {
      const { sdp } = incoming.request;
      if (sdp !== undefined) await leg.consider(sdp);
    } catch (error) {
      if (!(error instanceof MediaError)) throw error;
      // RFC 3261 section 21.5.4: without media there are no calls here now; a phone that knows other addresses of ours asks there.
      if (error.code === "unreachable" || error.code === "no_ports") incoming.reject(503, { headers: { "Retry-After": "10" } });
      else incoming.reject(error.code === "malformed" ? 400 : 488);
      return undefined;
    }
    call.add(party, who.extensionId === undefined ? "trunk" : "extension");
    return party;
  }

  return board;
}
