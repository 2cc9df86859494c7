import type { Database } from "../../../kernel/db/database.ts";
import type { Log } from "../../../kernel/log.ts";
import type { Secrets } from "../../../kernel/secrets.ts";
import type { MediaEngine } from "../media/engine.ts";
import type { Locations } from "../registrar/locations.ts";
import type { Location } from "../registrar/store.ts";
import type { IncomingRefer, SipStack } from "../sip/ports.ts";
import type { Call } from "./call.ts";
import type { LimitAlerts } from "./limitAlerts.ts";
import type { Party } from "./party.ts";
import type { Plans } from "./plans.ts";
import type { WhenFree } from "./whenFree.ts";

/** What every part of the switchboard works with. */
export interface Board {
  readonly log: Log;
  readonly database: Database;
  readonly secrets: Secrets;
  readonly stack: SipStack;
  readonly engine: MediaEngine;
  readonly plans: Plans;
  readonly locations: Locations;
  /** Where sounds are put while a call needs them; emptied at the start. */
  readonly folder: string;
  /** Of this voice process: `Leases`. */
  readonly processId: string;
  /** Calls that run, by id. */
  readonly calls: ReadonlyMap<string, Call>;
  readonly ringing: RingingCalls;
  readonly parked: ParkedCalls;
  readonly whenFree: WhenFree;
  /** Aborted when the process ends. */
  readonly closing: AbortSignal;
  begin(call: Call): void;
  changed(call: Call): void;
  /** Writes its record. Never rejects. */
  finish(call: Call): Promise<void>;
  /** Resolves when the records of the calls that are over now are written. */
  settled(): Promise<void>;
  left(party: Party): void;
  transfer(party: Party, refer: IncomingRefer): void;
  /** What must be done before the process ends, whatever becomes of its call. */
  track(work: Promise<unknown>): void;
  /** One is called: who is to know of it is told. */
  emergency(call: Call, number: string): void;
  /** One refused or ended a call: the same ones are told, once an hour. */
  readonly limitReached: LimitAlerts;
  /** A phone that says nothing any more. */
  isSilent(location: Location): boolean;
  /** A trunk that did not answer when it was last asked. */
  isDown(trunkId: string): boolean;
  /** As `Trunks` has it. */
  serviceRoute(trunkId: string): string[];
  /** As `Trunks` has it. */
  addressOfTrunk(trunkId: string): string | undefined;
  /** Parties of an extension that ring or talk. */
  partiesOf(extensionId: string): Party[];
}

/** Calls that ring at extensions and that another phone may take. */
export class RingingCalls {
  private readonly entries = new Set<{ extensionIds: string[]; take: (by: Party) => void }>();

  /** Returns what ends it. */
  offer(extensionIds: string[], take: (by: Party) => void): () => void {
    const entry = { extensionIds, take };
    this.entries.add(entry);
    return () => void this.entries.delete(entry);
  }

  /** Gives the one that rings for longest to this party; false when none rings at any of these extensions. */
  pick(extensionIds: readonly string[], by: Party): boolean {
    const entry = [...this.entries].find((each) => each.extensionIds.some((id) => extensionIds.includes(id)));
    if (!entry) return false;
    this.entries.delete(entry);
    entry.take(by);
    return true;
  }

  isRinging(extensionId: string): boolean {
    return [...this.entries].some(({ extensionIds }) => extensionIds.includes(extensionId));
  }
}

/** A call that waits in a slot of a parking lot. */
export interface Parked {
  readonly party: Party;
  fetch(by: Party): void;
}

/** Parked calls by phone system and slot, which is a number that phones dial and watch. */
export class ParkedCalls {
  private readonly entries = new Map<string, Parked>();
  private readonly listeners: ((systemId: string, slot: string) => void)[] = [];

  at(systemId: string, slot: string): Parked | undefined {
    return this.entries.get(`${systemId} ${slot}`);
  }

  /** Takes the first of these slots that is free; undefined when none is. */
  put(systemId: string, slots: readonly string[], parked: Parked): string | undefined {
    const slot = slots.find((each) => this.at(systemId, each) === undefined);
    if (slot === undefined) return undefined;
    this.entries.set(`${systemId} ${slot}`, parked);
    this.tell(systemId, slot);
    return slot;
  }

  /** Nothing happens when another call has the slot by now. */
  remove(systemId: string, slot: string, parked: Parked): void {
    if (this.at(systemId, slot) !== parked) return;
    this.entries.delete(`${systemId} ${slot}`);
    this.tell(systemId, slot);
  }

  onChange(listener: (systemId: string, slot: string) => void): void {
    this.listeners.push(listener);
  }

  private tell(systemId: string, slot: string): void {
    for (const listener of this.listeners) listener(systemId, slot);
  }
}
