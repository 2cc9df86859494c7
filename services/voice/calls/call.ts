import { type Id, newId } from "../../../kernel/ids.ts";
import type { PhoneLanguage } from "../destinations/contract.ts";
import type { ActiveCall } from "../live/contract.ts";
import type { QualityFigures } from "../media/engine.ts";
import type { PhonePlan, PlanExtension } from "../plan.ts";
import type { CallDirection, CallLeg, CallOutcome } from "../records/contract.ts";
import { sumOf } from "../trunks/rating.ts";
import type { Board } from "./board.ts";
import { type Amounts, amountSoFar } from "./charges.ts";
import { CallMedia } from "./media.ts";
import type { Party, PartyEvents, Who } from "./party.ts";
import type { CallRecording, PolicyRecording } from "./recordings.ts";

/** How a call ends that nobody answered: the status it gets, and the words of its record. */
export interface Refusal {
  status: number;
  outcome: CallOutcome;
  reason?: string;
}

export interface CallStart {
  plan: PhonePlan;
  direction: CallDirection;
  from: Who;
  to: { number: string; name?: string | undefined };
  trunkId?: string | undefined;
  phoneNumberId?: string | undefined;
  language?: PhoneLanguage | undefined;
  /** When somebody began to wait for it, where that was before. */
  waitingSince?: Date | undefined;
}

/** One call from its beginning to its record: the party that it is about (`subject`), and all it is connected with. */
export class Call {
  readonly id: Id<"call"> = newId("call");
  readonly board: Board;
  readonly plan: PhonePlan;
  readonly media: CallMedia;
  direction: CallDirection;
  /** Whose permissions hold for calls outside: the caller, or who passed it on. */
  payer: PlanExtension | undefined;
  /** We have called its subject (callOut.ts): `from` is in whose name. */
  callsOut = false;
  /** Asked for by code for this call. */
  hideNumber = false;
  readonly startedAt = new Date();
  readonly waitingSince: Date;
  from: Who;
  to: { number: string; name?: string | undefined };
  language: PhoneLanguage;
  trunkId: string | undefined;
  phoneNumberId: string | undefined;
  queueId: string | undefined;
  serviceLevelSeconds: number | undefined;
  country: string | undefined;
  answeredAt: Date | undefined;
  state: ActiveCall["state"] = "ringing";
  isRecorded = false;
  /** The recording that somebody asked for (onDemand.ts). */
  onDemand: CallRecording | undefined;
  /** The one that a policy wants, while the two speak. */
  policyRecording: PolicyRecording | undefined;
  readonly extensionIds = new Set<string>();
  /** Extensions that it was for and that did not take it: it is in their history when nobody took it. */
  readonly missedBy = new Set<string>();
  readonly legs: CallLeg[] = [];
  readonly parties = new Set<Party>();
  /** Put before the caller's name on phones that ring: of a number, group or queue. */
  namePrefix = "";
  /** What the subject is told when its script ends unanswered. */
  refusal: Refusal = { status: 480, outcome: "missed" };
  /** Of an answered call that no person took. */
  outcome: CallOutcome | undefined;
  readonly qualities: QualityFigures[] = [];
  /** Why a call that was answered was ended, where that was not somebody's wish. */
  endReason: string | undefined;
  hungUpBy: "caller" | "called" | "system" | undefined;
  /** Extensions that have forwarded it already: it does not come to one twice. */
  readonly forwardedBy = new Set<string>();
  private theSubject: Party | undefined;
  private readonly partyLegs = new Map<Party, CallLeg>();
  /** Those that ended in it: what they cost is on its record. */
  private readonly charged: Party[] = [];

  constructor(board: Board, start: CallStart) {
    this.board = board;
    this.plan = start.plan;
    this.direction = start.direction;
    this.from = start.from;
    this.to = start.to;
    this.trunkId = start.trunkId;
    this.phoneNumberId = start.phoneNumberId;
    this.waitingSince = start.waitingSince ?? this.startedAt;
    this.language = start.language ?? start.plan.system.language;
    this.media = new CallMedia(board.engine, this.id);
    this.payer = this.extension(start.from.extensionId);
    if (start.from.extensionId) this.extensionIds.add(start.from.extensionId);
  }

  get subject(): Party {
    if (!this.theSubject) throw new Error("The call has no subject yet.");
    return this.theSubject;
  }

  /** With whom those to whom it goes speak: who called, or who was called. */
  get other(): Who {
    return this.callsOut && this.theSubject ? this.theSubject.who : this.from;
  }

  /** For the parties of this call. */
  readonly partyEvents: PartyEvents = {
    onEnded: (party) => (party.call ?? this).left(party),
    onRefer: (party, refer) => this.board.transfer(party, refer),
    onError: (error, during) => this.board.log.warn({ err: error, call: this.id }, `${during} failed`),
  };

