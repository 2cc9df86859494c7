import { MediaError, type PlaySource } from "../engine.ts";
import type { DtlsIdentity } from "../rtp/dtls.ts";
import { Leg } from "./leg.ts";
import { RunningPlayback } from "./playback.ts";
import { advanceMusic } from "./player.ts";
import { Ports } from "./ports.ts";
import type { ParametersOf, PlaceOf, ResultOf, WorkerMessage, WorkerMethod, WorkerSetup } from "./protocol.ts";
import { RunningRecording } from "./recorder.ts";
import { Room } from "./room.ts";

const beep: PlaySource = { tone: { segments: [{ frequencies: [1000], ms: 250 }] } };
/** The beep, and what is between it and the party's ear. */
const beepMs = 350;

type Methods = { [M in WorkerMethod]: (parameters: ParametersOf<M>) => ResultOf<M> | Promise<ResultOf<M>> };

/** All that a worker has: legs and rooms, and what may be asked about them. */
export class Desk {
  readonly #legs = new Map<string, Leg>();
  readonly #rooms = new Map<string, Room>();
  /** Legs whose ports are being taken, or that got none: whatever is asked of those fails for that reason. */
  readonly #opening = new Map<string, Promise<void>>();
  readonly #ports: Ports;
  readonly #setup: WorkerSetup;
  readonly #identity: DtlsIdentity;
  readonly #tell: (message: WorkerMessage) => void;

  constructor(setup: WorkerSetup, identity: DtlsIdentity, tell: (message: WorkerMessage) => void) {
    this.#setup = setup;
    this.#identity = identity;
    this.#tell = tell;
    this.#ports = new Ports(setup.ports, setup.listen);
  }

  tick(now: number): void {
    advanceMusic();
    for (const leg of this.#legs.values()) leg.tickIn();
    for (const room of this.#rooms.values()) room.tick(now);
    for (const leg of this.#legs.values()) leg.tickOut(now);
  }

  look(now: number): void {
    for (const leg of this.#legs.values()) leg.reports.look(now);
  }

  /** @throws MediaError */
  async handle<M extends WorkerMethod>(method: M, parameters: ParametersOf<M>): Promise<ResultOf<M>> {
    if (method !== "legOpen" && method !== "legClose") for (const leg of legsOf(parameters)) await this.#opening.get(leg);
    return await this.#methods[method](parameters);
  }

  readonly #methods: Methods = {
    legOpen: async ({ call, leg }) => {
      const emit = (event: Extract<WorkerMessage, { event: unknown }>["event"]): void => this.#tell({ event });
      const place = { identity: this.#identity, addresses: this.#setup.addresses, emit };
      const opened = this.#ports.take().then((pair) => void this.#legs.set(leg, new Leg(leg, call, pair, place)));
      this.#opening.set(leg, opened);
      await opened;
      this.#opening.delete(leg);
      return null;
    },
    legOffer: ({ leg, options }) => {
      this.#noMedia(leg, options.noMediaSeconds);
      return this.#leg(leg).offer(options);
    },
    legAnswer: ({ leg, sdp, options }) => {
      this.#noMedia(leg, options.noMediaSeconds);
      return this.#leg(leg).answer(sdp, options);
    },
    legAccept: ({ leg, sdp }) => this.#leg(leg).accept(sdp),
    legRollback: ({ leg }) => done(this.#leg(leg).rollback()),
    legAway: ({ leg, away }) => done(this.#leg(leg).goAway(away)),
    legMute: ({ leg, muted }) => {
      this.#leg(leg).muted = muted;
      return null;
    },
    legDtmf: async ({ leg, digits, toneMs, gapMs }) => done(await this.#leg(leg).sendDigits(digits, toneMs, gapMs)),
    legQuality: ({ leg }) => this.#leg(leg).quality(),
    legClose: async ({ leg }) => {
      await this.#opening.get(leg)?.catch(() => {});
      this.#opening.delete(leg);
      this.#legs.get(leg)?.close();
      this.#legs.delete(leg);
      return null;
    },
    bridge: ({ one, other, options }) => {
      const legs = [this.#leg(one), this.#leg(other)] as const;
      for (const leg of legs) {
        leg.unbridge();
        leg.room?.leave(leg);
      }
      legs[0].bridge(legs[1], options.dtmf !== "absorb");
      legs[1].bridge(legs[0], options.dtmf !== "absorb");
      return null;
    },
    unbridge: ({ leg }) => done(this.#legs.get(leg)?.unbridge()),
    play: ({ on, id, source, options }) => {
      const place = this.#place(on);
      place.playback?.end({ reason: "replaced" });
      const playback = new RunningPlayback(id, source, options, (end) => {
        if (place.playback?.id === id) place.playback = undefined;
        this.#tell({ played: id, end });
      });
      place.playback = playback;
      return null;
    },
    playStop: ({ on, id }) => {
      const { playback } = this.#place(on);
      if (playback?.id === id) playback.end({ reason: "stopped" });
      return null;
    },
    record: ({ on, id, options }) => {
      const place = this.#place(on);
      const recording = new RunningRecording(id, options, options.beep ? beepMs : 0, (end) => {
        place.recordings.delete(recording);
        this.#tell({ recorded: id, end });
      });
      place.recordings.add(recording);
      if (options.beep) void this.#methods.play({ on, id: `${id}/beep`, source: beep, options: {} });
      return null;
    },
    recordChange: ({ on, id, change }) => {
      const recording = [...this.#place(on).recordings].find((each) => each.id === id);
      if (change === "stop") recording?.end({ reason: "stopped" });
      else recording?.pause(change === "pause");
      return null;
    },
    roomOpen: ({ room, speakersEveryMs }) => {
      this.#rooms.set(room, new Room(room, speakersEveryMs, (event) => this.#tell({ event })));
      return null;
    },
    roomJoin: ({ room, leg, change }) => done(this.#room(room).join(this.#leg(leg), change)),
    roomLeave: ({ room, leg }) => {
      const found = this.#legs.get(leg);
      if (found) this.#rooms.get(room)?.leave(found);
      return null;
    },
    roomMembers: ({ room }) => this.#room(room).list(),
    roomClose: ({ room }) => {
      this.#rooms.get(room)?.close();
      this.#rooms.delete(room);
      return null;
    },
  };

  #noMedia(leg: string, seconds: number | undefined): void {
    if (seconds !== undefined) this.#leg(leg).noMediaSeconds = seconds;
  }

  #place(on: PlaceOf): Leg | Room {
    return "leg" in on ? this.#leg(on.leg) : this.#room(on.room);
  }

  #leg(id: string): Leg {
    const leg = this.#legs.get(id);
    if (!leg) throw new MediaError("gone", "This leg was closed.");
    return leg;
  }

  #room(id: string): Room {
    const room = this.#rooms.get(id);
    if (!room) throw new MediaError("gone", "This conference was closed.");
    return room;
  }
}

function legsOf(parameters: object): string[] {
  const { leg, one, other, on } = parameters as { leg?: string; one?: string; other?: string; on?: { leg?: string } };
  return [leg, one, other, on?.leg].filter((id) => id !== undefined);
}

const done = (_nothing: unknown): null => null;