  extension(id: string | undefined): PlanExtension | undefined {
    return id === undefined ? undefined : this.plan.extensions.find((each) => each.id === id);
  }

  /** A party belongs to this call from now on, also one that another call had. */
  add(party: Party, kind: string): void {
    const isNew = party.call === undefined;
    party.call?.passedOn(party);
    this.parties.add(party);
    party.call = this;
    const { number, trunkName, extensionId, trunkId, deviceId } = party.who;
    const id = extensionId ?? trunkId;
    const name = party.who.name ?? trunkName;
    const leg: CallLeg = {
      kind,
      ...(id === undefined ? {} : { id }),
      ...(number === undefined ? {} : { number }),
      ...(name === undefined ? {} : { name }),
      ...(deviceId === undefined ? {} : { device: deviceId }),
      startedAt: (isNew ? party.startedAt : new Date()).toISOString(),
      ...(isNew || !party.isAnswered ? {} : { answeredAt: new Date().toISOString() }),
    };
    this.legs.push(leg);
    this.partyLegs.set(party, leg);
    this.board.changed(this);
  }

  /** Something else that the call came to: voicemail, a queue. Answers what stands in its record, to be added to. */
  note(kind: string, id: string, name?: string): CallLeg {
    const at = new Date().toISOString();
    const leg: CallLeg = { kind, id, ...(name === undefined ? {} : { name }), startedAt: at, answeredAt: at };
    this.legs.push(leg);
    return leg;
  }

  setState(state: ActiveCall["state"]): void {
    this.state = state;
    this.board.changed(this);
  }

  /** Somebody answered, or something: a menu, voicemail. */
  answered(by?: Party): void {
    this.answeredAt ??= new Date();
    if (by?.who.extensionId) this.extensionIds.add(by.who.extensionId);
    const leg = by && this.partyLegs.get(by);
    if (leg) leg.answeredAt ??= new Date().toISOString();
    this.setState("talking");
  }

  refuse(status: number, outcome: CallOutcome, reason?: string): void {
    this.refusal = { status, outcome, ...(reason === undefined ? {} : { reason }) };
  }

  /** Its whole life: `work` says what happens to the subject. Writes its record at the end. Never rejects. */
  async run(subject: Party, work: (signal: AbortSignal) => Promise<void>): Promise<void> {
    this.theSubject = subject;
    this.board.begin(this);
    try {
      await subject.run(async (signal) => {
        await work(signal);
        if (!signal.aborted && !subject.isAnswered) subject.hangUp(this.refusal.status);
      });
    } finally {
      await this.board.finish(this);
    }
  }

  /** Somebody outside is called: by a person here, or for somebody outside. */
  makeOutbound(): void {
    if (this.direction === "internal") this.direction = "outbound";
  }

  /** What it has come to, and will have `aheadSeconds` later, or that extension's part of it; undefined: nobody said what it costs. */
  amount(of: Amounts, aheadSeconds = 0, payerId?: string): string | undefined {
    const parties = [...this.charged, ...this.parties].filter(
      ({ charge }) => payerId === undefined || charge?.payerId === payerId,
    );
    const amounts = parties.flatMap((party) => amountSoFar(party, of, aheadSeconds) ?? []);
    return amounts.length === 0 ? undefined : sumOf(amounts);
  }

  /** What each extension's part of it came to, as limits count it. */
  get spending(): { extensionId: string; amount: string }[] {
    const payers = new Set([...this.charged, ...this.parties].flatMap(({ charge }) => charge?.payerId ?? []));
    return [...payers].map((extensionId) => ({ extensionId, amount: this.amount("counted", 0, extensionId) ?? "0" }));
  }

  /** Another call has the party now. */
  private passedOn(party: Party): void {
    this.parties.delete(party);
    const leg = this.partyLegs.get(party);
    if (leg) leg.endedAt = new Date().toISOString();
  }

  left(party: Party): void {
    this.parties.delete(party);
    if (party.charge && party.answeredAt) this.charged.push(party);
    const leg = this.partyLegs.get(party);
    const { end } = party;
    if (end?.cause === "remote_hangup" || end?.cause === "cancelled")
      this.hungUpBy ??= (party === this.theSubject) !== this.callsOut ? "caller" : "called";
    if (party.quality) this.qualities.push(party.quality);
    if (leg) {
      leg.endedAt = new Date().toISOString();
      if (party.answeredAt) leg.answeredAt ??= party.answeredAt.toISOString();
      if (end?.status !== undefined) leg.cause = end.status;
      const codec = party.leg.media?.codec;
      if (codec !== undefined) leg.codec = codec;
    }
    this.board.left(party);
  }
}
